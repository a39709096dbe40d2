"""Canonical functions: one entry = name, parameter types, return type, SQL, one-line doc.

`plan` reads the signatures only; `sql` calls `sql`. A parameter type stands for its family; a whole-number parameter
takes whole numbers only, Edm.Decimal no floating point. Overloads are tried in order. Standard: URL Conventions,
"Canonical Functions".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Double,
    Integer,
    Interval,
    Numeric,
    Text,
    Time,
    case,
    cast,
    collate,
    extract,
    func,
    literal_column,
)
from sqlalchemy.sql.elements import ColumnElement

from odata.edm.types import (
    BOOLEAN,
    DATE,
    DATE_TIME_OFFSET,
    DECIMAL,
    DOUBLE,
    DURATION,
    INT32,
    STRING,
    TIME_OF_DAY,
    PrimitiveType,
)

Sql: TypeAlias = ColumnElement[Any]

CASE_COLLATION = "default"
"""Collation of LIKE, ILIKE and of folding case: "C" folds ASCII only (docs/decisions/case-folding.md)."""
BINARY_COLLATION = "C"
_WHITE_SPACE_CHARACTERS = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
_UTC: Sql = literal_column("'UTC'")


def number(value: int | float) -> Sql:
    """A fixed number of ours as part of the SQL; everything from a request is a bind parameter."""
    return literal_column(repr(value), Double() if isinstance(value, float) else Integer())


def text(value: str) -> Sql:
    """A fixed text of ours as part of the SQL."""
    return literal_column("'" + value.replace("'", "''") + "'", Text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One overload of a canonical function. returns: None = the type of the first argument."""

    name: str
    parameters: tuple[PrimitiveType, ...]
    returns: PrimitiveType | None
    doc: str
    sql: Callable[..., Sql]

    @property
    def signature(self) -> str:
        """As the documentation shows it: indexof(Edm.String,Edm.String) Edm.Int32."""
        arguments = ",".join(parameter.name for parameter in self.parameters)
        return f"{self.name}({arguments}) {self.returns.name if self.returns else 'as its argument'}"


FUNCTIONS: dict[str, list[Function]] = {}

UNSUPPORTED: dict[str, str] = {
    "matchespattern": "regular expressions are off; contains, startswith and endswith are served",
    "hassubset": "there are no collection-valued properties",
    "hassubsequence": "there are no collection-valued properties",
    "geo.distance": "there are no geo properties",
    "geo.length": "there are no geo properties",
    "geo.intersects": "there are no geo properties",
}


def function(
    *parameters: PrimitiveType, returns: PrimitiveType | None = None, name: str | None = None
) -> Callable[[Callable[..., Sql]], Callable[..., Sql]]:
    """Register a canonical function; the decorated function makes SQL from SQL."""

    def register(make: Callable[..., Sql]) -> Callable[..., Sql]:
        own = name or make.__name__
        entry = Function(name=own, parameters=parameters, returns=returns, doc=make.__doc__ or "", sql=make)
        FUNCTIONS.setdefault(own, []).append(entry)
        return make

    return register


def fits(type: PrimitiveType, parameter: PrimitiveType) -> bool:
    """Whether an argument of a type may stand for a parameter."""
    if type.family != parameter.family:
        return False
    if type.family != "number" or parameter is DOUBLE:
        return True
    return type.whole or (parameter is DECIMAL and type is DECIMAL)


def overload(name: str, types: tuple[PrimitiveType, ...]) -> Function | None:
    """The first overload that takes arguments of these types."""
    for entry in FUNCTIONS[name]:
        if len(entry.parameters) == len(types) and all(map(fits, types, entry.parameters)):
            return entry
    return None


def listing() -> str:
    """All signatures with their one-line docs, in order of the alphabet."""
    entries = [entry for name in sorted(FUNCTIONS) for entry in FUNCTIONS[name]]
    width = max(len(entry.signature) for entry in entries)
    return "\n".join(f"{entry.signature:{width}}  {entry.doc.splitlines()[0]}" for entry in entries)


def folded(text: Sql) -> Sql:
    """Lower case by Unicode's rules; compares byte by byte like every other text."""
    return collate(func.lower(collate(text, CASE_COLLATION), type_=Text()), BINARY_COLLATION)


