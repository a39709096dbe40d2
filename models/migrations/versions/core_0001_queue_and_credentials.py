"""Credentials, jobs, intents, the change log, and the functions behind every table."""

from __future__ import annotations

from alembic import op

revision = "core_0001"
down_revision = None
branch_labels = ("core",)
depends_on = None

FUNCTIONS = """
-- Time-ordered id after RFC 9562, version 7: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits.
CREATE FUNCTION gateway.uuid_v7() RETURNS uuid LANGUAGE plpgsql VOLATILE PARALLEL SAFE AS $function$
DECLARE
    moment bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
BEGIN
    RETURN encode(
        int8send(((moment / 1000) << 16) | 28672 | ((moment % 1000) * 4096 / 1000))
            || substring(uuid_send(gen_random_uuid()) FROM 9),
        'hex')::uuid;
END
$function$;

-- A Salesforce record id of 18 characters: in ASCII a capital letter lacks bit 5 that digits and small letters have;
-- five characters make one character of the checksum, first character in the lowest bit. Null is no violation.
CREATE FUNCTION gateway.is_record_id(id text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $function$
    SELECT length(id) = 18 AND id ~ '^[A-Za-z0-9]+$' AND right(id, 3) =
        substr('543210ZYXWVUTSRQPONMLKJIHGFEDCBA', 1 + get_bit(id::bytea, 5) + 2 * get_bit(id::bytea, 13)
            + 4 * get_bit(id::bytea, 21) + 8 * get_bit(id::bytea, 29) + 16 * get_bit(id::bytea, 37), 1)
        || substr('543210ZYXWVUTSRQPONMLKJIHGFEDCBA', 1 + get_bit(id::bytea, 45) + 2 * get_bit(id::bytea, 53)
            + 4 * get_bit(id::bytea, 61) + 8 * get_bit(id::bytea, 69) + 16 * get_bit(id::bytea, 77), 1)
        || substr('543210ZYXWVUTSRQPONMLKJIHGFEDCBA', 1 + get_bit(id::bytea, 85) + 2 * get_bit(id::bytea, 93)
            + 4 * get_bit(id::bytea, 101) + 8 * get_bit(id::bytea, 109) + 16 * get_bit(id::bytea, 117), 1)
$function$;

-- The second fence: a row is written only by a transaction that names its org in app.org_id. With the argument 'queue'
-- the value '*' passes too, for the statements of the queue that look across orgs; no row ever moves to another org.
CREATE FUNCTION gateway.fence_org() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    org text := nullif(current_setting('app.org_id', true), '');
    any_org boolean := org = '*' AND TG_NARGS > 0;
BEGIN
    IF org IS NULL THEN
        RAISE EXCEPTION 'app.org_id is not set; no row of % can be written', TG_TABLE_NAME USING ERRCODE = '42501';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.org_id <> NEW.org_id
        OR NOT any_org AND TG_OP <> 'INSERT' AND OLD.org_id <> org
        OR NOT any_org AND TG_OP <> 'DELETE' AND NEW.org_id <> org THEN
        RAISE EXCEPTION 'the row of % belongs to another org than app.org_id', TG_TABLE_NAME USING ERRCODE = '42501';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$function$;

-- What makes the ETag and "last changed": kept here, whoever writes.
CREATE FUNCTION gateway.touch_row() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    NEW.row_version := OLD.row_version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END
$function$;

-- Numbers jobs across orgs; gaps are normal.
CREATE SEQUENCE gateway.job_number;

-- "J-000123 createQuotes 200"
CREATE FUNCTION gateway.next_job_name(type text, size integer) RETURNS text LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    number text := nextval('gateway.job_number')::text;
BEGIN
    RETURN concat_ws(' ', 'J-' || lpad(number, greatest(6, length(number)), '0'), type, size);
END
$function$;
"""

