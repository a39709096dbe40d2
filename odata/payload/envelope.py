"""payload.write: what stands around the JSON that the database wrote: context, count, links.

In: a plan, its Frame (all that is the same for every URL of the shape) and the statement's row. Out: an Answer. Joins
bytes, reads no value.
Standard: JSON Format, "Collection of Entities", "Individual Property or Operation Response", "Control Information".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from odata.edm.types import type_annotation
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
    """context: of entities, b"" under metadata=none. prefix: of control information, with its "@"."""

    format: Format
    root: str
    context: bytes
    prefix: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """status 200 or 204. body: parts to join, none copied here. rows: of the page, for the log. etag: of an entity.

    etag_covers: whether the ETag changes with all that the body shows: not with entities expanded into it.
    """

    status: int = 200
    body: tuple[bytes | memoryview, ...] = ()
    rows: int = 1
    etag: str | None = None
    etag_covers: bool = True


NextLink: TypeAlias = Callable[[tuple[str | None, ...], int], str]
"""(values of the skip token, rows of this page) -> absolute URL of the next page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForRequest:
    """What differs between requests of one shape. segments: of the resource path, decoded.

    next_link: asked only when more follows. row_bytes: limit for one entity.
    """

    segments: tuple[str, ...]
    next_link: NextLink
    row_bytes: int

    @property
    def path(self) -> str:
        return "/".join(self.segments)


def frame(plan: ReadPlan, format: Format, root: str) -> Frame:
    """What every answer of a shape shares; the context of a property names its entity and is made for each answer."""
    prefix = f"@{format.prefix}".encode()
    context = b""
    if format.metadata != "none" and plan.kind in ("collection", "entity"):
        context = _context(prefix, _context_url(plan, format, root))
    return Frame(format=format, root=root, context=context, prefix=prefix)


def _context(prefix: bytes, url: str) -> bytes:
    return b'"' + prefix + b'context":' + _quoted(url)


def _context_url(plan: ReadPlan, format: Format, root: str) -> str:
    if plan.selection.references:
        return reference_url(root) if plan.kind == "entity" else references_url(root)
    return context_url(root, _shape(plan.selection), version=format.version, entity=plan.kind == "entity")


def _shape(selection: Selection, repeated: str | None = None) -> Shape:
    """repeated: the navigation property that $levels expands again here; "+" has said so already."""
    return Shape(
        selection.variable.set.name,
        selection.listed,
        tuple(
            Expansion(
                item.name,
                _shape(item.selection, item.name if item.recursive else None),
                reference=item.mode != "entities",
                recursive=item.recursive,
            )
            for item in selection.expansions
            if item.name != repeated
        ),
    )


def _quoted(text: str) -> bytes:
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def write(plan: ReadPlan, frame: Frame, row: Row | None, here: ForRequest) -> Answer:
    """The answer for one row of the statement.

    Raises: NotFound (404) when the path leads to nothing; PayloadTooLarge (413) for one entity above the limit.
    """
    if row is None or row.get("parent") is False:
        raise NotFound(f"There is nothing at {here.path}.", target=here.path)
    return WRITERS[plan.kind](plan, frame, row, here)


def _collection(plan: ReadPlan, frame: Frame, row: Row, here: ForRequest) -> Answer:
    seen, kept = _number(row["seen"]), _number(row["kept"])
    value = _value_of_collection(row)
    if plan.paged and kept > plan.rows:
        body = _body(row)
        value, kept = [memoryview(body)[: body.rindex(ROW_SEPARATOR)], b"]"], plan.rows
    size = sum(map(len, value))
    if kept == 1 and size > here.row_bytes:
        raise _too_large(f"the order keys {_keys(plan, row)}", plan, size, here)
    parts: list[bytes | memoryview] = [b"{"]
    if frame.context:
        parts += [frame.context, b","]
    if plan.count:
        total = str(row["count"]).encode()
        parts += [b'"', frame.prefix, b'count":', b'"' + total + b'"' if frame.format.ieee754 else total, b","]
    parts += [b'"value":', *value]
    if seen > kept:
        parts += [b',"', frame.prefix, b'nextLink":', _quoted(here.next_link(_boundary(plan, row), kept))]
    parts.append(b"}")
    return Answer(body=tuple(parts), rows=kept)


def _value_of_collection(row: Row) -> list[bytes | memoryview]:
    """The array: written whole by the database, or its objects only."""
    if "objects" not in row:
        return [_body(row)]
    objects = row["objects"]
    if objects is None:
        return [b"[]"]
    assert isinstance(objects, bytes)
    return [b"[", objects, b"]"]


def _too_large(which: str, plan: ReadPlan, size: int, here: ForRequest) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The entity of {plan.set.name} with {which} has {size} bytes of JSON; the limit is {here.row_bytes}. "
        "Leave properties or expansions out."
    )


def _keys(plan: ReadPlan, row: Row) -> tuple[str | None, ...]:
    return _boundary(plan, row)[: len(plan.order)]


def _boundary(plan: ReadPlan, row: Row) -> tuple[str | None, ...]:
    """What the next page must know: the order keys of the last row, and the moment where the order has one."""
    return tuple(_text(row.get(f"after_{index}")) for index in range(len(plan.order) + plan.of_a_moment))


def _entity(plan: ReadPlan, frame: Frame, row: Row, here: ForRequest) -> Answer:
    if row["body"] is None:
        return Answer(status=204, rows=0)
    body = _body(row)
    if len(body) > here.row_bytes:
        raise _too_large(f"the path {here.path}", plan, len(body), here)
    separator = b"," if frame.context and body != b"{}" else b""
    shown = (b"{", frame.context, separator, memoryview(body)[1:])
    return Answer(body=shown, etag=_text(row.get("etag")), etag_covers=not plan.selection.expansions)


def _property(plan: ReadPlan, frame: Frame, row: Row, here: ForRequest) -> Answer:
    assert plan.of_property is not None
    if row["body"] is None:
        return Answer(status=204, rows=0)
    control = b""
    if frame.format.metadata != "none":
        control = _context(frame.prefix, _property_context(plan, frame, here)) + b","
    annotation = type_annotation(plan.of_property.type, hash_sign=frame.prefix != b"@")
    if frame.format.metadata == "full" and annotation is not None:
        control += b'"' + frame.prefix + b'type":' + _quoted(annotation) + b","
    return Answer(body=(b"{", control, b'"value":', _body(row), b"}"), etag=_text(row.get("etag")))


def _property_context(plan: ReadPlan, frame: Frame, here: ForRequest) -> str:
    assert plan.of_property is not None
    if len(plan.steps) == 1:
        return property_url(frame.root, here.segments[0], plan.of_property.name)
    return type_url(frame.root, plan.of_property.type.name)


def _value(plan: ReadPlan, frame: Frame, row: Row, here: ForRequest) -> Answer:
    if row["body"] is None:
        return Answer(status=204, rows=0)
    return Answer(body=(_body(row),), etag=_text(row.get("etag")))


def _count(plan: ReadPlan, frame: Frame, row: Row, here: ForRequest) -> Answer:
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
