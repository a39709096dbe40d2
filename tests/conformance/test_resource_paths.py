"""URL Conventions, "Resource Path": every case of tests/cases/paths.toml over HTTP, compared with SQL."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.serving import Client
from tests.conformance.truth import cases, check, title


@pytest.mark.parametrize("case", cases("paths"), ids=title)
def test_path(case: dict[str, Any], things: Client) -> None:
    check(things, case["on"], case)


def test_i40_6_binary_value(things: Client) -> None:
    """Protocol, "Requesting the Raw Value of a Property using $value"."""
    reply = things.get("Things(3)/Binary/$value")
    assert (reply.headers["content-type"], reply.body) == ("application/octet-stream", b"\xde\xad\xbe\xef")
    assert things.get("Things(5)/Binary/$value").status == 204
    assert things.get("Things(2)/Binary/$value").body == b""


def test_every_odd_key_is_found_by_its_reference(things: Client) -> None:
    """URL Conventions, "Canonical URL": what @odata.id says can be asked."""
    for entity_set in ("OddKeys", "Pairs", "PairNotes", "Things"):
        references = [row["@odata.id"] for row in things.get(f"{entity_set}/$ref").rows]
        entities = things.get(entity_set).rows
        assert len(references) == len(entities) > 8
        for reference, entity in zip(references, entities, strict=True):
            found = things.get(reference).json
            found.pop("@odata.context")
            assert found == entity


def test_query_1000_or_terms_and_2000_items(things: Client, recorded: Client) -> None:
    """URL Conventions, "Passing Query Options in the Request Body"."""
    terms = " or ".join(f"id eq {number}" for number in range(1, 2001, 2))
    assert recorded.query("Quotes", f"$select=id&$filter={terms}").values("id") == list(range(1, 2001, 2))
    items = ",".join(str(number) for number in range(1, 4001, 2))
    assert recorded.query("Quotes", f"$select=id&$filter=id in ({items})").values("id") == list(range(1, 2101, 2))
    too_many = ",".join(str(number) for number in range(2001))
    refused = recorded.query("Quotes", f"$filter=id in ({too_many})")
    assert refused.status == 400 and "2000" in refused.error["message"] and "2001" in refused.error["message"]


def test_query_takes_options_of_url_and_body(things: Client) -> None:
    reply = things.send(
        "POST", "Things/$query?$select=Id", headers={"content_type": "text/plain"}, body=b"$filter=Id eq 2"
    )
    assert reply.values("Id") == [2]
    twice = things.send("POST", "Things/$query?$top=1", headers={"content_type": "text/plain"}, body=b"$top=2")
    assert twice.status == 400
    assert things.query("Things", "").status == 200


def test_405_names_what_is_allowed(things: Client) -> None:
    """Protocol, "405 Method Not Allowed": each kind of resource; what is not there stays 404."""
    paths = (
        "",
        "$metadata",
        "Things",
        "Things(1)",
        "Things(1)/Name",
        "Things(1)/Name/$value",
        "Things/$count",
        "Things/$ref",
        "Things(1)/Children",
        "Things(1)/Children/$ref",
        "Things(1)/Parent",
        "Things(1)/Parent/$ref",
    )
    for path in paths:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            reply = things.send(method, path, body=b"{}", headers={"content_type": "application/json"})
            assert reply.status == 405, (method, path, reply.status)
            assert {"GET", "HEAD"} <= set(reply.headers["allow"].split(", ")), (method, path)
    assert things.send("DELETE", "Nope(1)").status == 404
    assert things.get("Things/$query").headers["allow"] == "POST, OPTIONS"
    assert things.get("$batch").headers["allow"] == "POST"
    assert things.send("POST", "$batch").status == 501
