"""Two releases side by side, and requests that are spelt in unusual but legal ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models import exposure
from odata.exposure import Exposure, OrderItem
from tests.conformance.serving import Client
from tests.models import everything


def with_quote_order(*order: OrderItem) -> Exposure:
    """The exposure of another release, with another default order of Quotes."""
    shown = exposure()
    return replace(
        shown, sets=tuple(replace(one, default_order=order) if one.name == "Quotes" else one for one in shown.sets)
    )


@pytest.mark.parametrize(
    "order",
    [
        (),
        (OrderItem(property="Name"),),
        (OrderItem(property="CreatedAt"),),
        (OrderItem(property="Status"), OrderItem(property="CreatedAt", descending=True)),
    ],
)
def test_a_skip_token_of_a_release_with_another_order_is_refused(
    gateway: Client, seeded_url: str, order: tuple[OrderItem, ...]
) -> None:
    link = gateway.get("Quotes?$select=Id", prefer="maxpagesize=5").json["@odata.nextLink"]
    newer = Client(seeded_url, with_quote_order(*order), org=everything.FIRST_ORG)
    try:
        reply = newer.get(link, prefer="maxpagesize=5")
    finally:
        newer.close()

    assert (reply.status, reply.json["error"]["code"]) == (400, "InvalidToken")


def test_a_skip_token_is_worth_nothing_under_another_collation(gateway: Client, seeded_url: str) -> None:
    link = gateway.get("Quotes?$select=Id&$orderby=Name", prefer="maxpagesize=5").json["@odata.nextLink"]
    other = Client(seeded_url, org=everything.FIRST_ORG, string_collation="POSIX")
    try:
        assert other.get(link).status == 400
    finally:
        other.close()


@pytest.mark.parametrize("segment", ["$query", "%24query", "%24%71uery"])
def test_the_query_segment_may_be_percent_encoded(gateway: Client, segment: str) -> None:
    reply = gateway.send("POST", f"Quotes/{segment}", headers={"content_type": "text/plain"}, body=b"$top=3")

    assert reply.status == 200 and len(reply.json["value"]) == 3


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", b"$filter=Name eq 'a+b'&$select=Name", "a+b"),
        ("application/x-www-form-urlencoded", b"$filter=Name+eq+'a+b'&$select=Name", "a b"),
        ("Application/X-WWW-Form-URLEncoded", b"$filter=Name+eq+'a+b'&$select=Name", "a b"),
    ],
)
def test_plus_is_a_blank_in_a_form_and_itself_elsewhere(
    gateway: Client, content_type: str, body: bytes, text: str
) -> None:
    reply = gateway.send("POST", "Quotes/$query", headers={"content_type": content_type}, body=body)

    assert reply.status == 200
    assert text in [value for _, values in gateway.statements for value in values]


def test_a_content_type_changes_nothing_about_a_url_that_is_read(gateway: Client) -> None:
    gateway.get("Quotes?$filter=Name%20eq%20'a+b'", content_type="application/x-www-form-urlencoded")

    assert "a+b" in [value for _, values in gateway.statements for value in values]


def test_a_preference_is_said_to_be_applied_only_where_it_is(gateway: Client) -> None:
    key = gateway.get("Quotes?$top=1&$select=Id").json["value"][0]["Id"]

    assert "preference-applied" in gateway.get("Quotes?$select=Id", prefer="maxpagesize=5").headers
    for url in ("", "$metadata", f"Quotes({key})", "Quotes/$count"):
        assert "preference-applied" not in gateway.get(url, prefer="maxpagesize=5").headers, url


def test_pages_of_a_large_top_share_one_shape(gateway: Client) -> None:
    replies = list(gateway.pages("Quotes?$select=Id&$top=90000", prefer="maxpagesize=10"))
    before = len(gateway.service.shapes)
    list(gateway.pages("Quotes?$select=Id&$top=80000", prefer="maxpagesize=10"))

    assert len(replies) > 5
    assert len(gateway.service.shapes) <= before + 2
