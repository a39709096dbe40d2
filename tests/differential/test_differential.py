"""Postgres and the naive evaluator agree on generated filters: both profiles, with and without trigrams."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from odata.errors import BadRequest
from tests.differential.evaluator import Arithmetic, Evaluator
from tests.differential.generator import Generator
from tests.filtering import MODEL, Table, options_of, plan, statement
from tests.models import everything

FAST, SLOW = 300, 5_000
MAX_SKIPPED_SHARE = 0.2


def rows_of(table: Table) -> dict[str, list[dict[str, Any]]]:
    """All rows that the first org sees, by entity set, as properties."""
    found = {}
    for entity_set in MODEL.sets.values():
        exposed = entity_set.exposed
        every = SQL("SELECT * FROM {} WHERE tenant = %s").format(Identifier("everything", exposed.table))
        with table.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(every, (everything.FIRST_ORG,))
            found[entity_set.name] = [
                {entry.name: row[entry.exposed.column] for entry in entity_set.properties.values()}
                for row in cursor
                if exposed.deleted_column is None or row[exposed.deleted_column] is None
            ]
    return found


def disagreements(table: Table, seeds: range) -> list[str]:
    """Filters with different answers, in both profiles."""
    rows, wrong, skipped = rows_of(table), [], 0
    for seed in seeds:
        lenient = seed % 2 == 1
        text = Generator(seed, lenient=lenient).filter()
        evaluator = Evaluator(MODEL, rows, lenient)
        query = f"$filter={text}"
        expression = options_of(query).filter
        assert expression is not None
        try:
            wanted = sorted(row["Id"] for row in rows["Things"] if evaluator.passes(expression, "Things", row))
        except Arithmetic:
            skipped += 1
            continue
        try:
            got: object = table.keys(query, profile="salesforce" if lenient else "strict")
        except psycopg.DataError as error:
            got = f"{error.sqlstate}"
            if error.sqlstate in ("22003", "22012", "22008"):
                skipped += 1
                continue
        except (BadRequest, psycopg.Error) as error:
            got = repr(error)
        if got != wanted:
            wrong.append(
                f"{seed} {'salesforce' if lenient else 'strict'}: {text}\n  database {got}\n  standard {wanted}"
            )
    assert skipped <= len(seeds) * MAX_SKIPPED_SHARE, f"{skipped} of {len(seeds)} say nothing"
    return wrong


def test_generated_filters_agree(filled_table: Table) -> None:
    wrong = disagreements(filled_table, range(FAST))
    assert not wrong, "\n".join(wrong[:10])


def test_generated_filters_agree_with_trigrams_and_another_collation(trigram_table: Table) -> None:
    wrong = disagreements(trigram_table, range(FAST, 2 * FAST))
    assert not wrong, "\n".join(wrong[:10])


@pytest.mark.slow
def test_many_generated_filters_agree(filled_table: Table) -> None:
    wrong = disagreements(filled_table, range(1_000, 1_000 + SLOW))
    assert not wrong, "\n".join(wrong[:10])


@pytest.mark.slow
def test_many_generated_filters_agree_with_trigrams_and_another_collation(trigram_table: Table) -> None:
    wrong = disagreements(trigram_table, range(10_000, 10_000 + SLOW))
    assert not wrong, "\n".join(wrong[:10])


def test_another_literal_of_the_same_shape_gives_the_same_statement(filled_table: Table) -> None:
    """Plans of filters that differ in literals alone, with equal guards, are the same but for texts."""
    shapes: dict[object, str] = {}
    for seed in range(FAST):
        text = Generator(seed, lenient=False).strings()
        planned = plan(f"$filter={text}")
        sql, _ = statement(planned, filled_table.mapping)
        shape = "".join("'" if index % 2 else part for index, part in enumerate(text.replace("''", "q").split("'")))
        guards = tuple((entry.classifier, entry.result) for entry in planned.scope.guards.entries())
        assert shapes.setdefault((shape, guards), sql) == sql
