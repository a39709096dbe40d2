"""Generated filters of expanded options that name $it and $this, and $root in the stead of $it: the naive evaluator and
the service agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from odata.url.nodes import Expression
from tests.conformance.serving import Client
from tests.differential.evaluator import Arithmetic, Evaluator, Row
from tests.differential.generator import Generator
from tests.differential.test_differential import rows_of
from tests.filtering import MODEL, Table, options_of
from tests.models import everything

FAST, SLOW = 24, 1_000
THINGS = MODEL.sets["Things"]
NAMES = "|".join((*THINGS.properties, *THINGS.navigation))
OWN_NAME = re.compile(rf"'(?:[^']|'')*'|(?<![\w/$.])(?P<name>{NAMES})\b")


def with_it(text: str, seed: int) -> str:
    """A filter over Things, half of whose names are those of $it, and some of $this, which says nothing."""
    random = Random(seed)

    def renamed(match: re.Match[str]) -> str:
        choice = random.random() if match["name"] else 1
        return f"$it/{match[0]}" if choice < 0.5 else f"$this/{match[0]}" if choice < 0.7 else match[0]

    return OWN_NAME.sub(renamed, text)


def expression_of(text: str) -> Expression:
    expression = options_of(f"$filter={text}").filter
    assert expression is not None
    return expression


@pytest.fixture(scope="module")
def clients(filled_url: str) -> Iterator[dict[bool, Client]]:
    """By whether they are of the salesforce profile."""
    strict = Client(filled_url, everything.EXPOSURE, org=everything.FIRST_ORG)
    yield {False: strict, True: strict.as_org(everything.FIRST_ORG, profile="salesforce")}
    strict.close()


def disagreements(clients: dict[bool, Client], table: Table, seeds: range) -> list[str]:
    rows, wrong, said = rows_of(table), [], 0
    for seed in seeds:
        lenient = seed % 2 == 1
        text = with_it(Generator(seed, lenient=lenient).filter(), seed)
        try:
            wanted = children(Evaluator(MODEL, rows, lenient), expression_of(text))
        except Arithmetic:
            continue
        reply = clients[lenient].get(f"Things?$select=Id&$expand=Children($select=Id;$filter={quote(text)})&$top=2000")
        if reply.status == 400 and reply.error["code"] == "ArithmeticFailure":
            continue
        said += "$it" in text
        got: object = reply.text
        if reply.status == 200:
            got = {row["Id"]: sorted(child["Id"] for child in row["Children"]) for row in reply.rows}
        if got != wanted:
            wrong.append(f"{seed} {lenient}: {text}\n  database {got}\n  standard {wanted}")
    assert said > len(seeds) / 3, f"only {said} of {len(seeds)} say anything of $it"
    return wrong


def children(evaluator: Evaluator, expression: Expression) -> dict[int, list[int]]:
    """Keys of the children that pass, by the key of their parent, which is $it."""
    return {
        parent["Id"]: sorted(
            child["Id"]
            for child in evaluator.rows["Things"]
            if child["ParentId"] == parent["Id"] and passes(evaluator, expression, child, parent)
        )
        for parent in evaluator.rows["Things"]
    }


def passes(evaluator: Evaluator, expression: Expression, child: Row, parent: Row) -> bool:
    return evaluator.passes(expression, "Things", child, it=parent)


def test_generated_filters_with_it_agree(clients: dict[bool, Client], filled_table: Table) -> None:
    wrong = disagreements(clients, filled_table, range(FAST))
    assert not wrong, "\n".join(wrong[:10])


@pytest.mark.slow
def test_many_generated_filters_with_it_agree(clients: dict[bool, Client], filled_table: Table) -> None:
    wrong = disagreements(clients, filled_table, range(1_000, 1_000 + SLOW))
    assert not wrong, "\n".join(wrong[:10])


@pytest.mark.parametrize("key", [4, 99])
def test_root_with_a_key_is_that_entity(clients: dict[bool, Client], filled_table: Table, key: int) -> None:
    """Where $it of an expansion is one entity, $root with its key says the same of the collection itself."""
    rows = rows_of(filled_table)
    entity = next((row for row in rows["Things"] if row["Id"] == key), dict.fromkeys(THINGS.properties))
    said = 0
    for seed in range(2_000, 2_000 + FAST):
        text = with_it(Generator(seed, lenient=False).filter(), seed)
        expression, evaluator = expression_of(text), Evaluator(MODEL, rows, False)
        try:
            wanted = sorted(row["Id"] for row in rows["Things"] if passes(evaluator, expression, row, entity))
        except Arithmetic:
            continue
        rooted = quote(text.replace("$it/", f"$root/Things({key})/"))
        reply = clients[False].get(f"Things?$select=Id&$orderby=Id&$top=2000&$filter={rooted}")
        if reply.status == 400 and reply.error["code"] == "ArithmeticFailure":
            continue
        said += "$it" in text
        got: Any = reply.values("Id") if reply.status == 200 else reply.text
        assert got == wanted, (seed, text)
    assert said > 5
