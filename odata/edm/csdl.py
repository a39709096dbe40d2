"""The metadata document as CSDL XML: model + features -> bytes. The one file that uses lxml.

Equal input gives equal bytes, so the caller keeps the document in memory and `etag` names it.
Standard: CSDL XML 4.01, and CSDL 4.0 for version "4.0" (only the Version differs: nothing 4.01-only is written).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, TypeAlias, assert_never
from typing import Literal as OneOf

from lxml import etree

from odata.edm import capabilities
from odata.edm.capabilities import Annotation, Features, PropertyPaths, Record, Strings, Value
from odata.edm.model import EntitySet, EnumType, Model, NavigationProperty, Property

EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
EDM = "http://docs.oasis-open.org/odata/ns/edm"
VOCABULARIES = {"Core": "Org.OData.Core.V1", "Capabilities": "Org.OData.Capabilities.V1"}
VOCABULARY_ROOT = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/"

# Precision of a temporal type is 0 unless stated; PostgreSQL keeps microseconds.
TEMPORAL_PRECISION = {"Edm.DateTimeOffset": 6, "Edm.TimeOfDay": 6, "Edm.Duration": 6}
INT32 = range(-(2**31), 2**31)

Element: TypeAlias = etree._Element


def metadata_document(
    model: Model,
    *,
    version: OneOf["4.0", "4.01"],
    sets: frozenset[str] | None = None,
    features: Features,
) -> bytes:
    """Write the metadata document.

    Args: version: of the answer. sets: names of the entity sets to show, None for all; what leads to a hidden one is
          hidden too.
    """
    visible = {name: entry for name, entry in model.sets.items() if sets is None or name in sets}
    document = etree.Element(f"{{{EDMX}}}Edmx", {"Version": str(version)}, nsmap={"edmx": EDMX})
    for alias, namespace in VOCABULARIES.items():
        reference = etree.SubElement(document, f"{{{EDMX}}}Reference", {"Uri": f"{VOCABULARY_ROOT}{namespace}.xml"})
        etree.SubElement(reference, f"{{{EDMX}}}Include", {"Namespace": namespace, "Alias": alias})
    services = etree.SubElement(document, f"{{{EDMX}}}DataServices")
    default: Any = {None: EDM}  # the stubs know no default namespace
    schema = etree.SubElement(services, f"{{{EDM}}}Schema", {"Namespace": model.namespace}, nsmap=default)
    for enum in _used_enums(model, visible.values()):
        _enum_type(schema, enum)
    for entry in visible.values():
        _entity_type(schema, entry, visible)
    _container(schema, model, visible, features)
    etree.indent(document)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8") + b"\n"


def etag(document: bytes) -> str:
    """The ETag of a metadata document: weak, as the same document is also sent compressed."""
    return f'W/"{hashlib.sha256(document).hexdigest()[:20]}"'


def _used_enums(model: Model, sets: Iterable[EntitySet]) -> tuple[EnumType, ...]:
    used = {entry.storage.name for entity_set in sets for entry in entity_set.properties.values()}
    return tuple(enum for name, enum in model.enums.items() if name in used)


def _enum_type(schema: Element, enum: EnumType) -> None:
    element = _child(schema, "EnumType", Name=enum.name.rpartition(".")[2])
    if any(value not in INT32 for value in enum.members.values()):
        element.set("UnderlyingType", "Edm.Int64")
    for name, value in enum.members.items():
        _child(element, "Member", Name=name, Value=str(value))
    _annotate(element, capabilities.of_description(enum.description))


def _entity_type(schema: Element, entity_set: EntitySet, visible: dict[str, EntitySet]) -> None:
    element = _child(schema, "EntityType", Name=entity_set.exposed.type_name)
    key = _child(element, "Key")
    for entry in entity_set.key:
        _child(key, "PropertyRef", Name=entry.name)
    for entry in entity_set.properties.values():
        _annotate(_child(element, "Property", **_property_attributes(entry)), capabilities.of_property(entry))
    for navigation in entity_set.navigation.values():
        if navigation.target.name in visible:
            _navigation(element, navigation)


def _property_attributes(entry: Property) -> dict[str, str]:
    """Name, type and facets; Nullable is always stated."""
    name, exposed = entry.type.name, entry.exposed
    attributes = {"Name": entry.name, "Type": name, "Nullable": _boolean(entry.nullable)}
    if name in ("Edm.String", "Edm.Binary") and exposed.max_length is not None:
        attributes["MaxLength"] = str(exposed.max_length)
    if name == "Edm.Decimal" and exposed.precision is not None:
        attributes |= {"Precision": str(exposed.precision), "Scale": str(exposed.scale or 0)}
    if name in TEMPORAL_PRECISION:
        published_date = entry.storage is not entry.type
        precision = exposed.precision if exposed.precision is not None else TEMPORAL_PRECISION[name]
        attributes["Precision"] = "0" if published_date else str(precision)
    return attributes


def _navigation(parent: Element, navigation: NavigationProperty) -> None:
    target = navigation.target.type_name
    attributes = {"Name": navigation.name, "Type": f"Collection({target})" if navigation.collection else target}
    if not navigation.collection:
        attributes["Nullable"] = _boolean(navigation.exposed.nullable)
    if navigation.exposed.partner is not None:
        attributes["Partner"] = navigation.exposed.partner
    element = _child(parent, "NavigationProperty", **attributes)
    if is_dependent(navigation):
        for here, there in navigation.on:
            _child(element, "ReferentialConstraint", Property=here.name, ReferencedProperty=there.name)
    _annotate(element, capabilities.of_description(navigation.exposed.description))


def is_dependent(navigation: NavigationProperty) -> bool:
    """Whether the properties here are a foreign key to the target, so that a referential constraint is published.

    The navigation property and the foreign key must agree on null: CSDL, "Referential Constraint", forbids the rest.
    """
    covers_key = {there for _, there in navigation.on} == set(navigation.target.key)
    agree = all(here.nullable == navigation.exposed.nullable for here, _ in navigation.on)
    return not navigation.collection and covers_key and agree


def _container(schema: Element, model: Model, visible: dict[str, EntitySet], features: Features) -> None:
    element = _child(schema, "EntityContainer", Name=model.exposure.container)
    for entity_set in visible.values():
        child = _child(element, "EntitySet", Name=entity_set.name, EntityType=entity_set.type_name)
        for navigation in entity_set.navigation.values():
            if navigation.target.name in visible:
                _child(child, "NavigationPropertyBinding", Path=navigation.name, Target=navigation.target.name)
        _annotate(child, capabilities.of_set(entity_set, features))
    _annotate(element, capabilities.of_container(model.exposure.description, features))


def _annotate(parent: Element, annotations: Iterable[Annotation]) -> None:
    for annotation in annotations:
        _expression(_child(parent, "Annotation", Term=annotation.term), annotation.value)


def _expression(element: Element, value: Value) -> None:
    """A constant becomes an attribute of its element, anything else a child."""
    match value:
        case bool():
            element.set("Bool", _boolean(value))
        case int():
            element.set("Int", str(value))
        case str():
            element.set("String", value)
        case Strings():
            _texts(element, "String", value.values)
        case PropertyPaths():
            _texts(element, "PropertyPath", value.names)
        case Record():
            record = _child(element, "Record")
            for name, inner in value.properties:
                _expression(_child(record, "PropertyValue", Property=name), inner)
        case _:
            assert_never(value)


def _texts(element: Element, tag: str, texts: tuple[str, ...]) -> None:
    collection = _child(element, "Collection")
    for text in texts:
        _child(collection, tag).text = text


def _child(parent: Element, tag: str, **attributes: str) -> Element:
    return etree.SubElement(parent, f"{{{EDM}}}{tag}", attributes)


def _boolean(value: bool) -> str:
    return "true" if value else "false"
