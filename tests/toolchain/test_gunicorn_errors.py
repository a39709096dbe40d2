"""What gunicorn refuses before Flask sees it: OData error objects, over a raw socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

import pytest

from local.servers import Server
from local.web import Web
from tests.bars.raw_socket import received
from tests.conftest import StartGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def gateway(postgres_server: Server, gateway_server: StartGateway, worker: str) -> Web:
    """No request reaches a table here: an empty database will do."""
    if not postgres_server.has_database(f"{worker}_empty"):
        postgres_server.create_database(f"{worker}_empty")
    return gateway_server(postgres_server.url(f"{worker}_empty"))


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "words"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "UriTooLong", "8190 bytes"),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "UriTooLong", "$query"),
        (b"hello\r\n\r\n", 400, "BadRequest", "request line"),
        (b"GET / HTTP/7.9\r\n\r\n", 400, "BadRequest", "HTTP"),
        (b"GET /odata/v4/Quotes?$filter=Name eq 'x' HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest", "%20"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "InvalidHeader", "Host"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", 400, "InvalidHeader", "Content-Length"),
        (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest", "request line"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n", 400, "InvalidHeader", "header"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nNo-Colon\r\n\r\n", 400, "InvalidHeader", "header"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\n  folded\r\n\r\n", 400, "InvalidHeader", "header"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx_client_context: forged\r\n\r\n", 400, "InvalidHeader", "underscore"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"b" * 9000 + b"\r\n\r\n", 431, "HeadersTooLarge", "8190 bytes"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"\r\n",
            431,
            "HeadersTooLarge",
            "100 header fields",
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n", 501, "Unsupported", "chunked"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n", 417, "ExpectationFailed", "100-continue"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "InvalidHeader",
            "header",
        ),
    ],
)
def test_a_request_that_gunicorn_refuses(
    gateway: Web, request_bytes: bytes, status: int, code: str, words: str
) -> None:
    answer = exchange(gateway.port, request_bytes)
    assert answer.status == status
    assert answer.headers["odata-version"] == "4.0"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    assert int(answer.headers["content-length"]) == len(answer.body)
    error = json.loads(answer.body)["error"]
    assert error["code"] == code and words in error["message"]
    assert b"forged" not in answer.body


LONG = b"?" + b"a" * 9000


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"POST /applink/createQuote" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "UriTooLong"),
        (b"POST /%61pplink/createQuote" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "UriTooLong"),
        (b"POST http://x/applink/createQuote" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "UriTooLong"),
        (b"POST /applink/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "UriTooLong"),
        (b"POST /applink?a=b c HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
        (b"POST /applink/createQuote HTTP/7.9\r\n\r\n", 400, "BadRequest"),
        (b"P@ST /applink/createQuote HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
        (b"POST /applink/createQuote HTTP/1.1\r\nHost: x\r\nBad Header: forged\r\n\r\n", 400, "InvalidHeader"),
        (b"POST /applink/createQuote HTTP/1.1\r\nx_client_context: forged\r\n\r\n", 400, "InvalidHeader"),
        (b"POST /applink/createQuote HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400, "InvalidHeader"),
        (b"POST /applink/a HTTP/1.1\r\nX-Long: " + b"b" * 9000 + b"\r\n\r\n", 431, "HeadersTooLarge"),
        (b"POST /applink/a HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n", 501, "Unsupported"),
        (b"POST /applink/a HTTP/1.1\r\nExpect: a-miracle\r\n\r\n", 417, "ExpectationFailed"),
        (b"LOCK /applink/createQuote HTTP/1.1\r\nConnection: close\r\n\r\n", 405, "MethodNotAllowed"),
    ],
)
def test_below_the_path_of_operations_it_is_flat(gateway: Web, request_bytes: bytes, status: int, code: str) -> None:
    answer = exchange(gateway.port, request_bytes)
    assert answer.status == status and answer.headers["content-type"] == "application/json"
    assert "odata-version" not in answer.headers and b"forged" not in answer.body and b"$query" not in answer.body
    body = json.loads(answer.body)
    assert body.keys() == {"code", "message", "requestId"} and body["code"] == code and body["message"]
    assert body["requestId"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("before", [b"/odata/v4/", b"/applinks/", b"/?/applink/"])
def test_only_its_own_path_counts(gateway: Web, before: bytes) -> None:
    """The second request of a connection is told apart from the first."""
    first = b"GET /applink/createQuote HTTP/1.1\r\nHost: x\r\n\r\n"
    said = received(gateway.port, first + b"GET " + before + b" HTTP/1.1\r\nBad Header: 1\r\n\r\n")
    assert said.count(b'"requestId"') == 1
    assert said.endswith(b"}}") and b'{"error": {"code": "InvalidHeader"' in said


def test_a_request_line_of_8190_bytes_is_read(gateway: Web) -> None:
    target = b"/" + b"a" * (8190 - len(b"GET / HTTP/1.1\r\n"))
    answer = exchange(gateway.port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.status == 404


def test_no_header_chooses_the_path(gateway: Web) -> None:
    head = b"GET /odata/healthcheck HTTP/1.1\r\nHost: x\r\nScript-Name: /odata\r\nConnection: close\r\n"
    assert exchange(gateway.port, head + b"\r\n").status == 404
    assert exchange(gateway.port, head + b"SCRIPT_NAME: /odata\r\n\r\n").status == 400


def exchange(port: int, request_bytes: bytes) -> Answer:
    """Send bytes, read the one answer until the connection closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request_bytes)
        received = b""
        while part := connection.recv(65536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines[1:])}
    return Answer(status=int(lines[0].split()[1]), headers=headers, body=body)
