"""Services for the conformance tests: the gateway's own exposure, a recorded session, everything; some set otherwise.

Each over a database of its own that the tests of a session share and only read; tests that change rows make their own.
What test_switched_off.py asks for by name stands here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from local.servers import Server
from odata.exposure import Exposure
from tests.conformance.serving import Client
from tests.models import everything, session

ICU = "und-x-icu"
NAMES = (
    "zebra", "Äpfel", "apple", "Apple", "Zoo", "äpfel", "a b", "a-b", "ab", "A", "a", "ä", "Ö", "O", "中", "🚀", "_"
)  # fmt: skip
TABLES = {
    "everything": ("tenant", ("thing", "pair", "pair_note", "odd_key", "wide")),
    "gateway": ("org_id", ("job_item", "quote_event", "quote_line", "quote", "job", "discount_rule")),
}
ORGS = (everything.FIRST_ORG, everything.SECOND_ORG)


@pytest.fixture(scope="session")
def session_url(postgres_server: Server, worker: str) -> Iterator[str]:
    yield from _filled(postgres_server, f"{worker}_session", session.create)


@pytest.fixture(scope="session")
def everything_url(postgres_server: Server, worker: str) -> Iterator[str]:
    yield from _filled(postgres_server, f"{worker}_everything", everything.create)


def _filled(server: Server, name: str, create: Callable[[psycopg.Connection[Any]], None]) -> Iterator[str]:
    with server.new_database(name) as url:
        with psycopg.connect(url) as connection:
            create(connection)
        yield url


@pytest.fixture(scope="session")
def gateway(seeded_url: str) -> Iterator[Client]:
    client = Client(seeded_url, org=everything.FIRST_ORG)
    yield client
    client.close()


@pytest.fixture
def alone(gateway: Client) -> Iterator[Client]:
    """With one connection, which nobody has used."""
    client = Client(gateway.settings.database_url, org=gateway.principal.org_id, pool_connections=1)
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


@pytest.fixture(scope="module")
def by_one(everything_url: str) -> Iterator[Client]:
    """Pages of one row, nested ones too."""
    client = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG, max_page_size=1)
    yield client
    client.close()


@pytest.fixture(scope="module")
def link(recorded: Client) -> str:
    """To the second page, with a token."""
    first = recorded.get("Quotes?$select=id&$orderby=status&$filter=id gt 1", prefer="maxpagesize=10")
    url: str = first.json["@odata.nextLink"]
    return url


@pytest.fixture(scope="module")
def things_by_icu(trigram_server: Server, worker: str) -> Iterator[Client]:
    """Things of many names on the server with trigrams, read under a collation that the columns do not have."""
    with trigram_server.new_database(f"{worker}_icu") as url:
        with psycopg.connect(url) as connection:
            everything.create(connection)
            for number, text in enumerate(NAMES):
                connection.execute(
                    "INSERT INTO everything.thing (tenant, id, name, v_string, r_decimal, r_string) "
                    "VALUES (%s, %s, %s, %s, 1, %s)",
                    (everything.FIRST_ORG, 500 + number, text, text if number % 3 else None, text),
                )
        client = Client(url, everything.EXPOSURE, org=everything.FIRST_ORG, string_collation=ICU)
        yield client
        client.close()


@pytest.fixture(scope="module", params=["Edm.Date", "Edm.DateTimeOffset", "Edm.String"])
def dated(request: pytest.FixtureRequest, everything_url: str) -> Iterator[Client]:
    """A service of the salesforce profile for each type that a Date may be published as."""
    client = Client(
        everything_url, keyed_by_date(), org=everything.FIRST_ORG, profile="salesforce",
        salesforce_date_type=request.param,
    )  # fmt: skip
    yield client
    client.close()


def keyed_by_date() -> Exposure:
    """`everything` whose wide rows have a date in their key."""
    properties = tuple(
        replace(item, nullable=False) if item.name == "P05" else item for item in everything.WIDE.properties
    )
    wide = replace(everything.WIDE, key=("Id", "P05"), properties=properties)
    return replace(everything.EXPOSURE, sets=(*everything.EXPOSURE.sets[:-1], wide))


@pytest.fixture
def changing(postgres_server: Server, worker: str) -> Iterator[Client]:
    """Over rows of its own."""
    with postgres_server.new_database(f"{worker}_changing") as url:
        with psycopg.connect(url) as connection:
            session.create(connection)
        client = Client(url, session.EXPOSURE, org=session.ORG)
        yield client
        client.close()


@pytest.fixture(scope="module", params=ORGS)
def pair(
    request: pytest.FixtureRequest,
    postgres_server: Server,
    worker: str,
    everything_url: str,
    seeded_url: str,
    template_database: str,
) -> Iterator[dict[str, tuple[Client, Client]]]:
    """For each service: the client over mixed rows and the client over one org's rows alone."""
    org = request.param
    with (
        postgres_server.new_database(f"{worker}_alone_e") as alone_things,
        postgres_server.new_database(f"{worker}_alone_g", template=template_database) as alone_gateway,
    ):
        alone = {"everything": alone_things, "gateway": alone_gateway}
        with psycopg.connect(alone_things) as connection:
            everything.create(connection)
        for schema, (column, tables) in TABLES.items():
            with psycopg.connect(alone[schema]) as connection:
                for table in tables:
                    connection.execute("SELECT set_config('app.org_id', %s, true)", (other_org(org),))
                    others = SQL("DELETE FROM {} WHERE {} <> %s").format(Identifier(schema, table), Identifier(column))
                    connection.execute(others, (org,))
        made = {
            "things": [Client(url, everything.EXPOSURE, org=org) for url in (everything_url, alone_things)],
            "gateway": [Client(url, org=org) for url in (seeded_url, alone_gateway)],
        }
        yield {name: (mixed, single) for name, (mixed, single) in made.items()}
        for clients in made.values():
            for client in clients:
                client.close()


def other_org(org: str) -> str:
    return ORGS[1 - ORGS.index(org)]
