"""Negotiation: what the headers and $format ask for -> the Format of the answer, and preferences. Knows no model.

A wish that cannot be met is an error of class 4xx; what HTTP and OData say to ignore is ignored.
Standard: Protocol, "Header Fields" and "System Query Option $format"; JSON Format, "Requesting the JSON Format";
RFC 9110 and 7240.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Literal as OneOf
from typing import TypeAlias

from odata.errors import (
    InvalidHeader,
    InvalidOption,
    NotAcceptable,
    ODataError,
    PreconditionFailed,
    UnsupportedMediaType,
)
from odata.payload.formats import Format, MetadataLevel, Version, json_format
from odata.plan.limits import Profile
from odata.protocol.media_types import MediaType, media_ranges, media_type, split_list
from odata.protocol.preferences import Preferences, parse_prefer

# What the resource is written as: JSON (service document, entities, references, properties), CSDL, /$count, /$value.
Kind: TypeAlias = OneOf["json", "metadata", "count", "value", "binary"]
QueryBody: TypeAlias = OneOf["text/plain", "application/x-www-form-urlencoded"]

VARY = "Accept, OData-MaxVersion, Prefer"
NEWEST = Decimal("4.01")
CACHED_FORMATS = 512
CACHED_CHARACTERS = 1024
SHOWN_CHARACTERS = 200

ABBREVIATIONS = {"json": "application/json", "xml": "application/xml", "atom": "application/atom+xml"}
BOOLEANS = frozenset({"true", "false"})
LEVELS = frozenset({"none", "minimal", "full"})
# Format parameters of JSON, with and without the prefix of 4.0, and their values.
PARAMETERS = {
    "metadata": LEVELS,
    "odata.metadata": LEVELS,
    "streaming": BOOLEANS,
    "odata.streaming": BOOLEANS,
    "ieee754compatible": BOOLEANS,
    "exponentialdecimals": BOOLEANS,
    "charset": frozenset({"utf-8"}),
}
ATOM_HINT = " In Salesforce, set Format of the external data source to JSON."


def negotiate(
    headers: Mapping[str, str], format_option: str | None, kind: Kind, *, profile: Profile = "strict"
) -> Format:
    """Choose the format of the answer.

    Args:    headers: names in lower case. format_option: value of $format, decoded; it beats Accept; None without one.
             profile: "salesforce" ignores unknown parameters in Accept, keeps the prefix of control information in
             4.01 and takes metadata as XML whatever Accept says; "strict" skips media types with such parameters.
    Raises:  InvalidHeader (400) for a version that is no version or below 4.0, InvalidOption (400) for $format that is
             no media type, NotAcceptable (406) when nothing asked for can be written, PreconditionFailed (412) for
             snapshot isolation.
    Example: negotiate({"accept": "application/json;odata.metadata=full"}, None, "json").metadata == "full"
    """
    if headers.get("isolation", headers.get("odata-isolation", "")).strip().lower() == "snapshot":
        raise PreconditionFailed(
            "Snapshot isolation is not offered; leave the Isolation header out.", target="Isolation"
        )
    asked = (headers.get("accept", ""), headers.get("odata-maxversion", ""), headers.get("odata-version", ""))
    if sum(map(len, asked)) + len(format_option or "") > CACHED_CHARACTERS:
        return _negotiate.__wrapped__(*asked, format_option, kind, profile)
    return _negotiate(*asked, format_option, kind, profile)


def error_format(headers: Mapping[str, str]) -> Format:
    """The format of an error object: JSON in the version asked for, whatever else was wrong with the request."""
    try:
        return json_format(_version(headers.get("odata-maxversion", ""), ""))
    except ODataError:
        return json_format("4.0")


def query_body(headers: Mapping[str, str]) -> QueryBody:
    """How the body of POST .../$query is written: plain query options, or an HTML form, where "+" is a space.

    Standard: URL Conventions, "Passing Query Options in the Request Body". Raises: UnsupportedMediaType (415).
    """
    text = headers.get("content-type", "")
    found = media_type(text)
    if found is not None and set(found.parameters) <= {("charset", "utf-8"), ("charset", "us-ascii")}:
        if found.name == "text/plain":
            return "text/plain"
        if found.name == "application/x-www-form-urlencoded":
            return "application/x-www-form-urlencoded"
    raise UnsupportedMediaType(
        f"A $query body is text/plain or application/x-www-form-urlencoded in UTF-8, not '{_shown(text)}'.",
        target="Content-Type",
    )


def preferences(headers: Mapping[str, str], *, page_rows: int) -> tuple[Preferences, str | None]:
    """Read the Prefer header; what is unknown or makes no sense is ignored, as the standard says.

    Args:    page_rows: the most rows of a page; a larger maxpagesize is clamped to it.
    Returns: the preferences, and the value of Preference-Applied for an answer that was paged by them.
    Example: preferences({"prefer": "odata.maxpagesize=5"}, page_rows=2000)[1] == "odata.maxpagesize=5"
    """
    text = headers.get("prefer")
    if not text:
        return Preferences(), None
    # The unprefixed name wins over that of 4.0: it is put first, and the first of equal preferences counts.
    items = sorted(map(_without_parameters, split_list(text, ",")), key=lambda item: item.lower().startswith("odata."))
    stated = parse_prefer(", ".join(items))
    if stated.max_page_size is None:
        return stated, None
    rows = min(stated.max_page_size, page_rows)
    name = next(item.partition("=")[0].strip().lower() for item in items if parse_prefer(item).max_page_size)
    return replace(stated, max_page_size=rows), f"{name}={rows}"


def _without_parameters(item: str) -> str:
    """A preference without the parameters that we know nothing of, and a quoted word without its quotes (RFC 7240)."""
    stated = item.strip()
    if not stated.lower().removeprefix("odata.").startswith("callback"):
        stated = split_list(stated, ";")[0].strip() if stated.strip(";") else ""
    return re.sub(r'"([0-9A-Za-z]+)"$', r"\1", stated)


@lru_cache(CACHED_FORMATS)
def _negotiate(
    accept: str, max_version: str, version: str, format_option: str | None, kind: Kind, profile: Profile
) -> Format:
    answered = _version(max_version, version)
    if kind == "count" and format_option is not None:
        raise InvalidOption("$format does not apply to /$count, which is always text/plain.", target="$format")
    wanted = media_ranges(accept) if format_option is None else (_format_option(format_option),)
    match kind:
        case "json":
            return _json(wanted, answered, format_option, accept, profile)
        case "metadata":
            if profile == "salesforce" and format_option is None:
                wanted = ()  # a client that asks for JSON everywhere would find no metadata at all
            return _plain("application/xml", ("text/xml",), wanted, answered, format_option, accept)
        case "binary":
            return Format(content_type="application/octet-stream", version=answered)
        case _:
            return _text(wanted, answered, format_option)


def _version(max_version: str, version: str) -> Version:
    """The greatest version that both sides know; 4.0 for a client that states no greatest one."""
    if version:
        _number(version, "OData-Version")
    if not max_version:
        return "4.0"
    return "4.01" if _number(max_version, "OData-MaxVersion") >= NEWEST else "4.0"


def _number(text: str, header: str) -> Decimal:
    """A version as a number; what old clients put after it, as in "4.0;NetFx", is dropped."""
    stated = text.partition(";")[0].strip()
    if not re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", stated):
        raise InvalidHeader(
            f"{header} '{_shown(text)}' is no version; this service speaks 4.0 and 4.01.", target=header
        )
    number = Decimal(stated)
    if number < 4 or (header == "OData-Version" and number > NEWEST):
        raise InvalidHeader(f"{header} {stated} is not served; this service speaks 4.0 and 4.01.", target=header)
    return number


def _format_option(text: str) -> MediaType:
    """$format: an abbreviation, which takes no parameters, or a media type."""
    stated = text.strip()
    if stated.lower() in ABBREVIATIONS:
        return MediaType(ABBREVIATIONS[stated.lower()])
    if stated.partition(";")[0].strip().lower() in ABBREVIATIONS:
        raise InvalidOption(
            f"$format '{_shown(text)}': an abbreviation takes no parameters; write the whole media type.",
            target="$format",
        )
    # A "+" of the media type may have been read as a space.
    found = media_type(stated.replace("atom xml", "atom+xml"))
    if found is None or "*" in found.name:
        raise InvalidOption(
            f"$format '{_shown(text)}' is no media type; json, xml or application/json;odata.metadata=full would fit.",
            target="$format",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one media range says about JSON."""

    metadata: MetadataLevel = "minimal"
    ieee754: bool = False
    streaming: bool = False
    charset: str | None = None


