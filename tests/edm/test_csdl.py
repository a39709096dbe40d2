"""The metadata document: valid by the schemas of both versions, complete, and saying what is really on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from typing import Literal as OneOf

import pytest
from lxml import etree

import models
from odata.edm.capabilities import Features
from odata.edm.csdl import etag, metadata_document
from odata.edm.model import build
from odata.exposure import (
    EnumMember,
    ExposedEnum,
    ExposedNavigation,
    ExposedProperty,
    ExposedSet,
    Exposure,
)
from tests.elements import attribute, attributes, first, parent
from tests.given import CONFORMANCE
from tests.models import everything, session

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
FEATURES = Features(functions=("contains", "startswith"))
Version: TypeAlias = OneOf["4.0", "4.01"]
VERSIONS: tuple[Version, ...] = ("4.0", "4.01")
Schema: TypeAlias = Callable[[Version], etree.XMLSchema]


def library() -> Exposure:
    """A small exposure: enum, composite key, recursion, long text, navigation without a referential constraint."""
    books = ExposedSet(
        name="Books",
        type_name="Book",
        table="book",
        key=("Library", "Number"),
        properties=(
            ExposedProperty(name="Library", column="library", max_length=20, writable=True),
            ExposedProperty(name="Number", column="number", type="Edm.Int32"),
            ExposedProperty(name="Text", column="text", max_length=32000, filterable=False),
            ExposedProperty(
                name="Title", column="title", max_length=200, searchable=True, description="What it's called"
            ),
            ExposedProperty(name="Genre", column="genre", type="Genre"),
            ExposedProperty(name="Price", column="price", type="Edm.Decimal", precision=9, scale=2),
            ExposedProperty(name="Bought", column="bought", type="Edm.Date"),
            ExposedProperty(name="At", column="at", type="Edm.DateTimeOffset", nullable=False, computed=True),
            ExposedProperty(name="Length", column="length", type="Edm.Duration", precision=3),
            ExposedProperty(name="Before", column="before", type="Edm.Int32"),
            ExposedProperty(name="Reader", column="reader", type="Edm.Guid", nullable=False),
        ),
        navigation=(
            ExposedNavigation(name="Previous", target="Books", on=(("Library", "Library"), ("Before", "Number"))),
            ExposedNavigation(name="ReadBy", target="Readers", on=(("Reader", "Id"),), nullable=False, partner="Reads"),
            ExposedNavigation(name="MaybeReadBy", target="Readers", on=(("Reader", "Id"),)),
        ),
        fixed_org="00D000000000001AAA",
        writable=True,
        tracked=True,
    )
    readers = ExposedSet(
        name="Readers",
        type_name="Reader",
        table="reader",
        key=("Id",),
        properties=(ExposedProperty(name="Id", column="id", type="Edm.Guid"),),
        navigation=(
            ExposedNavigation(name="Reads", target="Books", on=(("Id", "Reader"),), collection=True, partner="ReadBy"),
        ),
        org_column="org_id",
    )
    genre = ExposedEnum(name="Genre", members=(EnumMember(name="Novel", value=0), EnumMember(name="Poem", value=2**40)))
    return Exposure(sets=(books, readers), enums=(genre,), namespace="Library.Model", description="Books & <readers>")


EXPOSURES = {
    "gateway": models.exposure(),
    "library": library(),
    "session": session.EXPOSURE,
    "everything": everything.EXPOSURE,
}


@pytest.fixture(scope="session")
def schema(conformance_files: None) -> Schema:
    """The XML Schema of CSDL by version; see NOTICE.md of the conformance data."""
    schemas = {version: _schema(CONFORMANCE / f"csdl-{version}") for version in VERSIONS}
    return schemas.__getitem__


def _schema(folder: Path) -> etree.XMLSchema:
    """edmx.xsd imports edm without saying where it is, so both are imported by a schema made here, edm first."""
    imports = "".join(
        f'<xs:import namespace="http://docs.oasis-open.org/odata/ns/{name}" schemaLocation="{name}.xsd"/>'
        for name in ("edm", "edmx")
    )
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(text, base_url=f"{folder.as_uri()}/"))


def document(exposure: Exposure, *, features: Features = FEATURES, **options: Any) -> etree._Element:
    given = {"version": "4.0", "features": features, **options}
    return etree.fromstring(metadata_document(build(exposure), **given))


def value(tree: etree._Element, target: str, term: str) -> str | None:
    """The value of an annotation, target being "Element" or "Element[@Name='...']"; a record is shown as name=value."""
    found = first(tree, f".//{EDM}{target}")
    annotation = next((entry for entry in found if entry.get("Term") == term), None)
    if annotation is None:
        return None
    values = [f"{entry.get('Property')}={_constant(entry)}" for entry in annotation.iter(f"{EDM}PropertyValue")]
    return " ".join(values) or _constant(annotation)


def _constant(entry: etree._Element) -> str:
    texts = ",".join(str(text).strip() for text in entry.itertext() if text.strip())
    return entry.get("Bool") or entry.get("Int") or entry.get("String") or texts


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXPOSURES)
def test_valid_by_the_schema(name: str, version: Version, schema: Schema) -> None:
    text = metadata_document(build(EXPOSURES[name]), version=version, features=FEATURES)
    tree = etree.fromstring(text)
    schema(version).assertValid(tree)
    assert tree.get("Version") == version


@pytest.mark.parametrize("date_type", ["Edm.Date", "Edm.DateTimeOffset", "Edm.String"])
@pytest.mark.parametrize("name", EXPOSURES)
def test_facets_everywhere(name: str, date_type: str) -> None:
    tree = etree.fromstring(
        metadata_document(build(EXPOSURES[name], date_type=date_type), version="4.0", features=FEATURES)
    )
    for entry in tree.iter(f"{EDM}Property"):
        assert entry.get("Nullable") in ("true", "false"), entry.get("Name")
        if entry.get("Type") == "Edm.String":
            assert int(entry.get("MaxLength", "0")) > 0, entry.get("Name")
        if entry.get("Type") == "Edm.Decimal":
            assert entry.get("Precision") and entry.get("Scale"), entry.get("Name")
    for key in tree.iter(f"{EDM}Key"):
        properties = {entry.get("Name"): entry for entry in parent(key)}
        for reference in key:
            assert properties[attribute(reference, "Name")].get("Nullable") == "false"


@pytest.mark.parametrize("name", EXPOSURES)
def test_names_lead_somewhere(name: str) -> None:
    """Every type is declared, every binding has its set, every partner exists."""
    exposure = EXPOSURES[name]
    tree = document(exposure)
    types = {
        f"{exposure.namespace}.{entry.get('Name')}": entry for entry in tree.iter(f"{EDM}EntityType", f"{EDM}EnumType")
    }
    sets = {entry.get("Name"): entry for entry in tree.iter(f"{EDM}EntitySet")}
    assert set(sets) == {entry.name for entry in exposure.sets}
    for entry in tree.iter(f"{EDM}Property"):
        assert attribute(entry, "Type").startswith("Edm.") or entry.get("Type") in types
    for entry in tree.iter(f"{EDM}NavigationProperty"):
        target = types[attribute(entry, "Type").removeprefix("Collection(").removesuffix(")")]
        assert entry.get("Partner") in (None, *(child.get("Name") for child in target))
    for entry in sets.values():
        navigation = {
            child.get("Name") for child in types[attribute(entry, "EntityType")].iter(f"{EDM}NavigationProperty")
        }
        bindings = {child.get("Path"): child.get("Target") for child in entry.iter(f"{EDM}NavigationPropertyBinding")}
        assert set(bindings) == navigation
        assert set(bindings.values()) <= set(sets)


def test_properties_and_navigation() -> None:
    tree = document(library())
    properties = {entry.get("Name"): attributes(entry) for entry in tree.iter(f"{EDM}Property")}
    assert properties["Genre"] == {"Name": "Genre", "Type": "Library.Model.Genre", "Nullable": "true"}
    assert properties["Price"] == {
        "Name": "Price",
        "Type": "Edm.Decimal",
        "Nullable": "true",
        "Precision": "9",
        "Scale": "2",
    }
    assert properties["At"]["Precision"] == "6"
    assert properties["Length"]["Precision"] == "3"
    assert first(tree, f".//{EDM}EnumType").get("UnderlyingType") == "Edm.Int64"
    navigation = {entry.get("Name"): entry for entry in tree.iter(f"{EDM}NavigationProperty")}
    assert attributes(navigation["ReadBy"]) == {
        "Name": "ReadBy", "Type": "Library.Model.Reader", "Nullable": "false", "Partner": "Reads",
    }  # fmt: skip
    assert attributes(navigation["Reads"]) == {
        "Name": "Reads", "Type": "Collection(Library.Model.Book)", "Partner": "ReadBy",
    }  # fmt: skip
    constraints = {
        name: [(child.get("Property"), child.get("ReferencedProperty")) for child in entry]
        for name, entry in navigation.items()
    }
    assert constraints == {"Previous": [], "ReadBy": [("Reader", "Id")], "MaybeReadBy": [], "Reads": []}


@pytest.mark.parametrize(("date_type", "facets"), [
    ("Edm.Date", {}),
    ("Edm.DateTimeOffset", {"Precision": "0"}),
    ("Edm.String", {"MaxLength": "10"}),
])  # fmt: skip
def test_published_dates(date_type: str, facets: dict[str, str]) -> None:
    tree = etree.fromstring(metadata_document(build(library(), date_type=date_type), version="4.0", features=FEATURES))
    bought = next(entry for entry in tree.iter(f"{EDM}Property") if entry.get("Name") == "Bought")
    assert attributes(bought) == {"Name": "Bought", "Type": date_type, "Nullable": "true", **facets}


def test_hidden_sets_leave_no_trace() -> None:
    text = metadata_document(build(library()), version="4.0", sets=frozenset({"Readers"}), features=FEATURES)
    assert b"Book" not in text.replace(b"Books &amp;", b"")
    assert b"Genre" not in text
    assert b'EntitySet Name="Readers"' in text


def test_a_caller_without_sets_gets_a_valid_document(schema: Schema) -> None:
    schema("4.0").assertValid(document(library(), sets=frozenset()))


def test_equal_bytes_and_etag() -> None:
    first, again = (metadata_document(build(library()), version="4.0", features=FEATURES) for _ in range(2))
    other = metadata_document(build(library()), version="4.01", features=FEATURES)
    assert first == again and etag(first) == etag(again) != etag(other)
    assert etag(first).startswith('W/"')


def test_descriptions_and_flags() -> None:
    tree = document(library())
    assert value(tree, "EntityContainer", "Core.Description") == "Books & <readers>"
    assert value(tree, "EntityContainer", "Core.ODataVersions") == "4.0 4.01"
    assert value(tree, "Property[@Name='Title']", "Core.Description") == "What it's called"
    assert value(tree, "Property[@Name='At']", "Core.Computed") == "true"
    assert value(tree, "Property[@Name='Library']", "Core.Immutable") == "true"
    assert value(tree, "Property[@Name='Title']", "Core.Computed") is None
    assert not any("ConformanceLevel" in (entry.get("Term") or "") for entry in tree.iter())


# Feature, what is annotated, term, value when on, value when off. Functions of $filter are a list: see below.
SWITCHES = [
    ("filter", "EntitySet", "Capabilities.FilterRestrictions",
     "Filterable=true NonFilterableProperties=Text", "Filterable=false"),
    ("orderby", "EntitySet", "Capabilities.SortRestrictions",
     "Sortable=true NonSortableProperties=Text", "Sortable=false"),
    ("search", "EntitySet", "Capabilities.SearchRestrictions", "Searchable=true", "Searchable=false"),
    ("expand", "EntitySet", "Capabilities.ExpandRestrictions", "Expandable=true MaxLevels=3", "Expandable=false"),
    ("count", "EntitySet", "Capabilities.CountRestrictions", "Countable=true", "Countable=false"),
    ("top", "EntitySet", "Capabilities.TopSupported", "true", "false"),
    ("skip", "EntitySet", "Capabilities.SkipSupported", "true", "false"),
    ("compute", "EntitySet", "Capabilities.ComputeSupported", "true", "false"),
    ("insert", "EntitySet", "Capabilities.InsertRestrictions", "Insertable=true", "Insertable=false"),
    ("update", "EntitySet", "Capabilities.UpdateRestrictions", "Updatable=true", "Updatable=false"),
    ("delete", "EntitySet", "Capabilities.DeleteRestrictions", "Deletable=true", "Deletable=false"),
    ("change_tracking", "EntitySet", "Capabilities.ChangeTracking", "Supported=true", "Supported=false"),
    ("change_tracking", "EntityContainer", "Capabilities.ChangeTracking", "Supported=true", "Supported=false"),
    ("query_segment", "EntityContainer", "Capabilities.QuerySegmentSupported", "true", "false"),
    ("key_as_segment", "EntityContainer", "Capabilities.KeyAsSegmentSupported", "true", "false"),
    ("batch", "EntityContainer", "Capabilities.BatchSupported", "true", "false"),
    ("cross_join", "EntityContainer", "Capabilities.CrossJoinSupported", "true", "false"),
    ("asynchronous", "EntityContainer", "Capabilities.AsynchronousRequestsSupported", "true", "false"),
]  # fmt: skip


@pytest.mark.parametrize(("feature", "target", "term", "on", "off"), SWITCHES)
def test_capabilities_follow_the_features(feature: str, target: str, term: str, on: str, off: str) -> None:
    for setting, expected in ((True, on), (False, off)):
        tree = document(library(), features=Features(**dataclasses.asdict(FEATURES) | {feature: setting}))
        assert value(tree, target, term) == expected


def test_every_feature_has_a_switch_test() -> None:
    tested = {row[0] for row in SWITCHES} | {"functions", "expand_levels"}
    assert tested == {field.name for field in dataclasses.fields(Features)}


def test_filter_functions_and_levels() -> None:
    features = dataclasses.replace(FEATURES, functions=("tolower", "year"), expand_levels=5)
    tree = document(library(), features=features)
    container = first(tree, f".//{EDM}EntityContainer")
    functions = next(entry for entry in container if entry.get("Term") == "Capabilities.FilterFunctions")
    assert [entry.text for entry in functions.iter(f"{EDM}String")] == ["tolower", "year"]
    assert value(tree, "EntitySet", "Capabilities.ExpandRestrictions") == "Expandable=true MaxLevels=5"


def test_what_a_set_lacks_is_denied_although_the_feature_is_on() -> None:
    on = dataclasses.replace(FEATURES, insert=True, change_tracking=True)
    tree = document(library(), features=on)
    assert value(tree, "EntitySet[@Name='Readers']", "Capabilities.SearchRestrictions") == "Searchable=false"
    assert value(tree, "EntitySet[@Name='Readers']", "Capabilities.InsertRestrictions") == "Insertable=false"
    assert value(tree, "EntitySet[@Name='Readers']", "Capabilities.ChangeTracking") == "Supported=false"


@pytest.mark.parametrize("version", VERSIONS)
def test_golden(version: OneOf["4.0", "4.01"], golden: Callable[[str, str], None]) -> None:
    text = metadata_document(build(models.exposure()), version=version, features=FEATURES)
    golden(f"metadata-{version}.xml", text.decode())
