"""Casts: every text is read or null, never an error of the database; a literal and a stored text agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random

import psycopg
import pytest
from sqlalchemy import Text, cast, column

from local.servers import Server
from odata.edm.types import (
    BINARY,
    BOOLEAN,
    BYTE,
    DATE,
    DATE_TIME_OFFSET,
    DECIMAL,
    DOUBLE,
    DURATION,
    GUID,
    INT16,
    INT32,
    INT64,
    PRIMITIVE_TYPES,
    SBYTE,
    SINGLE,
    STRING,
    TIME_OF_DAY,
    PrimitiveType,
)
from odata.errors import InvalidLiteral
from odata.functions import Sql
from odata.mapping import Mapping, sql_type
from odata.plan.casts import CASTABLE, castable
from odata.sql.casts import CASTS, cast_value
from tests.filtering import DIALECT, MODEL, Table, plan, statement
from tests.models import everything

COLOR = MODEL.enums["Everything.Color"]
READ: dict[PrimitiveType, dict[str, str | None]] = {
    DATE: {
        "2024-02-29": "2024-02-29", "2024-02-30": None, "2023-02-29": None, "2000-02-29": "2000-02-29",
        "1900-02-29": None, "0000-01-01": None, "0000-02-29": None, "0001-01-01": "0001-01-01",
        "9999-12-31": "9999-12-31", "10000-01-01": None, "-0001-01-01": None, "2024-13-01": None, "2024-00-10": None,
        "2024-04-31": None, "2024-12-00": None, "2024-1-1": None, "20240101": None, "2024-01-01 ": None,
        " 2024-01-01": None, "2024-01-01\n": None, "2024-01-01T00:00:00Z": None, "infinity": None, "today": None,
        "": None, "2024-01-01 BC": None, "J2451187": None,
    },
    DATE_TIME_OFFSET: {
        "2024-02-29T12:00:00Z": "2024-02-29 12:00:00+00", "2024-02-29T12:00Z": "2024-02-29 12:00:00+00",
        "2024-02-29t12:00:00.1234567899z": "2024-02-29 12:00:00.123456+00",
        "2024-01-01T00:00:00+14:00": "2023-12-31 10:00:00+00", "2024-01-01T00:00:00-14:00": "2024-01-01 14:00:00+00",
        "2024-01-01T00:00:00+15:00": None, "2024-01-01T00:00:00+14:01": None, "2024-01-01T00:00:00+00:60": None,
        "2024-01-01T24:00:00Z": None, "2024-01-01T23:59:60Z": None, "2024-02-30T00:00:00Z": None,
        "0000-12-31T23:00:00-02:00": None, "0001-01-01T00:00:00+14:00": "0001-12-31 10:00:00+00 BC",
        "9999-12-31T23:59:59.999999999999Z": "9999-12-31 23:59:59.999999+00",
        "9999-12-31T23:59:59-14:00": "10000-01-01 13:59:59+00", "2024-01-01T00:00:00": None, "2024-01-01": None,
        "2024-01-01 00:00:00Z": None, "2024-01-01T00:00:00 +00:00": None, "2024-01-01T00:00:00+0000": None,
        "infinity": None, "now": None, "epoch": None,
    },
    TIME_OF_DAY: {
        "12:34": "12:34:00", "12:34:56.789": "12:34:56.789", "23:59:59.9999999": "23:59:59.999999",
        "24:00:00": None, "23:60": None, "23:59:60": None, "1:00": None, "12:301": None, "12:34:56.": None,
        "12:34:56.1234567890123": None, "12:34:56Z": None, "allballs": None,
    },
    DURATION: {
        "P1D": "1 day", "-P1D": "-1 days", "PT1H2M3.5S": "01:02:03.5", "-P1DT2H3M4.5S": "-1 days -02:03:04.5",
        "-PT0.5S": "-00:00:00.5", "pt1s": "00:00:01", "PT0.1234567S": "00:00:00.123456", "PT90061.5S": "25:01:01.5",
        "P999999999D": "999999999 days", "P": None, "PT": None, "P1DT": None, "-P": None, "P1": None, "P1Y": None,
        "P1M": None, "P1W": None, "+P1D": None, "PT1.5H": None, "PT12345678901S": None, "P9999999999999D": None,
        "PT999999999H999999999M999999999.9S": "1016944443:25:39.9", "1 day": None, "P-1D": None, "PT.5S": None,
    },
    BINARY: {
        "": "\\x", "YQ": "\\x61", "YQ==": "\\x61", "YWI": "\\x6162", "YWI=": "\\x6162", "YWJj": "\\x616263",
        "_-8": "\\xffef", "YR": None, "YQ=": None, "Y": None, "YWJj=": None, "YQ==YQ==": None,
        "+/8": None, "\\x61": None,
    },
    BOOLEAN: {"true": "true", "false": "false", "TRUE": "true", "t": None, "yes": None, "1": None, " true": None},
    GUID: {
        "01234567-89AB-cdef-0123-456789abcdef": "01234567-89ab-cdef-0123-456789abcdef",
        "{01234567-89ab-cdef-0123-456789abcdef}": None, "0123456789abcdef0123456789abcdef": None,
    },
    BYTE: {"255": "255", "007": "7", "256": None, "-1": None, "+1": None, "1.0": None, "1e1": None, " 7": None},
    SBYTE: {"-128": "-128", "127": "127", "128": None, "-129": None, "+5": "5", "-0": "0"},
    INT16: {"-32768": "-32768", "32768": None, "99999": None, "100000": None},
    INT32: {"2147483647": "2147483647", "2147483648": None, "-2147483648": "-2147483648", "0x10": None, "1_000": None},
    INT64: {
        "9223372036854775807": "9223372036854775807", "9223372036854775808": None,
        "-9223372036854775808": "-9223372036854775808", "9" * 400: None,
    },
    DECIMAL: {
        "1.50": "1.50", "-1e2": "-100", "+.5": None, "5.": None, "1e-3": "0.001", "INF": None, "NaN": None,
        "9" * 100: "9" * 100, "9" * 101: None, "1e9999": None, "1e400": f"1{'0' * 400}", "1e401": None, "-1e999": None,
    },
    DOUBLE: {
        "1.5": "1.5", "1e308": "1e+308", "1.7976931348623157e308": "1.7976931348623157e+308", "1e309": None,
        "-1e309": None, "1e999": None, "5e-324": "5e-324", "1e-324": "0", "-1e-999": "0", "0e999": "0",
        "INF": "Infinity",
        "-INF": "-Infinity", "NaN": "NaN", "+INF": None, "Infinity": None, "inf": None, "nan": None, "1e9999": None,
    },
    SINGLE: {
        "0.1": "0.1", "3.4028235e38": "3.4028235e+38", "3.5e38": None, "1e-45": "1e-45", "1e-46": "0",
        "INF": "Infinity", "NaN": "NaN", "-1e300": None,
    },
    COLOR: {
        "Red": "Red", "0": "Red", "red": None, "9": None, "Red,Blue": None, "": None, "+0": "Red",
        "9223372036854775808": None, "0.0": None,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def table(postgres_server: Server, worker: str) -> Iterator[Table]:
    with postgres_server.new_database(f"{worker}_casts") as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        everything.create(connection)
        yield Table(connection, Mapping(MODEL))


def cast_all(
    table: Table, texts: Sequence[str | None], source: PrimitiveType, target: PrimitiveType
) -> list[str | None]:
    """What texts, read as one type, become as another: as PostgreSQL writes it."""
    operand: Sql = cast(column("t", Text), sql_type(source))
    written = str(cast(cast_value(operand, source, target), Text).compile(dialect=DIALECT))
    statement = f"SELECT {written} FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS given(t, n) ORDER BY n"  # noqa: S608
    return [row[0] for row in table.connection.execute(statement, {"texts": list(texts)})]


def test_the_plan_knows_the_pairs_that_sql_has() -> None:
    assert set(CASTS) == CASTABLE


@pytest.mark.parametrize("type", READ, ids=lambda type: type.name)
def test_texts_are_read_or_null(table: Table, type: PrimitiveType) -> None:
    found = cast_all(table, list(READ[type]), STRING, type)
    assert dict(zip(READ[type], found, strict=True)) == READ[type]


@pytest.mark.parametrize("type", READ, ids=lambda type: type.name)
def test_a_literal_and_a_stored_text_agree(table: Table, type: PrimitiveType) -> None:
    """Both null, or equal. NaN alone equals nothing, and a URL has no line breaks."""
    texts = [text for text in READ[type] if text != "NaN" and text.isprintable()]
    with table.connection.cursor() as cursor:
        cursor.execute("DELETE FROM everything.thing WHERE id >= 1000")
        cursor.executemany(
            "INSERT INTO everything.thing (tenant, id, name, v_long) VALUES (%s, %s, 'text', %s)",
            [(everything.FIRST_ORG, 1000 + number, text) for number, text in enumerate(texts)],
        )
    agreeing = [
        f"Id eq {1000 + number} and cast(Long,{type.name}) eq cast({quoted(text)},{type.name})"
        for number, text in enumerate(texts)
    ]
    assert table.keys("$filter=" + " or ".join(agreeing)) == list(range(1000, 1000 + len(texts)))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


CHARACTERS = "0123456789-+:.TZtzPDHMSpdhmseE INFNaN_=ARed\n\u0660é,"
"""What literals are made of, and what is like it: a digit of another script, a letter, a line break."""


def mutated(random: Random, known: str) -> str:
    """A text with one to three characters changed, left out or put in."""
    characters = list(known)
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(characters))
        characters[place : place + random.randint(0, 1)] = random.choices(CHARACTERS, k=random.randint(0, 2))
    return "".join(characters)


@pytest.mark.parametrize("type", READ, ids=lambda type: type.name)
def test_no_text_is_an_error_and_what_is_read_is_a_literal(table: Table, type: PrimitiveType) -> None:
    """PostgreSQL raises at nothing; what it reads, the types of Python's side read as well."""
    random = Random(type.name)
    texts = [mutated(random, random.choice(list(READ[type]))) for _ in range(5000)]
    found = cast_all(table, texts, STRING, type)
    refused = [text for text, value in zip(texts, found, strict=True) if value is not None and not converts(type, text)]
    assert not refused
    assert any(value is not None for value in found)


