"""System query options: names, values, nesting, and what is refused."""

from __future__ import annotations

import time

import pytest

from odata.errors import BadRequest, DuplicateOption, InvalidOption, LimitExceeded, UrlSyntaxError
from odata.url import Rules, parse
from odata.url.nodes import ExpandItem, Number, Options, SelectItem, Span
from odata.url.parts import MOST_OPTIONS


def options(query: str) -> Options:
    return parse("Quotes", query).options


def select_names(query: str) -> list[str]:
    items = options(query).select
    assert items is not None
    return ["/".join(step.name for step in item.path) for item in items]


def test_absent_options_are_none() -> None:
    assert options("") == Options()


@pytest.mark.parametrize("query", ["$top=2", "top=2", "%24top=2", "$TOP=2", "ToP=2", "$top=2&"])
def test_names_in_any_spelling(query: str) -> None:
    assert options(query).top == Number(2, Span(1, 0, 1))
    assert options(query).order == ("$top",)


def test_values() -> None:
    found = options(
        "$skip=10&$count=TRUE&$format=application/json;odata.metadata=full&$index=-3&$skiptoken=a=b&$schemaversion=*"
    )
    assert (found.skip, found.count, found.index) == (Number(10, Span(1, 0, 2)), True, Number(-3, Span(4, 0, 2)))
    assert (found.format, found.skiptoken, found.schemaversion) == ("application/json;odata.metadata=full", "a=b", "*")
    assert options("$count=false").count is False
    assert options("$top=0").top == Number(0, Span(1, 0, 1))
    assert options("$top=%202 ").top == Number(2, Span(1, 1, 2))


def test_custom_options_and_aliases_are_kept() -> None:
    found = options("find=O%27Neil&!special&@p='x'&$filter=A eq @p&skiptoken=mine")
    assert found.custom == (("find", "O'Neil"), ("!special", ""), ("skiptoken", "mine"))
    assert [name for name, _ in found.aliases] == ["@p"]
    assert found.order == ("$filter",)


def test_apply_is_known_and_unsupported() -> None:
    found = options("$apply=groupby((Region),aggregate($count as N))&$top=1")
    assert (found.unsupported, found.order) == (("$apply",), ("$apply", "$top"))
    nested = options("$expand=Lines($apply=filter(A eq ')');$top=1)").expand
    assert nested is not None
    assert nested[0].options is not None
    assert nested[0].options.unsupported == ("$apply",)
    assert nested[0].options.top is not None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("$select=id,,quote_number,", ["id", "quote_number"]),
        ("$select=,id", ["id"]),
        ("$select=id%2Cname", ["id", "name"]),
        ("$select= id , name ", ["id", "name"]),
        ("$select=id+,+name", ["id", "name"]),
        ("$select=*", ["*"]),
        (
            "$select=Address/Street,Ns.*,Ns.Type/Name,@Core.Messages",
            ["Address/Street", "Ns.*", "Ns.Type/Name", "@Core.Messages"],
        ),
    ],
)
def test_select(query: str, names: list[str]) -> None:
    assert select_names(query) == names


def test_select_with_options_and_parameter_names() -> None:
    items = options(
        "$select=Addresses($filter=startswith(City,'H');$top=5;$search=blue;@c=15),Fn(Location,Kind)"
    ).select
    assert items is not None
    addresses, function = items
    assert addresses.options is not None
    assert addresses.options.order == ("$filter", "$top", "$search")
    assert [name for name, _ in addresses.options.aliases] == ["@c"]
    assert function.path[0].arguments is not None
    assert len(function.path[0].arguments) == 2


def expand(query: str) -> tuple[ExpandItem, ...]:
    items = options(query).expand
    assert items is not None
    return items


def test_expand() -> None:
    ref, count, nested, star, stream = expand(
        "$expand=Job/$ref,Lines/$count($search=a b),"
        "Lines(select=Id,Name;$expand=Quote($levels=max);$count=true),*($levels=2),$value"
    )
    assert (ref.suffix, count.suffix, nested.suffix, star.suffix, stream.suffix) == (
        "$ref",
        "$count",
        None,
        None,
        "$value",
    )
    assert nested.options is not None
    assert nested.options.order == ("$select", "$expand", "$count")
    assert nested.options.expand is not None
    assert nested.options.expand[0].options is not None
    assert nested.options.expand[0].options.levels == "max"
    assert star.options is not None
    assert isinstance(star.options.levels, Number)


