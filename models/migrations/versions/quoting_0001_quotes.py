"""Quotes, their lines, events and totals, and the discount rules."""

from __future__ import annotations

from alembic import op

revision = "quoting_0001"
down_revision = None
branch_labels = ("quoting",)
depends_on = ("core_0001",)

TABLES = """
CREATE TABLE gateway.discount_rule (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    region VARCHAR(40) COLLATE "C" NOT NULL,
    rate_percent NUMERIC(5, 2) NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_discount_rule PRIMARY KEY (org_id, id),
    CONSTRAINT ck_discount_rule_rate_percent CHECK (rate_percent BETWEEN 0 AND 100),
    CONSTRAINT ck_discount_rule_valid_to CHECK (valid_to >= valid_from),
    CONSTRAINT uq_discount_rule_org_id_region_valid_from UNIQUE (org_id, region, valid_from),
    CONSTRAINT ck_discount_rule_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D')
);
CREATE INDEX ix_discount_rule_created ON gateway.discount_rule (org_id, created_at, id) INCLUDE (deleted_at);

CREATE TABLE gateway.quote (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    quote_number VARCHAR(30) COLLATE "C",
    name VARCHAR(255) COLLATE "C" NOT NULL,
    opportunity_id VARCHAR(18) COLLATE "C" NOT NULL,
    opportunity_name VARCHAR(120) COLLATE "C",
    account_id VARCHAR(18) COLLATE "C",
    account_name VARCHAR(255) COLLATE "C",
    owner_id VARCHAR(18) COLLATE "C",
    pricebook_id VARCHAR(18) COLLATE "C",
    salesforce_id VARCHAR(18) COLLATE "C",
    created_by_id VARCHAR(18) COLLATE "C",
    last_modified_by_id VARCHAR(18) COLLATE "C",
    status VARCHAR(40) COLLATE "C" DEFAULT 'Draft' NOT NULL,
    region VARCHAR(40) COLLATE "C",
    currency_iso_code VARCHAR(3) COLLATE "C",
    discount_percent NUMERIC(5, 2),
    subtotal NUMERIC(18, 2),
    total_price NUMERIC(18, 2),
    tax NUMERIC(18, 2),
    shipping_handling NUMERIC(18, 2),
    grand_total NUMERIC(18, 2),
    expiration_date DATE,
    line_count INTEGER DEFAULT 0 NOT NULL,
    pricing_note VARCHAR(255) COLLATE "C",
    revision INTEGER DEFAULT 1 NOT NULL,
    revised_from_id UUID,
    sync_status VARCHAR(40) COLLATE "C" DEFAULT 'pending' NOT NULL,
    synced_at TIMESTAMP WITH TIME ZONE,
    job_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_quote PRIMARY KEY (org_id, id),
    CONSTRAINT ck_quote_sync_status
        CHECK (sync_status IN ('pending', 'synced', 'changed_in_org', 'deleted_in_org', 'failed')),
    CONSTRAINT ck_quote_currency_iso_code CHECK (currency_iso_code ~ '^[A-Z]{3}$'),
    CONSTRAINT uq_quote_org_id_quote_number UNIQUE (org_id, quote_number),
    CONSTRAINT uq_quote_org_id_salesforce_id UNIQUE (org_id, salesforce_id),
    CONSTRAINT fk_quote_revised_from_id FOREIGN KEY(org_id, revised_from_id) REFERENCES gateway.quote (org_id, id),
    CONSTRAINT ck_quote_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_quote_opportunity_id CHECK (gateway.is_record_id(opportunity_id)),
    CONSTRAINT ck_quote_account_id CHECK (gateway.is_record_id(account_id)),
    CONSTRAINT ck_quote_owner_id CHECK (gateway.is_record_id(owner_id)),
    CONSTRAINT ck_quote_pricebook_id CHECK (gateway.is_record_id(pricebook_id)),
    CONSTRAINT ck_quote_salesforce_id CHECK (gateway.is_record_id(salesforce_id)),
    CONSTRAINT ck_quote_created_by_id CHECK (gateway.is_record_id(created_by_id)),
    CONSTRAINT ck_quote_last_modified_by_id CHECK (gateway.is_record_id(last_modified_by_id))
);
CREATE INDEX ix_quote_account ON gateway.quote (org_id, account_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_account_name ON gateway.quote (org_id, account_name NULLS FIRST, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_created ON gateway.quote (org_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_expiration ON gateway.quote (org_id, expiration_date NULLS FIRST, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_grand_total ON gateway.quote (org_id, grand_total NULLS FIRST, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_job ON gateway.quote (org_id, job_id, created_at, id) INCLUDE (deleted_at)
    WHERE job_id IS NOT NULL;
CREATE INDEX ix_quote_name ON gateway.quote (org_id, name, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_number ON gateway.quote (org_id, quote_number NULLS FIRST, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_opportunity ON gateway.quote (org_id, opportunity_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_owner ON gateway.quote (org_id, owner_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_revised_from ON gateway.quote (org_id, revised_from_id) WHERE revised_from_id IS NOT NULL;
CREATE INDEX ix_quote_status ON gateway.quote (org_id, status, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_updated ON gateway.quote (org_id, updated_at, id) INCLUDE (deleted_at);

CREATE TABLE gateway.quote_event (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    quote_id UUID,
    name VARCHAR(255) COLLATE "C" NOT NULL,
    action VARCHAR(40) COLLATE "C" NOT NULL,
    by_user_id VARCHAR(18) COLLATE "C",
    through VARCHAR(40) COLLATE "C" NOT NULL,
    request_id VARCHAR(120) COLLATE "C",
    changes TEXT COLLATE "C",
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_quote_event PRIMARY KEY (org_id, id),
    CONSTRAINT ck_quote_event_through CHECK (through IN ('operation', 'job', 'reconcile', 'odata')),
    CONSTRAINT ck_quote_event_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_quote_event_by_user_id CHECK (gateway.is_record_id(by_user_id)),
    CONSTRAINT ck_quote_event_changes CHECK (char_length(changes) <= 32000)
);
CREATE INDEX ix_quote_event_created ON gateway.quote_event (org_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_event_quote ON gateway.quote_event (org_id, quote_id, created_at, id) INCLUDE (deleted_at);

CREATE TABLE gateway.quote_line (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    quote_id UUID NOT NULL,
    line_number INTEGER NOT NULL,
    name VARCHAR(255) COLLATE "C" NOT NULL,
    product_code VARCHAR(50) COLLATE "C",
    product_id VARCHAR(18) COLLATE "C",
    opportunity_line_item_id VARCHAR(18) COLLATE "C",
    pricebook_entry_id VARCHAR(18) COLLATE "C",
    salesforce_id VARCHAR(18) COLLATE "C",
    description TEXT COLLATE "C",
    quantity NUMERIC(12, 2),
    unit_price NUMERIC(18, 2),
    list_price NUMERIC(18, 2),
    discount_percent NUMERIC(5, 2),
    total_price NUMERIC(18, 2),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_quote_line PRIMARY KEY (org_id, id),
    CONSTRAINT fk_quote_line_quote_id FOREIGN KEY(org_id, quote_id)
        REFERENCES gateway.quote (org_id, id) ON DELETE CASCADE,
    CONSTRAINT uq_quote_line_org_id_salesforce_id UNIQUE (org_id, salesforce_id),
    CONSTRAINT ck_quote_line_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_quote_line_product_id CHECK (gateway.is_record_id(product_id)),
    CONSTRAINT ck_quote_line_opportunity_line_item_id CHECK (gateway.is_record_id(opportunity_line_item_id)),
    CONSTRAINT ck_quote_line_pricebook_entry_id CHECK (gateway.is_record_id(pricebook_entry_id)),
    CONSTRAINT ck_quote_line_salesforce_id CHECK (gateway.is_record_id(salesforce_id)),
    CONSTRAINT ck_quote_line_description CHECK (char_length(description) <= 32000)
);
CREATE INDEX ix_quote_line_created ON gateway.quote_line (org_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_line_name ON gateway.quote_line (org_id, name, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_line_product ON gateway.quote_line (org_id, product_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_quote_line_quote ON gateway.quote_line (org_id, quote_id, line_number, id) INCLUDE (deleted_at);
"""

