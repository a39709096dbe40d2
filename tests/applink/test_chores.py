"""What a worker does beside items, one round at a time, without the worker's threads."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from applink import intents
from applink.authorizations import Orgs
from applink.quotes import Quotes
from applink.worker import Worker
from simulator.running import Simulator
from tests.applink.queued import write
from tests.applink.quoting import DEFAULTS
from tests.applink.working import LIMITS, begun, new_ids, rows


class Dying(Quotes):
    """The worker ends while it looks into the org."""

    def recover(self, *_: Any, **__: Any) -> None:
        raise SystemExit


def test_a_dead_worker_blocks_one_request_key_for_a_minute_at_most(
    engine: Engine, orgs: Orgs, simulator: Simulator
) -> None:
    org_id = orgs.known_orgs()[0]
    left = [begun(engine, org_id, one, f"k{n}") for n, one in enumerate(new_ids(simulator, 4))]
    with engine.begin() as connection:
        for intent in left:
            intents.mark_called(connection, intent)
    write(engine, "UPDATE gateway.intent SET created_at = now() - interval '1 h', called_at = now() - interval '1 h'"
                  " WHERE id = ANY(:ids)", ids=[intent.id for intent in left])  # fmt: skip
    worker = Worker(engine, orgs, Dying(engine, DEFAULTS), LIMITS, name="w1")
    with pytest.raises(SystemExit):
        worker.chores.settle()
    leased = "SELECT CAST(extract(epoch FROM lease_until - now()) AS float) AS seconds FROM gateway.intent"
    (held,) = rows(engine, leased + " WHERE id = ANY(:ids) AND lease_until > now()", ids=[one.id for one in left])
    assert 30 < held.seconds <= 60
