"""The records an org starts with: the same every time, some thousand opportunities in a moment.

Opportunity n belongs to account n // 4, as in the gateway's demo data, so that demo quotes have an opportunity here.
Numbers below 100 are special cases, each with a name (SPECIAL); beyond, most opportunities can become a quote and some,
at fixed places, cannot (is_bad). Currency follows the account in an org with several, and so do price book entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from odata.edm.record_ids import widen_record_id
from simulator.store import Row

MADE: Final = "2026-01-05T10:00:00.000+0000"
REGIONS: Final = ("NAMER", "NAMER", "NAMER", "NAMER", "EMEA", "EMEA", "EMEA", "APAC", "APAC", "LATAM")
"""Of account a: entry a % 10."""
COUNTRIES: Final[Mapping[str, tuple[str, ...]]] = {
    "NAMER": ("United States", "Canada", "United States", "Mexico"),
    "EMEA": ("Germany", "France", "United Kingdom", "South Africa", "Netherlands"),
    "APAC": ("Japan", "Australia", "India", "Singapore"),
    "LATAM": ("Brazil", "Argentina", "Chile"),
}
CURRENCIES: Final[Mapping[str, str]] = {"NAMER": "USD", "EMEA": "EUR", "APAC": "JPY", "LATAM": "BRL"}
PRICE_BOOKS: Final = (("Standard Price Book", 1.0), ("Partner Price Book", 0.9), ("Europe Price Book", 1.1))
PRODUCTS: Final = 40
USERS: Final = 40
STAGES: Final = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review")
RATES: Final[Mapping[str, float]] = {"USD": 1.0, "EUR": 0.92, "JPY": 150.0, "BRL": 5.4, "GBP": 0.79, "CAD": 1.36}
_COMPANIES: Final = (
    "Acme",
    "O'Brien",
    "Müller & Söhne",
    "東京電子",
    "Nordwind",
    "Globex",
    "Initech",
    "Hooli",
    "Stark",
    "Wonka",
)
_BRANCHES: Final = ("Machines", "Foods", "Logistics", "Energy", "Optics", "Software", "Medical", "Paper", "Aviation")
_THINGS: Final = ("Pump", "Valve", "Sensor", "Controller", "Service hour", "Licence", "Cable", "Filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """A named case. account: its account's number; fields: of the opportunity; lines: how many, None as usual."""

    what: str
    account: int = 0
    fields: Mapping[str, Any]
    lines: int | None = None


SPECIAL: Final[Mapping[int, tuple[str, Special]]] = {
    number: (name, special)
    for number, name, special in (
        (1, "plain", Special(what="3 lines, NAMER, standard price book", fields={}, lines=3)),
        (2, "no_lines", Special(what="a price book and no line", fields={}, lines=0)),
        (3, "no_price_book", Special(what="neither price book nor lines", fields={"Pricebook2Id": None}, lines=0)),
        (4, "inactive_entry", Special(what="the first line's price book entry is inactive", fields={}, lines=2)),
        (5, "other_price_book", Special(what="the first line's entry is of another price book", fields={}, lines=2)),
        (6, "closed_won", Special(what="won already", fields={"StageName": "Closed Won"}, lines=2)),
        (7, "closed_lost", Special(what="lost already", fields={"StageName": "Closed Lost"}, lines=2)),
        (8, "many_lines", Special(what="45 lines", fields={}, lines=45)),
        (9, "too_many_lines", Special(what="600 lines: more than a graph holds", fields={}, lines=600)),
        (10, "override_zero", Special(what="discount override 0", fields={"DiscountOverride__c": 0.0}, lines=2)),
        (11, "override_20", Special(what="discount override 20", fields={"DiscountOverride__c": 20.0}, lines=2)),
        (12, "override_wrong", Special(what="discount override 150", fields={"DiscountOverride__c": 150.0}, lines=2)),
        (13, "long_name", Special(what="name of 120 letters, not all ASCII", fields={"Name": "Größe " * 20}, lines=1)),
        (14, "leap_day", Special(what="closes on 2028-01-30", fields={"CloseDate": "2028-01-30"}, lines=1)),
        (15, "zero_price", Special(what="the first line costs nothing", fields={}, lines=2)),
        (16, "fractions", Special(what="quantity 2.5 at 0.15, discount 7.5", fields={}, lines=1)),
        (17, "no_account", Special(what="no account", fields={"AccountId": None}, lines=2)),
        (18, "no_country", Special(what="the account has no country", account=15, fields={}, lines=2)),
        (19, "odd_country", Special(what="the account's country is Wonderland", account=16, fields={}, lines=2)),
        (20, "emea", Special(what="EMEA", account=14, fields={}, lines=2)),
        (21, "apac", Special(what="APAC: ann does not see it", account=17, fields={}, lines=2)),
        (22, "latam", Special(what="LATAM: ann does not see it", account=19, fields={}, lines=2)),
        (23, "of_ben", Special(what="NAMER, owned by ben", account=2, fields={}, lines=2)),
        (24, "region_field", Special(what="Region__c EMEA, account NAMER", fields={"Region__c": "EMEA"}, lines=2)),
        (25, "odd_name", Special(what="a reference as its name", fields={"Name": "@{quote.id} 'x' \\ <b>"}, lines=1)),
    )
}
FIRST_ORDINARY: Final = 100


