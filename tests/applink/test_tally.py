"""A worker's counts, changed by many threads: none is lost, and they can be read meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine

from applink.authorizations import Orgs
from applink.item_work import ItemWork
from applink.quotes import Quotes
from applink.tally import Tally
from applink.worker import Worker
from tests.applink.queued import items
from tests.applink.quoting import DEFAULTS
from tests.applink.working import LIMITS

THREADS, NAMES = 8, 2_000


@pytest.fixture
def busy() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def work(orgs: Orgs) -> ItemWork:
    engine = create_engine("postgresql+psycopg://nowhere.invalid/none")
    return Worker(engine, orgs, Quotes(engine, DEFAULTS), LIMITS, name="w1").work


def test_no_outcome_is_lost_and_the_log_reads_them_meanwhile(work: ItemWork, busy: None) -> None:
    (item,) = items("00D-A", 1)
    begin = threading.Barrier(THREADS + 1)

    def count() -> None:
        begin.wait(10)
        for name in range(NAMES):
            work._count(f"outcome {name}", item)

    with ThreadPoolExecutor(THREADS) as pool:
        counting = [pool.submit(count) for _ in range(THREADS)]
        begin.wait(10)
        while not all(one.done() for one in counting):
            sorted(work.counts.items())
        assert [one.result() for one in counting] == [None] * THREADS
    assert dict(work.counts.items()) == {f"outcome {name}": THREADS for name in range(NAMES)}


def test_each_thread_gets_a_number_of_its_own(busy: None) -> None:
    """So that one of them, and only one, is the fifth."""
    tally = Tally()
    with ThreadPoolExecutor(THREADS) as pool:
        numbers = list(pool.map(lambda _: tally.add("org"), range(600)))
    assert sorted(numbers) == list(range(1, 601)) and tally["org"] == 600
    tally.forget("org")
    assert tally["org"] == 0 and tally.add("org") == 1
