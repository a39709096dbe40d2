"""One request is one statement, as PostgreSQL sees it: the messages of the connection itself are counted."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable

import pytest

from odata.sql.read_connection import ReadConnection
from odata.sql.run import Database
from tests.conformance.serving import Client

URLS = (
    "Quotes",
    "Quotes?$top=3&$expand=Lines($expand=Quote($expand=Events,Job)),Job($expand=Items($count=true;$top=2))",
    "Quotes?$filter=Lines/any(l:l/Quantity gt 1) and contains(Name,'a')&$orderby=Lines/$count desc&$top=5",
    "Quotes?$search=acme OR quote&$select=Name&$top=10",
    "Quotes?$count=true&$top=2&$skip=1",
    "Quotes/$count?$filter=GrandTotal gt 10",
    "Jobs?$expand=*&$top=2",
)


ASKED_BEFORE = 7
"""Often enough that a statement is prepared by then, which takes one more round trip, or never will be."""


@pytest.mark.parametrize("url", URLS)
def test_a_request_is_one_round_trip_of_one_statement(alone: Client, url: str) -> None:
    database = alone.recorder.database
    assert isinstance(database, Database)
    for _ in range(ASKED_BEFORE):
        alone.get(url)
    sent = _messages_during(database, lambda: alone.get(url).status)
    assert (sent["Execute"], sent["Bind"], sent["Sync"], sent["Query"]) == (1, 1, 1, 0), (url, sent)


def _messages_during(database: Database, ask: Callable[[], int]) -> Counter[str]:
    """What was sent to PostgreSQL, by kind of message (libpq's own trace)."""
    with tempfile.TemporaryFile("w+") as file:
        lines = _all_connections(database)
        for line in lines:
            line.pgconn.trace(file.fileno())
        try:
            assert ask() == 200
        finally:
            for line in lines:
                line.pgconn.untrace()
        file.seek(0, os.SEEK_SET)
        sent = [row.split("\t") for row in file.read().splitlines()]
    return Counter(row[3] if row[0][:4].isdigit() else row[2] for row in sent if "F" in row[:3])


def _all_connections(database: Database) -> list[ReadConnection]:
    """Every connection of the pool, taken and given back."""
    connections = database._primary.connections
    taken = [connections.take(time.monotonic() + 5) for _ in range(database.limits.connections)]
    for one in taken:
        connections.give(one)
    return taken