TRIGGERS = """
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.quote
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org();
CREATE TRIGGER touch_row BEFORE UPDATE ON gateway.quote FOR EACH ROW EXECUTE FUNCTION gateway.touch_row();
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.quote_line
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org();
CREATE TRIGGER touch_row BEFORE UPDATE ON gateway.quote_line FOR EACH ROW EXECUTE FUNCTION gateway.touch_row();
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.quote_event
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org();
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.discount_rule
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org();
CREATE TRIGGER touch_row BEFORE UPDATE ON gateway.discount_rule FOR EACH ROW EXECUTE FUNCTION gateway.touch_row();

-- The audit is added to, never changed.
CREATE FUNCTION gateway.refuse_update() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = '42501';
END
$function$;
CREATE TRIGGER append_only BEFORE UPDATE ON gateway.quote_event FOR EACH ROW EXECUTE FUNCTION gateway.refuse_update();
"""

VIEW = """
CREATE VIEW gateway.quote_total AS
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
               date_trunc('month', created_at AT TIME ZONE 'UTC')::date) AS grouped;
"""

DROPS = """
DROP VIEW gateway.quote_total;
DROP TABLE gateway.discount_rule, gateway.quote_event, gateway.quote_line, gateway.quote;
DROP FUNCTION gateway.refuse_update();
"""


def upgrade() -> None:
    for statements in (TABLES, TRIGGERS, VIEW):
        op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DROPS, execution_options={"no_parameters": True})
