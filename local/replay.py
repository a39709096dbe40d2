"""Sends captured requests again and compares the shapes of the answers (`gateway replay`)."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from local.trouble import Trouble
from odata.protocol.capture import REMOVED, Exchange, differences, recorded

READING = ("GET", "HEAD", "OPTIONS")
NOT_SENT = frozenset({"connection", "content-length", "host", "transfer-encoding", "accept-encoding"})
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Replayed:
    """One captured request, sent again. lines: how its answer differs. left_out: why it was not sent, else ""."""

    file: str
    request: str
    lines: tuple[str, ...] = ()
    left_out: str = ""


def replay(directory: Path, url: str, username: str, secret: str) -> Iterator[Replayed]:
    """Send every request of a directory that only reads, in the order in which they came.

    Args:   url: of the service, up to the host and port; the recorded paths follow it.
    Raises: Trouble when the directory holds no capture, or nothing answers at the URL.
    """
    files = sorted(directory.glob("*.json"))
    if not files:
        raise Trouble(f"{directory} holds no captured request")
    basic = "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()
    for file in files:
        case = json.loads(file.read_text(encoding="utf-8"))
        asked = case["request"]
        name = f"{asked['method']} {asked['path']}" + (f"?{asked['query']}" if asked["query"] else "")
        reason = _left_out(asked)
        if reason:
            yield Replayed(file.name, name, left_out=reason)
            continue
        again = recorded(_send(url, asked, basic))
        yield Replayed(file.name, name, tuple(differences(case["answer"], again["answer"])))


def _left_out(asked: dict[str, Any]) -> str:
    if asked["method"] not in READING:
        return "it may write"
    return "a part of its URL was removed" if REMOVED in asked["query"] else ""


def _send(url: str, asked: dict[str, Any], authorization: str) -> Exchange:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    headers = {name: value for name, value in asked["headers"].items() if name not in NOT_SENT and value != REMOVED}
    if "authorization" in asked["headers"]:
        headers["authorization"] = authorization
    target = asked["path"] + (f"?{asked['query']}" if asked["query"] else "")
    started = perf_counter()
    try:
        connection.request(asked["method"], target, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except OSError as problem:
        raise Trouble(f"nothing answers at {url}: {problem}") from None
    finally:
        connection.close()
    return Exchange(
        method=asked["method"],
        target=target,
        headers=headers,
        status=response.status,
        answer_headers=response.getheaders(),
        body=body,
        milliseconds=(perf_counter() - started) * 1000,
        request_id="",
    )
