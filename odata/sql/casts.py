"""Casts in SQL: one entry for each pair of families that the standard lets be cast, and null for what does not fit.

In: SQL of the operand, its type and the type it becomes. Out: SQL that never raises, whatever a row holds. A text is
read only where it is the literal representation of the type: a regular expression passes it on, or null, and knows
the calendar, so that no error of the database has to be caught. `plan.casts` says which pairs there are; the others are
null before they come here. Standard: URL Conventions, "cast"; ABNF section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import (
    DateTime,
    Double,
    Float,
    Interval,
    LargeBinary,
    Numeric,
    Text,
    case,
    cast,
    collate,
    func,
    literal_column,
    or_,
)

from odata.edm.model import EnumType
from odata.edm.types import DECIMAL, DOUBLE, INT64, MAX_DIGITS, SINGLE, Family, PrimitiveType
from odata.functions import BINARY_COLLATION, Sql, number, text
from odata.mapping import sql_type
from odata.sql.json import FIRST_DAY, FIRST_MOMENT, LAST_DAY, LAST_MOMENT, base64url, duration_in_seconds

Cast: TypeAlias = Callable[[Sql, PrimitiveType, PrimitiveType], Sql]
"""(operand, its type, the type it becomes)."""

UTC: Sql = literal_column("'UTC'")


def cast_value(operand: Sql, source: PrimitiveType, target: PrimitiveType) -> Sql:
    """A value as another type; null where it does not fit."""
    return CASTS[source.family, target.family](operand, source, target)


def _plain(operand: Sql, _: PrimitiveType, target: PrimitiveType) -> Sql:
    return cast(operand, sql_type(target))


# --- values as text: as payloads have them ----------------------------------------------------------------------------


def _number_as_text(operand: Sql, source: PrimitiveType, _: PrimitiveType) -> Sql:
    written = cast(operand, Text())
    return written if source.whole else func.replace(written, text("Infinity"), text("INF"), type_=Text())


def _date_as_text(operand: Sql, source: PrimitiveType, _: PrimitiveType) -> Sql:
    return func.to_char(_within_years(operand, source, FIRST_DAY, LAST_DAY), text("YYYY-MM-DD"), type_=Text())


def _moment_as_text(operand: Sql, source: PrimitiveType, _: PrimitiveType) -> Sql:
    """In UTC; of the fraction what is not zero."""
    utc = func.timezone(UTC, _within_years(operand, source, FIRST_MOMENT, LAST_MOMENT), type_=DateTime())
    moment = func.to_char(utc, text('YYYY-MM-DD"T"HH24:MI:SS.US'), type_=Text())
    return func.regexp_replace(moment, text("[.]?0*$"), text(""), type_=Text()).concat(text("Z"))


def _within_years(operand: Sql, type: PrimitiveType, first: str, last: str) -> Sql:
    """Times outside Edm's years as JSON has them: the first and the last. Of null, greatest() would make the first."""
    limits = [cast(text(limit), sql_type(type)) for limit in (first, last)]
    return case((operand.is_not(None), func.least(func.greatest(operand, limits[0]), limits[1])), else_=None)


# --- text as values ---------------------------------------------------------------------------------------------------

_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = f"(?!0000)(?:[0-9]{{4}}-{_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,12})?)?"
_OFFSET = "(?:[Zz]|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_NUMBER = "[+-]?[0-9]{1,100}(?:[.][0-9]{1,100})?(?:[eE][+-]?[0-9]{1,3})?"
_BASE64 = "[A-Za-z0-9_-]"

DATE_FORM = f"^{_DATE}$"
MOMENT_FORM = f"^{_DATE}[Tt]{_TIME}{_OFFSET}$"
TIME_FORM = f"^{_TIME}$"
NUMBER_FORM = f"^{_NUMBER}$"
SPECIAL_FORM = "^(?:-?INF|NaN)$"
BOOLEAN_FORM = "^(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"
GUID_FORM = "^[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"
BINARY_FORM = f"^(?:{_BASE64}{{4}})*(?:{_BASE64}{{2}}[AEIMQUYcgkosw048]=?|{_BASE64}[AQgw](?:==)?)?$"
# Groups: the whole, sign, days, hours, minutes, seconds, fraction. Nine digits are what every PostgreSQL takes.
DURATION_FORM = (
    "^(?=.*[0-9][A-Za-z]$)((-?)[Pp](?:([0-9]{1,9})[Dd])?"
    "(?:[Tt](?:([0-9]{1,9})[Hh])?(?:([0-9]{1,9})[Mm])?(?:([0-9]{1,9})(?:([.][0-9]{1,6})[0-9]*)?[Ss])?)?)$"
)
_AS_INTERVAL = r"\20\3 days \20\4 hours \20\5 minutes \20\6\7 seconds"


