"""Columns <-> JSON: how a stored value becomes the JSON that the standard asks for.

In: columns of a page. Out: expressions whose value is JSON. PostgreSQL writes it; Python never touches a value.
Standard: JSON Format, "Primitive Value" and "Control Information".
"""

from __future__ import annotations

from collections.abc import Callable
from json import dumps
from typing import Literal as OneOf
from typing import TypeAlias

from sqlalchemy import Date, Text, case, cast, extract, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, aggregate_order_by
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement

from odata.edm.model import EntitySet, Property
from odata.sql.context import Column, Columns
from odata.sql.rendition import Rendition

FIRST_MOMENT, LAST_MOMENT = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"


class Constant(ColumnElement[str]):
    """A text constant of the statement itself, quoted by SQLAlchemy; never a client's value."""

    inherit_cache = False
    type = Text()

    def __init__(self, text: str) -> None:
        self.text = text


@compiles(Constant)
def _constant(element: Constant, compiler: SQLCompiler, **_: object) -> str:
    return compiler.render_literal_value(element.text, element.type)


def constant(text: str) -> ColumnElement[str]:
    """A text constant of the statement."""
    return Constant(text)


def member_name(name: str) -> Constant:
    """The name of a JSON member and its colon, as a text constant."""
    return Constant(dumps(name, ensure_ascii=False) + ":")


# --- one value -------------------------------------------------------------------------------------------------------


def json_value(column: Column, property: Property, rendition: Rendition) -> Column:
    """The expression whose to_json is the property's JSON value."""
    if property.type is not property.storage:
        return PUBLISHED_DATES[property.type.name](_day(column, property))
    if rendition.ieee754 and property.type.name in ("Edm.Int64", "Edm.Decimal"):
        return cast(column, Text)
    form = JSON_FORMS.get(property.type.name)
    return form(column, property) if form else column


Literally: TypeAlias = OneOf["bare", "quoted", "text", "number"]
"""How the text of a value becomes JSON without a look at its type: as it is, in quotes, in quotes where no character
needs an escape, as it is unless it is no number (NaN)."""

MOST_LITERAL_CHARACTERS = 1024
"""Longer texts hold line breaks as a rule, and a look at them costs what an escape does."""


def literally(property: Property, rendition: Rendition) -> Literally | None:
    """How the stored value's own text is the JSON value; None where it is not, as for times."""
    name = property.type.name
    if property.type is not property.storage:
        return None
    if rendition.ieee754 and name in ("Edm.Int64", "Edm.Decimal"):
        return "quoted"
    if property.type.family == "enum":
        return "text"
    if name == "Edm.String" and not 0 < (property.exposed.max_length or 0) <= MOST_LITERAL_CHARACTERS:
        return None
    return LITERALLY.get(name)


LITERALLY: dict[str, Literally] = {
    "Edm.String": "text",
    "Edm.Guid": "quoted",
    "Edm.Byte": "bare",
    "Edm.SByte": "bare",
    "Edm.Int16": "bare",
    "Edm.Int32": "bare",
    "Edm.Int64": "bare",
    "Edm.Decimal": "number",
}


def _double(column: Column, _: Property) -> Column:
    """JSON has no infinities: INF and -INF as strings; PostgreSQL itself writes NaN as one."""
    written = cast(column, Text)
    as_string = func.to_json(func.replace(written, constant("Infinity"), constant("INF")))
    infinite = written.in_([constant("Infinity"), constant("-Infinity")])
    return case((infinite, as_string), else_=func.to_json(column))


def _moment(column: Column, property: Property) -> Column:
    """Values outside Edm's years, PostgreSQL's infinities among them, become the first and the last moment."""
    if property.exposed.computed:
        return column
    last, first = (cast(constant(text), TIMESTAMP(timezone=True)) for text in (LAST_MOMENT, FIRST_MOMENT))
    return case((column > last, last), (column < first, first), else_=column)


def _day(column: Column, _: Property) -> Column:
    last, first = (cast(constant(text), Date) for text in (LAST_DAY, FIRST_DAY))
    return case((column > last, last), (column < first, first), else_=column)


