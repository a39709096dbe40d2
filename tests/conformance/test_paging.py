"""Protocol, "Server-Driven Paging": page sizes, next links, tokens; every row exactly once."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.conformance.serving import ROOT, Client, Reply
from tests.models import everything, session


def ids(replies: Iterator[Reply], name: str = "Id") -> list[Any]:
    return [row[name] for reply in replies for row in reply.rows]


def paged(client: Client, url: str, size: int, name: str = "Id") -> list[Any]:
    """One property of every row, over pages of which each but the last is full."""
    pages = [page.values(name) for page in client.pages(url, prefer=f"maxpagesize={size}")]
    assert all(len(page) == size for page in pages[:-1]) and len(pages[-1]) <= size
    return [value for page in pages for value in page]


SORTABLE = [item.name for item in everything.THINGS.properties if item.sortable and item.type != "Edm.Binary"]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("name", SORTABLE)
def test_every_row_once_by_every_property(name: str, direction: str, things: Client) -> None:
    """m40.3: nullable or not, nulls and ties on page edges, each page size."""
    whole = things.get(f"Things?$select=Id&$orderby={name} {direction}").values("Id")
    assert sorted(whole) == list(range(1, 10))
    for size in (1, 2, 4):
        assert paged(things, f"Things?$select=Id&$orderby={name} {direction}", size) == whole


OF_A_MOMENT = (
    "now() sub DateTimeOffset",
    "Boolean,now() sub RequiredDateTimeOffset desc",
    "RequiredDateTimeOffset add (now() sub 2026-01-01T00:00:00Z) desc",
    "case(RequiredDateTimeOffset lt now():1,true:2) desc,Children/any(c:c/RequiredDateTimeOffset gt now())",
    "second(now()) add Id mod 2",
)


@pytest.mark.parametrize(
    "order",
    [
        "Boolean,Color desc,Int16",
        "Parent/Name desc",
        "Children/$count desc,Name",
        "length(String)",
        "cast(Duration,Edm.String) desc",
        "cast(cast(Id,Edm.String),Edm.Double) desc",
        "cast(cast(Duration,Edm.String),Edm.Duration)",
        "cast(Color,Edm.Int32) desc,cast(Binary,Edm.String)",
        "cast(case(Id lt 4:'Red',Id lt 8:'2'),Everything.Color) desc",
        "cast(case(Id lt 4:'2024-02-29',Id lt 8:'0001-01-01'),Edm.Date)",
        "Children(4)/Name,$root/Pairs/$count($filter=ThingId eq $it/Id) desc,$this/Boolean",
        "tolower(String) desc",
        "Int32 add Int16",
        "Decimal div 3 desc",
        "year(DateTimeOffset) desc,Boolean",
        "Int32 gt 1",
        "null",
        "1,Boolean desc",
        "Parent/Parent/Date",
        "Duration desc,TimeOfDay",
        "round(Double) desc",
        "Guid,Color",
        "concat(Name,String)",
        "Children/any(c:c/Id gt 4) desc",
        "RequiredColor desc,RequiredBoolean",
        "Single desc,Double",
        "now()",
        "DateTimeOffset lt 2026-01-01T00:00:00Z,Id desc",
        *OF_A_MOMENT,
    ],
)
def test_every_row_once_by_expressions(order: str, things: Client) -> None:
    """a40.8: expressions, navigation paths, counts; mixed directions."""
    whole = things.get(f"Things?$select=Id&$orderby={order}").values("Id")
    assert sorted(whole) == list(range(1, 10))
    for size in (1, 2):
        assert paged(things, f"Things?$select=Id&$orderby={order}", size) == whole


@pytest.mark.parametrize("order", OF_A_MOMENT)
def test_every_page_orders_by_the_moment_of_the_first(order: str, things: Client) -> None:
    """m40.3: the token carries the time of page 1, whenever and by whichever server a later page is read."""
    replies = list(things.pages(f"Things?$select=Id&$orderby={order}&$count=true", prefer="maxpagesize=2"))
    links = [reply.json["@odata.nextLink"] for reply in replies[:-1]]
    moments = [token_values(link)[-1] for link in links]
    assert len(links) == 4 and len(set(moments)) == 1 and moments[0].startswith("20")
    assert len({reply.json["@odata.count"] for reply in replies}) == 1
    assert things.get(links[0], prefer="maxpagesize=2").json == replies[1].json


def token_values(link: str) -> list[Any]:
    token = parse_qs(urlsplit(link).query)["$skiptoken"][0]
    payload: list[Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[16:])
    values: list[Any] = payload[1]
    return values


@pytest.mark.parametrize("entity_set", ["Pairs", "PairNotes", "OddKeys", "Wide"])
def test_every_row_once_by_composite_and_odd_keys(entity_set: str, things: Client) -> None:
    whole = things.get(f"{entity_set}/$ref").values("@odata.id")
    assert paged(things, f"{entity_set}/$ref", 3, "@odata.id") == whole
    assert len(set(whole)) == len(whole) > 20


@pytest.mark.parametrize(
    "order", ["", "&$orderby=Status", "&$orderby=GrandTotal desc", "&$orderby=Job/Name,UpdatedAt desc"]
)
def test_every_quote_once(order: str, gateway: Client) -> None:
    whole = gateway.get(f"Quotes?$select=Id{order}").values("Id")
    assert paged(gateway, f"Quotes?$select=Id{order}", 17) == whole


def test_page_sizes(recorded: Client) -> None:
    """An explicit $top up to 2,001 is one page; every other page has at most 2,000 rows."""
    one = recorded.get("Quotes?$top=2001&$select=id")
    assert len(one.rows) == 2001 and "@odata.nextLink" not in one.json
    more = list(recorded.pages("Quotes?$top=2050&$select=id"))
    assert [len(page.rows) for page in more] == [2000, 50]
    all_of_them = list(recorded.pages("Quotes?$select=id"))
    assert [len(page.rows) for page in all_of_them] == [2000, 100]
    assert ids(iter(all_of_them), "id") == list(range(1, 2101))


def test_m40_14_both_names_of_the_preference(recorded: Client) -> None:
    """m40.14, m41.4: odata.maxpagesize and maxpagesize; the unprefixed one wins; what was done is said."""
    for prefer, rows, applied in (
        ("odata.maxpagesize=5", 5, "odata.maxpagesize=5"),
        ("maxpagesize=5", 5, "maxpagesize=5"),
        ("odata.maxpagesize=5,maxpagesize=3", 3, "maxpagesize=3"),
        ("maxpagesize=999999", 2000, "maxpagesize=2000"),
    ):
        reply = recorded.get("Quotes?$select=id", prefer=prefer)
        assert (len(reply.rows), reply.headers["preference-applied"]) == (rows, applied)
        assert "Prefer" in reply.headers["vary"]
    smaller = recorded.get("Quotes?$select=id&$top=3", prefer="maxpagesize=2")
    assert len(smaller.rows) == 2 and "@odata.nextLink" in smaller.json


@pytest.mark.parametrize(
    "prefer", ["maxpagesize=0", "maxpagesize=-1", "maxpagesize=x", "maxpagesize", "=;,,", "maxpagesize=1e3", "é"]
)
def test_bar_32_junk_preferences_are_ignored(prefer: str, recorded: Client) -> None:
    """RFC 7240: a preference that makes no sense is ignored."""
    reply = recorded.get("Quotes?$select=id", prefer=prefer)
    assert len(reply.rows) == 2000 and "preference-applied" not in reply.headers


def test_next_links_are_absolute_and_complete(recorded: Client) -> None:
    """JSON Format, "Control Information: nextLink"; $top goes on counting, $skip is done once, each page counts."""
    url = "Quotes?$select=id&$filter=id gt 10&$orderby=status desc,id&$skip=5&$top=23&$count=true&custom=a b"
    whole = recorded.get(url).values("id")
    pages = list(recorded.pages(url, prefer="maxpagesize=10"))
    assert [len(page.rows) for page in pages] == [10, 10, 3]
    assert ids(iter(pages), "id") == whole and len(whole) == 23
    assert {page.json["@odata.count"] for page in pages} == {2090}
    link = pages[0].json["@odata.nextLink"]
    assert link.startswith(ROOT + "Quotes?")
    given = parse_qs(urlsplit(link).query)
    assert {"$skiptoken", "$select", "$filter", "$orderby", "$top", "$count", "custom"} == set(given)


def test_no_next_link_without_a_next_row(recorded: Client) -> None:
    """A next link never leads to an empty page."""
    for url in ("Quotes?$filter=id le 10&$select=id", "Quotes?$top=10&$select=id", "Quotes?$skip=2090&$select=id"):
        reply = recorded.get(url, prefer="maxpagesize=10")
        assert len(reply.rows) == 10 and "@odata.nextLink" not in reply.json


def test_links_of_4_01(recorded: Client) -> None:
    reply = recorded.get("Quotes?$select=id", prefer="maxpagesize=10", odata_maxversion="4.01")
    assert "@nextLink" in reply.json and "@odata.nextLink" not in reply.json


def test_rows_coming_and_going(changing: Client) -> None:
    """Rows that stay are seen exactly once, whatever happens between the pages."""
    chance = random.Random(14)
    for order in ("status", "amount desc", "updated_at,status desc", "id desc"):
        with psycopg.connect(changing.settings.database_url, autocommit=True) as connection:
            before = {row[0] for row in connection.execute("SELECT id FROM session.quotes")}
            gone: set[int] = set()
            seen: list[int] = []
            for page in changing.pages(f"Quotes?$select=id&$orderby={order}", prefer="maxpagesize=150"):
                seen += page.values("id")
                new = max(before) + 1 + len(seen) * 10
                connection.execute(
                    "INSERT INTO session.quotes SELECT %s + n, 'new', (ARRAY['Open', NULL])[n], n, NULL, true, "
                    "NULL, NULL, now() FROM generate_series(1, 3) AS n",
                    (new,),
                )
                victims = chance.sample(sorted(before - gone), 5)
                deleted = connection.execute(
                    "DELETE FROM session.quotes q WHERE id = ANY(%s)"
                    " AND NOT EXISTS (SELECT FROM session.jobs WHERE quote_id = q.id)"
                    " AND NOT EXISTS (SELECT FROM session.quote_lines WHERE quote_id = q.id) RETURNING id",
                    (victims,),
                ).fetchall()
                gone |= {row[0] for row in deleted}
            stable = before - gone
            assert len(set(seen)) == len(seen), order
            assert stable <= set(seen), order


# --- tokens ---


def refused(reply: Reply) -> bool:
    return reply.status == 400 and reply.error["code"] in ("InvalidToken", "InvalidOption", "UrlSyntaxError")


def test_bar_14_bit_flips(recorded: Client, link: str) -> None:
    """Every bit of a token, turned over, is 400."""
    front, _, token = link.partition("$skiptoken=")
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert recorded.get(link).status == 200
    for bit in range(0, len(raw) * 8, 1 if len(raw) < 60 else 2):
        raw[bit // 8] ^= 1 << bit % 8
        flipped = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
        raw[bit // 8] ^= 1 << bit % 8
        assert refused(recorded.get(f"{front}$skiptoken={flipped}")), bit


def test_tokens_have_one_spelling(recorded: Client, link: str) -> None:
    """Tokens are canonical base64url; another spelling is 400."""
    front, _, token = link.partition("$skiptoken=")
    spellings = [
        token + "=",
        token + "==",
        token[:-1],
        token + "A",
        " " + token,
        token + "%20",
        token.swapcase(),
        "x",
        "%F0%9F%9A%80",
        "0",
    ]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if len(token) % 4:
        spellings.append(token[:-1] + alphabet[alphabet.index(token[-1]) + 1])
    for text in spellings:
        assert refused(recorded.get(f"{front}$skiptoken={text}")), text
    assert refused(recorded.get(f"{link}&$skiptoken={token}"))
    assert refused(recorded.get(f"{front}$skiptoken="))


@pytest.mark.parametrize(
    "change",
    [
        ("id gt 1", "id gt 2"),
        ("$orderby=status", "$orderby=quote_number"),
        ("$orderby=status", "$orderby=status desc"),
        ("$select=id", "$select=id,status"),
        ("Quotes?", "Jobs?"),
        ("Quotes?", "Quotes?$top=5&"),
        ("Quotes?$select=id&", "Quotes/$ref?"),
    ],
)
def test_a_token_is_bound_to_its_query(change: tuple[str, str], recorded: Client, link: str) -> None:
    old, new = (text.replace(" ", "%20") for text in change)
    assert old in link
    reply = recorded.get(link.replace(old, new))
    assert (reply.status, reply.error["code"]) == (400, "InvalidToken")


def test_a_token_is_bound_to_org_and_profile(things: Client, recorded: Client, link: str) -> None:
    own = things.get("Things?$select=Id", prefer="maxpagesize=2").json["@odata.nextLink"]
    assert things.get(own).status == 200
    assert refused(things.as_org(everything.SECOND_ORG).get(own))
    assert refused(things.as_org(everything.FIRST_ORG, profile="salesforce").get(own))


def test_secrets_rotate(session_url: str, link: str) -> None:
    """A token of the secret before is taken; one of an unknown secret is not; new ones are signed by the new secret."""
    new = "another secret of thirty-two characters"
    from tests.conformance.serving import SECRET

    rotated = Client(session_url, session.EXPOSURE, org=session.ORG, secret=new, gateway_secret_previous=SECRET)
    forgotten = Client(session_url, session.EXPOSURE, org=session.ORG, secret=new)
    try:
        reply = rotated.get(link, prefer="maxpagesize=10")
        assert reply.status == 200 and refused(forgotten.get(link))
        assert forgotten.get(reply.json["@odata.nextLink"]).status == 200
    finally:
        rotated.close()
        forgotten.close()


# --- options that do not fit into a link ---


def test_long_options_move_into_the_token(recorded: Client) -> None:
    """No next link is longer than a request line may be, and it still gives the rest."""
    terms = " or ".join(f"id eq {number}" for number in range(3, 2003, 2))
    options = f"$select=id&$filter={terms}&$orderby=id desc&$count=true"
    first = recorded.query("Quotes", options, prefer="maxpagesize=300")
    next_link = first.json["@odata.nextLink"]
    assert len(f"GET {next_link} HTTP/1.1\r\n") <= 8190 and "$filter" not in next_link
    rest = list(recorded.pages(next_link, prefer="maxpagesize=300"))
    assert first.values("id") + ids(iter(rest), "id") == list(range(2001, 2, -2))
    assert {page.json["@odata.count"] for page in rest} == {1000}
    tampered = next_link + "&$filter=id eq 1"
    assert refused(recorded.get(tampered))
    assert refused(recorded.get(next_link.replace("Quotes?", "Jobs?")))


def test_414_names_the_limit(recorded: Client) -> None:
    """What would not fit even when compressed is refused at the first request, not at the second page."""
    chance = random.Random(1)
    text = "".join(chr(chance.randrange(0x4E00, 0x9FA0)) for _ in range(6000))
    options = f"$select=id&$filter=quote_number eq '{text}' or id gt 0"
    reply = recorded.query("Quotes", options)
    assert reply.status == 414 and "8190" in reply.error["message"]
    assert recorded.query("Quotes", f"{options}&$top=2001").status == 200


# --- limits by bytes ---


def test_nested_pages_can_be_followed(session_url: str) -> None:
    """a40.9, m40.3: a collection that is cut bears a next link that leads to its end."""
    client = Client(session_url, session.EXPOSURE, org=session.ORG, max_page_size=2, max_top_one_page=2)
    try:
        reply = client.get("Quotes(4)?$expand=Lines($select=line_no;$orderby=line_no desc;$count=true)&$select=id")
        quote = reply.json
        assert quote["Lines@odata.count"] == 4 and [line["line_no"] for line in quote["Lines"]] == [4, 3]
        link = quote["Lines@odata.nextLink"]
        assert link.startswith(ROOT + "Quotes(4)/Lines?")
        assert ids(client.pages(link), "line_no") == [2, 1]
        collection = client.get(
            "Quotes?$filter=id ge 3&$expand=Lines($skip=1;$top=3;$select=line_no),Jobs($select=id)&$select=id"
        )
        first, second = collection.rows
        assert [line["line_no"] for line in first["Lines"]] == [2, 3] and "Lines@odata.nextLink" not in first
        assert [line["line_no"] for line in second["Lines"]] == [2, 3]
        assert ids(client.pages(second["Lines@odata.nextLink"]), "line_no") == [4]
        filtered = client.get("Quotes(4)?$expand=Lines($filter=line_no ne @n;$select=line_no)&@n=2&$select=id").json
        assert [line["line_no"] for line in filtered["Lines"]] == [1, 3]
        assert ids(client.pages(filtered["Lines@odata.nextLink"]), "line_no") == [4]
        references = client.get("Quotes(4)?$expand=Lines/$ref&$select=id").json
        assert len(references["Lines"]) == 2
        assert ids(client.pages(references["Lines@odata.nextLink"]), "@odata.id") == [
            f"{ROOT}QuoteLines(quote_id=4,line_no={number})" for number in (3, 4)
        ]
        assert ids(
            client.pages("Quotes?$select=id&$expand=Lines($select=line_no),Jobs($select=id)&$top=7"), "id"
        ) == list(range(1, 8))
    finally:
        client.close()


def test_nested_next_links_by_key_of_any_text(things: Client, everything_url: str) -> None:
    """Keys with quotes, slashes and other scripts in nested next links, under both profiles and versions."""
    small = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG, max_page_size=1, max_top_one_page=1)
    try:
        for page in small.pages("Pairs?$filter=Right gt 0&$expand=Notes($select=Id)&$select=Left,Right"):
            for pair in page.rows:
                rest = ids(small.pages(pair["Notes@odata.nextLink"]))
                key = f"Pairs(Left=@l,Right={pair['Right']})/Notes?@l='{pair['Left'].replace(chr(39), chr(39) * 2)}'"
                assert [pair["Notes"][0]["Id"], *rest] == things.get(
                    key.replace("/Notes?", "/Notes?$select=Id&")
                ).values("Id")
    finally:
        small.close()


def test_the_byte_limit_shrinks_pages(session_url: str) -> None:
    """A page never has more than MAX_PAGE_BYTES; the rest follows."""
    client = Client(session_url, session.EXPOSURE, org=session.ORG, max_page_bytes=20_000)
    try:
        pages = list(client.pages("Quotes?$orderby=amount desc"))
        assert len(pages) > 20 and max(len(page.body) for page in pages) <= 20_500
        assert sorted(ids(iter(pages), "id")) == list(range(1, 2101))
        nested = list(client.pages("Quotes?$expand=Jobs&$filter=id le 50"))
        assert max(len(page.body) for page in nested) <= 20_500
        assert ids(iter(nested), "id") == list(range(1, 51))
        top = list(client.pages("Quotes?$top=2001"))
        assert len(top) > 20 and sum(len(page.rows) for page in top) == 2001
    finally:
        client.close()
