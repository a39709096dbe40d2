"""An app for each test, on a database of its own; afterwards the row's own commands must have been used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.servers import Server
from simulator.running import Simulator
from simulator.running import running as simulating
from tests.runbook import heroku
from tests.runbook.heroku import App
from tests.runbook.rehearsals import row_of

StartApp = Callable[..., App]


@pytest.fixture(scope="session")
def salesforce() -> Iterator[Simulator]:
    with simulating(opportunities=600) as simulator:
        yield simulator


@pytest.fixture
def start(
    request: pytest.FixtureRequest, salesforce: Simulator, postgres_server: Server, database_url: str, tmp_path: Path
) -> Iterator[StartApp]:
    """start(LEASE_SECONDS="3"): an app with one web dyno and one worker dyno; on another `server` if one is given."""
    salesforce.reset()
    failed_before = request.session.testsfailed
    with contextlib.ExitStack() as until_the_end:
        apps: list[App] = []

        def begin(*, server: Server = postgres_server, url: str = database_url, **config: str) -> App:
            app = until_the_end.enter_context(heroku.running(salesforce, server, url, tmp_path, **config))
            apps.append(app)
            return app

        yield begin
        left_out = row_of(request.node.originalname).commands - apps[0].asked if apps else set()
        assert not left_out or request.session.testsfailed > failed_before, f"the row says {left_out}: not rehearsed"
