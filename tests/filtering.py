"""Filters planned, written and run against a database: what the tests of expressions share.

`Table.keys("Things", "Name eq null")` are the keys of the rows that pass, in order, of the first org of `everything`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import make_url, select

from odata.edm.model import Model, build
from odata.mapping import Mapping
from odata.plan.bind import bind_predicate
from odata.plan.bound import Bound, Variable
from odata.plan.limits import Limits, Profile
from odata.plan.scope import Scope, root_scope
from odata.plan.search import bind_search
from odata.sql.binds import Binds
from odata.sql.expressions import predicate
from odata.sql.sources import Sources
from odata.url.nodes import Options
from odata.url.request_target import parse
from tests.models import everything

MODEL = build(everything.EXPOSURE)
DIALECT = make_url("postgresql+psycopg://").get_dialect()()


@dataclass(frozen=True, slots=True)
class Planned:
    """A bound predicate with the scope it was bound in."""

    variable: Variable
    bound: Bound
    scope: Scope


def options_of(query: str) -> Options:
    """The options of a decoded query such as "$filter=Name eq 'a&b'"; one option and its aliases, joined by " & "."""
    encoded = "&".join(
        f"{name}={quote(value)}" for name, _, value in (part.partition("=") for part in query.split(" & "))
    )
    return parse("Things", encoded).options


def plan(
    query: str,
    *,
    entity_set: str = "Things",
    profile: Profile = "strict",
    model: Model = MODEL,
    limits: Limits | None = None,
) -> Planned:
    """Bind $filter or $search of a query."""
    options = options_of(query)
    variable = Variable(0, model.sets[entity_set])
    scope = root_scope(model, profile=profile, limits=limits, aliases=options.aliases).entering(variable)
    if options.filter is not None:
        return Planned(variable, bind_predicate(options.filter, scope), scope)
    assert options.search is not None
    return Planned(variable, bind_search(options.search, variable, scope), scope)


def statement(planned: Planned, mapping: Mapping) -> tuple[str, dict[str, Any]]:
    """The SELECT of the keys that pass, and its parameters."""
    sources, binds = Sources(mapping, planned.variable), Binds()
    where = predicate(planned.bound, sources, binds)
    keys = [sources.column(planned.variable, property) for property in planned.variable.set.key]
    query = select(*keys).select_from(sources.from_clause).where(sources.predicate, where).order_by(*keys)
    return str(query.compile(dialect=DIALECT)), {"org": everything.FIRST_ORG, **binds.texts()}


@dataclass(frozen=True, slots=True)
class Table:
    """A database with the tables of `everything`. mapping: says how its texts compare."""

    connection: psycopg.Connection[Any]
    mapping: Mapping

    def keys(self, query: str, *, entity_set: str = "Things", profile: Profile = "strict") -> list[Any]:
        """Keys of the rows of the first org that pass: single keys bare, others as tuples."""
        text, parameters = statement(plan(query, entity_set=entity_set, profile=profile), self.mapping)
        rows = self.connection.execute(text, parameters).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def explain(self, query: str, *, entity_set: str = "Things", profile: Profile = "strict") -> str:
        """The database's plan with sequential scans made dear."""
        text, parameters = statement(plan(query, entity_set=entity_set, profile=profile), self.mapping)
        self.connection.execute("SET enable_seqscan = off")
        rows = self.connection.execute(f"EXPLAIN (COSTS OFF) {text}", parameters).fetchall()
        self.connection.execute("RESET enable_seqscan")
        return "\n".join(row[0] for row in rows)