TABLES = """
CREATE TABLE gateway.change_log (
    txid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    entity VARCHAR(63) COLLATE "C" NOT NULL,
    row_id UUID NOT NULL,
    operation VARCHAR(1) COLLATE "C" NOT NULL,
    logged_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_change_log PRIMARY KEY (org_id, seq),
    CONSTRAINT ck_change_log_operation CHECK (operation IN ('I', 'U', 'D'))
);
CREATE INDEX ix_change_log_entity ON gateway.change_log (org_id, entity, txid, seq);
CREATE INDEX ix_change_log_logged ON gateway.change_log (logged_at);

CREATE TABLE gateway.credential (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    username VARCHAR(80) COLLATE "C" NOT NULL,
    profile VARCHAR(20) COLLATE "C" DEFAULT 'strict' NOT NULL,
    scope VARCHAR(10) COLLATE "C" DEFAULT 'read' NOT NULL,
    sets VARCHAR(128)[] COLLATE "C",
    secret_hash VARCHAR(255) COLLATE "C" NOT NULL,
    secret_previous_hash VARCHAR(255) COLLATE "C",
    previous_valid_until TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_credential PRIMARY KEY (org_id, id),
    CONSTRAINT uq_credential_username UNIQUE (username),
    CONSTRAINT ck_credential_profile CHECK (profile IN ('salesforce', 'strict')),
    CONSTRAINT ck_credential_scope CHECK (scope IN ('read', 'write')),
    CONSTRAINT ck_credential_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_credential_username CHECK (username ~ '^[^:[:cntrl:]]+$')
);

CREATE TABLE gateway.intent (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    gateway_key VARCHAR(80) COLLATE "C" NOT NULL,
    operation VARCHAR(40) COLLATE "C" NOT NULL,
    opportunity_id VARCHAR(18) COLLATE "C" NOT NULL,
    job_id UUID,
    job_item_id UUID,
    idem_key VARCHAR(255) COLLATE "C",
    request_hash VARCHAR(64) COLLATE "C",
    requested_by VARCHAR(18) COLLATE "C",
    request_id VARCHAR(120) COLLATE "C",
    arguments JSONB DEFAULT '{}'::jsonb NOT NULL,
    answer JSONB,
    status VARCHAR(40) COLLATE "C" DEFAULT 'open' NOT NULL,
    quote_id UUID,
    salesforce_id VARCHAR(18) COLLATE "C",
    error_code VARCHAR(80) COLLATE "C",
    error_message VARCHAR(1000) COLLATE "C",
    called_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    attempts INTEGER DEFAULT 0 NOT NULL,
    lease_no BIGINT DEFAULT 0 NOT NULL,
    locked_by VARCHAR(120) COLLATE "C",
    lease_until TIMESTAMP WITH TIME ZONE,
    next_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_intent PRIMARY KEY (org_id, id),
    CONSTRAINT ck_intent_status CHECK (status IN ('open', 'settled', 'failed')),
    CONSTRAINT uq_intent_org_id_gateway_key UNIQUE (org_id, gateway_key),
    CONSTRAINT uq_intent_org_id_operation_idem_key UNIQUE (org_id, operation, idem_key),
    CONSTRAINT ck_intent_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_intent_opportunity_id CHECK (gateway.is_record_id(opportunity_id)),
    CONSTRAINT ck_intent_requested_by CHECK (gateway.is_record_id(requested_by)),
    CONSTRAINT ck_intent_salesforce_id CHECK (gateway.is_record_id(salesforce_id))
);
CREATE INDEX ix_intent_job ON gateway.intent (org_id, job_id) WHERE job_id IS NOT NULL;
CREATE INDEX ix_intent_open ON gateway.intent (created_at, id) WHERE status = 'open';
CREATE INDEX ix_intent_opportunity ON gateway.intent (org_id, opportunity_id, created_at);

CREATE TABLE gateway.job (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    name VARCHAR(80) COLLATE "C" NOT NULL,
    type VARCHAR(40) COLLATE "C" NOT NULL,
    status VARCHAR(40) COLLATE "C" DEFAULT 'queued' NOT NULL,
    requested_by VARCHAR(18) COLLATE "C",
    request_id VARCHAR(120) COLLATE "C",
    opportunity_count INTEGER DEFAULT 0 NOT NULL,
    quote_count INTEGER DEFAULT 0 NOT NULL,
    error_count INTEGER DEFAULT 0 NOT NULL,
    api_calls INTEGER DEFAULT 0 NOT NULL,
    progress NUMERIC(5, 2) DEFAULT 0 NOT NULL,
    message TEXT COLLATE "C",
    callback_status VARCHAR(40) COLLATE "C" DEFAULT 'none' NOT NULL,
    callback_error VARCHAR(255) COLLATE "C",
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    idem_key VARCHAR(255) COLLATE "C" NOT NULL,
    request_hash VARCHAR(64) COLLATE "C" NOT NULL,
    arguments JSONB DEFAULT '{}'::jsonb NOT NULL,
    authorization_name VARCHAR(120) COLLATE "C",
    cancel_requested_at TIMESTAMP WITH TIME ZONE,
    callback_url VARCHAR(2048) COLLATE "C",
    callback_deadline TIMESTAMP WITH TIME ZONE,
    lease_no BIGINT DEFAULT 0 NOT NULL,
    locked_by VARCHAR(120) COLLATE "C",
    lease_until TIMESTAMP WITH TIME ZONE,
    next_at TIMESTAMP WITH TIME ZONE,
    attempts INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_job PRIMARY KEY (org_id, id),
    CONSTRAINT ck_job_status
        CHECK (status IN ('queued', 'running', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    CONSTRAINT ck_job_callback_status
        CHECK (callback_status IN ('none', 'due', 'delivered', 'expired', 'event_published')),
    CONSTRAINT ck_job_progress CHECK (progress BETWEEN 0 AND 100),
    CONSTRAINT uq_job_org_id_idem_key UNIQUE (org_id, idem_key),
    CONSTRAINT ck_job_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_job_requested_by CHECK (gateway.is_record_id(requested_by)),
    CONSTRAINT ck_job_message CHECK (char_length(message) <= 4000)
);
CREATE INDEX ix_job_callback_due ON gateway.job (next_at, id) WHERE callback_status = 'due';
CREATE INDEX ix_job_created ON gateway.job (org_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_job_name ON gateway.job (org_id, name, id) INCLUDE (deleted_at);
CREATE INDEX ix_job_open ON gateway.job (status, id) WHERE status = 'queued' OR status = 'running';
CREATE INDEX ix_job_requested_by ON gateway.job (org_id, requested_by, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_job_status ON gateway.job (org_id, status, created_at, id) INCLUDE (deleted_at);

CREATE TABLE gateway.job_item (
    id UUID DEFAULT gateway.uuid_v7() NOT NULL,
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    job_id UUID NOT NULL,
    sequence INTEGER NOT NULL,
    name VARCHAR(255) COLLATE "C" NOT NULL,
    opportunity_id VARCHAR(18) COLLATE "C" NOT NULL,
    quote_id UUID,
    status VARCHAR(40) COLLATE "C" DEFAULT 'queued' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    error_code VARCHAR(80) COLLATE "C",
    error_message VARCHAR(1000) COLLATE "C",
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    lease_no BIGINT DEFAULT 0 NOT NULL,
    locked_by VARCHAR(120) COLLATE "C",
    lease_until TIMESTAMP WITH TIME ZONE,
    next_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    row_version BIGINT DEFAULT 1 NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_job_item PRIMARY KEY (org_id, id),
    CONSTRAINT ck_job_item_status CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT fk_job_item_job_id FOREIGN KEY(org_id, job_id) REFERENCES gateway.job (org_id, id) ON DELETE CASCADE,
    CONSTRAINT uq_job_item_org_id_job_id_sequence UNIQUE (org_id, job_id, sequence),
    CONSTRAINT ck_job_item_org_id CHECK (gateway.is_record_id(org_id) AND left(org_id, 3) = '00D'),
    CONSTRAINT ck_job_item_opportunity_id CHECK (gateway.is_record_id(opportunity_id))
);
CREATE INDEX ix_job_item_created ON gateway.job_item (org_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_job_item_leased ON gateway.job_item (lease_until, job_id, sequence) WHERE status = 'running';
CREATE INDEX ix_job_item_opportunity ON gateway.job_item (org_id, opportunity_id, created_at, id) INCLUDE (deleted_at);
CREATE INDEX ix_job_item_queued ON gateway.job_item (next_at, job_id, sequence) WHERE status = 'queued';
CREATE INDEX ix_job_item_quote ON gateway.job_item (org_id, quote_id) WHERE quote_id IS NOT NULL;
CREATE INDEX ix_job_item_status ON gateway.job_item (org_id, status, created_at, id) INCLUDE (deleted_at);
"""

