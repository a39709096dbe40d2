"""What tests of this folder may ask for: one simulated org and add-on, as new for each, and databases to go with it.

simulator, orgs       the org and add-on; authorizations and callers of it: work_org, ann, ben
engine, org_id        a database of the test's own; the org whose jobs a worker does
shop, made            quotes over that database; one of them, in the org and stored
seeded_engine         a database for tests that only read
served                starts gunicorn over a new database, with org, add-on and mesh
trust, clock          who is believed, and for how long
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import pytest
from heroku_applink import authorization as sdk_settings
from sqlalchemy import Engine

from applink.authorizations import Orgs
from applink.org import Org
from applink.quotes import Made, Quotes
from applink.trust import Trust
from local.servers import Server
from models import database
from simulator.running import Simulator, running
from tests.applink.calling import caller_of
from tests.applink.quoting import DEFAULTS, Shop
from tests.applink.serving import Place, serving
from tests.applink.trusting import Clock


class Served(Protocol):
    def __call__(
        self, name: str, *, port: int | None = None, variables: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Place]: ...


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    with running(opportunities=300) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """As at its start; the SDK's settings lead to it."""
    shared_simulator.reset()
    for name, value in shared_simulator.environment.items():
        monkeypatch.setenv(name, value)
    sdk_settings._resolve_addon_config_by_attachment_or_color.cache_clear()
    return shared_simulator


@pytest.fixture
def orgs(simulator: Simulator) -> Iterator[Orgs]:
    """With one authorization, named worker."""
    made = Orgs(test_domains=(simulator.url, simulator.other_url))
    yield made
    made.close()


@pytest.fixture
def work_org(orgs: Orgs) -> Org:
    """The first org as its named authorization. (`worker` is the test process, tests/conftest.py.)"""
    return orgs.named(orgs.known_orgs()[0])


@pytest.fixture
def ann(orgs: Orgs, simulator: Simulator) -> Org:
    return orgs.of_caller(caller_of(simulator, "ann"))


@pytest.fixture
def ben(orgs: Orgs, simulator: Simulator) -> Org:
    return orgs.of_caller(caller_of(simulator, "ben"))


@pytest.fixture
def org_id(orgs: Orgs) -> str:
    return orgs.known_orgs()[0]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.engine(database_url, pool_size=8)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def seeded_engine(seeded_url: str) -> Iterator[Engine]:
    made = database.engine(seeded_url)
    yield made
    made.dispose()


@pytest.fixture
def shop(engine: Engine) -> Shop:
    return Shop(engine, Quotes(engine, DEFAULTS))


@pytest.fixture
def made(shop: Shop, ann: Org, simulator: Simulator) -> Made:
    """A quote of three lines at 10 %."""
    return shop.create(ann, simulator.special("plain"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trust(orgs: Orgs, simulator: Simulator, clock: Clock) -> Trust:
    orgs.known_orgs()
    simulator.forget_requests()
    return Trust(orgs, test_domains=(simulator.url, simulator.other_url), clock=clock)


@pytest.fixture(scope="session")
def served(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """The gateway as it runs, for the time of a block. name: of its database; the rest as in `serving`."""

    @contextlib.contextmanager
    def start(name: str, *, port: int | None = None, variables: Mapping[str, str] | None = None) -> Iterator[Place]:
        with (
            postgres_server.new_database(f"{worker}_{name}", template=template_database) as url,
            serving(url, tmp_path_factory.mktemp(name), port=port, variables=variables) as place,
        ):
            yield place

    return start
