"""Which patterns a trigram index serves: by the trigrams that are certain, whatever stands around the pattern; and what
it is asked for where they are many."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odata.plan.values import TRANSFORMS, classify


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
    ],
)
def test_short_patterns(classifier: str, text: str, short: bool) -> None:
    assert classify(classifier, "string", text) is short


@pytest.mark.parametrize(
    ("text", "coarse"),
    [
        ("Hooli Marine", "%Hooli%Mar%ine%"),
        ("acme   security gmbh", "%acme%sec%ity%gmbh%"),
        ("ollout 708", None),
        ("of the one", None),
        ("Cyberdyne", None),
        ("Μαριος Ελλάδας", "%Μαριος%Ελλάδας%"),
        ("100% Cotton Shirt", "%100\\% Cot%ton%Shirt%"),
        ("my_own Purchase Order", "%my\\_own Pur%ase%Order%"),
    ],
)
def test_patterns_of_several_words(text: str, coarse: str | None) -> None:
    assert classify("long_words", "string", text) is (coarse is not None)
    if coarse is not None:
        assert TRANSFORMS["like_coarse"](text) == coarse


@given(st.text("aBxΣ ßÄ1_%\\-'", max_size=30), st.text("ab Σ", max_size=5), st.text("ab Σ", max_size=5))
def test_the_coarse_pattern_matches_whatever_the_pattern_does(text: str, before: str, behind: str) -> None:
    assert re.fullmatch(_regex(TRANSFORMS["like_coarse"](text)), before + text + behind, re.DOTALL)


def _regex(pattern: str) -> str:
    """LIKE in Python."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(".*" if part == "%" else "." if part == "_" else re.escape(part[-1]) for part in parts)
