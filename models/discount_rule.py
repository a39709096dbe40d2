"""Discount rules: what a region gets off the list price."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Connection, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert

from models.base import date, listing, own_table, percent, properties, string
from odata.exposure import ExposedSet, OrderItem

DEFAULT_RATES: Final = (("NAMER", 10), ("EMEA", 15), ("APAC", 8), ("other", 5))
"""Percent off by region. The rule named "other" stands for every region without one of its own."""

FIRST_DAY: Final = "2000-01-01"

discount_rule = own_table(
    "discount_rule",
    string("region", 40, nullable=False, searchable=True, doc="Sales region, or other for every region not named."),
    percent("rate_percent", nullable=False, doc="Discount on the list price, in percent."),
    date("valid_from", nullable=False, doc="First day of the rule."),
    date("valid_to", doc="Last day of the rule; empty means until further notice."),
    CheckConstraint("rate_percent BETWEEN 0 AND 100", name="rate_percent"),
    CheckConstraint("valid_to >= valid_from", name="valid_to"),
    UniqueConstraint("org_id", "region", "valid_from"),
    key_doc="The gateway's own id of the rule.",
)

listing("ix_discount_rule_created", discount_rule.c.org_id, discount_rule.c.created_at, discount_rule.c.id)

DISCOUNT_RULES = ExposedSet(
    name="DiscountRules",
    type_name="DiscountRule",
    table="discount_rule",
    schema=discount_rule.schema,
    key=("Id",),
    properties=properties(discount_rule),
    org_column="org_id",
    deleted_column="deleted_at",
    version_column="row_version",
    name_property="Region",
    default_order=(OrderItem(property="Region"), OrderItem(property="ValidFrom")),
    description="Discounts by region, the data behind the pricing.",
)


def ensure_default_rules(connection: Connection, org_id: str) -> int:
    """Give an org the default rules unless it has any, deleted ones included; returns how many were added.

    The transaction must name the org first (models.database.set_org).
    """
    if connection.execute(select(discount_rule.c.id).where(discount_rule.c.org_id == org_id).limit(1)).first():
        return 0
    rows = [
        {"org_id": org_id, "region": region, "rate_percent": rate, "valid_from": FIRST_DAY}
        for region, rate in DEFAULT_RATES
    ]
    added = insert(discount_rule).values(rows).on_conflict_do_nothing().returning(discount_rule.c.id)
    return len(connection.execute(added).all())
