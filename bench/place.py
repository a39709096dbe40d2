"""The whole gateway for the measurements of operations: web, workers, simulated org and PostgreSQL, each a process.

The database is a copy of a seeded one on a private server that waits for its disk at every commit, as a server should.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psutil
import psycopg

from bench import database, stacks
from bench.workloads import SECRET
from local import web
from local.trouble import Trouble
from simulator.caller import Apex
from simulator.org_client import OrgClient
from simulator.running import Simulator, free_port, running

HOME = database.HOME / "operations"
OPTIONS = {"max_connections": "200", "shared_buffers": "512MB"}
DELAY_MS = 20.0
STARTED = '"started": true'
"""What a worker logs when it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything but the workers. database_url: of the copy; variables: settings of web and workers alike."""

    database_url: str
    gateway: web.Web
    simulator: Simulator
    apex: Apex
    variables: Mapping[str, str]

    def row(self, statement: str, **given: object) -> tuple[object, ...]:
        """The first row of a statement, as whoever owns the database."""
        with psycopg.connect(self.database_url) as connection:
            found = connection.execute(statement.encode(), given).fetchone()
        if found is None:
            raise Trouble(f"no row: {statement}")
        return tuple(found)

    @contextlib.contextmanager
    def workers(self, count: int, **settings: str) -> Iterator[list[psutil.Process]]:
        """So many worker processes for the time of the block, once all have begun. settings: beside the place's."""
        with contextlib.ExitStack() as stack:
            started = [stack.enter_context(self._worker(number, settings)) for number in range(count)]
            yield started

    @contextlib.contextmanager
    def _worker(self, number: int, settings: Mapping[str, str]) -> Iterator[psutil.Process]:
        environ = web.clean_environment() | {"DATABASE_URL": self.database_url, "GATEWAY_SECRET": SECRET}
        environ |= {**self.variables, **settings}
        log = stacks.LOGS / f"worker-{number}.log"
        words = [sys.executable, "-u", "-c", "import cli; cli.main()", "worker"]
        with open(log, "wb") as output:
            process = subprocess.Popen(words, cwd=web.PROJECT, env=environ, stdout=output, stderr=output)
        try:
            ends = time.monotonic() + 30
            while STARTED not in log.read_text():
                if process.poll() is not None or time.monotonic() > ends:
                    raise Trouble(f"a worker did not start; its log: {log}")
                time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)

    def cpu_seconds(self, workers: list[psutil.Process]) -> dict[str, float]:
        """What each part has worked so far; `others`: everything else on this machine."""
        first = int((HOME / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[0])
        parts = {
            "workers": workers,
            "web": [psutil.Process(self.gateway.process.pid)],
            "simulator": [psutil.Process(self.simulator.process.pid)],
            "database": [psutil.Process(first)],
        }
        own = {name: sum(map(_tree_seconds, roots)) for name, roots in parts.items()}
        mine, times = psutil.Process(os.getpid()).cpu_times(), psutil.cpu_times()
        own["bench"] = mine.user + mine.system
        return own | {"others": times.user + times.system + times.nice - sum(own.values())}


def _tree_seconds(root: psutil.Process) -> float:
    """Its own time, that of its children, and that of those that have ended."""
    return sum(stacks.cpu_seconds_of(one) for one in (root, *root.children(recursive=True)))


@contextlib.contextmanager
def serving(quotes: int) -> Iterator[Place]:
    """A place over a copy of a database with so many quotes, for the time of the block."""
    stacks.LOGS.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {
        "HEROKU_APPLINK_API_URL": f"{url}/addons/a1",
        "HEROKU_APPLINK_TOKEN": "addon-secret",
        "HEROKU_APP_ID": "app-1",
        "APPLINK_TEST_DOMAINS": f"{url},http://localhost:{port}",
    }
    log = stacks.LOGS / "operations.log"
    log.unlink(missing_ok=True)
    here = {"WEB_CONCURRENCY": str(stacks.PROCESSES), "GATEWAY_SECRET": SECRET}
    with database.copied(quotes, HOME, OPTIONS) as database_url, contextlib.ExitStack() as stack:
        gateway = stack.enter_context(web.serving(database_url, log, variables=variables | here))
        simulator = stack.enter_context(running(port=port, delay_ms=DELAY_MS))
        apex = Apex(org=OrgClient(simulator.url), gateway=gateway.url, seconds=60)
        yield Place(database_url=database_url, gateway=gateway, simulator=simulator, apex=apex, variables=variables)
