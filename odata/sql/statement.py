"""Statement: SQL text compiled once, where each of its parameters comes from, and what its columns are."""

from __future__ import annotations

from dataclasses import dataclass

from odata.sql.parameters import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """sql: with $1, $2 ...; parameters: one for each, in order. columns: names of the result's columns, by which
    `payload` reads the one row.

    A read of one entity by key gives no row where there is no entity.
    """

    sql: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
