"""The workloads w1 to w8: what each is, and the paths to ask each stack for, parameters changing with every request.

In: a seeded database. Out: a Workload with paths by stack and, for the check before anything is timed, what the
database itself answers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote as percent_encoded
from urllib.parse import urlencode

import psycopg

import app as gateway
import settings
from bench.database import ORG
from bench.statements import EIGHT
from models.base import property_name
from odata.messages import Request
from odata.pipeline import answer
from odata.service import Principal, Service

SECRET = "a secret of the measurements, 48 characters long.."
SELECT = ",".join(property_name(name) for name in EIGHT)
PEER = ",".join(EIGHT)
PEER_LINES = "quote_line(*)"
"""PostgREST gets the form it answers fastest: no aliases, no list where all is wanted (a list of 31 costs it 4 ms)."""
PEER_NEWEST = "created_at.desc,id.desc"
PEER_PAGE = {"order": PEER_NEWEST, "limit": "25", "select": PEER}
PEER_EXPAND = {"quote_line.order": "line_number", "select": f"{PEER},{PEER_LINES}"}
ORM_PAGE = {"$top": "25", "$select": ",".join(EIGHT)}
COUNT = {"$count": "true"}
REQUESTS = 300
STACKS = ("gateway", "floor", "bare", "raw", "orm", "postgrest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """paths: by stack. expected: of the first paths, the ids that the database answers, in order."""

    name: str
    title: str
    paths: dict[str, list[str]]
    expected: list[list[str]] = field(default_factory=list)
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """One request: OData path and options; the floor's values; PostgREST's options; the ORM's path and options.

    where, order, top: the same for the database itself, the check.
    """

    odata: tuple[str, dict[str, str]]
    values: Sequence[Any]
    peer: dict[str, Any]
    orm: tuple[str, dict[str, str]]
    where: str = "true"
    order: str = "created_at DESC, id DESC"
    top: int = 25


def make(connection: psycopg.Connection, names: Sequence[str]) -> list[Workload]:
    """The chosen workloads with their requests."""
    return [_workload(connection, name) for name in names]


def _workload(connection: psycopg.Connection, name: str) -> Workload:
    title, cases = WORKLOADS[name]
    made = list(cases(connection, random.Random(name)))
    paths: dict[str, list[str]] = {stack: [] for stack in STACKS}
    for case in made:
        paths["gateway"].append("/odata/v4/" + _odata(*case.odata))
        for stack in ("floor", "bare", "raw"):
            paths[stack].append(
                f"/{stack}/{name}?" + urlencode({f"v{i}": value for i, value in enumerate(case.values)})
            )
        paths["postgrest"].append("/quote?" + _peer(case.peer))
        paths["orm"].append(
            case.orm[0] + ("?" + urlencode(case.orm[1], quote_via=percent_encoded) if case.orm[1] else "")
        )
    expected = [_ids(connection, case) for case in made[:3]]
    return Workload(name=name, title=title, paths=paths, expected=expected, ordered=name not in UNORDERED)


def _odata(path: str, options: dict[str, str]) -> str:
    written = "&".join(f"{key}={percent_encoded(value, safe='()$,/*:-')}" for key, value in options.items())
    return path + ("?" + written if written else "")


def _peer(filters: dict[str, Any]) -> str:
    pairs = [("org_id", f"eq.{ORG}"), ("deleted_at", "is.null")]
    for key, value in filters.items():
        pairs += [(key, one) for one in value] if isinstance(value, list) else [(key, value)]
    return urlencode(pairs, quote_via=percent_encoded)


def _ids(connection: psycopg.Connection, case: Case) -> list[str]:
    rows = "FROM gateway.quote WHERE org_id = %s AND deleted_at IS NULL"
    statement = f"SELECT id::text AS key {rows} AND {case.where} ORDER BY {case.order} LIMIT {case.top}"
    return [row[0] for row in connection.execute(statement, (ORG,), prepare=False)]


def _page(filter_text: str, order: str = "") -> dict[str, str]:
    """OData's options of a page of 25."""
    return {"$filter": filter_text, **({"$orderby": order} if order else {}), "$top": "25", "$select": SELECT}


# --- parameters ------------------------------------------------------------------------------------------------------


