"""Quote totals: a view that sums quotes, because SOQL cannot group external objects while a report can sum these rows.

The grouping columns lead, so that a filter on org, owner, region, status or currency reaches the table below the view.
"""

from __future__ import annotations

from models.base import SCHEMA
from odata.exposure import ExposedProperty, ExposedSet, OrderItem

# Of the groups' own columns, so computed once a group. jsonb tells a missing value from an empty one.
DEFINITION = """
SELECT org_id,
       md5(jsonb_build_array(owner_id, region, status, month, currency_iso_code)::text) COLLATE "C" AS total_key,
       concat_ws(' ', to_char(month, 'YYYY-MM'), region, status, currency_iso_code) COLLATE "C" AS name,
       owner_id, region, status, month, currency_iso_code, quote_count, subtotal, total_price, tax, grand_total
FROM (SELECT org_id, owner_id, region, status, currency_iso_code,
             date_trunc('month', created_at AT TIME ZONE 'UTC')::date AS month,
             count(*)::integer AS quote_count,
             sum(subtotal) AS subtotal, sum(total_price) AS total_price, sum(tax) AS tax,
             sum(grand_total) AS grand_total
      FROM gateway.quote
      WHERE deleted_at IS NULL
      GROUP BY org_id, owner_id, region, status, currency_iso_code,
               date_trunc('month', created_at AT TIME ZONE 'UTC')::date) AS grouped
"""


def _sum(name: str, column: str, description: str) -> ExposedProperty:
    return ExposedProperty(
        name=name, column=column, type="Edm.Decimal", precision=18, scale=2, description=description, computed=True
    )


QUOTE_TOTALS = ExposedSet(
    name="QuoteTotals",
    type_name="QuoteTotal",
    table="quote_total",
    schema=SCHEMA,
    key=("TotalKey",),
    properties=(
        ExposedProperty(name="TotalKey", column="total_key", nullable=False, max_length=32, computed=True,
                        description="Names the combination of owner, region, status, month and currency."),
        ExposedProperty(name="Name", column="name", nullable=False, max_length=255, computed=True,
                        description="Month, region, status and currency in words."),
        ExposedProperty(name="OwnerId", column="owner_id", max_length=18, record_id=True,
                        description="Owner of the quotes."),
        ExposedProperty(name="Region", column="region", max_length=40, description="Sales region of the quotes."),
        ExposedProperty(name="Status", column="status", nullable=False, max_length=40,
                        description="Status of the quotes."),
        ExposedProperty(name="Month", column="month", type="Edm.Date", nullable=False,
                        description="First day of the month, by UTC, in which the quotes were made."),
        ExposedProperty(name="CurrencyIsoCode", column="currency_iso_code", max_length=3,
                        description="Currency of the sums."),
        ExposedProperty(name="QuoteCount", column="quote_count", type="Edm.Int32", nullable=False, computed=True,
                        description="How many quotes."),
        _sum("Subtotal", "subtotal", "Sum of the subtotals."),
        _sum("TotalPrice", "total_price", "Sum of the total prices."),
        _sum("Tax", "tax", "Sum of the taxes."),
        _sum("GrandTotal", "grand_total", "Sum of the grand totals."),
    ),
    org_column="org_id",
    name_property="Name",
    default_order=(OrderItem(property="Month", descending=True),),
    description="Quotes counted and summed by owner, region, status, month and currency, for reports.",
)  # fmt: skip
