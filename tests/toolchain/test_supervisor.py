"""The supervisor of `make demo`'s worker: what is killed lives again, what is told to end ends, strangers live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.servers import PROJECT
from simulator.worker_process import NoWorker, WorkerProcess

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.json"


@pytest.fixture
def supervised(file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "local", "supervise", str(file), *SLEEPER]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.terminate()
        process.wait(10)


def wait(until: Callable[[], object], seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.05)


def pid(worker: WorkerProcess) -> int | None:
    state = worker.state()
    return state.pid if state else None


def test_what_is_killed_is_started_again(file: Path, supervised: subprocess.Popen[str]) -> None:
    worker = WorkerProcess(file)
    wait(lambda: pid(worker))
    first = worker.kill()
    wait(lambda: pid(worker) not in (None, first))
    state = worker.state()
    assert state is not None and state.starts == 2 and state.ended is not None and not psutil.pid_exists(first)
    supervised.terminate()
    assert supervised.wait(10) == 0 and not file.exists()
    assert not psutil.pid_exists(state.pid or 0)
    assert supervised.stderr is not None and "was killed by SIGKILL; it is started again" in supervised.stderr.read()


def test_while_it_is_dead_there_is_nothing_to_kill(file: Path, supervised: subprocess.Popen[str]) -> None:
    worker = WorkerProcess(file)
    wait(lambda: pid(worker))
    worker.kill()
    wait(lambda: worker.state() and not pid(worker))
    with pytest.raises(NoWorker, match="dead already"):
        worker.kill()


def test_a_command_that_ends_well_is_not_started_again(file: Path) -> None:
    command = [sys.executable, "-m", "local", "supervise", str(file), sys.executable, "-c", ""]
    assert subprocess.run(command, cwd=PROJECT, timeout=20).returncode == 0 and not file.exists()


def test_a_process_of_somebody_else_is_spared(file: Path) -> None:
    with subprocess.Popen(SLEEPER) as stranger:
        file.write_text(json.dumps({"supervisor": 1, "pid": stranger.pid, "starts": 1, "ended": None}))
        with pytest.raises(NoWorker, match="ended by itself"):
            WorkerProcess(file).kill()
        assert stranger.poll() is None
        stranger.kill()
    file.write_text(json.dumps({"supervisor": os.getpid(), "pid": stranger.pid, "starts": 1, "ended": None}))
    with pytest.raises(NoWorker, match="cannot be killed"):
        WorkerProcess(file).kill()


@pytest.mark.parametrize("name", [None, "missing.json"])
def test_without_a_supervisor(tmp_path: Path, name: str | None) -> None:
    worker = WorkerProcess(tmp_path / name if name else None)
    assert worker.state() is None
    with pytest.raises(NoWorker, match="make demo starts one"):
        worker.kill()