def joined(operand: Sql) -> Sql:
    """Lower case without the blanks: whatever ILIKE finds in a text, LIKE finds joined in the joined text."""
    return collate(
        func.replace(func.lower(collate(operand, CASE_COLLATION)), text(" "), text(""), type_=Text()), BINARY_COLLATION
    )


_WHITE_SPACE = text(_WHITE_SPACE_CHARACTERS)

# --- text ------------------------------------------------------------------------------------------------------------


@function(STRING, STRING, returns=STRING)
def concat(left: Sql, right: Sql) -> Sql:
    """Both texts in a row; null when one is null."""
    return left.concat(right)


@function(STRING, STRING, returns=BOOLEAN)
def contains(text: Sql, part: Sql) -> Sql:
    """Whether `part` stands somewhere in `text`."""
    return func.strpos(text, part, type_=Integer()) > number(0)


@function(STRING, STRING, returns=BOOLEAN)
def startswith(text: Sql, part: Sql) -> Sql:
    """Whether `text` begins with `part`."""
    return func.left(text, func.length(part), type_=Text()) == part


@function(STRING, STRING, returns=BOOLEAN)
def endswith(text: Sql, part: Sql) -> Sql:
    """Whether `text` ends with `part`."""
    return func.right(text, func.length(part), type_=Text()) == part


@function(STRING, STRING, returns=INT32)
def indexof(text: Sql, part: Sql) -> Sql:
    """Zero-based position of `part` in `text`, or -1."""
    return func.strpos(text, part, type_=Integer()) - number(1)


@function(STRING, returns=INT32)
def length(text: Sql) -> Sql:
    """Number of characters."""
    return func.char_length(text, type_=Integer())


@function(STRING, INT32, returns=STRING)
def substring(text: Sql, start: Sql) -> Sql:
    """From a zero-based position on; a negative one counts from the end."""
    return func.substr(text, _one_based(text, start), type_=Text())


@function(STRING, INT32, INT32, returns=STRING, name="substring")
def substring_of_length(text: Sql, start: Sql, length: Sql) -> Sql:
    """At most `length` characters from a zero-based position on."""
    return func.substr(text, _one_based(text, start), _in_reach(length), type_=Text())


def _in_reach(position: Sql) -> Sql:
    """A whole number as substr takes it: no text is longer than 2^31 - 2. Null stays null, which least() would lose."""
    reach = number(2**31 - 2)
    position = cast(position, BigInteger)
    return cast(case((position > reach, reach), (position < -reach, -reach), else_=position), Integer)


def _one_based(text: Sql, start: Sql) -> Sql:
    start = _in_reach(start)
    from_end = func.greatest(func.char_length(text, type_=Integer()) + start, number(0), type_=Integer())
    return case((start < number(0), from_end), else_=start) + number(1)


@function(STRING, returns=STRING)
def tolower(text: Sql) -> Sql:
    """In lower case."""
    return folded(text)


@function(STRING, returns=STRING)
def toupper(text: Sql) -> Sql:
    """In upper case."""
    return collate(func.upper(collate(text, CASE_COLLATION), type_=Text()), BINARY_COLLATION)


@function(STRING, returns=STRING)
def trim(text: Sql) -> Sql:
    """Without white space (Unicode's) at both ends."""
    return func.btrim(text, _WHITE_SPACE, type_=Text())


# --- numbers ---------------------------------------------------------------------------------------------------------


@function(DECIMAL, name="round")
def round_number(operand: Sql) -> Sql:
    """The nearest whole number; a half goes away from zero."""
    return func.round(cast(operand, Numeric), type_=Numeric())


@function(DOUBLE, name="round")
def round_double(operand: Sql) -> Sql:
    """The nearest whole number; a half goes away from zero."""
    return func.trunc(operand + func.sign(operand, type_=Double()) * number(0.5), type_=Double())


@function(DECIMAL)
def floor(operand: Sql) -> Sql:
    """The greatest whole number that is not greater."""
    return func.floor(cast(operand, Numeric), type_=Numeric())


