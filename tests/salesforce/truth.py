"""What a request must find, asked of the database in plain SQL, and answers compared with it value by value."""

# ruff: noqa: S608, the SQL is written here

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from odata.exposure import ExposedSet, Exposure
from tests.salesforce.adapter import Answer, options_of

FILE = Path(__file__).parent.parent / "cases" / "salesforce.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One reading request. strict: None where both profiles agree, a status, or another condition."""

    number: int
    name: str
    url: str
    where: str = "true"
    order: str | None = None
    strict: int | str | None = None
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


def session_cases() -> list[Case]:
    """The requests as they were recorded."""
    return [_case(entry, entry) for entry in _entries()]


def real_cases() -> list[Case]:
    """Their translations to quotes, lines and jobs."""
    return [_case(entry, translated) for entry in _entries() for translated in entry["real"]]


def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["case"]
    return entries


def _case(entry: dict[str, Any], text: dict[str, Any]) -> Case:
    return Case(
        number=entry["number"],
        name=entry["name"],
        headers=entry.get("headers", {}),
        **{name: text[name] for name in ("url", "where", "order", "strict") if name in text},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A database and what a service shows of it to one org. names: fill the {names} of a case."""

    connection: psycopg.Connection[Any]
    exposure: Exposure
    org_id: str
    names: Mapping[str, str]

    def filled(self, text: str) -> str:
        """A text of a case with its {names}, and {or:id eq #.0:200} as 200 terms."""
        start = text.find("{or:")
        if start >= 0:
            end = text.index("}", start)
            _, term, times = text[start + 1 : end].split(":")
            terms = " or ".join(term.replace("#", str(number)) for number in range(1, int(times) + 1))
            text = text[:start] + terms + text[end + 1 :]
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def check(self, case: Case, answer: Answer, *, prefix: str = "@odata.") -> None:
        """Compare an answer with the database: rows in order, selected properties, count, no next link.

        prefix: of the names of control information.
        """
        options = dict(options_of(case.url))
        selected = [name for name in options.get("$select", "").split(",") if name]
        entity_set = self._entity_set(case.url)
        rows = self._rows(entity_set, selected, case.where, case.order, options)
        assert answer.status == 200, answer.body[:500]
        assert answer.headers["odata-version"] == case.headers.get("OData-MaxVersion", "4.0")
        assert answer.headers["content-type"].startswith("application/json")
        if "(" in case.url.partition("?")[0]:
            assert [_stated(answer.json, rows[0])] == rows
            return
        body = answer.json
        assert len(body["value"]) == len(rows)
        assert [_stated(entity, row) for entity, row in zip(body["value"], rows, strict=True)] == rows
        asked = options.get("$count") == "true"
        assert body.get(f"{prefix}count") == (self.count(entity_set, case.where) if asked else None)
        assert {name for name in body if "@" in name} == {f"{prefix}context", *[f"{prefix}count"] * asked}

    def count(self, entity_set: ExposedSet, where: str) -> int:
        found = self.connection.execute(f"SELECT count(*) FROM {_visible(entity_set, where)}", self._org).fetchone()
        assert found is not None
        number: int = found[0]
        return number

    @property
    def _org(self) -> dict[str, str]:
        return {"org": self.org_id}

    def _entity_set(self, url: str) -> ExposedSet:
        name = url.partition("?")[0].partition("(")[0]
        return next(entry for entry in self.exposure.sets if entry.name == name)

    def _rows(
        self, entity_set: ExposedSet, selected: list[str], where: str, order: str | None, options: dict[str, str]
    ) -> list[dict[str, Any]]:
        columns = {entry.name: entry.column for entry in entity_set.properties}
        names = selected or list(columns)
        query = (
            f"SELECT {', '.join(columns[name] for name in names)} FROM {_visible(entity_set, where)}"
            f" ORDER BY {order or _default_order(entity_set)}"
            f" LIMIT {options.get('$top', 'ALL')} OFFSET {options.get('$skip', '0')}"
        )
        found = self.connection.execute(query.encode(), self._org)
        return [dict(zip(names, row, strict=True)) for row in found]


def _visible(entity_set: ExposedSet, where: str) -> str:
    """The rows of an org, in one pair of parentheses; the percent signs of a LIKE are none of a parameter."""
    org = f"{entity_set.org_column} = %(org)s" if entity_set.org_column else "%(org)s <> ''"
    gone = f" AND {entity_set.deleted_column} IS NULL" if entity_set.deleted_column else ""
    return f"{entity_set.schema}.{entity_set.table} WHERE {org}{gone} AND ({where.replace('%', '%%')})"


def _default_order(entity_set: ExposedSet) -> str:
    columns = {entry.name: entry.column for entry in entity_set.properties}
    items = [f"{columns[item.property]}{' DESC' * item.descending}" for item in entity_set.default_order]
    last = " DESC" if entity_set.default_order and entity_set.default_order[-1].descending else ""
    return ", ".join([*items, *(columns[name] + last for name in entity_set.key)])


def _stated(entity: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """An entity without control information, its values as the row's types."""
    plain = {name: value for name, value in entity.items() if "@" not in name}
    return {name: _read(value, row.get(name)) for name, value in plain.items()}


def _read(value: Any, wanted: Any) -> Any:
    match wanted:
        case datetime() if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
        case date() if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
        case UUID() if isinstance(value, str):
            return UUID(value)
        case Decimal() if isinstance(value, int | Decimal):
            return Decimal(value)
        case _:
            return value
