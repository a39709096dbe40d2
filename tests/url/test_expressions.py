"""Expressions: what a text means, as the text that unparse writes with every pair of parentheses needed."""

from __future__ import annotations

import time

import pytest

from odata.errors import BadRequest, LimitExceeded, UnknownFunction, UrlSyntaxError
from odata.url import parse
from odata.url.nodes import (
    Binary,
    Call,
    Case,
    CountOf,
    Expression,
    JsonValue,
    Lambda,
    ListExpression,
    Literal,
    Logical,
    ParameterAlias,
    Path,
    TypeName,
    Unary,
)
from odata.url.unparse import unparse_expression, without_spans


def read(text: str, *, plus_is_space: bool = False) -> Expression:
    expression = parse("", "$filter=" + text, plus_is_space=plus_is_space).options.filter
    assert expression is not None
    return expression


# left, and the same with the parentheses that precedence implies
SAME = [
    ("not A eq B", "(not A) eq B"),
    ("not A has B and C", "(not (A has B)) and C"),
    ("not A in ('x')", "not (A in ('x'))"),
    ("-A mul B add C", "((-A) mul B) add C"),
    ("A add B mul C sub D", "(A add (B mul C)) sub D"),
    ("A gt B eq C lt D", "(A gt B) eq (C lt D)"),
    ("A or B and C or D", "A or (B and C) or D"),
    ("A and B or C and D", "(A and B) or (C and D)"),
    ("A sub B sub C", "(A sub B) sub C"),
    ("A eq 1 AND B NE 2", "(A eq 1) and (B ne 2)"),
    ("CONTAINS(A,'x') eq TRUE", "contains(A,'x') eq true"),
    (" A  eq\t1 ", "A eq 1"),
    ("A%20eq%201", "A eq 1"),
    ("not(A)", "not A"),
    ("A eq 1 and(B eq 2)", "A eq 1 and B eq 2"),
    ("A in('x','y')", "A in ('x','y')"),
    ("A+eq+1+and+B+eq+'a+b'", "A eq 1 and B eq 'a+b'"),
    ("A+gt+-1", "A gt -1"),
    ("A+eq+42", "A eq 42"),
    ("contains(A,+'x')", "contains(A,'x')"),
]


@pytest.mark.parametrize(("text", "same"), SAME)
def test_same_meaning(text: str, same: str) -> None:
    assert without_spans(read(text)) == without_spans(read(same))


KINDS = [
    ("null", "null", "null"),
    ("tRue", "boolean", "true"),
    ("'O''Neil'", "string", "O'Neil"),
    ("''", "string", ""),
    ("42", "integer", "42"),
    ("-42", "integer", "-42"),
    ("%2B42", "integer", "+42"),
    ("3.14", "decimal", "3.14"),
    ("1e3", "double", "1e3"),
    ("-1.5E-3", "double", "-1.5E-3"),
    ("INF", "double", "INF"),
    ("-INF", "double", "-INF"),
    ("NaN", "double", "NaN"),
    ("01234567-89ab-cdef-0123-456789abcdef", "guid", "01234567-89ab-cdef-0123-456789abcdef"),
    ("ABCDEF01-89ab-cdef-0123-456789abcdef", "guid", "ABCDEF01-89ab-cdef-0123-456789abcdef"),
    ("2026-01-31", "date", "2026-01-31"),
    ("-10000-04-01", "date", "-10000-04-01"),
    ("23:59:59.123", "timeofday", "23:59:59.123"),
    ("2026-01-31T00:00:00Z", "datetimeoffset", "2026-01-31T00:00:00Z"),
    ("2026-01-31T00:00:00.123456789012-08:00", "datetimeoffset", "2026-01-31T00:00:00.123456789012-08:00"),
    ("2026-01-31T00:00%2B01:00", "datetimeoffset", "2026-01-31T00:00+01:00"),
    ("2026-01-31T00:00+01:00", "datetimeoffset", "2026-01-31T00:00+01:00"),
    ("duration'P1DT2H'", "duration", "P1DT2H"),
    ("binary'Zm9v'", "binary", "Zm9v"),
    ("Ns.Color'Red,3'", "enum", "Red,3"),
    ("geography'SRID=0;Point(1 2)'", "geography", "SRID=0;Point(1 2)"),
]


