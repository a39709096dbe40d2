"""Exposure <-> TOML: the same keys as the dataclasses of `exposure.py`, values that equal their default left out.

In: the text of an exposure.toml. Out: an Exposure, not yet checked (`edm/check.py` does that). Knows no SQL, no HTTP.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from typing import Any, TypeAlias

from odata.exposure import (
    EnumMember,
    ExposedEnum,
    ExposedNavigation,
    ExposedProperty,
    ExposedSet,
    Exposure,
    ExposureError,
    OrderItem,
)

# Fields that are arrays of tables; every other field is a scalar, an array of strings, or `on`.
NESTED: dict[tuple[type, str], type] = {
    (Exposure, "sets"): ExposedSet,
    (Exposure, "enums"): ExposedEnum,
    (ExposedEnum, "members"): EnumMember,
    (ExposedSet, "properties"): ExposedProperty,
    (ExposedSet, "navigation"): ExposedNavigation,
    (ExposedSet, "default_order"): OrderItem,
}
SCALARS: dict[str, tuple[type, str]] = {
    "str": (str, "a string"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
}

Table: TypeAlias = dict[str, Any]


def read(text: str) -> Exposure:
    """Read the text of an exposure.toml.

    Raises: ExposureError with one line for each unknown key, missing key and wrong type, and for text that is no TOML.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ExposureError(f"not TOML: {error}") from None
    return from_table(table)


def from_table(table: Mapping[str, object]) -> Exposure:
    """Make an Exposure of a table as tomllib reads it. Raises: ExposureError, as `read`."""
    problems: list[str] = []
    exposure = _instance(Exposure, table, "", problems)
    if problems:
        raise ExposureError("\n".join(problems))
    assert isinstance(exposure, Exposure)
    return exposure


def to_table(exposure: Exposure) -> Table:
    """The table that a TOML writer takes; `from_table` makes an equal Exposure of it."""
    return _table(exposure)


def _table(instance: Any) -> Table:
    table: Table = {}
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value == field.default or value is None:
            continue
        if (type(instance), field.name) in NESTED:
            table[field.name] = [_table(entry) for entry in value]
        else:
            table[field.name] = _plain(value)
    return table


def _plain(value: Any) -> Any:
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _instance(kind: type, table: object, where: str, problems: list[str]) -> object:
    """An instance of kind, or None after noting why there is none. where: path of keys so far, "sets[0]."."""
    if not isinstance(table, Mapping):
        problems.append(f"{where.rstrip('.')}: expected a table, found {table!r}")
        return None
    fields = {field.name: field for field in dataclasses.fields(kind)}
    before = len(problems)
    problems.extend(_unknown(key, where, fields) for key in table if key not in fields)
    values: Table = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _value(kind, field, table[name], f"{where}{name}", problems)
        elif field.default is dataclasses.MISSING:
            problems.append(f"{where}{name}: missing")
    return kind(**values) if len(problems) == before else None


def _unknown(key: str, where: str, fields: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, fields, n=1, cutoff=0)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{where}{key}: unknown key{hint}"


def _value(kind: type, field: dataclasses.Field[Any], value: object, where: str, problems: list[str]) -> object:
    nested = NESTED.get((kind, field.name))
    declared = str(field.type)
    if nested is not None:
        if not isinstance(value, list):
            problems.append(f"{where}: expected an array of tables, found {value!r}")
            return ()
        return tuple(_instance(nested, entry, f"{where}[{index}].", problems) for index, entry in enumerate(value))
    if declared == "tuple[tuple[str, str], ...]":
        return _pairs(value, where, problems)
    if declared == "tuple[str, ...]":
        return _strings(value, where, problems)
    scalar, words = SCALARS[declared.removesuffix(" | None")]
    if type(value) is not scalar:
        problems.append(f"{where}: expected {words}, found {value!r}")
    return value


def _strings(value: object, where: str, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        problems.append(f"{where}: expected an array of strings, found {value!r}")
        return ()
    return tuple(value)


def _pairs(value: object, where: str, problems: list[str]) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list):
        problems.append(f"{where}: expected an array of pairs [property here, property there], found {value!r}")
        return ()
    pairs = tuple(_strings(entry, f"{where}[{index}]", problems) for index, entry in enumerate(value))
    problems.extend(f"{where}[{index}]: expected two names" for index, pair in enumerate(pairs) if len(pair) != 2)
    return pairs
