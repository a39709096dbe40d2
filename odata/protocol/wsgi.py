"""The service over HTTP, a WSGI application in front of Flask: environment -> Request, Response -> answer.

Knows HTTP and nothing of OData's URLs. Why not a Flask view: docs/decisions/wsgi.md.
Standard: Protocol, "Header Fields" and "Common Response Status Codes"; PEP 3333.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from time import perf_counter
from typing import Any, TypeAlias
from urllib.parse import unquote
from uuid import uuid4

from werkzeug.wsgi import get_input_stream

from odata.errors import BadRequest, InternalError, InvalidHeader, MethodNotAllowed, ODataError
from odata.messages import Request, Response
from odata.payload.errors import error_body
from odata.pipeline import Trace, answer
from odata.protocol.bodies import BodyLimits, encoded, inflated
from odata.protocol.capture import Exchange
from odata.protocol.negotiate import VARY, error_format, preferences, query_body
from odata.protocol.rate import RequestRate
from odata.service import Principal, Service, Verify

PREFIX = "/odata/v4"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
OVERRIDES = {"PATCH": "PATCH", "MERGE": "PATCH", "PUT": "PUT", "DELETE": "DELETE"}
ALLOW = "GET, HEAD, OPTIONS"
ALLOW_POSTED = "POST, OPTIONS"
CORS_METHODS = "GET, HEAD, POST, OPTIONS"
LONGEST_TARGET = 200
ALWAYS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
VARY_ALWAYS = VARY + ", Accept-Encoding"
CORS_REQUEST_HEADERS = (
    "Authorization, Content-Type, OData-Version, OData-MaxVersion, Prefer, If-None-Match, Content-Encoding"
)

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

Environ: TypeAlias = dict[str, Any]
WsgiApp: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """What the views need beside the Service. source: the caller's address from headers and peer.

    query_bodies: limits of what POST .../$query brings. extra_headers: of every answer, from the request's headers.
    report: writes the log line. cors_origins: who may read from a browser. rate: how often a credential may ask.
    """

    service: Service
    verify: Verify
    source: Callable[[Mapping[str, str], str], str]
    extra_headers: Callable[[Mapping[str, str]], tuple[tuple[str, str], ...]]
    report: Callable[[Request, Principal | None, Response, Trace, str], None]
    query_bodies: BodyLimits
    cors_origins: tuple[str, ...] = ()
    timings: bool = False
    rate: RequestRate = field(default_factory=lambda: RequestRate(0))
    capture: Callable[[Exchange], None] | None = None


def in_front_of(other: WsgiApp, http: Http) -> WsgiApp:
    """The service at its prefix; every other path, and one that something in front has moved, goes to `other`."""

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        ours = path.startswith(PREFIX) and path[len(PREFIX) : len(PREFIX) + 1] in ("", "/")
        if not ours or environ.get("SCRIPT_NAME"):
            return other(environ, start_response)
        return _serve(http, environ, start_response)

    return application


def _serve(http: Http, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    started = perf_counter()
    trace, request_id = Trace(), str(uuid4())
    headers = _headers(environ)
    asked, principal = Request(method=environ["REQUEST_METHOD"], headers=headers), None
    try:
        asked = _request(environ, headers)
        if asked.method == "OPTIONS":
            reply = Response(status=204, headers=(("Allow", _allowed(asked.path)), ("OData-Version", "4.0")))
        else:
            with trace.stage("auth"):
                principal = http.verify(headers, http.source(headers, environ.get("REMOTE_ADDR", "")))
            http.rate.take(principal.identity)
            asked = _with_body(asked, environ, http)
            reply = _answered(http, asked, principal, trace)
    except ODataError as problem:
        reply = _refused(problem, asked, request_id)
    except Exception:
        log.exception("request_id=%s failed=yes", request_id)
        reply = _refused(InternalError("The service has a defect here."), asked, request_id)
    trace.stages["total"] = (perf_counter() - started) * 1000
    answered, chunks = _sent(http, asked, reply, trace, request_id)
    http.report(asked, principal, reply, trace, request_id)
    if http.capture is not None:
        http.capture(_exchange(environ, reply, answered, trace, request_id))
    start_response(_STATUS_LINES[reply.status], answered)
    return () if environ["REQUEST_METHOD"] == "HEAD" else chunks


def _headers(environ: Environ) -> dict[str, str]:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name, key in (("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH")):
        if environ.get(key):
            headers[name] = environ[key]
    return headers


def _request(environ: Environ, headers: dict[str, str]) -> Request:
    """The request with its raw target and the method that a tunnel names.

    Raises: InvalidHeader (400) for a tunnelled method that is none; only POST can be a tunnel. MethodNotAllowed.
    """
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    method = environ["REQUEST_METHOD"]
    if method not in METHODS:
        raise MethodNotAllowed("No method of that name applies here.", allow=tuple(ALLOW.split(", ")))
    override = headers.get("x-http-method") or headers.get("x-http-method-override")
    if method == "POST" and override is not None:
        if override.strip().upper() not in OVERRIDES:
            raise InvalidHeader(
                f"X-HTTP-METHOD '{override[:20]}' is none of PATCH, MERGE, PUT, DELETE.", target="X-HTTP-METHOD"
            )
        method = OVERRIDES[override.strip().upper()]
    return Request(
        method=method, path=path.lstrip("/").removeprefix(PREFIX.lstrip("/")).lstrip("/"), query=query, headers=headers
    )


def _with_body(asked: Request, environ: Environ, http: Http) -> Request:
    """POST .../$query carries its options in the body; they go behind those of the URL. No other body is read."""
    if asked.method != "POST" or _last_segment(asked.path) != "$query":
        return asked
    form = query_body(asked.headers) == "application/x-www-form-urlencoded"
    try:
        text = inflated(_Body(environ), asked.headers, http.query_bodies).decode("utf-8", "strict").strip()
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    if form:
        text = text.replace("+", "%20")
    return replace(asked, query=f"{asked.query}&{text}" if asked.query else text)


def _last_segment(path: str) -> str:
    return unquote(path.rstrip("/").rpartition("/")[2])


class _Body:
    """The body on its way in; whatever the server raises while it reads is the client's doing."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def read(self, size: int = -1, /) -> bytes:
        try:
            return get_input_stream(self._environ).read(size)
        except Exception as problem:
            log.warning("a body could not be read: %s", type(problem).__name__)
            raise BadRequest("The body ended early, or its chunks cannot be read.") from None


