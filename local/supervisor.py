"""Keeps the worker of `make run` alive, as Heroku does: starts a command, and again whenever it dies.

    python -m local supervise FILE COMMAND...

FILE tells others who the process is (simulator/worker_process.py reads it); it is replaced whole. A command that ends
by itself with code 0, or after SIGTERM, is not started again; nor one that cannot start: its own line says why.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from local.trouble import Trouble, say

PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
"""Before it is started again: the first time, and at most; twice as long after each life that was a short one."""
SHORT_SECONDS = 10.0
"""A first life that was shorter and ended in an error was none."""
LOOK_SECONDS = 0.05
"""Between two looks whether to stop while it pauses."""


def main(arguments: list[str]) -> int:
    """Run until the command ends well or SIGTERM comes; the exit code of the command."""
    if len(arguments) < 2:
        raise Trouble("supervise needs a file and a command")
    return Supervisor(Path(arguments[0]), arguments[1:]).run()


class Supervisor:
    """One command that lives on. file: where it says so."""

    def __init__(self, file: Path, command: list[str]) -> None:
        self.file = file
        self.command = command
        self.starts = 0
        self.ended: dict[str, Any] | None = None
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Start, wait, start again."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        pause = PAUSE_SECONDS
        try:
            while True:
                began = time.monotonic()
                code = self._live()
                short = time.monotonic() - began < SHORT_SECONDS
                if self.stopping or code == 0 or (code > 0 and short and self.starts == 1):
                    return max(code, 0)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if short and self.starts > 1 else PAUSE_SECONDS
                say(f"{self.command[-1]} {_ended(code)}; it is started again")
                if self._stops_within(pause):
                    return 0
        finally:
            self.file.unlink(missing_ok=True)

    def _live(self) -> int:
        """One life of the command; its exit code, negative for a signal."""
        self.child = subprocess.Popen(self.command)
        if self.stopping:  # the signal came while it was being started
            self.child.terminate()
        self.starts += 1
        self._tell(self.child.pid)
        code = self.child.wait()
        self.ended = {"code": code, "at": datetime.now(UTC).isoformat()}
        self._tell(None)
        return code

    def _stops_within(self, seconds: float) -> bool:
        """Whether a signal ends the pause. No event: its lock may be held by the thread that the handler runs in."""
        ends = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < ends:
            time.sleep(LOOK_SECONDS)
        return self.stopping

    def _tell(self, pid: int | None) -> None:
        said = {"supervisor": os.getpid(), "pid": pid, "starts": self.starts, "ended": self.ended}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(self.file)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
