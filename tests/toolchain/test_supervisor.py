"""The supervisor of the worker of `make run`: what is killed lives again, what is told to end ends, strangers live."""

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


def test_a_command_that_cannot_start_is_not_started_again(file: Path) -> None:
    """Its own line is the last one."""
    command = [sys.executable, "-c", "import sys; sys.exit('PORT is wrong')"]
    done = subprocess.run(
        [sys.executable, "-m", "local", "supervise", str(file), *command], cwd=PROJECT, timeout=20,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr, file.exists()) == (1, "PORT is wrong\n", False)


def test_what_has_lived_is_started_again_after_an_error(file: Path, tmp_path: Path) -> None:
    """Killed once, ended in an error, ended well: three lives."""
    lives = tmp_path / "lives"
    code = (
        "import os, pathlib, sys; lives = pathlib.Path(sys.argv[1]); lives.open('a').write('x');"
        "n = len(lives.read_text()); os.kill(os.getpid(), 9) if n == 1 else sys.exit(3 - n)"
    )
    command = [sys.executable, "-c", code, str(lives)]
    done = subprocess.run(
        [sys.executable, "-m", "local", "supervise", str(file), *command], cwd=PROJECT, timeout=60,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and lives.read_text() == "xxx"
    assert "was killed by SIGKILL; it" in done.stderr and "ended with code 1; it" in done.stderr


def test_a_signal_between_two_lives_is_the_end(file: Path, supervised: subprocess.Popen[str]) -> None:
    worker = WorkerProcess(file)
    wait(lambda: pid(worker))
    worker.kill()
    wait(lambda: worker.state() and not pid(worker))
    supervised.terminate()
    assert supervised.wait(10) == 0 and not file.exists()
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(file) in (one.info["cmdline"] or [])]


SIGNALLED = """
import signal, sys
from local import supervisor

lines_left = 0

def traced(frame, event, argument):
    global lines_left
    lines_left -= event == "line"
    if lines_left == 0 and event == "line":
        signal.raise_signal(signal.SIGTERM)
    return traced

supervisor.PAUSE_SECONDS = 0.05
supervisor.say = lambda text: sys.settrace(traced)
for line in range(1, 30):
    lines_left = line
    print(line, supervisor.main([sys.argv[1], "sh", "-c", "kill -9 $$"]), flush=True)
    sys.settrace(None)
"""


def test_a_signal_at_any_line_of_the_pause_is_the_end(file: Path) -> None:
    """Also where something holds a lock that a handler of the same thread would wait for."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(file)], cwd=PROJECT, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.split() == [word for line in range(1, 30) for word in (str(line), "0")], done.stderr


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
