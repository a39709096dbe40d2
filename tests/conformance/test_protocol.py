"""Protocol and JSON Format: documents, versions, formats, headers, ETags, methods, errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from lxml import etree

from tests.conformance.serving import LEAKS, ROOT, Client
from tests.models import everything, session

METADATA = f"{ROOT}$metadata"


# --- documents ---


def test_m40_1_service_document(gateway: Client) -> None:
    """JSON Format, "Service Document"."""
    document = gateway.get("").json
    assert document["@odata.context"] == METADATA
    assert {"name": "Quotes", "kind": "EntitySet", "url": "Quotes"} in document["value"]
    for entry in document["value"]:
        assert gateway.get(f"{entry['url']}?$top=1").status == 200
    assert set(gateway.get("", odata_maxversion="4.01").json) == {"@context", "value"}
    assert set(gateway.get("?$format=application/json;odata.metadata=none").json) == {"value"}
    assert gateway.get("?$top=1").status == 400 and gateway.get("?$schemaversion=2").status == 404
    assert gateway.get("?custom=1").status == 200


def test_m40_13_metadata_document(gateway: Client) -> None:
    """Protocol, "Metadata Document Request": both versions, ETag, 304, 406."""
    for maximum, version in (("4.0", "4.0"), ("4.01", "4.01"), ("9.9", "4.01")):
        reply = gateway.get("$metadata", odata_maxversion=maximum)
        assert etree.fromstring(reply.body).get("Version") == version == reply.headers["odata-version"]
        assert reply.headers["content-type"] == "application/xml"
        again = gateway.get("$metadata", odata_maxversion=maximum, if_none_match=reply.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert gateway.get("$metadata", odata_maxversion=maximum, if_none_match='W/"x"').status == 200
    assert gateway.get("$metadata", accept="application/json").status == 406
    assert gateway.get("$metadata?$format=json").status == 406
    assert gateway.get("$metadata?$format=xml").status == 200
    assert gateway.get("$metadata?$top=1").status == 400
    assert gateway.get("$metadata?$schemaversion=2").status == 404


@pytest.mark.parametrize(
    ("maximum", "status", "version"),
    [
        (None, 200, "4.0"),
        ("4.0", 200, "4.0"),
        ("4.01", 200, "4.01"),
        ("5.0", 200, "4.01"),
        ("3.0", 400, "4.0"),
        ("x", 400, "4.0"),
    ],
)
def test_m40_4_version(maximum: str | None, status: int, version: str, things: Client) -> None:
    headers = {} if maximum is None else {"odata_maxversion": maximum}
    reply = things.get("Things(1)", **headers)
    assert (reply.status, reply.headers["odata-version"]) == (status, version)
    assert "OData-MaxVersion" in reply.headers["vary"]


# --- JSON ---


@pytest.mark.parametrize("version", ["4.0", "4.01"])
@pytest.mark.parametrize("level", ["none", "minimal", "full"])
def test_m40_2_json_exactly(level: str, version: str, things: Client, golden: Callable[[str, str], None]) -> None:
    """JSON Format: every type, an expansion, references and counts, at each metadata level, in golden files."""
    prefix = "odata." if version == "4.0" else ""
    accept = f"application/json;{prefix}metadata={level}"
    urls = (
        "Things(3)?$expand=Parent($select=Id),Children($select=Id;$count=true)",
        "Things?$filter=Id in (2,4,5)&$select=Id,Double,Single,Decimal,Int64,Duration,Color&$count=true",
        "Pairs(Left='a%2Fb',Right=1)",
        "Things(2)/Decimal",
        "Things(1)/Children/$ref",
        "Things(2)/Parent/$ref",
        "OddKeys?$top=2",
    )
    replies = [things.get(url, accept=accept, odata_maxversion=version) for url in urls]
    assert {reply.headers["content-type"] for reply in replies} == {accept}
    text = "\n\n".join(f"{url}\n{reply.text}" for url, reply in zip(urls, replies, strict=True))
    golden(f"json-{version}-{level}.txt", text + "\n")


def test_m40_2_ieee754_and_exact_decimals(things: Client) -> None:
    """JSON Format, "IEEE754Compatible": Int64, Decimal and counts as strings, both ways."""
    url = "Things?$filter=Id eq 2&$select=Decimal,Int64,Int32&$count=true&$expand=Children($count=true;$top=0)"
    plain = things.get(url).json
    assert plain["@odata.count"] == 1 and plain["value"][0]["Int64"] == 9223372036854775807
    assert plain["value"][0]["Decimal"] == Decimal("99999999999999999999.9999999999")
    asked = things.get(url, accept="application/json;IEEE754Compatible=true")
    assert "IEEE754Compatible=true" in asked.headers["content-type"]
    row = asked.json["value"][0]
    assert asked.json["@odata.count"] == "1" and row["Children@odata.count"] == "2"
    assert (row["Int64"], row["Decimal"], row["Int32"]) == (
        "9223372036854775807",
        "99999999999999999999.9999999999",
        2147483647,
    )
    assert (
        things.get("Things(2)/Int64", accept="application/json;IEEE754Compatible=true").json["value"]
        == "9223372036854775807"
    )


def test_json_infinity_and_not_a_number(things: Client) -> None:
    doubles = dict(
        zip(
            things.get("Things?$select=Id").values("Id"),
            things.get("Things?$select=Double").values("Double"),
            strict=True,
        )
    )
    assert (doubles[2], doubles[3], doubles[4]) == ("INF", "-INF", "NaN")
    assert things.get("Things(4)/Single").json["value"] == "NaN"


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("Things", {"accept": "application/xml"}, 406),
        ("Things", {"accept": "application/json;x=y"}, 406),
        ("Things", {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, 200),
        ("Things", {"accept": "application/json;q=0"}, 406),
        ("Things?$format=json", {"accept": "application/xml"}, 200),
        ("Things?$format=xml", {}, 406),
        ("Things?$format=atom", {}, 406),
        ("Things?$format=json;odata.metadata=full", {}, 400),
        ("Things?$format=application/json;odata.metadata=full", {"accept": "application/xml"}, 200),
        ("Things?$format=application/json;odata.metadata=some", {}, 406),
        ("Things?$format=json&format=json", {}, 400),
        ("Things/$count", {"accept": "text/plain"}, 200),
        ("Things/$count?$format=json", {}, 400),
        ("Things(1)/Name/$value", {"accept": "application/json"}, 200),
    ],
)
def test_m40_5_format(url: str, headers: dict[str, str], status: int, things: Client) -> None:
    """Protocol, "System Query Option $format", "Header Accept"."""
    assert things.get(url, **headers).status == status


# --- ETags, methods, headers ---


def test_m40_26_etags(recorded: Client, things: Client) -> None:
    """The ETag of an entity is one, whatever is selected, expanded or how it is reached; none has none."""
    for client, path, listed in (
        (recorded, "Quotes(1)", "Quotes?$filter=id eq 1"),
        (things, "Things(2)", "Things?$filter=Id eq 2"),
    ):
        tag = client.get(path).headers["etag"]
        key = "id" if client is recorded else "Id"
        tags = {
            client.get(path).json["@odata.etag"],
            client.get(f"{path}?$select={key}").json["@odata.etag"],
            client.get(f"{path}?$expand=*&$select={key}").json["@odata.etag"],
            client.get(listed).rows[0]["@odata.etag"],
            client.get(f"{listed}&$select={key}&$expand=*").rows[0]["@odata.etag"],
            client.get(f"{path}?$format=application/json;odata.metadata=full").json["@odata.etag"],
            client.get(f"{path}?$format=application/json;IEEE754Compatible=true").json["@odata.etag"],
        }
        assert tags == {tag} and tag.startswith('W/"')
        for condition in (tag, tag.removeprefix("W/"), "*", f'"x", {tag}'):
            reply = client.get(path, if_none_match=condition)
            assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag)
        assert client.get(path, if_none_match='W/"other"').status == 200
        assert client.get(f"{path}?$expand=*", if_none_match=tag).status == 200  # it does not tell their changes
        assert "@odata.etag" not in client.get(f"{path}?$format=application/json;odata.metadata=none").json
    assert recorded.get("QuoteLines?$expand=Quote($expand=Jobs)&$top=2").text.count("@odata.etag") > 4


def test_head_options_and_common_headers(things: Client) -> None:
    """HEAD is GET without the body; OPTIONS changes nothing; nothing is stored on the way."""
    for url in ("", "$metadata", "Things?$top=2", "Things(1)", "Things/$count", "Things(99)", "Things(1)/Parent"):
        got, head = things.get(url), things.send("HEAD", url)
        assert head.body == b"" and head.status == got.status
        varying = ("x-request-id",)
        assert {n: v for n, v in head.headers.items() if n not in varying} == {
            n: v for n, v in got.headers.items() if n not in varying
        }
        assert got.headers["cache-control"] == "no-store"
        assert {"Accept", "OData-MaxVersion", "Prefer", "Accept-Encoding"} <= set(got.headers["vary"].split(", "))
    options = things.send("OPTIONS", "Things")
    assert options.status == 204 and "GET" in options.headers["allow"] and options.headers["odata-version"] == "4.0"


def test_gzip_only_when_accepted(recorded: Client) -> None:
    plain = recorded.get("Quotes?$top=200")
    packed = recorded.get("Quotes?$top=200", accept_encoding="gzip, deflate")
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 3
    for accepted in ("gzip;q=0", "identity", "br"):
        assert "content-encoding" not in recorded.get("Quotes?$top=200", accept_encoding=accepted).headers


def test_cors_is_off_unless_set(session_url: str, recorded: Client) -> None:
    assert not any(
        name.startswith("access-control") for name in recorded.get("Quotes?$top=1", origin="https://a.example").headers
    )
    client = Client(session_url, session.EXPOSURE, org=session.ORG, cors_origins=("https://a.example",))
    try:
        allowed, other = (client.get("Quotes?$top=1", origin=f"https://{name}.example") for name in "ab")
        assert (
            allowed.headers["access-control-allow-origin"] == "https://a.example"
            and "Origin" in allowed.headers["vary"]
        )
        assert "access-control-allow-origin" not in other.headers and "Origin" in other.headers["vary"]
    finally:
        client.close()


ERRORS = (
    ("Nope", 404),
    ("Things(99)", 404),
    ("Things(x)", 400),
    ("Things?$filter=Nope eq 1", 400),
    ("Things?$filter=((", 400),
    ("Things?$apply=aggregate($count as C)", 501),
    ("Things?$skiptoken=x", 400),
    ("Things?$filter=Id div 0 eq 1", 400),
    ("Things?$filter=Name eq '%00'", 400),
    ("Things?$orderby=Nope", 400),
    ("Things?$filter=Int32 mul 2147483647 mul 4 gt 1", None),
    ("Things?$filter=%FF", 400),
    ("Things?%zz", 400),
    ("Things?$format=x", 400),
    ("Things?$filter=matchesPattern(Name,'(')", None),
    ("Things?$filter=Guid eq 1", 400),
    ("Things?$filter=Date eq 2026-02-30", 400),
    ("Things?$top=a;b", 400),
)


@pytest.mark.parametrize(("url", "status"), ERRORS)
@pytest.mark.parametrize("version", ["4.0", "4.01"])
def test_error_objects(url: str, status: int | None, version: str, things: Client) -> None:
    """JSON Format, "Error Response": code and message on every path, OData-Version too, nothing of the inside."""
    reply = things.get(url, odata_maxversion=version, accept="application/json")
    assert reply.status == status or (status is None and reply.status in (200, 400, 501))
    assert reply.headers["odata-version"] == version
    if reply.status >= 400:
        assert reply.headers["content-type"].startswith("application/json")
        assert set(reply.json) == {"error"} and reply.error["code"].isidentifier() and reply.error["message"]
        assert not any(word in reply.text for word in LEAKS)


def test_answers_are_repeatable(gateway: Client) -> None:
    """Reference section 7, 36: the same request on unchanged data gives identical bytes, planned anew or not."""
    for url in (
        "Quotes?$expand=*&$top=5",
        "Jobs?$filter=QuoteCount gt 1&$count=true",
        "QuoteTotals",
        "Quotes?$search=a&$top=3",
    ):
        assert gateway.get(url).body == gateway.get(url).body


def test_two_profiles_alternate(things: Client) -> None:
    """Credentials of different profiles on the same URLs: each keeps its own answers."""
    lenient = things.as_org(everything.FIRST_ORG, profile="salesforce")
    for _ in range(3):
        assert things.get("Things/$count?$filter=String eq null").text == "1"
        assert lenient.get("Things/$count?$filter=String eq null").text == "2"
        assert things.get("Things/$count?$filter=contains(Name,'FIRST')").text == "0"
        assert lenient.get("Things/$count?$filter=contains(Name,'FIRST')").text == "9"


def test_sets_that_a_credential_may_not_see(things: Client, everything_url: str) -> None:
    one = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG, sets=frozenset({"Things"}))
    try:
        assert [entry["name"] for entry in one.get("").json["value"]] == ["Things"]
        assert one.get("Pairs").status == 404 and one.get("Things(1)/Pairs").status == 404
        assert one.get("Things?$expand=Pairs").status == 400 and one.get("Things?$filter=Pairs/any()").status == 400
        assert b"Pair" not in one.get("$metadata").body
        assert "Pairs" not in json.dumps(
            one.get("Things(1)?$format=application/json;odata.metadata=full").json, default=str
        )
    finally:
        one.close()


@pytest.mark.parametrize("first", ["all", "some"])
def test_callers_of_different_sets_ask_in_one_shape(first: str, everything_url: str) -> None:
    """Whoever asks first: a shape that was planned for one caller is no answer for the other."""
    urls = {
        "Things?$select=Id&$top=2&$expand=*": 200,
        "Things(1)?$format=application/json;odata.metadata=full": 200,
        "Things?$top=1&$filter=Pairs/any()": 400,
        "Things?$select=Id&$top=1&$expand=Pairs($top=1)": 400,
        "Pairs?$top=1": 404,
    }
    every = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG)
    some = every.as_org(everything.FIRST_ORG)
    some.principal = replace(every.principal, sets=frozenset({"Things"}))
    try:
        for url, status in urls.items():
            for turn in range(4):
                caller = every if (turn % 2 == 0) == (first == "all") else some
                reply = caller.get(url)
                assert reply.status == (200 if caller is every else status), (url, turn, reply.text)
                if status == 200:
                    assert ("Pairs" in reply.text) == (caller is every), (url, turn, reply.text)
        assert len(every.service.shapes) >= len(urls)
    finally:
        every.close()
