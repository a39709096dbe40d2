"""Points of a quote's way at which a process of the gateway is killed, by SIGKILL, as a dyno is.

A point is "before" or "after" a function, or before a statement. A process that was started with `environment(file)`
looks at each of them into the file; the first one there whose name it finds is its end, and the file is gone with it,
so that the process in its place lives. Nothing of it is in the gateway: functions are wrapped from outside.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event

PROJECT: Final = Path(__file__).resolve().parents[2]
SHORT: Final = {"SETTLE_LEASE_SECONDS": 3.0, "CALL_SECONDS": 4.0}
"""In place of a minute and 30 s: how long nobody else settles, or tells of, what a killed worker had taken."""

FUNCTIONS: Final = (
    ("applink.operations.create_quote", "_opened"),
    ("applink.operations.create_quote", "_store"),
    ("applink.operations.starting", "_stored"),
    ("applink.jobs", "submit"),
    ("applink.intents", "mark_called"),
    ("applink.intents", "settle"),
    ("applink.intents", "stale"),
    ("applink.drafts", "Turn._show"),
    ("applink.rest_calls", "writing"),
    ("applink.rest_calls", "updating"),
    ("applink.rest_calls", "_written"),
    ("applink.salesforce", "SdkOrg.write"),
    ("applink.salesforce", "SdkOrg.update"),
    ("applink.salesforce", "SdkOrg.create"),
    ("applink.salesforce", "SdkOrg.deliver"),
    ("applink.quotes", "Quotes.make"),
    ("applink.quotes", "Quotes.recover"),
    ("applink.quotes", "Quotes.settle"),
    ("applink.quote_rows", "add"),
    ("applink.quote_rows", "change"),
    ("applink.quote_rows", "replace_lines"),
    ("applink.quote_rows", "remove"),
    ("applink.quote_work", "_begin"),
    ("applink.quote_work", "_store"),
    ("applink.claims", "claim"),
    ("applink.claims", "mark_called"),
    ("applink.claims", "finish_item"),
    ("applink.item_work", "ItemWork.do"),
    ("applink.item_work", "ItemWork._finish"),
    ("applink.outbox", "delivered"),
    ("applink.outbox", "published"),
    ("applink.chores", "Chores._tell"),
    ("applink.chores", "Chores._done"),
    ("applink.chores", "Chores._settle"),
    ("applink.chores", "Chores._settle_change"),
)
STATEMENTS: Final = {"before the job is counted": "SET quote_count = j.quote_count +"}


def environment(file: Path) -> Mapping[str, str]:
    """Variables of a process that can be killed at the point that `file` will name."""
    return {"CRASH_AT": str(file), "PYTHONPATH": f"{Path(__file__).with_name('crashing')}:{PROJECT}"}


def arm(file: str) -> None:
    """Wrap every function; called once in a process, before it begins."""
    here = functools.partial(_here, Path(file))
    for module_name, path in FUNCTIONS:
        owner: Any = importlib.import_module(module_name)
        *classes, name = path.split(".")
        for each in classes:
            owner = getattr(owner, each)
        setattr(owner, name, _wrapped(getattr(owner, name), f"{module_name.removeprefix('applink.')}.{path}", here))

    @event.listens_for(Engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        for name, part in STATEMENTS.items():
            if part in statement:
                here(name)

    vars(importlib.import_module("applink.chores")).update(SHORT)


def _wrapped(function: Callable[..., Any], name: str, here: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*given: Any, **named: Any) -> Any:
        here(f"before {name}")
        made = function(*given, **named)
        here(f"after {name}")
        return made

    return wrapped


def _here(file: Path, name: str) -> None:
    """Die, if this is the point."""
    try:
        if file.read_text() != name:
            return
        file.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
