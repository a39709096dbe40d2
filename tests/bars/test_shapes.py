"""However many URL shapes come, the process and the database's processes stay as they are.

Bounded are the shape cache, SQLAlchemy's and psycopg's own caches, and the statements prepared on a connection. 600
shapes here, with a small cache; 100,000 among the slow tests, with figures.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from urllib.parse import quote, unquote

import psycopg
import pytest

from tests.conformance.serving import Client
from tests.models import everything

NAMES = ("Name", "Status", "Region", "AccountName", "OpportunityName", "PricingNote", "SyncStatus", "QuoteNumber")


@pytest.fixture
def bounded(seeded_url: str) -> Iterator[Client]:
    client = Client(seeded_url, org=everything.FIRST_ORG, shape_cache_entries=50, pool_connections=1)
    yield client
    client.close()


def test_600_shapes_do_not_grow_the_process(bounded: Client) -> None:
    _ask(bounded, range(150))
    before = megabytes("self")
    _ask(bounded, range(150, 750))
    assert len(bounded.service.shapes) <= 50
    assert megabytes("self") - before <= 15


def test_the_cache_is_bounded_by_bytes(seeded_url: str) -> None:
    client = Client(seeded_url, org=everything.FIRST_ORG, shape_cache_bytes=1_000_000)
    _ask(client, range(150))
    assert 20 <= len(client.service.shapes) <= 1_000_000 // 10_000
    client.close()


def test_long_literals_are_not_kept(seeded_url: str) -> None:
    """Bodies of 450 kB in one literal, each of another shape: an entry of the cache would hold the literal."""
    client = Client(seeded_url, org=everything.FIRST_ORG, pool_connections=1)
    _ask_all(client, _long_literals(range(5)))
    before = megabytes("self")
    _ask_all(client, _long_literals(range(5, 45)))
    assert megabytes("self") - before <= 10
    client.close()


def test_long_lists_count_for_what_they_take(seeded_url: str) -> None:
    """Lists of 200 ids and more, each count a shape: some are kept, and a full cache grows no further."""
    client = Client(seeded_url, org=everything.FIRST_ORG, pool_connections=1, shape_cache_bytes=8_000_000)
    _ask_all(client, _long_lists(range(60)))
    before = megabytes("self")
    _ask_all(client, _long_lists(range(60, 160)))
    assert 10 <= len(client.service.shapes) <= 60
    assert megabytes("self") - before <= 6
    client.close()


def _long_literals(numbers: range) -> Iterator[str]:
    for number in numbers:
        _, _, options = shape(number).partition("?")
        yield f"{unquote(options)} or Name eq '{'x' * 450_000}'"


def _long_lists(numbers: range) -> Iterator[str]:
    for number in numbers:
        ids = ",".join(f"00000000-0000-7000-8000-{item:012}" for item in range(200 + number))
        yield f"$top=1&$select=Id&$filter=Id in ({ids})"


def _ask_all(client: Client, bodies: Iterator[str]) -> None:
    for body in bodies:
        reply = client.query("Quotes", body)
        assert reply.status == 200, reply.text[:300]
    gc.collect()


@pytest.mark.slow
def test_100_000_shapes_do_not_grow_the_process(seeded_url: str) -> None:
    """With the sizes of the settings; the figures are of this process, pytest and all."""
    client = Client(seeded_url, org=everything.FIRST_ORG, pool_connections=2)
    _ask(client, range(4000))
    before, backends_before = megabytes("self"), _backends(seeded_url)
    started = perf_counter()
    for part in range(5):
        _ask(client, range(4000 + part * 20_000, 24_000 + part * 20_000))
        print(
            f"\n{(part + 1) * 20_000} shapes, {perf_counter() - started:.0f} s: {megabytes('self') - before:+.1f} MB",
            end="",
        )
    print(f"; {len(client.service.shapes)} kept; database processes {backends_before} -> {_backends(seeded_url)}")
    assert megabytes("self") - before <= 20
    assert max(now for now, _ in _backends(seeded_url)) <= max(then for then, _ in backends_before) + 20
    client.close()


def _ask(client: Client, numbers: range) -> None:
    for number in numbers:
        reply = client.get(shape(number))
        assert reply.status == 200, reply.text[:300]
    gc.collect()


def shape(number: int) -> str:
    """A URL whose shape no other number has, up to 8 ** 6: its digits choose properties and operators."""
    terms = []
    for place in range(6):
        number, digit = divmod(number, 8)
        terms.append(f"{NAMES[digit]} {'ne' if place % 2 else 'eq'} 'x'")
    return "Quotes?$top=1&$select=Id&$filter=" + quote(" or ".join(terms))


def megabytes(process: int | str, name: str = "VmRSS") -> float:
    """Memory of a process, as the kernel counts it."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)


def _backends(url: str) -> list[tuple[float, int]]:
    """Private megabytes and id of each process that serves this database."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        ).fetchall()
    return sorted((round(megabytes(pid, "RssAnon"), 1), pid) for (pid,) in rows)
