"""Primitive types of CSDL: one entry a type: name, family, whole-number range, and how a literal becomes the
database's text.

In: the lexical kind and the text of a URL literal. Out: text that PostgreSQL reads as that type, checked against the
type's value space first. Knows no URL grammar and no SQL. Standard: CSDL, "Primitive Types"; ABNF section 7.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Literal as OneOf
from typing import TypeAlias

from odata.errors import InvalidLiteral

Family: TypeAlias = OneOf[
    "boolean", "number", "string", "guid", "date", "datetimeoffset", "timeofday", "duration", "binary", "enum", "null"
]

MAX_DIGITS = 400
NUMBER_KINDS = ("integer", "decimal", "double")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveType:
    """name: "Edm.Int32". family: what it compares with. minimum, maximum: of whole-number types."""

    name: str
    family: Family
    minimum: int | None = None
    maximum: int | None = None

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers."""
        return self.minimum is not None

    def convert(self, kind: str, text: str) -> str:
        """The database's text form of a literal of this kind and text.

        Raises: InvalidLiteral for a text outside the value space, or a kind that never denotes this type.
        """
        return _CONVERTERS[self.family](self, kind, text)


STRING = PrimitiveType(name="Edm.String", family="string")
BOOLEAN = PrimitiveType(name="Edm.Boolean", family="boolean")
BYTE = PrimitiveType(name="Edm.Byte", family="number", minimum=0, maximum=255)
SBYTE = PrimitiveType(name="Edm.SByte", family="number", minimum=-128, maximum=127)
INT16 = PrimitiveType(name="Edm.Int16", family="number", minimum=-(2**15), maximum=2**15 - 1)
INT32 = PrimitiveType(name="Edm.Int32", family="number", minimum=-(2**31), maximum=2**31 - 1)
INT64 = PrimitiveType(name="Edm.Int64", family="number", minimum=-(2**63), maximum=2**63 - 1)
DECIMAL = PrimitiveType(name="Edm.Decimal", family="number")
SINGLE = PrimitiveType(name="Edm.Single", family="number")
DOUBLE = PrimitiveType(name="Edm.Double", family="number")
GUID = PrimitiveType(name="Edm.Guid", family="guid")
DATE = PrimitiveType(name="Edm.Date", family="date")
DATE_TIME_OFFSET = PrimitiveType(name="Edm.DateTimeOffset", family="datetimeoffset")
TIME_OF_DAY = PrimitiveType(name="Edm.TimeOfDay", family="timeofday")
DURATION = PrimitiveType(name="Edm.Duration", family="duration")
BINARY = PrimitiveType(name="Edm.Binary", family="binary")
NULL = PrimitiveType(name="null", family="null")

PRIMITIVE_TYPES: dict[str, PrimitiveType] = {
    entry.name: entry
    for entry in (
        STRING, BOOLEAN, BYTE, SBYTE, INT16, INT32, INT64, DECIMAL, SINGLE, DOUBLE,
        GUID, DATE, DATE_TIME_OFFSET, TIME_OF_DAY, DURATION, BINARY,
    )
}  # fmt: skip

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_SPECIAL = {"INF": "Infinity", "-INF": "-Infinity", "NaN": "NaN"}
_GUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_DATE = re.compile(r"(-?)([0-9]{4,6})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,12}))?)?")
_OFFSET = re.compile(r"[Zz]|[+-]([0-9]{2}):([0-9]{2})")
_DURATION = re.compile(
    r"(-?)P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:\.([0-9]+))?S)?)?", re.IGNORECASE
)
_MAX_DURATION_SECONDS = 10**13


def number_kind(text: str) -> str | None:
    """The lexical kind of a text as a number, or None: what a quoted number would be without its quotes."""
    if text in _SPECIAL:
        return "double"
    if _NUMBER.fullmatch(text) is None:
        return None
    return "double" if "e" in text or "E" in text else "decimal" if "." in text else "integer"


