"""One claimed item from beginning to end: make the quote, store it, end the item; or what an error makes of it.

    the org refused            the item fails, for good; called before, only after a look: till then again later
    unknown, not answered      again later, with the same key; counted, unless the whole org is away
    the org's limit, or no     the org pauses; not counted
        authorization that works
    the database is away       waited for; then the lease has ended and somebody else looks the quote up in the org
    called, and then cancelled, tried too often, or too many leases lost: looked up in the org; there, it counts;
        else cancelled or failed

Nothing that the org may have made is ever called failed without looking. In: items from `benches`. Out: rows.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, cast

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from applink import claims, shares
from applink.benches import Benches
from applink.claims import ClaimedItem, LeaseLost
from applink.errors import (
    NoPlace,
    NotAuthorized,
    NotSent,
    OperationError,
    OrgLimitReached,
    OrgUnavailable,
    OutcomeUnknown,
    SessionEnded,
    Unavailable,
)
from applink.gate import GatedOrgs
from applink.org import Org
from applink.places import Places
from applink.quote_leases import Lease
from applink.quotes import IfDraftExists, Made, QuoteChange, QuoteOrder
from applink.soql import select
from applink.tally import Tally
from applink.transactions import DatabaseAway, Transactions
from applink.work_log import about_it
from models.database import set_org

log = logging.getLogger("gateway.worker")

FRESH_SECONDS: Final = 1.0
"""How long after its claim an item begins without a look whether it is still ours and wanted."""
FAILURES_BEFORE_A_LOOK: Final = 5
"""Failures of an org in a row after which it is asked whether it is there at all."""
LOOK_SECONDS: Final = 10.0
"""For that question, beside the time of the item's own calls, which may be over."""
PASSING: Final = ("UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT")
"""Limits of one record or query, no reason to let the whole org rest."""


class Maker(Protocol):
    """Who makes quotes; `quotes.Quotes`."""

    def make(self, order: QuoteOrder, org: Org, *, deadline: float, before_write: Callable[[], None]) -> Made:
        """Make it in the org, or find it there. A refusal is final: called before, it was looked up first."""
        ...

    def store(self, connection: Connection, made: Made) -> bool:
        """Its rows."""
        ...

    def recover(self, order: QuoteOrder, org: Org, *, deadline: float) -> Made | None:
        """What the org has of it. Raises: Unavailable, OutcomeUnknown, never a refusal."""
        ...

    def settle(self, change: QuoteChange, lease: Lease, org: Org, *, deadline: float) -> None:
        """Bring the row up to what became of an interrupted change of a quote."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Settings of the worker, in seconds where not said otherwise (settings.py has the words)."""

    concurrency: int = 8
    org_concurrency: int = 8
    poll_seconds: float = 0.5
    lease_seconds: float = 60.0
    item_attempts: int = 8
    item_workers_lost: int = 30
    retry_most_seconds: float = 300.0
    org_pause_seconds: float = 60.0
    org_pause_most_seconds: float = 900.0
    intent_settle_seconds: float = 60.0
    shutdown_seconds: float = 20.0
    keep_jobs_days: int = 90
    keep_intents_days: int = 7
    keep_keys_days: int = 7

    @property
    def work_seconds(self) -> float:
        """For one item's calls: they end well within its lease."""
        return self.lease_seconds * 0.75


def backoff(attempts: int, most_seconds: float) -> float:
    """Seconds before the next try: 1, 2, 4 ... and a random part of as much again, at most `most_seconds`."""
    return min(most_seconds, 2.0 ** min(attempts, 30) * random.uniform(1.0, 2.0))


class Stopped(Exception):
    """The worker ends: what has not been sent stays unsent."""


