"""The gateway as it runs: gunicorn over a database of its own, the simulated org and add-on, the mesh in between."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from sqlalchemy import Engine, func, select, text
from sqlalchemy import table as named

from applink import openapi
from local import web
from local.web import Web
from models import database
from simulator.caller import Apex, Reply
from simulator.org_client import OrgClient
from simulator.running import Simulator, free_port, running

CONTRACT = openapi.document()
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
"""A key that no row has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything at once. apex: calls through the mesh, or directly what the mesh would leave.

    variables: settings of the gateway, for a worker beside it.
    """

    gateway: Web
    simulator: Simulator
    apex: Apex
    engine: Engine
    variables: Mapping[str, str]

    def ask(self, operation: str, body: Any = None, **how: Any) -> Reply:
        """One call, whose answer must be one that the contract declares."""
        return declared(self.apex.invoke(operation, body or {}, **how))

    def count(self, table: str, where: str = "true", **values: Any) -> int:
        with self.engine.connect() as connection:
            found: int = connection.execute(
                select(func.count()).select_from(named(table, schema="gateway")).where(text(where)), values
            ).scalar_one()
        return found

    def lines(self) -> list[dict[str, Any]]:
        """What the gateway has logged of operations so far."""
        said = self.gateway.log.read_text(encoding="utf-8").splitlines()
        return [line for line in map(_json, said) if line is not None and "operation" in line]


def _json(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def declared(reply: Reply) -> Reply:
    """The same, if status and body are as the contract says. Every answer names its request and is not kept."""
    answers = CONTRACT["paths"][f"/applink/{reply.invocation.operation}"]["post"]["responses"]
    assert str(reply.status) in answers, (reply.status, reply.answer.body)
    schema = answers[str(reply.status)]["content"]["application/json"]["schema"]
    whole = {**schema, "components": CONTRACT["components"]}
    OAS30Validator(whole).validate(reply.body)
    assert reply.answer.header("content-type") == "application/json"
    assert reply.answer.header("cache-control") == "no-store"
    if reply.status >= 400:
        assert reply.body["requestId"] == reply.answer.header("x-request-id")
    return reply


@contextlib.contextmanager
def serving(
    database_url: str, folder: Path, *, port: int | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Place]:
    """A place for the time of the block. port: of the org; variables: further settings of the gateway."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "HEROKU_APPLINK_API_URL": f"{url}/addons/a1",
        "HEROKU_APPLINK_TOKEN": "addon-secret",
        "HEROKU_APP_ID": "app-1",
        "APPLINK_TEST_DOMAINS": f"{url},http://localhost:{port}",
        **(variables or {}),
    }
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(web.serving(database_url, folder / "log", variables=settings))
        simulator = stack.enter_context(running(port=port, mesh_target=gateway.url, opportunities=600))
        engine = database.engine(database_url)
        stack.callback(engine.dispose)
        org = OrgClient(simulator.url)
        apex = Apex(org=org, gateway=gateway.url, mesh=simulator.mesh_url, seconds=60)
        own = {**settings, "DATABASE_URL": database_url}
        yield Place(gateway=gateway, simulator=simulator, apex=apex, engine=engine, variables=own)


@contextlib.contextmanager
def working(place: Place, log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process, as the Procfile starts it, for the time of the block."""
    environ = {**web.clean_environment(), **place.variables, **variables}
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "import cli; cli.main()", "worker"],
            cwd=web.PROJECT, env=environ, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def quotes_of(place: Place, opportunity: str) -> list[dict[str, Any]]:
    """In the org."""
    return place.simulator.records("Quote", f"OpportunityId = '{opportunity}'")


def rows_of(place: Place, opportunity: str) -> int:
    return place.count("quote", "opportunity_id = :id AND deleted_at IS NULL", id=opportunity)


def ordinary(place: Place, count: int = 1) -> list[str]:
    """Opportunities that ann sees and of which there is no quote yet here."""
    found = place.simulator.opportunities(200, user="ann")
    fresh = [one for one in found if rows_of(place, one) == 0]
    return fresh[:count]


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.body["code"]
