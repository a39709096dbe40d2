"""One running gateway, org and mesh for the tests of this folder; records and rows stay from test to test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.applink.conftest import Served
from tests.applink.serving import Place

DEADLINE_SECONDS = 6


@pytest.fixture(scope="package")
def place(served: Served) -> Iterator[Place]:
    variables = {
        "OPERATION_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "ODATA_AUTH": "anonymous",
        "ANONYMOUS_ORG": "00DbZ0000000001UAA",
        "JOBS_OPEN_PER_ORG": "12",
    }
    with served("operations", variables=variables) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_new(place: Place) -> None:
    """No faults and no requests so far. Records stay: an org that starts anew would give the same ids again."""
    place.simulator.clear_faults()
    place.simulator.forget_requests()
