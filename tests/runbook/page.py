"""docs/runbook.md as values: its rows, and which commands each names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local.web import PROJECT

PAGE: Final = PROJECT / "docs" / "runbook.md"
GROUPS: Final = ("callbacks", "credentials", "jobs")
"""Subcommands of `gateway` whose own subcommand is a part of the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table. section: its heading; symptom: the first cell, as written."""

    section: str
    symptom: str
    cells: tuple[str, ...]

    @property
    def commands(self) -> set[str]:
        """What the row tells a reader to type."""
        return set().union(*(commands(cell) for cell in self.cells))


def rows() -> tuple[Row, ...]:
    """Every row of every table of the page."""
    return tuple(_rows(PAGE.read_text(encoding="utf-8")))


def _rows(text: str) -> Iterator[Row]:
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        section, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if line.startswith("|")]
        for line in lines[2:]:  # below the head and its rule
            cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
            yield Row(section=section, symptom=cells[0], cells=cells)


def commands(text: str) -> set[str]:
    """The commands between backticks, without what they are given.

    Example: commands("`gateway jobs show ID`; `heroku ps:scale worker=1`") == {"gateway jobs show", "heroku ps:scale"}
    """
    return {found for span in re.findall(r"`([^`]+)`", text) if (found := _command(span))}


def _command(span: str) -> str:
    words = span.split()
    if words[0] == "gateway":
        return " ".join(words[: 3 if words[1] in GROUPS else 2])
    if words[0] == "heroku":
        return " ".join(words[:2])
    return words[0] if words[0] == "curl" else ""
