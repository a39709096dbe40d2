"""Rendition: what of the answer's format the statement must know. Made by `payload`, read by `sql`; a part of the
shape cache's key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """prefix: of control information, "@odata." or "@" (4.01). metadata: none, minimal or full. ieee754: Int64, Decimal
    and counts as strings. root: the service root URL with its trailing slash."""

    root: str
    prefix: OneOf["@odata.", "@"] = "@odata."
    metadata: OneOf["none", "minimal", "full"] = "minimal"
    ieee754: bool = False

    @property
    def full(self) -> bool:
        return self.metadata == "full"

    @property
    def etags(self) -> bool:
        return self.metadata != "none"
