"""The service as the conformance tests call it: the real pipeline over WSGI, in this process, for any exposure.

    client = Client(database_url, everything.EXPOSURE, org=everything.FIRST_ORG)
    client.get("Things?$top=2").rows == [...]
    client.statements            what the last request ran on the database, with its parameters

Requests go in as a WSGI environment with the raw target, as gunicorn gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from io import BytesIO
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.test import run_wsgi_app

import app as composition
import settings as gateway_settings
from odata.exposure import Exposure
from odata.plan.limits import Profile
from odata.protocol.bodies import BodyLimits
from odata.protocol.wsgi import Http, WsgiApp, in_front_of
from odata.service import Principal, Service
from odata.sql.run import Database, Timings

ROOT = "http://gateway.test/odata/v4/"
SECRET = "a secret of thirty-two characters"
LEAKS = ("SELECT ", " FROM ", "WHERE ", "Traceback", "psycopg", "sqlalchemy", "gateway.quote", "org_id", "line ", ".py")
"""Words of SQL, of tracebacks and of tables that no error object may hold."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, decimals exact."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def rows(self) -> list[Any]:
        assert self.status == 200, (self.status, self.text)
        rows: list[Any] = self.json["value"]
        return rows

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        return error

    def values(self, name: str) -> list[Any]:
        """One property of every row."""
        return [row[name] for row in self.rows]


@dataclass(slots=True)
class Recorder:
    """Stands before the database and keeps what was run."""

    database: Database
    statements: list[tuple[str, Sequence[Any]]]

    def fetch(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        *,
        deadline_seconds: float = 25.0,
        prepare: bool | None = None,
        timings: Timings | None = None,
    ) -> Any:
        self.statements.append((sql, parameters))
        return self.database.fetch(sql, parameters, deadline_seconds=deadline_seconds, prepare=prepare, timings=timings)

    def measures(self) -> dict[str, int]:
        return self.database.measures()


class Client:
    """Requests to one service over one database, as one caller unless a call says otherwise."""

    def __init__(
        self,
        database_url: str,
        exposure: Exposure | None = None,
        *,
        org: str,
        profile: Profile = "strict",
        sets: frozenset[str] | None = None,
        secret: str = SECRET,
        **changed: Any,
    ) -> None:
        self.settings = gateway_settings.Settings(
            database_url=database_url, gateway_secret=secret, public_url=ROOT.removesuffix("/odata/v4/"), **changed
        )
        self.service: Service = composition.service(self.settings, exposure)
        self.principal = Principal(identity="test", org_id=org, profile=profile, sets=sets)
        database = self.service.database
        assert isinstance(database, Database)
        self.recorder = Recorder(database, [])
        self.service.database = self.recorder
        self.wsgi = self._wsgi()

    @property
    def statements(self) -> list[tuple[str, Sequence[Any]]]:
        """What the last request ran."""
        return self.recorder.statements

    def as_org(self, org: str, *, profile: Profile | None = None) -> Client:
        """The same service, asked by another caller."""
        other = Client.__new__(Client)
        other.__dict__.update(self.__dict__)
        other.principal = replace(self.principal, org_id=org, profile=profile or self.principal.profile)
        other.wsgi = other._wsgi()
        return other

    def get(self, url: str, **headers: str) -> Reply:
        return self.send("GET", url, headers=headers)

    def query(self, path: str, options: str, **headers: str) -> Reply:
        """POST path/$query with the options in the body."""
        sent = {"content_type": "text/plain", **headers}
        return self.send("POST", f"{path}/$query", headers=sent, body=options.encode())

    def send(self, method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> Reply:
        """One request. url: below the service root, or absolute; headers: names with "_" for "-"."""
        self.recorder.statements.clear()
        parts, status, sent = run_wsgi_app(self.wsgi, self._environ(method, url, headers or {}, body))
        return Reply(int(status[:3]), {name.lower(): value for name, value in sent}, b"".join(parts))

    def pages(self, url: str, **headers: str) -> Iterator[Reply]:
        """A page and all that follow."""
        next_url: str | None = url
        count = 0
        while next_url is not None:
            count += 1
            assert count < 3000, f"no end of pages: {url}"
            reply = self.get(next_url, **headers)
            assert reply.status == 200, (next_url, reply.status, reply.text)
            yield reply
            document = reply.json
            next_url = document.get("@odata.nextLink", document.get("@nextLink"))

    def close(self) -> None:
        self.recorder.database.close()

    def _wsgi(self) -> WsgiApp:
        return in_front_of(
            NotFound(),
            Http(
                service=self.service,
                verify=lambda headers, source: self.principal,
                source=lambda headers, peer: peer,
                extra_headers=lambda headers: (),
                report=lambda *_: None,
                query_bodies=BodyLimits(),
                cors_origins=self.settings.cors_origins,
            ),
        )

    def _environ(self, method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        target = "/odata/v4/" + url.removeprefix(ROOT)
        environ = {
            "REQUEST_METHOD": method,
            "RAW_URI": target,
            "PATH_INFO": "/odata/v4/resource",
            "QUERY_STRING": "",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "gateway.test",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": BytesIO(),
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        return environ
