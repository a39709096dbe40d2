"""The discount rules of an org, from their table to values that pricing takes."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select

from models.database import set_org
from models.discount_rule import discount_rule, ensure_default_rules
from models.discounts import DiscountRule


def of_org(engine: Engine, org_id: str) -> tuple[DiscountRule, ...]:
    """The rules of an org, read anew each time: a changed rule counts from the next quote on.

    An org that never had a rule is given the default ones first (docs/pricing.md).
    """
    with engine.begin() as connection:  # committed: after a rollback psycopg prepares its statements anew
        found = _read(connection, org_id)
    if found:
        return found
    with engine.begin() as connection:
        set_org(connection, org_id)
        ensure_default_rules(connection, org_id)
        return _read(connection, org_id)


def _read(connection: Connection, org_id: str) -> tuple[DiscountRule, ...]:
    table = discount_rule.c
    rows = connection.execute(
        select(table.region, table.rate_percent, table.valid_from, table.valid_to)
        .where(table.org_id == org_id, table.deleted_at.is_(None))
        .order_by(table.region, table.valid_from)
    )
    return tuple(DiscountRule(*row) for row in rows)