def _of_form(operand: Sql, form: str) -> Sql:
    """A text that has the form as a whole, or null."""
    return func.substring(collate(operand, BINARY_COLLATION), text(form), type_=Text())


def _reader(form: str) -> Cast:
    """Texts that PostgreSQL reads as they are."""
    return lambda operand, _, target: cast(_of_form(operand, form), sql_type(target))


def _time_reader(form: str) -> Cast:
    """Times; digits past the microsecond are cut, which PostgreSQL would round."""

    def read(operand: Sql, _: PrimitiveType, target: PrimitiveType) -> Sql:
        written = _of_form(operand, form)
        return cast(func.regexp_replace(written, text("([.][0-9]{6})[0-9]+"), text(r"\1")), sql_type(target))

    return read


def _duration(operand: Sql, *_: PrimitiveType) -> Sql:
    """Each part with the sign that stands before all of them."""
    written = _of_form(operand, DURATION_FORM)
    return cast(func.regexp_replace(written, text(DURATION_FORM), text(_AS_INTERVAL)), Interval())


def _binary(operand: Sql, *_: PrimitiveType) -> Sql:
    """base64url, padded to whole groups of four."""
    bare = func.rtrim(_of_form(operand, BINARY_FORM), text("="), type_=Text())
    padded = func.substring(bare.concat(text("===")), text("^((?:.{4})*)"))
    return func.decode(func.translate(padded, text("-_"), text("+/")), text("base64"), type_=LargeBinary())


def _number_of_text(operand: Sql, _: PrimitiveType, target: PrimitiveType) -> Sql:
    if target.whole:
        return _whole(cast(_of_form(operand, whole_form(target)), Numeric()), target)
    written = cast(_of_form(operand, NUMBER_FORM), Numeric())
    if target is DECIMAL:
        return _bounded(written, -_BEYOND_DECIMAL, _BEYOND_DECIMAL)
    special = func.replace(_of_form(operand, SPECIAL_FORM), text("INF"), text("Infinity"))
    return func.coalesce(cast(special, sql_type(target)), _floating(written, target), type_=sql_type(target))


def whole_form(type: PrimitiveType) -> str:
    """As many digits as the type's greatest value has, a sign where it has values below zero."""
    return f"^{'[+-]?' if type.minimum else ''}[0-9]{{1,{len(str(type.maximum))}}}$"


def _member_of_text(operand: Sql, _: PrimitiveType, target: PrimitiveType) -> Sql:
    """By name, or by number as text."""
    assert isinstance(target, EnumType)
    name = collate(operand, BINARY_COLLATION)
    by_name = case(*((text(member), text(member)) for member in target.members), value=name, else_=None)
    by_number = _member_of_number(cast(_of_form(operand, whole_form(INT64)), Numeric()), INT64, target)
    return func.coalesce(by_name, by_number, type_=Text())


# --- numbers and members of enumerations ------------------------------------------------------------------------------

_BEYOND_DECIMAL = literal_column(f"1e{MAX_DIGITS + 1}", Numeric())
"""No literal reaches it, nor any floating-point number but the infinities."""


def _number(operand: Sql, source: PrimitiveType, target: PrimitiveType) -> Sql:
    """Whole numbers are cut towards zero."""
    if target.whole:
        return _whole(func.trunc(cast(operand, Numeric()), type_=Numeric()), target)
    floating = source in (SINGLE, DOUBLE)
    if target is DECIMAL:
        written = cast(operand, Numeric())
        return _bounded(written, -_BEYOND_DECIMAL, _BEYOND_DECIMAL) if floating else written
    if source is DECIMAL:
        return _floating(operand, target)
    return _single(operand) if source is DOUBLE else cast(operand, sql_type(target))


