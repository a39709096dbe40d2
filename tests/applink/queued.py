"""Jobs as rows, without a worker: submitted, claimed, ended, and what a test needs of time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, select, text

from applink import claims, jobs
from applink.claims import ClaimedItem
from applink.jobs import NewJob, Submitted
from models import database, metadata
from odata.edm.record_ids import widen_record_id

ORG = widen_record_id("00DqU0000000001")
OTHER_ORG = widen_record_id("00DqU0000000002")
USER = widen_record_id("005qU0000000001")


def opportunity(number: int) -> str:
    return widen_record_id(f"006qU{number:010}")


def new_job(count: int = 3, key: str = "key", **changes: Any) -> NewJob:
    asked = NewJob(
        org_id=ORG,
        type="createQuotes",
        idem_key=key,
        request_hash="a" * 64,
        requested_by=USER,
        request_id="request-1",
        authorization_name="worker",
        callback_url="https://acme.my.salesforce.com/services/callback/1",
        callback_deadline_seconds=3600,
        if_draft_exists="create",
        items=[(opportunity(n), f"Deal {n}") for n in range(count)],
        event=False,
    )
    return replace(asked, **changes)


def submit(engine: Engine, new: NewJob, **limits: int) -> Submitted:
    with engine.begin() as connection:
        return jobs.submit(connection, new, **limits)


def claim(engine: Engine, worker: str = "w1", org: str = ORG, most: int = 10) -> list[ClaimedItem]:
    with engine.begin() as connection:
        return list(claims.claim(connection, worker, {org: most}))


def write(engine: Engine, statement: str, **given: Any) -> int:
    """A change of rows of any org: what a test needs of time."""
    with engine.begin() as connection:
        database.set_org(connection, "*")
        return connection.execute(text(statement), given).rowcount


def row(engine: Engine, table: str, row_id: UUID) -> Any:
    found = metadata.tables[f"gateway.{table}"]
    with engine.connect() as connection:
        return connection.execute(select(found).where(found.c.id == row_id)).one()


def end_leases(engine: Engine) -> None:
    write(engine, "UPDATE gateway.job_item SET lease_until = now() - interval '1 s' WHERE status = 'running'"
                  " AND lease_until < '9999-01-01'")  # fmt: skip


def succeed(engine: Engine, item: ClaimedItem, number: int = 1) -> bool:
    with engine.begin() as connection:
        quote = widen_record_id(f"0Q0qU{number:010}")
        return claims.finish_item(connection, item, quote_id=item.quote_id, salesforce_id=quote, api_calls=3)


def refuse(engine: Engine, item: ClaimedItem) -> bool:
    with engine.begin() as connection:
        return claims.finish_item(connection, item, error=("NoLines", "The opportunity has no products."))


def state(engine: Engine, job_id: UUID) -> jobs.JobState:
    with engine.begin() as connection:
        return jobs.get(connection, ORG, job_id)


def items(org_id: str, count: int) -> list[ClaimedItem]:
    """As claimed, without a row."""
    return [
        ClaimedItem(
            org_id=org_id, job_id=uuid4(), item_id=uuid4(), sequence=n, opportunity_id="006", lease_no=1, attempts=0,
            leases_lost=0, intent_id=uuid4(), gateway_key="gw", quote_id=uuid4(), requested_by=None, request_id=None,
            if_draft_exists="create", type="createQuotes", authorization_name=None, called_before=False,
            cancelled=False, error_code=None, error_message=None,
        )
        for n in range(count)
    ]  # fmt: skip
