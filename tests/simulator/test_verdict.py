"""What the verdict finds: every way in which asked, org, rows and callback can disagree."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import verdict
from simulator.rows import QuoteRow

ASKED = ("006A", "006B")
IN_ORG = {"0Q0A": "006A", "0Q0B": "006B"}
ROWS = (
    QuoteRow(id="a", salesforce_id="0Q0A", opportunity_id="006A"),
    QuoteRow(id="b", salesforce_id="0Q0B", opportunity_id="006B"),
)
TOLD = {"jobId": "j", "status": "completed", "quoteIds": ["0Q0A", "0Q0B"], "errors": [], "failures": []}
FAILURE = {"opportunityId": "006B", "code": "NoLines", "message": "no lines"}


def test_all_agree() -> None:
    judged = verdict.of_job(ASKED, IN_ORG, ROWS, [TOLD])
    assert judged.well
    assert judged.summary == "2 asked, 2 in the org, 2 rows, 1 callback"


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"callbacks": []}, ["the callback came 0 times"]),
        ({"callbacks": [TOLD, TOLD]}, ["the callback came 2 times"]),
        (
            {"in_org": {**IN_ORG, "0Q0C": "006A"}},
            [
                "the org: more than one quote for 006A",
                "the rows: without the org's 0Q0C",
                "the callback: without the org's 0Q0C",
            ],
        ),
        (
            {"in_org": {"0Q0A": "006A"}},
            [
                "the org: no quote for 006B",
                "the rows: not in the org 0Q0B",
                "the callback: not in the org 0Q0B",
            ],
        ),
        ({"rows": ROWS[:1]}, ["the rows: no quote for 006B", "the rows: without the org's 0Q0B"]),
        (
            {"rows": (*ROWS, QuoteRow(id="c", salesforce_id="", opportunity_id="006C"))},
            ["the rows: quotes that nobody asked for, of 006C", "the rows: not in the org "],
        ),
        (
            {"callbacks": [{**TOLD, "status": "completed_with_errors", "failures": [FAILURE]}]},
            ["the callback: 006B NoLines: no lines", "the callback: status completed_with_errors"],
        ),
        ({"callbacks": [{**TOLD, "quoteIds": ["0Q0A"]}]}, ["the callback: without the org's 0Q0B"]),
    ],
)
def test_each_disagreement_is_named(change: dict[str, Any], lines: list[str]) -> None:
    said: dict[str, Any] = {"in_org": IN_ORG, "rows": ROWS, "callbacks": [TOLD]} | change
    assert verdict.of_job(ASKED, said["in_org"], said["rows"], said["callbacks"]).wrong == tuple(lines)


def test_one_quote_agrees() -> None:
    answer = {"quoteId": "0Q0A", "gatewayId": "a", "created": True}
    assert verdict.of_quote("006A", answer, {"0Q0A": "006A"}, ROWS[:1]).well


def test_a_quote_that_was_there_agrees() -> None:
    answer = {"quoteId": "0Q0A", "gatewayId": "a", "created": False}
    assert verdict.of_quote("006A", answer, {}, ROWS[:1]).well


@pytest.mark.parametrize(
    ("answer", "in_org", "rows"),
    [
        ({"quoteId": "0Q0A", "gatewayId": "a", "created": True}, {}, ROWS[:1]),
        ({"quoteId": "0Q0A", "gatewayId": "a", "created": True}, {"0Q0A": "006A", "0Q0X": "006A"}, ROWS[:1]),
        ({"quoteId": "0Q0X", "gatewayId": "a", "created": True}, {"0Q0A": "006A"}, ROWS[:1]),
        ({"quoteId": "0Q0A", "gatewayId": "a", "created": True}, {"0Q0A": "006A"}, ()),
        ({"quoteId": "0Q0A", "gatewayId": "x", "created": True}, {"0Q0A": "006A"}, ROWS[:1]),
        ({"quoteId": "0Q0B", "gatewayId": "b", "created": False}, {}, ROWS[1:]),
    ],
)
def test_one_quote_disagrees(answer: dict[str, Any], in_org: dict[str, str], rows: tuple[QuoteRow, ...]) -> None:
    assert not verdict.of_quote("006A", answer, in_org, rows).well
