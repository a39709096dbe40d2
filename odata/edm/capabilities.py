"""What the service can do, as annotations of $metadata: made from one value, so that they say what is really on.

In: `Features` and the model. Out: plain Annotation values; `csdl.py` writes them as XML. Knows no XML.
Standard: vocabularies Org.OData.Core.V1 and Org.OData.Capabilities.V1. ConformanceLevel is never stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from odata.edm.model import EntitySet, Property


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is on. functions: names of the canonical functions of $filter, in the order to publish.

    expand_levels: how deep $expand goes, its first level counted. insert, update, delete: for sets that are writable.
    """

    functions: tuple[str, ...] = ()
    filter: bool = True
    orderby: bool = True
    search: bool = True
    expand: bool = True
    expand_levels: int = 3
    count: bool = True
    top: bool = True
    skip: bool = True
    query_segment: bool = True
    insert: bool = False
    update: bool = False
    delete: bool = False
    batch: bool = False
    compute: bool = False
    change_tracking: bool = False
    key_as_segment: bool = False
    cross_join: bool = False
    asynchronous: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an annotation: names and values."""

    properties: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class PropertyPaths:
    """A collection of paths to properties."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Strings:
    """A collection of texts."""

    values: tuple[str, ...]


Value: TypeAlias = bool | int | str | Record | PropertyPaths | Strings


@dataclass(frozen=True, slots=True)
class Annotation:
    """term: with the alias of its vocabulary, "Core.Description"."""

    term: str
    value: Value


def of_container(description: str, features: Features) -> tuple[Annotation, ...]:
    """Annotations of the entity container: what holds for the whole service."""
    return (
        *of_description(description),
        Annotation("Core.ODataVersions", "4.0 4.01"),
        Annotation("Capabilities.SupportedFormats", Strings(_formats())),
        Annotation("Capabilities.SupportedMetadataFormats", Strings(("application/xml",))),
        Annotation("Capabilities.FilterFunctions", Strings(features.functions)),
        Annotation("Capabilities.QuerySegmentSupported", features.query_segment),
        Annotation("Capabilities.KeyAsSegmentSupported", features.key_as_segment),
        Annotation("Capabilities.BatchSupported", features.batch),
        Annotation("Capabilities.CrossJoinSupported", features.cross_join),
        Annotation("Capabilities.AsynchronousRequestsSupported", features.asynchronous),
        Annotation("Capabilities.ChangeTracking", Record((("Supported", features.change_tracking),))),
    )


def of_set(entity_set: EntitySet, features: Features) -> tuple[Annotation, ...]:
    """Annotations of one entity set: what each query option can do there."""
    properties = tuple(entity_set.properties.values())
    unfiltered = tuple(entry.name for entry in properties if not entry.exposed.filterable)
    unsorted = tuple(entry.name for entry in properties if not entry.sortable)
    searchable = features.search and bool(entity_set.searchable)
    expandable = features.expand and bool(entity_set.navigation)
    writable = entity_set.exposed.writable
    tracked = features.change_tracking and entity_set.exposed.tracked
    return (
        *of_description(entity_set.exposed.description),
        Annotation("Capabilities.FilterRestrictions", _restrictions("Filterable", features.filter, unfiltered)),
        Annotation("Capabilities.SortRestrictions", _restrictions("Sortable", features.orderby, unsorted)),
        Annotation("Capabilities.SearchRestrictions", Record((("Searchable", searchable),))),
        Annotation("Capabilities.ExpandRestrictions", _expand(expandable, features.expand_levels)),
        Annotation("Capabilities.CountRestrictions", Record((("Countable", features.count),))),
        Annotation("Capabilities.TopSupported", features.top),
        Annotation("Capabilities.SkipSupported", features.skip),
        Annotation("Capabilities.ComputeSupported", features.compute),
        Annotation("Capabilities.InsertRestrictions", Record((("Insertable", features.insert and writable),))),
        Annotation("Capabilities.UpdateRestrictions", Record((("Updatable", features.update and writable),))),
        Annotation("Capabilities.DeleteRestrictions", Record((("Deletable", features.delete and writable),))),
        Annotation("Capabilities.ChangeTracking", Record((("Supported", tracked),))),
    )


def of_property(entry: Property) -> tuple[Annotation, ...]:
    """Core.Computed: the service sets the value. Core.Immutable: a client sets it once, when it creates the entity."""
    computed = (Annotation("Core.Computed", True),) if entry.exposed.computed else ()
    immutable = (Annotation("Core.Immutable", True),) if entry.is_key and entry.exposed.writable else ()
    return (*of_description(entry.exposed.description), *computed, *immutable)


def of_description(text: str) -> tuple[Annotation, ...]:
    """Core.Description, unless the text is empty."""
    return (Annotation("Core.Description", text),) if text else ()


def _formats() -> tuple[str, ...]:
    return tuple(
        f"application/json;metadata={level};IEEE754Compatible={compatible}"
        for level in ("minimal", "full", "none")
        for compatible in ("false", "true")
    )


def _restrictions(flag: str, supported: bool, excluded: tuple[str, ...]) -> Record:
    if not supported or not excluded:
        return Record(((flag, supported),))
    return Record(((flag, True), (f"Non{flag}Properties", PropertyPaths(excluded))))


def _expand(expandable: bool, levels: int) -> Record:
    return Record((("Expandable", expandable), *((("MaxLevels", levels),) if expandable else ())))
