"""SOQL from values: `select(...) -> Soql`. The one place where a query's text is made.

Names of objects and fields come from this project and are checked to be names; values are written as literals, so no
text of a request can end the literal it stands in. Knows no object of Salesforce.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeAlias

from applink.org import Soql

Value: TypeAlias = str | bool | int | Decimal | date | datetime | None
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*")
_ESCAPES: Final = {"\\": r"\\", "'": r"\'", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\b": r"\b", "\f": r"\f"}


@dataclass(frozen=True, slots=True)
class Children:
    """A sub-select: fields of the records of a child relationship. order_by: as in `select`."""

    relationship: str
    fields: Sequence[str]
    order_by: Sequence[str] = ()


def select(
    fields: Sequence[str],
    from_: str,
    *,
    where: Mapping[str, Value] | None = None,
    in_: Mapping[str, Sequence[Value]] | None = None,
    children: Sequence[Children] = (),
    order_by: Sequence[str] = (),
    limit: int | None = None,
    deleted: bool = False,
) -> Soql:
    """A query for records for which all conditions hold. Two hundred ids in one `in_` fit into an address.

    Args:    where: field -> the value it has; in_: field -> values of which it has one; order_by: fields, "-" before
             one that descends; deleted: those of the recycle bin too.
    Raises:  ValueError for what is no name, an empty `in_`, a value that has no literal. Never for a text's content,
             but for NUL, which no field can hold.
    Example: select(("Id", "Name"), "Opportunity", in_={"Id": ids}).text
    """
    selected = [_name(field) for field in fields] + [f"({_children(each)})" for each in children]
    conditions = [f"{_name(field)} = {literal(value)}" for field, value in (where or {}).items()]
    conditions += [f"{_name(field)} IN ({_literals(field, values)})" for field, values in (in_ or {}).items()]
    text = f"SELECT {', '.join(selected)} FROM {_name(from_)}"  # noqa: S608 names and literals only, see above
    if conditions:
        text += f" WHERE {' AND '.join(conditions)}"
    return Soql(text + _order(order_by) + ("" if limit is None else f" LIMIT {int(limit)}"), deleted)


def literal(value: Value) -> str:
    """A value as SOQL writes it. A datetime needs its time zone."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{_escaped(value)}'"
        case int():
            return str(value)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case datetime() if value.tzinfo is not None:
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
        case date() if not isinstance(value, datetime):
            return value.isoformat()
        case _:
            raise ValueError(f"SOQL has no literal for {value!r}")


def _escaped(text: str) -> str:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("a text with NUL or half of a surrogate pair")
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def _literals(field: str, values: Sequence[Value]) -> str:
    if not values:
        raise ValueError(f"{field} IN () has no values")
    return ",".join(map(literal, values))


def _children(wanted: Children) -> str:
    fields = ", ".join(map(_name, wanted.fields))
    return f"SELECT {fields} FROM {_name(wanted.relationship)}{_order(wanted.order_by)}"  # noqa: S608


def _order(order_by: Sequence[str]) -> str:
    terms = [_name(field.removeprefix("-")) + (" DESC" if field.startswith("-") else "") for field in order_by]
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name of an object or field")
    return text
