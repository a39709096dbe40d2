"""The 840 cases of the OData ABNF (odata-abnf-testcases.yaml), each under the rule it names.

URL rules are percent-decoded first, as in the service; rules for payloads and headers are not. Reading is strict: what
the service tolerates beyond the grammar (`Rules.lenient`) is tested in tests/url. Rules are called through their
modules, so that each can be taken away (tests/conformance/switches).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from odata.errors import BadRequest, DuplicateOption
from odata.protocol import preferences
from odata.url import Rules, context, expressions, literals, members, options, parse, search
from odata.url.nodes import Path as MemberPath
from odata.url.nodes import Unary
from odata.url.parts import split
from odata.url.tokens import END, Budget, Tokens
from tests.given import CONFORMANCE

HERE = Path(__file__).parent
FILE = CONFORMANCE / "odata-abnf-testcases.yaml"
STRICT = Rules(lenient=False)
TAB = "\u2409"
NUMBER_OF_CASES = 840
MOST_DIFFERENCES = 20


class Refused(Exception):
    """The rule does not match; offset where it is known."""

    def __init__(self, offset: int | None = None) -> None:
        self.offset = offset


def accept(condition: object) -> None:
    if not condition:
        raise Refused


# --- one driver per kind of rule: text -> None, or a refusal ---


def relative_uri(text: str) -> None:
    target, hash_sign, fragment = text.partition("#")
    if hash_sign and target == "$metadata":
        context.parse_context("#" + fragment)
        text = target
    path, _, query = text.partition("?")
    parse(path, query, rules=STRICT)


def odata_uri(text: str) -> None:
    """The service root is any number of segments; the shortest relative part that parses is taken."""
    root = re.match(r"https?://(?:\[[0-9A-Fa-fv:.]+\]|[^/\[\]]+?)(?::[0-9]*)?/", text)
    accept(root)
    assert root is not None
    path, question, query = text[root.end() :].partition("?")
    segments = path.split("/")
    for start in range(len(segments) - 1, -1, -1):
        try:
            return relative_uri("/".join(segments[start:]) + question + query)
        except BadRequest:
            if start == 0:
                raise
    raise Refused


def query(text: str) -> None:
    """The grammar allows an option twice, the text of the standard does not; then each is read alone."""
    try:
        read_query(text)
    except DuplicateOption:
        for option in text.split("&"):
            read_query(option)


def read_query(text: str) -> None:
    parts = split("", text)
    options.query_options(parts.options, 0, Budget(STRICT), parts.encoded_semicolons)


def one_option(canonical: str | None) -> Callable[[str], None]:
    def drive(text: str) -> None:
        accept("&" not in text)
        if canonical:
            accept(options.canonical_name(text.partition("=")[0]) == canonical)
        read_query(text)

    return drive


def cursor(text: str) -> Tokens:
    parts = split("", "=" + text.replace("&", "%26"))
    value = parts.options[0][1] or ""
    tokens = Tokens(value, 0, "text", Budget(STRICT), frozenset(offset for _, offset in parts.encoded_semicolons))
    if not value.startswith('"'):
        tokens.seek(0)
    return tokens


def rule(function: Callable[[Tokens], Any], check: Callable[[Any], bool] = lambda _: True) -> Callable[[str], None]:
    def drive(text: str) -> None:
        tokens = cursor(text.replace("#", "%23"))
        accept(not tokens.spaced)
        result = function(tokens)
        if tokens.kind != END or tokens.spaced:
            raise Refused(tokens.start)
        accept(result is not None and check(result))

    return drive


def _expression(tokens: Tokens) -> object:
    return expressions.common_expr(tokens)


def _member_path(tokens: Tokens) -> object:
    return members.member_path(tokens)


def _literal(tokens: Tokens) -> object:
    return literals.primitive_literal(tokens)


def json_string(tokens: Tokens) -> object:
    tokens.seek(0)
    return expressions.json_string(tokens, "a string")


def literal(*kinds: str) -> Callable[[str], None]:
    return rule(_literal, lambda node: not kinds or node.kind in kinds)


def value(*forms: str) -> Callable[[str], None]:
    return lambda text: accept(any(literals.has_form(form, text) for form in forms))


def decoded(form: str) -> Callable[[str], None]:
    return lambda text: accept(literals.has_form(form, split("", "=" + text).options[0][1] or ""))


def primitive_value(text: str) -> None:
    forms = (
        "booleanValue",
        "guidValue",
        "durationValue",
        "dateTimeOffsetValue",
        "dateValue",
        "timeOfDayValue",
        "enumValue",
        "decimalValue",
        "binaryValue",
    )
    accept(literals.is_geo_literal(text) or any(literals.has_form(form, text) for form in forms))


def quoted(form: str) -> Callable[[str], None]:
    """A literal that may lack its prefix, so that it is a string by its shape."""

    def check(node: Any) -> bool:
        return node.kind == form or (node.kind == "string" and literals.has_form(form + "Value", node.text))

    return rule(_literal, check)


def header(text: str) -> None:
    name, _, content = text.partition(":")
    accept(preferences.has_header_form(name, content))


def whole_path(text: str) -> None:
    accept("?" not in text)
    relative_uri(text)


def after_name(text: str) -> None:
    """anyExpr and allExpr stand behind a path."""
    rule(_expression, lambda node: isinstance(node, MemberPath) and node.tail is not None)("Products/" + text)


NUMBERS = ("integer", "decimal", "double")
EXPRESSION = rule(_expression)
RULES: dict[str, Callable[[str], object]] = {
    "odatauri": odata_uri, "odatarelativeuri": relative_uri, "resourcepath": whole_path, "entitysetname": whole_path,
    "queryoptions": query, "systemqueryoption": query, "customqueryoption": one_option(None),
    **{name: one_option("$" + name) for name in
       ("filter", "search", "orderby", "select", "expand", "compute", "deltatoken", "skiptoken")},
    "commonexpr": EXPRESSION, "boolcommonexpr": EXPRESSION, "isofexpr": EXPRESSION,
    "notexpr": rule(_expression, lambda node: isinstance(node, Unary)),
    "firstmemberexpr": rule(_member_path), "propertypathexpr": rule(_member_path),
    "anyexpr": after_name, "context": lambda text: context.parse_context(text), "header": header, "prefer": header,
    "searchexpr": rule(lambda tokens: search.search_expr(tokens, 0)),
    "functionparameter": lambda text: whole_path(f"Function({text})"),
    "stringinurl": rule(json_string),
    **{name: lambda text: preferences.preference(text) for name in
       ("preference", "includeannotationspreference", "maxpagesizepreference")},
    "request-id": lambda text: accept(preferences.has_header_form("content-id", text)),
    "primitiveliteral": literal(), "null": literal("null"), "boolean": literal("boolean"), "guid": literal("guid"),
    "date": literal("date"), "datetimeoffsetliteral": literal("datetimeoffset"),
    "datetimeoffsetvalueinurl": literal("datetimeoffset"), "timeofdayliteral": literal("timeofday"),
    "stringliteral": literal("string"), "binaryliteral": literal("binary"),
    "durationliteral": quoted("duration"), "enumliteral": quoted("enum"),
    **{f"{name}literal": literal(*NUMBERS) for name in ("decimal", "double", "single")},
    **{f"{name}literal": decoded(f"{name}Value") for name in ("sbyte", "int16", "int32", "int64")},
    **{f"{name}value": value("decimalValue") for name in ("decimal", "double", "single")},
    **{f"{name.lower()}value": value(f"{name}Value") for name in
       ("boolean", "date", "dateTimeOffset", "timeOfDay", "duration", "byte", "sbyte", "int16", "int32", "int64",
       "enum")},
    "odataidentifier": value("odataIdentifier"), "primitivevalue": primitive_value,
    **{f"{family}{shape}": literal(family) for family in ("geography", "geometry") for shape in
       ("collection", "linestring", "multilinestring", "multipoint", "multipolygon", "point", "polygon")},
}  # fmt: skip


def cases() -> list[dict[str, str]]:
    if not FILE.exists():
        return []
    text = FILE.read_text(encoding="utf-8").replace("\t", TAB)
    found: list[dict[str, str]] = yaml.load(text, Loader=yaml.BaseLoader)["TestCases"]
    return [
        {key: value.replace(TAB, "\t") if isinstance(value, str) else value for key, value in case.items()}
        for case in found
    ]


CASES = cases()
DIFFERENCES = tomllib.loads((HERE / "abnf_differences.toml").read_text(encoding="utf-8")).get("difference", [])
needs_cases = pytest.mark.usefixtures("conformance_files")


def outcome(case: dict[str, str]) -> tuple[bool, int | None]:
    """Whether the case is accepted, and the offset of a refusal where it is known."""
    try:
        RULES[case["Rule"].lower()](case["Input"])
    except (BadRequest, Refused) as refusal:
        return False, getattr(refusal, "offset", None)
    return True, None


def is_difference(case: dict[str, str]) -> bool:
    return any(line["rule"] == case["Rule"] and line["input"] == case["Input"] for line in DIFFERENCES)


@needs_cases
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{n}-{case['Rule']}") for n, case in enumerate(CASES)])
def test_case(case: dict[str, str]) -> None:
    accepted, offset = outcome(case)
    expected = "FailAt" not in case
    if is_difference(case):
        assert accepted != expected, "this difference is none any more; take it off the list"
    else:
        said = "accept" if expected else f"refuse at {case['FailAt']}"
        assert accepted == expected, f"{case['Rule']} {case['Input']!r}: {said}; refused at {offset}"


@needs_cases
def test_counts(capsys: pytest.CaptureFixture[str]) -> None:
    results = [(case, *outcome(case)) for case in CASES]
    passed = sum(accepted == ("FailAt" not in case) for case, accepted, _ in results)
    refused = [(case, offset) for case, accepted, offset in results if "FailAt" in case and not accepted]
    same_offset = sum(offset == int(case["FailAt"]) for case, offset in refused)
    with capsys.disabled():
        print(f"\nABNF cases: {len(CASES)}, as the standard says: {passed}, differences: {len(DIFFERENCES)}", end="")
        print(f"; refusals: {len(refused)}, with FailAt as our offset: {same_offset} (decoded parts count apart)")
    assert len(CASES) == NUMBER_OF_CASES
    assert passed + len(DIFFERENCES) == NUMBER_OF_CASES


def test_differences_are_few_and_only_for_the_model() -> None:
    assert len(DIFFERENCES) <= MOST_DIFFERENCES
    assert all(line["reason"].startswith("only the model refuses") for line in DIFFERENCES)
