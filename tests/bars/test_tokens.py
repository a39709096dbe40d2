"""A skip token is worth nothing but in the next link it stands in.

Every changed bit, every other query, org, profile, set, version and secret is 400; never 500, never another row.
"""

from __future__ import annotations

import base64
from random import Random
from urllib.parse import quote

import pytest

from odata.plan.limits import Profile
from tests.bars.test_hostile_urls import complaint
from tests.conformance.serving import ROOT, Client
from tests.models import everything

URLS = (
    "Quotes?$select=Id&$orderby=Region,GrandTotal%20desc",
    "Quotes?$select=Id&$filter=" + quote(" or ".join(f"contains(Name,'{n:0100}') or Revision ge 0" for n in range(60))),
)
"""One whose options stand in the link, one whose options move into the token."""


def next_link(client: Client, url: str) -> str:
    path, _, options = url.partition("?")
    reply = (
        client.query(path, options, prefer="maxpagesize=3")
        if len(url) > 8000
        else client.get(url, prefer="maxpagesize=3")
    )
    assert reply.status == 200, reply.text[:300]
    link: str = reply.json["@odata.nextLink"]
    assert len(link) <= 8190
    return link.removeprefix(ROOT)


@pytest.fixture(scope="module")
def links(quotes: Client) -> list[str]:
    return [next_link(quotes, url) for url in URLS]


def test_a_link_is_followed(quotes: Client, links: list[str]) -> None:
    for link in links:
        assert len(quotes.get(link, prefer="maxpagesize=3").rows) == 3


@pytest.mark.parametrize(("which", "number"), [(0, 300), (1, 200)])
def test_changed_bits_are_refused(quotes: Client, links: list[str], which: int, number: int) -> None:
    _flip(quotes, links[which], number, Random(14))


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_5_000_changed_bits_are_refused(quotes: Client, links: list[str], which: int) -> None:
    _flip(quotes, links[which], 2500, Random(2026))


def _flip(client: Client, link: str, number: int, random: Random) -> None:
    """Bits of the token's bytes and of its text, its end cut or lengthened."""
    before, _, token = link.partition("$skiptoken=")
    signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for count in range(number):
        bit = random.randrange(len(signed) * 8) if count >= 128 + 64 else count  # every bit of the signature and more
        changed = bytearray(signed)
        changed[bit // 8] ^= 1 << bit % 8
        made = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        if count % 5 == 0:
            at = random.randrange(len(token))
            made = token[:at] + chr(ord(token[at]) ^ 1 << random.randrange(7)) + token[at + 1 :]
        if count % 11 == 0:
            made = random.choice(
                (token[:-1], token + "=", token + "A", "", token[: len(token) // 2], token + "%00", token.swapcase())
            )
        reply = client.get(f"{before}$skiptoken={quote(made)}" if made != token else before + "$skiptoken=x")
        assert reply.status == 400 and complaint(reply) is None, (reply.status, made)


def test_a_token_of_another_query_is_refused(quotes: Client, links: list[str]) -> None:
    token = links[0].partition("$skiptoken=")[2]
    for url in (
        "Quotes?$skiptoken=", "Quotes?$select=Id&$skiptoken=",
        "Jobs?$select=Id&$orderby=Region,GrandTotal%20desc&$skiptoken=",
        "Quotes?$select=Name&$orderby=Region,GrandTotal%20desc&$skiptoken=",
        "Quotes?$select=Id&$orderby=Region,GrandTotal&$skiptoken=",
        "Quotes?$select=Id&$orderby=Region,GrandTotal%20desc&$filter=true&$skiptoken=", "QuoteLines?$skiptoken=",
        "Quotes/$count?$select=Id&$orderby=Region,GrandTotal%20desc&$skiptoken=",
        "Quotes?$select=Id&$orderby=Region,GrandTotal%20desc&$top=5&$skiptoken=",
    ):  # fmt: skip
        assert quotes.get(url + token).status == 400, url
    double = quotes.get(f"{links[0]}&$skiptoken={token}")
    assert double.status == 400 and complaint(double) is None


def test_a_token_of_another_caller_is_refused(quotes: Client, links: list[str], seeded_url: str) -> None:
    for link in links:
        assert quotes.as_org(everything.SECOND_ORG).get(link).status == 400
        assert quotes.as_org(everything.FIRST_ORG, profile="salesforce").get(link).status == 400
    other = Client(seeded_url, org=everything.FIRST_ORG, secret="another secret of thirty-two chars")
    rotated = Client(
        seeded_url, org=everything.FIRST_ORG, secret="another secret of thirty-two chars",
        gateway_secret_previous=quotes.settings.gateway_secret,
    )  # fmt: skip
    for link in links:
        assert other.get(link).status == 400
        assert rotated.get(link).status == 200, "tokens of the secret before a rotation stay valid"
    other.close()
    rotated.close()


@pytest.mark.parametrize("profile", ["strict", "salesforce"])
def test_pages_of_every_org_are_its_own(quotes: Client, profile: Profile) -> None:
    seen = []
    for org in (everything.FIRST_ORG, everything.SECOND_ORG):
        caller = quotes.as_org(org, profile=profile)
        ids = [
            row["Id"]
            for page in caller.pages("Quotes?$select=Id&$orderby=Status", prefer="maxpagesize=50")
            for row in page.rows
        ]
        assert len(ids) == len(set(ids)) == int(caller.get("Quotes/$count").text.lstrip("\ufeff"))
        seen.append(set(ids))
    assert seen[0] and seen[1] and not seen[0] & seen[1]
