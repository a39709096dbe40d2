"""Which sales region a country belongs to: the table behind `Account.BillingCountry`.

In: what an account has as its country, in whatever spelling. Out: the Country, or nothing. Countries and their codes
are those of ISO 3166-1; the regions are ours (docs/pricing.md). Knows no rate and opens no connection.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Country:
    """A country: its two-letter code, its English name, its sales region."""

    code: str
    name: str
    region: str


def spelling(text: str) -> str:
    """A text as it is compared: no accents, no case, no blanks, no punctuation; "U.S.A." and "usa" are the same."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


# One country between semicolons: code, English name, then other spellings that accounts are found with.
_LISTED: Final = {
    "NAMER": """
        BM Bermuda; CA Canada; GL Greenland; PM Saint Pierre and Miquelon; PR Puerto Rico;
        UM United States Minor Outlying Islands; US United States|United States of America|USA|America;
        VI Virgin Islands, U.S.|U.S. Virgin Islands
        """,
    "LATAM": """
        AG Antigua and Barbuda; AI Anguilla; AR Argentina; AW Aruba; BB Barbados; BL Saint Barthélemy;
        BO Bolivia|Bolivia, Plurinational State of; BQ Bonaire, Sint Eustatius and Saba; BR Brazil|Brasil;
        BS Bahamas|The Bahamas; BZ Belize; CL Chile; CO Colombia; CR Costa Rica; CU Cuba; CW Curaçao; DM Dominica;
        DO Dominican Republic; EC Ecuador; FK Falkland Islands|Falkland Islands (Malvinas); GD Grenada;
        GF French Guiana; GP Guadeloupe; GT Guatemala; GY Guyana; HN Honduras; HT Haiti; JM Jamaica;
        KN Saint Kitts and Nevis; KY Cayman Islands; LC Saint Lucia; MF Saint Martin|Saint Martin (French part);
        MQ Martinique; MS Montserrat; MX Mexico|México; NI Nicaragua; PA Panama; PE Peru; PY Paraguay;
        SR Suriname; SV El Salvador; SX Sint Maarten|Sint Maarten (Dutch part); TC Turks and Caicos Islands;
        TT Trinidad and Tobago; UY Uruguay; VC Saint Vincent and the Grenadines;
        VE Venezuela|Venezuela, Bolivarian Republic of; VG Virgin Islands, British|British Virgin Islands
        """,
    "EMEA": """
        AD Andorra; AE United Arab Emirates|UAE; AL Albania; AM Armenia; AO Angola; AT Austria|Österreich;
        AX Aland Islands; AZ Azerbaijan; BA Bosnia and Herzegovina; BE Belgium|Belgique|België; BF Burkina Faso;
        BG Bulgaria; BH Bahrain; BI Burundi; BJ Benin; BV Bouvet Island; BW Botswana; BY Belarus;
        CD Congo, the Democratic Republic of the|Democratic Republic of the Congo|DR Congo;
        CF Central African Republic; CG Congo|Republic of the Congo; CH Switzerland|Schweiz|Suisse|Svizzera;
        CI Côte d'Ivoire|Ivory Coast; CM Cameroon; CV Cabo Verde|Cape Verde; CY Cyprus;
        CZ Czechia|Czech Republic; DE Germany|Deutschland; DJ Djibouti; DK Denmark|Danmark; DZ Algeria; EE Estonia;
        EG Egypt; EH Western Sahara; ER Eritrea; ES Spain|España; ET Ethiopia; FI Finland|Suomi; FO Faroe Islands;
        FR France; GA Gabon; GB United Kingdom|UK|Great Britain|England|Scotland|Wales|Northern Ireland|
        United Kingdom of Great Britain and Northern Ireland; GE Georgia; GG Guernsey; GH Ghana; GI Gibraltar;
        GM Gambia|The Gambia; GN Guinea; GQ Equatorial Guinea; GR Greece; GW Guinea-Bissau; HR Croatia|Hrvatska;
        HU Hungary|Magyarország; IE Ireland|Republic of Ireland; IL Israel; IM Isle of Man; IQ Iraq;
        IR Iran|Iran, Islamic Republic of; IS Iceland; IT Italy|Italia; JE Jersey; JO Jordan; KE Kenya; KM Comoros;
        KW Kuwait; LB Lebanon; LI Liechtenstein; LR Liberia; LS Lesotho; LT Lithuania; LU Luxembourg|Luxemburg;
        LV Latvia; LY Libya|Libyan Arab Jamahiriya; MA Morocco; MC Monaco; MD Moldova|Moldova, Republic of;
        ME Montenegro; MG Madagascar; MK North Macedonia|Macedonia|Macedonia, the former Yugoslav Republic of; ML Mali;
        MR Mauritania; MT Malta; MU Mauritius; MW Malawi; MZ Mozambique; NA Namibia; NE Niger; NG Nigeria;
        NL Netherlands|The Netherlands|Nederland|Holland; NO Norway|Norge; OM Oman; PL Poland|Polska;
        PS Palestine|Palestine, State of; PT Portugal; QA Qatar; RE Reunion; RO Romania; RS Serbia;
        RU Russia|Russian Federation; RW Rwanda; SA Saudi Arabia; SC Seychelles; SD Sudan; SE Sweden|Sverige;
        SH Saint Helena|Saint Helena, Ascension and Tristan da Cunha; SI Slovenia; SJ Svalbard and Jan Mayen;
        SK Slovakia; SL Sierra Leone; SM San Marino; SN Senegal; SO Somalia; SS South Sudan;
        ST Sao Tome and Principe; SY Syria|Syrian Arab Republic; SZ Eswatini|Swaziland; TD Chad; TG Togo; TN Tunisia;
        TR Türkiye|Turkey; TZ Tanzania|Tanzania, United Republic of; UA Ukraine; UG Uganda;
        VA Vatican City|Holy See|Holy See (Vatican City State); YE Yemen; YT Mayotte; ZA South Africa; ZM Zambia;
        ZW Zimbabwe
        """,
    "APAC": """
        AF Afghanistan; AQ Antarctica; AS American Samoa; AU Australia; BD Bangladesh; BN Brunei|Brunei Darussalam;
        BT Bhutan; CC Cocos Islands|Cocos (Keeling) Islands; CK Cook Islands; CN China|中国; CX Christmas Island;
        FJ Fiji; FM Micronesia|Micronesia, Federated States of; GS South Georgia and the South Sandwich Islands;
        GU Guam; HK Hong Kong; HM Heard Island and McDonald Islands; ID Indonesia; IN India;
        IO British Indian Ocean Territory; JP Japan|日本; KG Kyrgyzstan; KH Cambodia; KI Kiribati;
        KP North Korea|Korea, Democratic People's Republic of;
        KR South Korea|Korea|Korea, Republic of|Republic of Korea|대한민국; KZ Kazakhstan;
        LA Laos|Lao People's Democratic Republic; LK Sri Lanka; MH Marshall Islands; MM Myanmar; MN Mongolia;
        MO Macao|Macau; MP Northern Mariana Islands; MV Maldives; MY Malaysia; NC New Caledonia; NF Norfolk Island;
        NP Nepal; NR Nauru; NU Niue; NZ New Zealand|Aotearoa; PF French Polynesia; PG Papua New Guinea;
        PH Philippines|The Philippines; PK Pakistan; PN Pitcairn; PW Palau; SB Solomon Islands; SG Singapore;
        TF French Southern Territories; TH Thailand; TJ Tajikistan; TK Tokelau; TL Timor-Leste|East Timor;
        TM Turkmenistan; TO Tonga; TV Tuvalu; TW Taiwan|Chinese Taipei; UZ Uzbekistan; VN Vietnam|Viet Nam|Việt Nam;
        VU Vanuatu; WF Wallis and Futuna; WS Samoa
        """,
}  # fmt: skip


def _spelled() -> Iterator[tuple[str, Country]]:
    for region, listed in _LISTED.items():
        for entry in " ".join(listed.split()).split("; "):
            code, _, names = entry.partition(" ")
            name, *others = (one.strip() for one in names.split("|"))
            for spelt in (code, name, *others, name.replace(" and ", " & "), name.replace("Saint ", "St. ")):
                yield spelling(spelt), Country(code, name, region)


COUNTRIES: Final[Mapping[str, Country]] = MappingProxyType(dict(_spelled()))
"""Spelling of a code or a name -> the country."""

REGIONS: Final[Mapping[str, str]] = MappingProxyType({spelling(region): region for region in _LISTED})
"""Spelling of a region -> the region as we write it."""


def country(text: str) -> Country | None:
    """The country of a code, an English name or a common other spelling; None when it is not known.

    Example: country("U.S.A.").region == "NAMER"
    """
    return COUNTRIES.get(spelling(text))
