"""Threads of the web process stay with clients who ask again at once, and leave nobody else waiting."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest

from local.web import Web

THREADS = 3


@pytest.fixture(scope="module")
def gateway(postgres_server, gateway_server, worker) -> Web:  # type: ignore[no-untyped-def]
    """One process of three threads; no request reaches a table."""
    if not postgres_server.has_database(f"{worker}_empty"):
        postgres_server.create_database(f"{worker}_empty")
    started: Web = gateway_server(postgres_server.url(f"{worker}_empty"), WEB_CONCURRENCY="1", WEB_THREADS=str(THREADS))
    return started


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