def test_orderby_and_compute() -> None:
    found = options("$orderby=Name desc,Total mul 2 ASC, Lines/$count&$compute=A mul 2 as B,day(C) as D")
    assert found.orderby is not None
    assert [item.descending for item in found.orderby] == [True, False, False]
    assert found.compute is not None
    assert [item.alias for item in found.compute] == ["B", "D"]


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("$top=1&$top=2", DuplicateOption, r"\$top"),
        ("$top=1&TOP=2", DuplicateOption, r"\$top"),
        ("@a=1&@a=2", DuplicateOption, "@a"),
        ("$expand=A($top=1;top=2)", DuplicateOption, r"\$top"),
        ("$count=maybe", InvalidOption, "maybe"),
        ("$count", InvalidOption, "no value"),
        ("$top=-1", InvalidOption, "-1"),
        ("$top=", InvalidOption, "whole number"),
        ("$top=1.5", InvalidOption, "1.5"),
        ("$top=99999999999999999999", InvalidOption, "99999999999999999999.*too large"),
        ("$top=" + "9" * 10_000, InvalidOption, "too large"),
        ("$skip=abc", InvalidOption, "abc"),
        ("$fitler=A eq 1", InvalidOption, r"\$fitler.*did you mean '\$filter'"),
        ("$inlinecount=allpages", InvalidOption, "inlinecount"),
        ("$levels=2", InvalidOption, "levels"),
        ("$format=", InvalidOption, "media type"),
        ("@1=2", InvalidOption, "@1"),
        ("$expand=A($levels=0)", InvalidOption, "0"),
        ("$expand=A($levels=04)", InvalidOption, "04"),
        ("$expand=A($levels=maximum)", InvalidOption, "maximum"),
        ("$expand=A($format=json)", InvalidOption, "does not apply"),
        ("$expand=A($fitler=B)", InvalidOption, "fitler"),
        ("$expand=A/$ref($select=B)", InvalidOption, r"/\$ref"),
        ("$expand=A/$count($count=true)", InvalidOption, "count"),
        ("$expand=*($select=A)", InvalidOption, "levels"),
        ("$select=A($expand=B)", InvalidOption, "expand"),
        ("$select=", UrlSyntaxError, "property name"),
        ("$select=,", UrlSyntaxError, "property name"),
        ("$select=A/", UrlSyntaxError, "property name"),
        ("$select=A B", UrlSyntaxError, "','"),
        ("$select=A(", UrlSyntaxError, "parameter"),
        ("$expand=A,", UrlSyntaxError, "navigation"),
        ("$expand=A()", UrlSyntaxError, "query option"),
        ("$expand=*/$count", UrlSyntaxError, r"\$ref"),
        ("$expand=A/$value/B", UrlSyntaxError, r"\$ref"),
        ("$expand=A($top=1", UrlSyntaxError, r"'\)'"),
        ("$orderby=A up", UrlSyntaxError, "asc, desc"),
        ("$orderby=", UrlSyntaxError, "property"),
        ("$compute=A", UrlSyntaxError, "'as'"),
        ("$compute=A as B.C", UrlSyntaxError, "name"),
        ("$filter=100%25&$top=%", UrlSyntaxError, "%25"),
        ("$filter=A%00", UrlSyntaxError, "Control"),
        ("$filter=%FF", UrlSyntaxError, "UTF-8"),
        ("$filter=A#B", UrlSyntaxError, "%23"),
        ("$select=" + ",".join(["A"] * 10_000), LimitExceeded, "4000"),
        ("$expand=" + "A($expand=" * 60 + "B" + ")" * 60, LimitExceeded, "50"),
        ("$expand=" + "A/" * 60 + "B", LimitExceeded, "50"),
        ("$select=" + "A/" * 60 + "B", LimitExceeded, "50"),
    ],
)
def test_refusals(query: str, error: type[BadRequest], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        options(query)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("$metadata", "$filter=A eq 1"),
        ("$batch", "$top=1"),
        ("$entity", "$format=json"),
        ("$entity", "$id=x&$select=A"),
    ],
)
def test_options_that_do_not_apply(path: str, query: str) -> None:
    with pytest.raises(InvalidOption):
        parse(path, query)


@pytest.mark.parametrize(
    "query", ["$filter= A eq 1", "$filter=A eq 1 ", "$select=A,,B", "$filter=A+eq+1", "$select=A, B"]
)
def test_strict_reading_keeps_to_the_grammar(query: str) -> None:
    options(query)
    with pytest.raises(UrlSyntaxError):
        parse("Quotes", query, rules=Rules(lenient=False))


def test_salesforce_url_well_under_a_millisecond() -> None:
    query = (
        "%24top=2001&%24filter=%20contains%28name%2C%27Acme%27%29%20eq%20true%20and%20total_price%20gt%20100.0"
        "%20and%20status%20eq%20%27Draft%27&%24orderby=created_at%20desc&%24count=true"
        "&%24select=id%2Cname%2Cstatus%2Ctotal_price%2Caccount_id%2Copportunity_id%2Cregion%2Ccreated_at"
    )
    times = []
    for _ in range(50):
        start = time.perf_counter()
        found = parse("Quotes", query)
        times.append(time.perf_counter() - start)
    assert isinstance(found.options.select and found.options.select[0], SelectItem)
    assert min(times) < 0.001


@pytest.mark.parametrize(
    ("query", "offset", "target"),
    [("$top=1&$filter=Name%20eq%20'%zz'", 13, "$filter"), ("$search=a%3Bb%", 5, "$search"), ("%zz=1", 0, "query"),
     ("%24filter=%2", 0, "$filter"), ("=%", 0, "query")],
)  # fmt: skip
def test_a_stray_percent_is_named_with_its_option(query: str, offset: int, target: str) -> None:
    with pytest.raises(UrlSyntaxError, match=r"'%' without two hexadecimal digits at offset .* expected %25") as caught:
        parse("Things", query)
    assert (caught.value.offset, caught.value.target) == (offset, target)


def test_so_many_options_and_no_more() -> None:
    options = "&".join(f"a{number}=1" for number in range(MOST_OPTIONS))
    assert len(parse("Quotes", options).options.custom) == MOST_OPTIONS
    with pytest.raises(LimitExceeded, match=rf"has {MOST_OPTIONS + 1} options; the limit is {MOST_OPTIONS}"):
        parse("Quotes", f"{options}&$top=1")
