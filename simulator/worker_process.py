"""The gateway's worker as a process of this machine: whether it lives, and an end to it by kill -9.

In: the file that its supervisor keeps (local/supervisor.py). Knows nothing of what the worker does. It kills
only a process whose parent is that supervisor, so that an old number in an old file meets nobody else.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


class NoWorker(Exception):
    """There is none to be killed: one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """pid: None while it is being started again. starts: how often it was started. ended: when it died last, ISO."""

    pid: int | None = None
    starts: int = 0
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """file: None where the page may kill no worker, as under `make run`."""

    file: Path | None

    def state(self) -> WorkerState | None:
        """As it is now; None without a supervisor."""
        said = self._said()
        if said is None:
            return None
        ended = said["ended"]["at"] if said["ended"] else None
        return WorkerState(pid=said["pid"], starts=said["starts"], ended=ended)

    def kill(self) -> int:
        """kill -9; the number it had. Raises: NoWorker."""
        said = self._said()
        if said is None:
            raise NoWorker("nobody watches over the worker here: make demo starts one that may be killed")
        if said["pid"] is None:
            raise NoWorker("the worker is dead already and is being started again")
        try:
            process = psutil.Process(said["pid"])
            if process.ppid() != said["supervisor"]:
                raise NoWorker("the worker has just ended by itself")
            process.kill()
        except psutil.Error as problem:
            raise NoWorker(f"the worker cannot be killed: {problem}") from None
        return int(said["pid"])

    def _said(self) -> dict[str, Any] | None:
        if self.file is not None:
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(self.file.read_text()))
        return None