def _json(
    wanted: tuple[MediaType, ...], version: Version, format_option: str | None, accept: str, profile: Profile
) -> Format:
    """The best acceptable JSON: highest q, then most specific, then first."""
    strict = format_option is not None or profile == "strict"
    keep_prefix = profile == "salesforce"  # an adapter of 4.01 has not been seen to know names without it
    wishes = [(entry, wish) for entry in wanted if (wish := _wish(entry, strict)) is not None]
    for entry, wish in sorted(wishes, key=lambda item: (item[0].quality, item[0].specificity), reverse=True):
        if entry.quality > 0 and not _excluded(entry, wish, wishes):
            return json_format(
                version, wish.metadata, ieee754=wish.ieee754, streaming=wish.streaming, charset=wish.charset,
                keep_prefix=keep_prefix,
            )  # fmt: skip
    if not wanted:
        return json_format(version, keep_prefix=keep_prefix)
    raise _not_acceptable("application/json", wanted, format_option, accept)


def _wish(entry: MediaType, strict: bool) -> _Wish | None:
    """None when the range does not match JSON, or (strict) carries a parameter or value that we do not know."""
    if not entry.matches("application/json"):
        return None
    known = {name: value for name, value in entry.parameters if value in PARAMETERS.get(name, ())}
    if strict and len(known) < len(entry.parameters):
        return None
    level = known.get("metadata", known.get("odata.metadata", "minimal"))
    return _Wish(
        metadata="full" if level == "full" else "none" if level == "none" else "minimal",
        ieee754=known.get("ieee754compatible") == "true",
        streaming="true" in (known.get("streaming"), known.get("odata.streaming")),
        charset=known.get("charset"),
    )


