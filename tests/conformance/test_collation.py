"""STRING_COLLATION: strings compare, sort and page by one collation; enumeration members by their values."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import ICU, NAMES
from tests.conformance.serving import Client
from tests.models import everything


@pytest.mark.parametrize(
    "order", ["Name", "Name desc", "String,Name", "String desc,Name desc", "concat(Name,'x')", "Parent/Name"]
)
def test_paging_by_strings_under_icu_gives_every_row_once(things_by_icu: Client, order: str) -> None:
    url = f"Things?$select=Id&$orderby={order}"
    whole = things_by_icu.get(url).values("Id")
    assert f'COLLATE "{ICU}"' in things_by_icu.statements[0][0]
    assert len(whole) == len(set(whole)) == len(NAMES) + 9
    for size in (1, 3):
        pages = [page.values("Id") for page in things_by_icu.pages(url, prefer=f"maxpagesize={size}")]
        assert max(map(len, pages)) == size and [one for page in pages for one in page] == whole


def test_order_and_comparison_agree_under_icu(things_by_icu: Client) -> None:
    options = "&$orderby=Name,Id&$select=Name"
    ordered = things_by_icu.get(f"Things?$filter=Id%20ge%20500{options}").values("Name")
    assert ordered.index("äpfel") < ordered.index("zebra") and ordered.index("apple") < ordered.index("Zoo"), "no bytes"
    for position, name in enumerate(ordered):
        escaped = "".join(f"%{byte:02X}" for byte in name.encode())
        below = things_by_icu.get(f"Things?$filter=Id%20ge%20500%20and%20Name%20lt%20'{escaped}'{options}")
        assert below.values("Name") == ordered[:position]


def test_the_columns_own_collation_is_not_named(things: Client) -> None:
    """Indexes of the columns serve the order as it is."""
    things.get("Things?$orderby=Name&$filter=Name%20gt%20'a'&$top=3")
    assert "COLLATE" not in things.statements[0][0]


def test_enumerations_sort_by_value_as_they_compare(things: Client) -> None:
    """URL Conventions, "Logical Operators": members compare by their values; $orderby has the same order."""
    values = {member: number for number, member in enumerate(everything.COLORS)}
    rows = [row["Color"] for row in things.get("Things?$orderby=Color&$filter=Color%20ne%20null&$select=Color").rows]
    assert rows == sorted(rows, key=values.__getitem__) and rows != sorted(rows)
    below = things.get("Things?$orderby=Color&$filter=Color%20lt%20'Blue'&$select=Color").values("Color")
    assert below == rows[: len(below)] and set(rows[len(below) :]) == {"Blue"}