@pytest.mark.parametrize(("text", "kind", "value"), KINDS)
def test_literals(text: str, kind: str, value: str) -> None:
    url = parse("", f"$filter=A eq {text} ")
    node = url.options.filter
    assert isinstance(node, Binary)
    literal = node.right
    assert isinstance(literal, Literal)
    assert (literal.kind, literal.text) == (kind, value)
    covered = url.parts[literal.span.part][literal.span.start : literal.span.end]
    prefix = kind in ("duration", "binary", "enum", "geography")
    assert covered == (f"'{value}'" if prefix else text.replace("%2B", "+"))


def test_offset_whose_plus_became_a_space() -> None:
    node = read("At gt 2026-01-31T10:00:00+02:00 and B eq 1", plus_is_space=True)
    assert unparse_expression(node) == "At gt 2026-01-31T10:00:00+02:00 and B eq 1"
    encoded = read("At+gt+2026-01-31T10:00:00%2B02:00", plus_is_space=True)
    assert unparse_expression(encoded) == "At gt 2026-01-31T10:00:00+02:00"
    with pytest.raises(UrlSyntaxError):
        read("At gt 2026-01-31T10:00:00 02:00")


def test_wide_or_is_one_flat_node() -> None:
    node = read(" or ".join(f"A eq {n}" for n in range(1_000)))
    assert isinstance(node, Logical)
    assert (node.operator, len(node.operands)) == ("or", 1_000)


def test_nodes_of_each_kind() -> None:
    node = read("Lines/any(l:l/Qty gt 5)")
    assert isinstance(node, Path)
    assert isinstance(node.tail, Lambda)
    assert (node.tail.name, node.tail.variable) == ("any", "l")
    node = read("Lines/$count($filter=Qty gt 5;$search=blue) gt 2")
    assert isinstance(node, Binary)
    assert isinstance(node.left, Path)
    assert isinstance(node.left.tail, CountOf)
    assert node.left.tail.options is not None
    assert node.left.tail.options.order == ("$filter", "$search")
    node = read("A in ('x','y')")
    assert isinstance(node, Binary)
    assert isinstance(node.right, ListExpression)
    node = read("A in (B)")
    assert isinstance(node, Binary)
    assert isinstance(node.right, Path)
    assert isinstance(read("case(A gt 0:1,true:0)"), Case)
    assert isinstance(read("@p"), ParameterAlias)
    assert isinstance(read("not A"), Unary)
    node = read('A eq {"B":[1,"x"]}')
    assert isinstance(node, Binary)
    assert isinstance(node.right, JsonValue)
    assert node.right.members is not None
    assert node.right.text == '{"B":[1,"x"]}'
    node = read("isof(A,Collection(Edm.String))")
    assert isinstance(node, Call)
    assert node.arguments[1] == TypeName("Collection(Edm.String)", 7)


def test_steps_with_keys_and_annotations() -> None:
    node = read("$root/Sets('x')/Items/$filter(A gt 3)(Id=1)/Name/@Ns.Term%23Q eq 1")
    assert isinstance(node, Binary)
    assert isinstance(node.left, Path)
    names = [step.name for step in node.left.steps]
    assert names == ["$root", "Sets", "Items", "$filter", "Name", "@Ns.Term#Q"]
    assert node.left.steps[3].key is not None


@pytest.mark.parametrize("name", ["Größe", "名前", "_a1", "A" * 128])
def test_identifiers(name: str) -> None:
    node = read(f"{name} eq 1")
    assert isinstance(node, Binary)
    assert isinstance(node.left, Path)
    assert node.left.steps[0].name == name