def _whole(operand: Sql, target: PrimitiveType) -> Sql:
    assert target.minimum is not None and target.maximum is not None
    below, above = (literal_column(str(limit), Numeric()) for limit in (target.minimum - 1, target.maximum + 1))
    return cast(_bounded(operand, below, above), sql_type(target))


def _bounded(operand: Sql, below: Sql, above: Sql) -> Sql:
    """A number between two others, else null; NaN is above all. The operand stands once, however deep casts nest."""
    clamped = func.least(func.greatest(operand, below), above, type_=Numeric())
    return func.nullif(func.nullif(clamped, below, type_=Numeric()), above, type_=Numeric())


_REACH: dict[str, tuple[str, str]] = {
    SINGLE.name: ("7.0064923216240854e-46", "3.40282356e38"),
    DOUBLE.name: ("2.4703282292062328e-324", "1.7976931348623158e308"),
}
"""Up to the first, a number is zero to the type; from the second on, it does not fit."""


def _reach(target: PrimitiveType) -> tuple[Sql, Sql]:
    tiny, beyond = _REACH[target.name]
    return literal_column(tiny, Numeric()), literal_column(beyond, Numeric())


def _floating(operand: Sql, target: PrimitiveType) -> Sql:
    """A decimal as floating-point number; PostgreSQL refuses what is too great, and what is too small."""
    tiny, beyond = _reach(target)
    fitting = cast(_bounded(operand, -beyond, beyond), sql_type(target))
    return case((func.abs(operand, type_=Numeric()) <= tiny, cast(number(0), sql_type(target))), else_=fitting)


def _single(operand: Sql) -> Sql:
    """A double as single; INF, -INF and NaN stay what they are."""
    tiny, beyond = _reach(SINGLE)
    size: Sql = func.abs(operand, type_=Double())
    fits = or_(size < beyond, size >= cast(text("Infinity"), Double()))
    return case((size <= tiny, cast(number(0), Float(24))), (fits, cast(operand, Float(24))), else_=None)


def _member_of_number(operand: Sql, _: PrimitiveType, target: PrimitiveType) -> Sql:
    assert isinstance(target, EnumType)
    members = [(literal_column(str(value), Numeric()), text(name)) for name, value in target.members.items()]
    return case(*members, value=operand, else_=None)


def _number_of_member(operand: Sql, source: PrimitiveType, target: PrimitiveType) -> Sql:
    assert isinstance(source, EnumType)
    values = [(text(name), literal_column(str(value), Numeric())) for name, value in source.members.items()]
    return _whole(case(*values, value=operand, else_=None), target)


# --- dates and times --------------------------------------------------------------------------------------------------


def _start_of_day(operand: Sql, *_: PrimitiveType) -> Sql:
    return func.timezone(UTC, cast(operand, DateTime()), type_=DateTime(timezone=True))


def _part_in_utc(operand: Sql, _: PrimitiveType, target: PrimitiveType) -> Sql:
    return cast(func.timezone(UTC, operand, type_=DateTime()), sql_type(target))


CASTS: dict[tuple[Family, Family], Cast] = {
    ("boolean", "string"): _plain,
    ("number", "string"): _number_as_text,
    ("guid", "string"): _plain,
    ("date", "string"): _date_as_text,
    ("datetimeoffset", "string"): _moment_as_text,
    ("timeofday", "string"): _plain,
    ("duration", "string"): lambda operand, *_: duration_in_seconds(operand),
    ("binary", "string"): lambda operand, *_: base64url(operand),
    ("enum", "string"): _plain,
    ("string", "boolean"): _reader(BOOLEAN_FORM),
    ("string", "number"): _number_of_text,
    ("string", "guid"): _reader(GUID_FORM),
    ("string", "date"): _reader(DATE_FORM),
    ("string", "datetimeoffset"): _time_reader(MOMENT_FORM),
    ("string", "timeofday"): _time_reader(TIME_FORM),
    ("string", "duration"): _duration,
    ("string", "binary"): _binary,
    ("string", "enum"): _member_of_text,
    ("number", "number"): _number,
    ("number", "enum"): _member_of_number,
    ("enum", "number"): _number_of_member,
    ("date", "datetimeoffset"): _start_of_day,
    ("datetimeoffset", "date"): _part_in_utc,
    ("datetimeoffset", "timeofday"): _part_in_utc,
}
