"""The plans of the requests that Salesforce sends most, through the real pipeline, as PostgreSQL explains them.

In: a seeded database, fresh statistics. Out: for each request its statement's plan, made for its values and, where the
statement stays prepared, the generic one that PostgreSQL may turn to. A scan of a whole table is what the tests refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote as percent_encoded

import psycopg
from psycopg import RawCursor, sql

import app as gateway
import settings
from bench.database import ORG, seeded
from odata.messages import Request
from odata.pipeline import answer
from odata.service import Principal
from odata.sql.read_connection import load_undecoded
from odata.sql.run import Timings

TABLES = ("quote", "quote_line", "job")
GENERIC = "generic"
MOST_THROWN_AWAY = 40_000
SAMPLE = (
    "SELECT id::text AS key, opportunity_id, account_id, job_id::text, quote_number, split_part(name, ' ', 1), "
    "created_at FROM gateway.quote WHERE org_id = %s AND deleted_at IS NULL AND job_id IS NOT NULL "
    "AND quote_number IS NOT NULL AND account_id IS NOT NULL AND name ~ '^[A-Za-z]+ ' "
    "ORDER BY created_at DESC, id DESC OFFSET 4000 LIMIT 1"
)

REQUESTS = (
    ("record detail by key", "Quotes({id})"),
    ("record detail by filter", "Quotes?$top=2&$filter=Id eq {id}&$count=true"),
    ("list view, newest first", "Quotes?$top=51&$count=false&{columns}"),
    ("list view, filter and order", "Quotes?$filter=Status eq 'In Review'&$orderby=QuoteNumber&{columns}&$top=26"),
    ("list view with count", "Quotes?$filter=Status eq 'In Review'&{columns}&$count=true&$top=51"),
    ("list view, order by name", "Quotes?$orderby=Name&$top=51&{columns}"),
    ("keyset page 2 of it", "Quotes?$orderby=Name&{columns}&next"),
    ("keyset page 2, newest first", "Quotes?{columns}&next"),
    ("keyset page 2 by GrandTotal", "Quotes?$orderby=GrandTotal desc&{columns}&next"),
    ("status and time", "Quotes?$filter=Status eq 'Draft' and CreatedAt ge {moment}&$top=51&{columns}"),
    ("changed since", "Quotes?$filter=UpdatedAt ge {moment}&$orderby=UpdatedAt&$top=51&{columns}"),
    ("GrandTotal range", "Quotes?$filter=GrandTotal gt 900000.0 and GrandTotal le 1000000&$top=51&{columns}"),
    ("related list by opportunity", "Quotes?$top=6&$filter=OpportunityId eq '{opportunity}'&$count=true&{columns}"),
    ("related list by account", "Quotes?$top=6&$filter=AccountId eq '{account}'&$count=true&{columns}"),
    ("related list by job", "Quotes?$top=6&$filter=JobId eq {job}&$count=true&{columns}"),
    ("lines of a quote", "QuoteLines?$top=2001&$filter=QuoteId eq {id}&$count=true"),
    ("expanded lines", "Quotes?$top=25&$expand=Lines&{columns}"),
    ("expanded lines, by $it", "Quotes?$top=25&$expand=Lines($filter=TotalPrice gt $it/GrandTotal div 4)&{columns}"),
    ("expanded lines, by what is behind $it",
     "Quotes?$top=25&$expand=Lines("
     "$filter=$it/Job/QuoteCount gt LineNumber or $it/Lines/any(l:l/TotalPrice gt $it/Tax);"
     "$orderby=$it/GrandTotal sub TotalPrice)&{columns}"),
    ("two levels down, by $it",
     "Quotes?$top=5&$filter=JobId eq {job}&$expand=Job($expand=Quotes($top=5;$filter=GrandTotal lt $it/GrandTotal;"
     "$expand=Lines($filter=TotalPrice lt $it/GrandTotal)))&{columns}"),
    ("by an entity of $root", "QuoteLines?$top=5&$filter=QuoteId eq $root/Quotes({id})/Id&$orderby=LineNumber"),
    ("number look-up", "Quotes?$top=2&$filter=QuoteNumber eq '{number}'&$count=true&{columns}"),
    ("ids by or, as SOQL IN", "Quotes?$top=201&$filter=Id eq {id} or Id eq {job} or Id eq {id}&{columns}"),
    ("contains", "Quotes?$filter=contains(Name,'{word}') and Status eq 'Draft'&$top=51&$count=true&{columns}"),
    ("contains, rare", "Quotes?$top=51&$filter=contains(Name,'{tail}')&$orderby=Id&$count=true&{columns}"),
    ("indexof in list views", "Quotes?$filter=indexof(Name,'{tail}') ne -1&$orderby=Id&$count=true&$top=51&{columns}"),
    ("startswith", "Quotes?$top=51&$filter=startswith(Name,'{start}') eq true&$orderby=Id&{columns}"),
    ("two fields", "Quotes?$filter=contains(Name,'{tail}') or contains(AccountName,'{tail}')&$top=25&{columns}"),
    ("$search", "Quotes?$search={tail}&$top=25&$count=true&{columns}"),
    ("count of a status", "Quotes/$count?$filter=Status eq 'Accepted'"),
    ("jobs running", "Jobs?$filter=Status eq 'running'&$top=51&$count=true"),
    ("job by name", "Jobs?$filter=contains(Name,'J-000777')&$top=25"),
)  # fmt: skip
"""(what it is, the request before its values are put in); `next` asks for the page after the first."""
COLUMNS = "$select=Id,QuoteNumber,Name,Status,GrandTotal,CreatedAt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One plan of one request. form: "for these values" or "generic". scanned: tables read whole, by a scan or, in a
    plan for these values, by a walk along an index that filters most of the table away.
    """

    title: str
    url: str
    form: str
    scanned: tuple[str, ...]
    indexes: tuple[str, ...]
    milliseconds: float
    lines: tuple[str, ...]


