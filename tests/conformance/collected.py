"""Every test of this folder as a value: the function, its name, and the values of its parameters.

test_etags                            a test without parameters
test_path: a40.12 key                 one case of a file: its name
test_case: searchExpr accepted 700    one case of the ABNF: what the service does, and its place in the file
test_m40_5_format: Things, {}, 200    other parameters, in order
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.conformance.test_abnf import is_difference

HERE = Path(__file__).parent
THIS_CHECK = "test_switched_off"


@dataclass(frozen=True, slots=True)
class Conformance:
    """One conformance test with one choice of parameters. fixtures: names of all that pytest gives beside them."""

    name: str
    function: Callable[..., None]
    values: dict[str, Any]

    @property
    def fixtures(self) -> list[str]:
        return [name for name in inspect.signature(self.function).parameters if name not in self.values]


def collected() -> list[Conformance]:
    """The tests of every module of this folder but the one that uses this."""
    modules = sorted(file.stem for file in HERE.glob("test_*.py") if file.stem != THIS_CHECK)
    return [test for module in modules for test in _of_module(f"tests.conformance.{module}")]


def _of_module(name: str) -> Iterator[Conformance]:
    for title, function in vars(import_module(name)).items():
        if title.startswith("test_") and inspect.isfunction(function) and function.__module__ == name:
            yield from _parametrised(title, function)


def _parametrised(title: str, function: Callable[..., None]) -> Iterator[Conformance]:
    marks = [
        mark
        for mark in getattr(function, "pytestmark", ())
        if mark.name == "parametrize" and not mark.kwargs.get("indirect")
    ]
    for choice in itertools.product(*(list(_choices(*mark.args)) for mark in marks)):
        values = {name: value for part in choice for name, value in part.items()}
        named = ", ".join(map(_named, values.values()))
        yield Conformance(f"{title}: {named}" if named else title, function, values)


def _choices(names: str | Iterable[str], choices: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """What one mark says: a dictionary for each choice, pytest.param or not."""
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for number, choice in enumerate(choices):
        stated = choice.values if hasattr(choice, "marks") else choice
        values = stated if hasattr(choice, "marks") or len(listed) > 1 else (stated,)
        yield dict(zip(listed, (_numbered(value, number) for value in values), strict=True))


def _numbered(value: Any, number: int) -> Any:
    """A case of the ABNF has no name but its rule and place."""
    return value | {"number": number} if isinstance(value, dict) and "Rule" in value else value


def _named(value: Any) -> str:
    if isinstance(value, dict) and "Rule" in value:
        refused = "FailAt" in value and not is_difference(value)
        return f"{value['Rule']} {'refused' if refused else 'accepted'} {value['number']}"
    return value["name"] if isinstance(value, dict) and "name" in value else str(value)
