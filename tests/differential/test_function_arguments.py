"""Every canonical function takes every expression of its parameters' types: it answers or refuses, it never fails."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

import pytest

from odata.functions import FUNCTIONS, Function
from tests.conformance.serving import Client
from tests.models import everything

EXPRESSIONS = {
    "number": (
        "3", "Int32 add Byte", "Int64 sub 1", "Int16 mul 2", "Int32 div 2", "Int64 mod 3", "-Int32", "-Int64", "Int64",
        "Children/$count", "length(String) add 1", "indexof(String,'b')", "Decimal add 1", "RequiredDecimal divby 2",
        "Decimal", "Double mul 2", "Single", "-Single", "round(Double)", "cast(String,Edm.Int64)",
        "cast(Color,Edm.Int16)",
        "case(Int32 gt 0:Int64,true:1)",
    ),
    "string": ("'b'", "String", "concat(String,Name)", "cast(Int64,Edm.String)", "substring(String,Byte add 1)",
        "cast(Duration,Edm.String)", "cast(Binary,Edm.String)"),
    "date": ("Date", "date(DateTimeOffset)", "Date add duration'P1D'", "2026-03-31", "cast(String,Edm.Date)"),
    "datetimeoffset": ("DateTimeOffset", "DateTimeOffset sub duration'P1D'", "now()", "2026-03-31T22:30:00Z",
        "cast(String,Edm.DateTimeOffset)"),
    "timeofday": ("TimeOfDay", "time(DateTimeOffset)", "12:30:00", "cast(String,Edm.TimeOfDay)"),
    "duration": ("Duration", "Duration mul 2", "DateTimeOffset sub 2026-01-01T00:00:00Z", "-Duration",
        "cast(String,Edm.Duration)"),
}  # fmt: skip
OVERLOADS = [entry for entries in FUNCTIONS.values() for entry in entries if entry.parameters]


@pytest.fixture(scope="module")
def client(filled_url: str) -> Iterator[Client]:
    client = Client(filled_url, everything.EXPOSURE, org=everything.FIRST_ORG, shape_cache_entries=0)
    yield client
    client.close()


@pytest.mark.parametrize("function", OVERLOADS, ids=lambda function: function.signature)
def test_a_function_takes_every_expression_of_its_types(client: Client, function: Function) -> None:
    failed = []
    for arguments in _arguments(function):
        url = f"Things?$top=1&$select=Id&$orderby={quote(f'{function.name}({arguments})')},Id"
        reply = client.get(url)
        if reply.status not in (200, 400):
            failed.append(f"{reply.status} for {function.name}({arguments}): {reply.text}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("call", ["substring(RequiredString,Int32)", "substring(RequiredString,0,Int32)"])
def test_substring_of_a_null_position_is_null(client: Client, call: str) -> None:
    assert client.get(f"Things/$count?$filter={quote(f'Int32 eq null and {call} ne null')}").body == b"0"


def _arguments(function: Function) -> Iterator[str]:
    """Each argument varies while the others are properties or literals; two whole numbers vary together."""
    plain = [EXPRESSIONS[parameter.family][0] for parameter in function.parameters]
    whole = [at for at, parameter in enumerate(function.parameters) if parameter.whole]
    for at, parameter in enumerate(function.parameters):
        for expression in EXPRESSIONS[parameter.family]:
            yield ",".join([*plain[:at], expression, *plain[at + 1 :]])
    if len(whole) == 2:
        for pair in product(EXPRESSIONS["number"][:4], repeat=2):
            yield ",".join([*plain[: whole[0]], *pair])
