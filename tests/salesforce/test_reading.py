"""Requests 5 to 49 of a Salesforce Connect session: verbatim and translated, in three encodings, compared with SQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.salesforce.adapter import ENCODINGS, Answer, encoded_plainly
from tests.salesforce.conftest import Mounted
from tests.salesforce.truth import Case, Truth, real_cases, session_cases


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("case", session_cases(), ids=str)
def test_as_recorded(session_service: Mounted, case: Case, encoding: str) -> None:
    _check_salesforce(session_service, case, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("case", real_cases(), ids=str)
def test_translated(real_service: Mounted, case: Case, encoding: str) -> None:
    _check_salesforce(real_service, case, encoding)


@pytest.mark.parametrize("case", session_cases(), ids=str)
def test_strict_as_recorded(session_service: Mounted, case: Case) -> None:
    _check_strict(session_service, case)


@pytest.mark.parametrize("case", real_cases(), ids=str)
def test_strict_translated(real_service: Mounted, case: Case) -> None:
    _check_strict(real_service, case)


def test_profiles_that_alternate_on_the_same_urls_keep_their_own_answers(
    session_service: Mounted, real_service: Mounted
) -> None:
    """What was prepared for one profile is never used for the other."""
    for mounted, cases in ((session_service, session_cases()), (real_service, real_cases())):
        for _ in range(2):
            for case in cases:
                _check_strict(mounted, case)
                _check_salesforce(mounted, case, "E3")


def _check_salesforce(mounted: Mounted, case: Case, encoding: str) -> None:
    case = _filled(case, mounted.truth)
    mounted.truth.check(case, mounted.adapter.get(ENCODINGS[encoding](case.url), case.headers))


def _check_strict(mounted: Mounted, case: Case) -> None:
    """The standard to the letter: "+" is no blank, so only E3 is sent."""
    case = _filled(case, mounted.truth)
    answer: Answer = mounted.strict.get(encoded_plainly(case.url), case.headers)
    if isinstance(case.strict, int):
        assert answer.status == case.strict, answer.body[:300]
        assert answer.error
    else:
        mounted.truth.check(replace(case, where=case.strict or case.where), answer, prefix=_prefix(case))


def _prefix(case: Case) -> str:
    """4.01 drops the prefix of control information, which the adapter still looks for."""
    return "@" if "OData-MaxVersion" in case.headers else "@odata."


def _filled(case: Case, truth: Truth) -> Case:
    return replace(case, url=truth.filled(case.url), where=truth.filled(case.where))
