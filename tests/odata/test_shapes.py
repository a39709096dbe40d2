"""The shape cache: which literals are lifted, when a plan serves another URL, and that it stays small."""

from __future__ import annotations

import pytest

from models import exposure
from odata.edm.model import build
from odata.plan.bound import Value
from odata.plan.make import make
from odata.shapes import MOST_LIFTED, ShapeCache, Variant, lift, size_bytes, variant_of
from odata.url import parse_parts
from odata.url.parts import split

MODEL = build(exposure())


def lifted_texts(query: str) -> list[str]:
    return lift(split("Quotes", query)).texts


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("$filter=Name eq 'a' and Revision eq 5", ["a", "5"]),
        ("$filter=Name eq 'it''s'", ["it's"]),
        ("$filter=Id eq 019ea414-14c1-7f1c-8ce8-c460953e6616", ["019ea414-14c1-7f1c-8ce8-c460953e6616"]),
        ("$filter=CreatedAt ge 2026-01-31T00:00:00Z", ["2026-01-31T00:00:00Z"]),
        ("$filter=ExpirationDate eq 2026-01-31", ["2026-01-31"]),
        ("$filter=GrandTotal gt -10.50", ["-10.50"]),
        ("$filter=GrandTotal gt 1e3", ["1e3"]),
        ("$filter=Line1 eq Line2", []),
        ("$filter=contains(Name,'50%25')", ["50%"]),
        ('$search=blue "two words" OR green', ["blue", "two words", "green"]),
        ("$search=a AND NOT b", ["a", "b"]),
        ("$search='blue'", []),
        ("$search=bl;ue", []),
        ("$search=it's", ["it's"]),
        ("$top=5&$skip=7&$select=A1", []),
    ],
)
def test_literals_are_lifted(query: str, texts: list[str]) -> None:
    assert lifted_texts(query) == texts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$filter=Name eq 'a'", "$filter=Name eq 'quite another'"),
        ("$filter=Revision eq 5", "$filter=Revision eq 123456"),
        ("$filter=%20Name%20eq%20'x'", "$filter= Name eq 'y'"),
    ],
)
def test_urls_that_differ_in_literals_share_a_shape(one: str, other: str) -> None:
    assert lift(split("Quotes", one)).key == lift(split("Quotes", other)).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$filter=Name eq 'a'", "$filter=Name eq null"),
        ("$filter=Revision eq 5", "$filter=Revision eq 5.0"),
        ("$filter=Revision eq 5", "$filter=Revision eq '5'"),
        ("$top=5", "$top=6"),
        ("$search=a%3Bb", "$search=a;b"),
        ("$filter=Name eq 'a'", "$filter=Status eq 'a'"),
        ("$select=Id", "$select=Name"),
    ],
)
def test_urls_that_mean_something_else_do_not(one: str, other: str) -> None:
    assert lift(split("Quotes", one)).key != lift(split("Quotes", other)).key


def test_what_is_too_much_to_lift_stays_in_the_key() -> None:
    wide = "$filter=Revision in (" + "1," * MOST_LIFTED + "{})"
    one, same, other = (lift(split("Quotes", wide.format(last))) for last in ("7", "7", "8"))
    assert len(one.texts) == MOST_LIFTED
    assert one.key == same.key != other.key


def test_no_url_can_pass_for_another_shape_by_writing_the_marker() -> None:
    with pytest.raises(Exception, match="Control character"):
        split("Quotes", "$filter=Name eq %00s")


def variant(query: str) -> Variant[str]:
    """The variant that planning a query leaves in the cache."""
    parts = split("Quotes", query)
    lifted = lift(parts)
    plan = make(parse_parts(parts), MODEL)
    values = list(_values(plan.filter))
    return variant_of("plan", lifted, values, plan.guards)


def _values(node: object) -> list[Value]:
    if isinstance(node, Value):
        return [node]
    if isinstance(node, tuple):
        return [value for item in node for value in _values(item)]
    fields = getattr(type(node), "__dataclass_fields__", {})
    return [value for name in fields for value in _values(getattr(node, name)) if name not in ("variable", "property")]


@pytest.mark.parametrize(
    ("query", "other", "serves"),
    [
        ("$filter=Name eq 'a'", ["b"], True),
        ("$filter=Revision eq 5", ["7"], True),
        ("$filter=Revision eq 5", ["99999999999999999999"], False),
        ("$filter=contains(Name,'abc')", ["abcdef"], True),
        ("$filter=contains(Name,'abc')", ["a"], False),
        ("$filter=indexof(Name,'abc') eq -1", ["xyz", "-1"], True),
        ("$filter=indexof(Name,'abc') eq -1", ["xyz", "3"], False),
        ("$filter=year(CreatedAt) eq 2026", ["2025"], True),
        ("$filter=year(CreatedAt) eq 2026", ["99999"], False),
    ],
)
def test_a_plan_serves_only_literals_that_leave_it_true(query: str, other: list[str], serves: bool) -> None:
    assert variant(query).serves(other) is serves


def test_the_cache_is_bounded_by_entries_and_by_bytes() -> None:
    cache: ShapeCache[str] = ShapeCache(entries=10, total_bytes=1_600)
    for index in range(1_000):
        cache.keep(f"shape {index}", Variant("plan", (), ()), 60)
    assert len(cache) == 10

    for index in range(100):
        cache.keep(f"larger {index}", Variant("plan", (), ()), 100)
    assert len(cache) == 10

    cache = ShapeCache(entries=1_000, total_bytes=1_600)
    for index in range(100):
        cache.keep(f"larger {index}", Variant("plan", (), ()), 100)
    assert len(cache) == 16


def test_one_entry_never_takes_a_large_part_of_the_cache() -> None:
    cache: ShapeCache[str] = ShapeCache(entries=10, total_bytes=1_600)
    cache.keep("too large", Variant("plan", (), ()), 101)
    cache.keep("large", Variant("plan", (), ()), 100)

    assert cache.find("too large", []) is None
    assert cache.find("large", []) == "plan"


def test_the_size_of_an_entry_counts_its_literals_and_its_text() -> None:
    ids = ",".join(["019ea414-14c1-7f1c-8ce8-c460953e6616"] * 1_000)
    many = split("Quotes", f"$filter=Id in ({ids})")
    long = split("Quotes", f"$filter=Name eq '{'x' * 400_000}'")

    assert size_bytes(many, lift(many), "SELECT") > 700_000
    assert size_bytes(long, lift(long), "SELECT") > 1_600_000


def test_variants_of_one_shape_are_bounded_too() -> None:
    cache: ShapeCache[str] = ShapeCache(entries=10, total_bytes=100_000)
    for index in range(100):
        cache.keep("shape", Variant(f"plan {index}", ((0, str(index)),), ()), 10)

    assert cache.find("shape", ["99"]) == "plan 99"
    assert cache.find("shape", ["0"]) is None


def test_no_entries_switch_it_off() -> None:
    cache: ShapeCache[str] = ShapeCache(entries=0, total_bytes=100_000)
    cache.keep("shape", Variant("plan", (), ()), 10)

    assert cache.find("shape", []) is None
