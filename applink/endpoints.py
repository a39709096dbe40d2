"""The operations over HTTP: one route for each of OPERATIONS, flat errors, the contract beside them.

matched endpoint -> body -> who calls -> key of the request -> operation -> answer. What a request brings stays in local
variables: no context outlives it. Every answer is JSON, never a redirect, and leaves one line in the log.
Knows HTTP and nothing of orgs and quotes; the only file of this package that knows Flask.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from threading import BoundedSemaphore
from typing import Any, Final
from uuid import uuid4

from flask import Blueprint, Response, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from werkzeug.routing import BaseConverter

from applink import body, openapi, openapi_page, schema
from applink.context import Caller
from applink.errors import PREFIX, InvalidRequest, NotAuthenticated, NotFound, OperationError, Unavailable, flat
from applink.operation import Call, Desk, Operation
from applink.operations import OPERATIONS

PUBLIC_PREFIX: Final = "/openapi"
"""The contract again, for people: the service mesh lets nobody without Salesforce's headers pass to PREFIX."""
PATIENCE_SECONDS: Final = 1.0
"""How long a request waits for others to end. It holds a thread meanwhile."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
BRIEF_OUTAGES: Final = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE that say nothing about the request: connection, read-only, lock, resources, shutdown."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:+/=-]{1,120}")
_KEY: Final = re.compile(r"[ -~]{1,120}")
log = logging.getLogger(__name__)

Report = Callable[[Mapping[str, Any]], None]
"""Writes one line of the log."""


class MethodNotAllowed(OperationError):
    """An operation is called by POST."""

    status = 405


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the routes need. prove(headers, deadline): the caller, or an error of NotAuthenticated and its kin.

    desk: None where nothing is set up. challenge: of WWW-Authenticate, "" where there is none. extra_headers: of every
    answer, from the headers of the request. places: as many operations as a process works on at a time; who finds none
    within a moment comes again, so that an org that hangs leaves threads to those who read.
    """

    desk: Desk | None
    prove: Callable[[Mapping[str, str], float], Caller]
    report: Report
    body_bytes: int = 256_000
    deadline_seconds: float = 25.0
    places: BoundedSemaphore
    challenge: str = ""
    extra_headers: Callable[[Mapping[str, str]], tuple[tuple[str, str], ...]] = lambda headers: ()


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request while it is served: what the log says of it at the end."""

    operation: str | None
    headers: dict[str, str]
    request_id: str
    started: float = field(default_factory=time.monotonic)
    caller: Caller | None = None
    error: str | None = None
    job: str | None = None


class AnyRest(BaseConverter):
    """Whatever stands in a path from here on, slashes included."""

    regex = ".*?"
    part_isolating = False


def blueprint(gate: Gate) -> Blueprint:
    """The routes. The map of the application needs the converter `any_rest` (AnyRest)."""
    made = Blueprint("applink", __name__)
    for one in OPERATIONS:
        made.add_url_rule(
            f"{PREFIX}/{one.name}", one.name, partial(_serve, gate, one), methods=["POST"],
            provide_automatic_options=False,
        )  # fmt: skip
    made.add_url_rule(f"{PREFIX}/openapi.yaml", "contract", _contract)
    for name, path in (("nothing", PREFIX), ("nothing_below", f"{PREFIX}/<any_rest:rest>")):
        made.add_url_rule(path, name, partial(_nothing, gate), methods=METHODS, provide_automatic_options=False)
    made.add_url_rule(PUBLIC_PREFIX, "page_short", _page)
    made.add_url_rule(f"{PUBLIC_PREFIX}/", "page", _page)
    made.add_url_rule(f"{PUBLIC_PREFIX}/applink.yaml", "public_contract", _contract)
    return made


def _serve(gate: Gate, operation: Operation) -> Response:
    exchange = _begun(operation.name)
    try:
        status, answer = operation.status, _answered(gate, operation, exchange)
        exchange.job = answer.get("jobId")
        headers: dict[str, str] = {}
    except Exception as problem:
        error = _as_error(problem, exchange.request_id)
        status, answer, headers = _problem(gate, error, exchange)
    return _ended(gate, exchange, status, answer, headers)


def _begun(operation: str | None) -> _Exchange:
    headers = {name.lower(): value for name, value in request.headers.items()}
    given = headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
    return _Exchange(operation=operation, headers=headers | {"x-request-id": request_id}, request_id=request_id)


def _answered(gate: Gate, operation: Operation, exchange: _Exchange) -> dict[str, Any]:
    deadline = exchange.started + gate.deadline_seconds
    raw = body.read(_Body(), exchange.headers, gate.body_bytes)
    asked: Any = schema.read(operation.request, body.parse(raw))
    if gate.desk is None:
        raise Unavailable(
            "Operations are not set up here: neither the AppLink add-on (HEROKU_APPLINK_API_URL) nor SF_AUTH=jwt.",
            code="NotSetUp",
        )
    with _place(gate):
        caller = exchange.caller = gate.prove(exchange.headers, deadline)
        call = Call(
            key=request_key(asked, exchange.headers, caller),
            request_hash=request_hash(operation, asked, caller),
            request_id=caller.request_id,
            deadline=deadline,
        )
        return schema.write(operation.response, operation.run(gate.desk, caller, asked, call))


@contextlib.contextmanager
def _place(gate: Gate) -> Iterator[None]:
    if not gate.places.acquire(timeout=PATIENCE_SECONDS):
        raise Unavailable("Too many operations are under way; nothing was done.", retry_after_seconds=2)
    try:
        yield
    finally:
        gate.places.release()


class _Body:
    """The body on its way in; whatever the server raises while it reads is the client's doing."""

    def read(self, size: int = -1, /) -> bytes:
        try:
            return request.stream.read(size)
        except Exception as problem:
            log.warning("a body could not be read: %s", type(problem).__name__)
            raise InvalidRequest("The body ended early, or its chunks cannot be read.") from None


