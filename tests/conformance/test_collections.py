"""URL Conventions, "System Query Options": every case of tests/cases/collections.toml over HTTP, compared with SQL."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.serving import Client
from tests.conformance.truth import cases, check, title
from tests.models.everything import LONG_NAME


@pytest.mark.parametrize("case", cases("collections"), ids=title)
def test_collection(case: dict[str, Any], things: Client, gateway: Client, recorded: Client) -> None:
    clients = {"things": things, "gateway": gateway, "recorded": recorded}
    check(clients[case["on"]], case["on"], case)


def test_i40_3_select_shows_nothing_else(things: Client) -> None:
    """JSON Format, "Entity": what is not selected is absent, not null."""
    assert set(things.get("Things(2)?$select=Id").json) == {"@odata.context", "@odata.etag", "Id"}
    assert set(things.get("Things(2)?$select=Id,Children").json) == {"@odata.context", "@odata.etag", "Id"}
    assert len(things.get("Wide(1)").json) == 62


def test_a_name_of_128_characters_is_whole(things: Client) -> None:
    """CSDL, "SimpleIdentifier": PostgreSQL cuts names at 63 bytes, JSON does not."""
    assert len(LONG_NAME) == 128
    for row in things.get("OddKeys").rows:
        assert set(row) == {"@odata.etag", "Key", LONG_NAME, "Üñïcode"}
    assert things.get(f"OddKeys?$orderby={LONG_NAME} desc&$top=1&$select={LONG_NAME}").values(LONG_NAME) == [29]
    assert things.get(f"OddKeys('plain')/{LONG_NAME}/$value").text == "1"


def test_one_select_whatever_is_expanded(gateway: Client) -> None:
    """One statement a request, whatever is expanded: seen where statements go to the database."""
    urls = (
        "Quotes?$expand=Lines,Job,Events,RevisedFrom&$count=true",
        "Quotes?$expand=*&$top=50",
        "Jobs?$expand=Quotes($expand=Lines($expand=Quote)),Items&$count=true&$top=3",
        "Quotes?$expand=Lines($count=true;$top=1),Events/$count&$top=10",
    )
    for url in urls:
        assert gateway.get(url).status == 200
        assert len(gateway.statements) == 1, url
    assert gateway.get("Quotes?$top=x").status == 400
    assert gateway.statements == []


def test_total_order(gateway: Client) -> None:
    """URL Conventions, "$orderby": equal values have one order, the same on every request and page."""
    whole = gateway.get("Quotes?$select=Id&$orderby=Status").values("Id")
    parts = [
        one
        for skip in range(0, len(whole), 37)
        for one in gateway.get(f"Quotes?$select=Id&$orderby=Status&$top=37&$skip={skip}").values("Id")
    ]
    assert parts == whole and len(set(whole)) == len(whole)
