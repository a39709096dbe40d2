"""The body of POST .../$query: compressed bodies work, bombs and broken ones are refused in little memory."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import time
import zlib

import pytest

from tests.bars.raw_socket import Answer, exchange, read
from tests.bars.test_hostile_urls import complaint
from tests.conformance.serving import Client, Reply

QUERY = b"$filter=Status eq 'Draft'&$top=1&$select=Id"
PACKED = gzip.compress(QUERY, mtime=0)  # the time of day would be in the names of the tests
JSON = {"content_type": "text/plain"}


def send(client: Client, body: bytes, *, path: str = "Quotes/$query", **headers: str) -> Reply:
    return client.send("POST", path, headers=JSON | headers, body=body)


def raw_deflate(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", PACKED),
        ("GZIP", PACKED),
        ("x-gzip", PACKED),
        ("deflate", zlib.compress(QUERY)),
        ("identity", QUERY),
    ],
)
def test_a_compressed_body_is_read(quotes: Client, encoding: str, body: bytes) -> None:
    reply = send(quotes, body, content_encoding=encoding)
    assert reply.status == 200 and len(reply.rows) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "status", "words"),
    [
        ("gzip", gzip.compress(b"0" * 10_000_000, mtime=0), 413, "inflates to more than"),
        ("gzip", gzip.compress(PACKED, mtime=0), 400, "not UTF-8"),
        ("gzip, gzip", gzip.compress(PACKED, mtime=0), 415, "Content-Encoding"),
        ("br", QUERY, 415, "gzip and deflate"),
        ("gzip", PACKED[:-5], 400, "cut off"),
        ("gzip", PACKED[:12], 400, "cut off"),
        ("gzip", b"", 400, "cut off"),
        ("gzip", PACKED + b"x", 400, "followed by something"),
        ("gzip", PACKED + PACKED, 400, "followed by something"),
        ("gzip", QUERY, 400, "Content-Encoding says"),
        ("deflate", raw_deflate(QUERY), 400, "Content-Encoding says"),
        ("gzip", PACKED[:-8] + b"\0" * 8, 400, "Content-Encoding says"),
        ("", b"\xff\xfe$top=1", 400, "not UTF-8"),
        ("", QUERY + b"\0", 400, ""),
        ("", b"x" * 500_001, 413, "500000 bytes"),
        ("gzip", gzip.compress(b"ab" * 250_001, 0, mtime=0), 413, "500000 bytes"),
        ("gzip", gzip.compress(bytes(range(256)) * 2_000, mtime=0), 413, "inflates to more than"),
    ],
)
def test_a_body_that_is_not_read(quotes: Client, encoding: str, body: bytes, status: int, words: str) -> None:
    before = _rss_bytes()
    reply = send(quotes, body, content_encoding=encoding)
    assert reply.status == status and complaint(reply) is None, reply.text
    assert words in reply.error["message"]
    assert _rss_bytes() - before <= 20_000_000


@pytest.mark.parametrize(
    "media_type", ["application/json", "multipart/form-data; boundary=x", "text/plain; charset=utf-7", "", "a/b/c;;"]
)
def test_no_other_media_type_is_parsed(quotes: Client, media_type: str) -> None:
    reply = send(quotes, b"$top=1", content_type=media_type)
    assert reply.status == 415 and complaint(reply) is None


@pytest.mark.parametrize("depth", [51, 1000, 80_000])
def test_deep_json_in_a_body(quotes: Client, depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        reply = send(quotes, f"$filter=Name in @p&@p={opening * depth}1{closing * depth}".encode())
        assert reply.status == 400 and complaint(reply) is None, reply.text


def test_many_values_in_a_body(quotes: Client) -> None:
    """More than a statement takes as parameters of their own (65,535): an array is one, all else meets a limit."""
    items = ",".join(str(number) for number in range(70_000))
    reply = send(quotes, f"$filter=Revision in ({items})".encode())
    assert reply.status == 400 and "4000" in reply.error["message"]
    terms = " or ".join(f"Revision eq {number}" for number in range(20_000))
    reply = send(quotes, f"$filter={terms}".encode())
    assert reply.status == 400 and "4000" in reply.error["message"]
    options = "&".join(f"@p{number}={number}" for number in range(30_000))
    reply = send(quotes, f"$filter=Revision eq @p1&{options}".encode())
    assert reply.status in (200, 400) and complaint(reply) is None


def test_a_client_that_hangs_up_in_its_body(quotes: Client) -> None:
    reply = quotes.send("POST", "Quotes/$query", headers=JSON | {"content_length": "1000"}, body=b"")
    assert reply.status == 400 and complaint(reply) is None


def _rss_bytes() -> int:
    """The most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# --- over a socket ---------------------------------------------------------------------------------------------------


