"""The schema of a recorded Salesforce Connect session: names verbatim, rows that its seventy requests find.

`EXPOSURE` is what a service shows, `create` makes and fills the tables in schema `session` of a test database. Every
row belongs to one fixed org. 2,100 quotes, 3,000 jobs, lines for the first hundred quotes.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

from odata.exposure import ExposedNavigation, ExposedProperty, ExposedSet, Exposure, OrderItem

ORG: Final = "00DbZ0000000001UAA"

EXPOSURE: Final = Exposure(
    namespace="Session",
    container="Container",
    sets=(
        ExposedSet(
            name="Quotes",
            type_name="Quote",
            table="quotes",
            schema="session",
            key=("id",),
            properties=(
                ExposedProperty(name="id", column="id", type="Edm.Int64", nullable=False),
                ExposedProperty(name="quote_number", column="quote_number", max_length=80, searchable=True),
                ExposedProperty(name="status", column="status", max_length=40),
                ExposedProperty(name="amount", column="amount", type="Edm.Decimal", precision=16, scale=2),
                ExposedProperty(name="valid_until", column="valid_until", type="Edm.Date"),
                ExposedProperty(name="is_open", column="is_open", type="Edm.Boolean"),
                ExposedProperty(name="notes", column="notes", max_length=32_000, searchable=True, sortable=False),
                ExposedProperty(name="account_ref", column="account_ref", max_length=18),
                ExposedProperty(name="updated_at", column="updated_at", type="Edm.DateTimeOffset", precision=6),
            ),
            navigation=(
                ExposedNavigation(name="Lines", target="QuoteLines", on=(("id", "quote_id"),), collection=True,
                                  partner="Quote"),
                ExposedNavigation(name="Jobs", target="Jobs", on=(("id", "quote_id"),), collection=True,
                                  partner="Quote"),
            ),
            fixed_org=ORG,
            name_property="quote_number",
        ),
        ExposedSet(
            name="Jobs",
            type_name="Job",
            table="jobs",
            schema="session",
            key=("id",),
            properties=(
                ExposedProperty(name="id", column="id", type="Edm.Int64", nullable=False),
                ExposedProperty(name="quote_id", column="quote_id", type="Edm.Int64"),
                ExposedProperty(name="name", column="name", max_length=255, searchable=True),
                ExposedProperty(name="state", column="state", max_length=40),
                ExposedProperty(name="started_at", column="started_at", type="Edm.DateTimeOffset", precision=6),
            ),
            navigation=(
                ExposedNavigation(name="Quote", target="Quotes", on=(("quote_id", "id"),), partner="Jobs"),
            ),
            fixed_org=ORG,
            name_property="name",
            default_order=(OrderItem(property="id"),),
        ),
        ExposedSet(
            name="QuoteLines",
            type_name="QuoteLine",
            table="quote_lines",
            schema="session",
            key=("quote_id", "line_no"),
            properties=(
                ExposedProperty(name="quote_id", column="quote_id", type="Edm.Int64", nullable=False),
                ExposedProperty(name="line_no", column="line_no", type="Edm.Int32", nullable=False),
                ExposedProperty(name="qty", column="qty", type="Edm.Int32"),
            ),
            navigation=(
                ExposedNavigation(name="Quote", target="Quotes", on=(("quote_id", "id"),), partner="Lines",
                                  nullable=False),
            ),
            fixed_org=ORG,
        ),
    ),
)  # fmt: skip

# Rows 1 to 9 answer particular requests; the others vary by arithmetic. Notes are null, blank or text by thirds.
STATEMENTS: Final = r"""
CREATE SCHEMA session;
CREATE TABLE session.quotes (
    id bigint PRIMARY KEY,
    quote_number varchar(80) COLLATE "C",
    status varchar(40) COLLATE "C",
    amount numeric(16, 2),
    valid_until date,
    is_open boolean,
    notes text COLLATE "C" CHECK (char_length(notes) <= 32000),
    account_ref varchar(18) COLLATE "C",
    updated_at timestamptz
);
CREATE TABLE session.jobs (
    id bigint PRIMARY KEY,
    quote_id bigint REFERENCES session.quotes (id),
    name varchar(255) COLLATE "C",
    state varchar(40) COLLATE "C",
    started_at timestamptz
);
CREATE TABLE session.quote_lines (
    quote_id bigint REFERENCES session.quotes (id),
    line_no integer,
    qty integer,
    PRIMARY KEY (quote_id, line_no)
);
CREATE INDEX ON session.quotes (quote_number NULLS FIRST, id);
CREATE INDEX ON session.jobs (quote_id, id);

INSERT INTO session.quotes
SELECT n,
       CASE n WHEN 1 THEN 'Q-1 (13-inch, 2020, ポート)' WHEN 2 THEN 'O''Brien & Söhne' WHEN 3 THEN 'Q-[x] 3'
           WHEN 4 THEN 'Acme macbook' WHEN 5 THEN 'Sales Marketing' WHEN 6 THEN NULL WHEN 7 THEN ''
           ELSE 'Q-' || CASE WHEN n % 10 = 0 THEN n / 10 ELSE n END END,
       CASE n % 7 WHEN 0 THEN NULL WHEN 1 THEN 'Won' WHEN 2 THEN 'Closed Lost' WHEN 3 THEN '' ELSE 'Open' END,
       CASE WHEN n % 11 <> 5 THEN (n % 400) * 10.25 - 100 END,
       CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN date '2026-03-31' ELSE date '2026-01-01' + (n % 200)::integer END,
       CASE n % 6 WHEN 0 THEN NULL ELSE n % 6 < 4 END,
       CASE WHEN n = 5 THEN 'Sales Marketing, urgent' WHEN n = 4 THEN 'new macbook for Acme' WHEN n % 3 = 0 THEN NULL
           WHEN n % 3 = 1 THEN '' WHEN n % 4 = 0 THEN 'urgent: call back' ELSE 'Sales & Marketing, no hurry' END,
       CASE WHEN n IN (1, 8) THEN '001Xx000001abcDEFG' WHEN n = 9 THEN '001Xx000001abcdefg'
           WHEN n % 2 = 0 THEN '001bZ' || lpad((n / 20)::text, 10, '0') || 'QAA' END,
       CASE WHEN n % 13 <> 6 THEN timestamptz '2026-02-01 00:00:00+00' + (n % 500) * interval '47 minutes' END
FROM generate_series(1, 2100) AS n;
INSERT INTO session.jobs
SELECT n, CASE WHEN n % 17 <> 0 THEN 1 + (n - 1) % 1000 END, 'Job ' || n,
       CASE n % 4 WHEN 0 THEN 'queued' WHEN 1 THEN 'running' WHEN 2 THEN 'done' END,
       CASE WHEN n % 4 > 0 THEN timestamptz '2026-02-01 00:00:00+00' + n * interval '1 minute' END
FROM generate_series(1, 3000) AS n;
INSERT INTO session.quote_lines
SELECT quote, line, CASE WHEN line <> 3 THEN quote * line END
FROM generate_series(1, 100) AS quote, generate_series(1, quote % 5) AS line
UNION ALL SELECT 1, 2, 12;
ANALYZE session.quotes, session.jobs, session.quote_lines;
"""


def create(connection: psycopg.Connection[Any]) -> None:
    """Make and fill the tables; the caller commits."""
    connection.execute(STATEMENTS)
