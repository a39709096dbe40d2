"""What a worker's log lines say beside their own words: whose item, job or intent it is, and since when.

A thread works on one thing at a time; `about_it` remembers it for the time of a call, `facts` are read for each line.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
NAMES: Final[Mapping[str, str]] = {"request_id": "request_id", "org_id": "org", "job_id": "job", "item_id": "item"}
"""Attributes of what is worked on, and the members they are."""
_now: Final[ContextVar[tuple[object, float] | None]] = ContextVar("worked on", default=None)


def about_it(
    method: Callable[Concatenate[S, T, P], R],
) -> Callable[Concatenate[S, T, P], R]:
    """For a method: as long as it runs, this thread works on its first argument."""

    @functools.wraps(method)
    def working(self: S, thing: T, /, *given: P.args, **named: P.kwargs) -> R:
        token = _now.set((thing, time.monotonic()))
        try:
            return method(self, thing, *given, **named)
        finally:
            _now.reset(token)

    return working


def facts() -> dict[str, Any]:
    """Members for a line of this thread: request, org, job, item, as far as known, and milliseconds so far."""
    found = _now.get()
    if found is None:
        return {}
    thing, began = found
    known = {member: getattr(thing, name, None) for name, member in NAMES.items()}
    known["ms"] = {"total": round((time.monotonic() - began) * 1000, 3)}
    return {member: value for member, value in known.items() if value is not None}
