"""What only a real server shows: gunicorn, real sockets, links as long as a request line may be."""

from __future__ import annotations

import json
import random
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.web import Web
from tests.conftest import StartGateway
from tests.models.everything import FIRST_ORG


@pytest.fixture(scope="module")
def web(gateway_server: StartGateway, seeded_url: str) -> Web:
    return gateway_server(seeded_url, ODATA_AUTH="anonymous", ANONYMOUS_ORG=FIRST_ORG)


def ask(web: Web, target: str, *, method: str = "GET", body: str | None = None, **headers: str) -> tuple[int, Any, Any]:
    connection = HTTPConnection("127.0.0.1", web.port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target, body=body.encode() if body is not None else None, headers=sent)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    kind = reply.getheader("content-type") or ""
    return reply.status, reply.headers, json.loads(content) if "json" in kind and content else content


def test_next_links_near_the_limit_are_taken_by_the_server(web: Web) -> None:
    """The longest links that are written can be followed: 8,190 bytes of request line, as the server counts them."""
    everything = ask(web, "/odata/v4/Quotes?$select=Id")[2]["value"]
    known = [row["Id"] for row in everything]
    longest = 0
    chance = random.Random(3)
    for junk in range(0, 9000, 250):
        text = "".join(chr(chance.randrange(97, 123)) for _ in range(junk))
        options = f"$select=Id&$filter=Name ne '{text}'"
        status, _, first = ask(
            web,
            "/odata/v4/Quotes/$query",
            method="POST",
            body=options,
            Content_Type="text/plain",
            Prefer="maxpagesize=50",
        )
        if status == 414:
            assert "8190" in first["error"]["message"]
            continue
        seen = [row["Id"] for row in first["value"]]
        link = urlsplit(first["@odata.nextLink"])
        longest = max(longest, len(first["@odata.nextLink"]))
        status, _, second = ask(web, f"{link.path}?{link.query}", Prefer="maxpagesize=50")
        assert status == 200, (junk, status, second)
        assert seen + [row["Id"] for row in second["value"]] == known[:100]
    assert longest > 7500


def test_wide_query_over_the_wire(web: Web) -> None:
    known = [row["Id"] for row in ask(web, "/odata/v4/Quotes?$select=Id")[2]["value"]]
    wanted = known[::2]
    guids = [*wanted, *(f"00000000-0000-4000-8000-{number:012}" for number in range(2000 - len(wanted)))]
    for options in (
        f"$select=Id&$filter=Id in ({','.join(guids)})",
        "$select=Id&$filter=" + " or ".join(f"Id eq {g}" for g in guids[:1000]),
    ):
        status, headers, reply = ask(
            web, "/odata/v4/Quotes/$query", method="POST", body=options, Content_Type="text/plain"
        )
        assert status == 200 and [row["Id"] for row in reply["value"]] == wanted
        assert headers["OData-Version"] == "4.0"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/odata/v4/", 200),
        ("GET", "/odata/v4", 200),
        ("GET", "/odata/v4/$metadata", 200),
        ("HEAD", "/odata/v4/Quotes", 200),
        ("OPTIONS", "/odata/v4/Quotes", 204),
        ("DELETE", "/odata/v4/Quotes", 405),
        ("GET", "/odata/v4/Nope", 404),
        ("GET", "/odata/v4/Quotes?$top=x", 400),
        ("GET", "/nowhere", 404),
        ("GET", "/odata/v4/Quotes?x=" + "a" * 9000, 414),
        ("GET", "/odata/v4/Quotes?$apply=aggregate($count%20as%20C)", 501),
        ("TRACE", "/odata/v4/Quotes", 405),
    ],
)
def test_every_answer_has_a_version(method: str, target: str, status: int, web: Web) -> None:
    """m40.4: OData-Version on every answer, those of the server itself included."""
    found, headers, _ = ask(web, target, method=method)
    assert found == status
    assert headers["OData-Version"] in ("4.0", "4.01")
