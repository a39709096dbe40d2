"""Whatever a client says of page sizes, no page is larger than its limit and nothing fails."""

from __future__ import annotations

import pytest

from tests.bars.test_hostile_urls import complaint
from tests.conformance.serving import Client

BEYOND = (
    str(2**31),
    str(2**63),
    str(2**63 - 1),
    str(10**18),
    "9" * 400,
    "1e3",
    "-1",
    "-0",
    "+1",
    "0x10",
    "1.0",
    "",
    "%20",
    "null",
    "١",
)


@pytest.mark.parametrize(
    "prefer",
    [
        "maxpagesize=0", "maxpagesize=-1", "maxpagesize=junk", "maxpagesize", "maxpagesize=", "maxpagesize=1000000000",
        "maxpagesize=" + "9" * 400, "odata.maxpagesize=0", "odata.maxpagesize=1e3", 'maxpagesize="5', "maxpagesize=5.5",
        "maxpagesize=5;foo", "maxpagesize=2, maxpagesize=100", ",,,", "=", "maxpagesize=١",
        "respond-async, wait=99999999999999999999",
    ],
)  # fmt: skip
def test_a_preferred_page_size(things: Client, prefer: str) -> None:
    reply = things.get("Wide?$select=Id", prefer=prefer)
    assert reply.status == 200 and 2 <= len(reply.rows) <= 2000, reply.text[:300]
    applied = reply.headers.get("preference-applied", "")
    assert applied == "" or "maxpagesize=" in applied
    assert "prefer" in reply.headers["vary"].lower()


@pytest.mark.parametrize("option", ["$top", "$skip", "top", "$TOP", "$count", "$levels"])
@pytest.mark.parametrize("value", BEYOND)
def test_numbers_that_are_none(things: Client, option: str, value: str) -> None:
    for url in (f"Wide?$select=Id&{option}={value}", f"Things?$select=Id&$expand=Children({option}={value})"):
        reply = things.get(url)
        assert reply.status in (200, 400) and complaint(reply) is None, (url, reply.text[:300])
        if reply.status == 200:
            assert len(reply.rows) <= 2000


def test_a_large_top_is_paged(quotes: Client) -> None:
    reply = quotes.get(f"Quotes?$select=Id&$top={10**9}", prefer="maxpagesize=20")
    assert len(reply.rows) == 20 and "@odata.nextLink" in reply.json
