"""The statements of `gateway seed`, whole and named: rows 1 to N by arithmetic, so that they are the same everywhere.

Row n belongs to the second org when n is divisible by 5. `r1` .. `r4` are its dice (large primes times n, 16 bits).
Every nullable column is null in some rows; texts hold apostrophes, umlauts, CJK, emoji, wildcards, and nothing at all.
Binds: org, second (whether it is the second org), first, last (range of n), quotes (how many there will be), step
(seconds between groups of 4 quotes).
"""

from __future__ import annotations

from typing import Final

# Time-ordered id of a seeded row: version 7 with hash digits for the random part.
SEED_ID: Final = r"""
CREATE OR REPLACE FUNCTION pg_temp.seed_id(name text, made timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(overlay(md5(name)
        PLACING lpad(to_hex((extract(epoch FROM made) * 1000)::bigint), 12, '0') || '7' FROM 1)
        PLACING '8' FROM 17)::uuid
$$;
-- Groups of four quotes share a moment.
CREATE OR REPLACE FUNCTION pg_temp.seed_time(n bigint, step float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT timestamptz '2023-08-01 06:00:00+00' + (n / 4) * step * interval '1 second' + (n / 4 % 997) * interval '1 us'
$$;
CREATE OR REPLACE FUNCTION pg_temp.seed_job_time(j bigint, step float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.seed_time(j / 5 * 50 + j % 5, step) - interval '2 s'
$$;
-- A record id: prefix, two letters that tell the orgs apart, ten digits, and the checksum of that prefix.
CREATE OR REPLACE FUNCTION pg_temp.seed_sf(prefix text, second boolean, n bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || CASE WHEN second THEN 'xY' ELSE 'bZ' END || lpad(n::text, 10, '0')
        || CASE prefix WHEN '0Q0' THEN 'S' WHEN '0QL' THEN 'W' ELSE 'Q' END || 'AA'
$$;
CREATE OR REPLACE FUNCTION pg_temp.seed_account(a bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['Acme', 'O''Brien', 'Müller & Söhne', '東京電子', 'Café "Zürich"', 'Ångström', 'Nordwind',
            'Ōsaka 工業', '🚀 Rocket', 'D''Angelo', 'Straße 7', 'Ñandú', '100% Wool', 'under_score', 'back\slash',
            'Globex', 'Initech', 'Umbrella', 'Hooli', 'Vandelay', 'Stark', 'Wayne', 'Wonka', 'Tyrell',
            'Cyberdyne', 'Soylent', 'Aperture', 'Blue Sun', 'Gringotts', 'Oceanic', 'Pied Piper', 'Massive',
            'Sirius', 'Weyland', 'Yoyodyne', 'Zorg', 'Łódź', 'Ελλάς', 'Москва', 'Ístanbul'])[1 + a % 40]
        || ' ' || (ARRAY['Machines', 'Foods', 'Logistics', 'Energy', 'Textiles', 'Optics', 'Chemistry', 'Software',
            'Medical', 'Tools', 'Paper', 'Steel', 'Aviation', 'Robotics', 'Games', 'Media', 'Garden', 'Motors',
            'Marine', 'Security', 'Telecom', 'Finance', 'Travel', 'Sports', 'Music'])[1 + (a * 7 + a / 40) % 25]
        || ' ' || (ARRAY['GmbH', 'Inc.', 'Ltd', 'AG', 'S.A.', '株式会社', 'B.V.', 'Group'])[1 + (a * 3 + a / 1000) % 8]
        || CASE WHEN a < 8000 THEN '' ELSE ' ' || a / 8000 END
$$;
-- How many quotes a job of state s has made, of 6 opportunities (8 when two of them failed).
CREATE OR REPLACE FUNCTION pg_temp.seed_made(s bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY[6, 6, 6, 6, 6, 6, 6, 6, 0, 0, 3, 2])[1 + s]
$$;
CREATE OR REPLACE FUNCTION pg_temp.seed_job_status(s bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['completed', 'completed', 'completed', 'completed', 'completed', 'completed', 'completed',
        'completed_with_errors', 'failed', 'queued', 'running', 'cancelled'])[1 + s]
$$
"""