class _Explaining:
    """A Fetch that keeps what it was asked to run."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.asked: list[tuple[str, list[Any], bool]] = []

    def fetch(
        self,
        sql: str,
        parameters: Sequence[str | list[Any] | None] = (),
        *,
        deadline_seconds: float = 25.0,
        prepare: bool | None = None,
        timings: Timings | None = None,
    ) -> tuple[Any, ...] | None:
        self.asked.append((sql, list(parameters), prepare is not False))
        return self.connection.execute(sql, parameters, prepare=False).fetchone()

    def measures(self) -> dict[str, int]:
        return {}


def explained(url: str) -> Iterator[Explained]:
    """Every request of REQUESTS with its plans, as the ordinary role of the URL."""
    loaded = settings.load({"DATABASE_URL": url, "GATEWAY_SECRET": "for plans only, nothing is signed with it" * 2})
    service = gateway.service(loaded)
    options = "-c default_transaction_read_only=on -c TimeZone=UTC"
    with psycopg.connect(url, autocommit=True, cursor_factory=RawCursor, options=options) as connection:
        connection.prepare_threshold = None
        load_undecoded(connection.adapters)
        service.database = explaining = _Explaining(connection)
        values = _values(connection)
        caller = Principal(identity="plans", org_id=ORG, profile="salesforce")
        for title, template in REQUESTS:
            written = template
            for name, value in values.items():
                written = written.replace("{" + name + "}", value)
            first = written.removesuffix("&next")
            explaining.asked.clear()
            body = b"".join(answer(service, _request(first), caller).body)
            if first != written:
                explaining.asked.clear()
                link = json.loads(body)["@odata.nextLink"].removeprefix(service.root)
                path, _, query = link.partition("?")
                answer(service, Request(path=path, query=query), caller)
            statement, parameters, prepared = explaining.asked[-1]
            yield _explain(connection, title, template, statement, parameters)
            if prepared:
                yield _explain_generic(connection, title, template, statement, parameters)


def _request(url: str) -> Request:
    path, _, query = url.partition("?")
    return Request(path=path, query=percent_encoded(query, safe="$=&(),'/:*"))


def _values(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Values of one quote of the org, so that every request finds something."""
    with psycopg.ClientCursor(connection) as cursor:
        row = cursor.execute(SAMPLE, (ORG,)).fetchone()
    assert row is not None
    texts = (value.decode() if isinstance(value, bytes) else value for value in row[:6])
    key, opportunity, account, job, number, word = texts
    moment = row[6].strftime("%Y-%m-%dT%H:%M:%SZ")
    tail = opportunity[9:15].lstrip("0")
    return {
        "id": key, "opportunity": opportunity, "account": account, "job": job, "number": number, "word": word,
        "start": word, "tail": tail, "moment": moment, "columns": COLUMNS,
    }  # fmt: skip


