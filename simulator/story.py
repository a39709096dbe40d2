"""What the demo page tells: one createQuotes for 200 opportunities, from the click to the verdict, in its own thread.

In: the caller (Apex), the external data source (Connect). Out: `Story`, a value that is replaced as things go on; the
page asks for it. Everybody is asked over HTTP: the mesh, the gateway's sets, the org.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from simulator import verdict
from simulator.caller import Apex, Reply, Unreachable
from simulator.connect import Connect, NoAnswer
from simulator.context import Caller
from simulator.org_client import NoOrg
from simulator.rows import FINISHED, QuoteRow

USER: Final = "ann@acme.example"
WITNESS: Final = "worker@acme.example"
"""Sees every quote of the org."""
COUNT: Final = 200
POLL_SECONDS: Final = 0.5
JOB_SECONDS: Final = 600.0
CALLBACK_SECONDS: Final = 60.0
JOB_FIELDS: Final = (
    "Name", "Type", "Status", "Progress", "OpportunityCount", "QuoteCount", "ErrorCount", "CallbackStatus", "CreatedAt",
)  # fmt: skip
Phase = Literal["idle", "asking", "running", "callback", "done", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """phase: how far it is. job: its row of Jobs; trouble: why nothing moves, in words; wrong: what the verdict finds.

    asked, in_org, rows, callbacks: the figures of the verdict, None until they are known.
    """

    phase: Phase = "idle"
    asked: int | None = None
    in_org: int | None = None
    rows: int | None = None
    callbacks: int | None = None
    job: Mapping[str, Any] | None = None
    trouble: str = ""
    summary: str = ""
    wrong: tuple[str, ...] = ()
    callback: Any = None
    kills: int = 0
    seconds: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self.phase in ("asking", "running", "callback")


class Refused(Exception):
    """What was asked is not done: one line, and the status it came with (0: nobody answered)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Teller:
    """Tells one story at a time. story: as it is now."""

    apex: Apex
    connect: Connect
    story: Story = field(default_factory=Story)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create_quote(self, opportunity_id: str) -> dict[str, Any]:
        """createQuote while the user waits; its answer. Raises: Refused."""
        with self._lock:
            if self.story.busy:
                raise Refused("The job for 200 is running; its verdict counts quotes, so wait for it", 409)
            reply = self._invoke("createQuote", {"opportunityId": opportunity_id})
            return dict(reply.body)

    def begin(self, opportunity_id: str) -> None:
        """createQuotes for this opportunity and 199 others, in the background. Raises: Refused when one is running."""
        with self._lock:
            if self.story.busy:
                raise Refused("A job is running already", 409)
            self.story = Story(phase="asking", asked=COUNT)
        threading.Thread(target=self._tell, args=(opportunity_id,), daemon=True).start()

    def killed(self) -> None:
        """The worker was killed: once more in this story."""
        self._now(kills=self.story.kills + 1)

    def _now(self, **changes: Any) -> None:
        self.story = replace(self.story, **changes)

    def _tell(self, opportunity_id: str) -> None:
        started = time.monotonic()
        try:
            chosen = self._choose(opportunity_id)
            witness = self.apex.sign_in(WITNESS)
            before = self.apex.org.quotes_of(witness, chosen)
            reply = self._invoke("createQuotes", {"opportunityIds": chosen}, callback=True)
            job_id = str(reply.body["jobId"])
            self._watch(job_id, started)
            self._now(phase="callback")
            self.apex.wait(reply, CALLBACK_SECONDS)
            self._judge(chosen, before, witness, reply, job_id)
        except Refused as refused:
            self._now(phase="refused", trouble=str(refused))
        except (NoAnswer, NoOrg, ValueError, LookupError) as problem:
            self._now(phase="refused", trouble=f"{problem}")
        finally:
            self._now(seconds=round(time.monotonic() - started, 1))

    def _choose(self, opportunity_id: str) -> list[str]:
        others = [one for one in self.apex.org.opportunities(USER, COUNT) if one != opportunity_id]
        return [opportunity_id, *others[: COUNT - 1]]

    def _watch(self, job_id: str, started: float) -> None:
        """Ask Jobs for the job until it has ended; a gateway that is away is waited for. Raises: Refused."""
        self._now(phase="running", job={"Id": job_id, "Status": "queued", "Progress": 0})
        while time.monotonic() < started + JOB_SECONDS:
            try:
                found = self.connect.records("Jobs", (job_id,), JOB_FIELDS).rows
                self._now(job=found[0], trouble="") if found else self._now(trouble=f"Jobs has no row {job_id}")
            except NoAnswer as problem:
                self._now(trouble=str(problem))
            self._now(seconds=round(time.monotonic() - started, 1))
            if self.story.job is not None and self.story.job["Status"] in FINISHED:
                return
            time.sleep(POLL_SECONDS)
        raise Refused(f"The job did not end within {JOB_SECONDS:.0f} seconds")

    def _judge(
        self, asked: Sequence[str], before: Mapping[str, str], witness: Caller, reply: Reply, job_id: str
    ) -> None:
        told = self.apex.callbacks(reply)
        url = reply.invocation.callback_url or ""
        for one in told:
            self.connect.trace.add(
                by="Callback", what="createQuotes calls back", method="POST", url=url, status=one.status, ms=0
            )
        after = self.apex.org.quotes_of(witness, asked)
        new = {quote: opportunity for quote, opportunity in after.items() if quote not in before}
        found = self.connect.all("Quotes", "JobId", job_id, ("SalesforceId", "OpportunityId"))
        rows = [
            QuoteRow(id=row["Id"], salesforce_id=row["SalesforceId"] or "", opportunity_id=row["OpportunityId"] or "")
            for row in found.rows
        ]
        judged = verdict.of_job(asked, new, rows, [one.body for one in told])
        self._now(
            phase="done", in_org=len(new), rows=len(rows), callbacks=len(told), summary=judged.summary,
            wrong=judged.wrong, callback=told[0].body if told else None,
        )  # fmt: skip

    def _invoke(self, operation: str, body: Mapping[str, Any], *, callback: bool = False) -> Reply:
        """Call an operation through the mesh as ann; the call is kept with its time. Raises: Refused."""
        url, started, status, note = f"{self.apex.mesh}/applink/{operation}", time.perf_counter(), 0, ""
        try:
            reply = self.apex.invoke(operation, body, user=USER, callback=callback)
            status = reply.status
            if status not in (200, 201):
                note = _said(reply)
                raise Refused(f"{operation} was refused with {status}: {note}", status)
            return reply
        except (Unreachable, NoOrg) as problem:
            note = str(problem)
            raise Refused(f"{operation}: {problem}") from None
        finally:
            ms = (time.perf_counter() - started) * 1000
            self.connect.trace.add(by="Apex", what=operation, method="POST", url=url, status=status, ms=ms, note=note)


def _said(reply: Reply) -> str:
    """The message of a Problem, or the beginning of whatever else came (the mesh answers in plain text)."""
    try:
        body = reply.body
        return f"{body['code']}: {body['message']}"
    except (ValueError, KeyError, TypeError):
        return reply.answer.body[:300].decode("utf-8", "replace").strip() or "no text"
