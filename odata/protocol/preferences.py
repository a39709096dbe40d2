"""Request headers that OData defines: the Prefer header as a value, and the forms of the others.

In: header text. Out: `Preferences`, or whether a header has the form of ABNF section 8. Knows no Flask.
Standard: Protocol, "Header Fields" and "Preference Header"; RFC 7240: a preference that is unknown or makes no sense
is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from odata.errors import InvalidHeader

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
_ANNOTATION = rf"-?(?:\*|{_IDENTIFIER}(?:\.{_IDENTIFIER})*\.(?:{_IDENTIFIER}|\*))(?:#{_IDENTIFIER})?"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"
_EQ = r"[ \t]*=[ \t]*"
_ITEM = re.compile(r'[ \t]*((?:"(?:[^"\\]|\\.)*"|[^",])*)')
_MAX_PAGE_SIZE_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a client prefers; None or False where it said nothing.

    max_page_size: rows, at least 1. wait_seconds: seconds. include_annotations: the list as written. return_content:
    "representation" or "minimal".
    """

    allow_entity_references: bool = False
    callback: str | None = None
    continue_on_error: bool | None = None
    include_annotations: str | None = None
    max_page_size: int | None = None
    omit_values: str | None = None
    respond_async: bool = False
    return_content: str | None = None
    track_changes: bool = False
    wait_seconds: int | None = None


def _flag(field: str) -> Callable[[str | None], Mapping[str, object]]:
    return lambda _: {field: True}


def _word(field: str) -> Callable[[str | None], Mapping[str, object]]:
    return lambda value: {field: value}


def _number(field: str) -> Callable[[str | None], Mapping[str, object]]:
    return lambda value: {field: int((value or "0")[:_MAX_PAGE_SIZE_DIGITS])}


# Pattern of one preference (its value in the group) -> the fields it sets.
_PREFERENCES: tuple[tuple[re.Pattern[str], Callable[[str | None], Mapping[str, object]]], ...] = tuple(
    (re.compile(pattern), fields)
    for pattern, fields in (
        (r"(?i:(?:odata\.)?allow-entityreferences)()", _flag("allow_entity_references")),
        (rf'(?i:(?:odata\.)?callback)[ \t]*;[ \t]*(?i:url){_EQ}"({_URI})"', _word("callback")),
        (
            rf"(?i:(?:odata\.)?continue-on-error)(?:{_EQ}((?i:true|false)))?",
            lambda value: {"continue_on_error": value is None or value.lower() == "true"},
        ),
        (
            rf'(?i:(?:odata\.)?include-annotations){_EQ}"({_ANNOTATION}(?:,{_ANNOTATION})*)"',
            _word("include_annotations"),
        ),
        (rf"(?i:(?:odata\.)?maxpagesize){_EQ}([1-9][0-9]*)", _number("max_page_size")),
        (rf"(?i:omit-values){_EQ}((?i:nulls|defaults))", lambda value: {"omit_values": (value or "").lower()}),
        (r"(?i:respond-async)()", _flag("respond_async")),
        (rf"(?i:return){_EQ}(representation|minimal)", _word("return_content")),
        (r"(?i:(?:odata\.)?track-changes)()", _flag("track_changes")),
        (rf"(?i:wait){_EQ}([0-9]+)", _number("wait_seconds")),
    )
)


def parse_prefer(header: str) -> Preferences:
    """Read the value of a Prefer header; of a preference given twice the first counts (RFC 7240, section 2).

    Example: parse_prefer("odata.maxpagesize=50, respond-async").max_page_size == 50
    """
    preferences = Preferences()
    seen: set[str] = set()
    for item in _items(header):
        fields = {name: value for name, value in (_fields(item) or {}).items() if name not in seen}
        seen.update(fields)
        preferences = replace(preferences, **fields)  # type: ignore[arg-type]
    return preferences


def preference(text: str) -> Preferences:
    """Read exactly one preference that OData defines. Raises: InvalidHeader (400) if it is none."""
    fields = _fields(text)
    if fields is None:
        raise InvalidHeader(f"'{text[:60]}' is no preference that OData defines.", target="Prefer")
    return replace(Preferences(), **fields)  # type: ignore[arg-type]


def _items(header: str) -> list[str]:
    """The members of a comma-separated header, commas in quoted strings aside."""
    items: list[str] = []
    offset = 0
    while offset <= len(header):
        match = _ITEM.match(header, offset)
        assert match is not None
        items.append(match.group(1).strip(" \t"))
        if header[match.end() : match.end() + 1] not in ("", ","):
            return []  # an unclosed quote: nothing in this header can be told apart
        offset = match.end() + 1
    return items


def _fields(text: str) -> Mapping[str, object] | None:
    for pattern, fields in _PREFERENCES:
        match = pattern.fullmatch(text)
        if match:
            return fields(match.group(1))
    return None


_HEADERS: dict[str, re.Pattern[str]] = {
    "asyncresult": re.compile("[0-9]{3}"),
    "content-id": re.compile(r"[A-Za-z0-9\-._~]+"),
    "isolation": re.compile("(?i:snapshot)"),
    "odata-isolation": re.compile("(?i:snapshot)"),
    "odata-entityid": re.compile(r"[\x21-\x7e\x80-\U0010ffff]+"),
    "odata-error": re.compile(r'\{"code":[\x20-\x7e]*'),
    "odata-maxversion": re.compile(r"[0-9]+\.[0-9]+"),
    "odata-version": re.compile(r"4\.0[1-9]?"),
}


def has_header_form(name: str, value: str) -> bool:
    """Whether a header that OData defines has the form of ABNF section 8; of Prefer, OData must know every one."""
    name = name.lower()
    if name == "prefer":
        return all(_fields(item) is not None for item in _items(value))
    form = _HEADERS.get(name)
    return form is not None and form.fullmatch(value.strip(" \t")) is not None
