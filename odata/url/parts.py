"""Splitting a request target into decoded parts, before any parsing.

In: path and query as sent. Out: parts, the decoded texts that every Span points into: first one for each path segment,
then one for the value of each query option. Percent-decoding happens after splitting (URL Conventions, "URL Parsing").
Knows no grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes

from odata.errors import LimitExceeded, UrlSyntaxError

DECODED_AT_ONCE = 16_384
MOST_OPTIONS = 5_000
MOST_SEMICOLONS = 4_000
IT_MARK, ENCODED_SEMICOLON = "\x01", "\x02"
"""Stand for something in a text that is to be a URL again: no URL holds these control characters."""
IT_MARK_ENCODED = quote(IT_MARK)
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_ENCODED_SEMICOLON = re.compile("%3[Bb]")


@dataclass(frozen=True, slots=True)
class Parts:
    """segments: decoded path segments, empty ones dropped. options: decoded (name, value), value None without "=".

    encoded_semicolons: (part, offset) of each ";" that came as %3B in an option that has $search, which takes it for
    text; a bare one ends a word.
    """

    segments: tuple[str, ...]
    options: tuple[tuple[str, str | None], ...]
    encoded_semicolons: frozenset[tuple[int, int]] = frozenset()

    @property
    def texts(self) -> tuple[str, ...]:
        """All parts by their index: segment i is part i, the value of option j is part len(segments) + j."""
        return self.segments + tuple(value or "" for _, value in self.options)

    @property
    def marked_texts(self) -> tuple[str, ...]:
        """The same with ENCODED_SEMICOLON for each of encoded_semicolons."""
        marked: dict[int, list[str]] = {}
        for part, offset in self.encoded_semicolons:
            if part not in marked:
                marked[part] = list(self.texts[part])
            marked[part][offset] = ENCODED_SEMICOLON
        return tuple("".join(marked.get(part, text)) for part, text in enumerate(self.texts))


def escaped(text: str, safe: str) -> str:
    """A marked text for a URL, percent-encoded but for what is safe."""
    return quote(text, safe=safe).replace(quote(ENCODED_SEMICOLON), "%3B")


def split(path: str, query: str, *, plus_is_space: bool = False) -> Parts:
    """Split and decode; "+" becomes a space everywhere in the query only if plus_is_space.

    Raises: UrlSyntaxError (400) for bytes that are not UTF-8, a stray "%", a bare "#", or a control character other
    than TAB and line breaks; LimitExceeded (400) for more than MOST_OPTIONS.
    """
    for target, text in (("path", path), ("query", query)):
        if "#" in text:
            raise UrlSyntaxError(f"A '#' in the {target}; expected %23.", offset=text.index("#"), target=target)
    segments = tuple(_decode(segment, "path") for segment in path.split("/") if segment)
    options: list[tuple[str, str | None]] = []
    semicolons: list[tuple[int, int]] = []
    items = [item for item in query.split("&") if item]
    if len(items) > MOST_OPTIONS:
        raise LimitExceeded(f"The query has {len(items)} options; the limit is {MOST_OPTIONS}.", target="query")
    for item in items:
        if plus_is_space:
            item = item.replace("+", " ")
        name, separator, value = item.partition("=")
        decoded = _decode(name, "query")
        options.append((decoded, _decode(value, decoded[:40] or "query") if separator else None))
        if "%3" in value and "search" in item.lower():
            part = len(segments) + len(options) - 1
            semicolons.extend((part, offset) for offset in _semicolon_offsets(value))
    return Parts(segments, tuple(options), frozenset(semicolons))


def _semicolon_offsets(value: str) -> list[int]:
    """Offsets, after decoding, of the semicolons that are percent-encoded."""
    offsets: list[int] = []
    decoded = 0
    pieces = _ENCODED_SEMICOLON.split(value)[:-1]
    if len(pieces) > MOST_SEMICOLONS:
        raise LimitExceeded(f"An option with $search has {len(pieces)} semicolons; the limit is {MOST_SEMICOLONS}.")
    for piece in pieces:
        decoded += len(_decode(piece, "query")) if "%" in piece else len(piece)
        offsets.append(decoded)
        decoded += 1
    return offsets


def _decode_long(text: str) -> str:
    """As unquote, which takes 75 bytes for each byte of a long text of escapes: piece by piece, no escape cut."""
    pieces, start = [], 0
    while start < len(text):
        end = start + DECODED_AT_ONCE
        end -= 1 if text[end - 1 : end] == "%" else 2 if text[end - 2 : end - 1] == "%" else 0
        pieces.append(unquote_to_bytes(text[start:end]))
        start = end
    return b"".join(pieces).decode("utf-8")


def _decode(text: str, target: str) -> str:
    if "%" in text:
        stray = _STRAY_PERCENT.search(text)
        if stray:
            raise UrlSyntaxError(
                f"A '%' without two hexadecimal digits at offset {stray.start()} of {target}, as sent; expected %25.",
                offset=stray.start(),
                target=target,
            )
        try:
            decoded = unquote(text, errors="strict") if len(text) < DECODED_AT_ONCE else _decode_long(text)
        except UnicodeDecodeError:
            raise UrlSyntaxError("The URL is not valid UTF-8 after percent-decoding.", target=target) from None
    else:
        decoded = text
    if not decoded.isprintable():
        for offset, character in enumerate(decoded):
            if ord(character) < 32 and character not in "\t\n\r":
                raise UrlSyntaxError(
                    f"Control character U+{ord(character):04X}, offset {offset}; of those TAB, LF and CR alone fit.",
                    offset=offset,
                    target=target,
                )
            if 0xD800 <= ord(character) <= 0xDFFF:
                raise UrlSyntaxError("Lone surrogate in the URL.", offset=offset, target=target)
    return decoded