def is_bad(number: int) -> bool:
    """Whether the ordinary opportunity of this number cannot become a quote: no lines, or lines that do not fit."""
    return number % 50 == 11 or number % 100 in (37, 73)


def record_id(prefix: str, pod: str, number: int) -> str:
    """The id of a record that the org starts with. Example: record_id("006", "bZ", 1) == "006bZ0000000001QAA" """
    return widen_record_id(f"{prefix}{pod}{number:010d}")


class Maker:
    """Makes the tables of one org. pod: two letters in every id of the org; users: made elsewhere (world.py)."""

    def __init__(self, *, pod: str, opportunities: int, multi_currency: bool) -> None:
        self.pod = pod
        self.opportunities = opportunities
        self.currencies = tuple(sorted({*CURRENCIES.values()})) if multi_currency else ("USD",)
        self.multi_currency = multi_currency
        self.tables: dict[str, dict[str, Row]] = {}
        self._entries: dict[tuple[int, int, str], tuple[str, float]] = {}
        self._ids: dict[tuple[str, int], str] = {}

    def make(self) -> dict[str, dict[str, Row]]:
        """All tables but User and Organization."""
        self._price_books()
        self._accounts()
        self._opportunities()
        return self.tables

    def id(self, prefix: str, number: int) -> str:
        """record_id of this org, remembered."""
        found = self._ids.get((prefix, number))
        if found is None:
            found = self._ids[prefix, number] = record_id(prefix, self.pod, number)
        return found

    def _row(self, record_id: str, owner: int | None = None, currency: str = "USD") -> Row:
        made_by = self.id("005", 3)
        row: Row = {"Id": record_id, "CreatedDate": MADE, "CreatedById": made_by, "LastModifiedDate": MADE}
        row["LastModifiedById"], row["SystemModstamp"] = made_by, MADE
        if owner is not None:
            row["OwnerId"] = self.id("005", owner)
        if self.multi_currency:
            row["CurrencyIsoCode"] = currency
        return row

    def _table(self, name: str) -> dict[str, Row]:
        return self.tables.setdefault(name, {})

    def _add(self, name: str, row: Row, **fields: Any) -> Row:
        row.update(fields)
        self._table(name)[row["Id"]] = row
        return row

    def _price_books(self) -> None:
        for number, (name, _) in enumerate(PRICE_BOOKS):
            row = self._row(self.id("01s", number))
            self._add("Pricebook2", row, Name=name, IsActive=True, IsStandard=number == 0)
        for number in range(PRODUCTS):
            name = f"{_THINGS[number % len(_THINGS)]} {number:03d}"
            row = self._row(self.id("01t", number))
            self._add("Product2", row, Name=name, ProductCode=f"P-{number:03d}", IsActive=True, Family="Hardware")
        for place, currency in enumerate(self.currencies):
            for book, (_, factor) in enumerate(PRICE_BOOKS):
                for product in range(PRODUCTS):
                    self._entry(10_000 * place + 1_000 * book + product, book, product, currency, factor)
        for number, iso in enumerate(self.currencies if self.multi_currency else ()):
            row = self._row(self.id("01L", number))
            digits = 0 if iso == "JPY" else 2
            self._add("CurrencyType", row, IsoCode=iso, ConversionRate=RATES[iso], DecimalPlaces=digits, IsActive=True)
            row["IsCorporate"] = iso == "USD"

    def _entry(self, number: int, book: int, product: int, currency: str, factor: float) -> None:
        price = round((9.99 + product * 7.35) * factor * RATES[currency], 0 if currency == "JPY" else 2)
        entry = self.id("01u", number)
        self._entries[book, product, currency] = entry, price
        self._add("PricebookEntry", self._row(entry, currency=currency), Pricebook2Id=self.id("01s", book),
                  Product2Id=self.id("01t", product), UnitPrice=price, IsActive=product != PRODUCTS - 1,
                  UseStandardPrice=False)  # fmt: skip

    def _accounts(self) -> None:
        for number in range(self.opportunities // 4 + 1):
            region = REGIONS[number % 10]
            countries = COUNTRIES[region]
            row = self._row(self.id("001", number), owner=number % USERS, currency=self._currency(number))
            self._add("Account", row, Name=account_name(number), BillingCity=f"City {number % 97}",
                      BillingCountry=countries[number // 10 % len(countries)], Industry=_BRANCHES[number % 9],
                      Region__c=region)  # fmt: skip
        for number, country in _ODD_COUNTRIES.items():
            if self.id("001", number) in self._table("Account"):
                self._table("Account")[self.id("001", number)].update(BillingCountry=country, Region__c=None)

    def _currency(self, account: int) -> str:
        return CURRENCIES[REGIONS[account % 10]] if self.multi_currency else "USD"

    def _opportunities(self) -> None:
        first_close = date(2026, 12, 1)
        days = [(first_close + timedelta(days=offset)).isoformat() for offset in range(180)]
        for number in (*sorted(SPECIAL), *range(FIRST_ORDINARY, self.opportunities)):
            name, special = SPECIAL.get(number, ("", None))
            account = number // 4 if special is None else special.account
            row = self._row(self.id("006", number), owner=account % USERS, currency=self._currency(account))
            book = number % 3 if special is None else 0
            stage = STAGES[number % 4] if number % 25 != 24 or special else "Closed Won"
            self._add("Opportunity", row, Name=f"{account_name(account)} - deal {number}",
                      AccountId=self.id("001", account), StageName=stage, CloseDate=days[number * 7 % 180],
                      Probability=10.0 + number % 8 * 10, Pricebook2Id=self.id("01s", book), Region__c=None,
                      DiscountOverride__c=None, Amount=None)  # fmt: skip
            if special is not None:
                row.update(special.fields)
            self._lines(number, book, self._currency(account), name, special)

    def _lines(self, number: int, book: int, currency: str, name: str, special: Special | None) -> None:
        count = 1 + number * 7 % 5 if special is None or special.lines is None else special.lines
        if special is None and number % 50 == 11:
            count = 0
        for place in range(count):
            product = (number * 3 + place * 5) % (PRODUCTS - 1)
            of_book = book
            if place == 0 and (name == "inactive_entry" or (special is None and number % 100 == 37)):
                product = PRODUCTS - 1
            if place == 0 and (name == "other_price_book" or (special is None and number % 100 == 73)):
                of_book = (book + 1) % len(PRICE_BOOKS)
            entry, price = self._entries[of_book, product, currency]
            digits = 0 if currency == "JPY" else 2
            line = self._row(self.id("00k", number * 1_000 + place), currency=currency)
            self._add("OpportunityLineItem", line, OpportunityId=self.id("006", number), PricebookEntryId=entry,
                      Quantity=float(1 + (number + place) % 9), Description=None, ServiceDate=None, SortOrder=place + 1,
                      UnitPrice=round(price * (1 - number % 4 * 0.05), digits))  # fmt: skip
            if place == 0:
                line.update(_ODD_LINES.get(name, {}))


_ODD_COUNTRIES: Final[Mapping[int, str | None]] = {15: None, 16: "Wonderland"}
"""Accounts whose country says nothing of their region."""
_ODD_LINES: Final[Mapping[str, Mapping[str, float]]] = {
    "zero_price": {"UnitPrice": 0.0},
    "fractions": {"Quantity": 2.5, "UnitPrice": 0.15, "Discount": 7.5},
}
"""Fields of the first line of these special cases."""


def account_name(number: int) -> str:
    """The name of account `number`."""
    company = _COMPANIES[number % len(_COMPANIES)]
    return f"{company} {_BRANCHES[(number * 7 + number // 10) % len(_BRANCHES)]} {number}"


def region_of(country: str | None) -> str | None:
    """The region a country counts to in the sharing rules of the simulated orgs; None: none."""
    return _REGION_OF.get(country or "")


_REGION_OF: Final = {country: region for region, countries in COUNTRIES.items() for country in countries}
SPECIAL_NUMBERS: Final[Mapping[str, int]] = {name: number for number, (name, _) in SPECIAL.items()}
