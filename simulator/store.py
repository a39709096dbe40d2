"""The records of one org: tables of plain rows, a few indexes, undo, and a file that survives a restart.

Rows are dicts from field name to value as JSON has it (dates and times as text); a missing name is null. The tables
start as data.py makes them; the file holds only what has been changed since, and is written when a transaction ends.
There is one thread (app.py), so there is no lock.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from odata.edm.record_ids import widen_record_id

Row = dict[str, Any]
INDEXED: Final = frozenset(
    {
        ("Opportunity", "AccountId"),
        ("OpportunityLineItem", "OpportunityId"),
        ("PricebookEntry", "Pricebook2Id"),
        ("Quote", "OpportunityId"),
        ("Quote", "Gateway_Key__c"),
        ("QuoteLineItem", "QuoteId"),
        ("QuoteLineItem", "Gateway_Key__c"),
        ("SessionPermSetActivation", "UserId"),
        ("User", "Username"),
    }
)
FIRST_NEW: Final = 5_000_000_000
"""Numbers of records made later start here, far from those that the org starts with."""


class Store:
    """All records of one org."""

    def __init__(self, tables: Mapping[str, dict[str, Row]], *, pod: str, journal: Journal | None = None) -> None:
        self.tables: dict[str, dict[str, Row]] = dict(tables)
        self.deleted: dict[str, tuple[str, Row]] = {}
        """The recycle bin: object and record by id."""
        self._pod = pod
        self._numbers: dict[str, int] = {}
        self._indexes: dict[tuple[str, str], dict[Any, dict[str, None]]] = {}
        self._undo: list[tuple[str, str, Row | None]] = []
        self._depth = 0
        self._journal = journal
        if journal is not None:
            self._replay(journal)

    def _replay(self, journal: Journal) -> None:
        for type_name, record_id, row in journal.read():
            if type_name == "#":
                self._numbers[record_id] = row["n"] if row else 0
            elif row is None:
                gone = self.tables.get(type_name, {}).pop(record_id, None)
                self.deleted[record_id] = type_name, gone or {"Id": record_id}
            else:
                self.tables.setdefault(type_name, {})[record_id] = row

    def get(self, type_name: str, record_id: str | None) -> Row | None:
        """One record, or None; the id in its long form."""
        if record_id is None:
            return None
        return self.tables.get(type_name, {}).get(record_id)

    def rows(self, type_name: str) -> Iterable[Row]:
        """All records of an object, oldest first."""
        return self.tables.get(type_name, {}).values()

    def bin(self, type_name: str) -> list[Row]:
        """The deleted records of an object, as they were."""
        return [row | {"IsDeleted": True} for name, row in self.deleted.values() if name == type_name]

    def find(self, type_name: str, field: str, value: Any) -> list[Row]:
        """Records whose indexed field has this value. Example: find("QuoteLineItem", "QuoteId", quote_id)"""
        table = self.tables.get(type_name, {})
        return [table[record_id] for record_id in self._index(type_name, field).get(_key(field, value), ())]

    def _index(self, type_name: str, field: str) -> dict[Any, dict[str, None]]:
        index = self._indexes.get((type_name, field))
        if index is None:
            index = self._indexes[type_name, field] = {}
            for record_id, row in self.tables.get(type_name, {}).items():
                if (value := row.get(field)) is not None:
                    index.setdefault(_key(field, value), {})[record_id] = None
        return index

    def number(self, name: str) -> int:
        """The next number of a sequence, from 1. As in the org, what a failed transaction took is lost."""
        taken = self._numbers[name] = self._numbers.get(name, 0) + 1
        return taken

    def count_on(self, earlier: Store) -> None:
        """Go on where another store's sequences are."""
        self._numbers = dict(earlier._numbers)

    def new_id(self, prefix: str) -> str:
        """An id that no record has had."""
        return widen_record_id(f"{prefix}{self._pod}{FIRST_NEW + self.number(prefix):010d}")

    def put(self, type_name: str, row: Row) -> None:
        """Make a record, or replace the one with its Id."""
        self._change(type_name, row["Id"], row)

    def remove(self, type_name: str, record_id: str) -> None:
        """Delete a record."""
        row = self.get(type_name, record_id) or {"Id": record_id}
        self._change(type_name, record_id, None)
        self.deleted[record_id] = type_name, row

    def _change(self, type_name: str, record_id: str, row: Row | None) -> None:
        assert self._depth, "records change within a transaction"
        table = self.tables.setdefault(type_name, {})
        before = table.get(record_id)
        self._undo.append((type_name, record_id, before))
        self._set(type_name, record_id, before, row)

    def _set(self, type_name: str, record_id: str, before: Row | None, after: Row | None) -> None:
        table = self.tables[type_name]
        for key, index in self._indexes.items():
            if key[0] == type_name:
                old, new = (_key(key[1], row.get(key[1])) if row else None for row in (before, after))
                _reindex(index, record_id, old, new)
        if after is None:
            table.pop(record_id, None)
        else:
            table[record_id] = after

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Within: changes. An exception undoes those of this block; the outermost block writes them to the file."""
        mark = len(self._undo)
        self._depth += 1
        try:
            yield
        except BaseException:
            self._roll_back(mark)
            raise
        else:
            if self._depth == 1 and self._journal is not None:
                self._journal.write(self._changes())
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._undo.clear()

    def _roll_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            type_name, record_id, before = self._undo.pop()
            self._set(type_name, record_id, self.tables[type_name].get(record_id), before)
            if before is not None:
                self.deleted.pop(record_id, None)

    def _changes(self) -> list[tuple[str, str, Row | None]]:
        touched = {(type_name, record_id): None for type_name, record_id, _ in self._undo}
        if not touched:
            return []
        changes: list[tuple[str, str, Row | None]] = [(t, r, self.tables[t].get(r)) for t, r in touched]
        return changes + [("#", name, {"n": value}) for name, value in self._numbers.items()]


def _key(field: str, value: Any) -> Any:
    """External ids are found in any case; record ids only as they are."""
    return value.lower() if field.endswith("__c") and isinstance(value, str) else value


def _reindex(index: dict[Any, dict[str, None]], record_id: str, before: Any, after: Any) -> None:
    if before == after:
        return
    if before is not None and before in index:
        index[before].pop(record_id, None)
    if after is not None:
        index.setdefault(after, {})[record_id] = None


class Journal:
    """The changed records of one org in a SQLite file. What is written survives the end of the process."""

    def __init__(self, connection: sqlite3.Connection, org_id: str) -> None:
        self._connection = connection
        self._org_id = org_id

    def read(self) -> list[tuple[str, str, Row | None]]:
        """(object, id, row) of each changed record, oldest first; row None: deleted; object "#": a sequence."""
        found = self._connection.execute(
            "SELECT type, id, body FROM record WHERE org = ? ORDER BY rowid", (self._org_id,)
        )
        return [(type_name, record_id, orjson.loads(body) if body else None) for type_name, record_id, body in found]

    def write(self, changes: Iterable[tuple[str, str, Row | None]]) -> None:
        """Keep these changes, all or none."""
        rows = [(self._org_id, t, r, None if row is None else orjson.dumps(row)) for t, r, row in changes]
        with self._connection:
            self._connection.executemany(
                "INSERT INTO record (org, type, id, body) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (org, type, id) DO UPDATE SET body = excluded.body",
                rows,
            )

    def clear(self) -> None:
        """Forget everything."""
        with self._connection:
            self._connection.execute("DELETE FROM record WHERE org = ?", (self._org_id,))


def open_file(path: Path) -> sqlite3.Connection:
    """The file of changed records, made if need be. Synchronisation is off: the machine's crash is not simulated."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS record (org TEXT, type TEXT, id TEXT, body BLOB, UNIQUE (org, type, id))"
    )
    connection.commit()
    return connection
