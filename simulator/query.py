"""Query -> records as the REST API writes them, in pages.

`plan` binds the names of a query to an org's objects and refuses those that are not there; a Plan then finds rows, by
an index where a condition allows it, and renders them. What the user may not see is not found; a lookup to it is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from odata.edm.record_ids import widen_record_id
from simulator import soql
from simulator.computed import COMPUTED
from simulator.describe import Field, SObject
from simulator.errors import SalesforceError
from simulator.session import Session
from simulator.soql import Both, Comparison, Condition, Literal, Not, Path, Query
from simulator.store import INDEXED, Row

Getter = Callable[[Row], Any]
Test = Callable[[Row], bool]
Render = Callable[[Row], dict[str, Any]]
MOST_OFFSET: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A query bound to an org and a user. rows: what it finds, in order; render: one record of the answer."""

    count: bool
    rows: Callable[[], list[Row]]
    render: Render


def plan(session: Session, query: Query, *, base: str, pages: Pages, deleted: bool = False) -> Plan:
    """Bind a query. base: "/services/data/v64.0"; pages: where the rest of long sub-selects is kept.

    deleted: whether it finds records of the recycle bin too.

    Raises: SalesforceError INVALID_TYPE, INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR, NUMBER_OUTSIDE_VALID_RANGE.
    """
    sobject = session.object(query.source)
    if sobject is None:
        raise SalesforceError(
            400, "INVALID_TYPE", f"sObject type '{query.source}' is not supported. If you are attempting to use "
            "a custom object, be sure to append the '__c' after the entity name."
        )  # fmt: skip
    if not sobject.queryable:
        raise SalesforceError(400, "INVALID_TYPE_FOR_OPERATION", f"entity type {sobject.name} does not support query")
    if query.offset > MOST_OFFSET:
        raise SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MOST_OFFSET}")
    binder = Binder(session, base=base, pages=pages)
    find = binder.finder(sobject, query)

    def rows() -> list[Row]:
        return find([*session.store.rows(sobject.name), *session.store.bin(sobject.name)] if deleted else None)

    return Plan(count=query.count, rows=rows, render=binder.render(sobject, query.fields))


