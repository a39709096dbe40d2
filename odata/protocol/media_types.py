"""Media types and media ranges of header fields, as values. Standard: RFC 9110, "Media Type", "Accept" and more.

In: the text of a header. Out: MediaType values. Knows no OData.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
NAME = re.compile(rf"({TOKEN})/({TOKEN})")
PARAMETER = re.compile(rf'({TOKEN})\s*=\s*({TOKEN}|"(?:[^"\\]|\\.)*")')
QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaType:
    """name: "application/json", or a range such as "*/*". Names and parameters are in lower case.

    quality: 0 to 1, where 0 means "not this". A parameter without a value has the value "".
    """

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    quality: float = 1.0

    @property
    def specificity(self) -> tuple[int, int]:
        """How narrow a range is: by name first, then by the number of parameters."""
        return 2 - (self.name == "*/*") - self.name.endswith("/*"), len(self.parameters)

    def matches(self, name: str) -> bool:
        """Whether this type or range contains the media type of that name; parameters are not looked at."""
        return self.name in (name, "*/*", f"{name.partition('/')[0]}/*")


def media_ranges(text: str) -> tuple[MediaType, ...]:
    """Read an Accept header; what is no media range is skipped, empty text gives none."""
    return tuple(entry for item in split_list(text, ",") if (entry := media_type(item, ranges=True)) is not None)


def media_type(text: str, *, ranges: bool = False) -> MediaType | None:
    """Read one media type with its parameters, None for anything else. ranges: "q" is a quality, "*/*" is allowed."""
    items = [item.strip() for item in split_list(text, ";")]
    if not items or not NAME.fullmatch(items[0]):
        return None
    parameters: list[tuple[str, str]] = []
    quality = 1.0
    for item in items[1:]:
        found = PARAMETER.fullmatch(item)
        key, value = (found[1].lower(), _unquoted(found[2]).lower()) if found else (item.lower(), "")
        if key == "q" and ranges:
            quality = float(value) if QUALITY.fullmatch(value) else 1.0
        else:
            parameters.append((key, value))
    return MediaType(items[0].lower(), tuple(parameters), quality)


def split_list(text: str, separator: str) -> list[str]:
    """Split at a separator ("," or ";") that stands outside quoted strings; empty items are dropped."""
    if '"' not in text:
        return [item for item in text.split(separator) if item.strip()]
    items = re.findall(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*"?)+', text)
    return [item for item in items if item.strip()]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