TRIGGERS = """
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.job
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org('queue');
CREATE TRIGGER touch_row BEFORE UPDATE ON gateway.job FOR EACH ROW EXECUTE FUNCTION gateway.touch_row();
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.job_item
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org('queue');
CREATE TRIGGER touch_row BEFORE UPDATE ON gateway.job_item FOR EACH ROW EXECUTE FUNCTION gateway.touch_row();
CREATE TRIGGER fence_org BEFORE INSERT OR UPDATE OR DELETE ON gateway.intent
    FOR EACH ROW EXECUTE FUNCTION gateway.fence_org('queue');
CREATE TRIGGER touch_row BEFORE UPDATE ON gateway.intent FOR EACH ROW EXECUTE FUNCTION gateway.touch_row();
"""

DROPS = """
DROP TABLE gateway.change_log, gateway.intent, gateway.job_item, gateway.job, gateway.credential;
DROP FUNCTION gateway.next_job_name(text, integer);
DROP SEQUENCE gateway.job_number;
DROP FUNCTION gateway.touch_row();
DROP FUNCTION gateway.fence_org();
DROP FUNCTION gateway.is_record_id(text);
DROP FUNCTION gateway.uuid_v7();
"""


def upgrade() -> None:
    for statements in (FUNCTIONS, TABLES, TRIGGERS):
        op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DROPS, execution_options={"no_parameters": True})
