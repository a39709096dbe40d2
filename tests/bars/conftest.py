"""Services for the bars: the gateway's own exposure and `everything`, over databases that these tests only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from local.servers import Server
from local.web import Web
from tests.conformance.serving import Client
from tests.models import everything


@pytest.fixture(scope="session")
def quotes(seeded_url: str) -> Iterator[Client]:
    client = Client(seeded_url, org=everything.FIRST_ORG)
    yield client
    client.close()


@pytest.fixture(scope="session")
def things(postgres_server: Server, worker: str) -> Iterator[Client]:
    """Every type, rows without end in time included."""
    with postgres_server.new_database(f"{worker}_bars") as url:
        with psycopg.connect(url) as connection:
            everything.create(connection)
            everything.add_infinite_rows(connection)
        client = Client(url, everything.EXPOSURE, org=everything.FIRST_ORG)
        yield client
        client.close()


@pytest.fixture(scope="session")
def gateway_web(gateway_server: Callable[..., Web], seeded_url: str) -> Web:
    """The gateway's own exposure behind gunicorn, read anonymously."""
    return gateway_server(seeded_url, ODATA_AUTH="anonymous", ANONYMOUS_ORG=everything.FIRST_ORG)


@pytest.fixture(scope="session")
def gateway_port(gateway_web: Web) -> int:
    return gateway_web.port
