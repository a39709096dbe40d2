"""The requests of a session that are no plain reading: documents, paging, writes, tunnels, tracking, refusals."""

# ruff: noqa: S608, the SQL is written here

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from lxml import etree

from local import web
from models import database
from tests.elements import first
from tests.salesforce.adapter import ENCODINGS, Adapter, Answer, encoded_plainly
from tests.salesforce.conftest import SECRET, SESSION_COMMAND, Mounted

EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
JSON = {"Content-Type": "application/json"}
LONGEST_REQUEST_LINE = 8190


@pytest.fixture(params=["session", "real"])
def mounted(request: pytest.FixtureRequest) -> Mounted:
    """Each of the two services."""
    found: Mounted = request.getfixturevalue(f"{request.param}_service")
    return found


@dataclass(frozen=True, slots=True)
class Names:
    """What the requests name, in the recorded tables and in ours."""

    one: str
    key: str
    title: str
    wide: str
    wide_key: str
    number: str


RECORDED = Names("Quotes(1)", "id", "quote_number", "Quotes", "id", "id")
TRANSLATED = Names("Quotes({quote})", "Id", "QuoteNumber", "QuoteLines", "Id", "LineNumber")


@pytest.fixture
def names(mounted: Mounted) -> Names:
    return RECORDED if mounted.truth.exposure.namespace == "Session" else TRANSLATED


# --- 1 to 4: documents -----------------------------------------------------------------------------------------------


def test_1_service_document(mounted: Mounted) -> None:
    answer = mounted.adapter.get("")
    assert answer.status == 200 and answer.headers["odata-version"] == "4.0"
    assert answer.json["@odata.context"] == mounted.adapter.root + "$metadata"
    listed = [entry["name"] for entry in answer.json["value"] if entry.get("kind", "EntitySet") == "EntitySet"]
    assert listed == [entry.name for entry in mounted.truth.exposure.sets]


def test_2_metadata(mounted: Mounted) -> None:
    answer = mounted.adapter.get("$metadata", {"Accept": "application/xml"})
    assert answer.status == 200 and answer.headers["content-type"] == "application/xml"
    document = etree.fromstring(answer.body)
    assert document.tag == f"{EDMX}Edmx" and document.get("Version") == "4.0"
    types = list(document.iter(f"{EDM}EntityType"))
    assert all(entity_type.find(f"{EDM}Key") is not None for entity_type in types)
    sets = first(document, f".//{EDM}EntityContainer").findall(f"{EDM}EntitySet")
    assert [entry.get("Name") for entry in sets] == [entry.name for entry in mounted.truth.exposure.sets]


@pytest.mark.parametrize("join", ["/$metadata", "$metadata/", "/$metadata/", "%24metadata"])
def test_3_metadata_however_the_address_is_joined(mounted: Mounted, join: str) -> None:
    wanted = mounted.adapter.get("$metadata", {"Accept": "application/xml"}).body
    assert mounted.adapter.get(join, {"Accept": "*/*"}).body == wanted
    assert mounted.adapter.get(join, {"Accept": ""}).body == wanted


@pytest.mark.parametrize("url", ["$metadata", "", "Quotes"])
def test_4_without_credentials(mounted: Mounted, url: str) -> None:
    answer = mounted.adapter.get(url, {"Authorization": ""})
    assert answer.status == 401 and answer.error
    assert answer.headers["www-authenticate"].startswith("Basic") and answer.headers["odata-version"] == "4.0"


# --- 30: more terms than a request line holds ------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_30_five_hundred_terms(mounted: Mounted, names: Names, encoding: str) -> None:
    terms = mounted.truth.filled("{or:" + names.number + " eq #.0:500}")
    url = f"{names.wide}?$top=51&$filter={terms}&$count=true&$select={names.wide_key}"
    sent = ENCODINGS[encoding](url)
    answer = mounted.adapter.get(sent)
    line = f"GET {urlsplit(mounted.adapter.root).path}{sent} HTTP/1.1\r\n"
    if len(line) > LONGEST_REQUEST_LINE + 2:
        assert answer.status == 414 and str(LONGEST_REQUEST_LINE) in answer.error["message"]
        assert answer.headers["odata-version"] == "4.0"
    else:
        _holds_five_hundred(mounted, names, answer)


