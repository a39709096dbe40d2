"""An org's calls among its workers: shares that add up to its limit, and pauses that grow until it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, text

from applink import claims, shares
from tests.applink.queued import ORG, OTHER_ORG, new_job, submit


def divide(connection: Connection, worker: str, busy: int = 0, most: int = 8) -> int:
    return divided(connection, worker, busy, most).calls[ORG]


def divided(connection: Connection, worker: str, busy: int = 0, most: int = 8) -> shares.Shares:
    return shared(connection, worker, (ORG,), lambda _: {ORG: busy}, most)


def shared(
    connection: Connection,
    worker: str,
    orgs: tuple[str, ...],
    limit: Callable[[Mapping[str, int]], Mapping[str, int]],
    most: int = 8,
) -> shares.Shares:
    return shares.divide(connection, worker, orgs, limit, most=most, org_concurrency=8, lease_seconds=10.0)


def test_workers_share_an_orgs_calls(engine: Engine) -> None:
    with engine.begin() as connection:
        assert divide(connection, "w1") == 8
        assert divide(connection, "w2") == 0, "all are taken"
        assert divide(connection, "w1", busy=8) == 4, "begin no more until four are left"
        assert divide(connection, "w2") == 0
        assert divide(connection, "w1", busy=3) == 4
        assert divide(connection, "w2") == 4
        assert divide(connection, "w3") == 0
        assert divide(connection, "w1") == 3
        assert divide(connection, "w2") == 3
        assert divide(connection, "w3") == 2
        assert shared(connection, "w3", (), lambda _: {}).calls == {}
        assert divide(connection, "w1") == 4
        connection.execute(text("UPDATE gateway.org_share SET lease_until = now() - interval '1 s'"))
        assert divide(connection, "w1") == 8, "the others are dead"
        assert divide(connection, "w1", most=5) == 5


def test_a_share_is_settled_when_nobody_waits_for_another(engine: Engine) -> None:
    with engine.begin() as connection:
        assert divided(connection, "w1", busy=8).settled
        assert not divided(connection, "w2").settled, "four are to come"
        assert not divided(connection, "w1", busy=6).settled, "two are to be given up"
        assert divided(connection, "w1", busy=4).settled and divided(connection, "w2").settled
        assert not divided(connection, "w3").settled
        assert divided(connection, "w1").settled and divided(connection, "w2").settled
        assert divided(connection, "w3") == shares.Shares(calls={ORG: 2}, settled=True), "eight are not nine"


def test_calls_that_begin_while_shares_are_divided_are_counted(engine: Engine) -> None:
    """What is under way is asked for when no more can begin; also of an org for which nothing waits any longer."""
    asked: list[Mapping[str, int]] = []

    def limit(calls: Mapping[str, int]) -> dict[str, int]:
        asked.append(calls)
        return {ORG: 5, OTHER_ORG: 1}

    kept = "SELECT org_id, calls FROM gateway.org_share WHERE worker = 'w1' ORDER BY 1"
    with engine.begin() as connection:
        divide(connection, "w2", most=4)
        assert shared(connection, "w1", (ORG,), limit).calls == {ORG: 4}
        assert asked == [{ORG: 4}]
        assert connection.execute(text(kept)).all() == [(ORG, 5), (OTHER_ORG, 1)]


def test_a_pause_grows_and_ends_with_an_answer(engine: Engine) -> None:
    def left(connection: Connection) -> float:
        seconds = connection.execute(text("SELECT extract(epoch FROM paused_until - now()) FROM gateway.org_pause"))
        return float(seconds.scalar_one())

    def over(connection: Connection) -> None:
        connection.execute(text("UPDATE gateway.org_pause SET paused_until = now() - interval '1 s'"))

    limits: dict[str, Any] = {"reason": "REQUEST_LIMIT_EXCEEDED", "first_seconds": 60.0, "most_seconds": 900.0}
    submit(engine, new_job(1))
    with engine.begin() as connection:
        assert shares.pause(connection, ORG, **limits)
        assert not shares.pause(connection, ORG, **limits), "seven others were under way"
        assert left(connection) == 60 and shares.take_probe(connection, "w1", seconds=60) is None
        assert claims.ready(connection) == (claims.Waiting(org_id=ORG, paused=True),)
        over(connection)
        assert claims.ready(connection) == (claims.Waiting(org_id=ORG, paused=True),), "until it has answered"
        assert shares.take_probe(connection, "w1", seconds=60) == ORG
        assert shares.take_probe(connection, "w2", seconds=60) is None
        assert shares.pause(connection, ORG, **limits)
        assert left(connection) == 120
        for expected in (240, 480, 900, 900):
            over(connection)
            assert shares.take_probe(connection, "w1", seconds=60) == ORG
            assert shares.pause(connection, ORG, **limits)
            assert left(connection) == expected
        assert shares.resume(connection, ORG) and not shares.resume(connection, ORG)
        assert claims.ready(connection) == (claims.Waiting(org_id=ORG, paused=False),)
        assert shares.pause(connection, ORG, **limits, at_least_seconds=300)
        assert left(connection) == 300
