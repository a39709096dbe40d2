"""Each row of docs/runbook.md is rehearsed by a test, and no test rehearses a row that is not there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.runbook import page
from tests.runbook.rehearsals import REHEARSALS

HERE = Path(__file__)


def rehearsing() -> list[str]:
    """Every test of this folder but those of this file."""
    files = [file for file in HERE.parent.glob("test_*.py") if file != HERE]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    found = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return sorted(name for name in found if name.startswith("test_"))


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    rows = [(row.section, row.symptom) for row in page.rows()]
    assert len(rows) == len(set(rows)) > 30
    assert set(rows) == {(section, symptom) for section, tests in REHEARSALS.items() for symptom in tests}
    named = [test for tests in REHEARSALS.values() for several in tests.values() for test in several.split()]
    assert sorted(named) == rehearsing()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`gateway jobs show ID`: `running`", {"gateway jobs show"}),
        ("`heroku logs --dyno worker -a $APP`; `gateway status`", {"heroku logs", "gateway status"}),
        ("`curl -i .../readiness`", {"curl"}),
        ("`gateway explain URL --analyze`, `KEEP_JOBS_DAYS`", {"gateway explain"}),
        ("`heroku config:set -a $APP NAME=value`", {"heroku config:set"}),
    ],
)
def test_what_a_row_says_to_type(text: str, found: set[str]) -> None:
    assert page.commands(text) == found
