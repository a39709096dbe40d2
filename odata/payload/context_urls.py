"""Context URLs: the shape of an answer -> the text after "@odata.context". Knows no plan and no data.

Standard: Protocol, "Context URL". The fragment is not percent-encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from odata.payload.formats import Version


@dataclass(frozen=True, slots=True)
class Shape:
    """What entities of a set are written with. select: names as in $metadata or "*", None without $select."""

    entity_set: str
    select: tuple[str, ...] | None = None
    expands: tuple[Expansion, ...] = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """One expanded navigation property. recursive: with $levels. reference: only /$ref or /$count of it is written."""

    name: str
    shape: Shape
    recursive: bool = False
    reference: bool = False


def context_url(service_root: str, shape: Shape, *, version: Version, entity: bool = False) -> str:
    """The context URL of a collection of entities, or of a single one.

    Args:    service_root: absolute, with or without the slash at its end.
    Example: context_url("http://h/v4/", Shape("Quotes", ("Id",)), version="4.0", entity=True)
             == "http://h/v4/$metadata#Quotes(Id)/$entity"
    """
    fragment = shape.entity_set + _parenthesised(_items(shape, version))
    return f"{metadata_url(service_root)}#{fragment}{'/$entity' if entity else ''}"


def metadata_url(service_root: str) -> str:
    """Where the metadata document is; the context URL of the service document."""
    return f"{service_root.rstrip('/')}/$metadata"


def references_url(service_root: str) -> str:
    """The context URL of a collection of entity references."""
    return f"{metadata_url(service_root)}#Collection($ref)"


def reference_url(service_root: str) -> str:
    """The context URL of one entity reference."""
    return f"{metadata_url(service_root)}#$ref"


def property_url(service_root: str, entity: str, path: str) -> str:
    """The context URL of one property.

    Args:    entity: canonical URL of the entity relative to the service root, not percent-encoded.
    Example: property_url("http://h/v4/", "Quotes(7)", "Status") == "http://h/v4/$metadata#Quotes(7)/Status"
    """
    return f"{metadata_url(service_root)}#{entity}/{path}"


def type_url(service_root: str, type_name: str, *, collection: bool = False) -> str:
    """The context URL of a value, or a collection of values, that is no property of an entity with a canonical URL."""
    return f"{metadata_url(service_root)}#{f'Collection({type_name})' if collection else type_name}"


def _items(shape: Shape, version: Version) -> tuple[str, ...]:
    """Selected names, then expanded ones; expanded references stand nowhere."""
    expanded = (_expanded(entry, version) for entry in shape.expands if not entry.reference)
    return (*(shape.select or ()), *(text for text in expanded if text))


def _expanded(entry: Expansion, version: Version) -> str:
    """4.0 leaves out what is expanded whole; 4.01 writes it with empty parentheses."""
    whole = entry.shape.select is None and not entry.shape.expands
    if whole and version == "4.0":
        return ""
    return f"{entry.name}{'+' if entry.recursive else ''}({','.join(_items(entry.shape, version))})"


def _parenthesised(items: tuple[str, ...]) -> str:
    return f"({','.join(items)})" if items else ""
