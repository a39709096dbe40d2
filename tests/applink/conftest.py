"""One simulated org and add-on for the tests of this folder that want them, as new for each; orgs on it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from heroku_applink import authorization as sdk_settings

from applink.authorizations import Orgs
from applink.context import Caller
from applink.org import Org
from simulator.running import Simulator, running


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


def caller_of(simulator: Simulator, username: str) -> Caller:
    """A proven caller with the token that the user has now."""
    found = simulator.caller(username)
    return Caller(
        org_id=found.org_id,
        domain_url=found.org_domain_url,
        api_version=found.api_version,
        user_id=found.user_id,
        username=found.username,
        access_token=found.access_token,
        request_id="r-1",
    )


def soon(seconds: float = 10) -> float:
    """A deadline."""
    return time.monotonic() + seconds
