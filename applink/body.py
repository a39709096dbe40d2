"""The body of a request: bytes within a limit -> a JSON value that holds nothing dangerous.

Refused before anything is parsed that could cost: what is nested deeply, numbers of thousands of digits. Refused
because two readers would read two things: a member twice, NaN, half of a surrogate pair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from email.message import Message
from typing import Any, Final, Protocol

from applink.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from applink.kinds import shown

MOST_DEPTH: Final = 10
MOST_DIGITS: Final = 38
CHARSETS: Final = ("utf-8", "utf8", "us-ascii")
"""Names of UTF-8, and of what is the same in it."""
_UNPRINTABLE: Final = re.compile("[\ud800-\udfff\x00]")


class Stream(Protocol):
    """What a body is read from; read(n) gives n bytes at most."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises: InvalidRequest where the body ends early."""
        ...


def read(stream: Stream, headers: Mapping[str, str], most_bytes: int) -> bytes:
    """The body as sent. headers: names in lower case.

    Raises: UnsupportedMediaType for what is no plain JSON in UTF-8, PayloadTooLarge naming the limit, InvalidRequest
    for what was cut off.
    """
    _check_kind(headers)
    promised = headers.get("content-length", "")
    length = int(promised) if re.fullmatch("[0-9]{1,18}", promised) else None
    raw = stream.read(most_bytes + 1) if length is None or length <= most_bytes else None
    if raw is None or len(raw) > most_bytes:
        raise PayloadTooLarge(f"The body is longer than the limit of {most_bytes} bytes.")
    if length is not None and len(raw) < length:
        raise InvalidRequest(f"The body ended early: {len(raw)} of {length} bytes came.")
    return raw


def _check_kind(headers: Mapping[str, str]) -> None:
    said = Message()
    said["Content-Type"] = sent = headers.get("content-type", "")
    media_type, charset = sent.partition(";")[0].strip(), said.get_content_charset("utf-8")
    if media_type.lower() != "application/json":
        found = f"Content-Type is {shown(media_type)}" if media_type else "There is no Content-Type"
        raise UnsupportedMediaType(f"{found}; it needs to be application/json.")
    if charset not in CHARSETS:
        raise UnsupportedMediaType(f"The charset of Content-Type is {shown(charset)}; it needs to be utf-8.")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaType(f"Content-Encoding is {shown(encoding)}; a body needs to be sent as it is.")


def parse(raw: bytes) -> Any:
    """A body as a JSON value; numbers with a fraction are Decimal. Raises: InvalidRequest."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise InvalidRequest(f"The body is not UTF-8 (byte {problem.start}).") from None
    if depth(text) > MOST_DEPTH:
        raise InvalidRequest(f"The body is nested deeper than {MOST_DEPTH} levels.")
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_int=_whole, parse_float=_fraction, parse_constant=_no_number
        )
    except json.JSONDecodeError as problem:
        raise InvalidRequest(f"The body is no JSON: {problem.msg} at character {problem.pos}.") from None
    _refuse_unprintable(value)
    return value


def depth(text: str) -> int:
    """How deeply objects and lists are nested in a JSON text, brackets within strings left out."""
    deepest = level = 0
    for found in _TOKEN.finditer(_ESCAPED.sub("", text)):
        if found[0] in "{[":
            level += 1
            deepest = max(deepest, level)
        elif found[0] in "}]":
            level -= 1
    return deepest


_ESCAPED: Final = re.compile(r"\\.", re.DOTALL)
_TOKEN: Final = re.compile(r'[{}\[\]]|"[^"]*+"?')
"""Brackets, and strings as a whole; one that never ends is taken to the end, or many of them would cost a square."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidRequest(f"The member {shown(name)} stands there twice.")
        members[name] = value
    return members


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise InvalidRequest(f"A number has {len(digits)} digits; the limit is {MOST_DIGITS}.")
    return int(digits)


def _fraction(digits: str) -> Decimal:
    mantissa, _, exponent = digits.lower().partition("e")
    if len(mantissa) > MOST_DIGITS or len(exponent) > 3:
        raise InvalidRequest(f"A number has {len(digits)} digits or too large an exponent; the limit is {MOST_DIGITS}.")
    return Decimal(digits)


def _no_number(name: str) -> None:
    raise InvalidRequest(f"{name} is no number of JSON.")


def _refuse_unprintable(value: Any) -> None:
    """Half of a surrogate pair or a NUL can be stored nowhere."""
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        raise InvalidRequest("A text holds a NUL, or half of a surrogate pair.")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse_unprintable(name)
            _refuse_unprintable(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_unprintable(inner)