class ItemWork:
    """What each working thread does with an item. Thread-safe; one a worker."""

    def __init__(
        self,
        name: str,
        transactions: Transactions,
        benches: Benches,
        places: Places,
        orgs: GatedOrgs,
        maker: Maker,
        limits: Limits,
        ending: threading.Event,
    ) -> None:
        self.name = name
        self.counts = Tally()
        self._transactions = transactions
        self._benches = benches
        self._places = places
        self._orgs = orgs
        self._maker = maker
        self._limits = limits
        self._ending = ending
        self._failures = Tally()

    @about_it
    def do(self, item: ClaimedItem, claimed_at: float) -> None:
        """Bring an item to an end, or to its next try."""
        ends = claimed_at + self._limits.lease_seconds
        try:
            if time.monotonic() - claimed_at > FRESH_SECONDS:
                renewed = self._renewed(item, ends)
                if renewed is None:
                    return
                item, ends = renewed, time.monotonic() + self._limits.lease_seconds
            self._work(item, ends)
        except LeaseLost:
            self._count("lease_lost", item)
        except DatabaseAway:
            self._count("left_to_others", item)

    def _renewed(self, item: ClaimedItem, ends: float) -> ClaimedItem | None:
        held = self._transactions.run(
            lambda connection: claims.renew(connection, [item], lease_seconds=self._limits.lease_seconds), until=ends
        )
        if item.item_id not in held:
            self._count("lease_lost", item)
            return None
        return claims.with_cancelled(item, held[item.item_id])

    def _work(self, item: ClaimedItem, ends: float) -> None:
        org: Org | None = None
        deadline = min(ends, time.monotonic() + self._limits.work_seconds)
        sent = threading.Event()
        given_up = self._given_up(item)
        try:
            if item.cancelled and not item.called_before:
                return self._finish(item, None, None, 0, ends)
            org = self._orgs.named(item.org_id, deadline=deadline)
            if item.cancelled or given_up:
                made = self._maker.recover(_order(item), org, deadline=deadline) if item.called_before else None
                error = None if item.cancelled else given_up
            else:
                made, error = self._made(item, org, sent, deadline, ends), None
            self._failures.forget(item.org_id)
            self._finish(item, made, error, org.calls, ends, tried=sent.is_set())
        except Stopped:
            self._transactions.run(lambda connection: claims.give_back(connection, [item]), until=ends)
            self._count("given_back", item)
        except (Unavailable, OutcomeUnknown) as problem:
            self._away(item, org, problem, sent.is_set(), ends)
        except OperationError as problem:
            error = (problem.code, problem.message)
            if org is None and item.called_before:  # nobody has looked: Maker raises OutcomeUnknown for its own looks
                return self._later(item, item.attempts + 1, True, error, ends)
            self._failures.forget(item.org_id)
            self._finish(item, None, error, org.calls if org else 0, ends, tried=sent.is_set())
        except (LeaseLost, DatabaseAway):
            raise
        except SQLAlchemyError as problem:
            self._broken(item, problem, ends, consumed=_of_values(problem))
        except Exception as problem:
            self._broken(item, problem, ends, consumed=True)

    def _made(self, item: ClaimedItem, org: Org, sent: threading.Event, deadline: float, ends: float) -> Made:
        """A new quote. sent: set when the org may have been called; a mark whose write was not sent is taken back."""
        before = partial(self._before_write, item, sent, ends)
        try:
            return self._maker.make(_order(item), org, deadline=deadline, before_write=before)
        except NoPlace as problem:
            if isinstance(problem, NotSent):
                self._transactions.run(lambda connection: claims.take_mark_back(connection, item), until=ends)
                sent.clear()
            if self._ending.is_set():
                raise Stopped from None
            raise

    def _before_write(self, item: ClaimedItem, sent: threading.Event, ends: float) -> None:
        """Commit that the org may have been called, under the fence; nothing is sent by a worker that ends."""
        if self._ending.is_set():
            raise Stopped
        lease = self._limits.lease_seconds
        self._transactions.run(lambda connection: claims.mark_called(connection, item, lease_seconds=lease), until=ends)
        sent.set()

    def _given_up(self, item: ClaimedItem) -> tuple[str, str] | None:
        """Why nothing more is begun for an item that has been tried, or has lost its lease, too often; else None."""
        if item.attempts < self._limits.item_attempts and item.leases_lost < self._limits.item_workers_lost:
            return None
        code, message = item.error_code or "OutcomeUnknown", item.error_message or "The org gave no usable answer."
        tries = f"{item.attempts} tries"
        if item.leases_lost >= self._limits.item_workers_lost:
            code, tries = "WorkersLost", f"{tries}, and its lease was lost {item.leases_lost} times"
        return code, f"Given up after {tries}; the org has no quote of it. {message}"

    def _finish(
        self,
        item: ClaimedItem,
        made: Made | None,
        error: tuple[str, str] | None,
        calls: int,
        ends: float,
        *,
        tried: bool = False,
    ) -> None:
        """Quote and end of the item in one transaction; a lost lease takes both back."""

        def write(connection: Connection) -> None:
            set_org(connection, item.org_id)
            if made is not None:
                self._maker.store(connection, made)
            if not claims.finish_item(
                connection,
                item,
                quote_id=made.quote_id if made else None,
                salesforce_id=made.salesforce_id if made else None,
                error=None if made else error,
                api_calls=calls,
                tried=tried,
            ):
                raise LeaseLost(str(item.item_id))

        self._transactions.run(write, until=ends)
        self._count("made" if made else "failed" if error else "cancelled", item)

    def _away(
        self,
        item: ClaimedItem,
        org: Org | None,
        problem: OperationError,
        sent: bool,
        ends: float,
    ) -> None:
        """No usable answer. Whether the try counts is decided by whether the org as a whole answers."""
        pause = _is_the_orgs(problem)
        failed = not pause and not isinstance(problem, NoPlace)
        if failed and self._failures.add(item.org_id) == FAILURES_BEFORE_A_LOOK:
            self._failures.forget(item.org_id)
            pause = org is None or not self.is_there(org, min(ends, time.monotonic() + LOOK_SECONDS))
        if pause:
            self.pause(item.org_id, problem)
        consumed = not pause and not isinstance(problem, OrgLimitReached | SessionEnded)
        attempts = item.attempts + int(consumed)
        if attempts >= self._limits.item_attempts and not (item.called_before or sent):
            error = (problem.code, problem.message)
            return self._finish(item, None, error, org.calls if org else 0, ends, tried=consumed)
        self._later(item, attempts, consumed, (problem.code, problem.message), ends)

    def _broken(self, item: ClaimedItem, problem: Exception, ends: float, *, consumed: bool) -> None:
        """A defect of ours, or rows that cannot be stored: told in the log, tried again as often as anything."""
        away = not consumed
        log.log(
            logging.WARNING if away else logging.ERROR,
            "item=%s job=%s org=%s trouble=%s",
            item.item_id,
            item.job_id,
            item.org_id,
            type(problem).__name__,
            exc_info=None if away else problem,
        )
        error = ("InternalError", "The gateway could not store or price it; its log says more.")
        attempts = item.attempts + int(consumed)
        if attempts > self._limits.item_attempts:
            return self._finish(item, None, error, 0, ends, tried=consumed)
        self._later(item, attempts, consumed, error, ends)

    def _later(self, item: ClaimedItem, attempts: int, consumed: bool, error: tuple[str, str], ends: float) -> None:
        seconds = backoff(max(attempts - 1, 0), self._limits.retry_most_seconds)
        done = self._transactions.run(
            lambda connection: claims.retry_later(connection, item, seconds=seconds, consumed=consumed, error=error),
            until=ends,
        )
        self._count("later" if done else "lease_lost", item, error[0])

    def is_there(self, org: Org, deadline: float) -> bool:
        """Whether an org answers the smallest of questions, or there was no place to ask it."""
        try:
            self.ask(org, deadline)
        except NoPlace:
            return True
        except (OrgUnavailable, OrgLimitReached, SessionEnded):
            return False
        except OperationError:
            return True
        return True

    def ask(self, org: Org, deadline: float) -> None:
        """The smallest of questions. Raises: Unavailable where the org does not answer."""
        org.query(select(["Id"], "Organization", limit=1), deadline=deadline)

    def pause(self, org_id: str, problem: OperationError) -> None:
        """Let nobody call an org for a while, and give back what waits for it here."""
        limits = self._limits

        def write(connection: Connection) -> bool:
            return shares.pause(
                connection,
                org_id,
                reason=f"{problem.code}: {problem.message}",
                first_seconds=limits.org_pause_seconds,
                most_seconds=limits.org_pause_most_seconds,
                at_least_seconds=float(problem.retry_after_seconds or 0),
            )

        if self._transactions.run(write):
            log.warning("org=%s paused=yes reason=%s", org_id, problem.code)
        self._places.pause(org_id)
        unstarted = self._benches.clear(org_id)
        self._transactions.run(lambda connection: claims.give_back(connection, unstarted))

    def _count(self, what: str, item: ClaimedItem, code: str = "") -> None:
        self.counts.add(what)
        log.info("item=%s job=%s org=%s outcome=%s%s", item.item_id, item.job_id, item.org_id, what,
                 f" code={code}" if code else "")  # fmt: skip


def _order(item: ClaimedItem) -> QuoteOrder:
    return QuoteOrder(
        org_id=item.org_id,
        opportunity_id=item.opportunity_id,
        gateway_key=item.gateway_key,
        quote_id=item.quote_id,
        requested_by=item.requested_by,
        request_id=item.request_id,
        through="job",
        job_id=item.job_id,
        if_draft_exists=cast(IfDraftExists, item.if_draft_exists),
        called_before=item.called_before,
    )


def _is_the_orgs(problem: OperationError) -> bool:
    """Whether it is about the whole org, not about a place of ours, or one record or query."""
    if isinstance(problem, NoPlace) or any(code in problem.message for code in PASSING):
        return False
    return isinstance(problem, OrgLimitReached | NotAuthorized)


def _of_values(problem: SQLAlchemyError) -> bool:
    """Whether a database error is about what was to be written, and would come again."""
    state = getattr(getattr(problem, "orig", None), "sqlstate", None) or ""
    return state[:2] in ("22", "23")
