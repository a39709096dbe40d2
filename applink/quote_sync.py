"""What the org has done to a quote, noted: rows follow the org, `sync_status` says so, the audit keeps what changed.

Each in a transaction of its own, so that it stays when the operation that noticed it is refused.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from sqlalchemy import Connection, Engine

from applink import org_quotes, quote_match, quote_rows
from applink.errors import OperationError
from applink.org import Org
from applink.org_quotes import OrgQuote
from applink.quote_match import Rows
from applink.quote_rows import CHANGED_IN_ORG, DELETED_IN_ORG, Event, QuoteRow
from models.database import set_org


def changed(engine: Engine, before: Rows, after: Rows, found: OrgQuote) -> None:
    """The org's values become the row's, marked changed_in_org: what is shown is never stale."""
    with engine.begin() as connection:
        set_org(connection, before[0].org_id)
        note_changed(connection, before, after, found)


def gone(engine: Engine, row: QuoteRow) -> None:
    """The row stays, marked deleted_in_org."""
    with engine.begin() as connection:
        set_org(connection, row.org_id)
        note_gone(connection, row)


def note_deleted(engine: Engine, org: Org, opportunity_id: str, *, deadline: float) -> None:
    """Mark the quotes that went with their opportunity, as far as the org's recycle bin shows them. Best effort."""
    with engine.connect() as connection:
        rows = quote_rows.of_opportunity(connection, org.org_id, opportunity_id)
    if not rows:
        return
    with contextlib.suppress(OperationError):
        ids = [row.salesforce_id for row in rows if row.salesforce_id]
        deleted = org_quotes.deleted(org, ids, deadline=deadline)
        for row in rows:
            if row.salesforce_id in deleted:
                gone(engine, row)


def note_changed(connection: Connection, before: Rows, after: Rows, found: OrgQuote) -> None:
    """`changed` within a transaction that has named the org."""
    row = replace(after[0], sync_status=CHANGED_IN_ORG, last_modified_by_id=found.last_modified_by_id)
    quote_rows.change(connection, row)
    quote_rows.replace_lines(connection, row, after[1])
    changes = quote_match.changes(before, after)
    event = Event(
        action="changed", name=f"Changed in the org: {', '.join(changes)}", by_user_id=found.last_modified_by_id,
        through="reconcile", request_id=None, changes=changes,
    )  # fmt: skip
    quote_rows.add_event(connection, row, event)


def note_gone(connection: Connection, row: QuoteRow) -> None:
    """`gone` within a transaction that has named the org; a row that is marked already stays as it is."""
    if row.sync_status == DELETED_IN_ORG:
        return
    quote_rows.mark(connection, row, DELETED_IN_ORG)
    event = Event(
        action="deleted", name="Deleted in the org", by_user_id=None, through="reconcile", request_id=None,
        changes={"SyncStatus": [row.sync_status, DELETED_IN_ORG]},
    )  # fmt: skip
    quote_rows.add_event(connection, row, event)
