"""A whole exchange as a person has it: ask for quotes, watch, and see at the end whether everybody agrees.

In: who calls (caller.py), the org (org_client.py), the rows (rows.py). Out: replies, callbacks, a verdict. Used by
`gateway sim invoke` and by tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulator import verdict
from simulator.caller import Apex, Reply, Through
from simulator.context import Caller
from simulator.rows import Progress, Rows
from simulator.verdict import Verdict

POLL_SECONDS: Final = 0.25
CALLBACK_SECONDS: Final = 60.0
"""How long after the end of a job its callback may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one invocation. callbacks: each body that Apex's handler got; verdict: None when it was refused."""

    reply: Reply
    callbacks: tuple[Any, ...] = ()
    verdict: Verdict | None = None

    @property
    def well(self) -> bool:
        """Whether it was accepted and everybody agrees."""
        return self.verdict is not None and self.verdict.well


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, and through what. witness: a user of the org who sees every quote."""

    apex: Apex
    rows: Rows
    user: str | Caller
    witness: str | Caller
    through: Through = "mesh"
    deadline_seconds: float = 600

    def create_quote(self, opportunity_id: str) -> Outcome:
        """createQuote for one opportunity. Raises: Unreachable, NoOrg, NoRows."""
        witness = self.apex.sign_in(self.witness)
        before = self.apex.org.quotes_of(witness, [opportunity_id])
        body = {"opportunityId": opportunity_id}
        reply = self.apex.invoke("createQuote", body, user=self.user, through=self.through)
        if reply.status != 200:
            return Outcome(reply=reply)
        new = self._new_quotes(witness, [opportunity_id], before)
        rows = self.rows.quotes(str(reply.body["quoteId"]))
        return Outcome(reply=reply, verdict=verdict.of_quote(opportunity_id, reply.body, new, rows))

    def create_quotes(
        self, opportunity_ids: Sequence[str], watch: Callable[[Progress], None] = lambda progress: None
    ) -> Outcome:
        """createQuotes with a callback, until that has come; watch hears of the job's progress as Jobs shows it.

        Raises: Unreachable, NoOrg, NoRows. A job that does not end, or a callback that does not come, is in the
        verdict.
        """
        witness = self.apex.sign_in(self.witness)
        before = self.apex.org.quotes_of(witness, opportunity_ids)
        reply = self.apex.invoke(
            "createQuotes",
            {"opportunityIds": list(opportunity_ids)},
            user=self.user,
            through=self.through,
            deadline_seconds=self.deadline_seconds,
            callback=True,
        )
        if reply.status != 201:
            return Outcome(reply=reply)
        job_id = str(reply.body["jobId"])
        if self._finishes(job_id, watch):
            self.apex.wait(reply, CALLBACK_SECONDS)
        told = tuple(one.body for one in self.apex.callbacks(reply))
        new = self._new_quotes(witness, opportunity_ids, before)
        judged = verdict.of_job(opportunity_ids, new, self.rows.quotes_of_job(job_id), told)
        return Outcome(reply=reply, callbacks=told, verdict=judged)

    def _new_quotes(self, witness: Caller, opportunity_ids: Sequence[str], before: dict[str, str]) -> dict[str, str]:
        after = self.apex.org.quotes_of(witness, opportunity_ids)
        return {quote: opportunity for quote, opportunity in after.items() if quote not in before}

    def _finishes(self, job_id: str, watch: Callable[[Progress], None]) -> bool:
        """Watch a job to its end; False when it has none within the deadline of the callback."""
        until = time.monotonic() + self.deadline_seconds
        while time.monotonic() < until:
            progress = self.rows.progress(job_id)
            watch(progress)
            if progress.finished:
                return True
            time.sleep(POLL_SECONDS)
        return False