# Quotes and their lines in one statement, so that the sums are right. 0 to 6 lines a quote, quote 7 has 40.
QUOTES: Final = r"""
WITH dice AS (
    SELECT n, pg_temp.seed_time(n, :step) AS made,
           (n * 2654435761) % 4294967296 / 65536 AS r1, (n * 2246822519) % 4294967296 / 65536 AS r2,
           (n * 3266489917) % 4294967296 / 65536 AS r3, (n * 668265263) % 4294967296 / 65536 AS r4,
           CASE WHEN n % 100 IN (10, 11) THEN n % 5000 / 100 ELSE 100 + n / 15 END AS o
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    WHERE (n % 5 = 0) = :second
), base AS MATERIALIZED (
    SELECT *, pg_temp.seed_id('quote' || n, made) AS id, pg_temp.seed_account(o / 4) AS account,
           (ARRAY['NAMER', 'NAMER', 'NAMER', 'NAMER', 'EMEA', 'EMEA', 'EMEA', 'APAC', 'APAC', 'LATAM'])[1 + o / 4 % 10]
               AS region,
           (ARRAY['USD', 'USD', 'USD', 'CAD', 'EUR', 'EUR', 'GBP', 'JPY', 'AUD', 'BRL'])[1 + o / 4 % 10] AS currency,
           (ARRAY[10, 10, 10, 10, 15, 15, 15, 8, 8, 5])[1 + o / 4 % 10] + CASE WHEN n % 41 = 7 THEN 2.5 ELSE 0 END
               AS discount,
           CASE WHEN o / 4 % 10 = 7 THEN 0 ELSE 2 END AS decimals,
           CASE WHEN n % 16 < 11 THEN 'synced' ELSE (ARRAY['pending', 'pending', 'changed_in_org', 'deleted_in_org',
               'failed'])[n % 16 - 10] END AS sync,
           (n / 50 * 5 + n % 5) % 12 AS job_state,
           CASE WHEN n = 7 THEN 40 ELSE r1 % 7 END AS lines
    FROM dice
), priced AS (
    SELECT b.n, b.id AS quote_id, b.made, k, (b.r2 + k * 37) % 500 AS p,
           CASE WHEN (b.r3 + k) % 25 = 0 THEN 0.5 ELSE 1 + (b.r3 + k * 7) % 20 END::numeric(12, 2) AS quantity,
           round(4.99 + (b.r2 + k * 37) % 500 * 7.35 + CASE WHEN (b.r2 + k * 37) % 500 > 480 THEN 25000 ELSE 0 END,
               b.decimals) AS list_price,
           b.discount, b.decimals, b.sync
    FROM base AS b CROSS JOIN LATERAL generate_series(1, b.lines) AS k
), line AS MATERIALIZED (
    SELECT *, round(list_price * (100 - discount) / 100, decimals) AS unit_price,
           round(quantity * round(list_price * (100 - discount) / 100, decimals), decimals) AS total
    FROM priced
), sums AS (
    SELECT n, round(sum(quantity * list_price), 2) AS subtotal, sum(total) AS total FROM line GROUP BY n
), quotes AS (
    INSERT INTO gateway.quote (
        id, org_id, quote_number, name, opportunity_id, opportunity_name, account_id, account_name, owner_id,
        pricebook_id, salesforce_id, created_by_id, last_modified_by_id, status, region, currency_iso_code,
        discount_percent, subtotal, total_price, tax, shipping_handling, grand_total, expiration_date, line_count,
        pricing_note, revision, revised_from_id, sync_status, synced_at, job_id, created_at, updated_at, deleted_at)
    SELECT id, :org,
        CASE WHEN n % 51 <> 1 THEN 'Q-' || lpad(n::text, 8, '0') END,
        CASE n WHEN 12 THEN '' WHEN 13 THEN '100% "sure" \ may_be, O''Neil' WHEN 14 THEN repeat('Ω', 255)
            WHEN 16 THEN U&'no\00A0break \200Fright-to-left\200E e\0301' WHEN 17 THEN ' leading and trailing '
            ELSE account || ' - ' || (ARRAY['Renewal', 'Pilot', 'Rollout', 'Größe XL', '見積', 'Ausbau', 'Upgrade 🎉',
                'It''s urgent'])[1 + r4 % 8] || ' ' || o
                || ' - ' || CASE WHEN n % 43 = 11 AND n > 15 THEN 2 ELSE 1 END END,
        pg_temp.seed_sf('006', :second, o),
        CASE n % 211 WHEN 3 THEN NULL WHEN 4 THEN '' ELSE left(account || ' - deal ' || o, 120) END,
        CASE WHEN n % 97 <> 5 THEN pg_temp.seed_sf('001', :second, o / 4) END,
        CASE n % 97 WHEN 5 THEN NULL WHEN 6 THEN '' ELSE account END,
        CASE WHEN n % 101 <> 7 THEN pg_temp.seed_sf('005', :second, o / 4 % 40) END,
        CASE WHEN n % 103 <> 8 THEN pg_temp.seed_sf('01s', :second, o % 3) END,
        CASE WHEN sync IN ('synced', 'changed_in_org', 'deleted_in_org') THEN pg_temp.seed_sf('0Q0', :second, n) END,
        CASE WHEN n % 107 <> 9 THEN pg_temp.seed_sf('005', :second, r3 % 40) END,
        CASE WHEN n % 109 <> 1 THEN pg_temp.seed_sf('005', :second, r4 % 40) END,
        (ARRAY['Draft', 'Draft', 'Draft', 'Draft', 'Draft', 'Draft', 'Draft', 'Draft', 'Needs Review', 'Needs Review',
            'Needs Review', 'In Review', 'In Review', 'Approved', 'Approved', 'Approved', 'Presented', 'Presented',
            'Accepted', CASE WHEN r2 % 2 = 0 THEN 'Rejected' ELSE 'Denied' END])[1 + r3 % 20],
        CASE n % 37 WHEN 2 THEN NULL WHEN 3 THEN '' ELSE region END,
        CASE WHEN n % 113 <> 3 THEN currency END,
        CASE WHEN n % 29 <> 4 THEN discount END,
        CASE WHEN lines > 0 OR n % 2 = 0 THEN coalesce(subtotal, 0) END,
        CASE WHEN lines > 0 OR n % 2 = 0 THEN coalesce(total, 0) END,
        CASE WHEN n % 31 <> 5 THEN round(coalesce(total, 0) * 0.19, decimals) END,
        CASE WHEN n % 3 = 0 THEN 12.50 WHEN n % 3 = 1 THEN 0 END,
        CASE WHEN lines > 0 OR n % 2 = 0 THEN coalesce(total, 0) + CASE WHEN n % 3 = 0 THEN 12.50 ELSE 0 END
            + CASE WHEN n % 31 <> 5 THEN round(coalesce(total, 0) * 0.19, decimals) ELSE 0 END END,
        CASE WHEN n % 23 <> 6 THEN (made AT TIME ZONE 'UTC')::date + 30 + (r2 % 60)::integer END,
        lines,
        CASE n % 19 WHEN 7 THEN NULL WHEN 8 THEN '' ELSE region || ' ' || discount || ' %' END,
        CASE WHEN n % 43 = 11 AND n > 15 THEN 2 ELSE 1 END,
        CASE WHEN n % 43 = 11 AND n > 15 THEN pg_temp.seed_id('quote' || n - 5, pg_temp.seed_time(n - 5, :step)) END,
        sync,
        CASE WHEN sync <> 'pending' THEN made + interval '3 s' END,
        CASE WHEN n >= 50 AND n < :quotes / 50 * 50 AND n / 5 % 10 < pg_temp.seed_made(job_state)
            THEN pg_temp.seed_id('job' || n / 50 * 5 + n % 5, pg_temp.seed_job_time(n / 50 * 5 + n % 5, :step)) END,
        made, made + CASE WHEN n % 6 = 0 THEN (r4 % 5000) * interval '1 minute' ELSE interval '0' END,
        CASE WHEN n % 100 IN (45, 99) THEN made + interval '1 day' END
    FROM base LEFT JOIN sums USING (n)
)
INSERT INTO gateway.quote_line (
    id, org_id, quote_id, line_number, name, product_code, product_id, opportunity_line_item_id, pricebook_entry_id,
    salesforce_id, description, quantity, unit_price, list_price, discount_percent, total_price, created_at, updated_at)
SELECT pg_temp.seed_id('line' || n || '-' || k, made), :org, quote_id, k,
    CASE WHEN n % 1009 = 8 THEN '' ELSE (ARRAY['Laptop', 'Bildschirm groß', 'Keyboard', 'Mouse', 'Café machine', '椅子',
        'Desk', 'Lamp', 'Cable 2 m', 'Server', 'Licence', 'Support', 'Training', 'O''Reilly book', 'Router', 'Phone',
        'Headset', 'Camera 📷', 'Printer', 'Scanner'])[1 + p % 20]
        || ' ' || (ARRAY['Basic', 'Plus', 'Pro', 'Max', 'Mini'])[1 + p / 20 % 5] || ' ' || 1 + p / 100 END,
    CASE (n + k) % 53 WHEN 9 THEN NULL WHEN 10 THEN '' ELSE 'P-' || lpad(p::text, 4, '0') END,
    CASE WHEN (n + k) % 59 <> 1 THEN pg_temp.seed_sf('01t', :second, p) END,
    CASE WHEN (n + k) % 61 <> 2 THEN pg_temp.seed_sf('00k', :second, n * 64 + k) END,
    CASE WHEN (n + k) % 67 <> 3 THEN pg_temp.seed_sf('01u', :second, p) END,
    CASE WHEN sync IN ('synced', 'changed_in_org') THEN pg_temp.seed_sf('0QL', :second, n * 64 + k) END,
    CASE WHEN n = 7 AND k = 40 THEN repeat('long ', 6400) WHEN (n + k) % 8 = 0 THEN 'Delivered within ' || 1 + p % 30
        || ' days, it''s "best effort"' WHEN (n + k) % 8 = 1 THEN '' END,
    CASE WHEN (n + k) % 1013 <> 4 THEN quantity END, CASE WHEN (n + k) % 1019 <> 4 THEN unit_price END,
    CASE WHEN (n + k) % 1021 <> 4 THEN list_price END, CASE WHEN (n + k) % 71 <> 4 THEN discount END,
    CASE WHEN (n + k) % 1031 <> 4 THEN total END, made, made
FROM line
"""

