"""Splitting a request target into decoded parts, before any parsing.

In: path and query as sent. Out: parts, the decoded texts that every Span points into: first one for each path segment, then
two for each query option (name, value). Percent-decoding happens after splitting (URL Conventions, "URL Parsing"). Knows no grammar.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from odata.errors import UrlSyntaxError


@dataclass(frozen=True, slots=True)
class Parts:
    """segments: decoded path segments, empty ones dropped. options: decoded (name, value) in order; value None without "="."""

    segments: tuple[str, ...]
    options: tuple[tuple[str, str | None], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All parts in the order of their index: segment i is part i, option j has its value at part len(segments) + j."""
        return self.segments + tuple(value or "" for _, value in self.options)


def split(path: str, query: str, *, plus_is_space: bool = False) -> Parts:
    """Split and decode; "+" becomes a space everywhere in the query only if plus_is_space.

    Raises: UrlSyntaxError (400) for bytes that are not UTF-8, a stray "%", or a control character other than TAB.
    """
    segments = tuple(_decode(segment, "path") for segment in path.split("/") if segment)
    options = []
    for item in query.split("&"):
        if not item:
            continue
        if plus_is_space:
            item = item.replace("+", " ")
        name, separator, value = item.partition("=")
        options.append((_decode(name, "query"), _decode(value, "query") if separator else None))
    return Parts(segments, tuple(options))


def _decode(text: str, target: str) -> str:
    if "%" in text:
        try:
            decoded = unquote(text, errors="strict")
        except UnicodeDecodeError:
            raise UrlSyntaxError("The URL is not valid UTF-8 after percent-decoding.", target=target) from None
    else:
        decoded = text
    if not decoded.isprintable():
        for offset, character in enumerate(decoded):
            if ord(character) < 32 and character != "\t":
                raise UrlSyntaxError(f"Control character U+{ord(character):04X} in the URL.", offset=offset, target=target)
            if 0xD800 <= ord(character) <= 0xDFFF:
                raise UrlSyntaxError("Lone surrogate in the URL.", offset=offset, target=target)
    return decoded
