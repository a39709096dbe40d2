"""URL Conventions, "$it" and "$root": expanded options that name the entity of the resource path, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.conformance.serving import Client, Reply
from tests.models import everything

SAFE = "$?&=/(),;:@'"


def get(client: Client, url: str) -> Reply:
    reply = client.get(quote(url, safe=SAFE))
    assert reply.status == 200, (url, reply.text)
    assert len(client.statements) == 1
    return reply


def completed(client: Client, value: Any) -> Any:
    """Rows with all that their nested next links lead to, without control information."""
    if isinstance(value, list):
        return [completed(client, item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: completed(client, item) for name, item in value.items() if "@" not in name}
    for name, link in value.items():
        if name.endswith("@odata.nextLink") and name[0] != "@":
            found[name.partition("@")[0]] += completed(client, every_page(client, link))
    return found


def every_page(client: Client, url: str) -> list[Any]:
    return [row for page in client.pages(url) for row in page.rows]


def innermost(value: Any) -> int:
    """How many rows there are that expand nothing."""
    if isinstance(value, list):
        return sum(map(innermost, value))
    nested = [item for item in value.values() if isinstance(item, list)]
    return sum(map(innermost, nested)) if nested else 1


EXPANDED = (
    "Things?$select=Id&$expand=Children($select=Id;$search=(first) OR $it;$filter=Id gt $it/Id)",
    "Things?$select=Id&$expand=Children($select=Id;$expand=Children($search=((first) OR $it);$filter=Id gt $it/Id))",
    "Things(1)?$select=Id&$expand=Pairs($select=Left,Right;$filter=$it/Int32 gt null or Right lt 1)",
    "Things?$select=Id&$expand=Children($select=Id;$expand=Pairs($select=Right;$filter=$it/Int32 ne 0.5))",
    "Things?$select=Id&$expand=Pairs($select=Left,Right;$filter=Amount gt $it/Id sub 4;$orderby=$it/Id mul Right,Left)",
    "Things?$select=Id&$expand=Pairs($select=Left,Right;$filter=Right le @most and Left ne '$it')&@most=$it/Id",
    "Things?$select=Id&$expand=Children($select=Id;$filter=not contains(Name,'$it') and Id gt $it/Id;"
    '$search=first OR "$it")',
    "Pairs?$select=Left,Right&$expand=Notes($select=Id;$filter=Left eq $it/Left and $it/Amount gt -2)",
    "Things?$select=Id&$expand=Children($select=Id;$expand=Pairs($select=Left,Right;"
    "$filter=Right lt $it/Id and $it/Children/any(c:c/Id eq ThingId)))",
    "Things(1)?$select=Id&$expand=Children($select=Id;$expand=Children($select=Id;$filter=Id gt $it/Id;$orderby=Id))",
    "Things?$select=Id&$expand=Children($select=Id;$filter=$this/Id gt $it/Id and $it/Children(2)/Id ne $this/Id)",
    "Things?$select=Id&$expand=Children($select=Id;$filter=Id gt $it/Id "
    "and $root/Things/$count($filter=$this/Id lt $it/Id) lt 4)",
    "Things(4)/Parent?$select=Id&$expand=Children($select=Id;$filter=$it/Parent/Name lt Name;"
    "$expand=Pairs($select=Left,Right;$filter=$it/Pairs/$count gt Right))",
)  # fmt: skip


@pytest.mark.parametrize("url", EXPANDED)
def test_nested_next_links_mean_the_same_it(things: Client, by_one: Client, url: str) -> None:
    """A next link begins at another entity; what was $it is named by its key there."""
    whole = completed(things, get(things, url).json)
    assert innermost(whole) > 0
    pages = list(by_one.pages(quote(url, safe=SAFE)))
    assert any("?$skip=1" in page.text and "$root/" in page.text for page in pages)
    found = [completed(by_one, page.json) for page in pages]
    assert whole == (found[0] if "value" not in whole else {"value": [row for page in found for row in page["value"]]})


def test_root_follows_parameters_of_the_shape(things: Client) -> None:
    """Key and filter literals of $root are values of the statement: another URL of the shape has its own answer."""
    for key, wanted in ((6, [7, 8, 9]), (7, [8, 9]), (99, [])):
        found = get(things, f"Things?$select=Id&$filter=Id gt $root/Things({key})/Id&$orderby=Id")
        assert found.values("Id") == wanted


def test_root_sees_the_own_org_only(everything_url: str) -> None:
    """Thing 9 belongs to the first org alone; to the second it is not there."""
    client = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG)
    url = "Things?$select=Id&$filter=$root/Things(9)/Id eq Id add 1"
    assert get(client, url).values("Id") == [8]
    assert get(client.as_org(everything.SECOND_ORG), url).values("Id") == []
    client.close()
