"""gunicorn's threaded worker, answering what it refuses itself (414, 400, 431, ...) as OData error objects or, below
the path of the operations, as their flat ones; and without a change of thread between requests that follow at once.

Such a request never reaches Flask: its line, a header or its framing cannot be read. gunicorn would answer HTML.
Standard: JSON Format, "Error Response"; Protocol, "Header OData-Version": on every response.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import select
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from gunicorn import util
from gunicorn.http import errors as http_errors
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import ThreadWorker

from applink.errors import flat_body, is_below
from odata import errors
from odata.payload.errors import error_body

Application: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger("gateway.web")


class ExpectationFailed(errors.BadRequest):
    """An Expect header other than 100-continue."""

    status = 417


LINGER_MILLISECONDS: Final = 1
"""How long a thread waits for the next request of the client it has answered, before the poller does."""
MOST_TURNS: Final = 8
"""How many requests of one client a thread answers in a row while there are more clients than threads."""

YIELD_SECONDS: Final = 0.0001
"""For each connection that a process holds already, how long it lets others take the next one."""

MOST_UNREAD_BYTES: Final = 16_000_000
UNREAD_SECONDS: Final = 5.0
"""How much of a body that nobody reads is taken in, and for how long, so that its sender sees the answer. Salesforce
sends 12 MB at most."""

LINE_SHOWS: Final = 200
"""Bytes of a request line that say which path it is about."""


class RememberedRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """A request whose refusal says, as `refused_line`, how its line begins, as far as it came."""

    def __init__(self, *given: Any) -> None:
        self._line = bytearray()
        try:
            super().__init__(*given)
        except http_errors.ParseException as problem:
            problem.refused_line = bytes(self._line[:LINE_SHOWS])
            raise

    def read_line(self, unreader: Any, buf: bytearray, limit: int = 0) -> Any:
        self._line = buf
        return super().read_line(unreader, buf, limit)


class PatientParser(RequestParser):  # type: ignore[misc]  # gunicorn has no types
    """Takes in the rest of a body that the application answered without reading it, also of a last request.

    Otherwise a close with unread bytes resets the connection, and a client that sends all before it reads (the service
    mesh does) never sees why it was refused.
    """

    mesg_class = RememberedRequest
    _heard: Any = None

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        self._heard = self.mesg
        return bool(super().finish_body(deadline, max_bytes or MOST_UNREAD_BYTES))

    def hear_out(self) -> None:
        """Do so before the connection is closed, unless that was tried."""
        if self.mesg is not self._heard:
            with contextlib.suppress(OSError, http_errors.ParseException):
                self.finish_body(time.monotonic() + UNREAD_SECONDS)


def in_one_piece(application: Application) -> Application:
    """The application, from whose start_response on the socket is corked: gunicorn sends head and body by themselves,
    and each would wake the client. `ODataThreadWorker.handle_request` lets go what is left."""

    def corked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def started(*given: Any) -> Any:
            _cork(environ["gunicorn.socket"], 1)
            return start_response(*given)

        return application(environ, started)

    return corked


def _cork(sock: socket.socket, on: int) -> None:
    """Linux alone can; a closed socket needs none."""
    if hasattr(socket, "TCP_CORK"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)


class ODataThreadWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """As its base, but that errors look different, that an answer is sent in one piece, and that a thread stays with a
    client who asks again at once."""

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi: Application = in_one_piece(self.wsgi)

    def handle(self, conn: Any) -> Any:
        """Answer requests of one connection; True hands it, still open, back to the poller.

        The way over the poller and back costs two changes of thread, 0.08 ms.
        """
        if conn.parser is None:
            conn.parser = PatientParser(self.cfg, conn.sock, conn.client)
        for turn in itertools.count(1):
            outcome = super().handle(conn)
            if outcome is False and conn.sock.fileno() != -1:
                conn.parser.hear_out()
            if conn.sock.fileno() == -1:  # handle_error has closed it; twice would count as two connections less
                conn.close = _closed_already
            others_wait = self.nr_conns > self.cfg.threads and turn >= MOST_TURNS
            if outcome is not True or not self.alive or others_wait:
                return outcome
            if not conn.parser.unreader.buf.getvalue() and not _readable(conn.sock):
                return outcome

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer one request; what is corked goes out before anything else is waited for, such as an unread body."""
        try:
            return super().handle_request(req, conn)
        finally:
            _cork(conn.sock, 0)

    def accept(self, listener: Any) -> None:
        """Take a new connection, after a process that holds fewer: all of them wake for it."""
        time.sleep(max(0, min(self.nr_conns, MOST_TURNS)) * YIELD_SECONDS)
        super().accept(listener)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what went wrong outside of the application; every call ends the connection."""
        path = _path(req, exc)
        error = refusal(exc, self.cfg, path)
        request_id = str(uuid.uuid4())
        if isinstance(error, errors.InternalError):
            log.error("request_id=%s failed=outside_of_the_application", request_id, exc_info=exc)
        else:
            log.warning("request_id=%s status=%d error=%s", request_id, error.status, type(exc).__name__)
        try:
            util.write_nonblock(client, answer(error, request_id, path))
            util.close_graceful(client)  # a plain close with unread bytes would reset the answer away
        except OSError:
            log.debug("the client did not wait for the answer")


def _path(req: Any, problem: BaseException) -> str:
    """The decoded path of a request that was refused, its beginning at least; "" where none can be read."""
    line = f"- {req.uri}".encode() if req is not None else getattr(problem, "refused_line", b"")
    words = line.partition(b"\r\n")[0].split(b" ")
    target = words[1].decode("latin-1") if len(words) > 1 else ""
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    return unquote(target.partition("?")[0])


def _closed_already(graceful: bool = False) -> None:
    """There is nothing left to close."""


def _readable(sock: socket.socket) -> bool:
    """Whether something comes within the time that a thread lingers."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(LINGER_MILLISECONDS))


