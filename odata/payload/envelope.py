"""payload.write: what stands around the JSON that the database wrote: context, count, links.

In: a plan, its Frame (all that is the same for every URL of the shape) and the statement's row. Out: an Answer. Joins
bytes, reads no value.
Standard: JSON Format, "Collection of Entities", "Individual Property or Operation Response", "Control Information".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from odata.errors import NotFound, PayloadTooLarge
from odata.payload.context_urls import (
    Expansion,
    Shape,
    context_url,
    property_url,
    reference_url,
    references_url,
    type_url,
)  # fmt: skip
from odata.payload.formats import Format
from odata.plan.plans import ReadPlan, Selection

Row: TypeAlias = Mapping[str, object]

ROW_SEPARATOR = b", \n "


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """context: of the answer, b"" under metadata=none. prefix: of control information, with its "@"."""

    format: Format
    context: bytes
    prefix: bytes
    nested_collections: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """status 200 or 204. body: parts to join. rows: of the page, for the log. etag: of a single entity."""

    status: int = 200
    body: tuple[bytes, ...] = ()
    rows: int = 1
    etag: str | None = None


NextLink: TypeAlias = Callable[[tuple[str | None, ...], int], str]
"""(order keys of the last row, rows of this page) -> absolute URL of the next page."""


def frame(plan: ReadPlan, format: Format, root: str, *, path: tuple[str, ...]) -> Frame:
    """What every answer of a shape shares. path: decoded segments of the resource path, for a property's context."""
    prefix = f"@{format.prefix}".encode()
    context = b""
    if format.metadata != "none" and plan.kind in ("collection", "entity", "property"):
        url = _context_url(plan, format, root, path)
        context = b'"' + prefix + b'context":' + _quoted(url)
    return Frame(format=format, context=context, prefix=prefix, nested_collections=_nests(plan.selection))


def _nests(selection: Selection) -> bool:
    return any(item.navigation.collection or _nests(item.selection) for item in selection.expansions)


def _context_url(plan: ReadPlan, format: Format, root: str, path: tuple[str, ...]) -> str:
    if plan.selection.references:
        return reference_url(root) if plan.kind == "entity" else references_url(root)
    if plan.kind == "property":
        assert plan.of_property is not None
        if len(plan.steps) == 1:
            return property_url(root, path[0], plan.of_property.name)
        return type_url(root, plan.of_property.type.name)
    return context_url(root, _shape(plan.selection), version=format.version, entity=plan.kind == "entity")


def _shape(selection: Selection) -> Shape:
    return Shape(
        selection.variable.set.name,
        selection.listed,
        tuple(
            Expansion(item.name, _shape(item.selection), reference=item.mode != "entities", recursive=item.recursive)
            for item in selection.expansions
        ),
    )


def _quoted(text: str) -> bytes:
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def write(plan: ReadPlan, frame: Frame, row: Row | None, next_link: NextLink, row_bytes: int) -> Answer:
    """The answer for one row of the statement.

    Args:   next_link: asked only when more follows. row_bytes: limit for one entity.
    Raises: NotFound (404) when the path leads to nothing; PayloadTooLarge (413) for one entity above the limit.
    """
    if row is None or row.get("parent") is False:
        raise NotFound(f"No such entity in {plan.steps[0].variable.set.name}.")
    return WRITERS[plan.kind](plan, frame, row, next_link, row_bytes)


def _collection(plan: ReadPlan, frame: Frame, row: Row, next_link: NextLink, row_bytes: int) -> Answer:
    body, seen, kept = _body(row), _number(row["seen"]), _number(row["kept"])
    if plan.paged and kept > plan.rows:
        body, kept = body[: body.rindex(ROW_SEPARATOR)] + b"]", plan.rows
    if kept == 1 and len(body) > row_bytes:
        raise PayloadTooLarge(
            f"One entity of {plan.set.name} has {len(body)} bytes of JSON; the limit is {row_bytes}. Its order key is "
            f"{_keys(plan, row)}; leave properties or expansions out."
        )
    parts = [b"{"]
    if frame.context:
        parts += [frame.context, b","]
    if plan.count:
        total = str(row["count"]).encode()
        parts += [b'"', frame.prefix, b'count":', b'"' + total + b'"' if frame.format.ieee754 else total, b","]
    parts += [b'"value":', body]
    if seen > kept:
        parts += [b',"', frame.prefix, b'nextLink":', _quoted(next_link(_keys(plan, row), kept))]
    parts.append(b"}")
    return Answer(body=tuple(parts), rows=kept)


def _keys(plan: ReadPlan, row: Row) -> tuple[str | None, ...]:
    return tuple(_text(row.get(f"after_{index}")) for index in range(len(plan.order)))


def _entity(plan: ReadPlan, frame: Frame, row: Row, next_link: NextLink, row_bytes: int) -> Answer:
    if row["body"] is None:
        return Answer(status=204, rows=0)
    body = _body(row)
    if len(body) > row_bytes:
        raise PayloadTooLarge(
            f"This entity of {plan.set.name} has {len(body)} bytes of JSON; the limit is {row_bytes}. "
            "Leave properties or expansions out."
        )
    separator = b"," if frame.context and body != b"{}" else b""
    return Answer(body=(b"{", frame.context, separator, body[1:]), etag=_text(row.get("etag")))


def _property(plan: ReadPlan, frame: Frame, row: Row, next_link: NextLink, row_bytes: int) -> Answer:
    if row["body"] is None:
        return Answer(status=204, rows=0)
    separator = b"," if frame.context else b""
    return Answer(body=(b"{", frame.context, separator, b'"value":', _body(row), b"}"), etag=_text(row.get("etag")))


def _value(plan: ReadPlan, frame: Frame, row: Row, next_link: NextLink, row_bytes: int) -> Answer:
    if row["body"] is None:
        return Answer(status=204, rows=0)
    return Answer(body=(_body(row),), etag=_text(row.get("etag")))


def _count(plan: ReadPlan, frame: Frame, row: Row, next_link: NextLink, row_bytes: int) -> Answer:
    return Answer(body=(str(row["count"]).encode(),))


WRITERS = {"collection": _collection, "entity": _entity, "property": _property, "value": _value, "count": _count}


def _body(row: Row) -> bytes:
    body = row["body"]
    assert isinstance(body, bytes)
    return body


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _text(value: object) -> str | None:
    return value.decode() if isinstance(value, bytes) else None
