"""Entity types <-> SQLAlchemy tables and columns, and the org predicate: the one place that adds it.

In: an Exposure's names. Out: Core tables and the predicate that limits a table to one org and to rows that are not
deleted.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
    bindparam,
    literal,
)  # fmt: skip
from sqlalchemy.sql.elements import BindParameter, ColumnElement
from sqlalchemy.sql.selectable import Alias, FromClause
from sqlalchemy.types import TypeEngine

from odata.edm.model import EntitySet, Model, Property
from odata.edm.types import PrimitiveType

ORG: BindParameter[str] = bindparam("org", type_=String())

SQL_TYPES: dict[str, TypeEngine[Any]] = {
    "Edm.String": Text(),
    "Edm.Boolean": Boolean(),
    "Edm.Byte": SmallInteger(),
    "Edm.SByte": SmallInteger(),
    "Edm.Int16": SmallInteger(),
    "Edm.Int32": Integer(),
    "Edm.Int64": BigInteger(),
    "Edm.Decimal": Numeric(),
    "Edm.Single": Float(24),
    "Edm.Double": Double(),
    "Edm.Guid": Uuid(as_uuid=False),
    "Edm.Date": Date(),
    "Edm.DateTimeOffset": DateTime(timezone=True),
    "Edm.TimeOfDay": Time(),
    "Edm.Duration": Interval(),
    "Edm.Binary": LargeBinary(),
}


def sql_type(type: PrimitiveType) -> TypeEngine[Any]:
    """SQL type of a primitive type; an enumeration type is held as text."""
    return SQL_TYPES.get(type.name, SQL_TYPES["Edm.String"])


class Mapping:
    """Tables of a Model. Statements are written over `alias(entity_set)` and always carry `predicate(alias,
    entity_set)`.

    collation: by which strings compare, sort and page; None where the columns carry it, which lets indexes serve.
    """

    def __init__(self, model: Model, collation: str | None = None) -> None:
        self.collation = collation
        metadata = MetaData()
        self._tables = {entry.name: _table(metadata, entry) for entry in model.sets.values()}
        self._sets = {self._tables[entry.name]: entry for entry in model.sets.values()}

    def alias(self, entity_set: EntitySet, name: str) -> Alias:
        """A fresh alias of the set's table. `sql.select` refuses to compile it without its predicate."""
        alias: Alias = self._tables[entity_set.name].alias(name)  # type: ignore[assignment]
        return alias

    def entity_set_of(self, alias: Alias) -> EntitySet | None:
        """The set whose table an alias stands for."""
        return self._sets.get(alias.element) if isinstance(alias.element, Table) else None

    def predicate(self, alias: Alias, entity_set: EntitySet) -> ColumnElement[bool]:
        """Rows of the caller's org that are not deleted. The bind parameter is named `org`."""
        exposed = entity_set.exposed
        own_org = alias.c[exposed.org_column] if exposed.org_column else literal(exposed.fixed_org, String())
        predicate = own_org == ORG
        if exposed.deleted_column:
            return predicate & alias.c[exposed.deleted_column].is_(None)
        return predicate

    def column(self, alias: FromClause, property: Property) -> ColumnElement[Any]:
        """The column as stored, of a table or of a page that carries it; see Property.storage."""
        column: ColumnElement[Any] = alias.c[property.exposed.column]
        return column


def _table(metadata: MetaData, entry: EntitySet) -> Table:
    exposed = entry.exposed
    columns: dict[str, Column[Any]] = {}
    for item in entry.properties.values():
        columns[item.exposed.column] = Column(item.exposed.column, sql_type(item.storage), nullable=item.nullable)
    for hidden in (exposed.org_column, exposed.deleted_column, exposed.version_column):
        if hidden and hidden not in columns:
            columns[hidden] = Column(hidden, Text())
    return Table(exposed.table, metadata, *columns.values(), schema=exposed.schema)