def _explain(
    connection: psycopg.Connection[Any], title: str, url: str, statement: str, parameters: list[Any]
) -> Explained:
    asked = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) {statement}"
    connection.execute(asked, parameters, prepare=False)
    row = connection.execute(asked, parameters, prepare=False).fetchone()
    return told(title, url, "for these values", row)


def _explain_generic(
    connection: psycopg.Connection[Any], title: str, url: str, statement: str, parameters: list[Any]
) -> Explained:
    """PREPARE and EXECUTE under force_generic_plan: what a statement that stays prepared may come to."""
    literals = sql.SQL(", ").join(sql.Literal(value) for value in parameters)
    connection.execute("SET plan_cache_mode = force_generic_plan")
    try:
        connection.execute(f"PREPARE explained AS {statement}")
        call = sql.SQL("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) EXECUTE explained")
        arguments = sql.SQL("({})").format(literals) if parameters else sql.SQL("")
        row = connection.execute((call + arguments).as_string(connection)).fetchone()
    finally:
        connection.execute("DEALLOCATE explained")
        connection.execute("RESET plan_cache_mode")
    return told(title, url, GENERIC, row)


def told(title: str, url: str, form: str, row: tuple[Any, ...] | None) -> Explained:
    """What a plan in JSON, ANALYZE on, says; parts that never ran count as not there."""
    assert row is not None
    plan = json.loads(row[0])[0]
    nodes = list(_nodes(plan["Plan"], 0))
    scanned = [node["Relation Name"] for _, node in nodes if _reads_all(node) or (form != GENERIC and _walks_all(node))]
    return Explained(
        title=title,
        url=url,
        form=form,
        scanned=tuple(scanned),
        indexes=tuple(dict.fromkeys(node["Index Name"] for _, node in nodes if "Index Name" in node)),
        milliseconds=plan["Execution Time"],
        lines=tuple(_line(depth, node) for depth, node in nodes),
    )


def _reads_all(node: dict[str, Any]) -> bool:
    return node["Node Type"] == "Seq Scan" and node["Relation Name"] in TABLES and node.get("Actual Loops", 1) > 0


def _walks_all(node: dict[str, Any]) -> bool:
    """An index used for its order only: far more rows are read and thrown away than any request should read."""
    return node.get("Relation Name") in TABLES and node.get("Rows Removed by Filter", 0) > MOST_THROWN_AWAY


def _nodes(node: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, node
    for child in node.get("Plans", ()):
        yield from _nodes(child, depth + 1)


def _line(depth: int, node: dict[str, Any]) -> str:
    text: str = "  " * depth + node["Node Type"]
    if "Index Name" in node:
        text += f" using {node['Index Name']}"
    if "Relation Name" in node:
        text += f" on {node['Relation Name']}"
    if node.get("Rows Removed by Filter"):
        text += f" (thrown away: {node['Rows Removed by Filter']:,})"
    if node.get("Actual Loops") == 0:
        return text + " (never)"
    return text + f" (rows={node.get('Actual Rows', 0):g}, loops={node.get('Actual Loops', 1)})"


def report(quotes: int) -> int:
    """The plans as Markdown, for docs/performance.md; 1 when one scans a table."""
    with seeded(quotes) as url:
        found = list(explained(url))
    print(f"## Plans of the most typical requests, {quotes:,} quotes\n")
    print("| request | plan | indexes | ms at the database |\n|---|---|---|---:|")
    for plan in found:
        print(f"| {plan.title} | {plan.form} | {', '.join(plan.indexes) or '-'} | {plan.milliseconds:.2f} |")
    print()
    for plan in found:
        print(f"### {plan.title}, {plan.form}\n\n`{plan.url}`\n\n```text\n" + "\n".join(plan.lines) + "\n```\n")
    scanned = [plan for plan in found if plan.scanned]
    for plan in scanned:
        print(f"**{plan.title} ({plan.form}) scans {', '.join(plan.scanned)}**")
    return 1 if scanned else 0
