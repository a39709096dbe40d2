"""The log: one JSON object a request, and no secret, literal, row or URL anywhere in it.

A server of its own with a Basic credential and bearer tokens; every way a request can end, then the whole log is
searched.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local import web
from local.servers import Server
from models import credential, database
from tests.bars.raw_socket import Answer, exchange
from tests.models import everything

SECRET = "canary-secret-6f1d"
WRONG = "canary-wrong-77aa"
LITERAL = "canary-literal-19bc"
TOKEN = "canary-token-5e0a"
KEY = "canary-gateway-key-of-thirty-two-characters"
FIELDS = {"at", "request_id", "method", "status", "org", "who", "options", "bytes", "ms"}


@pytest.fixture(scope="module")
def server(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[web.Web, str, str]]:
    """A server, its database, a bearer token."""
    folder, name = tmp_path_factory.mktemp("log"), f"{worker}_log"
    with postgres_server.new_database(name, template=template_database) as url:
        engine = database.engine(url)
        with engine.begin() as connection:
            credential.create(connection, org_id=everything.FIRST_ORG, username="canary", secret=SECRET)
        engine.dispose()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (folder / "key.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        claims = {
            "iss": "https://issuer.example",
            "aud": "gateway",
            "sub": "reader",
            "org_id": everything.FIRST_ORG,
            "exp": int(time.time()) + 600,
        }
        token = jwt.encode(claims, key, algorithm="RS256")
        variables = {
            "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "gateway", "JWT_KEY_FILE": str(folder / "key.pem"),
            "GATEWAY_SECRET": KEY,
            "LOG_LEVEL": "debug",
        }  # fmt: skip
        with web.serving(url, folder / "log", variables=variables) as started:
            yield started, url, token


def test_no_secret_and_no_literal_gets_into_the_log(server: tuple[web.Web, str, str]) -> None:
    started, url, token = server
    basic = base64.b64encode(f"canary:{SECRET}".encode()).decode()
    wrong = base64.b64encode(f"canary:{WRONG}".encode()).decode()
    asked = [
        (f"Basic {basic}", f"Quotes?$filter=Name eq '{LITERAL}'&$select=Id"),
        (f"Basic {basic}", f"Quotes('{LITERAL}')"),
        (f"Basic {basic}", f"Nope/{LITERAL}"),
        (f"Basic {basic}", f"Quotes?$filter=Revision eq '{LITERAL}'"),
        (f"Basic {basic}", f"Quotes?$filter=Name eq '{LITERAL}' and"),
        (f"Basic {basic}", f"Quotes?$filter=1 div 0 eq 1 and Name ne '{LITERAL}'"),
        (f"Basic {basic}", f"Quotes?$filter=GrandTotal mul 1e300 gt 1 or Name eq '{LITERAL}'"),
        (f"Basic {basic}", f"Quotes?$search={LITERAL}"),
        (f"Basic {basic}", f"Quotes?{LITERAL}={LITERAL}&@{LITERAL.replace('-', '')}='{LITERAL}'"),
        (f"Basic {basic}", f"Quotes?$skiptoken={TOKEN}"),
        (f"Basic {basic}", f"Quotes?$apply={LITERAL}"),
        (f"Basic {basic}", f"Quotes?$format={LITERAL}"),
        (f"Basic {wrong}", f"Quotes?$filter=Name eq '{LITERAL}'"),
        (f"Basic {WRONG}", "Quotes"),
        (f"Basic {base64.b64encode(WRONG.encode()).decode()}", "Quotes"),
        (f"Bearer {token}", f"Quotes?$filter=Name eq '{LITERAL}'&$select=Id"),
        (f"Bearer {token[:-9]}{WRONG}", "Quotes"),
        (f"{WRONG} x", "Quotes"),
    ]
    statuses = [_get(started.port, authorization, target).status for authorization, target in asked]
    assert statuses[0] == 200 and statuses[15] == 200 and set(statuses) <= {200, 400, 401, 404, 406, 501}, statuses
    page = _get(started.port, f"Basic {basic}", "Quotes?$select=Id", "Prefer: maxpagesize=1")
    next_link: str = json.loads(page.body)["@odata.nextLink"]
    assert _get(started.port, f"Basic {basic}", next_link.partition("/odata/v4/")[2]).status == 200
    exchange(started.port, f"GET /{LITERAL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    exchange(
        started.port, f"GET /{LITERAL} HTTP/1.1\r\nAuthorization: Basic {basic}\r\nx_bad: {SECRET}\r\n\r\n".encode()
    )
    with psycopg.connect(url) as connection:  # a fault of the database
        connection.execute("ALTER TABLE gateway.quote RENAME TO quote_away")
    fault = _get(started.port, f"Basic {basic}", f"Quotes?$filter=Name eq '{LITERAL}'&$select=Name")
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE gateway.quote_away RENAME TO quote")
    assert fault.status == 503 and b"quote" not in fault.body
    log = started.log.read_text()
    for canary in (
        SECRET,
        WRONG,
        LITERAL,
        TOKEN,
        KEY,
        basic,
        wrong,
        token,
        token.rpartition(".")[2],
        next_link.partition("skiptoken=")[2],
    ):
        assert canary not in log, canary
    assert "Gringotts" not in log and "SELECT" not in log


def test_one_json_object_a_request(server: tuple[web.Web, str, str]) -> None:
    started, _, _ = server
    basic = "Basic " + base64.b64encode(f"canary:{SECRET}".encode()).decode()
    before = len(started.log.read_text().splitlines())
    answers = [
        _get(started.port, basic, "Quotes?$select=Id,Name&$top=3&$count=true"),
        _get(started.port, basic, "Quotes?$select=Id,Name&$top=3&$count=true"),
        _get(started.port, basic, "Quotes?$filter=Nope eq 1"),
        _get(started.port, "Basic x", "Quotes"),
        _get(started.port, "Basic " + base64.b64encode(b"canary:an old one").decode(), "Quotes"),
    ]
    lines = [json.loads(line) for line in started.log.read_text().splitlines()[before:] if line.startswith("{")]
    assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"] for answer in answers]
    assert all(line.keys() >= FIELDS for line in lines)
    assert [line["status"] for line in lines] == [200, 200, 400, 401, 401]
    first, second, refused, unknown, outdated = lines
    assert (first["org"], first["who"], first["set"]) == (everything.FIRST_ORG, "canary", "Quotes")
    assert (
        first["options"] == ["select", "top", "count"] and first["rows"] == 3 and first["bytes"] == len(answers[0].body)
    )
    assert {"auth", "split", "shape", "parse", "plan", "select", "run", "write", "total"} <= first["ms"].keys()
    assert first["cache_hit"] is False and second["cache_hit"] is True and "parse" not in second["ms"]
    assert refused["error"] == "UnknownProperty" and refused["options"] == ["filter"]
    assert unknown["org"] is None and unknown["error"] == "Unauthorized"
    assert (outdated["who"], outdated["tried"]) == (None, "canary") and sum("tried" in line for line in lines) == 1


def test_every_line_is_json_or_metrics(server: tuple[web.Web, str, str]) -> None:
    """Also what the web server says itself, and of what it refuses itself."""
    started, _, _ = server
    refused = exchange(started.port, b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n")
    ends = time.monotonic() + 10
    while refused.headers["x-request-id"] not in (log := started.log.read_text()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    lines = [json.loads(line) for line in log.splitlines() if not line.startswith("process=")]
    (line,) = [one for one in lines if one.get("request_id") == refused.headers["x-request-id"]]
    assert (line["level"], line["status"], line["error"]) == ("warning", 400, "InvalidHeaderName")
    assert any(str(one.get("message")).startswith("Listening at") for one in lines)


def _get(port: int, authorization: str, target: str, header: str = "X: y") -> Answer:
    target = target.replace(" ", "%20")
    lines = ("Host: x", f"Authorization: {authorization}", header, "Connection: close", "", "")
    return exchange(port, "\r\n".join((f"GET /odata/v4/{target} HTTP/1.1", *lines)).encode())