def _answered(http: Http, asked: Request, principal: Principal, trace: Trace) -> Response:
    preferred, applied = preferences(asked.headers, page_rows=http.service.limits.max_page_size)
    reply = answer(http.service, asked, principal, preferred_rows=preferred.max_page_size, trace=trace)
    if applied and trace.facts.get("paged"):
        return replace(reply, headers=(*reply.headers, ("Preference-Applied", applied)))
    return reply


def _allowed(path: str) -> str:
    """Methods of a resource: all are read, but for those that take their query from a body."""
    return ALLOW_POSTED if _last_segment(path) in ("$query", "$batch") else ALLOW


def _refused(problem: ODataError, asked: Request, request_id: str) -> Response:
    """An error object; what names no option or header is about the resource."""
    format = error_format(asked.headers)
    if problem.target is None:
        problem.target = asked.path[:LONGEST_TARGET] or "/"
    return Response(
        status=problem.status,
        headers=(
            ("OData-Version", format.version),
            ("Content-Type", "application/json"),
            *problem.headers.items(),
        ),
        body=(error_body(problem, request_id),),
        facts={"error": problem.code},
    )


def _sent(
    http: Http, asked: Request, reply: Response, trace: Trace, request_id: str
) -> tuple[list[tuple[str, str]], list[bytes]]:
    """The headers and chunks that go out."""
    encoding, chunks = encoded(reply.body, asked.headers.get("accept-encoding", ""))
    trace.facts["bytes"] = size = sum(map(len, chunks))
    headers = [*reply.headers, *ALWAYS, ("X-Request-Id", request_id), *http.extra_headers(asked.headers)]
    if reply.status not in (204, 304):
        headers.append(("Content-Length", str(size)))
    if encoding:
        headers.append(("Content-Encoding", encoding))
    headers.append(("Vary", VARY_ALWAYS + ", Origin" if http.cors_origins else VARY_ALWAYS))
    headers += _allowed_origin(http, asked)
    if http.timings:
        timing = ", ".join(f"{name};dur={ms:.3f}" for name, ms in trace.stages.items())
        headers.append(("Server-Timing", timing))
    return headers, chunks


def _exchange(
    environ: Environ, reply: Response, headers: list[tuple[str, str]], trace: Trace, request_id: str
) -> Exchange:
    """This request as it came, and its answer as it goes."""
    return Exchange(
        method=environ["REQUEST_METHOD"],
        target=environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"],
        headers=_headers(environ),
        status=reply.status,
        answer_headers=headers,
        body=b"".join(reply.body),
        milliseconds=trace.stages["total"],
        request_id=request_id,
    )


def _allowed_origin(http: Http, asked: Request) -> list[tuple[str, str]]:
    """CORS is off unless origins are set."""
    origin = asked.headers.get("origin")
    if origin is None or ("*" not in http.cors_origins and origin not in http.cors_origins):
        return []
    headers = [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", "OData-Version, ETag, Preference-Applied, X-Request-Id"),
    ]
    if asked.method == "OPTIONS":
        headers.append(("Access-Control-Allow-Methods", CORS_METHODS))
        headers.append(("Access-Control-Allow-Headers", CORS_REQUEST_HEADERS))
        headers.append(("Access-Control-Max-Age", "600"))
    return headers
