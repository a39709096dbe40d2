"""Start-up checks: each rule alone, all violations at once, and the warnings for Salesforce."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import models
from odata.edm.check import check
from odata.exposure import (
    EnumMember,
    ExposedEnum,
    ExposedNavigation,
    ExposedProperty,
    ExposedSet,
    Exposure,
    ExposureError,
    OrderItem,
)
from tests.models import everything, session


def shop() -> Exposure:
    """A faultless exposure of two sets."""
    orders = ExposedSet(
        name="Orders",
        type_name="Order",
        table="order",
        key=("Id",),
        properties=(
            ExposedProperty(name="Id", column="id", type="Edm.Guid", nullable=False),
            ExposedProperty(name="Name", column="name", max_length=80, searchable=True),
            ExposedProperty(name="Total", column="total", type="Edm.Decimal", precision=18, scale=2),
            ExposedProperty(name="Note", column="note", max_length=32000),
            ExposedProperty(name="State", column="state", type="State"),
            ExposedProperty(name="AccountId", column="account_id", max_length=18, record_id=True),
        ),
        navigation=(
            ExposedNavigation(name="Lines", target="Lines", on=(("Id", "OrderId"),), collection=True, partner="Order"),
        ),
        org_column="org_id",
        name_property="Name",
        default_order=(OrderItem(property="Name"),),
    )
    lines = ExposedSet(
        name="Lines",
        type_name="Line",
        table="line",
        key=("OrderId", "Number"),
        properties=(
            ExposedProperty(name="OrderId", column="order_id", type="Edm.Guid", nullable=False),
            ExposedProperty(name="Number", column="number", type="Edm.Int32", nullable=False),
        ),
        navigation=(
            ExposedNavigation(name="Order", target="Orders", on=(("OrderId", "Id"),), nullable=False, partner="Lines"),
        ),
        fixed_org="00D000000000001AAA",
    )
    state = ExposedEnum(name="State", members=(EnumMember(name="New", value=0), EnumMember(name="Paid", value=1)))
    return Exposure(sets=(orders, lines), enums=(state,))


def orders(**changes: Any) -> Exposure:
    """The shop with changes to its first set."""
    first, *others = shop().sets
    return replace(shop(), sets=(replace(first, **changes), *others))


def with_property(**values: Any) -> Exposure:
    """The shop with one property more in its first set."""
    return orders(properties=(*shop().sets[0].properties, ExposedProperty(**{"name": "P", "column": "p", **values})))


def with_navigation(**values: Any) -> Exposure:
    """The shop with one navigation property more in its first set."""
    added = ExposedNavigation(
        **{"name": "N", "target": "Lines", "on": (("Id", "OrderId"),), "collection": True, **values}
    )
    return orders(navigation=(*shop().sets[0].navigation, added))


VIOLATIONS = [
    (orders(org_column=None), "Orders: no org rule: state org_column or fixed_org"),
    (orders(fixed_org="00D"), "Orders: two org rules: state either org_column or fixed_org"),
    (orders(org_column=""), "Orders: empty org rule"),
    (orders(key=()), "Orders: no key"),
    (orders(key=("Nope",)), "Orders: key property Nope is no property"),
    (orders(key=("Id", "Id")), "Orders: a property stands twice in the key"),
    (with_property(type="Edm.String"), "Orders.P: a String needs max_length"),
    (with_property(max_length=0), "Orders.P: a String needs max_length"),
    (with_property(type="Edm.Decimal"), "Orders.P: a Decimal needs precision and scale"),
    (with_property(type="Edm.Decimal", precision=9), "Orders.P: a Decimal needs precision and scale"),
    (with_property(type="Edm.Decimal", precision=39, scale=2), "Orders.P: precision 39 is outside 1 to 38"),
    (with_property(type="Edm.Decimal", precision=5, scale=6), "Orders.P: scale 6 is outside 0 to its precision 5"),
    (with_property(type="Edm.Stream"), "Orders.P: unsupported type Edm.Stream"),
    (with_property(type="Nope"), "Orders.P: unsupported type Nope"),
    (with_property(type="Edm.Int32", column=""), "Orders.P: no column"),
    (
        with_property(type="Edm.Int32", searchable=True),
        "Orders.P: searchable, but Edm.Int32: only a String is searched",
    ),
    (with_property(max_length=15, record_id=True), "Orders.P: a record id is a String with max_length 18"),
    (with_property(type="Edm.Int32", computed=True, writable=True), "Orders.P: computed and writable at once"),
    (with_property(name="name", type="Edm.Int32"), "Orders: property 'name' differs from 'Name' only by case"),
    (with_property(name="Name", type="Edm.Int32"), "Orders: property 'Name' stands twice"),
    (with_property(name="Lines", type="Edm.Int32"), "Orders: property 'Lines' stands twice"),
    (orders(name="Bad-Name"), "entity set 'Bad-Name' is no legal name"),
    (with_property(name="1st", type="Edm.Int32"), "Orders: property '1st' is no legal name"),
    (with_property(name="x" * 129, type="Edm.Int32"), "is no legal name"),
    (with_property(name="", type="Edm.Int32"), "Orders: property '' is no legal name"),
    (orders(name="LINES"), "entity set 'Lines' differs from 'LINES' only by case"),
    (orders(type_name="line"), "type or container 'Line' differs from 'line' only by case"),
    (orders(type_name="State"), "type or container 'State' stands twice"),
    (replace(shop(), container="Order"), "type or container 'Order' stands twice"),
    (replace(shop(), namespace="Edm"), "'Edm' is no legal namespace"),
    (replace(shop(), namespace="A..B"), "'A..B' is no legal namespace"),
    (replace(shop(), sets=()), "no entity set"),
    (replace(shop(), enums=(ExposedEnum(name="State", members=()),)), "State: no member"),
    (orders(name_property="Nope"), "Orders: name_property Nope is no property"),
    (orders(name_property="Total"), "Orders: name_property Total is Edm.Decimal, not a String"),
    (orders(default_order=(OrderItem(property="Nope"),)), "Orders: default_order names Nope, which is no property"),
    (orders(default_order=(OrderItem(property="Note"),)), "Orders: default_order names Note, which is not sortable"),
    (with_navigation(target="Nope"), "Orders.N: no entity set Nope"),
    (with_navigation(on=()), "Orders.N: no pair of equal properties (on)"),
    (with_navigation(on=(("Nope", "OrderId"),)), "Orders.N: no property Orders.Nope"),
    (with_navigation(on=(("Id", "Nope"),)), "Orders.N: no property Lines.Nope"),
    (with_navigation(on=(("Id", "Number"),)), "Orders.N: Id is Edm.Guid but Lines.Number is Edm.Int32"),
    (with_navigation(partner="Nope"), "Orders.N: partner Nope is no navigation property of Lines"),
    (with_navigation(partner="Order"), "Orders.N: partner Lines.Order names Lines as its partner"),
    (
        with_navigation(target="Orders", on=(("Id", "Id"),), partner="Lines"),
        "Orders.N: partner Orders.Lines leads to Lines, not back",
    ),
]


@pytest.mark.parametrize(("exposure", "line"), VIOLATIONS, ids=[line for _, line in VIOLATIONS])
def test_violation(exposure: Exposure, line: str) -> None:
    with pytest.raises(ExposureError) as raised:
        check(exposure)
    assert any(line in entry for entry in str(raised.value).splitlines()), str(raised.value)


def test_a_float_is_no_key() -> None:
    exposure = with_property(type="Edm.Double")
    with pytest.raises(ExposureError, match=r"key property P is Edm\.Double"):
        check(replace(exposure, sets=(replace(exposure.sets[0], key=("P",)), exposure.sets[1])))


def test_every_violation_is_listed() -> None:
    exposure = replace(shop(), sets=tuple(replace(entry, org_column=None, fixed_org=None) for entry in shop().sets))
    with pytest.raises(ExposureError) as raised:
        check(exposure)
    assert len(str(raised.value).splitlines()) == 2


def test_partners_compare_the_same_properties() -> None:
    first, second = shop().sets
    navigation = replace(second.navigation[0], on=(("OrderId", "Id"), ("OrderId", "Id"), ("Number", "Number")))
    with pytest.raises(ExposureError, match="compares other properties"):
        check(replace(shop(), sets=(first, replace(second, navigation=(navigation,)))))


WARNINGS = [
    (orders(name="O" * 38), f"{'O' * 38}: no name for Salesforce"),
    (with_property(name="p" * 41, type="Edm.Int32"), "no name for Salesforce"),
    (with_property(name="A__b", type="Edm.Int32"), "Orders.A__b: no name for Salesforce"),
    (with_property(name="Ümlaut", type="Edm.Int32"), "Orders.Ümlaut: no name for Salesforce"),
    (with_property(name="P_", type="Edm.Int32"), "Orders.P_: no name for Salesforce"),
    (with_property(type="Edm.Decimal", precision=38, scale=2), "Orders.P: precision 38 is over the 18 digits"),
    (with_property(type="Edm.TimeOfDay"), "Orders.P: Edm.TimeOfDay: Salesforce cannot show it"),
    (with_property(type="Edm.Duration"), "Orders.P: Edm.Duration: Salesforce cannot show it"),
    (orders(name_property="Note"), "Orders.Note: 32000 characters in a key or name, Salesforce takes 255"),
    (
        orders(navigation=(ExposedNavigation(name="Self", target="Orders", on=(("Id", "Id"),)),)),
        "Orders.Self: nullable is true, unlike its properties; no referential constraint is published",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("exposure", "line"), WARNINGS, ids=[line for _, line in WARNINGS])
def test_warning(exposure: Exposure, line: str) -> None:
    # Renaming the set or leaving out its navigation breaks what the other set says of it.
    alone = replace(exposure.sets[1], navigation=())
    own = tuple(entry for entry in exposure.sets[0].navigation if entry.name == "Self")
    warnings = check(replace(exposure, sets=(replace(exposure.sets[0], navigation=own), alone)))
    assert any(line in entry for entry in warnings), warnings


def test_a_faultless_exposure() -> None:
    assert check(shop()) == ()


def test_a_name_of_128_characters_is_served() -> None:
    assert len(check(with_property(name="x" * 128, type="Edm.Int32"))) == 1


@pytest.mark.parametrize("exposure", [models.exposure(), session.EXPOSURE, everything.EXPOSURE])
def test_what_is_served_passes(exposure: Exposure) -> None:
    check(exposure)


def test_the_gateway_fits_salesforce() -> None:
    warnings = check(models.exposure())
    assert all(line.endswith("no referential constraint is published") for line in warnings), warnings
