"""What a switch is: a feature of the service, the piece of code that is taken away, and the tests that must see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import pytest

Off: TypeAlias = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Switch:
    """off: takes the feature away. seen_by: names of tests as in `collected`, with * for the rest of a name.

    may_break: without this check the service may also fail; else a failure shows that too much was taken away.
    """

    off: Off
    seen_by: tuple[str, ...]
    may_break: bool = False

    def sees(self, name: str) -> bool:
        """Whether a test is said to be red without this feature."""
        return named_by(self.seen_by).fullmatch(name) is not None


@cache
def named_by(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """The names that one of the patterns stands for."""
    return re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in patterns), re.DOTALL)


def put(target: str, replacement: object) -> Off:
    """Another function, method or constant in the place of one. target: its dotted name where it is looked up."""
    return lambda patch: patch.setattr(target, replacement)


def entry(table: dict[Any, Any], key: object, replacement: object) -> Off:
    """Another entry in a table."""
    return lambda patch: patch.setitem(table, key, replacement)


def without(table: dict[Any, Any], *keys: object) -> Off:
    """A table without some of its entries."""

    def off(patch: pytest.MonkeyPatch) -> None:
        for key in keys:
            patch.delitem(table, key)

    return off


def unchecked(target: str) -> Off:
    """A check that refuses nothing."""
    return put(target, lambda *_, **__: None)


def both(*offs: Off) -> Off:
    """Several pieces that make one feature."""

    def off(patch: pytest.MonkeyPatch) -> None:
        for one in offs:
            one(patch)

    return off
