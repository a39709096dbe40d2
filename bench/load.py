"""Load from wrk (Debian's package): connections of one process, each request the next of a list of paths."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from bench.database import HOME
from bench.stacks import Stack
from local.trouble import Trouble

SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Requests a second, latencies in milliseconds, answers that were no success or did not come.

    cpu_ms: of the server and the database for one request; what a machine shared with others does not disturb much.
    """

    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    errors: int


def wrk(
    stack: Stack, paths: list[str], *, connections: int, seconds: float, headers: dict[str, str] | None = None
) -> Measured:
    """Ask for the paths one after the other, again and again."""
    program = shutil.which("wrk")
    if program is None:
        raise Trouble("the load comes from wrk, which is not here: apt-get install wrk")
    folder = HOME / "load"
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "paths.txt"
    listed.write_text("\n".join(paths) + "\n")
    sent = stack.headers | (headers or {})
    words = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
    command = [
        program, "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--timeout", "20s", *words,
        "-s", str(SCRIPT), stack.url, "--", str(listed), str(time.monotonic_ns() % len(paths)),
    ]  # fmt: skip
    before = stack.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    worked = stack.cpu_seconds() - before
    found = re.search(r"RESULT (.*)", done.stdout)
    if found is None:
        raise Trouble(f"wrk failed: {(done.stderr or done.stdout).strip()[-300:]}")
    result = json.loads(found.group(1))
    took = result["microseconds"] / 1e6
    return Measured(
        per_second=result["requests"] / took,
        cpu_ms=worked * 1000 / max(result["requests"], 1),
        p50_ms=result["p50"] / 1000,
        p99_ms=result["p99"] / 1000,
        errors=result["errors"],
    )


def one_by_one(
    stack: Stack, paths: list[str], *, rounds: int = 2, headers: dict[str, str] | None = None
) -> list[float]:
    """Milliseconds of each request over one connection, the best of the rounds after a first one."""
    target = urlsplit(stack.url)
    connection = HTTPConnection(target.hostname or "", target.port, timeout=60)
    best = [float("inf")] * len(paths)
    for turn in range(rounds + 1):
        for index, path in enumerate(paths):
            began = time.perf_counter()
            connection.request("GET", path, headers=stack.headers | (headers or {}))
            connection.getresponse().read()
            if turn:
                best[index] = min(best[index], (time.perf_counter() - began) * 1000)
    connection.close()
    return best


def scan(
    stack: Stack, first: str, following: re.Pattern[bytes], template: str, *, rows: int, rows_a_page: int
) -> float:
    """Rows a second of a scan by pages over one connection.

    following: finds, at the end of an answer, what comes behind `template` in the next path; the last one counts.
    """
    target = urlsplit(stack.url)
    connection = HTTPConnection(target.hostname or "", target.port, timeout=60)
    path, read = first, 0
    began = time.perf_counter()
    while read < rows:
        connection.request("GET", path, headers=stack.headers)
        body = connection.getresponse().read()
        read += rows_a_page
        found = following.findall(body, max(len(body) - 4000, 0))
        if not found:
            raise Trouble(f"{stack.name}: the scan ends after {read} rows: {body[:200]!r}")
        path = template + found[-1].decode()
    took = time.perf_counter() - began
    connection.close()
    return read / took
