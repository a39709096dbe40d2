"""What a worker does beside items: tell of ended jobs, settle what was begun, look whether paused orgs are back, prune.

Each chore is a function that does one round and says whether there is more to do at once; the worker gives each a
thread. A call to an org takes one of the places that the org's items have.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, cast
from uuid import UUID

from sqlalchemy import Connection

from applink import claims, intents, jobs, outbox, quote_leases, quote_work, shares, status
from applink.errors import InvalidRequest, NotAllowed, NotFound, OperationError, Refused, Unavailable
from applink.gate import GatedOrgs, Orgs
from applink.intents import NOT_MADE, Intent
from applink.item_work import ItemWork, Limits, Maker, backoff
from applink.outbox import EVENT, Owed
from applink.quote_leases import Lease
from applink.quotes import IfDraftExists, QuoteOrder
from applink.transactions import Transactions
from applink.work_log import about_it
from models.database import set_org

log = logging.getLogger("gateway.worker")
metrics = logging.getLogger("gateway.metrics")

CALL_SECONDS: Final = 30.0
SETTLE_LEASE_SECONDS: Final = 60.0
"""For so long a request key is blocked by a worker that dies while it settles its intent: one look and its rows."""
WINDOW_CLOSED: Final = {404: "The org knows no such callback (404).", 408: "The callback's time was over (408)."}
NEVER: Final = (Refused, NotAllowed, NotFound, InvalidRequest)
"""Refusals of an event that no later try changes."""


class Chores:
    """All of them, for one worker."""

    def __init__(
        self,
        name: str,
        transactions: Transactions,
        orgs: GatedOrgs,
        ungated: Orgs,
        maker: Maker,
        limits: Limits,
        work: ItemWork,
    ) -> None:
        self._name = name
        self._transactions = transactions
        self._orgs = orgs
        self._ungated = ungated
        self._maker = maker
        self._limits = limits
        self._work = work
        self._counted: dict[str, int] = {}

    def all(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """Name, seconds between two rounds, function."""
        poll = self._limits.poll_seconds
        settle = min(5.0, self._limits.intent_settle_seconds / 4)
        return (
            ("tell", poll, self.tell),
            ("tell-too", poll, self.tell),
            ("sweep", max(1.0, poll), self.sweep),
            ("settle", settle, self.settle),
            ("probe", max(poll, min(5.0, self._limits.org_pause_seconds / 4)), self.probe),
            ("prune", 3600.0, self.prune),
            ("figures", 60.0, self.figures),
        )

    def sweep(self) -> bool:
        """End the jobs that have nothing left, cancel what waits in those being cancelled."""
        cancelled, ended = self._transactions.run(claims.sweep)
        if ended:
            log.info("jobs_ended=%d items_cancelled=%d", ended, cancelled)
        return False

    def prune(self) -> bool:
        """Take away what is old."""
        limits = self._limits
        pruned = self._transactions.run(
            lambda connection: jobs.prune(
                connection,
                jobs_days=limits.keep_jobs_days,
                intents_days=limits.keep_intents_days,
                keys_days=limits.keep_keys_days,
            )
        )
        some = bool(pruned.jobs or pruned.intents or pruned.keys)
        if some:
            log.info("pruned_jobs=%d pruned_intents=%d pruned_keys=%d", pruned.jobs, pruned.intents, pruned.keys)
        return some

    def figures(self) -> bool:
        """One line of metrics a minute: the queue as `gateway status` shows it, and what this worker has done since."""
        found = self._transactions.run(status.figures)
        done = dict(self._work.counts.items())
        since = {name: count - self._counted.get(name, 0) for name, count in sorted(done.items())}
        self._counted = done
        counts = [f"count#items.{name}={count}" for name, count in since.items()]
        metrics.info(" ".join([f"worker={self._name}", found.line(), *counts]))
        return False

    def probe(self) -> bool:
        """Ask one org whose pause is over whether it takes requests again: one call; else a longer pause."""
        org_id = self._transactions.run(
            lambda connection: shares.take_probe(connection, self._name, seconds=self._limits.lease_seconds)
        )
        if org_id is None:
            return False
        deadline = time.monotonic() + CALL_SECONDS
        problem: OperationError | None = None
        try:
            org = self._ungated.named(org_id, deadline=deadline)  # all else is stopped
            self._work.ask(org, deadline)
        except Unavailable as trouble:
            problem = trouble
        except OperationError as refused:
            log.warning("org=%s probe=%s", org_id, refused.code)
        if problem is not None:
            self._work.pause(org_id, problem)
        elif self._transactions.run(lambda connection: shares.resume(connection, org_id)):
            log.warning("org=%s paused=no", org_id)
        return True

    def settle(self) -> bool:
        """Take one intent that was begun and not ended, and find out in the org what became of it."""
        taken = self._transactions.run(
            lambda connection: intents.stale(
                connection,
                self._name,
                1,
                age_seconds=self._limits.intent_settle_seconds,
                lease_seconds=SETTLE_LEASE_SECONDS,
            )
        )
        for intent in taken:
            if intent.operation == quote_leases.OPERATION:
                self._settle_change(intent)
            else:
                self._settle(intent)
        return bool(taken)

    @about_it
    def _settle_change(self, intent: Intent) -> None:
        """A change of a quote: the row is brought up to what the org has; what did not reach it stays undone."""
        lease = Lease(org_id=intent.org_id, quote_id=UUID(intent.idem_key), lease_no=intent.lease_no)
        change = quote_work.of_wish(lease, intent.requested_by, intent.request_id, intent.arguments)
        try:
            deadline = time.monotonic() + CALL_SECONDS
            org = self._orgs.named(intent.org_id, deadline=deadline)
            self._maker.settle(change, lease, org, deadline=deadline)
        except OperationError as problem:
            return self._not_settled(intent, problem)
        except quote_work.AWAY as problem:  # whoever comes when the lease has ended goes on
            log.warning("intent=%s org=%s settled=no trouble=%s", intent.id, intent.org_id, type(problem).__name__)
            return
        log.info("quote=%s org=%s change=settled", lease.quote_id, lease.org_id)

    def _not_settled(self, intent: Intent, problem: OperationError) -> None:
        log.warning("intent=%s org=%s settled=no code=%s", intent.id, intent.org_id, problem.code)
        seconds = backoff(intent.attempts + 3, self._limits.retry_most_seconds)
        self._release(intent, max(seconds, problem.retry_after_seconds or 0))

    @about_it
    def _settle(self, intent: Intent) -> None:
        if intent.called_at is None:
            return self._close(intent, "It was begun and never sent to the org.")
        try:
            deadline = time.monotonic() + CALL_SECONDS
            org = self._orgs.named(intent.org_id, deadline=deadline)
            made = self._maker.recover(_order(intent), org, deadline=deadline)
        except OperationError as problem:
            return self._not_settled(intent, problem)
        if made is None:
            return self._close(intent, "The org has no quote of it.")

        def write(connection: Connection) -> bool:
            set_org(connection, intent.org_id)
            self._maker.store(connection, made)
            return intents.settle(connection, intent, None, made.quote_id, made.salesforce_id)

        settled = self._transactions.run(write)
        log.info("intent=%s org=%s settled=%s", intent.id, intent.org_id, "yes" if settled else "no code=lease_lost")

    def _close(self, intent: Intent, reason: str) -> None:
        self._transactions.run(lambda connection: intents.fail(connection, intent, NOT_MADE, reason))
        log.info("intent=%s org=%s closed=yes", intent.id, intent.org_id)

    def _release(self, intent: Intent, seconds: float) -> None:
        self._transactions.run(lambda connection: intents.release(connection, intent, sweep_after_seconds=seconds))

    def tell(self) -> bool:
        """Deliver one callback, or publish one event, that is due."""
        taken = self._transactions.run(
            lambda connection: outbox.claim(
                connection, self._name, 1, lease_seconds=max(self._limits.lease_seconds, CALL_SECONDS * 2.5)
            )
        )
        for owed in taken:
            self._tell(owed)
        return bool(taken)

    @about_it
    def _tell(self, owed: Owed) -> None:
        if owed.seconds_left <= 0:
            return self._too_late(owed)
        try:
            self._send(owed, time.monotonic() + min(CALL_SECONDS, max(owed.seconds_left, 1.0)))
        except OperationError as problem:
            self._not_told(owed, problem)

    def _send(self, owed: Owed, deadline: float) -> None:
        job = self._transactions.run(lambda connection: jobs.get(connection, owed.org_id, owed.job_id))
        if job.status in jobs.OPEN:  # retried since it was claimed: its next end is told
            log.info("job=%s org=%s callback=job_open", owed.job_id, owed.org_id)
            return
        org = self._orgs.named(owed.org_id, deadline=deadline)
        if owed.callback_url is None:
            org.create(EVENT, outbox.event_fields(job), deadline=deadline)
            return self._done("event_published", owed, lambda connection: outbox.published(connection, owed))
        answered = org.deliver(owed.callback_url, job.answer(), deadline=deadline)
        if 200 <= answered < 300:
            return self._done("delivered", owed, lambda connection: outbox.delivered(connection, owed))
        closed = WINDOW_CLOSED.get(answered)
        if closed is not None:
            return self._done("event_due", owed, lambda connection: outbox.event_instead(connection, owed, closed))
        self._later(owed, f"The org answered {answered}.")

    def _not_told(self, owed: Owed, problem: OperationError) -> None:
        said = f"{problem.code}: {problem.message}"
        if not isinstance(problem, NEVER):
            return self._later(owed, said)
        if owed.callback_url is None:
            return self._done("expired", owed, lambda connection: outbox.expired(connection, owed, said))
        self._done("event_due", owed, lambda connection: outbox.event_instead(connection, owed, said))

    def _too_late(self, owed: Owed) -> None:
        if owed.callback_url is None:
            said = "No event could be published for a day."
            return self._done("expired", owed, lambda connection: outbox.expired(connection, owed, said))
        said = "The callback's deadline has passed."
        self._done("event_due", owed, lambda connection: outbox.event_instead(connection, owed, said))

    def _later(self, owed: Owed, reason: str) -> None:
        seconds = backoff(owed.attempts, self._limits.retry_most_seconds)
        self._done("later", owed, lambda connection: outbox.later(connection, owed, seconds, reason))

    def _done(self, what: str, owed: Owed, write: Callable[[Connection], bool]) -> None:
        held = self._transactions.run(write)
        log.info("job=%s org=%s callback=%s", owed.job_id, owed.org_id, what if held else "lease_lost")


def _order(intent: Intent) -> QuoteOrder:
    return QuoteOrder(
        org_id=intent.org_id,
        opportunity_id=intent.opportunity_id,
        gateway_key=intent.gateway_key,
        quote_id=intent.quote_id,
        requested_by=intent.requested_by,
        request_id=intent.request_id,
        through="reconcile",
        if_draft_exists=cast(IfDraftExists, intent.arguments.get("ifDraftExists", "create")),
        called_before=True,
    )
