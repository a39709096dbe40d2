"""The floor: what Flask and PostgreSQL can do at most, in three forms, each under the worker class of the gateway.

/floor/w1?...   a Flask view with the gateway's own credential look-up, org and log line
/bare/w1?...    the same view without those
/raw/w1?...     the same statement without Flask, a WSGI function of ten lines
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import psycopg
from flask import Flask, request
from flask import Response as FlaskResponse
from psycopg import RawCursor

import app as gateway
import settings
from bench.database import ORG
from bench.statements import STATEMENTS, UNPREPARED
from models.database import libpq_url
from odata.messages import Request, Response
from odata.pipeline import Trace
from odata.service import Principal
from odata.sql.read_connection import load_undecoded

_own = threading.local()


def fetch(url: str, workload: str, arguments: list[str]) -> bytes:
    """The answer of a workload, over a connection that this thread keeps."""
    if not hasattr(_own, "connection"):
        options = "-c default_transaction_read_only=on -c TimeZone=UTC"
        _own.connection = psycopg.connect(url, autocommit=True, options=options, cursor_factory=RawCursor)
        _own.connection.prepare_threshold = 1
        load_undecoded(_own.connection.adapters)
    row = _own.connection.execute(STATEMENTS[workload], arguments, prepare=_prepare(workload)).fetchone()
    body: bytes = row[0]
    return body


def _prepare(workload: str) -> bool | None:
    return False if workload in UNPREPARED else None


def create_app() -> Callable[..., Iterable[bytes]]:
    """The three forms side by side in one process."""
    loaded = settings.load(need=("DATABASE_URL", "GATEWAY_SECRET"))
    url = libpq_url(loaded.database_url)
    with_flask = _flask(url, gateway.http(loaded))

    def raw(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/raw/"):
            return with_flask(environ, start_response)
        values = [value for _, value in parse_qsl(environ["QUERY_STRING"])]
        body = fetch(url, environ["PATH_INFO"][5:], [ORG, *values])
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return (body,)

    return raw


def _flask(url: str, http: Any) -> Flask:
    app = Flask("floor")
    constant = http.service.face(Principal(identity="floor", org_id=ORG, profile="salesforce")).documents["4.0"][0]

    @app.get("/healthcheck")
    def healthcheck() -> str:
        return "ok"

    @app.get("/bare/w9")
    def metadata() -> FlaskResponse:
        return FlaskResponse(constant, content_type="application/xml")

    @app.get("/bare/<workload>")
    def bare(workload: str) -> FlaskResponse:
        return FlaskResponse(fetch(url, workload, [ORG, *request.args.values()]), content_type="application/json")

    @app.get("/floor/<workload>")
    def floor(workload: str) -> FlaskResponse:
        started = perf_counter()
        trace = Trace()
        headers = {name.lower(): value for name, value in request.headers}
        principal = http.verify(headers, request.remote_addr or "")
        body = fetch(url, workload, [principal.org_id, *request.args.values()])
        trace.stages["total"] = (perf_counter() - started) * 1000
        asked = Request(path=workload, query=request.query_string.decode())
        http.report(asked, principal, Response(status=200), trace, str(uuid4()))
        return FlaskResponse(body, content_type="application/json")

    return app
