"""A simulator of one's own, as a context manager: a process on free ports, and what tests ask of it and set.

with running() as simulator:
    simulator.fault("POST /composite/graph", cut=True, after=True)
    simulator.records("Quote", "OpportunityId = '006...'")
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from simulator.context import Caller, caller_of
from simulator.exchange import send

PROJECT: Final = Path(__file__).resolve().parent.parent
_SECONDS: Final = 30.0


class SimulatorError(Exception):
    """The simulator did not start, or refused what it was asked through /__sim/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A running simulator.

    url:   the first org's domain and, below /addons/a1, the add-on; no slash at the end
    other_url: the second org's domain: several currencies
    mesh_url: the service mesh, "" when there is none
    environment: the settings with which the gateway, or the SDK, reaches the add-on
    """

    url: str
    other_url: str
    mesh_url: str
    environment: Mapping[str, str]
    process: subprocess.Popen[str]

    def fault(self, match: str, **order: Any) -> int:
        """Order a fault (faults.py) for calls such as "POST /composite/graph"; its id.

        Example: fault("GET /query", status=503, body="<html>", times=2); fault("* /", user="ann@acme.example", delay=3)
        """
        return int(self._ask("POST", "faults", {"match": match, **order})["id"])

    def faults(self) -> list[dict[str, Any]]:
        """All orders; `met` says how many calls each has met."""
        return list(self._ask("GET", "faults")["faults"])

    def clear_faults(self) -> None:
        """No faults from now on."""
        self._ask("DELETE", "faults")

    def reset(self) -> None:
        """Everything as it was at the start: records, settings, tokens, faults, requests."""
        self._ask("POST", "reset")

    def requests(self, path: str = "", *, since: int = 0) -> list[dict[str, Any]]:
        """Recorded requests whose path holds `path`, oldest first: number, method, path, query, user, status, ms ..."""
        return list(self._ask("GET", "requests", query={"path": path, "since": since})["requests"])

    def most_under_way(self) -> dict[str, dict[str, int]]:
        """For each user the most calls, and the most queries, that were under way at once."""
        said = self._ask("GET", "requests", query={"since": 2**62})
        return {"calls": said["mostCalls"], "queries": said["mostQueries"]}

    def mean_under_way(self, user: str, *, since: int = 0) -> float:
        """How many calls of a user were under way on average, from the begin of the first to the end of the last."""
        made = [one for one in self.requests(since=since) if one["user"] == user]
        if not made:
            return 0.0
        ends = max(one["started"] + one["ms"] / 1000 for one in made)
        seconds = ends - min(one["started"] for one in made)
        return float(sum(one["ms"] for one in made) / 1000 / seconds)

    def forget_requests(self) -> None:
        """An empty record."""
        self._ask("DELETE", "requests")

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (world.py); all of them as they are then."""
        return dict(self._ask("POST", "settings", changes) if changes else self._ask("GET", "settings"))

    def expire_token(self, username: str | None = None) -> None:
        """End the token of a user, or of everybody; `caller` and the add-on have a new one."""
        self._ask("POST", "expire-token", {"username": username})

    def caller(self, username: str) -> Caller:
        """A user with a valid token. Example: caller("ann").access_token"""
        said = self._ask("POST", "sign-in", {"username": username})
        return caller_of(said)

    def records(self, type_name: str, where: str = "", *, org: str | None = None) -> list[dict[str, Any]]:
        """Records for which a SOQL condition holds, all fields, whoever may see them; org: an id, else the first."""
        query = {"type": type_name, "where": where, **({"org": org} if org else {})}
        return list(self._ask("GET", "records", query=query)["records"])

    def create(self, type_name: str, fields: Mapping[str, Any], *, org: str | None = None) -> str:
        """Make a record behind everybody's back; its id."""
        return str(self._ask("POST", "records", {"type": type_name, "fields": dict(fields), "org": org})["id"])

    def update(self, type_name: str, record_id: str, fields: Mapping[str, Any], *, org: str | None = None) -> None:
        """Change a record behind everybody's back."""
        self._ask("POST", "records", {"type": type_name, "id": record_id, "fields": dict(fields), "org": org})

    def delete(self, type_name: str, record_id: str, *, org: str | None = None) -> None:
        """Delete a record behind everybody's back."""
        self._ask("POST", "records", {"type": type_name, "id": record_id, "org": org})

    def opportunities(self, count: int, *, user: str = "worker", bad: bool = False) -> list[str]:
        """Ids of opportunities that a user sees and that can become a quote, or cannot; fewer if there are fewer."""
        query = {"count": count, "user": user, "bad": int(bad)}
        return list(self._ask("GET", "opportunities", query=query)["ids"])

    def special(self, name: str, *, org: str | None = None) -> str:
        """The id of a special case of data.py. Example: special("no_lines")"""
        return str(self._ask("GET", "specials", query={"org": org} if org else {})[name]["id"])

    def open_callback(self, username: str, **more: Any) -> dict[str, Any]:
        """A new asynchronous invocation by a user: id, url ... (callbacks.py); more: operation, deadlineSeconds."""
        return dict(self._ask("POST", "callbacks", {"username": username, **more}))

    def callback(self, callback_id: str) -> dict[str, Any]:
        """What has become of an invocation: received, handled, status."""
        return dict(self._ask("GET", f"callbacks/{callback_id}"))

    def events(self) -> list[dict[str, Any]]:
        """Platform events published so far."""
        return list(self._ask("GET", "events")["events"])

    def add_consumer(self, consumer_key: str, public_key: str) -> None:
        """Let whoever holds the private key of this PEM sign in by JWT."""
        self._ask("POST", "consumers", {"consumerKey": consumer_key, "publicKey": public_key})

    def _ask(
        self,
        method: str,
        name: str,
        members: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        url = f"{self.url}/__sim/{name}" + (f"?{urlencode(query)}" if query else "")
        body = b"" if members is None else json.dumps(members).encode()
        answer = send(url, method, {"Content-Type": "application/json"}, body, seconds=_SECONDS)
        if answer.status != 200:
            raise SimulatorError(f"{method} {url}: {answer.status} {answer.body.decode()}")
        return answer.json()


@contextlib.contextmanager
def running(
    *,
    port: int | None = None,
    mesh_target: str | None = None,
    data: Path | None = None,
    opportunities: int | None = None,
    delay_ms: float | None = None,
) -> Iterator[Simulator]:
    """A simulator for the time of the block.

    Args:   port: a certain one, else a free one; mesh_target: the gateway's URL, then there is a mesh before it.
            data: file that survives; opportunities: of the first org; delay_ms: of every call.
    Raises: SimulatorError when it does not start.
    """
    port = port or free_port()
    mesh_port = free_port() if mesh_target is not None else None
    given = {
        "--port": port,
        "--mesh-port": mesh_port,
        "--target": mesh_target,
        "--data": data,
        "--opportunities": opportunities,
        "--delay-ms": delay_ms,
    }
    arguments = [text for name, value in given.items() if value is not None for text in (name, str(value))]
    command = [sys.executable, "-m", "simulator", *arguments]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("simulator:"):
            raise SimulatorError(f"the simulator did not start: {' '.join(command)}")
        yield _described(process, port, mesh_port)
    finally:
        _end(process)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _described(process: subprocess.Popen[str], port: int, mesh_port: int | None) -> Simulator:
    url = f"http://127.0.0.1:{port}"
    return Simulator(
        url=url,
        other_url=f"http://localhost:{port}",
        mesh_url=f"http://127.0.0.1:{mesh_port}" if mesh_port else "",
        environment={
            "HEROKU_APPLINK_API_URL": f"{url}/addons/a1",
            "HEROKU_APPLINK_TOKEN": "addon-secret",
            "HEROKU_APP_ID": "app-1",
        },
        process=process,
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
