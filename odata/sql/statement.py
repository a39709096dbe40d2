"""Statement: SQL text compiled once, where each of its parameters comes from, and what its columns are."""

from __future__ import annotations

from dataclasses import dataclass

from odata.sql.parameters import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """sql: with $1, $2 ...; parameters: one for each, in order. columns: names of the result's columns, by which
    `payload` reads the one row.

    A read of one entity by key gives no row where there is no entity. prepare: False where a parameter is a pattern: a
    plan made without knowing it scans the table or walks an index to its end (measured: 1 s instead of 1 ms on a
    million rows).
    """

    sql: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    prepare: bool | None = None