def refusal(problem: BaseException, cfg: Any, path: str) -> errors.ODataError:
    """The error for an exception of gunicorn. It repeats nothing of the request: that may hold a credential."""
    if isinstance(problem, http_errors.LimitRequestLine):
        way_out = "" if is_below(path) else "; send the query options in the body of POST .../$query"
        return errors.UriTooLong(f"The request line is longer than {cfg.limit_request_line} bytes{way_out}.")
    if isinstance(problem, http_errors.LimitRequestHeaders):
        return errors.HeadersTooLarge(
            f"The limit is {cfg.limit_request_fields} header fields of {cfg.limit_request_field_size} bytes each."
        )
    if (
        isinstance(problem, http_errors.InvalidHTTPVersion)
        and isinstance(problem.version, str)
        and " " in problem.version
    ):
        return errors.BadRequest("The request line holds a blank within its target; in a URL a blank is %20.")
    if isinstance(problem, http_errors.InvalidHeader) and str(problem.hdr).upper() in _SINGLE_FIELDS:
        name = str(problem.hdr).title()
        return errors.InvalidHeader(
            f"The header field {name} cannot be read, stands there twice, or contradicts another.", target=name
        )
    for kind, error in _REFUSALS:
        if isinstance(problem, kind):
            return error
    return errors.InternalError("The request could not be answered.")


def answer(error: errors.ODataError, request_id: str, path: str) -> bytes:
    """The whole response, as it goes over the wire; flat where the path is one of operations."""
    flat = is_below(path)
    body = flat_body(error.code, error.message, request_id) if flat else error_body(error, request_id)
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(() if flat else ("OData-Version: 4.0",)),
        "Cache-Control: no-store",
        f"X-Request-Id: {request_id}",
        "Connection: close",
    )
    return "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body


_SINGLE_FIELDS: Final = frozenset({"HOST", "CONTENT-LENGTH", "CONTENT-TYPE", "TRANSFER-ENCODING", "AUTHORIZATION"})
"""Names that may be repeated to the client: every other one may hold anything."""

_REFUSALS: Final[tuple[tuple[tuple[type[BaseException], ...], errors.ODataError], ...]] = (
    (
        (http_errors.InvalidResponseHeader, http_errors.InvalidResponseHeaderName, http_errors.ConfigurationProblem),
        errors.InternalError("The answer could not be sent."),
    ),
    ((http_errors.ExpectationFailed,), ExpectationFailed("The only expectation that is met is 100-continue.")),
    ((http_errors.UnsupportedTransferCoding,), errors.Unsupported("The only transfer coding is chunked.")),
    ((http_errors.ForbiddenProxyRequest,), errors.Forbidden("Proxy requests are not allowed.")),
    ((http_errors.InvalidHTTPVersion,), errors.BadRequest("The HTTP version cannot be read; it needs HTTP/1.1.")),
    (
        (http_errors.InvalidRequestLine, http_errors.InvalidRequestMethod),
        errors.BadRequest(
            "The request line cannot be read; it needs METHOD target HTTP/1.1, the target percent-encoded."
        ),
    ),
    (
        (http_errors.InvalidHeader, http_errors.InvalidHeaderName, http_errors.ObsoleteFolding),
        errors.InvalidHeader("A header field cannot be read, or its name holds an underscore."),
    ),
    ((http_errors.ParseException,), errors.BadRequest("The request cannot be read as HTTP/1.1.")),
)
