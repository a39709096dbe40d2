"""Cases of tests/cases/*.toml and the truth they are compared with: SQL over views that hold one org's live rows only.

on       things, recorded or gateway: the service that is asked
url      below the service root; status: 200 unless said
truth    SQL whose column names are property names: the rows of the answer, in order
         what $select leaves out may not be shown, whatever the case names
text     the body as it is; json: a part of the body; absent: members that it has not; error: words of the message
sql      fragments of the one statement that ran
"""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from tests.conformance.serving import LEAKS, Client, Reply

FOLDER = Path(__file__).parents[1] / "cases"
VIEWS: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "things": ("everything", "tenant", {"thing": "gone_at IS NULL"}),
    "recorded": ("session", None, {}),
    "gateway": ("gateway", "org_id", dict.fromkeys(("quote", "quote_line", "job", "job_item"), "deleted_at IS NULL")),
}


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file."""
    entries: list[dict[str, Any]] = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["case"]
    return entries


def title(case: dict[str, Any]) -> str:
    return f"{case['name']}: {case.get('url') or case.get('path')}"[:120]


def rows(database_url: str, service: str, org: str, statement: str) -> list[dict[str, Any]]:
    """What the statement says of one org's live rows, as JSON gives it."""
    schema, org_column, conditions = VIEWS[service]
    with psycopg.connect(database_url, options="-c timezone=UTC") as connection:
        found = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,)
        ).fetchall()
        columns = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = %s AND column_name = %s",
            (schema, org_column),
        ).fetchall()
        for (table,) in found:
            where: list[Composable] = [SQL(conditions.get(table, "true"))]
            if org_column is not None and (table,) in columns:
                where.append(SQL("{} = {}").format(Identifier(org_column), Literal(org)))
            view = SQL("CREATE TEMP VIEW {} AS SELECT * FROM {} WHERE {}")
            connection.execute(view.format(Identifier(table), Identifier(schema, table), SQL(" AND ").join(where)))
        stating = SQL("SELECT json_agg(t)::text FROM ({}) AS t").format(SQL(statement))
        answer = connection.execute(stating).fetchone()
        connection.rollback()
    assert answer is not None
    stated: list[dict[str, Any]] = json.loads(answer[0] or "[]", parse_float=Decimal)
    return stated


def ask(client: Client, case: dict[str, Any]) -> Reply:
    headers = {name.replace("-", "_"): value for name, value in case.get("headers", {}).items()}
    if "query" in case:
        return client.query(case["path"], case["query"], **headers)
    return client.send(case.get("method", "GET"), case["url"], headers=headers)


def check(client: Client, service: str, case: dict[str, Any]) -> Reply:
    """Ask and compare with everything the case says."""
    reply = ask(client, case)
    assert reply.status == case.get("status", 200), (reply.status, reply.text[:500])
    assert reply.headers["odata-version"] in ("4.0", "4.01")
    statements = list(client.statements)
    assert len(statements) <= 1, "one select a request"
    for fragment in case.get("sql", ()):
        assert fragment in " ".join(statements[0][0].split()), statements[0][0]
    if "truth" in case:
        expected = rows(client.settings.database_url, service, client.principal.org_id, case["truth"])
        found = reply.json.get("value", [reply.json])
        assert [pick(row, expected) for row in found] == expected
    if "text" in case:
        assert reply.text == case["text"]
    if "json" in case:
        assert_part(json.loads(case["json"], parse_float=Decimal), reply.json)
    assert not [name for name in case.get("absent", ()) if name in reply.json]
    if reply.status >= 400:
        check_error(reply, case)
    elif reply.body[:1] == b"{":
        check_selected(client, case, reply.json)
    return reply


def check_selected(client: Client, case: dict[str, Any], document: Any) -> None:
    """No property is shown that the client did not select, whether the case names it or not."""
    options = parse_qsl(case.get("query") or case["url"].partition("?")[2])
    chosen = [value for name, value in options if name.lower().removeprefix("$") == "select"]
    selected = {item.rpartition("/")[2] for value in chosen for item in value.split(",")}
    if chosen and "*" not in selected:
        known = {item.name for one in client.service.exposure.sets for item in one.properties}
        shown = {name for row in document.get("value", [document]) for name in row}
        assert shown & known <= selected


def pick(row: dict[str, Any], expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: row.get(name) for name in expected[0]} if expected else row


def check_error(reply: Reply, case: dict[str, Any]) -> None:
    """An error object, without a word of SQL or of a traceback, and with the words the case asks for."""
    error = reply.error
    assert error["code"] and error["message"]
    message = error["message"]
    assert not any(word in message for word in LEAKS), message
    for words in case.get("error", ()):
        assert words in message, message


def assert_part(expected: Any, found: Any) -> None:
    """Every member that is expected is there, with its value; lists have the same length."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), found
        for name, value in expected.items():
            assert name in found, (name, found)
            assert_part(value, found[name])
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), (expected, found)
        for one, other in zip(expected, found, strict=True):
            assert_part(one, other)
    else:
        assert found == expected, (found, expected)