# text, offset of the first unread character, part of the message
REFUSED = [
    ("", 0, "expected a property"),
    ("A eq", 4, "Unexpected end"),
    ("A eq 1 B", 7, "expected an operator or the end"),
    ("(A eq 1", 7, "')'"),
    ("A eq 'x", 5, "closing quote"),
    ("A eq 42.", 5, "expected"),
    ("A eq1", 2, "expected an operator"),
    ("A eq'1'", 2, "expected an operator"),
    ("A eq datetime'2026-01-31T00:00'", 5, "2026-01-31T00:00:00Z"),
    ("A eq X'1a'", 5, "base64url"),
    ("A eq binary'a'", 12, "base64url"),
    ("A eq duration'1D'", 14, "duration such as"),
    ("A / B eq 1", 2, "operator"),
    ("contains(A)", 10, "2 arguments of contains, not 1"),
    ("now(1)", 5, "0 arguments"),
    ("Lines/all()", 10, "range variable"),
    ("any(l:true)", 3, "collection"),
    ("A in ('x',B)", 10, "a literal"),
    ("A in ('x',)", 10, "a literal"),
    ("A eq ('x','y')", 9, "')'"),
    ("Ns.Type", 7, "qualified name"),
    ("$root", 5, "$root"),
    ("$root/$count gt 1", 6, "an entity set or singleton after $root"),
    ("$root/any(x:x/Id eq 1)", 6, "an entity set or singleton after $root"),
    ("A in (1,2) and not $root/all(x:true)", 25, "an entity set or singleton after $root"),
    ("$me/A", 0, "$it, $this or $root"),
    ("A eq 2026-13-01", 9, "an operator or the end"),
    ('A eq ["x"', 9, "',' or ']'"),
    ('A eq {"x"}', 9, "':'"),
    ('A eq {"\\q":1}', 6, "escapes"),
    ("A" * 129 + " eq 1", 0, "128 characters"),
    ("A\u3000eq 1", 1, "letter, digit"),
    ("A eq ;", 5, "expected"),
]


@pytest.mark.parametrize(("text", "offset", "message"), REFUSED)
def test_refusals(text: str, offset: int, message: str) -> None:
    with pytest.raises(UrlSyntaxError) as caught:
        read(text)
    assert (caught.value.offset, caught.value.target) == (offset, "$filter")
    assert message in caught.value.message


def test_unknown_function_names_the_nearest() -> None:
    with pytest.raises(UnknownFunction, match=r"contians.*did you mean 'contains'"):
        read("contians(Name,'x')")
    with pytest.raises(UnknownFunction):
        read("frobnicate(Name)")


BOMBS = {
    "parentheses": "(" * 20_000 + "A" + ")" * 20_000,
    "not": "not " * 100_000 + "A",
    "minus": "-" * 100_000 + "A",
    "or": " or ".join(["A eq 1"] * 10_000),
    "sums": " add ".join(["1"] * 10_000),
    "sums under sums": "(" * 40 + "1" + " add 1 add 1)" * 40,
    "in": "A in (" + ",".join(["1"] * 100_000) + ")",
    "calls": "tolower(" * 20_000 + "A" + ")" * 20_000,
    "lambdas": "A/any(x:" * 10_000 + "true" + ")" * 10_000,
    "arrays": "[" * 20_000,
    "objects": '{"a":' * 20_000,
    "path": "A/" * 50_000 + "B",
    "casts": "cast(A,B) eq cast(" + "A" * 100 + ",B) and " * 10_000,
    "quotes": "'" + "''" * 100_000,
    "digits": "A eq " + "9" * 1_000_000 + "x",
    "double quotes": '"' * 100_000,
    "arguments": "F(" * 20_000,
    "filters": "A/$filter(" * 20_000,
    "counts": "A/$count($filter=" * 20_000,
    "cases": "case(" * 20_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_quickly(name: str) -> None:
    assert min(_seconds_to_refuse(BOMBS[name]) for _ in range(3)) <= 0.1


def _seconds_to_refuse(text: str) -> float:
    """Processor time of this thread; the least of some takes no garbage of other tests along."""
    started = time.thread_time()
    with pytest.raises(BadRequest):
        read(text)
    return time.thread_time() - started


def test_limits_name_limit_and_value() -> None:
    with pytest.raises(LimitExceeded, match=r"50 levels"):
        read("not " * 60 + "A")
    with pytest.raises(LimitExceeded, match="4000 expression nodes"):
        read(" or ".join(["A"] * 5_000))


def test_digits_are_no_bomb_as_a_literal() -> None:
    assert isinstance(read("A eq " + "9" * 100_000), Binary)
