"""A web or worker process is killed at each point of a quote's way; afterwards a worker runs, and both sides agree.

Agree: as many quotes in the org as rows, with the same values and lines, nothing open, items and jobs ended, whoever
waits told at least once; and the same request again changes nothing more. A few points here, all in `make test-slow`.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from simulator.caller import Invocation, Reply, Unreachable
from tests.applink import crash_points
from tests.applink.conftest import Served
from tests.applink.serving import Place, declared, working

WEB_SETTINGS = {"OPERATION_DEADLINE_SECONDS": "4", "WEB_CONCURRENCY": "1", "JOBS_OPEN_PER_ORG": "200"}
WORKER_SETTINGS = {
    "LEASE_SECONDS": "3",
    "INTENT_SETTLE_SECONDS": "1",
    "WORKER_POLL_SECONDS": "0.1",
    "RETRY_MOST_SECONDS": "1",
    "CALLBACK_DEADLINE_SECONDS": "600",
}
PATIENCE_SECONDS = 120.0

# operation and point -> whether the org has done it by then.
CREATE = {
    "after operations.create_quote._opened": False,
    "before intents.mark_called": False,
    "after intents.mark_called": False,
    "before rest_calls.writing": False,
    "before rest_calls._written": True,
    "after salesforce.SdkOrg.write": True,
    "after quotes.Quotes.make": True,
    "after quote_rows.add": True,
    "after intents.settle": True,
    "after operations.create_quote._store": True,
}
REVISE = {"after drafts.Turn._show": False} | CREATE
UPDATE = {
    "after quote_work._begin": False,
    "before rest_calls.updating": False,
    "after salesforce.SdkOrg.update": True,
    "after quote_rows.change": True,
    "after quote_work._store": True,
}
DISCOUNT = {
    "before rest_calls.writing": False,
    "before rest_calls._written": True,
    "after salesforce.SdkOrg.write": True,
    "after quote_rows.replace_lines": True,
    "after quote_work._store": True,
}
DELETE = {
    "after quote_work._begin": False,
    "before rest_calls.writing": False,
    "before rest_calls._written": True,
    "after salesforce.SdkOrg.write": True,
    "after quote_rows.remove": True,
    "after quote_work._store": True,
}
STARTS = {"after jobs.submit": False, "after operations.starting._stored": True}
OPERATIONS: dict[str, tuple[str, dict[str, bool]]] = {
    "create": ("createQuote", CREATE),
    "revise": ("createQuote", REVISE),
    "update": ("updateQuote", UPDATE),
    "discount": ("updateQuote", DISCOUNT),
    "delete": ("deleteQuote", DELETE),
    "start": ("startQuotes", STARTS),
}
WEB = [(kind, point) for kind, (_, points) in OPERATIONS.items() for point in points]
FEW_WEB = [
    ("create", "after quote_rows.add"),
    ("update", "after salesforce.SdkOrg.update"),
    ("delete", "after quote_rows.remove"),
]

WORKER = (
    "after claims.claim",
    "before item_work.ItemWork.do",
    "after claims.mark_called",
    "before rest_calls.writing",
    "before rest_calls._written",
    "after salesforce.SdkOrg.write",
    "after quotes.Quotes.make",
    "after quote_rows.add",
    "before claims.finish_item",
    "before the job is counted",
    "after claims.finish_item",
    "after item_work.ItemWork._finish",
    "before chores.Chores._tell",
    "before salesforce.SdkOrg.deliver",
    "after salesforce.SdkOrg.deliver",
    "after outbox.delivered",
    "after chores.Chores._done",
    "after salesforce.SdkOrg.create",
    "after outbox.published",
)
FEW_WORKER = ("after salesforce.SdkOrg.write", "before the job is counted", "after salesforce.SdkOrg.deliver")
SETTLING = (
    "after intents.stale",
    "before chores.Chores._settle",
    "after quotes.Quotes.recover",
    "after quote_rows.add",
    "after intents.settle",
    "after chores.Chores._settle",
    "before chores.Chores._settle_change",
    "after quotes.Quotes.settle",
)


@dataclass(frozen=True, slots=True)
class Struck:
    """One request during which a process was killed. done: whether the org had it; before: quotes there already."""

    kind: str
    point: str
    opportunity: str
    sent: Invocation
    done: bool
    before: int

    @property
    def quotes(self) -> int:
        """How many quotes the opportunity has when the request is done."""
        return self.before + {"create": 1, "revise": 1, "start": 1, "delete": -1}.get(self.kind, 0)


class Killing:
    """The gateway, whose processes can be killed at a point."""

    def __init__(self, place: Place, file: Path, folder: Path) -> None:
        self.place = place
        self._file = file
        self._folder = folder
        self._fresh = iter(place.simulator.opportunities(400, user="ann"))

    def opportunity(self) -> str:
        return next(
            one
            for one in self._fresh
            if not any(self.place.count(table, "opportunity_id = :id", id=one) for table in ("intent", "quote"))
        )

    def web(self, kind: str, point: str) -> Struck:
        """Kill the web process that works on a new request of this kind."""
        opportunity, before = self.opportunity(), 0
        body: dict[str, Any] = {"opportunityId": opportunity}
        if kind == "start":
            body = {"opportunityIds": [opportunity]}
        elif kind != "create":
            quote = self.answered(lambda: self.place.ask("createQuote", {"opportunityId": opportunity}))
            before = 1
            body |= {"ifDraftExists": "revise"}
            if kind != "revise":
                body = {"quoteId": quote.body["quoteId"], **_CHANGES[kind]}
        operation, points = OPERATIONS[kind]
        sent = self.place.apex.prepare(operation, body, through="direct")
        self._file.write_text(point)
        with pytest.raises(Unreachable):
            self.place.apex.send(sent)
        assert not self._file.exists(), f"{kind}: nobody came to {point}"
        return Struck(kind, point, opportunity, sent, points[point], before)

    def worker(self, point: str) -> None:
        """Kill a worker that finds enough to do to come to a point."""
        self._file.write_text(point)
        with working(self.place, self._folder / "workers", **WORKER_SETTINGS) as process:
            try:
                assert process.wait(PATIENCE_SECONDS) == -9, (self._folder / "workers").read_text()[-2000:]
            except subprocess.TimeoutExpired:
                raise AssertionError(f"no worker came to {point}") from None
        assert not self._file.exists()

    def job(self, operation: str) -> tuple[Reply, list[str]]:
        """A job of two opportunities; createQuotes with a callback."""
        ids = [self.opportunity(), self.opportunity()]
        callback = {"callback": True} if operation == "createQuotes" else {}
        reply = self.place.ask(operation, {"opportunityIds": ids}, **callback)
        assert reply.status == 201, reply.body
        return reply, ids

    def calm(self) -> None:
        """Let a worker run until nothing is left to do."""
        with working(self.place, self._folder / "workers", **WORKER_SETTINGS):
            until(lambda: not any(self.place.count(*left) for left in LEFT), (self._folder / "workers").read_text)

    def answered(self, ask: Callable[[], Reply]) -> Reply:
        """An answer that says it is done; what is sent while a process is being replaced is sent again."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                reply = declared(ask())
            except Unreachable:
                reply = None
            if reply is not None and reply.status not in (502, 503, 504):
                return reply
            assert time.monotonic() < ends, reply and reply.body
            time.sleep(0.2)