# Job j has made the quotes n with n / 50 = j / 5 and the same remainder by 5, as many as its state j % 12 says.
JOBS: Final = r"""
INSERT INTO gateway.job (
    id, org_id, name, type, status, requested_by, request_id, opportunity_count, quote_count, error_count, api_calls,
    progress, message, callback_status, callback_error, started_at, finished_at, idem_key, request_hash, callback_url,
    callback_deadline, next_at, attempts, created_at, updated_at)
SELECT pg_temp.seed_id('job' || j, made), :org,
    'J-' || lpad((j + 1)::text, greatest(6, length((j + 1)::text)), '0') || ' ' || type || ' ' || size, type, status,
    CASE WHEN j % 43 <> 6 THEN pg_temp.seed_sf('005', :second, j % 40) END,
    CASE WHEN j % 47 <> 7 THEN 'req-' || md5('request' || j) END,
    size, quotes, errors, 2 + quotes * 2,
    round(100.0 * CASE status WHEN 'running' THEN quotes WHEN 'queued' THEN 0 ELSE size END / size, 2),
    CASE status WHEN 'failed' THEN 'The org''s daily limit of calls was reached: "REQUEST_LIMIT_EXCEEDED".'
        WHEN 'completed_with_errors' THEN '2 opportunities have no products.' WHEN 'cancelled' THEN '' END,
    callback, CASE callback WHEN 'expired' THEN 'The org answered 404: the callback had expired.' END,
    CASE WHEN status <> 'queued' THEN made + interval '1 s' END,
    CASE WHEN status NOT IN ('queued', 'running') THEN made + interval '31 s' END,
    'seed-' || j, md5('body' || j) || md5('body' || j),
    CASE WHEN callback NOT IN ('none', 'event_published')
        THEN 'https://example.my.salesforce.com/services/callback/' || j END,
    CASE WHEN callback NOT IN ('none', 'event_published') THEN made + interval '1 day' END,
    CASE WHEN callback = 'due' THEN timestamptz '9999-12-31 00:00:00+00' END,
    CASE WHEN callback IN ('delivered', 'expired') THEN 1 ELSE 0 END, made, made + interval '31 s'
FROM (SELECT j, made, status, quotes, CASE WHEN status = 'completed_with_errors' THEN 8 ELSE 6 END AS size,
             CASE status WHEN 'failed' THEN 6 WHEN 'completed_with_errors' THEN 2 ELSE 0 END AS errors,
             CASE WHEN j % 3 = 0 THEN 'startQuotes' ELSE 'createQuotes' END AS type,
             CASE WHEN status IN ('queued', 'running') THEN 'none' WHEN j % 3 = 0 THEN 'event_published'
                 ELSE (ARRAY['delivered', 'delivered', 'delivered', 'expired', 'due', 'none'])[1 + j / 7 % 6] END
                 AS callback
      FROM (SELECT j, pg_temp.seed_job_time(j, :step) AS made, pg_temp.seed_job_status(j % 12) AS status,
                   pg_temp.seed_made(j % 12) AS quotes
            FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS j
            WHERE (j % 5 = 0) = :second) AS state) AS shaped
"""

