"""The AppLink service mesh as the gateway meets it: a reverse proxy that asks the add-on, then forwards.

In: HTTP on a port of its own. Out: the same requests to the gateway, changed as the real mesh changes them: `Host` is
the gateway's own, of a repeated header only the last is left, `x-request-context` is gone, the body has come in whole,
and redirects are followed here. Which requests pass is decided in mesh_rules.py. On Heroku it is the router in front
that gives a request its `x-request-id`; here the mesh does.

Forwarding takes a new connection each time, so that no request is ever sent twice because an idle one was closed.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from simulator import mesh_rules
from simulator.exchange import Answer, send
from simulator.mesh_rules import Question, Refused, Rules

PROJECT: Final = Path(__file__).resolve().parent.parent
INFO_ROUTE: Final = "/__herokuIntegrationServiceMeshInfo"
MOST_REDIRECTS: Final = 10
HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}
)
KEPT_FROM_OTHER_HOSTS: Final = frozenset({"authorization", "www-authenticate", "cookie", "cookie2"})
"""Headers that a redirect to another host does not take along; `x-client-context` it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """What one mesh needs to know. target, addon_url: no slash at the end; seconds: for one answer, None waits."""

    target: str
    addon_url: str
    addon_token: str
    rules: Rules
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it goes on. target: path and query as sent; headers: canonical names, one value each."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class MeshServer(ThreadingHTTPServer):
    """A listening mesh. port: 0 takes a free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, mesh: Mesh, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__((host, port), _Handler)
        self.mesh = mesh

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def serving(mesh: Mesh, port: int = 0) -> Iterator[MeshServer]:
    """A mesh that answers for the time of the block. Raises: OSError when the port is taken."""
    server = MeshServer(mesh, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="mesh", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def project_rules(path: Path = PROJECT / mesh_rules.FILE_NAME) -> Rules:
    """The rules that the gateway deploys. Raises: RulesError."""
    return mesh_rules.read(path.read_text(encoding="utf-8"))


def handle(mesh: Mesh, request: Request) -> Answer:
    """One request through the mesh: refused by it, by the add-on, or answered by the gateway."""
    target = mesh_rules.origin_form(request.target)
    sent = {name.lower(): value for name, value in request.headers.items()}
    request_id = sent.get("x-request-id", "")
    generated: tuple[tuple[str, str], ...] = ()
    if not request_id:
        request_id = str(uuid.uuid4())
        generated = (("X-Request-Id", request_id),)
    try:
        if mesh_rules.decoded_path(target) == INFO_ROUTE:
            return Answer(status=200, headers=(), body=b"simulated")
        if not mesh.rules.exempt(target):
            _ask(mesh, mesh_rules.question(sent, request_id, target, request.body), request_id)
        onward = {name: value for name, value in request.headers.items() if name != "X-Request-Context"}
        onward["X-Request-Id"] = request_id
        answer = _follow(mesh, Request(method=request.method, target=target, headers=onward, body=request.body))
    except Refused as refusal:
        return _text(refusal.status, refusal.text, generated)
    except (OSError, HTTPException):
        return _text(HTTPStatus.BAD_GATEWAY, f"Failed to forward request {request_id}", generated)
    return Answer(status=answer.status, headers=(*generated, *answer.headers), body=answer.body)


def _ask(mesh: Mesh, question: Question, request_id: str) -> None:
    """Let the add-on decide. Raises: Refused: 403 when it says 401 or 403, 500 out of reach, else as it said."""
    body = json.dumps(dict(question.body)).encode()
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {mesh.addon_token}",
        "REQUEST_ID": request_id,
    }
    try:
        answer = send(f"{mesh.addon_url}{question.path}", "POST", headers, body, seconds=mesh.seconds)
    except (OSError, HTTPException) as problem:
        raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"unable to authenticate {request_id}: {problem}") from None
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Refused(HTTPStatus.FORBIDDEN, "Forbidden")
    if answer.status != HTTPStatus.OK:
        raise Refused(answer.status, answer.body.decode("utf-8", "replace"))


def _follow(mesh: Mesh, request: Request) -> Answer:
    """Send to the gateway, and to wherever it points, up to ten times; then it cannot be forwarded."""
    url, method, body, headers = f"{mesh.target}{request.target}", request.method, request.body, dict(request.headers)
    for _ in range(MOST_REDIRECTS + 1):
        answer = _forward(url, method, headers, body, mesh.seconds)
        location = answer.header("location")
        if answer.status not in (301, 302, 303, 307, 308) or not location:
            return answer
        onward = urljoin(url, location)
        if answer.status < 307:
            method, body = ("HEAD" if method == "HEAD" else "GET"), b""
            headers.pop("Content-Type", None)
        if urlsplit(onward).hostname != urlsplit(url).hostname:
            headers = {name: value for name, value in headers.items() if name.lower() not in KEPT_FROM_OTHER_HOSTS}
        headers.setdefault("Referer", url)
        url = onward
    raise HTTPException(f"stopped after {MOST_REDIRECTS} redirects")


def _forward(url: str, method: str, headers: Mapping[str, str], body: bytes, seconds: float | None) -> Answer:
    """One exchange as Go's client has it: it asks for gzip by itself, and then unpacks without a trace."""
    unpacks = method != "HEAD" and not {"Accept-Encoding", "Range"} & headers.keys()
    sent = {"User-Agent": "Go-http-client/1.1", **headers, **({"Accept-Encoding": "gzip"} if unpacks else {})}
    answer = send(url, method, sent, body, seconds=seconds)
    if not unpacks or answer.header("content-encoding").lower() != "gzip":
        return answer
    kept = tuple(pair for pair in answer.headers if pair[0].lower() not in ("content-encoding", "content-length"))
    return Answer(status=answer.status, headers=kept, body=gzip.decompress(answer.body) if answer.body else b"")


def _text(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    plain = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))
    return Answer(status=status, headers=(*headers, *plain), body=f"{text}\n".encode())


class _Handler(BaseHTTPRequestHandler):
    """Bytes of a connection to `Request`, `Answer` to bytes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 75
    server: MeshServer

    def _answer(self) -> None:
        target = self.requestline.split(" ")[1]
        try:
            request = Request(
                method=self.command, target=target, headers=_last_of_each(self.headers), body=self._body()
            )
        except ValueError:
            self.close_connection = True
            self._write(_text(HTTPStatus.BAD_REQUEST, "400 Bad Request"))
            return
        self._write(handle(self.server.mesh, request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _body(self) -> bytes:
        """The whole body. Raises: ValueError when its length is no number or its chunks are none."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ValueError("the body ended early")
        return body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(1024).partition(b";")[0], 16):
            chunk = self.rfile.read(size)
            if len(chunk) < size or self.rfile.readline(1024).strip():
                raise ValueError("a chunk ended early")
            yield chunk
        while self.rfile.readline(8192).strip():
            pass

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        named = {name.lower() for name, _ in answer.headers}
        if "date" not in named:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self._write_length(answer)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _write_length(self, answer: Answer) -> None:
        """The length as it is; after HEAD the one that the gateway said."""
        if answer.status in (204, 304):
            return
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(answer.body)))
        elif said := answer.header("content-length"):
            self.send_header("Content-Length", said)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged: request lines and headers hold what belongs to the caller."""


def _last_of_each(headers: Message) -> dict[str, str]:
    """Canonical names as Go writes them, the last value of each; the length is told anew."""
    return {
        _canonical(name): value
        for name, value in headers.items()
        if name.lower() not in HOP_BY_HOP and name.lower() != "host"
    }


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
