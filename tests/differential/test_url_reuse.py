"""A URL is answered the same whether its plan is its own or one that another URL of its shape left in the cache.

Unlike `test_reuse.py` this goes through the whole pipeline, so it sees what is lifted out of a URL as well as what the
planner concluded from it. `python -m pytest tests/differential/test_url_reuse.py` runs a sample, `-m slow` everything.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import odata.plan
from odata import pipeline
from odata.errors import ODataError
from odata.messages import Request
from odata.plan.limits import Profile
from odata.service import Fetch
from odata.shapes import ShapeCache, lift
from odata.url.parts import split
from tests.conformance.serving import Client
from tests.models import everything

LITERALS = (
    "'a'", "''", "'x'", "'T'", "'abc'", "'O''Neil'", "'a%'", "'a b'", "'Red'", "'Blue'", "'true'", "'5'", "'-1'",
    "'0'", "'1.5'", "' 7 '", "'1e3'", "'NaN'", "'99999999999999999999'", "'2026-03-31'", "'2026-03-31T00:00:00Z'",
    "'2026-03-31T10:00:00Z'", "'2026-03-31T02:00:00+02:00'", "'2026-03-31Tgarbage'", "'2026-03-31T24:00:00Z'",
    "'12:30:00'", "'PT1S'", "'01234567-89ab-cdef-0123-456789abcdef'", "'AAAA'",
    "0", "1", "5", "-1", "127", "300", "2026", "9999", "99999999999999999999",
    "1.0", "1.5", "-0.0", "99999999999999999999.5", "1e3", "5e0", "1e-400", "1e400",
    "2026-03-31", "9999-12-31", "0001-01-01",
    "2026-03-31T00:00:00Z", "2026-03-31T22:30:00Z", "2026-03-31T00:00:00+02:00", "9999-12-31T00:00:00Z",
    "01234567-89ab-cdef-0123-456789abcdef", "FFFFFFFF-0000-0000-0000-000000000001",
)  # fmt: skip
TERMS = (
    "abc", "alpha", "ab", "a", "'abc'", "'abc", "abc'", "a;b", "a%b", "AND", "NOT", "or", "O'Neil", '"abc"', '"a b"',
    '"ab"', '"\'"', '"a;b"', "'a b'", "(abc)", "$it", "1", "2026-03-31", "*", "a*", "-abc",
)  # fmt: skip
OPERATORS = ("eq", "lt", "ne")
PROPERTIES = (
    "Id", "Boolean", "Byte", "Date", "DateTimeOffset", "Decimal", "Double", "Duration", "Guid", "Int32", "Int64",
    "Single", "String", "TimeOfDay", "Color", "Parent/Date", "Parent/Int32", "-Int32", "length(String)",
    "indexof(String,'b')", "year(DateTimeOffset)", "year(Date)", "date(DateTimeOffset)", "Children/$count",
)  # fmt: skip
EXPRESSIONS = (
    "{} eq 5", "5 lt {}", "Int32 in (1,{})", "Int64 in ({},{})", "String in ('a',{})", "Date in (2026-03-31,{})",
    "contains(String,{})", "startswith(String,{})", "endswith(String,{})", "indexof(String,{}) gt 0",
    "indexof(String,{}) eq -1", "substring(String,{}) eq 'a'", "substring(String,1,{}) eq 'b'",
    "concat(String,{}) gt 'b'", "tolower({}) eq 'a'", "Int32 add {} gt 3", "Decimal mul {} lt 3",
    "Double divby {} lt 3", "Int32 mod {} eq 1", "DateTimeOffset add {} gt 2026-01-01T00:00:00Z",
    "cast({},Edm.String) eq '5'", "cast({},Edm.Duration) ne null", "cast({},Everything.Color) le Color",
    "Children({})/Name ne null", "$this/Id lt {}", "$root/Pairs/any(p:p/Amount lt {} and p/ThingId eq Id)",
    "$root/Things/$count($filter=Id gt {}) gt Id",
    "cast({},Edm.Int32) eq 5", "cast({},Edm.Date) eq 2026-03-31", "cast({},Edm.Guid) ne Guid", "isof({},Edm.Int32)",
    "round({}) eq 2", "year({}) eq 2026", "hour({}) eq 10", "date({}) eq 2026-03-31", "time({}) eq 10:00:00",
    "totaloffsetminutes({}) eq 0", "case(Int32 gt {}:1,true:2) eq 1", "Color has {}", "not (Int32 eq {})",
    "Children/any(c:c/Int32 eq {})", "Children/any(c:c/Date eq {})", "Children/$count($filter=Int32 lt {}) gt 0",
)  # fmt: skip
TEMPLATES = (
    *(f"Things?$select=Id&$filter={name} {operator} {{}}" for name in PROPERTIES for operator in OPERATORS),
    *(f"Things?$select=Id&$filter={expression}" for expression in EXPRESSIONS),
    "Things({})?$select=Id", "Things({})/Name", "Things({})/Children?$select=Id", "Things(Id={})/Parent?$select=Id",
    "Things?$select=Id&$orderby=Int32 eq {},Id&$top=2", "Things?$select=Id&$filter=Int32 lt @p and Double gt @p&@p={}",
    "Things?$select=Id&$filter=Date eq @p&@p={}", "Things?$select=Id&custom={}",
    "Things?$select=Id&$expand=Children($select=Id;$filter=Date eq {};$top=1)",
    "Things?$select=Id&$expand=Children($select=Id;$orderby=Int32 gt {};$skip=1)",
    "Things?$select=Id&$expand=Children($select=Id;$top={})", "Things?$select=Id&$expand=Parent($levels={};$select=Id)",
    "Things?$top={}&$select=Id", "Things/$count?$filter=Date lt {}",
    "Things?$select=Id&$filter=Int32 lt $root/Things({})/Int32",
    "Things?$select=Id&$filter=$root/Things(4)/Int32 lt {}",
    "Things?$select=Id&$expand=Children($select=Id;$filter=Date gt {} and Id gt $it/Id;$top=1)",
)  # fmt: skip
SEARCHES = (
    "Things?$select=Id&$search={}", "Things?$select=Id&$search=abc {}", "Things?$select=Id&$search=NOT {}",
    "Things?$select=Id&$search=abc OR {}", "Things?$select=Id&$search={} AND abc", "Things?$select=Id&$search=({})",
    "Things?$select=Id&$expand=Children($select=Id;$search={};$top=1)", "Things/$count?$search={}",
    "Things?$select=Id&$filter=Children/$count($search={}) gt 0",
)  # fmt: skip


class Remembering:
    """Before the database: the same statement with the same arguments is run once."""

    def __init__(self, database: Fetch) -> None:
        self._database = database
        self._rows: dict[object, Any] = {}

    def fetch(self, sql: str, parameters: Sequence[Any] = (), **settings: Any) -> Any:
        key = (sql, repr(parameters))
        if key not in self._rows:
            try:
                self._rows[key] = self._database.fetch(sql, parameters, **settings)
            except ODataError as error:
                self._rows[key] = error
        row = self._rows[key]
        if isinstance(row, ODataError):
            raise row
        return row

    def measures(self) -> dict[str, int]:
        return self._database.measures()


@pytest.fixture(scope="module", params=["strict", "salesforce"])
def client(filled_url: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    yield from _client(filled_url, request.param)


@pytest.fixture(params=["Edm.DateTimeOffset", "Edm.String"])
def client_of_dates(filled_url: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """Dates published as another type."""
    yield from _client(filled_url, "salesforce", salesforce_date_type=request.param)


def _client(url: str, profile: Profile, **changed: Any) -> Iterator[Client]:
    client = Client(url, everything.EXPOSURE, org=everything.FIRST_ORG, profile=profile, **changed)
    client.service.database = Remembering(client.service.database)
    yield client
    client.close()


def test_a_plan_from_the_cache_gives_the_answer_of_its_own(client: Client) -> None:
    dates = [template for template in TEMPLATES if "Date eq {}" in template]
    check(client, [*dates, *TEMPLATES[:: len(TEMPLATES) // 12]], LITERALS)


def test_a_search_from_the_cache_gives_the_answer_of_its_own(client: Client) -> None:
    check(client, SEARCHES, TERMS)


@pytest.mark.slow
def test_every_plan_from_the_cache_gives_the_answer_of_its_own(client: Client) -> None:
    check(client, TEMPLATES, LITERALS)


@pytest.mark.slow
def test_every_plan_of_dates_of_another_type(client_of_dates: Client) -> None:
    check(client_of_dates, [template for template in TEMPLATES if "Date" in template], LITERALS)


def check(client: Client, templates: Sequence[str], literals: Sequence[str]) -> None:
    """Fill the cache with each URL of a shape and ask for all others."""
    wrong, reused = [], 0
    for template in templates:
        for urls in of_one_shape(client, template, literals):
            own = {}
            left = {}
            for url in urls:
                left[url] = client.service.shapes = ShapeCache(entries=10, total_bytes=10**8)
                own[url] = answer(client, url)
            for first, cache in left.items():
                for second in urls if len(cache) else ():
                    kept = next(iter(cache._shapes.items()))
                    client.service.shapes = cache
                    hits = cache.hits
                    found = answer(client, second)
                    reused += cache.hits > hits
                    cache._shapes.clear()
                    cache._shapes.update([kept])
                    if found != own[second]:
                        wrong.append(f"{second} after {first}:\n    {found}\n    instead of {own[second]}")
    assert not wrong, f"{len(wrong)} answers, such as\n" + "\n".join(wrong[:6])
    assert reused > len(templates)


def of_one_shape(client: Client, template: str, literals: Sequence[str]) -> Iterator[list[str]]:
    """URLs that differ in the literal and have one key in the cache."""
    shapes: dict[object, list[str]] = defaultdict(list)
    for literal in literals:
        url = template.replace("{}", literal)
        path, query = target(url)
        shapes[lift(split(path, query, plus_is_space=client.principal.profile == "salesforce")).key].append(url)
    yield from (urls for urls in shapes.values() if len(urls) > 1)


def target(url: str) -> tuple[str, str]:
    """Path and query as they are sent: only the option's own "=" and "&" stay bare."""
    path, _, query = url.partition("?")
    options = (option.partition("=") for option in query.split("&") if option)
    return quote(path, safe="/()',="), "&".join(f"{name}={quote(value, safe=';')}" for name, _, value in options)


def answer(client: Client, url: str) -> object:
    path, query = target(url)
    try:
        response = pipeline.answer(client.service, Request(path=path, query=query), client.principal)
    except ODataError as error:
        return type(error).__name__
    return response.status, b"".join(response.body)


READERS_OF_TEXT = {
    ("values", "ask"): "makes a guard of what it read",
    ("values", "database_text"): "reads a Value: the literal of the URL that is answered",
    ("literals", "literal_value"): "makes the Value",
    ("literals", "shown"): "writes an error message, which no cache keeps",
    ("search", "_literal"): "makes a Literal of a word",
    ("search", "_check_limits"): "asks for a guard on the length",
}


def test_the_planner_reads_literals_through_guards_only() -> None:
    """A conclusion from a literal that becomes a parameter must be a guard, or another literal gets its plan."""
    found: set[tuple[str, str]] = set()
    for file in sorted(Path(odata.plan.__file__).parent.glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                reads = (node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr == "text")
                found.update((file.stem, function.name) for _ in reads)
    assert found == READERS_OF_TEXT.keys()
