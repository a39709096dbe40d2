"""The entity model as a graph: made once from an Exposure, compared by identity, never changed afterwards.

In: an Exposure and how dates are published. Out: a Model whose sets, properties and navigation properties point at each
other. Knows no SQL. Standard: CSDL, "Entity Model".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from odata.edm.types import PRIMITIVE_TYPES, PrimitiveType, enum_member
from odata.exposure import ExposedEnum, ExposedNavigation, ExposedProperty, ExposedSet, Exposure, ExposureError


@dataclass(eq=False, frozen=True, slots=True, kw_only=True)
class EnumType(PrimitiveType):
    """An enumeration type; name is qualified. Members by name in order of declaration."""

    members: dict[str, int] = field(default_factory=dict)
    description: str = ""

    def convert(self, kind: str, text: str) -> str:
        """The member's name, which is what the column holds."""
        return enum_member(self, self.members, text)


@dataclass(eq=False, slots=True)
class Property:
    """A structural property: type as published, storage as the column holds it (they differ for published dates)."""

    exposed: ExposedProperty
    type: PrimitiveType
    storage: PrimitiveType
    is_key: bool = False

    @property
    def name(self) -> str:
        return self.exposed.name

    @property
    def nullable(self) -> bool:
        return self.exposed.nullable and not self.is_key

    @property
    def sortable(self) -> bool:
        """Properties longer than 1,024 characters are never sorted by."""
        return self.exposed.sortable and (self.exposed.max_length or 0) <= 1024


@dataclass(eq=False, slots=True)
class NavigationProperty:
    """A navigation property; on: pairs (property of the source type, property of the target type) that are equal."""

    exposed: ExposedNavigation
    source: EntitySet
    target: EntitySet
    on: tuple[tuple[Property, Property], ...]

    @property
    def name(self) -> str:
        return self.exposed.name

    @property
    def collection(self) -> bool:
        return self.exposed.collection


@dataclass(eq=False, slots=True)
class EntitySet:
    """An entity set with its one entity type; properties and navigation by name, in order of declaration."""

    exposed: ExposedSet
    namespace: str
    properties: dict[str, Property]
    key: tuple[Property, ...]
    navigation: dict[str, NavigationProperty] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.exposed.name

    @property
    def type_name(self) -> str:
        """Qualified name of the entity type."""
        return f"{self.namespace}.{self.exposed.type_name}"

    @property
    def searchable(self) -> tuple[Property, ...]:
        return tuple(entry for entry in self.properties.values() if entry.exposed.searchable)


@dataclass(eq=False, slots=True)
class Model:
    """Everything $metadata says; sets by name, enums by qualified name."""

    exposure: Exposure
    sets: dict[str, EntitySet]
    enums: dict[str, EnumType]

    @property
    def namespace(self) -> str:
        return self.exposure.namespace


def build(exposure: Exposure, *, date_type: str = "Edm.Date") -> Model:
    """Make the graph.

    Args:   date_type: how Date columns are published: Edm.Date, Edm.DateTimeOffset or Edm.String (a Salesforce
    setting).
    Raises: ExposureError for references to what does not exist (types, properties, sets).
    """
    enums = {f"{exposure.namespace}.{entry.name}": _enum(exposure.namespace, entry) for entry in exposure.enums}
    sets = {entry.name: _entity_set(exposure.namespace, entry, enums, date_type) for entry in exposure.sets}
    for entry in sets.values():
        entry.navigation.update({nav.name: _navigation(nav, entry, sets) for nav in entry.exposed.navigation})
    return Model(exposure, sets, enums)


def _enum(namespace: str, entry: ExposedEnum) -> EnumType:
    return EnumType(
        name=f"{namespace}.{entry.name}",
        family="enum",
        members={member.name: member.value for member in entry.members},
        description=entry.description,
    )


def _entity_set(namespace: str, entry: ExposedSet, enums: dict[str, EnumType], date_type: str) -> EntitySet:
    properties = {item.name: _property(namespace, entry, item, enums, date_type) for item in entry.properties}
    missing = [name for name in entry.key if name not in properties]
    if missing:
        raise ExposureError(f"{entry.name}: key property {missing[0]} is no property of the set")
    return EntitySet(entry, namespace, properties, tuple(properties[name] for name in entry.key))


def _property(
    namespace: str, entry: ExposedSet, item: ExposedProperty, enums: dict[str, EnumType], date_type: str
) -> Property:
    storage = PRIMITIVE_TYPES.get(item.type) or enums.get(f"{namespace}.{item.type}")
    if storage is None:
        raise ExposureError(f"{entry.name}.{item.name}: unknown type {item.type}")
    published = PRIMITIVE_TYPES[date_type] if item.type == "Edm.Date" else storage
    if published.name == "Edm.String" and item.max_length is None and storage is not published:
        item = replace(item, max_length=10)
    return Property(item, published, storage, item.name in entry.key)


def _navigation(nav: ExposedNavigation, source: EntitySet, sets: dict[str, EntitySet]) -> NavigationProperty:
    target = sets.get(nav.target)
    if target is None:
        raise ExposureError(f"{source.name}.{nav.name}: no entity set {nav.target}")
    try:
        on = tuple((source.properties[here], target.properties[there]) for here, there in nav.on)
    except KeyError as missing:
        raise ExposureError(f"{source.name}.{nav.name}: no property {missing.args[0]}") from None
    return NavigationProperty(nav, source, target, on)
