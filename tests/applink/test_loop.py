"""The loop: one a process, from many threads, over forks, and in a real gunicorn worker (M6)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from applink.authorizations import Orgs
from applink.loop import Loop
from applink.org import Soql
from simulator.exchange import send
from simulator.running import PROJECT, Simulator, free_port
from tests.applink.calling import soon


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


async def thread_name() -> str:
    return threading.current_thread().name


def test_one_thread_runs_everything(loop: Loop) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: loop.run(thread_name(), soon()), range(40)))
    assert names == {"applink-loop"}
    assert sum(thread.name == "applink-loop" for thread in threading.enumerate()) == 1


def test_nothing_starts_before_the_first_call() -> None:
    before = threading.active_count()
    Loop().close()
    assert threading.active_count() == before


def test_an_error_of_the_coroutine_is_the_callers(loop: Loop) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        loop.run(fail(), soon())


def test_the_deadline_ends_a_coroutine(loop: Loop) -> None:
    ended = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        loop.run(hang(), time.monotonic() + 0.05)
    assert ended.wait(10)
    assert time.monotonic() - started < 10


def test_a_closed_loop_starts_again(loop: Loop) -> None:
    assert loop.run(thread_name(), soon())
    loop.close()
    assert loop.run(thread_name(), soon())


def test_a_forked_child_has_a_loop_of_its_own(orgs: Orgs, simulator: Simulator) -> None:
    org = orgs.named(orgs.known_orgs()[0])
    assert org.query(Soql("SELECT Id FROM User LIMIT 1"), deadline=soon())
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            found = org.query(Soql("SELECT Id FROM User LIMIT 2"), deadline=soon())
            os._exit(0 if len(found) == 2 else 1)
        os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert org.query(Soql("SELECT Id FROM User LIMIT 1"), deadline=soon())


WEB = '''
"""An application that asks the org in every request."""
import os, time
from applink.authorizations import Orgs
from applink.org import Soql

orgs = Orgs(test_domains=(os.environ["ORG"],))
orgs_before_the_fork = orgs.known_orgs() if os.environ["BEFORE"] else None

def application(environ, start_response):
    try:
        org = orgs.named(orgs.known_orgs()[0])
        found = org.query(Soql("SELECT Id FROM User LIMIT 3"), deadline=time.monotonic() + 10)
        start_response("200 OK", [])
        return [str(len(found)).encode()]
    except Exception as error:
        start_response("500 Internal Server Error", [])
        return [repr(error).encode()]
'''


@pytest.mark.parametrize(
    "before", ["", "1"], ids=["first call in the worker", "preloaded, with a call before the fork"]
)
def test_fifty_in_turn_and_twenty_at_once_in_one_gunicorn_worker(
    before: str, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    simulator.settings(concurrent_queries=None)
    folder, port = tmp_path_factory.mktemp("web"), free_port()
    (folder / "asking.py").write_text(WEB)
    # fmt: off
    command = [sys.executable, "-m", "gunicorn", "asking:application", "--config", os.devnull, "--no-control-socket",
               "--workers", "1", "--threads", "20", "--worker-class", "gthread", "--preload",
               "--bind", f"127.0.0.1:{port}"]
    # fmt: on
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{PROJECT}", "ORG": simulator.url, "BEFORE": before}
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        ask(port, patience=15)
        assert [ask(port) for _ in range(50)] == ["3"] * 50
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(lambda _: ask(port), range(20))) == ["3"] * 20
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
    assert "Traceback" not in log.read_text(), log.read_text()
    assert "closed" not in log.read_text()


def ask(port: int, patience: float = 0) -> str:
    ends = time.monotonic() + patience
    while True:
        try:
            answer = send(f"http://127.0.0.1:{port}/", "GET", {}, b"", seconds=15)
            assert answer.status == 200, answer.body
            return answer.body.decode()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