def _excluded(chosen: MediaType, wish: _Wish, wishes: list[tuple[MediaType, _Wish]]) -> bool:
    """Whether a more specific range refuses (q=0) what the chosen one allows: "application/json;q=0, */*"."""
    return any(
        entry.quality == 0 and entry.specificity > chosen.specificity and (not entry.parameters or refused == wish)
        for entry, refused in wishes
    )


def _plain(
    name: str,
    aliases: tuple[str, ...],
    wanted: tuple[MediaType, ...],
    version: Version,
    format_option: str | None,
    accept: str,
) -> Format:
    """A resource with one representation, found by any range that matches it, whatever its parameters."""
    matching = [entry for entry in wanted if any(map(entry.matches, (name, *aliases)))]
    decisive = max(matching, key=lambda entry: entry.specificity, default=None)
    if wanted and (decisive is None or decisive.quality == 0):
        raise _not_acceptable(name, wanted, format_option, accept)
    return Format(content_type=name, version=version)


def _text(wanted: tuple[MediaType, ...], version: Version, format_option: str | None) -> Format:
    """A raw value. Accept is not consulted, as clients send their one Accept everywhere, but for its charset."""
    if format_option is not None and not wanted[0].matches("text/plain"):
        raise NotAcceptable(f"/$value is text/plain, not '{_shown(format_option)}'.", target="$format")
    utf8 = any(entry.matches("text/plain") and ("charset", "utf-8") in entry.parameters for entry in wanted)
    return Format(content_type="text/plain;charset=utf-8" if utf8 else "text/plain", version=version)


def _not_acceptable(name: str, wanted: tuple[MediaType, ...], format_option: str | None, accept: str) -> NotAcceptable:
    asked = f"Accept '{_shown(accept)}'" if format_option is None else f"$format '{_shown(format_option)}'"
    hint = ATOM_HINT if name == "application/json" and any("atom" in entry.name for entry in wanted) else ""
    named = any(entry.quality > 0 and entry.matches(name) for entry in wanted)
    reason = "asks for with parameters that this service does not know" if named else "does not allow"
    message = f"This resource is written as {name}, which {asked} {reason}.{hint}"
    return NotAcceptable(message, target="Accept" if format_option is None else "$format")


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
