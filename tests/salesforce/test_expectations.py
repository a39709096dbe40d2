"""What is expected of each reading request of a session can fail: by an answer without rows, by that of another one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.salesforce.adapter import Answer, encoded_plainly
from tests.salesforce.conftest import Mounted
from tests.salesforce.truth import Case, real_cases, session_cases

RED = (AssertionError, KeyError)


@pytest.fixture(params=["session", "real"])
def answered(request: pytest.FixtureRequest) -> tuple[Mounted, list[tuple[Case, Answer]]]:
    """A service, and each of its cases with the answer to it."""
    mounted: Mounted = request.getfixturevalue(f"{request.param}_service")
    listed = session_cases() if request.param == "session" else real_cases()
    cases = [replace(one, url=mounted.truth.filled(one.url), where=mounted.truth.filled(one.where)) for one in listed]
    return mounted, [(case, mounted.adapter.get(encoded_plainly(case.url), case.headers)) for case in cases]


def test_an_answer_without_its_rows_is_seen(answered: tuple[Mounted, list[tuple[Case, Answer]]]) -> None:
    mounted, pairs = answered
    holding = [(case, answer) for case, answer in pairs if answer.json.get("value", [answer.json])]
    assert len(holding) > len(pairs) / 2
    assert not [str(case) for case, answer in holding if _is_green(mounted, case, _emptied(answer))]


def test_the_answer_to_another_request_is_seen(answered: tuple[Mounted, list[tuple[Case, Answer]]]) -> None:
    """Each case is tried with every other answer that does not say the same."""
    mounted, pairs = answered
    mistaken = [
        (str(case), str(other))
        for case, answer in pairs
        for other, wrong in pairs
        if _said(wrong) != _said(answer) and _is_green(mounted, case, wrong)
    ]
    assert not mistaken


def _is_green(mounted: Mounted, case: Case, answer: Answer) -> bool:
    try:
        mounted.truth.check(case, answer)
    except RED:
        return False
    return True


def _emptied(answer: Answer) -> Answer:
    """The same answer, had nothing been found: no rows, or an entity of nulls."""
    document = answer.json
    nothing: dict[str, Any] = {name: [] if name == "value" else None for name in document if "@" not in name}
    kept = {name: value for name, value in document.items() if "@" in name}
    return replace(answer, body=json.dumps({**kept, **nothing}, default=str).encode())


def _said(answer: Answer) -> Any:
    """Values and count of an answer, without what names the request."""
    document = answer.json
    return {name: value for name, value in document.items() if not name.endswith("context")}