def request_key(asked: Any, headers: Mapping[str, str], caller: Caller) -> str:
    """What makes a repeat the same request: requestKey, Idempotency-Key, the callback's address, Salesforce's id.

    Raises: InvalidRequest for a header that can be no key.
    """
    own = getattr(asked, "request_key", None)
    if own is not None:
        return str(own)
    given = headers.get("idempotency-key")
    if given is not None:
        if not _KEY.fullmatch(given):
            raise InvalidRequest("Idempotency-Key needs 1 to 120 printable characters of ASCII.")
        return given
    callback = getattr(asked, "callback_url", None)
    if callback is not None:  # a new one for each invocation of Apex; it is not kept as a key, since it is a secret
        return "callback-" + hashlib.sha256(callback.encode()).hexdigest()
    return caller.request_id


def request_hash(operation: Operation, asked: Any, caller: Caller) -> str:
    """What is asked, and by whom: the same key with another one is refused. A new callback does not count."""
    members = asdict(asked)
    for name in ("request_key", "callback_url"):
        members.pop(name, None)
    said = json.dumps([operation.name, caller.user_id or caller.username, members], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def _as_error(problem: Exception, request_id: str) -> OperationError:
    if isinstance(problem, OperationError):
        return problem
    state = str(getattr(getattr(problem, "orig", None), "sqlstate", None) or "08")
    if isinstance(problem, NoConnection) or (isinstance(problem, DBAPIError) and state[:2] in BRIEF_OUTAGES):
        log.warning("request_id=%s database=away state=%s", request_id, state)
        return Unavailable("The database cannot serve this now; nothing was done in the org.", retry_after_seconds=2)
    log.error("request_id=%s failed=yes", request_id, exc_info=problem)
    return OperationError("The gateway has a defect here.", code="InternalError")


def _problem(gate: Gate, error: OperationError, exchange: _Exchange) -> tuple[int, dict[str, Any], dict[str, str]]:
    exchange.error = error.code
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, NotAuthenticated) and gate.challenge:
        headers["WWW-Authenticate"] = gate.challenge
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "POST"
    return error.status, flat(error.code, error.message, exchange.request_id), headers


def _ended(
    gate: Gate, exchange: _Exchange, status: int, answer: Mapping[str, Any], headers: Mapping[str, str]
) -> Response:
    sent = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    gate.report(_line(exchange, status, len(sent)))
    response = Response(sent, status=status, content_type="application/json")
    always = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": exchange.request_id,
    }
    response.headers.extend({**always, **headers})
    response.headers.extend(gate.extra_headers(exchange.headers))
    return response


def _line(exchange: _Exchange, status: int, size: int) -> dict[str, Any]:
    """What the log says: who asked for what, and how it went; nothing that was in a header or body but ids."""
    caller = exchange.caller
    return {
        "request_id": exchange.request_id,
        "salesforce_request_id": caller.request_id if caller else None,
        "method": request.method,
        "status": status,
        "org": caller.org_id if caller else None,
        "who": caller.username if caller else None,
        "operation": exchange.operation,
        "error": exchange.error,
        "job": exchange.job,
        "bytes": size,
        "ms": {"total": round((time.monotonic() - exchange.started) * 1000, 3)},
    }


def _nothing(gate: Gate, rest: str = "") -> Response:
    """Every path below the prefix that is no operation, and every method that an operation does not take."""
    exchange = _begun(None)
    names = [one.name for one in OPERATIONS]
    error: OperationError = NotFound(f"There is no such operation; there are {', '.join(names)}.", code="NoOperation")
    if rest in names:
        exchange.operation = rest
        error = MethodNotAllowed(f"{rest} is called by POST.")
    return _ended(gate, exchange, *_problem(gate, error, exchange))


def _contract() -> Response:
    return _document(openapi.text(), "application/yaml")


def _page() -> Response:
    return _document(openapi_page.page(openapi.document()), "text/html")


def _document(text: str, media_type: str) -> Response:
    return Response(text, content_type=f"{media_type}; charset=utf-8", headers={"Cache-Control": "no-store"})
