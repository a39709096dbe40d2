"""cast in the plainest Python: the standard's rules, a text read by the types of Python itself.

In: a value as the evaluator has it and the name of a type. Out: the value as that type, None where it does not fit.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

COLORS = ("Red", "Green", "Blue")
LIMITS = {"Byte": (0, 255), "SByte": (-128, 127), "Int16": (-(2**15), 2**15 - 1),
          "Int32": (-(2**31), 2**31 - 1), "Int64": (-(2**63), 2**63 - 1)}  # fmt: skip
FORMS = {
    "Boolean": r"true|false",
    "Guid": r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "Date": r"\d{4}-\d\d-\d\d",
    "TimeOfDay": r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?",
    "DateTimeOffset": r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)",
    "Duration": r"-?P(?=.*[DHMS]$)(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?(?<!T)",
    "Binary": r"([\w-]{4})*([\w-]{2,3}=*)?",
    "Decimal": r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?",
}


def cast(value: Any, name: str, member: Callable[[int], Any], number_of: Callable[[Any], int | None]) -> Any:
    """member makes a member of an enumeration, number_of gives its number, None for other values."""
    if name == "String":
        return value if isinstance(value, str) else as_text(value, number_of)
    if number_of(value) is not None:
        value = number_of(value) if name in LIMITS else None
    if isinstance(value, str):
        return from_text(value, name, member)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return from_number(value, name, member)
    if name == "Date" and isinstance(value, datetime):
        return value.astimezone(UTC).date()
    if name == "TimeOfDay" and isinstance(value, datetime):
        return value.astimezone(UTC).time()
    return None


def as_text(value: Any, number_of: Callable[[Any], int | None]) -> str:
    number = number_of(value)
    if number is not None:
        return COLORS[number]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, timedelta):
        seconds = Decimal(value // timedelta(microseconds=1)) / 1_000_000
        return f"{'-' if seconds < 0 else ''}PT{format(abs(seconds), 'f')}S"
    if isinstance(value, bytes):
        return urlsafe_b64encode(value).decode()
    if isinstance(value, datetime):
        return re.sub(r"\.?0*\+00:00$", "Z", value.astimezone(UTC).isoformat(timespec="microseconds"))
    return re.sub(r"(\.\d*?)0+$", r"\1", str(value)) if isinstance(value, time) else str(value)


def from_text(text: str, name: str, member: Callable[[int], Any]) -> Any:
    if name == "Color":
        number = COLORS.index(text) if text in COLORS else int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else -1
        return member(number) if number in range(len(COLORS)) else None
    if name in LIMITS:
        return from_number(int(text), name, member) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else None
    if re.fullmatch(FORMS[name], text, re.ASCII) is None:
        return None
    try:
        return READ[name](text)
    except ValueError:
        return None


def from_number(value: Any, name: str, member: Callable[[int], Any]) -> Any:
    if name == "Color":
        return member(value) if value in range(len(COLORS)) else None
    if name in LIMITS:
        low, high = LIMITS[name]
        return int(value) if Decimal(value).is_finite() and low <= int(value) <= high else None
    return Decimal(value) if name == "Decimal" and Decimal(value).is_finite() else None


def duration(text: str) -> timedelta:
    parts = {unit: Decimal(number) for number, unit in re.findall(r"([\d.]+)([DHMS])", text)}
    seconds = sum(parts.get(unit, Decimal(0)) * size for unit, size in (("D", 86400), ("H", 3600), ("M", 60), ("S", 1)))
    return timedelta(microseconds=int(seconds * 1_000_000)) * (-1 if text[0] == "-" else 1)


def binary(text: str) -> bytes:
    """Bits that are left over are zero, padding is whole or absent."""
    bare = text.rstrip("=")
    value = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    if urlsafe_b64encode(value).decode() not in (text, text + "=" * (-len(text) % 4)):
        raise ValueError(text)
    return value


READ: dict[str, Callable[[str], Any]] = {
    "Boolean": lambda text: text == "true",
    "Guid": UUID,
    "Date": date.fromisoformat,
    "TimeOfDay": time.fromisoformat,
    "DateTimeOffset": datetime.fromisoformat,
    "Duration": duration,
    "Binary": binary,
    "Decimal": Decimal,
}