# Nothing seeded is ever claimed: what waits, waits until the year 9999.
JOB_ITEMS: Final = r"""
INSERT INTO gateway.job_item (
    id, org_id, job_id, sequence, name, opportunity_id, quote_id, status, attempts, error_code, error_message, next_at,
    lease_until, created_at, updated_at)
SELECT pg_temp.seed_id('item' || j || '-' || k, made), :org, pg_temp.seed_id('job' || j, made), k,
    left(pg_temp.seed_account(o / 4) || ' - deal ' || o, 255), pg_temp.seed_sf('006', :second, o),
    CASE WHEN status = 'succeeded' THEN pg_temp.seed_id('quote' || n, pg_temp.seed_time(n, :step)) END,
    status, CASE status WHEN 'queued' THEN 0 WHEN 'cancelled' THEN 0 WHEN 'failed' THEN 3 ELSE 1 END,
    CASE WHEN status = 'failed' THEN 'NO_LINE_ITEMS' END,
    CASE WHEN status = 'failed' THEN 'The opportunity has no products: add one, then retry the job.' END,
    timestamptz '9999-12-31 00:00:00+00',
    CASE WHEN status = 'running' THEN timestamptz '9999-12-31 00:00:00+00' END, made, made + k * interval '1 s'
FROM (SELECT j, k, made, n, CASE WHEN n % 100 IN (10, 11) THEN n % 5000 / 100 ELSE 100 + n / 15 END AS o,
             CASE WHEN k <= quotes THEN 'succeeded' WHEN job_status IN ('failed', 'completed_with_errors') THEN 'failed'
                 WHEN job_status = 'running' AND k = quotes + 1 THEN 'running'
                 WHEN job_status = 'cancelled' THEN 'cancelled' ELSE 'queued' END AS status
      FROM (SELECT j, k, pg_temp.seed_job_time(j, :step) AS made, j / 5 * 50 + j % 5 + (k - 1) * 5 AS n,
                   pg_temp.seed_made(j % 12) AS quotes, pg_temp.seed_job_status(j % 12) AS job_status
            FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS j,
                 generate_series(1, CASE WHEN j % 12 = 7 THEN 8 ELSE 6 END) AS k
            WHERE (j % 5 = 0) = :second) AS numbered) AS shaped
"""

