"""Regular expressions mean the same on every Python from 3.11.0 on.

Before 3.11.5 a possessive quantifier behind a group goes wrong (CPython issues 101955, 106052): "(?:a|bc)*+" stands for
something else. The atomic "(?>(?:a|bc)*)" says the same and does. Debian 12 has Python 3.11.2.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants, _parser
from types import ModuleType
from typing import Any

import pytest

import app
import applink
import cli
import gunicorn_worker
import local
import models
import odata
import plain_routes
import setting_kinds
import settings
import simulator

ONE_CHARACTER = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY, _constants.CATEGORY}


def _modules() -> Iterator[ModuleType]:
    yield from (app, cli, gunicorn_worker, plain_routes, setting_kinds, settings)
    for package in (odata, applink, models, simulator, local):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                yield importlib.import_module(found.name)


def _patterns() -> Iterator[str]:
    """Of every module of the service, whether it stands alone or in a table."""
    for module in _modules():
        for value in vars(module).values():
            for one in value.values() if isinstance(value, dict) else (value,):
                if isinstance(one, re.Pattern) and isinstance(one.pattern, str):
                    yield one.pattern


def _possessive_groups(parsed: Any) -> Iterator[object]:
    for operation, argument in parsed:
        if operation is _constants.POSSESSIVE_REPEAT and [one[0] for one in argument[2]][1:] != []:
            yield argument
        if operation is _constants.POSSESSIVE_REPEAT and argument[2][0][0] not in ONE_CHARACTER:
            yield argument
        for part in _subpatterns(argument):
            yield from _possessive_groups(part)


def _subpatterns(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from _subpatterns(part)


def test_no_quantifier_behind_a_group_is_possessive() -> None:
    patterns = sorted(set(_patterns()))
    assert len(patterns) > 50
    assert [one for one in patterns if list(_possessive_groups(_parser.parse(one)))] == []


@pytest.mark.parametrize("pattern", [r"(?:a|bc)*+", r"x(?:\.a)*+", r"(a)++", r"((?:aa)?+b)"])
def test_such_a_one_is_found(pattern: str) -> None:
    assert list(_possessive_groups(_parser.parse(pattern)))
