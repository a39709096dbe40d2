"""The org's REST API below /services/data: which path and method mean what. All but the version list needs a token."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from simulator import describe, graph, query, sobjects
from simulator.calls import Answer, Call, refusal
from simulator.errors import SalesforceError, invalid_session, not_found
from simulator.session import Session
from simulator.world import World

Handler = Callable[[World, Session, Call, re.Match[str], str], Answer]
OLDEST: Final = 50
NEWEST: Final = 64
LONGEST_URI: Final = 16_384


def answer(world: World, call: Call) -> Answer:
    """The answer to a call below /services/data."""
    if call.path in ("/services/data", "/services/data/"):
        return Answer(body=[_version(number) for number in range(OLDEST, NEWEST + 1)])
    try:
        return _answer(world, call)
    except SalesforceError as error:
        return refusal(error)


def _version(number: int) -> dict[str, str]:
    return {"label": f"Version {number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}


def _answer(world: World, call: Call) -> Answer:
    if len(call.raw_path) + len(call.query_text) + 1 > LONGEST_URI:
        return Answer(status=414, body="<html><body><h1>URI Too Long</h1></body></html>", type="text/html")
    if call.org is None or call.user is None:
        raise invalid_session()
    match = re.match(r"(/services/data/v(\d+)\.0)(/.*|$)", call.raw_path)
    if match is None or not OLDEST <= int(match[2]) <= NEWEST:
        raise not_found()
    world.spend(call.org)
    session = world.session(call.org, call.user)
    for method, pattern, handler in ROUTES:
        found = pattern.fullmatch(match[3])
        if found is not None and method == call.method:
            return handler(world, session, call, found, match[1])
    allowed = [method for method, pattern, _ in ROUTES if pattern.fullmatch(match[3])]
    if allowed:
        message = f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(allowed)}"
        raise SalesforceError(405, "METHOD_NOT_ALLOWED", message)
    raise not_found()


def refused(call: Call, code: str) -> Answer:
    """The org refuses a call for a reason on order, as UNABLE_TO_LOCK_ROW; in a graph that is a node's error."""
    error = SalesforceError(400, code, f"{code.replace('_', ' ').lower()}, on order", [])
    try:
        is_graph = re.fullmatch(r"/services/data/v[0-9]+\.0/composite/graph/?", call.raw_path) is not None
        return Answer(body=graph.refused(call.json(), error)) if is_graph else refusal(error)
    except SalesforceError as problem:
        return refusal(problem)


def is_query(call: Call) -> bool:
    """Whether a call counts among the queries that a user has under way."""
    return call.method == "GET" and re.match(r"/services/data/v\d+\.0/query(All)?(/|$)", call.raw_path) is not None


def too_many_queries(limit: int) -> SalesforceError:
    """Salesforce's words to the eleventh; status and code for REST are not documented, these are the simulator's."""
    message = f"The current user has exceeded the maximum number of concurrent queries allowed by the server ({limit})."
    return SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", message)


def _query(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    text = call.query.get("q")
    if text is None:
        raise SalesforceError(400, "MALFORMED_QUERY", "A query string has to be specified")
    deleted = match[0].startswith("/queryAll")
    return Answer(body=query.run(session, text, base=base, pages=world.pages, deleted=deleted))


def _next_page(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    return Answer(body=world.pages.next(match[1], base=base))


def _graph(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    return Answer(body=graph.run(session, call.json(), base=base))


def _objects(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    found = []
    for sobject in session.catalog.values():
        may = session.may_write(sobject.name)
        found.append(describe.summary(sobject, base=base, createable=may, deletable=may))
    return Answer(body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found})


def _describe(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    may = session.may_write(sobject.name)
    return Answer(body=describe.describe(sobject, base=base, createable=may, deletable=may))


def _create(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    with session.store.transaction():
        record_id = sobjects.create(session, sobject, _fields(call))
    errors: list[dict[str, Any]] = []
    if sobject.is_event:
        errors = [{"statusCode": "OPERATION_ENQUEUED", "message": record_id, "fields": []}]
    headers = {"Location": f"{base}/sobjects/{sobject.name}/{record_id}"}
    return Answer(status=201, body={"id": record_id, "success": True, "errors": errors}, headers=headers)


def _read(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    row = sobjects.find(session, sobject, match[2])
    names = [name.strip() for name in call.query.get("fields", "").split(",") if name.strip()]
    return Answer(body=sobjects.read(session, sobject, row, names, base=base))


def _update(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    with session.store.transaction():
        sobjects.update(session, sobject, sobjects.find(session, sobject, match[2]), _fields(call))
    return Answer(status=204)


def _delete(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    with session.store.transaction():
        sobjects.delete(session, sobject, sobjects.find(session, sobject, match[2]))
    return Answer(status=204)


def _read_by_key(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    row = sobjects.find_by_key(session, sobject, match[2], unquote(match[3]))
    if row is None or not session.sees(sobject.name, row):
        raise not_found()
    names = [name.strip() for name in call.query.get("fields", "").split(",") if name.strip()]
    return Answer(body=sobjects.read(session, sobject, row, names, base=base))


def _upsert(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    sobject = sobjects.sobject_named(session, match[1])
    with session.store.transaction():
        record_id, created = sobjects.upsert(session, sobject, match[2], unquote(match[3]), _fields(call))
    headers = {"Location": f"{base}/sobjects/{sobject.name}/{record_id}"} if created else {}
    body = {"id": record_id, "success": True, "errors": [], "created": created}
    return Answer(status=201 if created else 200, body=body, headers=headers)


def _limits(world: World, session: Session, call: Call, match: re.Match[str], base: str) -> Answer:
    left = world.settings.request_limit
    most = 15_000 if left is None else left
    return Answer(body={"DailyApiRequests": {"Max": 15_000, "Remaining": most}})


def _fields(call: Call) -> dict[str, Any]:
    fields = call.json()
    if not isinstance(fields, dict):
        raise SalesforceError(
            400, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body."
        )
    return fields


_TYPE: Final = r"/sobjects/(\w+)"
_ID: Final = rf"{_TYPE}/([A-Za-z0-9]{{15,18}})"
_KEY: Final = rf"{_TYPE}/(\w+)/([^/]+)"
ROUTES: Final[tuple[tuple[str, re.Pattern[str], Handler], ...]] = tuple(
    (method, re.compile(pattern), handler)
    for method, pattern, handler in (
        ("GET", r"/query(?:All)?/?", _query),
        ("GET", r"/query/(\w+-\d+)", _next_page),
        ("POST", r"/composite/graph/?", _graph),
        ("GET", r"/sobjects/?", _objects),
        ("GET", rf"{_TYPE}/describe/?", _describe),
        ("POST", rf"{_TYPE}/?", _create),
        ("GET", _ID, _read),
        ("PATCH", _ID, _update),
        ("DELETE", _ID, _delete),
        ("GET", _KEY, _read_by_key),
        ("PATCH", _KEY, _upsert),
        ("GET", r"/limits/?", _limits),
    )
)
"""Method, path after the version, handler."""
