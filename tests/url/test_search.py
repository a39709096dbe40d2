"""$search: words, phrases, operators, and when AND, OR and NOT are words."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from odata.errors import LimitExceeded, UrlSyntaxError
from odata.url import Rules, parse
from odata.url.nodes import SearchAnd, SearchExpression, SearchNot, SearchOr, SearchTerm


def search(text: str) -> SearchExpression:
    expression = parse("", "$search=" + text).options.search
    assert expression is not None
    return expression


def shape(node: SearchExpression) -> object:
    """Words as text, phrases in brackets, operators as tuples."""
    match node:
        case SearchTerm(text, phrase, _):
            return [text] if phrase else text
        case SearchNot(operand):
            return ("NOT", shape(operand))
        case SearchAnd(operands):
            return ("AND", *map(shape, operands))
        case SearchOr(operands):
            return ("OR", *map(shape, operands))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blue", "blue"),
        (" blue ", "blue"),
        ("blue green", ("AND", "blue", "green")),
        ("blue AND green", ("AND", "blue", "green")),
        ("a OR b c OR d", ("OR", "a", ("AND", "b", "c"), "d")),
        ("(a OR b) c", ("AND", ("OR", "a", "b"), "c")),
        ("( a )", "a"),
        ("NOT a b", ("AND", ("NOT", "a"), "b")),
        ("NOT (a b)", ("NOT", ("AND", "a", "b"))),
        ("NOT NOT", ("NOT", "NOT")),
        ("NOT NOT a", ("NOT", ("NOT", "a"))),
        ("AND OR", ("AND", "AND", "OR")),
        ("AND OR NOT", ("OR", "AND", "NOT")),
        ("and or not", ("AND", "and", "or", "not")),
        ('"light blue" sky', ("AND", ["light blue"], "sky")),
        ("%22light%20blue%22", ["light blue"]),
        ("Daniel's", "Daniel's"),
        ("more%26more", "more&more"),
        ("%231", "#1"),
        ("9,81 $5 a/b?", ("AND", "9,81", "$5", "a/b?")),
        ("A+B", "A+B"),
        ("a%3Bb", "a;b"),
        ("a%3b%3Bc%3B", "a;;c;"),
        ("'\"blue'", ['"blue']),
        ("'('", ["("]),
        ("Δ日本", "Δ日本"),
    ],
)
def test_search(text: str, expected: object) -> None:
    assert shape(search(text)) == expected


def test_nested_in_expand() -> None:
    url = parse("", "$expand=Lines($search=a%3Bb;$top=1),Job($search='gr(een';$select=Id)")
    assert url.options.expand is not None
    lines, job = url.options.expand
    assert lines.options is not None
    assert lines.options.search is not None
    assert shape(lines.options.search) == "a;b"
    assert lines.options.order == ("$search", "$top")
    assert job.options is not None
    assert job.options.order == ("$search", "$select")


def test_span_covers_the_term() -> None:
    url = parse("A", '$search=x "light blue"')
    assert isinstance(url.options.search, SearchAnd)
    phrase = url.options.search.operands[1]
    assert isinstance(phrase, SearchTerm)
    assert url.parts[phrase.span.part][phrase.span.start : phrase.span.end] == '"light blue"'


@pytest.mark.parametrize(
    ("text", "offset"),
    [("", 0), ('"blue', 0), ('""', 0), ("a;b", 1), ("(a", 2), ("a)", 1), ("()", 1), ("'a' b", 4), ("a(b)", 1)],
)
def test_refusals(text: str, offset: int) -> None:
    with pytest.raises(UrlSyntaxError) as caught:
        search(text)
    assert (caught.value.offset, caught.value.target) == (offset, "$search")


@pytest.mark.parametrize("text", ["(" * 20_000 + "a", "NOT " * 20_000 + "a", "a " * 10_000, "a OR " * 10_000 + "a"])
def test_bombs(text: str) -> None:
    with pytest.raises(LimitExceeded):
        search(text)


@pytest.mark.parametrize("text", ["", " ", '""', '"  "'])
def test_blank_search_is_an_or_of_nothing_where_the_rules_allow_it(text: str) -> None:
    rules = Rules(blank_search=True)
    assert parse("Things", f"$search={quote(text)}", rules=rules).options.search == SearchOr(())
    if text != '"  "':  # a legal phrase
        with pytest.raises(UrlSyntaxError):
            parse("Things", f"$search={quote(text)}")