def duration_in_seconds(column: Column) -> Column:
    """A day-time duration in seconds, -PT90061.5S; an interval's months count as 30 days."""
    seconds = extract("epoch", column)
    sign = case((seconds < literal_column("0"), constant("-PT")), else_=constant("PT"))
    return sign + cast(func.trim_scale(func.abs(seconds)), Text) + constant("S")


def base64url(column: Column) -> Column:
    """base64url without line breaks."""
    return func.translate(func.encode(column, constant("base64")), constant("+/\n"), constant("-_"), type_=Text)


JSON_FORMS: dict[str, Callable[[Column, Property], Column]] = {
    "Edm.Single": _double,
    "Edm.Double": _double,
    "Edm.DateTimeOffset": _moment,
    "Edm.Date": _day,
    "Edm.Duration": lambda column, _: duration_in_seconds(column),
    "Edm.Binary": lambda column, _: base64url(column),
}

PUBLISHED_DATES: dict[str, Callable[[Column], Column]] = {
    "Edm.String": lambda column: cast(column, Text),
    "Edm.DateTimeOffset": lambda column: func.timezone(constant("UTC"), cast(column, TIMESTAMP)),
}


def raw_value(column: Column, property: Property, rendition: Rendition) -> Column:
    """The text of /$value: the JSON value without the quotes of a JSON string."""
    return func.to_json(json_value(column, property, rendition)).op("#>>")(cast(constant("{}"), ARRAY(Text)))


# --- ETags and ids ---------------------------------------------------------------------------------------------------


def etag(columns: Columns, entity_set: EntitySet) -> Column:
    """The weak ETag: of the version column, or of a hash of the whole row."""
    # Always the same columns in the same order: the ETag of an entity does not depend on what is selected.
    state, *others = (columns[name] for name in etag_columns(entity_set))
    if not entity_set.exposed.version_column:
        state = func.md5(cast(func.row(state, *others), Text))
    state = cast(state, Text)
    return constant('W/"') + state + constant('"')


def etag_columns(entity_set: EntitySet) -> tuple[str, ...]:
    """Names of the columns that `etag` reads."""
    version = entity_set.exposed.version_column
    return (version,) if version else tuple(item.exposed.column for item in entity_set.properties.values())


UNESCAPED = r"^[A-Za-z0-9._~!$'()*,:@=;-]$"


def entity_url(columns: Columns, entity_set: EntitySet) -> Column:
    """The canonical URL of an entity relative to the service root: Quotes(0190...) or Lines(A=1,B='x')."""
    named = len(entity_set.key) > 1
    url: Column = constant(f"{entity_set.name}(")
    for index, item in enumerate(entity_set.key):
        name = f"{item.name}=" if named else ""
        url = url + constant(("," if index else "") + name) if index or name else url
        url = url + _key_literal(columns[item.exposed.column], item)
    return url + constant(")")


def _key_literal(column: Column, property: Property) -> Column:
    if property.type is not property.storage:
        column = PUBLISHED_DATES[property.type.name](column)
    text: Column = cast(column, Text)
    if property.type.name == "Edm.DateTimeOffset":
        text = func.replace(
            func.to_json(column).op("#>>")(cast(constant("{}"), ARRAY(Text))), constant("+"), constant("%2B")
        )
    if property.type.name != "Edm.String":
        return text if property.type.family != "enum" else constant("'") + text + constant("'")
    return constant("'") + _percent_encoded(func.replace(text, constant("'"), constant("''"))) + constant("'")


def _percent_encoded(text: Column) -> Column:
    """A text as it may stand in a path segment of a URL: what needs it, as %XX of its UTF-8 bytes."""
    characters = func.regexp_split_to_table(text, constant("")).table_valued("c", with_ordinality="n").render_derived()
    character: Column = characters.c.c
    bytes_of = func.upper(func.encode(func.convert_to(character, constant("UTF8")), constant("hex")))
    escaped = func.regexp_replace(bytes_of, constant("(..)"), constant(r"%\1"), constant("g"))
    written = case((character.op("~")(constant(UNESCAPED)), character), else_=escaped)
    joined = func.string_agg(written, aggregate_order_by(constant(""), characters.c.n))
    return func.coalesce(select(joined).select_from(characters).scalar_subquery(), constant(""))
