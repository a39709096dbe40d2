"""`make run` from beginning to end, in a copy of the checkout: what it starts, what it prints, what pasting it does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from local import web
from local.servers import PROJECT
from local.simulated import opportunity
from simulator.worker_process import WorkerProcess
from tests.toolchain.making import SECONDS, Run, running
from tests.toolchain.test_fresh_installation import copy_of_the_project


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running(tmp_path_factory.mktemp("run")) as one:
        yield one


def test_it_says_where_everything_is(run: Run) -> None:
    said = "".join(run.said)
    for name in ("PORT", "SIM_PORT", "MESH_PORT"):
        assert f"http://127.0.0.1:{run.variables[name]}" in said
    assert "demo / demo" in said and "salesforce / salesforce" in said


def test_web_worker_and_org_live(run: Run) -> None:
    lines = "".join(run.said)
    assert all(re.search(rf"\b{name}\.1 +\| ", lines) for name in ("web", "simulator"))
    assert "stopped (rc=" not in lines and run.process.poll() is None


def test_there_are_three_lines_to_paste(run: Run) -> None:
    first, second, third = run.to_paste()
    assert first.startswith("curl") and second.startswith("curl")
    assert shlex.split(third)[-3:] == ["createQuote", "--opportunity", opportunity()]


def test_the_first_two_read(run: Run) -> None:
    for command in run.to_paste()[:2]:
        done = run.paste(f"{command} --silent --fail-with-body")
        assert done.returncode == 0 and '"value":[' in done.stdout, done.stdout


def test_the_third_makes_a_quote_in_the_org_and_in_the_rows(run: Run) -> None:
    done = run.paste(run.to_paste()[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("200 ") and re.search(r"^ok ", done.stdout, re.MULTILINE)


def test_the_command_in_a_second_terminal_finds_the_same_database(run: Run) -> None:
    done = run.paste(".venv/bin/gateway credentials list")
    assert done.returncode == 0 and "salesforce" in done.stdout, done.stderr


def test_a_second_make_run_is_one_line(run: Run) -> None:
    command = [sys.executable, "-m", "local", "run"]
    environ = web.clean_environment() | run.variables | {"PYTHONPATH": str(run.checkout)}
    done = subprocess.run(command, cwd=run.checkout, env=environ, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "make run is running in this checkout already" in done.stderr


def test_a_second_make_run_on_other_ports_is_one_line_too(run: Run) -> None:
    """It would be another org beside the same rows."""
    command = [sys.executable, "-m", "local", "run"]
    free = {name: str(web.free_port()) for name in ("PORT", "MESH_PORT", "SIM_PORT")}
    environ = web.clean_environment() | free | {"PYTHONPATH": str(run.checkout)}
    done = subprocess.run(command, cwd=run.checkout, env=environ, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "make run is running in this checkout already" in done.stderr


def test_a_busy_sim_port_is_one_line(run: Run, tmp_path: Path) -> None:
    checkout = copy_of_the_project(tmp_path / "copy")
    command = [sys.executable, "-m", "local", "run"]
    taken = run.variables["SIM_PORT"]
    free = {"PORT": str(web.free_port()), "MESH_PORT": str(web.free_port()), "SIM_PORT": taken}
    environ = web.clean_environment() | free | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert f"port {taken} is taken" in done.stderr
    assert f"make run SIM_PORT={int(taken) + 1}" in done.stderr


def test_the_file_for_a_second_terminal_is_private(run: Run) -> None:
    file = run.checkout / ".data" / "environment"
    assert os.stat(file).st_mode & 0o077 == 0
    assert "APPLINK_TEST_DOMAINS=http://127.0.0.1:" in file.read_text()


def test_a_database_of_ones_own_gets_no_invented_org(run: Run, database_url: str) -> None:
    """Neither demo data nor a credential, and no process that would write quotes of nobody's org."""
    port = str(web.free_port())
    copy = copy_of_the_project(run.checkout.parent / "second")
    environ = web.clean_environment() | {"PYTHONPATH": str(copy), "DATABASE_URL": database_url, "PORT": port}
    command = [sys.executable, "-m", "local", "run"]
    with subprocess.Popen(
        command, cwd=copy, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        second = Run(checkout=copy, process=process, variables={"PORT": port})
        reader = Thread(target=second.read, daemon=True)
        reader.start()
        try:
            second.wait_for("$metadata'")
        finally:
            process.terminate()
            process.wait(30)
            reader.join(5)
    said = "".join(second.said)
    assert "gateway credentials create" in said and "demo / demo" not in said
    assert "Simulated org" not in said and "simulator.1" not in said


def test_a_worker_that_is_killed_is_started_again(run: Run) -> None:
    """As on Heroku; everything else goes on."""
    worker, ends = WorkerProcess(run.checkout / ".data" / "worker.json"), time.monotonic() + SECONDS
    while (state := worker.state()) is None or state.pid is None:
        assert time.monotonic() < ends, state
        time.sleep(0.05)
    first = worker.kill()
    run.wait_for("was killed by SIGKILL; it is started again")
    while (state := worker.state()) is None or state.pid in (None, first):
        assert time.monotonic() < ends, state
        time.sleep(0.05)
    assert state.starts == 2 and run.process.poll() is None
    while "\t1 connected\t" not in (said := run.paste(".venv/bin/gateway status").stdout):
        assert time.monotonic() < ends, said


def console(page: str) -> list[tuple[str, str]]:
    """Commands of the console blocks of a page, each with the line that its answer begins with, or ""."""
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.split("\n")
    ]
    found = []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), "" if after.startswith("$ ") else after))
    return found


@pytest.mark.parametrize(("command", "begins"), [*console("flow.md"), *console("runbook.md")])
def test_what_the_pages_show_is_so(run: Run, command: str, begins: str) -> None:
    """In the order of the pages, with the ports of this run."""
    moved = run.to_paste()[2].partition(" invoke ")[0]
    done = run.paste(command.replace(".venv/bin/gateway sim", moved))
    assert done.stdout.startswith(begins), done.stdout + done.stderr
    assert begins.startswith("4") or done.returncode == 0, done.stdout + done.stderr
