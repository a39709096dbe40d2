"""Binds: values of a plan as parameters of a statement. All travel as text; a CAST in the SQL gives them their type."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import bindparam, cast
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import UserDefinedType

from odata.functions import now
from odata.mapping import sql_type
from odata.plan.bound import Value
from odata.plan.values import database_text


class Binder(Protocol):
    """Makes the parameter of a value, and of a list of values of one type."""

    def __call__(self, value: Value) -> ColumnElement[Any]: ...

    def array(self, values: tuple[Value, ...]) -> ColumnElement[Any]: ...

    def moment(self) -> ColumnElement[Any]:
        """The time of page 1."""


class _Untyped(UserDefinedType[str]):
    """A parameter without type of its own; the CAST around it decides."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "unknown"


class Binds:
    """The default Binder: collects parameters in order, equal values once.

    values: name -> Value, or tuple of Values for an array. `texts()` are the parameters to run the statement with.
    """

    def __init__(self) -> None:
        self.values: dict[str, Value | tuple[Value, ...]] = {}
        self._names: dict[Value | tuple[Value, ...], str] = {}

    def __call__(self, value: Value) -> ColumnElement[Any]:
        return cast(self._parameter(value), sql_type(value.type))

    def array(self, values: tuple[Value, ...]) -> ColumnElement[Any]:
        return cast(self._parameter(values), ARRAY(sql_type(values[0].type)))

    def moment(self) -> ColumnElement[Any]:
        return now()

    def texts(self) -> dict[str, str | list[str]]:
        """Parameters by name, as text."""
        return {
            name: database_text(entry) if isinstance(entry, Value) else [database_text(value) for value in entry]
            for name, entry in self.values.items()
        }

    def _parameter(self, entry: Value | tuple[Value, ...]) -> ColumnElement[Any]:
        name = self._names.get(entry)
        if name is None:
            name = self._names[entry] = f"p{len(self.values)}"
            self.values[name] = entry
        return untyped(name)


def untyped(name: str) -> ColumnElement[str]:
    """A parameter by name; the CAST around it gives it its type."""
    return bindparam(name, type_=_Untyped())