def converts(type: PrimitiveType, text: str) -> bool:
    """Whether a literal in quotes has a value of the type; of what is too small or too long, a cast takes more."""
    if type.family == "number" and abs(float(text)) < 1e-40:
        return True
    try:
        type.convert("string", text)
    except InvalidLiteral as error:
        return type is DURATION and "too long" in error.message
    return True


@pytest.mark.parametrize(
    ("source", "target", "values"),
    [
        (DOUBLE, STRING, {"Infinity": "INF", "-Infinity": "-INF", "NaN": "NaN", "1.5": "1.5", "1e308": "1e+308"}),
        (SINGLE, STRING, {"-Infinity": "-INF", "0.1": "0.1"}),
        (DECIMAL, STRING, {"1.50": "1.50", "-0.000001": "-0.000001"}),
        (BOOLEAN, STRING, {"t": "true", "f": "false"}),
        (GUID, STRING, {"01234567-89AB-CDEF-0123-456789ABCDEF": "01234567-89ab-cdef-0123-456789abcdef"}),
        (DATE, STRING, {"2024-02-29": "2024-02-29", "infinity": "9999-12-31", "0044-03-15 BC": "0001-01-01"}),
        (DATE_TIME_OFFSET, STRING, {
            "2024-02-29 12:00:00.5+02": "2024-02-29T10:00:00.5Z", "2024-01-01 00:00+00": "2024-01-01T00:00:00Z",
            "infinity": "9999-12-31T23:59:59.999999Z", "-infinity": "0001-01-01T00:00:00Z",
        }),
        (TIME_OF_DAY, STRING, {"12:34:56.789": "12:34:56.789", "00:00": "00:00:00"}),
        (DURATION, STRING, {"1 day 02:03:04.5": "PT93784.5S", "-1 day": "-PT86400S", "0": "PT0S"}),
        (BINARY, STRING, {"\\xffef": "_-8=", "\\x": "", "\\x61": "YQ=="}),
        (COLOR, STRING, {"Green": "Green"}),
        (COLOR, INT32, {"Red": str(COLOR.members["Red"]), "Blue": str(COLOR.members["Blue"])}),
        (INT64, COLOR, {str(COLOR.members["Green"]): "Green", "77": None}),
        (DOUBLE, SINGLE, {
            "1e308": None, "-1e300": None, "5e-324": "0", "NaN": "NaN", "Infinity": "Infinity",
            "-Infinity": "-Infinity", "1.5": "1.5", "3.4028235e38": "3.4028235e+38",
        }),
        (DOUBLE, DECIMAL, {"Infinity": None, "-Infinity": None, "NaN": None, "0.1": "0.1", "1e308": f"1{'0' * 308}"}),
        (DOUBLE, INT64, {"1e308": None, "NaN": None, "2.9": "2", "-2.9": "-2", "9e18": "9" + "0" * 18}),
        (DECIMAL, DOUBLE, {f"1{'0' * 400}": None, f"-1{'0' * 309}": None, f"0.{'0' * 400}1": "0", "0.1": "0.1"}),
        (DECIMAL, SINGLE, {f"1{'0' * 39}": None, "0.1": "0.1", "0": "0"}),
        (INT32, BYTE, {"255": "255", "256": None, "-1": None}),
        (DECIMAL, INT64, {"9223372036854775807.9": "9223372036854775807", "9223372036854775808": None}),
        (DATE, DATE_TIME_OFFSET, {"2024-02-29": "2024-02-29 00:00:00+00"}),
        (DATE_TIME_OFFSET, DATE, {"2024-02-29 01:00+02": "2024-02-28"}),
        (DATE_TIME_OFFSET, TIME_OF_DAY, {"2024-02-29 01:00+02": "23:00:00"}),
    ],
    ids=lambda value: value.name if isinstance(value, PrimitiveType) else "",
)  # fmt: skip
def test_values_become_others(
    table: Table, source: PrimitiveType, target: PrimitiveType, values: dict[str, str | None]
) -> None:
    assert dict(zip(values, cast_all(table, list(values), source, target), strict=True)) == values


@pytest.mark.parametrize("pair", sorted(CASTABLE), ids=" ".join)
def test_null_stays_null(table: Table, pair: tuple[str, str]) -> None:
    types = [*PRIMITIVE_TYPES.values(), COLOR]
    for source, target in product(types, repeat=2):
        if (source.family, target.family) == pair and source is not target and castable(source, target):
            assert cast_all(table, [None], source, target) == [None]


@pytest.mark.parametrize(
    "type", ["Edm.Date", "Edm.DateTimeOffset", "Edm.Int32", "Edm.Duration", "Edm.Binary", "Everything.Color"]
)
def test_casts_of_casts_stay_short(type: str) -> None:
    """An operand is written once or twice, so that 14 casts in each other are no bomb."""
    nested = "String"
    for _ in range(7):
        nested = f"cast(cast({nested},{type}),Edm.String)"
    text, _ = statement(plan(f"$filter={nested} eq 'x'"), Mapping(MODEL))
    assert len(text) < 200_000
