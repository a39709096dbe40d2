"""docs/operations.md says what the code has: operations, members that matter, errors."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from applink import errors
from applink.operation import ERRORS
from applink.operations import OPERATIONS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.OperationError)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_has_its_line(operation: object) -> None:
    name, status = getattr(operation, "name", ""), getattr(operation, "status", 0)
    assert re.search(rf"^\| `{name}` \| {status}\b", PAGE, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_line_with_its_status(kind: type[errors.OperationError]) -> None:
    rows = [line for line in PAGE.splitlines() if f"`{kind.__name__}`" in line and line.startswith(f"| {kind.status} ")]
    assert rows and kind.__doc__


def test_every_declared_status_has_a_line_and_no_other() -> None:
    assert {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)} == set(ERRORS)
