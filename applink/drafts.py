"""Drafts that are there already: which one, and one request at a time for an opportunity that must have no second.

`ifDraftExists` return and revise look before they write, so two requests with different keys must not both look before
either has written. No lock outlives a statement's transaction: a request marks its intent under a lock, and only when
nobody else has been marked since it looked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, func, select, text, update

from applink import org_quotes, quote_match, quote_rows, quote_sync
from applink.errors import Unavailable
from applink.org import Org
from applink.org_quotes import DRAFT
from applink.quote_rows import QuoteRow
from models.database import set_org
from models.intent import intent
from models.quote import quote

POLL_SECONDS: Final = 0.2

# Two numbers name the lock: the gateway's drafts, and the opportunity. Nobody waits for it with a connection in hand.
LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('gateway.draft'), hashtext(:org_id || :opportunity_id))")


class Overtaken(Exception):
    """Somebody else was marked between the look and the mark: look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request's place among those that may write a quote of the same opportunity. gateway_key: its own."""

    engine: Engine
    org_id: str
    opportunity_id: str
    gateway_key: str
    deadline: float

    def wait(self) -> int:
        """Wait until no other request has the org at work on this opportunity; what to give to `begin`.

        Raises: Unavailable at the deadline; an interrupted request is settled by a worker within a minute or two.
        """
        while True:
            with self.engine.connect() as connection:
                called, under_way = self._state(connection)
            if not under_way:
                return called
            if time.monotonic() + POLL_SECONDS > self.deadline:
                raise Unavailable(
                    "Another request is making a quote of this opportunity; try again when it has ended.",
                    retry_after_seconds=30,
                )
            time.sleep(POLL_SECONDS)

    def begin(self, seen: int, mark: Callable[[], None]) -> None:
        """Mark this request as having called the org. Raises: Overtaken where another was since `wait`.

        mark: does so under the request's lease, in a transaction of its own, and raises what keeps it from that. It is
        called after the one here has ended: whoever held a connection and asked for a second could wait for itself.
        """
        with self.engine.begin() as connection:
            of = {"org_id": self.org_id, "opportunity_id": self.opportunity_id}
            first = connection.execute(LOCK, of).scalar_one() and self._state(connection) == (seen, 0)
            if first:
                self._show(connection)
        if not first:
            time.sleep(POLL_SECONDS)
            raise Overtaken
        mark()

    def _show(self, connection: Connection) -> None:
        """Let the others see that the org may have been called: from the commit on they wait, or look again."""
        c = intent.c
        set_org(connection, self.org_id)
        connection.execute(
            update(intent)
            .where(c.org_id == self.org_id, c.gateway_key == self.gateway_key, c.status == "open")
            .values(called_at=func.now())
        )

    def _state(self, connection: Connection) -> tuple[int, int]:
        """How many other intents have called the org for this opportunity, and how many of them have not ended."""
        c = intent.c
        others = (c.org_id == self.org_id, c.opportunity_id == self.opportunity_id, c.called_at.is_not(None))
        row = connection.execute(
            select(func.count(), func.count().filter(c.status == "open")).where(
                *others, c.gateway_key != self.gateway_key
            )
        ).one()
        return row[0], row[1]


def newest(engine: Engine, org: Org, opportunity_id: str, *, deadline: float) -> QuoteRow | None:
    """The newest draft that the gateway has made of an opportunity and that is a draft in the org, as it is there.

    A stored draft that turns out to be changed or gone in the org is marked so. The user must see the opportunity.
    """
    with engine.connect() as connection:
        rows = quote_rows.drafts(connection, org.org_id, opportunity_id, DRAFT)
    there = org_quotes.by_ids(org, [row.salesforce_id for row in rows if row.salesforce_id], deadline=deadline)
    for row in rows:
        found = there.get(row.salesforce_id or "")
        if found is None:
            quote_sync.gone(engine, row)
            continue
        with engine.connect() as connection:
            before = row, quote_rows.lines_of(connection, row.org_id, row.id)
        after = quote_match.as_in_org(*before, found)
        if quote_match.changes(before, after):
            quote_sync.changed(engine, before, after, found)
        if found.status == DRAFT:
            return after[0]
    return None


def revised(engine: Engine, row: QuoteRow) -> UUID | None:
    """The quote that a revision revises: the newest of the opportunity with the number before."""
    c = quote.c
    with engine.connect() as connection:
        found: UUID | None = connection.execute(
            select(c.id)
            .where(c.org_id == row.org_id, c.opportunity_id == row.opportunity_id, c.revision == row.revision - 1)
            .order_by(c.created_at.desc(), c.id.desc())
            .limit(1)
        ).scalar()
    return found