class Binder:
    """Turns names into functions over rows, for one user."""

    def __init__(self, session: Session, *, base: str, pages: Pages) -> None:
        self._session = session
        self._store = session.store
        self._base = base
        self._pages = pages

    def finder(self, sobject: SObject, query: Query) -> Callable[[Iterable[Row] | None], list[Row]]:
        """A function that filters, sorts and cuts rows: those given, or the object's."""
        test = self.test(sobject, query.where) if query.where is not None else None
        candidates = self._candidates(sobject, query.where)
        keys = [(self.value(sobject, term.path)[0], term) for term in query.order]
        name = sobject.name

        def find(among: Iterable[Row] | None) -> list[Row]:
            rows = candidates() if among is None else among
            found = [row for row in rows if (test is None or test(row)) and self._session.sees(name, row)]
            for value, term in reversed(keys):
                found.sort(key=lambda row: _sort_key(value(row)), reverse=term.descending)
                found.sort(key=lambda row: (value(row) is None) == term.nulls_last)
            end = None if query.limit is None else query.offset + query.limit
            return found[query.offset : end]

        return find

    def _candidates(self, sobject: SObject, where: Condition | None) -> Callable[[], Iterable[Row]]:
        parts = where.parts if isinstance(where, Both) and where.operator == "AND" else (where,)
        for part in parts:
            if isinstance(part, Comparison) and len(part.path) == 1 and part.operator in ("=", "IN"):
                field = sobject.fields.get(part.path[0].lower())
                if field is not None and all(literal.value is not None for literal in part.values):
                    values = list(dict.fromkeys(widen_record_id(str(literal.value)) for literal in part.values))
                    if field.name == "Id":
                        return lambda: (row for v in values if (row := self._store.get(sobject.name, v)) is not None)
                    if (sobject.name, field.name) in INDEXED:
                        return lambda: (row for v in values for row in self._store.find(sobject.name, field.name, v))
        return lambda: self._store.rows(sobject.name)

    def render(self, sobject: SObject, fields: Iterable[Path | Query]) -> Render:
        """A function that writes one record with these fields, dotted ones as nested objects."""
        tree: dict[str, Any] = {}
        for selected in fields:
            if isinstance(selected, Query):
                name, write = self._children(sobject, selected)
                tree[name.lower()] = (name, write)
            else:
                _plant(tree, selected)
        return self._branch(sobject, tree)

    def _branch(self, sobject: SObject, tree: dict[str, Any]) -> Render:
        writers: list[tuple[str, Getter]] = []
        for name, leaf in tree.items():
            if leaf is None:
                field = self.field(sobject, name)
                writers.append((field.name, self._getter(sobject, field)))
            elif isinstance(leaf, dict):
                lookup = self.lookup(sobject, name)
                target = self._target(lookup)
                writers.append((lookup.relationship, self._nested(sobject, lookup, target, self._branch(target, leaf))))
            else:
                writers.append(leaf)
        url = f"{self._base}/sobjects/{sobject.name}/"

        def write(row: Row) -> dict[str, Any]:
            record: dict[str, Any] = {"attributes": {"type": sobject.name, "url": url + row["Id"]}}
            for name, value in writers:
                record[name] = value(row)
            return record

        return write

    def _nested(self, sobject: SObject, lookup: Field, target: SObject, write: Render) -> Getter:
        get = self._getter(sobject, lookup)

        def nested(row: Row) -> dict[str, Any] | None:
            found = self._store.get(target.name, get(row))
            return write(found) if found is not None and self._session.sees(target.name, found) else None

        return nested

    def _children(self, sobject: SObject, query: Query) -> tuple[str, Getter]:
        relation = next((child for child in sobject.children if child.name.lower() == query.source.lower()), None)
        child = self._session.object(relation.child) if relation is not None else None
        if relation is None or child is None:
            raise _unknown_relationship(query.source, "FROM part of query call")
        find, write = self.finder(child, query), self.render(child, query.fields)
        fk = self.field(child, relation.field)
        get = self._getter(child, fk)
        indexed = (child.name, fk.name) in INDEXED

        def children(row: Row) -> dict[str, Any] | None:
            if indexed:
                rows = find(self._store.find(child.name, fk.name, row["Id"]))
            else:
                rows = find(r for r in self._store.rows(child.name) if get(r) == row["Id"])
            return self._pages.first(rows, write, base=self._base, nested=True) if rows else None

        return relation.name, children

    def test(self, sobject: SObject, condition: Condition) -> Test:
        """A condition as a function."""
        match condition:
            case Both(operator, parts):
                tests = [self.test(sobject, part) for part in parts]
                if operator == "AND":
                    return lambda row: all(test(row) for test in tests)
                return lambda row: any(test(row) for test in tests)
            case Not(part):
                inner = self.test(sobject, part)
                return lambda row: not inner(row)
            case Comparison(path, operator, literals):
                get, field = self.value(sobject, path)
                values = [_value(field, literal) for literal in literals]
                return _COMPARE[operator](_comparable(field, get), values)

    def value(self, sobject: SObject, path: Path) -> tuple[Getter, Field]:
        """A dotted path as a function; through a lookup that is null or not to be seen it is null."""
        if len(path) == 1:
            field = self.field(sobject, path[0])
            return self._getter(sobject, field), field
        lookup = self.lookup(sobject, path[0])
        target = self._target(lookup)
        follow = self._getter(sobject, lookup)
        rest, field = self.value(target, path[1:])

        def get(row: Row) -> Any:
            found = self._store.get(target.name, follow(row))
            return None if found is None or not self._session.sees(target.name, found) else rest(found)

        return get, field

    def field(self, sobject: SObject, name: str) -> Field:
        """The field of this name, in any case."""
        field = sobject.fields.get(name.lower())
        if field is None:
            raise SalesforceError(
                400, "INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'. If you are attempting to "
                "use a custom field, be sure to append the '__c' after the custom field name. Please reference your "
                "WSDL or the describe call for the appropriate names."
            )  # fmt: skip
        return field

    def lookup(self, sobject: SObject, name: str) -> Field:
        """The lookup whose relationship has this name."""
        for field in sobject.fields.values():
            if field.relationship and field.relationship.lower() == name.lower():
                return field
        raise _unknown_relationship(name, "field path")

    def _target(self, lookup: Field) -> SObject:
        target = self._session.object(lookup.reference_to)
        if target is None:
            raise _unknown_relationship(lookup.relationship, "field path")
        return target

    def _getter(self, sobject: SObject, field: Field) -> Getter:
        name, store = field.name, self._store
        compute = COMPUTED.get((sobject.name, name))
        if compute is not None:
            return lambda row: compute(store, row)
        if field.type == "boolean":
            return lambda row: row.get(name) or False
        return lambda row: row.get(name)


