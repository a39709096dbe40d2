"""Resource paths, and which segments may follow which."""

from __future__ import annotations

import pytest

from odata.errors import LimitExceeded, UrlSyntaxError
from odata.url import parse
from odata.url.nodes import Literal, ParameterAlias, Segment


def segments(path: str) -> tuple[Segment, ...]:
    return parse(path, "").segments


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", []),
        ("/", []),
        ("//$metadata/", ["$metadata"]),
        ("Quotes/", ["Quotes"]),
        ("Quotes//1///Lines", ["Quotes", "1", "Lines"]),
        ("Quotes(1)/Lines/$count", ["Quotes", "Lines", "$count"]),
        (
            "Quotes/Ns.Special/$filter(A gt 1)/$each/Ns.Discount",
            ["Quotes", "Ns.Special", "$filter", "$each", "Ns.Discount"],
        ),
        ("People/O'Neil", ["People", "O'Neil"]),
        ("People/O%27Neil/-1", ["People", "O'Neil", "-1"]),
        ("Categories/Smartphone%2FTablet", ["Categories", "Smartphone/Tablet"]),
        ("Orders/01234567-89ab-cdef-0123-456789abcdef", ["Orders", "01234567-89ab-cdef-0123-456789abcdef"]),
        ("$crossjoin(A,B)/$query", ["$crossjoin", "$query"]),
        ("$all/Ns.Customer", ["$all", "Ns.Customer"]),
    ],
)
def test_names(path: str, names: list[str]) -> None:
    assert [segment.name for segment in segments(path)] == names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("A(1)", [(None, "integer", "1")]),
        ("A('O''Neil')", [(None, "string", "O'Neil")]),
        ("Customers%28%27O%27%27Neil%27%29", [(None, "string", "O'Neil")]),
        ("A(Id=1,Size='a%2Fb')", [("Id", "integer", "1"), ("Size", "string", "a/b")]),
        ("A(2018-02-13T23%3A59%3A59Z)", [(None, "datetimeoffset", "2018-02-13T23:59:59Z")]),
        ("A(01234567-89ab-cdef-0123-456789abcdef)", [(None, "guid", "01234567-89ab-cdef-0123-456789abcdef")]),
    ],
)
def test_keys(path: str, expected: list[tuple[str | None, str, str]]) -> None:
    (segment,) = segments(path)
    assert segment.arguments is not None
    values = [(item.name, item.value) for item in segment.arguments]
    assert [(name, one.kind, one.text) for name, one in values if isinstance(one, Literal)] == expected
    assert len(values) == len(expected)


def test_span_of_a_key_points_into_its_part() -> None:
    url = parse("A(1)/B(Id='x''y')", "")
    (key,) = url.segments[1].arguments or ()
    value = key.value
    assert isinstance(value, Literal)
    assert url.parts[value.span.part][value.span.start : value.span.end] == "'x''y'"


def test_function_with_parameters_and_key() -> None:
    function, plain = segments("Fn(id=@p)(7)")[0], segments("Fn()")[0]
    assert function.arguments is not None
    assert isinstance(function.arguments[0].value, ParameterAlias)
    assert function.key is not None
    assert (plain.arguments, plain.key) == ((), None)


def test_too_many_segments() -> None:
    with pytest.raises(LimitExceeded, match="50 segments"):
        segments("A/" * 51)


def test_crossjoin_and_filter() -> None:
    assert segments("$crossjoin(A,B)")[0].names == ("A", "B")
    assert segments("A/$filter(@f)")[1].filter == ParameterAlias("@f", 8)


@pytest.mark.parametrize(
    ("path", "offset"),
    [
        (".A", 0),
        ("A.('x')", 1),
        ("Ns.Action", 2),
        ("A('x", 2),
        ("Categories('Smartphone/Tablet')", 11),
        ("A(Id=wrong)", 5),
        ("A(Name)", 2),
        ("A(1;2)", 3),
        ("A(1,2)", 5),
        ("A(1)x", 4),
        ("A(", 2),
        ("A(Id=1 eq 1)", 7),
        ("1", 0),
        ("$Metadata", 0),
        ("$count", 0),
        ("A/$metadata", 0),
        ("A/$nothing", 0),
        ("A/$count/B", 0),
        ("A/$ref/$count", 0),
        ("A(1)/B/$value/C", 0),
        ("$metadata/A", 0),
        ("$batch/A", 0),
        ("$crossjoin(A)/B", 0),
        ("$crossjoin()", 11),
        ("$all/Ns.A/Ns.B", 0),
        ("A/$filter", 7),
        ("A/$each/$count", 0),
    ],
)
def test_refusals(path: str, offset: int) -> None:
    with pytest.raises(UrlSyntaxError) as caught:
        segments(path)
    assert caught.value.offset == offset
    assert (caught.value.target or "").startswith("path segment")
