"""`make run` before it starts: every port it needs is free, or one line says which is not and what moves it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local import ports, simulated
from local.ports import Wanted
from local.simulated import Simulated
from local.trouble import Trouble
from local.web import free_port

LISTENS = """
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
print(1, flush=True)
time.sleep(60)
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("use", "variable"), [("web server", "PORT"), ("simulated org", "SIM_PORT"), ("service mesh", "MESH_PORT")]
)
def test_a_busy_port_is_one_line_with_the_way_out(taken: int, use: str, variable: str) -> None:
    with pytest.raises(Trouble) as trouble:
        ports.ensure_free((Wanted(use=use, variable=variable, port=taken),), alone=False)
    said = str(trouble.value)
    assert "\n" not in said and said.startswith(f"port {taken} is taken by ")
    assert said.endswith(f"choose another for the {use}, make run {variable}={taken + 1}")
    assert f"process {os.getpid()}" in said and "running in this checkout already" in said


def test_one_port_for_two_is_one_line() -> None:
    with pytest.raises(Trouble, match=r"port 8010 is wanted for web server and simulated org.*make run SIM_PORT=8011"):
        ports.ensure_free((Wanted(use="web server", variable="PORT", port=8010), *Simulated().wanted()), alone=False)


def test_the_way_out_is_no_port_of_another() -> None:
    wanted = (Wanted(use="a", variable="A", port=9000), Wanted(use="b", variable="B", port=9000),
              Wanted(use="c", variable="C", port=9001))  # fmt: skip
    with pytest.raises(Trouble, match="make run B=9002"):
        ports.ensure_free(wanted, alone=False)


def test_what_an_earlier_run_left_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PROJECT", "a checkout of this test")
    port = free_port()
    command = [sys.executable, "-c", LISTENS, str(port)]
    marked = os.environ | {ports.MARK: "a checkout of this test"}
    with subprocess.Popen(command, env=marked, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None and left.stdout.readline()
        wanted = (Wanted(use="web server", variable="PORT", port=port),)
        with pytest.raises(Trouble):
            ports.ensure_free(wanted, alone=False)
        ports.ensure_free(wanted, alone=True)
        left.wait(5)


@pytest.mark.parametrize("text", ["0", "65536", "eight", "-1", "٨"])
def test_what_is_no_port_is_one_line(text: str) -> None:
    with pytest.raises(Trouble, match=r"SIM_PORT is '.*'; it needs a whole number from 1 to 65535"):
        simulated.from_environment({"SIM_PORT": text})


def test_without_variables_the_ports_are_those_of_the_readme() -> None:
    assert simulated.from_environment({}) == Simulated(port=8010, mesh_port=8020)
    assert Simulated().command("http://127.0.0.1:8000") == ".venv/bin/gateway sim"


def test_other_ports_stand_in_the_line_to_paste() -> None:
    moved = Simulated(port=9010, mesh_port=9020).command("http://127.0.0.1:9000")
    assert moved == (
        ".venv/bin/gateway sim --simulator http://127.0.0.1:9010 --gateway http://127.0.0.1:9000 "
        "--mesh http://127.0.0.1:9020"
    )
