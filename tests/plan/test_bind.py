"""Binding: what is refused and how the message reads, limits, aliases, guards, published dates, record ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from odata.edm.model import Model, build
from odata.edm.types import DATE, DATE_TIME_OFFSET, INT32, PRIMITIVE_TYPES
from odata.errors import InvalidLiteral, ODataError
from odata.exposure import Exposure
from odata.functions import FUNCTIONS, UNSUPPORTED
from odata.plan.bind import bind
from odata.plan.bound import (
    Comparison,
    Constant,
    Logic,
    Membership,
    OfEntity,
    PropertyValue,
    Quantified,
    Value,
    Variable,
    nullable,
    parts_of,
    type_of,
)
from odata.plan.limits import Limits, Profile
from odata.plan.literals import key_value
from odata.plan.orderby import total_order
from odata.plan.scope import root_scope
from odata.plan.values import database_text
from odata.url.expressions import CANONICAL_FUNCTIONS
from odata.url.nodes import Expression
from tests.filtering import MODEL, options_of, plan
from tests.models import everything

REFUSED = [
    ("Nme eq 'x'", 400, "UnknownProperty", "No property 'Nme' on Thing (offset 0); did you mean 'Name'"),
    ("Parent/Nmae eq 'x'", 400, "UnknownProperty", "(offset 7); did you mean 'Name'"),
    ("Name", 400, "TypeMismatch", "'Name' is Edm.String; a condition is Edm.Boolean"),
    ("Name eq 5", 400, "TypeMismatch", "does not compare with the integer literal 5 (offset 8)"),
    ("Int32 eq '5'", 400, "TypeMismatch", "a number stands without quotes"),
    ("Guid eq '01234567-89ab-cdef-0123-456789abcdef'", 400, "TypeMismatch", "a Guid stands without quotes"),
    ("Date eq 2026-01-31T00:00:00Z", 400, "TypeMismatch", "'Date' is Edm.Date"),
    ("Name eq Int32", 400, "TypeMismatch", "does not compare with 'Int32', which is Edm.Int32"),
    ("Color eq 'Gren'", 400, "InvalidLiteral", "did you mean 'Green'"),
    ("Color eq Everything.Colour'Red'", 400, "TypeMismatch", "Color"),
    ("Date eq 2026-02-30", 400, "InvalidLiteral", "2026-02-30"),
    ("Date eq 10000-01-01", 400, "InvalidLiteral", "0001 to 9999"),
    ("DateTimeOffset eq 2026-01-01T00:00:00+15:00", 400, "InvalidLiteral", "14:00"),
    ("Double eq 1e999", 400, "InvalidLiteral", "range"),
    ("Binary eq binary'Ag'", None, "", ""),
    ("substring(Name,0,-1) eq ''", 400, "InvalidLiteral", "length of 0 or more"),
    ("substring(Name,1.5) eq ''", 400, "InvalidLiteral", "1.5"),
    ("length(Int32) eq 1", 400, "TypeMismatch", "length (offset 0) was given Edm.Int32; it takes length(Edm.String)"),
    ("contains(Guid,'a')", 400, "TypeMismatch", "contains(Edm.String,Edm.String)"),
    ("Name add 1 eq 2", 400, "TypeMismatch", "'add' (offset 5) does not take Edm.String and Edm.Int64"),
    ("-Name eq 'x'", 400, "TypeMismatch", "does not take Edm.String"),
    ("year(2026-01-01T00:00:00+02:00) eq 2026", 400, "InvalidLiteral", "in UTC, written with Z"),
    ("matchespattern(Name,'^a')", 501, "Unsupported", "matchespattern"),
    ("geo.length(Name) gt 1", 501, "Unsupported", "geo.length"),
    ("hassubset([1],[1])", 501, "Unsupported", "hassubset"),
    ("contans(Name,'a')", 400, "UnknownFunction", "did you mean 'contains'"),
    ("Children(1) eq null", 400, "TypeMismatch", "'Children' (offset 0) is an entity"),
    ("Children('x')/Name eq 'a'", 400, "TypeMismatch", "'Id' is Edm.Int32"),
    ("Children(1)(2)/Name eq 'a'", 400, "BadRequest", "'Children' has two keys (offset 0)"),
    ("Children()/Name eq 'a'", 400, "BadRequest", "has nothing; Things takes Things(Id=...)"),
    ("Children(Left='a')/Name eq 'a'", 400, "BadRequest", "Things takes Things(Id=...)"),
    ("Children(1)/$count gt 1", 400, "BadRequest", "A single entity has no"),
    ("Children(1)/any()", 400, "BadRequest", "A single entity has no"),
    ("Parent(1)/Name eq 'a'", 400, "BadRequest", "leads to one entity and takes no key"),
    ("Parent/Name(1) eq 'a'", 400, "BadRequest", "'Name' (offset 7) is a primitive property and takes no key"),
    ("Parent/Everything.F(1) eq 'a'", 501, "Unsupported", "Everything.F(...)"),
    ("$root/Things/Name eq 'x'", 400, "BadRequest", "use $root/Things/any(x:...)"),
    ("$root/Things eq null", 400, "BadRequest", "use $root/Things/any(x:...)"),
    ("$root/Things/Children/any()", 400, "BadRequest", "name one entity by its key"),
    ("$root/Things/$filter(Id gt 1)/$count gt 1", 501, "Unsupported", "$filter(...)"),
    ("$root/Thingz/$count gt 1", 400, "UnknownProperty", "did you mean 'Things'"),
    ("$root/Things/any(a:a/Children/any(b:b/Children/any(c:true)))", 400, "LimitExceeded", "limit of 2"),
    ("$root/Thing(1)/Name eq 'x'", 400, "UnknownProperty", "did you mean 'Things'"),
    ("$root/Things('x')/Name eq 'x'", 400, "TypeMismatch", "'Id' is Edm.Int32"),
    ("$this eq 'x'", 400, "TypeMismatch", "An entity cannot stand for a value (offset 0)"),
    ("$this eq null", 400, "TypeMismatch", "name one of its properties"),
    ("endswith($this,'x')", 400, "TypeMismatch", "An entity cannot stand for a value (offset 9)"),
    ("$this/$count gt 1", 400, "BadRequest", "A single entity has no"),
    ("$this/Nme eq 'x'", 400, "UnknownProperty", "did you mean 'Name'"),
    ("cast(Name,Edm.GeographyPoint) eq null", 501, "Unsupported", "not Edm.GeographyPoint"),
    ("cast(Name,Everything.Thing) eq null", 501, "Unsupported", "not Everything.Thing"),
    ("cast('Red',Everything.Colour) eq null", 400, "BadRequest", "did you mean 'Everything.Color'"),
    ("cast(Name,Edm.Date) eq 'x'", 400, "TypeMismatch", "cast(...) is Edm.Date"),
    ("cast(Everything.Thing)/Name eq 'x'", None, "", ""),
    ("Children/Name eq 'x'", 400, "BadRequest", "use Children/any(x:...)"),
    ("Children eq null", 400, "BadRequest", "Children/any(x:...)"),
    ("$root/Things(1)(2)/Name eq 'x'", 400, "BadRequest", "'Things' has two keys (offset 6)"),
    ("$root/Things(1)/Name eq 5", 400, "TypeMismatch", "'Name' is Edm.String"),
    ("Parent eq 1", 400, "TypeMismatch", "'Parent' (offset 0) is an entity"),
    ("Parent/any(x:x/Id eq 1)", 400, "BadRequest", "leads to one entity"),
    ("Name/any(x:x eq 1)", 400, "BadRequest", "is no collection"),
    ("Name/Id eq 1", 400, "BadRequest", "primitive property"),
    ("$it eq null", None, "", ""),
    ("Children/$count($top=1) gt 1", 400, "InvalidOption", "top"),
    ("geography'SRID=0;Point(1 1)' eq null", 501, "Unsupported", "geography literals"),
    ("case(Boolean:1,true:'x') eq 1", 400, "TypeMismatch", "have types that do not fit: Edm.Int64, Edm.String"),
    ("$it/$count gt 1", 400, "BadRequest", "A single entity has no"),
    ("isof(Name,Everything.Nope)", 400, "BadRequest", "No type 'Everything.Nope'"),
    ("Everything.Colour'Red' eq null", 400, "TypeMismatch", "did you mean 'Everything.Color'"),
    ("@Core.Description eq 'x'", 501, "Unsupported", "annotation @Core.Description"),
    ("Parent/Nope/any()", 400, "UnknownProperty", "'Nope' on Thing"),
    ("Nope.Type/Name eq 'x'", 501, "Unsupported", "Nope.Type"),
    ("Name in Children", 400, "TypeMismatch", "takes a list"),
    ("Name has 'x'", 400, "TypeMismatch", "'has'"),
    ("Int32 eq @a & @a=@a", 400, "BadRequest", "@a stands for itself"),
    ("@a & @a=@a and true", 400, "LimitExceeded", "nest deeper"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "status", "code", "message"), [case for case in REFUSED if case[1]])
def test_refused(text: str, status: int, code: str, message: str) -> None:
    with pytest.raises(ODataError) as caught:
        plan(f"$filter={text}")
    assert (caught.value.status, caught.value.code) == (status, code), caught.value.message
    assert message in caught.value.message


def test_every_function_of_the_grammar_is_served_or_refused_by_name() -> None:
    assert set(CANONICAL_FUNCTIONS) == {*FUNCTIONS, *UNSUPPORTED}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("$this/Name eq 'x'", "Name eq 'x'"),
        ("$this/Parent/Name eq null", "Parent/Name eq null"),
        ("$this/Parent eq null", "Parent eq null"),
        ("$this/Everything.Thing/Boolean", "Boolean"),
    ],
)
def test_this_is_what_bare_names_are_of(text: str, same: str) -> None:
    found, expected = (
        [one.property for one in parts_of(plan(f"$filter={query}").bound) if isinstance(one, PropertyValue)]
        for query in (text, same)
    )
    assert found == expected


def test_this_is_meant_where_a_range_variable_bears_the_name_of_a_property() -> None:
    planned = plan("$filter=Children/any(Name:Name/Id gt $this/Id and $this/Name eq 'x')")
    assert isinstance(planned.bound, Quantified) and isinstance(planned.bound.predicate, Logic)
    inner = planned.bound.predicate.operands[1]
    assert isinstance(inner, Comparison) and inner.left == PropertyValue(
        planned.variable, MODEL.sets["Things"].properties["Name"]
    )


@pytest.mark.parametrize("text", ["$it eq null", "cast(Everything.Thing)/Name eq 'x'"])
def test_refused_without_a_trace(text: str) -> None:
    """Odd ones are refused too, by whichever stage knows first."""
    with pytest.raises(ODataError):
        plan(f"$filter={text}")


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("cast(Guid,Edm.Int32) eq null", Constant(True)),
        ("cast(Boolean,Edm.Date) eq 2026-01-01", Constant(False)),
        ("cast(Duration,Edm.Int32) ne null", Constant(False)),
        ("cast(Double,Everything.Color) eq null", Constant(True)),
        ("cast(Color,Edm.Decimal) eq null", Constant(True)),
        ("cast(null,Everything.Color) eq null", Constant(True)),
        ("cast(DateTimeOffset,Edm.Duration) eq null", Constant(True)),
        ("isof(Name,Everything.Color)", Constant(False)),
        ("isof(Everything.Color'Red',Everything.Color)", Constant(True)),
        ("isof(null,Everything.Color)", Constant(False)),
    ],
)
def test_pairs_that_no_rule_allows_are_null(text: str, bound: Constant) -> None:
    assert plan(f"$filter={text}").bound == bound


def test_a_cast_to_the_own_type_says_nothing() -> None:
    bound = plan("$filter=cast(Color,Everything.Color) eq Parent/Color").bound
    assert isinstance(bound, Comparison) and isinstance(bound.left, PropertyValue)


@pytest.mark.parametrize(
    ("text", "limits", "named"),
    [
        ("Id in (1,2,3)", Limits(in_items=2), "3 items; the limit is 2"),
        ("Children/any(a:a/Children/any(b:b/Id gt 1))", Limits(lambda_depth=1), "limit of 1"),
        ("tolower(trim(Name)) eq 'x'", Limits(function_depth=1), "limit of 1"),
    ],
)
def test_limits_name_themselves(text: str, limits: Limits, named: str) -> None:
    with pytest.raises(ODataError, match=named):
        plan(f"$filter={text}", limits=limits)
    plan(f"$filter={text}")


@pytest.mark.parametrize("search", ["a " * 101, "a" * 1001])
def test_search_is_limited(search: str) -> None:
    with pytest.raises(ODataError, match="the limit is"):
        plan(f"$search={search.strip()}")


def test_search_needs_searchable_properties() -> None:
    with pytest.raises(ODataError, match="Pairs has no searchable property"):
        plan("$search=a", entity_set="Pairs")


def test_aliases_do_not_multiply() -> None:
    aliases = " & ".join(f"@{name}=({' or '.join([f'@{following}'] * 40)})" for name, following in ("ab", "bc"))
    with pytest.raises(ODataError, match="too many nodes"):
        plan(f"$filter={' or '.join(['@a'] * 40)} & {aliases} & @c=(Id eq 1 or Id eq 2)")


def test_equalities_of_one_property_become_one_membership() -> None:
    bound = plan("$filter=Id eq 1 or contains(Name,'x') or Id eq 2.0 or 3 eq Id").bound
    assert isinstance(bound, Logic) and len(bound.operands) == 2
    assert isinstance(bound.operands[0], Membership)
    assert [value.text for value in bound.operands[0].values] == ["1", "2.0", "3"]


def test_one_variable_for_all_uses_of_a_navigation_property() -> None:
    bound = plan("$filter=Parent/Name eq 'a' and Parent/Int32 gt 1").bound
    assert isinstance(bound, Logic)
    sides = [side.left for side in bound.operands if isinstance(side, Comparison)]
    variables = {side.variable for side in sides if isinstance(side, PropertyValue)}
    assert len(sides) == 2 and len(variables) == 1


def test_types_and_nulls() -> None:
    scope = root_scope(MODEL).entering(Variable(0, MODEL.sets["Things"]))

    def bound(text: str) -> tuple[str, bool]:
        found = bind(only(text), scope)
        return type_of(found).name, nullable(found)

    assert bound("Id") == ("Edm.Int32", False)
    assert bound("Parent/Id") == ("Edm.Int32", True)
    assert bound("Id add 1") == ("Edm.Int64", False)
    assert bound("Decimal mul 2") == ("Edm.Decimal", True)
    assert bound("length(Name)") == ("Edm.Int32", False)
    assert bound("Children/$count") == ("Edm.Int64", False)
    assert bound("String eq null") == ("Edm.Boolean", False)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("$root/Things(1)/Name", 1),
        ("$root/Things(1)/Children/any(c:c/Id gt 1)", 1),
        ("$root/Things(1)/Children/any(c:c/Id gt Int32)", 2),
        ("$root/Things(1)/Int32 add $it/Int32", 2),
        ("Parent/Name", 2),
        ("now()", 1),
    ],
)
def test_what_is_the_same_for_every_row_orders_nothing(text: str, keys: int) -> None:
    variable = Variable(0, MODEL.sets["Things"])
    items = options_of(f"$orderby={text}").orderby
    assert len(total_order(items, variable, root_scope(MODEL).entering(variable))) == keys


def test_not_filterable_is_for_filters_only() -> None:
    model = with_first_property(everything.EXPOSURE, filterable=False)
    with pytest.raises(ODataError, match="cannot be filtered by"):
        plan("$filter=Id eq 1", model=model)
    scope = root_scope(model).entering(Variable(0, model.sets["Things"]))
    assert isinstance(bind(only("Id"), scope), PropertyValue)


# --- guards ---


def test_guards_say_what_was_concluded() -> None:
    entries = plan("$filter=Int32 eq 7.0 and contains(Name,'abc')").scope.guards.entries()
    assert [(entry.classifier, entry.result) for entry in entries] == [
        ("number", "integer"),
        ("folds_alone", True),
        ("short_part", False),
    ]
    assert entries[0].holds("decimal", "8.00")
    assert not entries[0].holds("decimal", "8.5")
    assert not entries[2].holds("string", "ab")


@pytest.mark.parametrize("text", ["Name eq 'a'", "Decimal gt 5 or true eq false", "Guid eq null"])
def test_plain_comparisons_conclude_little(text: str) -> None:
    assert len(plan(f"$filter={text}").scope.guards.entries()) <= 3


# --- dates published otherwise ---


@pytest.mark.parametrize("entity", ["", "$root/Things(1)/"])
@pytest.mark.parametrize(
    ("published", "text", "profile", "stored"),
    [
        ("Edm.DateTimeOffset", "Date eq 2026-03-31T00:00:00Z", "strict", True),
        ("Edm.DateTimeOffset", "Date gt 2026-03-31T12:00:00Z", "strict", True),
        ("Edm.DateTimeOffset", "Date le 2026-03-31T00:00:00-02:00", "strict", True),
        ("Edm.Date", "Date lt 2026-03-31T12:00:00Z", "salesforce", True),
        ("Edm.DateTimeOffset", "Date eq 2026-03-31", "salesforce", True),
        ("Edm.DateTimeOffset", "year(Date) eq 2026", "strict", True),
        ("Edm.String", "Date eq '2026-03-31'", "strict", True),
        ("Edm.String", "Date eq 'never'", "strict", False),
        ("Edm.String", "Date ge 2026-03-31", "salesforce", True),
    ],
)
def test_published_dates(published: str, text: str, profile: Profile, stored: bool, entity: str) -> None:
    """A literal that is a day meets the date in the column, so its index serves; a date of $root means the same."""
    text = text.replace("Date", f"{entity}Date", 1)
    bound = plan(f"$filter={text}", model=build(everything.EXPOSURE, date_type=published), profile=profile).bound
    comparison = bound.operands[0] if isinstance(bound, Logic) else bound
    assert isinstance(comparison, Comparison)
    left = comparison.left.operand if isinstance(comparison.left, OfEntity) else comparison.left
    assert isinstance(left, PropertyValue)
    assert left.stored is stored
    assert (type_of(comparison.right) is DATE) is stored


# --- keys and record ids ---


@pytest.mark.parametrize(
    ("entity_set", "text", "profile", "bound"),
    [
        ("Things", "7", "strict", "7"),
        ("Things", "7.0", "strict", "7"),
        ("Things", "'7'", "salesforce", "7"),
        ("PairNotes", "01234567-89AB-CDEF-0123-456789ABCDEF", "strict", "01234567-89ab-cdef-0123-456789abcdef"),
        ("PairNotes", "'01234567-89AB-CDEF-0123-456789ABCDEF'", "salesforce", "01234567-89ab-cdef-0123-456789abcdef"),
        ("OddKeys", "'it''s'", "strict", "it's"),
    ],
)
def test_key_values(entity_set: str, text: str, profile: Profile, bound: str) -> None:
    property = MODEL.sets[entity_set].key[0]
    value = key_value(only(text), property, root_scope(MODEL, profile=profile))
    assert isinstance(value, Value) and database_text(value) == bound


@pytest.mark.parametrize(
    ("entity_set", "text"), [("Things", "'7'"), ("Things", "null"), ("Things", "7.5"), ("Things", "Id")]
)
def test_key_values_refused(entity_set: str, text: str) -> None:
    with pytest.raises(ODataError) as caught:
        key_value(only(text), MODEL.sets[entity_set].key[0], root_scope(MODEL))
    assert caught.value.status == 400


@pytest.mark.parametrize("entity", ["", "$root/Things('x')/"])
def test_record_ids_are_widened_in_filters_of_both_profiles(entity: str) -> None:
    model = with_first_property(everything.EXPOSURE, record_id=True, type="Edm.String")
    bound = plan(f"$filter={entity}Id eq '001D000000IqhSL'", model=model).bound
    assert isinstance(bound, Comparison) and isinstance(bound.right, Value)
    assert database_text(bound.right) == "001D000000IqhSLIAZ"


# --- literals ---


@pytest.mark.parametrize(
    ("type_name", "kind", "text", "bound"),
    [
        ("Edm.Int32", "double", "1e3", "1000"),
        ("Edm.Int64", "integer", "-9223372036854775808", "-9223372036854775808"),
        ("Edm.Decimal", "decimal", "00.10", "00.10"),
        ("Edm.Double", "double", "-INF", "-Infinity"),
        ("Edm.DateTimeOffset", "datetimeoffset", "2026-01-31T10:00Z", "2026-01-31T10:00:00Z"),
        (
            "Edm.DateTimeOffset",
            "datetimeoffset",
            "2026-01-31T10:00:00.1234567 02:00",
            "2026-01-31T10:00:00.123456+02:00",
        ),
        ("Edm.TimeOfDay", "timeofday", "10:00", "10:00:00"),
        ("Edm.Duration", "duration", "-P1DT1.5S", "-86401.5 seconds"),
        ("Edm.Binary", "binary", "AP8", "\\x00ff"),
        ("Edm.Boolean", "boolean", "true", "true"),
    ],
)
def test_literals(type_name: str, kind: str, text: str, bound: str) -> None:
    assert PRIMITIVE_TYPES[type_name].convert(kind, text) == bound


@pytest.mark.parametrize(
    ("type_name", "kind", "text"),
    [
        ("Edm.Byte", "integer", "256"),
        ("Edm.SByte", "integer", "-129"),
        ("Edm.Int16", "integer", "32768"),
        ("Edm.Int32", "integer", "2147483648"),
        ("Edm.Int64", "integer", "9223372036854775808"),
        ("Edm.Int32", "double", "1e999999999"),
        ("Edm.Int32", "double", "NaN"),
        ("Edm.Decimal", "double", "1e999999999"),
        ("Edm.Decimal", "integer", "9" * 500),
        ("Edm.Decimal", "double", "INF"),
        ("Edm.Double", "double", "1e400"),
        ("Edm.Single", "double", "1e39"),
        ("Edm.Guid", "string", "nope"),
        ("Edm.Date", "date", "0000-01-01"),
        ("Edm.Date", "date", "2025-02-29"),
        ("Edm.DateTimeOffset", "datetimeoffset", "2026-01-31T24:00:00Z"),
        ("Edm.TimeOfDay", "timeofday", "23:60:00"),
        ("Edm.Duration", "duration", "P"),
        ("Edm.Duration", "duration", f"P{'9' * 30}D"),
        ("Edm.Binary", "binary", "A*"),
        ("Edm.String", "string", "a\0b"),
        ("Edm.String", "string", "\ud800"),
        ("Edm.String", "integer", "5"),
    ],
)
def test_literals_outside_the_value_space(type_name: str, kind: str, text: str) -> None:
    with pytest.raises(InvalidLiteral):
        PRIMITIVE_TYPES[type_name].convert(kind, text)


def test_whole() -> None:
    assert INT32.whole and not DATE_TIME_OFFSET.whole


def only(text: str) -> Expression:
    """One expression, as the sort key it could be."""
    items = options_of(f"$orderby={text}").orderby
    assert items is not None
    return items[0].expression


def with_first_property(exposure: Exposure, **changes: Any) -> Model:
    """The model of an exposure whose first property is another."""
    first = exposure.sets[0]
    changed = replace(first.properties[0], **changes)
    return build(
        replace(exposure, sets=(replace(first, properties=(changed, *first.properties[1:])), *exposure.sets[1:]))
    )
