"""A whole `make run` for the time of a block: database, web, worker, simulated org and mesh, all of them real."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import psutil

from local import ports, web
from tests.toolchain.test_fresh_installation import copy_of_the_project

SECONDS = 90.0


@dataclass(slots=True)
class Run:
    """A `make run` that lives. said: lines so far, of standard output and error."""

    checkout: Path
    process: subprocess.Popen[str]
    variables: dict[str, str]
    said: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Collect what it says until it ends."""
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    def wait_for(self, text: str) -> None:
        """Until a line holds this."""
        until = time.monotonic() + SECONDS
        while not any(text in line for line in self.said):
            assert self.process.poll() is None and time.monotonic() < until, "".join(self.said)
            time.sleep(0.05)

    def to_paste(self) -> list[str]:
        """The commands that it offers."""
        after = self.said[next(i for i, line in enumerate(self.said) if "Stop it with Ctrl-C" in line) + 1 :]
        return [line.strip() for line in after if re.match(r"  (curl|\.venv/bin/gateway) ", line)]

    def paste(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one of them in a shell of its own, where nothing is set."""
        environ = web.clean_environment() | {"PYTHONPATH": str(self.checkout)}
        return subprocess.run(command, shell=True, cwd=self.checkout, env=environ, capture_output=True, text=True)


@contextlib.contextmanager
def running(folder: Path, what: str = "run", **variables: str) -> Iterator[Run]:
    """`make run`, or `make demo`, in a copy of the checkout below this folder, on free ports, until the block ends."""
    checkout = copy_of_the_project(folder / "copy")
    (checkout / ".venv").symlink_to(Path(sys.executable).parent.parent)
    ports = {name: str(web.free_port()) for name in ("PORT", "SIM_PORT", "MESH_PORT")}
    environ = web.clean_environment() | ports | {"PYTHONPATH": str(checkout), "WEB_CONCURRENCY": "1", **variables}
    command = [sys.executable, "-m", "local", what]
    with subprocess.Popen(
        command, cwd=checkout, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        one = Run(checkout=checkout, process=process, variables=ports)
        reader = Thread(target=one.read, daemon=True)
        reader.start()
        try:
            one.wait_for("invoke createQuote")
            yield one
        finally:
            process.terminate()  # a shell's background job may not hear an interrupt
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            reader.join(5)
            assert not left(checkout), "it ends all that it has started"


def left(checkout: Path) -> list[psutil.Process]:
    """Processes that a `make run` of this checkout has started and that still live."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(ports.MARK) == str(checkout) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
