"""Tables of `everything` with more rows: on the embedded server, and with trigrams under another collation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from local.servers import Server
from odata.mapping import Mapping
from tests.filtering import MODEL, Table
from tests.models import everything

# More rows than the corner values: combinations of small values and nulls.
MORE_ROWS = r"""
INSERT INTO everything.thing (
    tenant, id, name, parent_id, v_boolean, v_byte, v_date, v_datetimeoffset, v_decimal, v_double, v_duration, v_guid,
    v_int16, v_int32, v_int64, v_sbyte, v_single, v_string, v_timeofday, v_color, v_long, r_decimal, r_string)
SELECT '00DbZ0000000001UAA', 1000 + n, (ARRAY['Alpha', 'alpha', 'ÄPFEL', 'äpfel', 'ing'])[1 + n % 5],
       CASE WHEN n % 4 > 0 THEN 1 + n % 9 WHEN n % 8 = 0 THEN 1000 + n / 2 END,
       (ARRAY[true, false, NULL])[1 + n % 3], (ARRAY[0, 1, 7, NULL])[1 + n % 4]::smallint,
       (ARRAY[date '2024-02-29', '2026-03-31', NULL, '1999-12-31'])[1 + n % 4],
       (ARRAY[timestamptz '2026-03-31 22:30:00+00', '2025-12-31 23:59:59.999999+00', '2026-01-01 00:00:00+00',
              NULL])[1 + n % 4],
       (ARRAY[0.1, 1, 2.5, NULL, -2.5])[1 + n % 5], (ARRAY[0, 2.5, 'NaN', NULL, -7, 1e3]::float8[])[1 + n % 6],
       (ARRAY[interval '1 second', '36 hours', NULL])[1 + n % 3],
       (ARRAY['01234567-89ab-cdef-0123-456789abcdef', '00000000-0000-0000-0000-000000000001',
              NULL]::uuid[])[1 + n % 3],
       (ARRAY[0, 1, -1, NULL])[1 + n % 4]::smallint, (ARRAY[0, 1, 7, 42, NULL])[1 + n % 5],
       (ARRAY[0, -1, NULL])[1 + n % 3], (ARRAY[1, -1, NULL])[1 + n % 3]::smallint,
       (ARRAY[0.1, 2.5, 'NaN', NULL]::real[])[1 + n % 4],
       (ARRAY['', 'abc', 'ABC', 'a%c', 'a_c', NULL, 'a\c', 'O''Neil', 'Ünder', 'ünder', '🚀', ' abc '])[1 + n % 12],
       (ARRAY[time '06:00:00', '18:00:00', NULL])[1 + n % 3], (ARRAY['Red', 'Green', 'Blue', NULL])[1 + n % 4],
       (ARRAY['x', '', NULL, 'null'])[1 + n % 4], (n % 7) * 0.5, (ARRAY['a', 'A', '', '%', 'null'])[1 + n % 5]
FROM generate_series(1, 60) AS n;
"""
TRIGRAMS = """
CREATE EXTENSION pg_trgm;
CREATE INDEX ON everything.thing
    USING gin ((replace(lower(v_string COLLATE "default"), ' ', '') COLLATE "C") gin_trgm_ops);
CREATE INDEX ON everything.thing USING gin (name COLLATE "default" gin_trgm_ops);
SET enable_seqscan = off;
"""
OTHER_COLLATION = """
ALTER TABLE everything.thing ALTER v_string TYPE varchar(200) COLLATE "und-x-icu",
    ALTER name TYPE varchar(100) COLLATE "und-x-icu", ALTER v_long TYPE text COLLATE "und-x-icu",
    ALTER r_string TYPE varchar(20) COLLATE "und-x-icu";
"""


@contextlib.contextmanager
def filled(server: Server, name: str, extra: str, mapping: Mapping) -> Iterator[Table]:
    with server.new_database(name) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        everything.create(connection)
        connection.execute(MORE_ROWS)
        if extra:
            connection.execute(extra)
        yield Table(connection, mapping)


@pytest.fixture(scope="session")
def filled_table(postgres_server: Server, worker: str) -> Iterator[Table]:
    with filled(postgres_server, f"{worker}_differential", "", Mapping(MODEL)) as table:
        yield table


@pytest.fixture(scope="session")
def trigram_table(trigram_server: Server, worker: str) -> Iterator[Table]:
    with filled(trigram_server, f"{worker}_trigrams", OTHER_COLLATION + TRIGRAMS, Mapping(MODEL, "C")) as table:
        yield table


@pytest.fixture(scope="session")
def filled_url(postgres_server: Server, worker: str) -> Iterator[str]:
    """The same rows as `filled_table`, for a service."""
    with postgres_server.new_database(f"{worker}_differential_url") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            everything.create(connection)
            connection.execute(MORE_ROWS)
        yield url
