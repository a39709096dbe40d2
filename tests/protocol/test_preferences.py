"""The Prefer header beyond the ABNF cases: lists, the unknown, the senseless."""

from __future__ import annotations

import pytest

from odata.errors import InvalidHeader
from odata.protocol.preferences import Preferences, has_header_form, parse_prefer, preference


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preferences()),
        ("odata.maxpagesize=50, respond-async", Preferences(max_page_size=50, respond_async=True)),
        ("maxpagesize=10,odata.maxpagesize=20", Preferences(max_page_size=10)),
        ("odata.maxpagesize=0", Preferences()),
        ("odata.maxpagesize=lots, return=minimal", Preferences(return_content="minimal")),
        ("foo; bar=1, wait = 5", Preferences(wait_seconds=5)),
        ("ODATA.Track-Changes", Preferences(track_changes=True)),
        (
            'include-annotations="A.B,C.*", continue-on-error',
            Preferences(include_annotations="A.B,C.*", continue_on_error=True),
        ),
        ("continue-on-error=false", Preferences(continue_on_error=False)),
        ("omit-values=Nulls", Preferences(omit_values="nulls")),
        ('odata.callback; url="http://h/x,y"', Preferences(callback="http://h/x,y")),
        ('"unclosed, respond-async', Preferences()),
        ("," * 10_000, Preferences()),
    ],
)
def test_prefer(header: str, expected: Preferences) -> None:
    assert parse_prefer(header) == expected


def test_huge_number_is_a_large_page() -> None:
    size = parse_prefer("maxpagesize=" + "9" * 5_000).max_page_size
    assert size is not None
    assert size > 10**17


def test_single_preference() -> None:
    assert preference("maxpagesize=5").max_page_size == 5
    with pytest.raises(InvalidHeader):
        preference("maxpagesize=five")


def test_unknown_header_has_no_form() -> None:
    assert not has_header_form("x-other", "1")
    assert has_header_form("OData-Version", " 4.01 ")
