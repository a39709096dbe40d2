"""Fixtures: servers, databases, a web server, golden files. No database means a loud failure, never a skip.

    postgres_server      a real PostgreSQL: the embedded one, or the one named by TEST_DATABASE_URL
    template_database    its database with all tables and a small seed, made once a session; never connect to it
    database_url         a copy of the template for one test that changes rows
    seeded_url           a copy of the template for the session, for tests that only read
    trigram_server       a PostgreSQL with pg_trgm: Debian's, or the one named by TRIGRAM_DATABASE_URL
    trigram_url          its database with all tables and the small seed, for tests that only read
    gateway_server       starts gunicorn over a database: gateway_server(url, MAX_PAGE_SIZE="10").service_root
    conformance_files    the standard's own test cases and schemas, outside of the project
    golden               golden("metadata.xml", text) compares with tests/golden, or rewrites it under --golden

URLs connect as the ordinary role. With pytest-xdist each process has databases of its own on one shared server.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

import settings
from local import servers, web
from local.servers import Server
from tests import given

GOLDEN = Path(__file__).parent / "golden"
TEST_DATA = servers.DATA / "test"
SEEDED_QUOTES = 200

hypothesis_settings.register_profile(
    "gateway", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("gateway")


class StartGateway(Protocol):
    def __call__(self, database_url: str, **variables: str) -> web.Web: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite the files of tests/golden")


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> None:
    """The tests are the same whatever the shell has set: DATABASE_URL and every other setting is taken away."""
    for one in settings.documentation():
        os.environ.pop(one.variable, None)


@pytest.fixture(scope="session")
def conformance_files() -> None:
    """The standard's own test cases and schemas: skips without them, fails in CI."""
    given.require_conformance()


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """The name of this test process: part of the names of its databases."""
    name: str = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return f"test_{name}_{os.getpid()}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    named = os.environ.get("TEST_DATABASE_URL")
    opened = servers.named(named) if named else servers.embedded(TEST_DATA / "postgres", for_tests=True)
    with opened as server:
        yield server


@pytest.fixture(scope="session")
def trigram_server() -> Iterator[Server]:
    named = os.environ.get("TRIGRAM_DATABASE_URL")
    with servers.named(named) if named else servers.installed(TEST_DATA / "trigram") as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres_server: Server, worker: str) -> Iterator[str]:
    """The name of the template; copies are made from it, so nobody may be connected to it."""
    with postgres_server.new_database(f"{worker}_template") as url:
        _fill(url)
        yield f"{worker}_template"


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def database_url(
    postgres_server: Server, template_database: str, worker: str, _numbers: Iterator[int]
) -> Iterator[str]:
    with postgres_server.new_database(f"{worker}_{next(_numbers)}", template=template_database) as url:
        yield url


@pytest.fixture(scope="session")
def seeded_url(postgres_server: Server, template_database: str, worker: str) -> Iterator[str]:
    with postgres_server.new_database(f"{worker}_seeded", template=template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: Server, worker: str, _numbers: Iterator[int]) -> Iterator[str]:
    """A database without any table, for migrations and for other exposures."""
    with postgres_server.new_database(f"{worker}_{next(_numbers)}") as url:
        yield url


@pytest.fixture(scope="session")
def trigram_url(trigram_server: Server, worker: str) -> Iterator[str]:
    with trigram_server.new_database(f"{worker}_trigram") as url:
        _fill(url)
        yield url


@pytest.fixture(scope="session")
def gateway_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartGateway]:
    """Starts web servers that live until the session ends; the same arguments give the same server."""
    with contextlib.ExitStack() as stack:
        started: dict[tuple[object, ...], web.Web] = {}

        def start(database_url: str, **variables: str) -> web.Web:
            key = (database_url, *sorted(variables.items()))
            if key not in started or started[key].process.poll() is not None:
                log = tmp_path_factory.mktemp("gateway") / "log"
                started[key] = stack.enter_context(web.serving(database_url, log, variables=variables))
            return started[key]

        yield start


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a file of tests/golden; `make golden` rewrites the file instead."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--golden"):
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file} is missing: make golden, then review it"
        assert text == file.read_text(encoding="utf-8"), f"{file} differs: make golden, then review the diff"

    return compare


def _fill(url: str) -> None:
    """All tables, and a small seed of every kind of row."""
    from models import migrating, seed

    migrating.migrate(url)
    seed.seed(url, quotes=SEEDED_QUOTES)
