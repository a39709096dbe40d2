"""An app as Heroku runs it, on this machine: add-on, org, database, dynos; and what the runbook's commands are here.

    heroku run gateway ...                 `gateway`: the command as a process with the app's config
    heroku config, config:get, config:set  `config`, `config_get`, `config_set`, which starts every dyno anew
    heroku ps, ps:scale, ps:restart        `ps`, `scale`, `restart`: processes of this machine
    heroku logs --dyno KIND                `logs`: what they have written
    heroku pg:info                         `pg_info`: connections and bytes, as the server's administrator sees them
    git push, releases:output              `push`, `releases_output`: the release phase
    heroku applink:authorizations          `authorizations`: what the add-on says to the app
    heroku salesforce:authorizations:add   `authorize`: the add-on has it again
    heroku addons:create heroku-applink    `add_applink`: the config that the add-on sets
    curl                                   `curl`: one request to the public address

`asked` keeps which of them were used, as docs/runbook.md names them (page.py). The database is reached through a proxy,
so that it can be away; the service mesh, which a dyno has in front of gunicorn, is the simulator's.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from local import web
from local.servers import Server
from simulator import addon, mesh
from simulator.caller import Apex
from simulator.exchange import Answer, send
from simulator.mesh import Mesh
from simulator.org_client import OrgClient
from simulator.running import Simulator, free_port
from simulator.world import ADDON_TOKEN, APP_ID, FIRST_ORG
from tests.faults.proxy import Proxy, proxying
from tests.runbook import page

SECONDS: Final = 60.0
"""How long a symptom, or its end, is waited for."""
GATEWAY: Final = (sys.executable, "-c", "import cli; cli.main()")
QUICK: Final = {
    "WEB_CONCURRENCY": "1",
    "WORKER_POLL_SECONDS": "0.1",
    "RETRY_MOST_SECONDS": "1",
    "ORG_PAUSE_SECONDS": "1",
    "ORG_PAUSE_MOST_SECONDS": "2",
    "KEEP_JOBS_DAYS": "3650",
}


@dataclass(slots=True, kw_only=True)
class App:
    """config: every variable of the app. meshed: whether the Procfile puts the mesh in front of gunicorn."""

    simulator: Simulator
    database: Proxy
    server: Server
    folder: Path
    web_port: int
    mesh_url: str
    config: dict[str, str]
    meshed: bool = True
    asked: set[str] = field(default_factory=set)
    dynos: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=lambda: {"web": [], "worker": []})
    released: str = ""

    @property
    def inside(self) -> str:
        """Where gunicorn listens."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def url(self) -> str:
        """The public address."""
        return self.mesh_url if self.meshed else self.inside

    @property
    def org(self) -> OrgClient:
        return OrgClient(self.simulator.url)

    @property
    def apex(self) -> Apex:
        """Users of the org: through the mesh where there is one."""
        return Apex(org=self.org, gateway=self.inside, mesh=self.mesh_url, seconds=60)

    def gateway(self, words: str, *, well: bool = True) -> str:
        """`heroku run gateway ...`: what it says. well: whether it has to end well, or not."""
        self.asked |= page.commands(f"`gateway {words}`")
        done = subprocess.run(
            [*GATEWAY, *words.split()], cwd=web.PROJECT, env=self._environment(), capture_output=True, text=True
        )
        assert (done.returncode == 0) is well, done.stdout + done.stderr
        return done.stdout + done.stderr

    def until(self, words: str, pattern: str) -> str:
        """Ask `gateway ...` again and again until the answer fits; the answer."""
        return until(lambda: self.gateway(words), pattern, f"gateway {words}")

    def until_logged(self, kind: str, pattern: str) -> str:
        """Read the log of a kind of dyno until something in it fits."""
        return until(lambda: self.logs(kind), pattern, f"the log of {kind}")

    def config_set(self, **variables: str | None) -> None:
        """Change variables, None takes one away; every dyno starts anew, as on Heroku."""
        self.asked.add("heroku config:set")
        self._configure(variables)
        for kind in self.dynos:
            self._start_again(kind)

    def config_get(self, variable: str) -> str:
        self.asked.add("heroku config:get")
        return self.config.get(variable, "")

    def show_config(self) -> str:
        self.asked.add("heroku config")
        return "".join(f"{name}: {text}\n" for name, text in sorted(self.config.items()))

    def add_applink(self) -> None:
        """Give the app what the add-on sets, and every dyno a new start."""
        self.config_set(**_of_addon(self.simulator))

    def ps(self) -> str:
        """Each kind of dyno with its command, each dyno with how it is."""
        self.asked.add("heroku ps")
        lines = []
        for kind, dynos in self.dynos.items():
            command = " ".join(web.arguments(kind, procfile="Procfile"))
            lines.append(f"=== {kind}: {command if self.meshed else command.rpartition('service-mesh ')[2]}")
            lines += [
                f"{kind}.{n}: {'up' if one.poll() is None else 'crashed'}" for n, one in enumerate(dynos, start=1)
            ]
        return "\n".join(lines)

    def scale(self, **counts: int) -> None:
        """As many dynos of a kind."""
        self.asked.add("heroku ps:scale")
        for kind, count in counts.items():
            dynos = self.dynos[kind]
            ending, self.dynos[kind] = dynos[count:], dynos[:count]
            _end(ending)
            while len(self.dynos[kind]) < count:
                self._start(kind)

    def restart(self, kind: str) -> None:
        self.asked.add("heroku ps:restart")
        self._start_again(kind)

    def kill(self, kind: str) -> None:
        """A dyno of this kind is lost, from one moment to the next."""
        lost = self.dynos[kind].pop()
        os.killpg(lost.pid, signal.SIGKILL)
        lost.wait()

    def logs(self, kind: str) -> str:
        self.asked.add("heroku logs")
        return self._log(kind).read_text(encoding="utf-8", errors="replace") if self._log(kind).exists() else ""

    def pg_info(self) -> str:
        self.asked.add("heroku pg:info")
        if self.database.mode != "pass":
            return "Status: Unavailable"
        with self.administrator() as connection:
            row = connection.execute(
                "SELECT datconnlimit, pg_database_size(datname), (SELECT count(*) FROM pg_stat_activity AS a "
                "WHERE a.datname = d.datname AND a.pid <> pg_backend_pid()) FROM pg_database AS d "
                "WHERE datname = current_database()"
            ).fetchone()
        assert row is not None
        return f"Status: Available\nConnections: {row[2]}/{row[0]}\nData Size: {row[1]} bytes"

    def administrator(self) -> psycopg.Connection[Any]:
        """A connection to the database as whoever runs the server."""
        return psycopg.connect(self.server.admin_url, dbname=self.database.conninfo["dbname"], autocommit=True)

    def push(self, *, meshed: bool = True) -> bool:
        """Deploy: the release phase, and the dynos anew if it went well. Whether it did."""
        done = subprocess.run(
            [*GATEWAY, *web.arguments("release", procfile="Procfile")[1:]],
            cwd=web.PROJECT, env=self._environment(), capture_output=True, text=True,
        )  # fmt: skip
        self.asked |= page.commands("`gateway migrate`")
        self.released = done.stdout + done.stderr
        if done.returncode == 0:
            self.meshed = meshed
            self.config_set()
        return done.returncode == 0

    def releases_output(self) -> str:
        self.asked.add("heroku releases:output")
        return self.released

    def authorizations(self) -> str:
        """The named authorizations that the add-on has for the app: name, org, status."""
        self.asked.add("heroku applink:authorizations")
        lines = []
        for name in addon.AUTHORIZATIONS:
            answer = send(
                f"{self.simulator.environment['HEROKU_APPLINK_API_URL']}/authorizations/{name}", "GET",
                {"Authorization": f"Bearer {ADDON_TOKEN}", "X-App-UUID": APP_ID}, seconds=30,
            )  # fmt: skip
            if answer.status == 200:
                found = answer.json()
                lines.append(f"{name}\t{found['org']['id']}\t{found['status']}\n")
        return "".join(lines)

    def authorize(self) -> None:
        """Sign in as the integration user: what kept the authorization from working is over."""
        self.asked.add("heroku salesforce:authorizations:add")
        self.simulator.clear_faults()

    def curl(self, path: str, *, method: str = "GET", login: tuple[str, str] | None = None, body: Any = None) -> Answer:
        """One request to the public address. login: username and secret; body: sent as JSON."""
        self.asked.add("curl")
        headers = {} if login is None else {"Authorization": f"Basic {_basic(*login)}"}
        sent = b"" if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if sent else {}
        return send(f"{self.url}{path}", method, {**headers, **kind}, sent, seconds=60)

    def credential(self) -> tuple[str, str]:
        """Username and secret of a new credential for the first org."""
        return issued(self.gateway(f"credentials create --org {FIRST_ORG}"))

    def opportunities(self, count: int) -> list[str]:
        """As many as can become a quote, which no test has used."""
        return self.simulator.opportunities(count, user="ann")

    def job(self, opportunities: list[str], operation: str = "startQuotes", **members: Any) -> str:
        """The id of a job that ann has asked for."""
        reply = self.apex.invoke(operation, {"opportunityIds": opportunities, **members})
        assert reply.status == 201, reply.answer.body
        return str(reply.body["jobId"])

    def quotes(self, opportunities: list[str]) -> list[str]:
        """The opportunity of each quote in the org that was made of these."""
        found = self.simulator.records("Quote")
        return sorted(quote["OpportunityId"] for quote in found if quote["OpportunityId"] in opportunities)

    def _configure(self, variables: dict[str, str | None]) -> None:
        self.config.update({name: text for name, text in variables.items() if text is not None})
        for name in [name for name, text in variables.items() if text is None]:
            self.config.pop(name, None)

    def _environment(self) -> dict[str, str]:
        ours = {"PORT": str(self.web_port), "PUBLIC_URL": self.url, "PYTHONUNBUFFERED": "1"}
        return {**web.clean_environment(), **self.config, **ours}

    def _log(self, kind: str) -> Path:
        return self.folder / kind

    def _start_again(self, kind: str) -> None:
        count = len(self.dynos[kind])
        _end(self.dynos[kind])
        self.dynos[kind] = []
        for _ in range(count):
            self._start(kind)

    def _start(self, kind: str) -> None:
        words = [sys.executable, "-m", *web.arguments()] if kind == "web" else [*GATEWAY, "worker"]
        with open(self._log(kind), "ab") as log:
            begins = log.tell()
            dyno = subprocess.Popen(
                words, cwd=web.PROJECT, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        self.dynos[kind].append(dyno)
        works = self._answers if kind == "web" else lambda: b"started" in self._log(kind).read_bytes()[begins:]
        end = time.monotonic() + SECONDS
        while dyno.poll() is None and not works():  # a wrong setting ends it
            assert time.monotonic() < end, f"{kind} does not start:\n{self._log(kind).read_text()[-3000:]}"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            send(f"{self.inside}/healthcheck", "GET", {}, seconds=5)
            return True
        return False


@contextlib.contextmanager
def running(simulator: Simulator, server: Server, database_url: str, folder: Path, **config: str) -> Iterator[App]:
    """An app with one web dyno and one worker dyno, until the block ends."""
    web_port = free_port()
    own = Mesh(
        target=f"http://127.0.0.1:{web_port}", addon_url=simulator.environment["HEROKU_APPLINK_API_URL"],
        addon_token=ADDON_TOKEN, rules=mesh.project_rules(), seconds=60,
    )  # fmt: skip
    with proxying(database_url) as database, mesh.serving(own) as in_front:
        first = {
            **QUICK, **_of_addon(simulator), "DATABASE_URL": database.web_url,
            "GATEWAY_SECRET": secrets.token_urlsafe(48), **config,
        }  # fmt: skip
        app = App(
            simulator=simulator, database=database, server=server, folder=folder, web_port=web_port,
            mesh_url=in_front.url, config=first,
        )  # fmt: skip
        try:
            for kind in app.dynos:
                app._start(kind)
            yield app
        finally:
            for dynos in app.dynos.values():
                _end(dynos)


def until(ask: Callable[[], str], pattern: str, what: str, *, seconds: float = SECONDS) -> str:
    """Ask again and again until what is said fits; it."""
    end = time.monotonic() + seconds
    while True:
        said = ask()
        if re.search(pattern, said):
            return said
        assert time.monotonic() < end, f"{what} never said {pattern}, at last:\n{said[-3000:]}"
        time.sleep(0.2)


def issued(said: str) -> tuple[str, str]:
    """Username and secret as `gateway credentials create` and `rotate` show them."""
    found = re.search(r"^username (\S+)\nsecret   (\S+)$", said, re.MULTILINE)
    assert found, said
    return found[1], found[2]


def _basic(username: str, secret: str) -> str:
    return base64.b64encode(f"{username}:{secret}".encode()).decode()


def _of_addon(simulator: Simulator) -> dict[str, str]:
    """What the add-on sets, and what lets the simulated orgs in, which have no domain of Salesforce's."""
    return {**simulator.environment, "APPLINK_TEST_DOMAINS": f"{simulator.url},{simulator.other_url}"}


def _end(dynos: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM, as Heroku does, then the end of whatever is left of them."""
    for one in dynos:
        with contextlib.suppress(ProcessLookupError):
            one.terminate()
    for one in dynos:
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()
