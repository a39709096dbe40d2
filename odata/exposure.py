"""Exposure: the one value that says what the service shows. Pure data: built in `models/`, or read from TOML.

Knows neither SQL nor HTTP. Every check that can be made at start-up is made by `edm.check`; its ExposureError lists all
that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumMember:
    """A member of an enumeration type."""

    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedEnum:
    """An enumeration type. The database column holds the member's name as text (a flags enum is not exposed)."""

    name: str
    members: tuple[EnumMember, ...]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedProperty:
    """One structural property and the column behind it.

    type: "Edm.String" and so on, or the bare name of an ExposedEnum of the same Exposure.
    record_id: an 18-character Salesforce record id; 15-character literals are widened.
    searchable: takes part in $search. writable: a client may set it. computed: the service sets it.
    folded_index: there is an index on (org, lower(column COLLATE "default") COLLATE "C"); startswith is then
    written for it instead of for a trigram index.
    joined_index: there is a trigram index on replace(lower(column COLLATE "default"), ' ', '') COLLATE "C"; contains,
    endswith, indexof and $search then ask it first (docs/decisions/patterns.md), and startswith without folded_index.
    """

    name: str
    column: str
    type: str = "Edm.String"
    nullable: bool = True
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    description: str = ""
    record_id: bool = False
    searchable: bool = False
    folded_index: bool = False
    joined_index: bool = False
    filterable: bool = True
    sortable: bool = True
    writable: bool = False
    computed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedNavigation:
    """A navigation property. on: pairs (property here, property of the target set) that are equal.

    collection: many targets. partner: the navigation property of the target that leads back.
    nullable (single-valued only): there may be nothing behind it.
    """

    name: str
    target: str
    on: tuple[tuple[str, str], ...]
    collection: bool = False
    partner: str | None = None
    nullable: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    """One property of a default order."""

    property: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedSet:
    """One entity set over one table or view, and its entity type.

    org_column: the column that names the org of a row; or fixed_org: every row belongs to that org. One of both.
    deleted_column: rows where it is not null are invisible. version_column: raised on each change, makes the weak ETag;
    without one the ETag is a hash of the row. default_order: used when the client sends no $orderby; the key follows.
    """

    name: str
    type_name: str
    table: str
    key: tuple[str, ...]
    properties: tuple[ExposedProperty, ...]
    navigation: tuple[ExposedNavigation, ...] = ()
    schema: str | None = None
    org_column: str | None = None
    fixed_org: str | None = None
    deleted_column: str | None = None
    version_column: str | None = None
    name_property: str | None = None
    default_order: tuple[OrderItem, ...] = ()
    description: str = ""
    writable: bool = False
    tracked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Everything the service shows. namespace and container name the schema of $metadata."""

    sets: tuple[ExposedSet, ...]
    enums: tuple[ExposedEnum, ...] = ()
    namespace: str = "Gateway"
    container: str = "Container"
    description: str = ""


class ExposureError(ValueError):
    """An Exposure that cannot be served; the message has one line for each violation."""
