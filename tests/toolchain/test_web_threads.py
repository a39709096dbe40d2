"""Threads of the web process stay with clients who ask again at once, and leave nobody else waiting."""

from __future__ import annotations

import http.client
import socket
import threading

import psutil
import pytest

from local.servers import Server
from local.web import Web
from tests.bars.raw_socket import received
from tests.conftest import StartGateway

THREADS = 3


@pytest.fixture(scope="module")
def gateway(postgres_server: Server, gateway_server: StartGateway, worker: str) -> Web:
    """One process of three threads; no request reaches a table."""
    if not postgres_server.has_database(f"{worker}_empty"):
        postgres_server.create_database(f"{worker}_empty")
    return gateway_server(postgres_server.url(f"{worker}_empty"), WEB_CONCURRENCY="1", WEB_THREADS=str(THREADS))


def test_as_many_busy_clients_as_threads_keep_nobody_out(gateway: Web) -> None:
    done = threading.Event()
    answers: list[int] = []

    def busy() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        while not done.is_set():
            connection.request("GET", "/healthcheck")
            reply = connection.getresponse()
            reply.read()
            answers.append(reply.status)
        connection.close()

    clients = [threading.Thread(target=busy) for _ in range(THREADS)]
    for client in clients:
        client.start()
    try:
        for _ in range(20):
            late = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
            late.request("GET", "/healthcheck")
            assert late.getresponse().status == 200
            late.close()
    finally:
        done.set()
        for client in clients:
            client.join()
    assert set(answers) == {200} and len(answers) > THREADS * 20


def test_requests_sent_together_are_answered_in_turn(gateway: Web) -> None:
    one = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as line:
        line.sendall(one * 12 + last)
        received = b""
        while piece := line.recv(65536):
            received += piece
    statuses = [part.split(b" ", 1)[0] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * 12 + [b"404"]


REFUSED = (
    b"hello\r\n\r\n",
    b"GET / HTTP/9.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 9000 + b"\r\n\r\n",
)


def test_requests_that_cannot_be_read_end_no_process(gateway: Web) -> None:
    """More of them than threads, then as many that can be read."""
    before = _workers(gateway)
    for number in range(4 * THREADS):
        assert received(gateway.port, REFUSED[number % len(REFUSED)], seconds=10).startswith(b"HTTP/1.1 4")
    for _ in range(4 * THREADS):
        late = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
        late.request("GET", "/healthcheck")
        assert late.getresponse().status == 200
        late.close()
    assert _workers(gateway) == before
    assert "exited with code" not in gateway.log.read_text() and "Traceback" not in gateway.log.read_text()


def _workers(gateway: Web) -> set[int]:
    return {child.pid for child in psutil.Process(gateway.process.pid).children()}