def test_chunks_that_are_none(gateway_port: int) -> None:
    head = (
        b"POST /odata/v4/Quotes/$query HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )  # fmt: skip
    for chunks in (b"zz\r\n$top=1\r\n0\r\n\r\n", b"6\r\n$top=1XX0\r\n\r\n", b"-6\r\n$top=1\r\n0\r\n\r\n"):
        answer = exchange(gateway_port, head + chunks)
        assert answer.status == 400, answer
        assert answer.headers["odata-version"] == "4.0" and "error" in json.loads(answer.body)


def body_of(port: int, length: int, sent: bytes, *, hang_up: bool) -> tuple[Answer, float]:
    """What a body of `length` bytes is answered when only `sent` arrives, and after how many seconds."""
    head = f"Host: x\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n".encode()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /odata/v4/Quotes/$query HTTP/1.1\r\n" + head + sent)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        return read(answer), time.monotonic() - began


@pytest.mark.parametrize("sent", [b"$top=2&$select=Name,Status,Region", b"$top=1", b""])
def test_half_a_query_is_no_query(gateway_port: int, sent: bytes) -> None:
    """What came may be a whole query of its own, without the filter that should have followed."""
    answer, _ = body_of(gateway_port, 80, sent, hang_up=True)
    assert answer.status == 400 and answer.headers["odata-version"] == "4.0"
    assert "ended early" in json.loads(answer.body)["error"]["message"]


@pytest.mark.parametrize("length", [500_001, 8_000_001, 99_999_999, 1_000_000_000_000])
def test_a_body_that_would_be_too_long_is_refused_before_it_comes(gateway_port: int, length: int) -> None:
    answer, seconds = body_of(gateway_port, length, b"$top", hang_up=False)
    assert answer.status == 413 and "500000 bytes" in json.loads(answer.body)["error"]["message"]
    assert seconds < 2


def test_a_body_that_never_comes(gateway_port: int) -> None:
    """A length that is not sent: refused when the client hangs up, and others are answered meanwhile."""
    with socket.create_connection(("127.0.0.1", gateway_port), timeout=10) as connection:
        connection.sendall(
            b"POST /odata/v4/Quotes/$query HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 400000\r\n\r\n$top"
        )  # fmt: skip
        other: Answer = exchange(gateway_port, b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert other.status == 200
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"OData-Version: 4.0" in answer


# --- in one piece, and at once ---------------------------------------------------------------------------------------

HELD_BACK_SECONDS = 0.2
"""For so long Linux keeps what is corked."""


def test_head_and_body_come_in_one_piece(gateway_port: int) -> None:
    with socket.create_connection(("127.0.0.1", gateway_port), timeout=10) as connection:
        for _ in range(20):
            connection.sendall(b"GET /odata/v4/Quotes?$top=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = read(connection.recv(65536))
            assert answer.status == 200 and len(answer.body) == int(answer.headers["content-length"])


def test_an_answer_waits_for_no_body(gateway_port: int) -> None:
    """The server goes on to take the rest of the body in; its answer is under way by then."""
    tries = [body_of(gateway_port, 500_001, b"$top", hang_up=False) for _ in range(5)]
    assert min(seconds for _, seconds in tries) < HELD_BACK_SECONDS / 2


def test_who_expects_to_be_asked_for_the_body_is_asked_at_once(gateway_port: int) -> None:
    head = b"POST /odata/v4/Quotes/$query HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
    seconds = []
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", gateway_port), timeout=10) as connection:
            began = time.monotonic()
            connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
            assert connection.recv(25).startswith(b"HTTP/1.1 100 Continue")
            connection.sendall(b"$top=1")
            assert b" 200 OK" in connection.recv(65536)
            seconds.append(time.monotonic() - began)
    assert min(seconds) < HELD_BACK_SECONDS / 2