QUOTE_EVENTS: Final = r"""
INSERT INTO gateway.quote_event (
    id, org_id, quote_id, name, action, by_user_id, through, request_id, changes, created_at, updated_at)
SELECT pg_temp.seed_id('event' || n || '-' || k, made), :org,
    CASE WHEN n % 17 <> 5 OR k > 1 THEN pg_temp.seed_id('quote' || n, made) END,
    CASE k WHEN 1 THEN 'Quote created' WHEN 2 THEN 'Status: Draft → Needs Review' ELSE 'Discount 10 % → 12.5 %' END,
    CASE k WHEN 1 THEN 'created' WHEN 2 THEN 'changed' ELSE 'repriced' END,
    CASE WHEN n % 13 <> 2 THEN pg_temp.seed_sf('005', :second, n % 40) END,
    CASE WHEN n % 17 <> 5 OR k > 1 THEN (ARRAY['operation', 'job', 'reconcile', 'odata'])[1 + (n / 5 + k) % 4]
        ELSE 'reconcile' END,
    CASE WHEN n % 11 <> 3 THEN 'req-' || md5('quote request' || n) END,
    CASE k WHEN 1 THEN NULL WHEN 2 THEN '{"Status": ["Draft", "Needs Review"]}'
        ELSE '{"DiscountPercent": [10.00, 12.50], "PricingNote": [null, "it''s ''special''"]}' END,
    made + (k - 1) * interval '1 hour', made + (k - 1) * interval '1 hour'
FROM (SELECT n, pg_temp.seed_time(n, :step) AS made
      FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
      WHERE (n % 5 = 0) = :second) AS numbered, generate_series(1, 1 + n % 3) AS k
"""
