"""Whatever the URL, never 500, 502 or 504, never a word of SQL, and every refusal an OData error object.

500 URLs of the grammar and 500 mutated ones here, 10,000 of each among the slow tests; both profiles, both exposures.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from random import Random

import pytest

from odata.plan.limits import Profile
from tests.bars.hostile_urls import HEADERS, UrlMaker
from tests.conformance.serving import Client, Reply

LEAKS = re.compile(
    r"\bSELECT\b|\bFROM gateway|\bWHERE\b|json_agg|Traceback|psycopg|sqlalchemy|SQLSTATE"
    r"|syntax error at or near|::text|\$1\b"
    r"|org_id|tenant|\.py\b|relation \"|column \"|\bLINE \d"
)
"""Words of SQL, of the driver, of tracebacks and of hidden columns."""


@pytest.mark.parametrize("profile", ["strict", "salesforce"])
@pytest.mark.parametrize("kind", ["url", "mutated"])
@pytest.mark.parametrize("exposure", ["quotes", "things"])
def test_a_hostile_url_is_answered_or_refused(
    exposure: str, kind: str, profile: Profile, request: pytest.FixtureRequest
) -> None:
    _fuzz(request.getfixturevalue(exposure), kind, profile, seed=2, number=125)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["strict", "salesforce"])
@pytest.mark.parametrize("kind", ["url", "mutated"])
@pytest.mark.parametrize("exposure", ["quotes", "things"])
def test_10_000_hostile_urls_of_each_kind(
    exposure: str, kind: str, profile: Profile, request: pytest.FixtureRequest
) -> None:
    _fuzz(request.getfixturevalue(exposure), kind, profile, seed=2026, number=2500)


def _fuzz(client: Client, kind: str, profile: Profile, *, seed: int, number: int) -> None:
    caller = client.as_org(client.principal.org_id, profile=profile)
    random = Random(f"{seed} {kind} {profile}")
    make = getattr(UrlMaker(client.service.face(caller.principal).model, random), kind)
    statuses: Counter[int] = Counter()
    wrong = []
    for _ in range(number):
        url, headers = make(), random.choice(HEADERS)
        reply = _ask(caller, url, headers, random)
        statuses[reply.status] += 1
        problem = complaint(reply, url)
        if problem:
            wrong.append(f"{problem}: {url} {headers} -> {reply.status} {reply.body[:300]!r}")
    print(f"\n{kind} {profile} {dict(sorted(statuses.items()))}")
    assert not wrong, f"{len(wrong)} of {number}:\n" + "\n".join(wrong[:20])
    if kind == "url":
        assert statuses[200] >= number // 5, "URLs of so little sense test nothing"


def _ask(caller: Client, url: str, headers: dict[str, str], random: Random) -> Reply:
    """GET; now and then HEAD, or the options in a body."""
    path, _, options = url.partition("?")
    chance = random.random()
    if chance < 0.05:
        return caller.send("HEAD", url, headers=headers)
    if chance < 0.15 and options:
        return caller.query(path, options, **headers)
    return caller.get(url, **headers)


def complaint(reply: Reply, url: str = "") -> str | None:
    """What is wrong with an answer to a hostile request, if anything. A word of the URL may be named again."""
    if reply.status >= 500 and reply.status not in (501, 503):
        return "a defect"
    if reply.status == 503:
        return "no fault lasts"
    if reply.headers.get("odata-version") not in ("4.0", "4.01"):
        return "no OData-Version"
    if reply.status < 400 or not reply.body:
        return None
    try:
        error = json.loads(reply.body)["error"]
    except (ValueError, KeyError, TypeError):
        return "no error object"
    if not (isinstance(error.get("code"), str) and error["code"] and isinstance(error.get("message"), str)):
        return "no code and message"
    if any(word not in url for word in LEAKS.findall(re.sub(r"'[^']*'", "", error["message"]))):
        return "says too much"
    return None