def test_30_five_hundred_terms_in_a_body(mounted: Mounted, names: Names) -> None:
    terms = mounted.truth.filled("{or:" + names.number + " eq #.0:500}")
    body = encoded_plainly(f"?$top=51&$filter={terms}&$count=true&$select={names.wide_key}")[1:].encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = mounted.adapter.send("POST", f"{names.wide}/$query", {"Content-Type": content_type}, body)
        _holds_five_hundred(mounted, names, answer)


def _holds_five_hundred(mounted: Mounted, names: Names, answer: Answer) -> None:
    assert answer.status == 200 and len(answer.json["value"]) == 51
    entity_set = next(entry for entry in mounted.truth.exposure.sets if entry.name == names.wide)
    column = "id" if names.number == "id" else "line_number"
    assert answer.named("count") == mounted.truth.count(entity_set, f"{column} <= 500")


# --- 45 to 47: server-driven paging ----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_45_pages_of_the_server(mounted: Mounted, names: Names, encoding: str) -> None:
    url = ENCODINGS[encoding](f"{names.wide}?$count=true&$select={names.wide_key},{names.number}")
    pages = list(_pages(mounted.adapter, url))
    entity_set = next(entry for entry in mounted.truth.exposure.sets if entry.name == names.wide)
    keys = [entity[names.wide_key] for page in pages for entity in page.json["value"]]
    total = mounted.truth.count(entity_set, "true")
    assert len(pages) > 1 and len(keys) == len(set(keys)) == total
    assert all(len(page.json["value"]) <= 2000 and page.named("count") == total for page in pages)
    assert all(page.named("nextLink").startswith(mounted.adapter.root + names.wide) for page in pages[:-1])


def test_46_rows_come_and_go_between_pages(session_service: Mounted) -> None:
    adapter, connection = session_service.adapter, session_service.truth.connection
    first = adapter.get("Quotes?$count=true&$select=id", {"Prefer": "odata.maxpagesize=500"})
    with _changed(connection):
        later = list(_pages(adapter, first.named("nextLink"), {"Prefer": "odata.maxpagesize=500"}))
    keys = [entity["id"] for page in (first, *later) for entity in page.json["value"]]
    assert len(keys) == len(set(keys))
    assert set(range(1, 2101)) - set(keys) == {2001} and 999999 in keys and -1 not in keys
    assert [page.named("count") for page in (first, *later)] == [2100, *[2101] * len(later)]


