"""Round trip: parse, unparse, parse gives the same nodes, over all positive ABNF cases and generated expressions."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from odata.errors import BadRequest, LimitExceeded
from odata.url import Rules, parse
from odata.url.nodes import (
    Binary,
    Call,
    Case,
    Expression,
    JsonValue,
    Lambda,
    ListExpression,
    Literal,
    Logical,
    ODataUrl,
    Options,
    ParameterAlias,
    Span,
    Step,
    Unary,
)
from odata.url.nodes import Path as MemberPath
from odata.url.unparse import unparse, unparse_expression, without_spans
from tests.given import CONFORMANCE

FILE = CONFORMANCE / "odata-abnf-testcases.yaml"
EXPRESSIONS = {"commonExpr", "boolCommonExpr", "firstMemberExpr", "propertyPathExpr", "primitiveLiteral"}
OPTIONS = {"queryOptions", "filter", "search", "orderby", "select", "expand", "compute", "systemQueryOption"}


def targets() -> list[tuple[str, str]]:
    """Path and query of every positive case that is a URL, an option or an expression."""
    if not FILE.exists():
        return []
    text = FILE.read_text(encoding="utf-8").replace("\t", "%09")
    found = []
    for case in yaml.load(text, Loader=yaml.BaseLoader)["TestCases"]:
        rule, given_text = case["Rule"], case["Input"]
        if "FailAt" in case or "#" in given_text:
            continue
        if rule in ("odataRelativeUri", "resourcePath"):
            path, _, query = given_text.partition("?")
            found.append((path, query))
        elif rule in OPTIONS:
            found.append(("", given_text))
        elif rule in EXPRESSIONS:
            found.append(("", "$filter=" + given_text))
    return found


def assert_round_trip(path: str, query: str) -> None:
    url = parse(path, query)
    again = parse(*unparse(url))
    assert without_spans(again) == without_spans(url)
    assert unparse(again) == unparse(url)


@pytest.mark.usefixtures("conformance_files")
def test_positive_cases_make_the_round_trip() -> None:
    count = 0
    for path, query in targets():
        try:
            parse(path, query)
        except BadRequest as error:
            # The grammar allows an option twice; the text of the standard does not.
            assert error.code == "DuplicateOption", (path, query, error.message)
            continue
        assert_round_trip(path, query)
        count += 1
    assert count > 500


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("Quotes('a%2Fb%3F%23')/Lines", "$filter=A eq '%26%2B%23%25''%3B'&x=1%262"),
        ("Fn(id=1)(2)/$filter(A eq 1)/$count", ""),
        ("A/O'Neil%2F1", '$search=a%3Bb OR (c NOT d) "e f"&$top=3'),
        ("A", "$search=NOT (a OR b) c'd"),
        ("A", "$search='un\"finished'"),
        ("A", "$expand=B($search=a%3Bb;$levels=max),*/$ref&$select=*,Ns.*,Fn(A,B)"),
        ("A", "$filter=Path in ((1 add 2)) or not (not A) and -(-1) eq - 1"),
        ("A", '$filter=A eq {"a%5C"b":[1,"x",@p,B/C],"c":{}}'),
        ("A", "$filter=case(A:1,B gt 12:2) eq 1 and a/any() and not x/all(y:y/z)"),
    ],
)
def test_awkward_texts(path: str, query: str) -> None:
    assert_round_trip(path, query)


# --- generated expressions ---

NOWHERE = Span(0, 0, 0)
NAMES = st.sampled_from(["Name", "Total", "notes", "eq", "any", "date", "Größe", "_x", "in", "desc", "INFO", "true1"])
LITERALS = st.one_of(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=8).map(
        lambda text: Literal("string", text, NOWHERE)
    ),
    st.integers().map(lambda number: Literal("integer", str(number), NOWHERE)),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(lambda d: Literal("decimal", f"{d:f}", NOWHERE)),
    st.sampled_from(
        [
            Literal("null", "null", NOWHERE),
            Literal("boolean", "true", NOWHERE),
            Literal("double", "-INF", NOWHERE),
            Literal("double", "1e-3", NOWHERE),
            Literal("date", "2026-01-31", NOWHERE),
            Literal("datetimeoffset", "2026-01-31T00:00:00+01:00", NOWHERE),
            Literal("timeofday", "10:20:30", NOWHERE),
            Literal("guid", "abcdefab-89ab-cdef-0123-456789abcdef", NOWHERE),
            Literal("duration", "-PT1S", NOWHERE),
            Literal("enum", "Red,3", NOWHERE, "Ns.Color"),
        ]
    ),
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: MemberPath(tuple(Step(name, 0) for name in names)))
LEAVES = st.one_of(LITERALS, PATHS, st.sampled_from([ParameterAlias("@p", 0), MemberPath((Step("$it", 0),))]))
OPERATORS = ["eq", "ne", "gt", "ge", "lt", "le", "has", "add", "sub", "mul", "div", "divby", "mod"]


def _branches(child: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.builds(Binary, st.sampled_from(OPERATORS), child, child, st.just(0)),
        st.builds(Unary, st.sampled_from(["not", "-"]), child, st.just(0)),
        st.builds(
            Logical, st.sampled_from(["and", "or"]), st.lists(child, min_size=2, max_size=3).map(tuple), st.just(0)
        ),
        st.builds(Call, st.just("contains"), st.tuples(child, child), st.just(0)),
        st.builds(Case, st.lists(st.tuples(child, child), min_size=1, max_size=2).map(tuple), st.just(0)),
        st.builds(lambda path, child: MemberPath(path.steps, Lambda("any", "x", child, 0)), PATHS, child),
        st.builds(
            lambda left, items: Binary("in", left, ListExpression(tuple(items), 0), 0),
            child,
            st.lists(LITERALS, max_size=3),
        ),
        st.builds(lambda items: JsonValue("", 0, items=tuple(items)), st.lists(child, max_size=3)),
    )


@settings(max_examples=300)
@given(st.recursive(LEAVES, _branches, max_leaves=12))
def test_generated_expressions_make_the_round_trip(expression: Expression) -> None:
    text = unparse_expression(expression)
    path, query = unparse(ODataUrl((), Options(filter=expression, order=("$filter",))))
    again = parse(path, query, rules=Rules(lenient=False)).options.filter
    assert without_spans(again) == expression, text


@settings(max_examples=300)
@given(
    st.text(max_size=60), st.sampled_from(["$filter", "$search", "$select", "$expand", "$orderby", "$top", "x", "@a"])
)
def test_any_text_is_read_or_refused(text: str, option: str) -> None:
    """No input raises anything but an error of this service."""
    for path, query in (("A", f"{option}={text}"), (text, "")):
        try:
            assert_round_trip(path, query)
        except BadRequest as error:
            assert error.status == 400


TOKENS = [
    "(",
    ")",
    ",",
    "'",
    "a",
    "not ",
    " eq ",
    "1",
    "$it",
    "/",
    "any(",
    ":",
    "[",
    "]",
    "$filter=",
    ";",
    '"',
    "-",
    "@a",
    " ",
    "+",
    "=",
]


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(TOKENS), max_size=25).map("".join),
    st.sampled_from(["$filter", "$search", "$select", "$expand"]),
)
def test_any_tokens_are_read_or_refused(text: str, option: str) -> None:
    try:
        assert_round_trip("A", f"{option}={text}")
    except BadRequest as error:
        assert error.status == 400


def test_without_spans_leaves_limits_alone() -> None:
    with pytest.raises(LimitExceeded):
        parse("", "$filter=" + "(" * 100)
