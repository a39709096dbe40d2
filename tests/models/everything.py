"""Everything the model can say: each primitive type, an enumeration, recursion, odd keys, wide sets, long names.

`EXPOSURE` is what a service shows, `create` makes and fills the tables in schema `everything` of a test database, for
two orgs. The rows are corner values. What a service must survive but no literal can name (infinity, years past 9999) is
added by `add_infinite_rows` on request.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

from odata.exposure import (
    EnumMember,
    ExposedEnum,
    ExposedNavigation,
    ExposedProperty,
    ExposedSet,
    Exposure,
    OrderItem,
)  # fmt: skip

FIRST_ORG: Final = "00DbZ0000000001UAA"
SECOND_ORG: Final = "00DxY0000000002UAA"
LONG_NAME: Final = "N" + "a" * 126 + "Z"
"""128 characters, the most that a property name may have."""

COLORS: Final = ("Red", "Green", "Blue")

THINGS: Final = ExposedSet(
    name="Things",
    type_name="Thing",
    table="thing",
    schema="everything",
    key=("Id",),
    properties=(
        ExposedProperty(name="Id", column="id", type="Edm.Int32", nullable=False),
        ExposedProperty(name="Name", column="name", nullable=False, max_length=100, searchable=True),
        ExposedProperty(name="ParentId", column="parent_id", type="Edm.Int32"),
        ExposedProperty(name="Binary", column="v_binary", type="Edm.Binary", max_length=1024),
        ExposedProperty(name="Boolean", column="v_boolean", type="Edm.Boolean"),
        ExposedProperty(name="Byte", column="v_byte", type="Edm.Byte"),
        ExposedProperty(name="Date", column="v_date", type="Edm.Date"),
        ExposedProperty(name="DateTimeOffset", column="v_datetimeoffset", type="Edm.DateTimeOffset", precision=6),
        ExposedProperty(name="Decimal", column="v_decimal", type="Edm.Decimal", precision=30, scale=10),
        ExposedProperty(name="Double", column="v_double", type="Edm.Double"),
        ExposedProperty(name="Duration", column="v_duration", type="Edm.Duration", precision=6),
        ExposedProperty(name="Guid", column="v_guid", type="Edm.Guid"),
        ExposedProperty(name="Int16", column="v_int16", type="Edm.Int16"),
        ExposedProperty(name="Int32", column="v_int32", type="Edm.Int32"),
        ExposedProperty(name="Int64", column="v_int64", type="Edm.Int64"),
        ExposedProperty(name="SByte", column="v_sbyte", type="Edm.SByte"),
        ExposedProperty(name="Single", column="v_single", type="Edm.Single"),
        ExposedProperty(
            name="String", column="v_string", max_length=200, searchable=True, folded_index=True, joined_index=True
        ),
        ExposedProperty(name="TimeOfDay", column="v_timeofday", type="Edm.TimeOfDay", precision=6),
        ExposedProperty(name="Color", column="v_color", type="Color"),
        ExposedProperty(name="Long", column="v_long", max_length=4_000, sortable=False),
        ExposedProperty(name="RequiredDecimal", column="r_decimal", type="Edm.Decimal", nullable=False, precision=10,
                        scale=2),
        ExposedProperty(name="RequiredString", column="r_string", nullable=False, max_length=20),
        ExposedProperty(name="RequiredBoolean", column="r_boolean", type="Edm.Boolean", nullable=False),
        ExposedProperty(name="RequiredDateTimeOffset", column="r_datetimeoffset", type="Edm.DateTimeOffset",
                        nullable=False, precision=6),
        ExposedProperty(name="RequiredColor", column="r_color", type="Color", nullable=False),
    ),
    navigation=(
        ExposedNavigation(name="Parent", target="Things", on=(("ParentId", "Id"),), partner="Children"),
        ExposedNavigation(name="Children", target="Things", on=(("Id", "ParentId"),), collection=True,
                          partner="Parent"),
        ExposedNavigation(name="Pairs", target="Pairs", on=(("Id", "ThingId"),), collection=True, partner="Thing"),
    ),
    org_column="tenant",
    deleted_column="gone_at",
    version_column="version",
    name_property="Name",
)  # fmt: skip

PAIRS: Final = ExposedSet(
    name="Pairs",
    type_name="Pair",
    table="pair",
    schema="everything",
    key=("Left", "Right"),
    properties=(
        ExposedProperty(name="Left", column="left_part", nullable=False, max_length=40),
        ExposedProperty(name="Right", column="right_part", type="Edm.Int32", nullable=False),
        ExposedProperty(name="ThingId", column="thing_id", type="Edm.Int32"),
        ExposedProperty(name="Amount", column="amount", type="Edm.Decimal", precision=12, scale=3),
    ),
    navigation=(
        ExposedNavigation(name="Thing", target="Things", on=(("ThingId", "Id"),), partner="Pairs"),
        ExposedNavigation(name="Notes", target="PairNotes", on=(("Left", "Left"), ("Right", "Right")),
                          collection=True, partner="Pair"),
    ),
    org_column="tenant",
    version_column="version",
    name_property="Left",
    default_order=(OrderItem(property="Amount", descending=True),),
)  # fmt: skip

PAIR_NOTES: Final = ExposedSet(
    name="PairNotes",
    type_name="PairNote",
    table="pair_note",
    schema="everything",
    key=("Id",),
    properties=(
        ExposedProperty(name="Id", column="id", type="Edm.Guid", nullable=False),
        ExposedProperty(name="Left", column="left_part", nullable=False, max_length=40),
        ExposedProperty(name="Right", column="right_part", type="Edm.Int32", nullable=False),
        ExposedProperty(name="Text", column="note", max_length=100),
    ),
    navigation=(
        ExposedNavigation(name="Pair", target="Pairs", on=(("Left", "Left"), ("Right", "Right")), partner="Notes",
                          nullable=False),
    ),
    org_column="tenant",
    name_property="Text",
)  # fmt: skip

ODD_KEYS: Final = ExposedSet(
    name="OddKeys",
    type_name="OddKey",
    table="odd_key",
    schema="everything",
    key=("Key",),
    properties=(
        ExposedProperty(name="Key", column="key", nullable=False, max_length=60),
        ExposedProperty(name=LONG_NAME, column="long_name", type="Edm.Int32"),
        ExposedProperty(name="Üñïcode", column="unicode_name", max_length=20),
    ),
    org_column="tenant",
    version_column="version",
    name_property="Key",
)

WIDE_KINDS: Final = (
    ("Edm.String", "varchar(40) COLLATE \"C\"", "'text ' || n || ' of {}'"),
    ("Edm.Int32", "integer", "n * {}"),
    ("Edm.Decimal", "numeric(12, 2)", "n + {} / 100.0"),
    ("Edm.Boolean", "boolean", "(n + {}) % 2 = 0"),
    ("Edm.DateTimeOffset", "timestamptz", "timestamptz '2026-01-01 00:00:00+00' + n * {} * interval '1 minute'"),
    ("Edm.Date", "date", "date '2026-01-01' + n::integer + {}"),
)  # fmt: skip


def _wide_property(number: int) -> ExposedProperty:
    kind = WIDE_KINDS[number % len(WIDE_KINDS)][0]
    return ExposedProperty(
        name=f"P{number:02}",
        column=f"p{number:02}",
        type=kind,
        max_length={"Edm.String": 40}.get(kind),
        precision={"Edm.Decimal": 12, "Edm.DateTimeOffset": 6}.get(kind),
        scale={"Edm.Decimal": 2}.get(kind),
    )


WIDE: Final = ExposedSet(
    name="Wide",
    type_name="WideRow",
    table="wide",
    schema="everything",
    key=("Id",),
    properties=(
        ExposedProperty(name="Id", column="id", type="Edm.Int64", nullable=False),
        *(_wide_property(number) for number in range(1, 60)),
    ),
    org_column="tenant",
    name_property="P06",
)

EXPOSURE: Final = Exposure(
    namespace="Everything",
    container="Container",
    sets=(THINGS, PAIRS, PAIR_NOTES, ODD_KEYS, WIDE),
    enums=(
        ExposedEnum(
            name="Color",
            members=tuple(EnumMember(name=name, value=value) for value, name in enumerate(COLORS)),
            description="A color.",
        ),
    ),
)

TABLES: Final = r"""
CREATE SCHEMA everything;
CREATE TABLE everything.thing (
    tenant varchar(18) COLLATE "C" NOT NULL,
    id integer NOT NULL,
    name varchar(100) COLLATE "C" NOT NULL,
    parent_id integer,
    v_binary bytea,
    v_boolean boolean,
    v_byte smallint CHECK (v_byte BETWEEN 0 AND 255),
    v_date date,
    v_datetimeoffset timestamptz,
    v_decimal numeric(30, 10),
    v_double double precision,
    v_duration interval,
    v_guid uuid,
    v_int16 smallint,
    v_int32 integer,
    v_int64 bigint,
    v_sbyte smallint CHECK (v_sbyte BETWEEN -128 AND 127),
    v_single real,
    v_string varchar(200) COLLATE "C",
    v_timeofday time,
    v_color text COLLATE "C" CHECK (v_color IN ('Red', 'Green', 'Blue')),
    v_long text COLLATE "C" CHECK (char_length(v_long) <= 4000),
    r_decimal numeric(10, 2) NOT NULL DEFAULT 0,
    r_string varchar(20) COLLATE "C" NOT NULL DEFAULT '',
    r_boolean boolean NOT NULL DEFAULT false,
    r_datetimeoffset timestamptz NOT NULL DEFAULT timestamptz '2026-01-01 00:00:00+00',
    r_color text COLLATE "C" NOT NULL DEFAULT 'Red' CHECK (r_color IN ('Red', 'Green', 'Blue')),
    version bigint NOT NULL DEFAULT 1,
    gone_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE TABLE everything.pair (
    tenant varchar(18) COLLATE "C" NOT NULL,
    left_part varchar(40) COLLATE "C" NOT NULL,
    right_part integer NOT NULL,
    thing_id integer,
    amount numeric(12, 3),
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant, left_part, right_part)
);
CREATE TABLE everything.pair_note (
    tenant varchar(18) COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    left_part varchar(40) COLLATE "C" NOT NULL,
    right_part integer NOT NULL,
    note varchar(100) COLLATE "C",
    PRIMARY KEY (tenant, id)
);
CREATE TABLE everything.odd_key (
    tenant varchar(18) COLLATE "C" NOT NULL,
    key varchar(60) COLLATE "C" NOT NULL,
    long_name integer,
    unicode_name varchar(20) COLLATE "C",
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant, key)
);
"""

# The same for both orgs, but for the tenant and `name`, so that a row of the wrong org is seen.
THING_ROWS: Final = r"""
INSERT INTO everything.thing (
    tenant, id, name, parent_id, v_binary, v_boolean, v_byte, v_date, v_datetimeoffset, v_decimal, v_double, v_duration,
    v_guid, v_int16, v_int32, v_int64, v_sbyte, v_single, v_string, v_timeofday, v_color, v_long, r_decimal, r_string,
    r_boolean, r_datetimeoffset, r_color, gone_at)