@contextmanager
def _changed(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """One row gone behind the first page, one come before it, one come behind it."""
    gone = connection.execute("DELETE FROM session.quotes WHERE id = 2001 RETURNING *").fetchone()
    connection.execute("INSERT INTO session.quotes (id) VALUES (-1), (999999)")
    try:
        yield
    finally:
        connection.execute("DELETE FROM session.quotes WHERE id IN (-1, 999999)")
        assert gone is not None
        connection.execute(f"INSERT INTO session.quotes VALUES ({', '.join(['%s'] * len(gone))})", gone)


@pytest.mark.parametrize("top", [301, 3, 100, 200, 2001])
def test_47_next_links_keep_the_meaning_of_top(mounted: Mounted, names: Names, top: int) -> None:
    prefer = {"Prefer": "odata.maxpagesize=100"}
    url = encoded_plainly(f"{names.wide}?$count=true&$select={names.wide_key}&$top={top}")
    pages = list(_pages(mounted.adapter, url, prefer))
    whole = mounted.adapter.get(url).json["value"]
    entities = [entity for page in pages for entity in page.json["value"]]
    assert [entity[names.wide_key] for entity in entities] == [entity[names.wide_key] for entity in whole]
    assert len(entities) == top and [len(page.json["value"]) for page in pages[:-1]] == [100] * (len(pages) - 1)


def _pages(adapter: Adapter, url: str, headers: dict[str, str] | None = None) -> Iterator[Answer]:
    """The answers from a URL on, along their next links."""
    following: str | None = url
    while following:
        answer = adapter.get(following, headers)
        assert answer.status == 200, answer.body[:300]
        assert answer.headers["odata-version"] == "4.0"
        yield answer
        following = answer.named("nextLink")


# --- 50 to 61: writes are not served ---------------------------------------------------------------------------------

WRITES: Sequence[tuple[int, str, str, dict[str, str], bytes]] = (
    (50, "POST", "Quotes", JSON, b'{"quote_number": "Q-9", "status": "Open", "amount": 10.5, "is_open": true}'),
    (51, "POST", "{one}", {**JSON, "X-HTTP-METHOD": "PATCH"}, b'{"id": 1, "status": "Won", "notes": null}'),
    (52, "POST", "{one}", {**JSON, "X-HTTP-METHOD": "MERGE"}, b'{"status": "Won"}'),
    (53, "POST", "{one}", JSON, b'{"status": "Won"}'),
    (54, "PATCH", "{one}", {**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b"),
    (55, "POST", "{one}", {**JSON, "X-HTTP-METHOD": "PATCH"}, b'{"id": 10}'),
    (57, "POST", "{one}", {"X-HTTP-METHOD": "DELETE"}, b""),
    (57, "POST", "{one}", {"X-HTTP-Method-Override": "delete"}, b""),
    (58, "DELETE", "{one}", {}, b""),
    (60, "POST", "Quotes", JSON, b'{"amount": "abc"}'),
)


@pytest.mark.parametrize(("number", "method", "url", "headers", "body"), WRITES)
def test_50_to_60_a_write_is_405_with_allow(
    mounted: Mounted, names: Names, number: int, method: str, url: str, headers: dict[str, str], body: bytes
) -> None:
    before = _state(mounted)
    answer = mounted.adapter.send(method, mounted.truth.filled(url.replace("{one}", names.one)), headers, body)
    assert answer.status == 405 and answer.error["code"] == "MethodNotAllowed"
    assert "GET" in answer.headers["allow"] and answer.headers["odata-version"] == "4.0"
    assert _state(mounted) == before


def test_56_a_write_on_a_set_that_is_none(mounted: Mounted) -> None:
    answer = mounted.adapter.send("POST", "Nope(999999)", {**JSON, "X-HTTP-METHOD": "PATCH"}, b"{}")
    assert answer.status == 404 and answer.error


def test_57_a_tunnel_to_no_method(mounted: Mounted, names: Names) -> None:
    answer = mounted.adapter.send("POST", mounted.truth.filled(names.one), {"X-HTTP-METHOD": "PURGE"}, b"")
    assert answer.status == 400 and "X-HTTP-METHOD" in answer.error["message"]


@pytest.mark.parametrize("value", ["DELETE", "PATCH", "POST", "nonsense"])
def test_59_a_tunnel_on_get_is_a_get(mounted: Mounted, names: Names, value: str) -> None:
    answer = mounted.adapter.get(f"Quotes?$top=1&$select={names.key}", {"X-HTTP-METHOD": value})
    assert answer.status == 200 and len(answer.json["value"]) == 1


def test_61_a_burst_of_writes(mounted: Mounted) -> None:
    def write(number: int) -> int:
        return mounted.adapter.send("POST", "Quotes", JSON, json.dumps({"quote_number": str(number)}).encode()).status

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(write, range(200))) == {405}
    assert mounted.adapter.get("Quotes?$top=1").status == 200


def _state(mounted: Mounted) -> object:
    entity_set = mounted.truth.exposure.sets[0]
    return mounted.truth.connection.execute(
        f"SELECT count(*), md5(string_agg(q::text, '' ORDER BY id)) FROM {entity_set.schema}.{entity_set.table} AS q"
    ).fetchone()


# --- 62 to 65: what later comes is ignored without failure -----------------------------------------------------------


def test_62_a_token_is_asked_for(mounted: Mounted) -> None:
    assert mounted.adapter.get("", {"X-CSRF-Token": "Fetch"}).status == 200


@pytest.mark.parametrize("prefer", ["odata.track-changes", "track-changes", "odata.track-changes,odata.maxpagesize=10"])
def test_63_to_65_tracking_is_ignored(mounted: Mounted, prefer: str) -> None:
    answer = mounted.adapter.get("Quotes?$top=0", {"Prefer": prefer})
    assert answer.status == 200 and answer.json["value"] == []
    assert "track-changes" not in answer.headers.get("preference-applied", "")
    assert answer.named("deltaLink") is None and answer.named("nextLink") is None


# --- 66 to 70: refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_66_unknown_property(mounted: Mounted, encoding: str) -> None:
    answer = mounted.adapter.get(ENCODINGS[encoding]("Quotes?$top=11&$filter=nope eq 1"))
    assert answer.status == 400 and "nope" in answer.error["message"]
    assert answer.headers["odata-version"] == "4.0"


def test_67_unknown_set(mounted: Mounted) -> None:
    answer = mounted.adapter.get("Nope?$top=1")
    assert answer.status == 404 and "Nope" in answer.error["message"]
    assert answer.headers["odata-version"] == "4.0"


def test_68_a_statement_that_takes_too_long(session_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("slow") / "log"
    variables = {"STATEMENT_TIMEOUT_SECONDS": "1", "REQUEST_DEADLINE_SECONDS": "3"}
    with (
        web.serving(session_url, log, command=SESSION_COMMAND, variables=variables) as served,
        psycopg.connect(database.libpq_url(session_url)) as blocker,
    ):
        adapter = Adapter(served.service_root, "salesforce", SECRET)
        assert adapter.get("Quotes?$top=26").status == 200
        blocker.execute("LOCK TABLE session.quotes IN ACCESS EXCLUSIVE MODE")
        answer = adapter.get("Quotes?$top=26")
        assert answer.status == 503 and answer.error
        assert "session.quotes" not in answer.error["message"] and "LOCK" not in answer.error["message"]
        blocker.rollback()
        assert adapter.get("Quotes?$top=26").status == 200


@pytest.mark.parametrize("accept", ["application/atom+xml", "application/atom+xml,application/atomsvc+xml;q=0.8"])
@pytest.mark.parametrize("url", ["", "Quotes?$top=26"])
def test_69_atom_names_the_setting(mounted: Mounted, accept: str, url: str) -> None:
    answer = mounted.adapter.get(url, {"Accept": accept})
    assert answer.status == 406 and "Format" in answer.error["message"]
    assert "JSON" in answer.error["message"] and answer.headers["odata-version"] == "4.0"


@pytest.mark.parametrize("parameter", ["odata.metadata=full", "metadata=full"])
def test_70_full_metadata_in_4_01(mounted: Mounted, names: Names, parameter: str) -> None:
    answer = mounted.adapter.get(
        f"Quotes?$top=26&$select={names.key}",
        {"OData-MaxVersion": "4.01", "Accept": f"application/json;{parameter}"},
    )
    assert answer.status == 200 and answer.headers["odata-version"] == "4.01"
    assert "metadata=full" in answer.headers["content-type"]
    entity = answer.json["value"][0]
    assert entity["@odata.id"] and entity["@odata.type"]
    link = entity.get("@odata.editLink", entity["@odata.id"])
    followed = mounted.adapter.get(link if link.startswith("http") else mounted.adapter.root + link)
    assert followed.status == 200 and followed.json[names.key] == entity[names.key]
