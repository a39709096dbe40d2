"""An Exposure survives TOML; what TOML says wrongly is named with the nearest right word."""

from __future__ import annotations

import pytest
import tomli_w

import models
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
from odata.exposure_toml import from_table, read, to_table
from tests.models import everything, session


def every_field() -> Exposure:
    """Every field of every dataclass away from its default."""
    one = ExposedProperty(
        name="One", column="one", type="Edm.Decimal", nullable=False, max_length=7, precision=9, scale=0,
        description='"Quotes", \\ and\nlines', record_id=True, searchable=True, filterable=False, sortable=False,
        writable=True, computed=True,
    )  # fmt: skip
    navigation = ExposedNavigation(
        name="Other", target="Ones", on=(("One", "One"), ("One", "One")), collection=True, partner="Other",
        nullable=False, description="änd",
    )  # fmt: skip
    ones = ExposedSet(
        name="Ones", type_name="One", table="one", key=("One", "One"), properties=(one,), navigation=(navigation,),
        schema="s", org_column="o", fixed_org="f", deleted_column="d", version_column="v", name_property="One",
        default_order=(OrderItem(property="One", descending=True), OrderItem(property="One")), description="日本語",
        writable=True, tracked=True,
    )  # fmt: skip
    enum = ExposedEnum(name="E", members=(EnumMember(name="A", value=-(2**63)),), description="e")
    return Exposure(sets=(ones,), enums=(enum,), namespace="N", container="C", description="d")


@pytest.mark.parametrize("exposure", [models.exposure(), session.EXPOSURE, everything.EXPOSURE, every_field()])
def test_round_trip(exposure: Exposure) -> None:
    text = tomli_w.dumps(to_table(exposure))
    assert read(text) == exposure


def test_defaults_are_left_out() -> None:
    shown = ExposedProperty(name="Id", column="id")
    table = to_table(Exposure(sets=(ExposedSet(name="S", type_name="T", table="t", key=("Id",), properties=(shown,)),)))
    assert table == {
        "sets": [
            {"name": "S", "type_name": "T", "table": "t", "key": ["Id"], "properties": [{"name": "Id", "column": "id"}]}
        ]
    }


SET = '[[sets]]\nname="S"\ntype_name="T"\ntable="t"\nkey=["Id"]\n'
PROPERTY = '[[sets.properties]]\nname="Id"\ncolumn="id"\n'
NAVIGATION = '[[sets.navigation]]\nname="N"\ntarget="S"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"namespaze='N'\n{SET}{PROPERTY}", "namespaze: unknown key; did you mean 'namespace'?"),
        (f"{SET}org_colum='o'\n{PROPERTY}", "sets[0].org_colum: unknown key; did you mean 'org_column'?"),
        (f"{SET}{PROPERTY}max_lenght=3", "sets[0].properties[0].max_lenght: unknown key; did you mean 'max_length'?"),
        (f"{SET}{PROPERTY}max_length='3'", "sets[0].properties[0].max_length: expected a whole number, found '3'"),
        (f"{SET}{PROPERTY}max_length=true", "sets[0].properties[0].max_length: expected a whole number, found True"),
        (f"{SET}{PROPERTY}nullable=1", "sets[0].properties[0].nullable: expected true or false, found 1"),
        (f"{SET}{PROPERTY}type=1", "sets[0].properties[0].type: expected a string, found 1"),
        (f"{SET}default_order=['Id']\n{PROPERTY}", "sets[0].default_order[0]: expected a table, found 'Id'"),
        (f"{SET}properties=1", "sets[0].properties: expected an array of tables, found 1"),
        (SET, "sets[0].properties: missing"),
        ("[[sets]]", "sets[0].name: missing"),
        ("", "sets: missing"),
        (f"{SET}{PROPERTY}".replace('["Id"]', '"Id"'), "sets[0].key: expected an array of strings, found 'Id'"),
        (f"{SET}{PROPERTY}{NAVIGATION}on=['Id']", "sets[0].navigation[0].on[0]: expected an array of strings"),
        (f"{SET}{PROPERTY}{NAVIGATION}on=[['Id']]", "sets[0].navigation[0].on[0]: expected two names"),
        (f"{SET}{PROPERTY}{NAVIGATION}on='Id'", "sets[0].navigation[0].on: expected an array of pairs"),
        ("sets = [", "not TOML: "),
    ],
)
def test_refusals(text: str, line: str) -> None:
    with pytest.raises(ExposureError) as raised:
        read(text)
    assert any(entry.startswith(line) for entry in str(raised.value).splitlines()), str(raised.value)


def test_all_problems_at_once() -> None:
    with pytest.raises(ExposureError) as raised:
        from_table({"sets": [{"nam": "S"}], "container": 1})
    lines = str(raised.value).splitlines()
    assert {line.partition(":")[0] for line in lines} >= {"sets[0].nam", "sets[0].name", "sets[0].table", "container"}