_CHANGES: dict[str, dict[str, Any]] = {
    "update": {"status": "Presented"},
    "discount": {"discountPercent": 33},
    "delete": {},
}
OURS = "request_id IS NOT NULL AND created_at > now() - interval '1 h'"
LEFT = (
    ("intent", f"status = 'open' AND {OURS}"),
    ("job", f"status IN ('queued', 'running') AND {OURS}"),
    ("job", f"callback_status = 'due' AND {OURS}"),
)


def until(is_so: Callable[[], bool], story: Callable[[], str]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < ends, story()[-3000:]
        time.sleep(0.1)


@pytest.fixture(scope="module")
def killing(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    folder = tmp_path_factory.mktemp("killing")
    variables = {**crash_points.environment(folder / "point"), **WEB_SETTINGS}
    with served("killed", variables=variables) as place:
        yield Killing(place, folder / "point", folder)


QUOTES = """
SELECT id, salesforce_id, quote_number, name, status, line_count, total_price, grand_total, sync_status
FROM gateway.quote WHERE opportunity_id = :o AND deleted_at IS NULL ORDER BY salesforce_id
"""
LINES = """
SELECT l.salesforce_id, l.quantity, l.unit_price FROM gateway.quote_line AS l
JOIN gateway.quote AS q ON q.org_id = l.org_id AND q.id = l.quote_id
WHERE q.opportunity_id = :o AND q.deleted_at IS NULL AND l.deleted_at IS NULL ORDER BY l.salesforce_id
"""


def agree(place: Place, opportunity: str, quotes: int) -> list[Any]:
    """The rows of an opportunity's quotes, which are what the org has, as many as there should be."""
    there = sorted(place.simulator.records("Quote", f"OpportunityId = '{opportunity}'"), key=lambda one: one["Id"])
    with place.engine.connect() as connection:
        rows = connection.execute(text(QUOTES), {"o": opportunity}).all()
        lines = connection.execute(text(LINES), {"o": opportunity}).all()
    assert len(there) == quotes, (opportunity, len(there))
    assert [(row.salesforce_id, row.quote_number, row.name, row.status, row.total_price) for row in rows] == [
        (one["Id"], one["QuoteNumber"], one["Name"], one["Status"], Decimal(str(one["TotalPrice"]))) for one in there
    ]
    assert {row.sync_status for row in rows} <= {"synced"}
    assert sorted(map(tuple, lines)) == sorted(
        (line["Id"], Decimal(str(line["Quantity"])), Decimal(str(line["UnitPrice"])))
        for one in there
        for line in place.simulator.records("QuoteLineItem", f"QuoteId = '{one['Id']}'")
    )
    wanted = len(place.simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity}'"))
    assert {row.line_count for row in rows} <= {wanted} and len(lines) == wanted * quotes
    assert place.count("intent", "opportunity_id = :o AND status = 'open'", o=opportunity) == 0
    return list(rows)


def agreed(killing: Killing, struck: Struck) -> None:
    """Both sides agree after a worker has run; and after the same request again, which is then done, and done once."""
    quotes = struck.quotes if struck.done else struck.before
    rows = agree(killing.place, struck.opportunity, quotes)
    if struck.kind == "update":
        assert [row.status for row in rows] == ["Presented" if struck.done else "Draft"]
    again = killing.answered(lambda: killing.place.apex.send(struck.sent))
    if struck.kind == "start":
        assert again.status == 201 and killing.place.count("job", "id = :i", i=again.body["jobId"]) == 1
        killing.calm()
    elif struck.kind == "delete" and struck.done:
        assert (again.status, again.body["code"]) == (404, "QuoteNotFound")
    else:
        assert again.status == 200, again.body
    rows = agree(killing.place, struck.opportunity, struck.quotes)
    if struck.kind == "update":
        assert [row.status for row in rows] == ["Presented"]


def strike_web(killing: Killing, points: Iterable[tuple[str, str]], settling: Iterable[str] = ()) -> None:
    struck = [killing.web(kind, point) for kind, point in points]
    for point in settling:
        killing.worker(point)
    killing.calm()
    problems = {}
    for one in struck:
        try:
            agreed(killing, one)
        except AssertionError as problem:
            problems[one.kind, one.point] = str(problem)
    assert problems == {}


def strike_workers(killing: Killing, points: Iterable[str]) -> None:
    given = []
    for point in points:
        given += [killing.job("createQuotes"), killing.job("startQuotes")]
        killing.worker(point)
    killing.calm()
    events = {event["JobId__c"] for event in killing.place.simulator.events()}
    for reply, ids in given:
        job_id = reply.body["jobId"]
        for opportunity in ids:
            agree(killing.place, opportunity, 1)
        assert killing.place.count("job", "id = :i AND status = 'completed' AND progress = 100", i=job_id) == 1
        assert killing.place.count("job_item", "job_id = :i AND status = 'succeeded'", i=job_id) == len(ids)
        if reply.invocation.operation == "createQuotes":
            told = killing.place.apex.callbacks(reply)
            assert told and {one.body["jobId"] for one in told} == {job_id}
            assert all(len(one.body["quoteIds"]) == len(ids) for one in told)
        else:
            assert job_id in events


def test_a_web_process_killed_at_some_points(killing: Killing) -> None:
    strike_web(killing, FEW_WEB)


def test_a_worker_killed_at_some_points(killing: Killing) -> None:
    strike_workers(killing, FEW_WORKER)


@pytest.mark.slow
def test_a_web_process_killed_at_every_point_and_who_settles_it_too(killing: Killing) -> None:
    strike_web(killing, WEB, SETTLING)


@pytest.mark.slow
def test_a_worker_killed_at_every_point(killing: Killing) -> None:
    strike_workers(killing, WORKER)
