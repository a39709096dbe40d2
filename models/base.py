"""What every table of the gateway shares: the metadata, the column kinds, and how a column becomes a property.

In: columns as an entity file declares them. Out: Core tables in schema `gateway` and the ExposedProperty values made
from them. A column with a `doc` is shown by the service; one without stays hidden. Opens no connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Uuid,
    text,
)  # fmt: skip
from sqlalchemy.schema import SchemaItem

from odata.exposure import ExposedProperty

SCHEMA: Final = "gateway"
COLLATION: Final = "C"
"""Collation of every string column: strings compare, sort and page byte by byte (docs/decisions/collation.md)."""

metadata: Final = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_1_name)s",
        "pk": "pk_%(table_name)s",
    },
)

NOW: Final = text("now()")
NEW_ID: Final = text(f"{SCHEMA}.uuid_v7()")


def string(name: str, length: int, *, nullable: bool = True, default: str | None = None, doc: str | None = None,
           searchable: bool = False) -> Column[str]:  # fmt: skip
    """varchar(length) in byte order. searchable: takes part in $search and gets the indexes of search_indexes.py."""
    return Column(
        name,
        String(length, collation=COLLATION),
        nullable=nullable,
        server_default=None if default is None else text(f"'{default}'"),
        doc=doc,
        info={"searchable": searchable},
    )


def long_text(name: str, length: int, *, doc: str | None = None) -> Column[str]:
    """text limited to `length` characters by a CHECK; too long to be sorted by."""
    return Column(name, Text(collation=COLLATION), doc=doc, info={"max_length": length})


def record_id(name: str, *, nullable: bool = True, doc: str | None = None) -> Column[str]:
    """A Salesforce record id: 18 characters, its three last the checksum of the case of the others."""
    return Column(name, String(18, collation=COLLATION), nullable=nullable, doc=doc, info={"record_id": True})


def money(name: str, *, doc: str | None = None) -> Column[Any]:
    """An amount with two decimals, up to 10^16."""
    return Column(name, Numeric(18, 2), doc=doc)


def percent(name: str, *, nullable: bool = True, default: str | None = None, doc: str | None = None) -> Column[Any]:
    """A percentage with two decimals; 12.5 is 12.5 %."""
    return Column(
        name, Numeric(5, 2), nullable=nullable, server_default=None if default is None else text(default), doc=doc
    )


def count(name: str, *, nullable: bool = False, default: int = 0, doc: str | None = None) -> Column[int]:
    """A whole number that starts at `default`."""
    return Column(name, Integer, nullable=nullable, server_default=text(str(default)), doc=doc)


def date(name: str, *, nullable: bool = True, doc: str | None = None) -> Column[Any]:
    """A day without time zone."""
    return Column(name, Date, nullable=nullable, doc=doc)


def moment(name: str, *, nullable: bool = True, default: Any = None, doc: str | None = None) -> Column[Any]:
    """timestamptz, microseconds."""
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default, doc=doc)


def reference(name: str, *, nullable: bool = True, doc: str | None = None) -> Column[Any]:
    """The id of a row of another own table of the same org."""
    return Column(name, Uuid, nullable=nullable, doc=doc)


def own_table(name: str, *items: SchemaItem, key_doc: str | None = None) -> Table:
    """A table with the columns that all own tables have, keyed by (org_id, id).

    The org comes first in the key and in every index, so that rows of one org lie together and the table can be
    distributed by org. A record id column and a long text get their CHECK here.
    """
    columns = [item for item in items if isinstance(item, Column)]
    return Table(
        name,
        metadata,
        Column("id", Uuid, nullable=False, server_default=NEW_ID, doc=key_doc),
        record_id("org_id", nullable=False),
        *items,
        moment("created_at", nullable=False, default=NOW, doc=key_doc and "When the row was made."),
        moment("updated_at", nullable=False, default=NOW, doc=key_doc and "When the row last changed."),
        Column("row_version", BigInteger, nullable=False, server_default=text("1")),
        moment("deleted_at"),
        PrimaryKeyConstraint("org_id", "id"),
        CheckConstraint(f"{SCHEMA}.is_record_id(org_id) AND left(org_id, 3) = '00D'", name="org_id"),
        *(check for column in columns for check in _checks(column)),
    )


def _checks(column: Column[Any]) -> Iterable[CheckConstraint]:
    if column.info.get("record_id"):
        yield CheckConstraint(f"{SCHEMA}.is_record_id({column.name})", name=column.name)
    if "max_length" in column.info:
        yield CheckConstraint(f"char_length({column.name}) <= {column.info['max_length']}", name=column.name)


def listing(name: str, *columns: ColumnElement[Any] | Column[Any], where: ColumnElement[bool] | None = None) -> Index:
    """An index that a list reads in order: org first, key last, so that the order is total.

    It carries `deleted_at`, which every statement of the service asks for: a count then reads the index alone.
    """
    return Index(name, *columns, postgresql_include=["deleted_at"], postgresql_where=where)


def one_of(column: str, *values: str) -> CheckConstraint:
    """A CHECK that a status column holds one of the given words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def properties(table: Table) -> tuple[ExposedProperty, ...]:
    """The shown columns of a table as properties; `created_at`, `updated_at` and the id are set by the service."""
    return tuple(_property(column) for column in table.columns if column.doc)


def property_name(column_name: str) -> str:
    """quote_number -> QuoteNumber."""
    return "".join(part.capitalize() for part in column_name.split("_"))


COMPUTED: Final = frozenset({"id", "created_at", "updated_at"})


def _property(column: Column[Any]) -> ExposedProperty:
    edm, facets = _edm(column)
    return ExposedProperty(
        name=property_name(column.name),
        column=column.name,
        type=edm,
        nullable=bool(column.nullable),
        description=column.doc or "",
        record_id=bool(column.info.get("record_id")),
        searchable=bool(column.info.get("searchable")),
        folded_index=bool(column.info.get("searchable")),
        joined_index=bool(column.info.get("searchable")),
        sortable=(facets.get("max_length") or 0) <= 1024,
        computed=column.name in COMPUTED,
        max_length=facets.get("max_length"),
        precision=facets.get("precision"),
        scale=facets.get("scale"),
    )


def _edm(column: Column[Any]) -> tuple[str, dict[str, int | None]]:
    match column.type:
        case Uuid():
            return "Edm.Guid", {}
        case Text():
            return "Edm.String", {"max_length": column.info["max_length"]}
        case String():
            return "Edm.String", {"max_length": column.type.length}
        case Numeric():
            return "Edm.Decimal", {"precision": column.type.precision, "scale": column.type.scale}
        case DateTime():
            return "Edm.DateTimeOffset", {"precision": 6}
        case Date():
            return "Edm.Date", {}
        case Integer():
            return "Edm.Int32", {}
    raise TypeError(f"{column.table.name}.{column.name}: no property type for {column.type!r}")