def exact(text: str) -> Decimal:
    """The value of a number literal; an exponent that no Decimal can hold is cut to the widest there is."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, _, exponent = text.lower().partition("e")
        size = 0 if Decimal(mantissa) == 0 else 1
        return Decimal(f"{'-' if text[0] == '-' else ''}{size}e{'-' if exponent[0] == '-' else '+'}999999")


def enum_member(type: PrimitiveType, members: Mapping[str, int], text: str) -> str:
    """The declared name of an enumeration member given by name or by number.

    Raises: InvalidLiteral for an unknown member, or several members of a type that is no flags enumeration.
    """
    if text in members:
        return text
    if len(text) <= 20 and _WHOLE.fullmatch(text):
        for name, number in members.items():
            if number == int(text):
                return name
    near = get_close_matches(text, members, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(members)}"
    raise InvalidLiteral(f"'{_short(text)}' is no member of {type.name}; {hint}")


def _refuse(type: PrimitiveType, text: str, why: str = "") -> InvalidLiteral:
    return InvalidLiteral(f"'{_short(text)}' is no {type.name}{': ' + why if why else ''}.")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _string(type: PrimitiveType, kind: str, text: str) -> str:
    if kind != "string":
        raise _refuse(type, text, "a text stands in single quotes")
    if "\0" in text or (not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise _refuse(type, text.replace("\0", "?"), "NUL and lone surrogates cannot be stored")
    return text


def _boolean(type: PrimitiveType, kind: str, text: str) -> str:
    if kind not in ("boolean", "string") or text.lower() not in ("true", "false"):
        raise _refuse(type, text, "true or false fits")
    return text.lower()


def _number(type: PrimitiveType, kind: str, text: str) -> str:
    if kind == "string":
        text = text.strip()
        kind = number_kind(text) or ""
    if kind not in NUMBER_KINDS:
        raise _refuse(type, text, "a number fits")
    if type.minimum is not None and type.maximum is not None:
        return _whole(type, text, type.minimum, type.maximum)
    if type.name == "Edm.Decimal":
        return _decimal(type, text)
    return _floating(type, text)


def _whole(type: PrimitiveType, text: str, minimum: int, maximum: int) -> str:
    if len(text) > MAX_DIGITS or text in _SPECIAL:
        raise _refuse(type, text, f"whole numbers from {minimum} to {maximum} fit")
    number = exact(text)
    if number.adjusted() > 20 or number.adjusted() < -MAX_DIGITS or number != int(number):
        raise _refuse(type, text, f"whole numbers from {minimum} to {maximum} fit")
    if not minimum <= number <= maximum:
        raise _refuse(type, text, f"it lies outside {minimum} to {maximum}")
    return str(int(number))


def _decimal(type: PrimitiveType, text: str) -> str:
    if text in _SPECIAL:
        raise _refuse(type, text, "INF and NaN are for Edm.Double")
    if len(text) > MAX_DIGITS or abs(exact(text).adjusted()) > MAX_DIGITS:
        raise _refuse(type, text, f"at most {MAX_DIGITS} digits fit")
    return text


def _floating(type: PrimitiveType, text: str) -> str:
    if text in _SPECIAL:
        return _SPECIAL[text]
    number = float(text) if len(text) <= MAX_DIGITS else math.inf
    if math.isinf(number) or (type.name == "Edm.Single" and not _fits_single(number)):
        raise _refuse(type, text, "it lies outside the type's range")
    return repr(number) if number else "0"


def _fits_single(number: float) -> bool:
    try:
        return not number or struct.unpack("<f", struct.pack("<f", number))[0] != 0
    except OverflowError:
        return False


def _guid(type: PrimitiveType, kind: str, text: str) -> str:
    if kind not in ("guid", "string") or _GUID.fullmatch(text) is None:
        raise _refuse(type, text, "00000000-0000-0000-0000-000000000000 is its form")
    return text.lower()


def _date(type: PrimitiveType, kind: str, text: str) -> str:
    """A date; or a point in time, of which the day in UTC is meant (see `values.utc_midnight`)."""
    if kind in ("datetimeoffset", "string") and "T" in text.upper():
        return _utc_day(datetime.fromisoformat(_date_time_offset(type, kind, text)))
    if kind not in ("date", "string"):
        raise _refuse(type, text, "2026-01-31 is its form")
    return _calendar_day(type, text)


def _utc_day(moment: datetime) -> str:
    """The day in UTC as PostgreSQL writes it; where that is beyond Edm's years, the day next to them."""
    try:
        return moment.astimezone(UTC).date().isoformat()
    except OverflowError:
        return "0001-12-31 BC" if moment.year == 1 else "10000-01-01"


