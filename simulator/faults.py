"""Faults on order: which calls they meet, and what happens to those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MEMBERS: Final = frozenset(
    {"match", "contains", "user", "status", "body", "headers", "refuse", "delay", "cut", "after", "times", "skip"}
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One order. The calls it meets are those whose "METHOD path?query" and body hold the given texts.

    match:    "POST /composite/graph": a method (or *) and a part of the path
    contains: a text that the body must hold, say an opportunity's id; user: a username
    status, body, headers: the answer instead; body is text (HTML) or JSON
    refuse:   an errorCode: the org's own refusal, in a graph that of its first node, and nothing is kept
    delay:    seconds before it
    cut:      the connection ends without an answer
    after:    the effect has happened, then comes what is ordered: answer, delay or cut
    times:    how many calls it meets, None is all; skip: how many pass before
    """

    id: int
    match: str
    contains: str = ""
    user: str = ""
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    refuse: str = ""
    delay: float = 0.0
    cut: bool = False
    after: bool = False
    times: int | None = 1
    skip: int = 0
    seen: int = 0
    met: int = 0

    def fits(self, method: str, path: str, body: bytes, username: str) -> bool:
        """Whether it is about such a call."""
        wanted, _, part = self.match.partition(" ")
        if wanted not in ("*", method) or part not in path:
            return False
        return self.user in ("", username) and (not self.contains or self.contains.encode() in body)

    @property
    def done(self) -> bool:
        """Whether it has met all calls it was ordered for."""
        return self.times is not None and self.met >= self.times


class Faults:
    """All orders, in order; the first that fits meets the call."""

    def __init__(self) -> None:
        self.orders: list[Fault] = []
        self._number = 0

    def order(self, wanted: Mapping[str, Any]) -> Fault:
        """A new order. Raises: ValueError for a member that is not known."""
        unknown = wanted.keys() - MEMBERS
        if unknown or "match" not in wanted:
            raise ValueError(f"A fault has match and any of {', '.join(sorted(MEMBERS))}; not {', '.join(unknown)}")
        self._number += 1
        fault = Fault(id=self._number, **wanted)
        self.orders.append(fault)
        return fault

    def meet(self, method: str, path: str, body: bytes, username: str) -> Fault | None:
        """The order that meets this call; it counts it."""
        for fault in self.orders:
            if not fault.done and fault.fits(method, path, body, username):
                fault.seen += 1
                if fault.seen > fault.skip:
                    fault.met += 1
                    return fault
        return None