@function(DOUBLE, name="floor")
def floor_double(operand: Sql) -> Sql:
    """The greatest whole number that is not greater."""
    return func.floor(operand, type_=Double())


@function(DECIMAL)
def ceiling(operand: Sql) -> Sql:
    """The smallest whole number that is not smaller."""
    return func.ceiling(cast(operand, Numeric), type_=Numeric())


@function(DOUBLE, name="ceiling")
def ceiling_double(operand: Sql) -> Sql:
    """The smallest whole number that is not smaller."""
    return func.ceiling(operand, type_=Double())


# --- dates and times: points in time are in UTC -----------------------------------------------------------------------


def _utc(moment: Sql) -> Sql:
    return func.timezone(_UTC, moment, type_=DateTime())


def _part(name: str, moment: Sql) -> Sql:
    return cast(func.floor(extract(name, moment)), Integer)


def _register_parts() -> None:
    """year ... second of dates, points in time and times of day."""
    for name in ("year", "month", "day", "hour", "minute", "second"):
        doc = f"The {name}, in UTC."

        def of_moment(moment: Sql, name: str = name) -> Sql:
            return _part(name, _utc(moment))

        def of_value(value: Sql, name: str = name) -> Sql:
            return _part(name, value)

        of_moment.__doc__ = of_value.__doc__ = doc
        function(DATE_TIME_OFFSET, returns=INT32, name=name)(of_moment)
        function(DATE if name in ("year", "month", "day") else TIME_OF_DAY, returns=INT32, name=name)(of_value)


_register_parts()


@function(DATE_TIME_OFFSET, returns=DECIMAL)
def fractionalseconds(moment: Sql) -> Sql:
    """The part of a second, 0 or more and less than 1."""
    seconds = extract("second", _utc(moment))
    return cast(seconds - func.floor(seconds), Numeric)


@function(TIME_OF_DAY, returns=DECIMAL, name="fractionalseconds")
def fractionalseconds_of_time(time: Sql) -> Sql:
    """The part of a second, 0 or more and less than 1."""
    seconds = extract("second", time)
    return cast(seconds - func.floor(seconds), Numeric)


@function(DATE_TIME_OFFSET, returns=DATE)
def date(moment: Sql) -> Sql:
    """The date, in UTC."""
    return cast(_utc(moment), Date)


@function(DATE_TIME_OFFSET, returns=TIME_OF_DAY)
def time(moment: Sql) -> Sql:
    """The time of day, in UTC."""
    return cast(_utc(moment), Time)


@function(DATE_TIME_OFFSET, returns=INT32)
def totaloffsetminutes(moment: Sql) -> Sql:
    """Minutes from UTC: 0 for a stored value, its own offset for a literal."""
    return case((moment.is_not(None), number(0)), else_=None)


@function(DURATION, returns=DECIMAL)
def totalseconds(duration: Sql) -> Sql:
    """The whole duration in seconds."""
    return cast(extract("epoch", duration), Numeric)


@function(returns=DATE_TIME_OFFSET)
def now() -> Sql:
    """The time of this request; in the order of the requested collection, of its first page."""
    return func.transaction_timestamp(type_=DateTime(timezone=True))


@function(returns=DATE_TIME_OFFSET)
def mindatetime() -> Sql:
    """0001-01-01T00:00:00Z."""
    return cast(literal_column("'0001-01-01T00:00:00Z'"), DateTime(timezone=True))


@function(returns=DATE_TIME_OFFSET)
def maxdatetime() -> Sql:
    """9999-12-31T23:59:59.999999Z."""
    return cast(literal_column("'9999-12-31T23:59:59.999999Z'"), DateTime(timezone=True))


# --- for operators ----------------------------------------------------------------------------------------------------

DAY = cast(literal_column("'1 day'"), Interval)


def days_of(duration: Sql) -> Sql:
    """Whole days in a duration, towards zero."""
    return cast(func.trunc(extract("epoch", duration).op("/", precedence=8)(number(86400))), Integer)


def whole_quotient(left: Sql, right: Sql) -> Sql:
    """Integer division towards zero."""
    return cast(left, BigInteger).op("/", precedence=8, return_type=BigInteger())(right)