def _sample(
    connection: psycopg.Connection, columns: str, rng: random.Random, number: int = REQUESTS
) -> list[tuple[Any, ...]]:
    """Rows of the org spread over the whole table, always the same."""
    statement = (
        f"SELECT {columns} FROM gateway.quote TABLESAMPLE SYSTEM (2) REPEATABLE (1) "  # noqa: S608
        "WHERE org_id = %s AND deleted_at IS NULL AND grand_total > 0 AND account_id IS NOT NULL ORDER BY id"
    )
    rows = connection.execute(statement, (ORG,)).fetchall()
    return rng.sample(rows, min(number, len(rows)))


def one(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    for (key,) in _sample(connection, "id", rng, 3000):
        yield Case(
            (f"Quotes({key})", {}),
            [key],
            {"id": f"eq.{key}"},
            (f"/quotes/{key}", {}),
            f"id = '{key}'",
        )


def filtered(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    for status, total in _sample(connection, "status, round(grand_total / 2, 2)", rng):
        yield Case(
            ("Quotes", _page(f"Status eq '{status}' and GrandTotal gt {total}", order="CreatedAt desc")),
            [status, total],
            PEER_PAGE | {"status": f"eq.{status}", "grand_total": f"gt.{total}"},
            ("/quotes", ORM_PAGE | {"$filter": f"status eq '{status}' and grand_total gt {total}"}),
            f"status = '{status}' AND grand_total > {total}",
        )  # fmt: skip


def related(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    for (opportunity,) in _sample(connection, "opportunity_id", rng, 2000):
        yield Case(
            ("Quotes", {"$filter": f"OpportunityId eq '{opportunity}'", "$top": "10", "$select": SELECT}),
            [opportunity],
            {"opportunity_id": f"eq.{opportunity}", "order": PEER_NEWEST, "limit": "10", "select": PEER},
            ("/quotes", {"$filter": f"opportunity_id eq '{opportunity}'", "$top": "10", "$select": ",".join(EIGHT)}),
            f"opportunity_id = '{opportunity}'",
            top=10,
        )


def counted(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    """About 30,000 matches: a status from a moment on."""
    share = (
        "SELECT created_at FROM gateway.quote WHERE org_id = %s AND status = %s AND deleted_at IS NULL "
        "ORDER BY created_at DESC OFFSET %s LIMIT 1"
    )
    matches = min(30_000, _number_of(connection) // 34)
    for status in ("Accepted", "In Review", "Needs Review", "Presented"):
        for _ in range(15):
            row = connection.execute(share, (ORG, status, rng.randint(matches * 19 // 20, matches))).fetchone()
            assert row is not None
            since = row[0].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            yield Case(
                ("Quotes", _page(f"Status eq '{status}' and CreatedAt ge {since}") | COUNT),
                [status, since],
                PEER_PAGE | {"status": f"eq.{status}", "created_at": f"gte.{since}"},
                ("/quotes", ORM_PAGE | COUNT | {"$filter": f"status eq '{status}' and created_at ge {since}"}),
                f"status = '{status}' AND created_at >= '{since}'",
            )  # fmt: skip


def _number_of(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'gateway.quote'::regclass").fetchone()
    assert row is not None
    return int(row[0])


def _moments(connection: psycopg.Connection, rng: random.Random) -> list[str]:
    return [row[0].strftime("%Y-%m-%dT%H:%M:%S.%fZ") for row in _sample(connection, "created_at", rng)]


def expanded(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    for until in _moments(connection, rng):
        yield Case(
            ("Quotes", {"$filter": f"CreatedAt lt {until}", "$top": "25", "$select": SELECT, "$expand": "Lines"}),
            [until],
            PEER_PAGE | PEER_EXPAND | {"created_at": f"lt.{until}"},
            ("/quotes", ORM_PAGE | {"$filter": f"created_at lt {until}", "$expand": "lines"}),
            f"created_at < '{until}'",
        )  # fmt: skip


def large(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    for until in _moments(connection, rng):
        yield Case(
            ("Quotes", {"$filter": f"CreatedAt lt {until}", "$top": "2000"}),
            [until],
            {"created_at": f"lt.{until}", "order": PEER_NEWEST, "limit": "2000"},
            ("/quotes", {"$filter": f"created_at lt {until}", "$top": "2000"}),
            f"created_at < '{until}'",
            top=2000,
        )


def _patterns(connection: psycopg.Connection, rng: random.Random, *, from_start: bool) -> Iterator[str]:
    """Parts of names as people type them: words and numbers, whole beginnings; from one match to every row."""
    for (name,) in _sample(connection, "name", rng):
        if not name.isprintable() or any(character in name for character in "%_\\*'\",()") or len(name) < 12:
            continue
        words = [word for word in name.split() if len(word) > 2]
        if from_start:
            yield name[: rng.choice((3, 6, 10, 16, 24))].rstrip()
        else:
            yield rng.choice([*words, " ".join(name.split()[:2]), name[4:10].strip(), name[-14:-4].strip()])
    if not from_start:
        yield from (" - ", "- 1", "zzzz", "qqqq")


def matching(connection: psycopg.Connection, rng: random.Random, *, from_start: bool = False) -> Iterator[Case]:
    function = "startswith" if from_start else "contains"
    for part in _patterns(connection, rng, from_start=from_start):
        if len(part) < 3:
            continue
        pattern = f"{part}%" if from_start else f"%{part}%"
        yield Case(
            ("Quotes", {"$filter": f"{function}(Name,'{part}')", "$orderby": "Id", "$top": "25", "$select": SELECT}),
            [pattern],
            {"name": "ilike." + pattern.replace("%", "*"), "limit": "25", "select": PEER},
            ("/quotes", ORM_PAGE | {"$filter": f"{function}(name,'{part}')", "$orderby": "id"}),
            f"""name COLLATE "default" ILIKE '{pattern.replace("%", "%%")}'""",
            "id",
        )  # fmt: skip


def beginning(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    return matching(connection, rng, from_start=True)


ROW_AT = (
    "SELECT created_at::text AS written, id::text AS key FROM gateway.quote WHERE org_id = %s AND deleted_at IS NULL "
    "ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1"
)


def deep(connection: psycopg.Connection, rng: random.Random) -> Iterator[Case]:
    """Pages of 100 around row 100,000."""
    middle = min(100_000, _number_of(connection) // 2)
    for _ in range(60):
        skip = middle + rng.randint(-middle // 20, middle // 20)
        yield page_at(connection, skip)


@lru_cache(maxsize=1)
def _service(connection: psycopg.Connection) -> Service:
    """The gateway's own service in this process, whose tokens are those of the one that is measured."""
    told = connection.info
    url = f"postgresql://{told.user}@/{told.dbname}?host={told.host}"
    return gateway.service(settings.load({"DATABASE_URL": url, "GATEWAY_SECRET": SECRET, "MAX_SKIP": "10000000"}))


def _token(service: Service, skip: int) -> str:
    """The token of the page behind the first `skip` rows, as a next link has it."""
    caller = Principal(identity="bench", org_id=ORG, profile="salesforce")
    asked = Request(path="Quotes", query=f"$select={SELECT}&$skip={skip - 100}")
    body = b"".join(answer(service, asked, caller, preferred_rows=100).body)
    link: str = json.loads(body)["@odata.nextLink"]
    return link.partition("$skiptoken=")[2]


def page_at(connection: psycopg.Connection, skip: int) -> Case:
    """The page of 100 after `skip` rows: the gateway's next link, the floor's row comparison, an offset elsewhere."""
    row = connection.execute(ROW_AT, (ORG, skip - 1)).fetchone()
    assert row is not None
    written, key = row[0], row[1]
    options = {"$select": SELECT, "$skiptoken": _token(_service(connection), skip)}
    return Case(
        ("Quotes", options),
        [written, key],
        {"order": PEER_NEWEST, "limit": "100", "offset": str(skip), "select": PEER},
        ("/quotes", {"$skip": str(skip), "$top": "100", "$select": ",".join(EIGHT)}),
        f"(created_at, id) < ('{written}', '{key}')",
        top=100,
    )


Cases = Callable[[psycopg.Connection, random.Random], Iterator[Case]]
WORKLOADS: dict[str, tuple[str, Cases]] = {
    "w1": ("one quote by key", one),
    "w2": ("filter, order, top 25, 8 of 31 properties", filtered),
    "w3": ("related list by OpportunityId, top 10", related),
    "w4": ("top 25 with count, 30,000 matches", counted),
    "w5": ("25 quotes, lines expanded", expanded),
    "w6": ("page of 2,000 rows, all properties (2 MB)", large),
    "w7": ("contains(Name), ordered by key, top 25", matching),
    "w7s": ("startswith(Name), ordered by key, top 25", beginning),
    "w8": ("page of 100 at row 100,000", deep),
}
UNORDERED = frozenset({"w7", "w7s"})
"""PostgREST is not asked to sort there."""
