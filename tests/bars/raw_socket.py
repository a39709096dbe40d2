"""Bytes to a port and what comes back, for requests that no HTTP client would send."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def received(port: int, request_bytes: bytes, *, seconds: float = 10.0) -> bytes:
    """All that comes back until the connection closes, or nothing more comes for so long."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(request_bytes)
            while part := connection.recv(65536):
                answer += part
        except OSError:  # closed or quiet: what came, came
            pass
    return answer


def exchange(port: int, request_bytes: bytes) -> Answer:
    """Send bytes, read the one answer until the connection closes."""
    return read(received(port, request_bytes))


def read(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines[1:])}
    return Answer(status=int(lines[0].split()[1]), headers=headers, body=body)