def _calendar_day(type: PrimitiveType, text: str) -> str:
    match = _DATE.fullmatch(text)
    if match is None:
        raise _refuse(type, text, "2026-01-31 is its form")
    sign, year, month, day = match[1], int(match[2]), int(match[3]), int(match[4])
    if sign or not 1 <= year <= 9999:
        raise _refuse(type, text, "years 0001 to 9999 fit")
    try:
        return date(year, month, day).isoformat()
    except ValueError as error:
        raise _refuse(type, text, str(error)) from None


def _time(type: PrimitiveType, text: str) -> str:
    """hh:mm:ss.ffffff; digits past the microsecond are cut."""
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3] or 0) > 59:
        raise _refuse(type, text, "12:30:00 is the form of a time")
    fraction = f".{match[4][:6]}" if match[4] else ""
    return f"{match[1]}:{match[2]}:{match[3] or '00'}{fraction}"


def _date_time_offset(type: PrimitiveType, kind: str, text: str) -> str:
    if kind == "date" or (kind == "string" and _DATE.fullmatch(text)):
        return f"{_calendar_day(type, text)}T00:00:00Z"
    if kind not in ("datetimeoffset", "string"):
        raise _refuse(type, text, "2026-01-31T00:00:00Z is its form")
    day, separator, rest = text.upper().partition("T")
    offset = _OFFSET.search(rest.replace(" ", "+"))
    if not separator or offset is None or offset.end() != len(rest):
        raise _refuse(type, text, "2026-01-31T00:00:00Z is its form")
    if int(offset[1] or 0) * 60 + int(offset[2] or 0) > 14 * 60:
        raise _refuse(type, text, "offsets reach to 14:00")
    return f"{_calendar_day(type, day)}T{_time(type, rest[: offset.start()])}{offset[0]}"


def _time_of_day(type: PrimitiveType, kind: str, text: str) -> str:
    if kind not in ("timeofday", "string"):
        raise _refuse(type, text, "12:30:00 is its form")
    return _time(type, text)


def _duration(type: PrimitiveType, kind: str, text: str) -> str:
    match = _DURATION.fullmatch(text) if kind in ("duration", "string") else None
    if match is None or text[-1] in "PpTt":
        raise _refuse(type, text, "duration'P1DT2H30M' is its form")
    if len(text) > MAX_DIGITS:
        raise _refuse(type, text, "it is too long")
    days, hours, minutes, seconds = (int(match[group] or 0) for group in (2, 3, 4, 5))
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total > _MAX_DURATION_SECONDS:
        raise _refuse(type, text, "it is too long")
    return f"{match[1]}{total}.{(match[6] or '0')[:6]} seconds"


def _binary(type: PrimitiveType, kind: str, text: str) -> str:
    if kind not in ("binary", "string"):
        raise _refuse(type, text, "binary'...' in base64url is its form")
    bare = text.rstrip("=")
    try:
        return "\\x" + base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True).hex()
    except (binascii.Error, ValueError):
        raise _refuse(type, text, "it is not base64url") from None


def _never(type: PrimitiveType, kind: str, text: str) -> str:
    raise _refuse(type, text)


_CONVERTERS: dict[str, Callable[[PrimitiveType, str, str], str]] = {
    "boolean": _boolean,
    "number": _number,
    "string": _string,
    "guid": _guid,
    "date": _date,
    "datetimeoffset": _date_time_offset,
    "timeofday": _time_of_day,
    "duration": _duration,
    "binary": _binary,
    "enum": _never,
    "null": _never,
}


NATIVE_TYPES = frozenset({STRING.name, BOOLEAN.name, DOUBLE.name})
"""What a JSON value tells by itself."""


def type_annotation(type: PrimitiveType, *, hash_sign: bool) -> str | None:
    """The control information "type" of a property under metadata=full, None where JSON says it all.

    Args: hash_sign: 4.0 writes "#Decimal"; 4.01 drops the sign before built-in types. Standard: JSON Format, "type".
    """
    if type.name in NATIVE_TYPES:
        return None
    name = type.name.removeprefix("Edm.")
    return f"#{name}" if hash_sign or name == type.name else name
