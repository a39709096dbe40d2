"""Literals become the database's text, or are refused."""

from __future__ import annotations

import pytest

from odata.edm.types import DATE
from odata.errors import InvalidLiteral


@pytest.mark.parametrize(
    ("kind", "text"),
    [("date", "2026-07-19"), ("string", "2026-07-19"), ("string", "2026-07-19T00:00:00Z"),
     ("datetimeoffset", "2026-07-19t00:00Z"), ("datetimeoffset", "2026-07-19T00:00:00.000+00:00")],
)  # fmt: skip
def test_the_date_of_a_point_in_time(kind: str, text: str) -> None:
    assert DATE.convert(kind, text) == "2026-07-19"


@pytest.mark.parametrize("text", ["2026-07-19T", "2026-07-19Tgarbage", "2026-07-19T24:00:00Z", "2026-07-19T10:00:00",
                                  "2026-02-30T00:00:00Z", "T", "2026-07-19T00:00:00+15:00"])  # fmt: skip
def test_no_date_before_a_time_that_is_none(text: str) -> None:
    with pytest.raises(InvalidLiteral):
        DATE.convert("string", text)