SELECT tenant, v.id, label || v.id, v.parent_id, v.v_binary, v.v_boolean, v.v_byte, v.v_date, v.v_datetimeoffset,
       v.v_decimal, v.v_double, v.v_duration, v.v_guid, v.v_int16, v.v_int32, v.v_int64, v.v_sbyte, v.v_single,
       v.v_string, v.v_timeofday, v.v_color, v.v_long, v.r_decimal, v.r_string, v.r_boolean, v.r_datetimeoffset,
       v.r_color, v.gone_at
FROM (VALUES ('00DbZ0000000001UAA', 'first '), ('00DxY0000000002UAA', 'second ')) AS org (tenant, label),
(VALUES
    (1, NULL::integer, '\x00ff'::bytea, true, 0::smallint, date '0001-01-01', timestamptz '0001-01-01 00:00:00+00',
     0::numeric, 0::float8, interval '0', '00000000-0000-0000-0000-000000000000'::uuid, 0::smallint, 0, 0::bigint,
     0::smallint, 0::real, '', time '00:00:00', 'Red', '', 0::numeric, '', false,
     timestamptz '2026-01-01 00:00:00+00', 'Red', NULL::timestamptz),
    (2, 1, '\x'::bytea, false, 255, '9999-12-31', '9999-12-31 23:59:59.999999+00', 99999999999999999999.9999999999,
     'Infinity', '1 day 02:03:04.5', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 32767, 2147483647, 9223372036854775807,
     127, 3.4028235e38, '100% _under\slash', '23:59:59.999999', 'Green', repeat('x', 4000), 12345678.90, 'O''Neil',
     true,
     '1999-12-31 23:59:59.5+00', 'Green', NULL),
    (3, 1, '\xdeadbeef', NULL, 1, '2024-02-29', '2024-02-29 12:00:00.123456+02', -99999999999999999999.9999999999,
     '-Infinity', '-1 days -02:03:04.5', '01234567-89ab-cdef-0123-456789abcdef', -32768, -2147483648,
     -9223372036854775808, -128, -3.4028235e38, 'it''s "quoted"', '12:34:56.789', 'Blue', 'line one
line two', -0.01, 'null', false, '2026-03-29 01:30:00+00', 'Blue', NULL),
    (4, 2, '\x61', true, 42, '1970-01-01', '1970-01-01 00:00:00+00', 0.1, 'NaN', '-00:00:00.000001', NULL, 1, 1, 1, 1,
     'NaN', 'emoji 🚀 é Ü 東京', '00:00:00.000001', 'Red', NULL, 1.50, 'A', true, '2026-01-01 00:00:00+00', 'Red',
     NULL),
    (5, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     1.50, 'a', false, '2026-01-01 00:00:00+00', 'Green', NULL),
    (6, 4, '\x00', false, 42, '2000-01-01', '2000-01-01 00:00:00+00', 1.0000000000, 1e308, '36 hours',
     '01234567-89AB-CDEF-0123-456789ABCDEF', 1, 1, 9007199254740993, 1, 0.1, U&'\00A0non-breaking\00A0', '12:00:00',
     'Green', 'x', 2.50, 'b', true, '2026-06-30 12:00:00+00', 'Blue', NULL),
    (7, 6, '\x0a0d', true, 128, '2026-03-31', '2026-03-31 22:30:00+00', -2.5, 5e-324, '9999 days', NULL, -1, -1, -1, -1,
     1e-45, ' leading and trailing ', '06:00:00', 'Blue', '%', -2.50, '%', false, '2026-12-31 23:59:59.999999+00',
     'Red',
     NULL),
    (8, NULL, '\x78', false, 7, '2026-03-31', '2026-03-31 22:30:00+00', 2.5, '-0', '00:01:00', NULL, 7, 7, 7, 7, '-0',
     E'tab\tand\nnewline', '06:00:00', NULL, '_', 3.49, '_', true, '2026-01-01 00:00:00+00', 'Green', NULL),
    (9, NULL, NULL, true, 7, '2026-12-31', '2026-12-31 23:30:00-02', 3.5, 2.5, '00:00:01', NULL, 7, 7, 7, 7, 2.5,
     E'e\u0301 I\u0307 \u00df \ufb01', '18:00:00', 'Red', '\', 3.51, '\', false, '2026-01-01 00:00:00+00', 'Blue',
     NULL),
    (10, 1, NULL, true, 7, '2026-01-01', '2026-01-01 00:00:00+00', 1, 1, '00:00:01', NULL, 7, 7, 7, 7, 1, 'deleted',
     '18:00:00', 'Red', 'deleted', 1, 'deleted', false, '2026-01-01 00:00:00+00', 'Blue', '2026-02-01 00:00:00+00')
) AS v (id, parent_id, v_binary, v_boolean, v_byte, v_date, v_datetimeoffset, v_decimal, v_double, v_duration, v_guid,
        v_int16, v_int32, v_int64, v_sbyte, v_single, v_string, v_timeofday, v_color, v_long, r_decimal, r_string,
        r_boolean, r_datetimeoffset, r_color, gone_at)
WHERE tenant = '00DbZ0000000001UAA' OR v.id <> 9;
"""

KEY_ROWS: Final = r"""
INSERT INTO everything.odd_key (tenant, key, long_name, unicode_name)
SELECT tenant, key, CASE WHEN number % 4 <> 0 THEN number END, CASE WHEN number % 3 <> 0 THEN 'ü' || number END
FROM (VALUES ('00DbZ0000000001UAA'), ('00DxY0000000002UAA')) AS org (tenant),
     unnest(ARRAY['plain', 'O''Neil', 'a/b', 'a b', 'ünïcode', '100%', '%2F', '(x)', 'emoji 🚀', 'a+b', 'a&b',
     'back\slash',
         'a?b#c', 'a=b', 'a,b', '''', '''''', '$filter', ' ', '', '.', '..', 'null', '東京', 'a;b', '"', '{x}', '@p',
         '~'])
         WITH ORDINALITY AS keys (key, number);
INSERT INTO everything.pair (tenant, left_part, right_part, thing_id, amount)
SELECT tenant, part, number, CASE WHEN number <> 3 THEN 1 + (number + length(part)) % 9 END,
       CASE WHEN number <> 2 THEN number * 1.125 - 2 END
FROM (VALUES ('00DbZ0000000001UAA'), ('00DxY0000000002UAA')) AS org (tenant),
     unnest(ARRAY['', 'a', 'A', 'ä', 'a/b', 'O''Neil', 'a,b=c', '東']) AS part, generate_series(-1, 3) AS number;
INSERT INTO everything.pair_note (tenant, id, left_part, right_part, note)
SELECT tenant, md5(tenant || left_part || right_part || k)::uuid, left_part, right_part,
       CASE k WHEN 1 THEN NULL WHEN 2 THEN '' ELSE 'note ' || k || ' on ' || left_part END
FROM everything.pair, generate_series(1, 4) AS k WHERE right_part > 0;
"""

INFINITE_ROWS: Final = r"""
INSERT INTO everything.thing (tenant, id, name, v_date, v_datetimeoffset, v_duration)
VALUES ('00DbZ0000000001UAA', 101, 'infinite', 'infinity', 'infinity', '1 year 2 mons 3 days'),
       ('00DbZ0000000001UAA', 102, 'minus infinite', '-infinity', '-infinity', '-178000000 years'),
       ('00DbZ0000000001UAA', 103, 'late', '12345-06-07', '294276-12-31 23:59:59+00', NULL),
       ('00DbZ0000000001UAA', 104, 'early', '0044-03-15 BC', '0044-03-15 00:00:00+00 BC', NULL);
"""


def create(connection: psycopg.Connection[Any]) -> None:
    """Make and fill the tables; the caller commits."""
    connection.execute(TABLES)
    connection.execute(THING_ROWS)
    connection.execute(KEY_ROWS)
    _create_wide(connection)
    connection.execute("ANALYZE everything.thing, everything.pair, everything.pair_note, everything.odd_key")


def add_infinite_rows(connection: psycopg.Connection[Any]) -> None:
    """Four things, ids 101 to 104, whose dates no literal of the standard can name."""
    connection.execute(INFINITE_ROWS)


def _create_wide(connection: psycopg.Connection[Any]) -> None:
    """60 columns by the kinds in turn; each is null in one row of seven."""
    numbers = range(1, 60)
    columns = ", ".join(f"p{number:02} {WIDE_KINDS[number % len(WIDE_KINDS)][1]}" for number in numbers)
    values = ", ".join(
        f"CASE WHEN (n + {number}) % 7 <> 0 THEN {WIDE_KINDS[number % len(WIDE_KINDS)][2].format(number)} END"
        for number in numbers
    )
    connection.execute(
        "CREATE TABLE everything.wide "  # noqa: S608 -- names of the model
        f'(tenant varchar(18) COLLATE "C" NOT NULL, id bigint NOT NULL, {columns}, PRIMARY KEY (tenant, id));'
        f"INSERT INTO everything.wide SELECT tenant, n, {values} FROM generate_series(1, 50) AS n, "
        f"(VALUES ('{FIRST_ORG}'), ('{SECOND_ORG}')) AS org (tenant);"
    )
