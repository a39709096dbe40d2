"""Which patterns a trigram index serves: by the trigrams that are certain, whatever stands around the pattern."""

from __future__ import annotations

import pytest

from odata.plan.values import classify


@pytest.mark.parametrize(
    ("classifier", "text", "short"),
    [
        ("short_part", "abc", False),
        ("short_part", "ab", True),
        ("short_part", "", True),
        ("short_part", "a_b", True),
        ("short_part", "ab_cd", False),
        ("short_part", "ut 27", False),
        ("short_part", "o G", True),
        ("short_joined_part", "ut 2", False),
        ("short_joined_part", "o o o", False),
        ("short_joined_part", "o G", True),
        ("short_joined_part", " ab ", True),
        ("short_part", "o-ut-2", False),
        ("short_part", "o-u", True),
        ("short_part", "t 2", True),
        ("short_part", "o o o", True),
        ("short_part", "%%%", True),
        ("short_part", "見積書", False),
        ("short_part", " ab ", False),
        ("short_beginning", "ab", True),
        ("short_beginning", "ab ", False),
        ("short_beginning", "a b", False),
        ("short_beginning", "q-", True),
        ("short_beginning", "q-0", False),
        ("short_ending", "ab", True),
        ("short_ending", " ab", False),
        ("short_ending", "b 2", True),
        ("short_ending", "b 27", False),
        ("short_joined_ending", " ab", True),
        ("short_joined_ending", "b 27", False),
    ],
)
def test_short_patterns(classifier: str, text: str, short: bool) -> None:
    assert classify(classifier, "string", text) is short


@pytest.mark.parametrize(
    ("text", "alone"),
    [("Acme", True), ("ΟΔΥΣ", False), ("οδυς", True), ("HAWAII", False), ("Iowa", True), ("i\u0307", False)],
)
def test_patterns_whose_lower_case_hangs_on_what_stands_beside_them(text: str, alone: bool) -> None:
    assert classify("folds_alone", "string", text) is alone
