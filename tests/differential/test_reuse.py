"""A plan made for one literal serves another at its place if the guards hold: the same rows as a plan of its own."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from odata.errors import BadRequest, InvalidLiteral
from odata.plan.bound import Place, Value, place_of
from odata.plan.limits import Profile
from odata.plan.values import Guard, database_text
from odata.sql.binds import Binds
from odata.sql.expressions import predicate
from odata.sql.sources import Sources
from odata.url.nodes import Binary, Call, Expression, Literal
from tests.filtering import Table, options_of, plan, statement
from tests.models import everything

INTEGERS = (
    "0",
    "1",
    "7",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999",
)
DECIMALS = (
    "0.0",
    "1.0",
    "7.00",
    "2.5",
    "-2.5",
    "-1.0",
    "0.1",
    "9223372036854775808.5",
    "-99999999999999999999.9999999999",
)
DOUBLES = ("7e0", "1e-1", "1e3", "INF", "-INF", "NaN", "1e30", "-1e30")
TEXTS = ("'a'", "'abc'", "'%'", "'O''Neil'", "'ABC'", "''", "'7'", "'7.0'", "'first'", "'Red'", "'Blue'")
IDS = ("'01234567-89AB-cdef-0123-456789abcdef'", "'nonsense'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'")
MOMENTS = ("2026-03-31T00:00:00Z", "2026-03-31T22:30:00Z", "2026-03-31T00:00:00+02:00", "9999-12-31T00:00:00Z")
DATES = ("2026-03-31", "2024-02-29", "9999-12-31", "0001-01-01")
YEARS = ("2024", "2026", "9999", "10000", "0", "1", "-1")

CASES: list[tuple[str, tuple[str, ...]]] = [
    *((f"{name} {operator} {{}}", group)
      for name in ("Int16", "Int64", "Decimal", "Double", "Int32 add Byte", "indexof(String,'e')")
      for operator in ("eq", "ne", "gt", "le") for group in (INTEGERS, DECIMALS, DOUBLES)),
    *((f"year({name}) {operator} {{}}", group)
      for name in ("Date", "DateTimeOffset") for operator in ("eq", "gt", "le", "ne") for group in (YEARS, DECIMALS)),
    *((f"{name}(String,{{}})", TEXTS) for name in ("contains", "startswith", "endswith")),
    *((f"String {operator} {{}}", TEXTS) for operator in ("eq", "ne", "gt")),
    *((f"indexof(String,{{}}) {test}", TEXTS) for test in ("eq -1", "ne -1", "gt 0")),
    *((f"Color {operator} {{}}", ("'Red'", "'Blue'", "'Green'")) for operator in ("eq", "gt", "le", "has")),
    *((f"Guid {operator} {{}}", IDS) for operator in ("eq", "ne", "gt")),
    *((f"Date {operator} {{}}", group) for operator in ("eq", "ne", "gt", "le") for group in (MOMENTS, DATES)),
    *((f"DateTimeOffset {operator} {{}}", group) for operator in ("eq", "gt") for group in (MOMENTS, DATES)),
    *((f"date(DateTimeOffset) {operator} {{}}", DATES) for operator in ("eq", "ne", "gt", "le")),
    *((f"Boolean {operator} {{}}", ("true", "false")) for operator in ("eq", "ne", "gt")),
    ("Int32 eq {}", TEXTS[6:8]),
    ("substring(String,{}) eq 'c'", INTEGERS[:4]),
    ("(Int32 add {}) gt 5", INTEGERS[:4]),
    ("Int32 in ({},1)", INTEGERS),
    ("Int32 in ({},1)", DECIMALS),
    ("cast({},Edm.Int32) eq Int32", TEXTS),
    ("totaloffsetminutes({}) eq 120", MOMENTS),
    ("hour({}) eq 22", MOMENTS),
]  # fmt: skip


def literals(node: Expression) -> list[Literal]:
    """All literals of a small expression."""
    if isinstance(node, Literal):
        return [node]
    if isinstance(node, Binary):
        right = getattr(node.right, "items", None) or (node.right,)
        return [found for side in (node.left, *right) for found in literals(side)]
    return [found for side in node.arguments for found in literals(side)] if isinstance(node, Call) else []


@pytest.mark.parametrize("profile", ["strict", "salesforce"])
def test_a_plan_serves_other_literals_of_its_classes(filled_table: Table, profile: Profile) -> None:
    check(filled_table, CASES[::5], profile)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["strict", "salesforce"])
def test_every_plan_serves_other_literals_of_its_classes(filled_table: Table, profile: Profile) -> None:
    check(filled_table, CASES, profile)


def check(table: Table, cases: list[tuple[str, tuple[str, ...]]], profile: Profile) -> None:
    wrong, reused = [], 0
    for template, group in cases:
        rows = {text: rows_of(table, template, text, profile) for text in group}
        for first in group:
            plan_of_first = reusable(template, first, table, profile)
            if plan_of_first is None:
                continue
            for second in group:
                answer = plan_of_first.rows(table, literals_of(template, second))
                reused += answer is not None
                if answer is not None and answer != rows[second]:
                    wrong.append(f"{template}: {first} then {second}: {answer} instead of {rows[second]}")
    assert not wrong, "\n".join(wrong[:10])
    assert reused > 2 * len(cases)


def rows_of(table: Table, template: str, text: str, profile: Profile) -> object:
    try:
        return table.keys(f"$filter={template.format(text)}", profile=profile)
    except (BadRequest, psycopg.Error) as error:
        return type(error).__name__


def literals_of(template: str, text: str) -> list[Literal]:
    expression = options_of(f"$filter={template.format(text)}").filter
    assert expression is not None
    return literals(expression)


@dataclass(frozen=True)
class Reusable:
    """A plan with its statement, and the literals it was made from."""

    own: list[Literal]
    guards: tuple[Guard, ...]
    sql: str
    values: dict[str, Value | tuple[Value, ...]]

    def rows(self, table: Table, others: list[Literal]) -> object:
        """Rows for other literals; None where the plan may not be used."""
        if [entry.kind for entry in self.own] != [entry.kind for entry in others]:
            return None
        by_place = {place_of(old.span): new for old, new in zip(self.own, others, strict=True)}
        if not all(guard.holds(by_place[guard.place].kind, by_place[guard.place].text) for guard in self.guards):
            return None
        try:
            parameters = {name: texts(entry, by_place) for name, entry in self.values.items()}
            return [row[0] for row in table.connection.execute(self.sql, {"org": everything.FIRST_ORG, **parameters})]
        except (InvalidLiteral, psycopg.Error) as error:
            return type(error).__name__


def texts(entry: Value | tuple[Value, ...], by_place: dict[Place, Literal]) -> str | list[str]:
    if isinstance(entry, tuple):
        return [str(texts(value, by_place)) for value in entry]
    other = by_place.get(entry.place) if entry.place else None
    return database_text(entry, other.kind, other.text) if other else database_text(entry)


def reusable(template: str, text: str, table: Table, profile: Profile) -> Reusable | None:
    try:
        planned = plan(f"$filter={template.format(text)}", profile=profile)
    except BadRequest:
        return None
    sql, _ = statement(planned, table.mapping)
    binds = Binds()
    predicate(planned.bound, Sources(table.mapping, planned.variable), binds)
    return Reusable(literals_of(template, text), planned.scope.guards.entries(), sql, binds.values)