class Pages:
    """Answers of more records than fit a page, until they are asked for. size, child_size: records of a page."""

    KEPT: Final = 200

    def __init__(self, *, size: int = 2_000, child_size: int = 2_000) -> None:
        self.size = size
        self.child_size = child_size
        self._kept: dict[str, tuple[list[Row], Render, int]] = {}
        self._number = 0

    def first(self, rows: list[Row], render: Render, *, base: str, nested: bool = False) -> dict[str, Any]:
        """The first page, and the address of the next one if there is one."""
        size = self.child_size if nested else self.size
        if len(rows) <= size:
            return {"totalSize": len(rows), "done": True, "records": [render(row) for row in rows]}
        self._number += 1
        locator = f"01g{self._number:012d}"
        self._kept[locator] = rows, render, size
        while len(self._kept) > self.KEPT:
            self._kept.pop(next(iter(self._kept)))
        return self._page(locator, 0, base)

    def next(self, cursor: str, *, base: str) -> dict[str, Any]:
        """The page of a cursor. Raises: SalesforceError INVALID_QUERY_LOCATOR."""
        locator, _, offset = cursor.rpartition("-")
        if locator not in self._kept or not offset.isdigit() or int(offset) >= len(self._kept[locator][0]):
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(locator, int(offset), base)

    def _page(self, locator: str, offset: int, base: str) -> dict[str, Any]:
        rows, render, size = self._kept[locator]
        end = offset + size
        page: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows)}
        if end < len(rows):
            page["nextRecordsUrl"] = f"{base}/query/{locator}-{end}"
        page["records"] = [render(row) for row in rows[offset:end]]
        return page


def run(session: Session, text: str, *, base: str, pages: Pages, deleted: bool = False) -> dict[str, Any]:
    """The answer to a query's text: its first page."""
    bound = plan(session, soql.parse(text), base=base, pages=pages, deleted=deleted)
    rows = bound.rows()
    if bound.count:
        return {"totalSize": len(rows), "done": True, "records": []}
    return pages.first(rows, bound.render, base=base)


def _plant(tree: dict[str, Any], path: Path) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name.lower(), {})
    tree[path[-1].lower()] = None


def _unknown_relationship(name: str, where: str) -> SalesforceError:
    message = (
        f"Didn't understand relationship '{name}' in {where}. If you are attempting to use a custom relationship, "
    )
    return SalesforceError(
        400, "INVALID_FIELD", message + "be sure to append the '__r' after the custom relationship name."
    )


_TEXTS: Final = frozenset({"string", "picklist"})
_NUMBERS: Final = frozenset({"double", "currency", "percent", "int"})
_KINDS: Final[dict[str, frozenset[str]]] = {
    "string": _TEXTS | {"id", "reference"},
    "number": _NUMBERS,
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
}
_RECORD_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def _value(field: Field, literal: Literal) -> Any:
    """What a literal means for a field of this type."""
    if field.type in ("textarea", "address"):
        raise SalesforceError(400, "INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
    if literal.value is None:
        return None
    if field.type not in _KINDS[literal.kind]:
        quoted = " and should be enclosed in quotes" if field.type in _TEXTS else ""
        message = f"value of filter criterion for field '{field.name}' must be of type {field.type}{quoted}"
        raise SalesforceError(400, "INVALID_FIELD", message)
    if field.type in ("id", "reference"):
        text = str(literal.value)
        if text and not _RECORD_ID.fullmatch(text):
            raise SalesforceError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
        return widen_record_id(text) or None
    return literal.value.lower() if isinstance(literal.value, str) and field.type in _TEXTS else literal.value


def _comparable(field: Field, get: Getter) -> Getter:
    if field.type not in _TEXTS:
        return get
    return lambda row: value.lower() if isinstance(value := get(row), str) else value


def _sort_key(value: Any) -> Any:
    return (value is not None, value.lower() if isinstance(value, str) else value if value is not None else 0)


def _equal(get: Getter, values: list[Any]) -> Test:
    wanted = values[0]
    return lambda row: get(row) == wanted


def _among(get: Getter, values: list[Any]) -> Test:
    wanted = frozenset(values)
    return lambda row: get(row) in wanted


def _like(get: Getter, values: list[Any]) -> Test:
    pattern = re.compile("".join(_like_parts(str(values[0]))), re.DOTALL)
    return lambda row: isinstance(value := get(row), str) and pattern.fullmatch(value) is not None


def _like_parts(text: str) -> Iterator[str]:
    for piece in re.findall(r"\\[_%]|.", text, re.DOTALL):
        yield {"%": ".*", "_": "."}.get(piece) or re.escape(piece[-1])


def _compare(holds: Callable[[Any, Any], bool]) -> Callable[[Getter, list[Any]], Test]:
    def build(get: Getter, values: list[Any]) -> Test:
        wanted = values[0]
        return lambda row: wanted is not None and (value := get(row)) is not None and holds(value, wanted)

    return build


def _opposite(build: Callable[[Getter, list[Any]], Test]) -> Callable[[Getter, list[Any]], Test]:
    def opposite(get: Getter, values: list[Any]) -> Test:
        test = build(get, values)
        return lambda row: not test(row)

    return opposite


_COMPARE: Final[dict[str, Callable[[Getter, list[Any]], Test]]] = {
    "=": _equal,
    "!=": _opposite(_equal),
    "IN": _among,
    "NOT IN": _opposite(_among),
    "LIKE": _like,
    "<": _compare(lambda a, b: a < b),
    "<=": _compare(lambda a, b: a <= b),
    ">": _compare(lambda a, b: a > b),
    ">=": _compare(lambda a, b: a >= b),
}
