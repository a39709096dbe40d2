"""Over a raw socket: what two servers could read differently gets one answer, and no header chooses a path.

`gateway_port` is gunicorn as it runs everywhere.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.bars.raw_socket import Answer, read, received

HEAD = b"POST /odata/v4/Quotes/$query HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
HIDDEN = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")

SMUGGLING = {
    "CL.TE": HEAD + b"Content-Length: 44\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "TE.CL": HEAD + CHUNKED + b"Content-Length: 4\r\n\r\n5c\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    "TE.TE": HEAD + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE twice": HEAD + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "TE x": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with a tab": HEAD + b"Transfer-Encoding:\tchunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with a space before": HEAD + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with a space after": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE in quotes": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + HIDDEN,
    "TE with a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with an underscore": HEAD + b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "TE under HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "CL twice, different": HEAD + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + HIDDEN,
    "CL twice, the same": HEAD + b"Content-Length: 6\r\nContent-Length: 6\r\n\r\n$top=1" + HIDDEN,
    "CL list": HEAD + b"Content-Length: 0, 40\r\n\r\n" + HIDDEN,
    "CL plus": HEAD + b"Content-Length: +6\r\n\r\n$top=1" + HIDDEN,
    "CL minus": HEAD + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "CL hexadecimal": HEAD + b"Content-Length: 0x6\r\n\r\n$top=1" + HIDDEN,
    "CL underscore": HEAD + b"Content-Length: 1_0\r\n\r\n$top=1&a=b" + HIDDEN,
    "CL of other digits": HEAD + "Content-Length: ٦\r\n\r\n$top=1".encode() + HIDDEN,
    "CL with a space inside": HEAD + b"Content-Length: 4 0\r\n\r\n" + HIDDEN,
    "bare LF in the head": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + HIDDEN,
    "bare LF in a header": HEAD + b"X: a\nContent-Length: 40\r\n\r\n" + HIDDEN,
    "bare CR in a header": HEAD + b"X: a\rContent-Length: 40\r\n\r\n" + HIDDEN,
    "NUL in a header": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "obsolete folding": HEAD + b"X: a\r\n Content-Length: 40\r\n\r\n" + HIDDEN,
    "chunk size with a sign": HEAD + CHUNKED + b"\r\n+6\r\n$top=1\r\n0\r\n\r\n" + HIDDEN,
    "chunk size with a prefix": HEAD + CHUNKED + b"\r\n0x6\r\n$top=1\r\n0\r\n\r\n" + HIDDEN,
    "chunk size with an underscore": HEAD + CHUNKED + b"\r\n0_6\r\n$top=1\r\n0\r\n\r\n" + HIDDEN,
    "chunk size with bare LF": HEAD + CHUNKED + b"\r\n6\n$top=1\n0\n\n" + HIDDEN,
    "chunk extension with CR": HEAD + CHUNKED + b"\r\n6;a=\rb\r\n$top=1\r\n0\r\n\r\n" + HIDDEN,
    "chunk without its end": HEAD + CHUNKED + b"\r\n6\r\n$top=1GET\r\n0\r\n\r\n" + HIDDEN,
    "trailer that names a length": HEAD
    + CHUNKED
    + b"\r\n6\r\n$top=1\r\n0\r\nContent-Length: 40\nX: y\r\n\r\n"
    + HIDDEN,
    "request line with two spaces": b"GET  /odata/v4/ HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "request line with a tab": b"GET\t/odata/v4/\tHTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
}
"""Each is followed by a request that must not be answered as one of its own by accident."""


@pytest.mark.parametrize("name", SMUGGLING)
def test_a_smuggling_request_gets_one_answer(gateway_port: int, name: str) -> None:
    answer = received(gateway_port, SMUGGLING[name], seconds=3)
    statuses = [int(found) for found in STATUS_LINE.findall(answer)]
    assert len(statuses) <= 1, answer
    assert all(400 <= status < 500 or status == 501 for status in statuses), answer
    if statuses:
        assert read(answer).headers["odata-version"] == "4.0"
        assert set(json.loads(read(answer).body)["error"]) >= {"code", "message"}


def test_what_is_allowed_in_chunks_is_read(gateway_port: int) -> None:
    """The other side of the test above: a chunk extension and an honest pipeline are answered."""
    chunks = b"\r\n6;name=value\r\n$top=1\r\n0\r\n\r\n"
    last = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = received(gateway_port, HEAD + CHUNKED + chunks + last, seconds=20)
    assert STATUS_LINE.findall(answer) == [b"200", b"200"]


PATHS = (
    "//odata/v4/Quotes", "/odata//v4/Quotes", "/odata/../healthcheck", "/odata/v4/../../healthcheck",
    "/odata/v4/%2e%2e/%2e%2e/healthcheck",
    "/odata/v4/..;/..;/healthcheck", "/odata/v4/.%2e/healthcheck", "/odata/v4;/healthcheck",
    "/odata/v4/..%2f..%2fhealthcheck",
    "/odata/v4/%252e%252e/healthcheck", "/odata%2fv4/Quotes", "/ODATA/V4/Quotes", "/odata/v4/..\\..\\healthcheck",
    "/./healthcheck",
    "//healthcheck", "/healthcheck/", "/healthcheck;a=b", "/%2fhealthcheck", "/odata/v4/Quotes/../../../healthcheck",
    "/odata/v4/%00/../healthcheck",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_spelling_of_a_path_reaches_another_route(gateway_port: int, path: str) -> None:
    answer = _get(gateway_port, path)
    assert 400 <= answer.status < 500, answer
    assert answer.headers["odata-version"] == "4.0" and "error" in json.loads(answer.body)


@pytest.mark.parametrize(
    "header",
    [
        "SCRIPT_NAME: /odata/v4", "Script-Name: /odata/v4", "PATH_INFO: /healthcheck", "Path-Info: /healthcheck",
        "X-Original-URL: /healthcheck", "X-Rewrite-URL: /healthcheck", "X-Forwarded-Prefix: /odata/v4",
        "X-Script-Name: /odata/v4",
        "X-HTTP-Method: DELETE", "X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE", "X_HTTP_METHOD: DELETE",
        "RAW_URI: /healthcheck", "REQUEST_METHOD: DELETE", "Remote-User: admin", "X-Forwarded-Path: /healthcheck",
        "X-Forwarded-User: admin", "wsgi.url_scheme: https",
    ],
)  # fmt: skip
def test_no_header_chooses_path_or_method(gateway_port: int, header: str) -> None:
    """A GET stays this GET: answered as without the header, or refused because of it."""
    answer = _get(gateway_port, "/odata/v4/Quotes?$top=1&$select=Id", header)
    assert answer.status == (400 if "_" in header.partition(":")[0] else 200), answer
    assert b"ok\n" not in answer.body


@pytest.mark.parametrize(
    "header",
    ["Host: evil.example", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Forwarded-Proto: ftp"],
)
def test_no_header_gets_into_links(gateway_port: int, header: str) -> None:
    lines = "" if header.startswith("Host") else "Host: x\r\n"
    lines += f"{header}\r\nPrefer: maxpagesize=1\r\nConnection: close\r\n\r\n"
    request = f"GET /odata/v4/Quotes?$select=Id HTTP/1.1\r\n{lines}"
    answer = read(received(gateway_port, request.encode()))
    assert answer.status == 200 and b"evil" not in answer.body and b"ftp:" not in answer.body
    assert json.loads(answer.body)["@odata.nextLink"].startswith("http://127.0.0.1:")


def test_an_absolute_target_is_its_path(gateway_port: int) -> None:
    answer = _get(gateway_port, "http://evil.example/odata/v4/Quotes?$top=1&$select=Id")
    assert answer.status in (200, 400) and b"evil" not in answer.body
    assert _get(gateway_port, "http://evil.example/odata/v4/../healthcheck").status in (400, 404)
    assert _get(gateway_port, "evil.example:443").status in (400, 404)
    assert _get(gateway_port, "*").status in (400, 404)


@pytest.mark.parametrize("method", ["CONNECT", "PROPFIND", "get", "GETX", "TRACE", "DELETE", "PUT"])
def test_other_methods_are_refused(gateway_port: int, method: str) -> None:
    answer = read(
        received(gateway_port, f"{method} /odata/v4/Quotes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    )
    assert answer.status in (400, 405, 501), answer
    assert "error" in json.loads(answer.body) and answer.headers["odata-version"] == "4.0"
    if answer.status == 405:
        assert "GET" in answer.headers["allow"]


def _get(port: int, target: str, header: str = "X: y") -> Answer:
    return read(received(port, f"GET {target} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n\r\n".encode()))
