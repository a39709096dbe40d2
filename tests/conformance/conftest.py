"""Three services for the conformance tests: the gateway's own exposure, a recorded session, and everything.

Each over a database of its own that the tests of a session share and only read; tests that change rows make their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from local.servers import Server
from tests.conformance.serving import Client
from tests.models import everything, session


@pytest.fixture(scope="session")
def session_url(postgres_server: Server, worker: str) -> Iterator[str]:
    yield from _filled(postgres_server, f"{worker}_session", session.create)


@pytest.fixture(scope="session")
def everything_url(postgres_server: Server, worker: str) -> Iterator[str]:
    yield from _filled(postgres_server, f"{worker}_everything", everything.create)


def _filled(server: Server, name: str, create: Callable[[psycopg.Connection[Any]], None]) -> Iterator[str]:
    server.drop_database(name)
    url = server.create_database(name)
    with psycopg.connect(url) as connection:
        create(connection)
    yield url
    server.drop_database(name)


@pytest.fixture(scope="session")
def gateway(seeded_url: str) -> Iterator[Client]:
    client = Client(seeded_url, org=everything.FIRST_ORG)
    yield client
    client.close()


@pytest.fixture(scope="session")
def recorded(session_url: str) -> Iterator[Client]:
    """The schema of the recorded session: 2,100 quotes, 3,000 jobs."""
    client = Client(session_url, session.EXPOSURE, org=session.ORG)
    yield client
    client.close()


@pytest.fixture(scope="session")
def things(everything_url: str) -> Iterator[Client]:
    """Every type, recursion, odd keys, wide sets, long names."""
    client = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG)
    yield client
    client.close()
