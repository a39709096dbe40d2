"""The simulated org that `make run` starts beside the gateway: its ports, and the settings that lead to it.

Only where the embedded database is used: nobody wants quotes of an invented org in a database of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from local.ports import Wanted
from local.servers import DATA
from local.trouble import Trouble
from simulator.addon import AUTHORIZATIONS, PREFIX
from simulator.data import SPECIAL_NUMBERS, record_id
from simulator.world import ADDON_TOKEN, APP_ID, FIRST_ORG

SIM_PORT = 8010
MESH_PORT = 8020
RECORDS = DATA / "org.sqlite"
"""What is changed in the org, kept over a restart as the database is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Where org and add-on (one port) and the service mesh listen, on 127.0.0.1."""

    port: int = SIM_PORT
    mesh_port: int = MESH_PORT

    def wanted(self) -> tuple[Wanted, ...]:
        """Its ports."""
        return (
            Wanted(use="simulated org", variable="SIM_PORT", port=self.port),
            Wanted(use="service mesh", variable="MESH_PORT", port=self.mesh_port),
        )

    def settings(self) -> dict[str, str]:
        """What Heroku's add-on would set, and what lets this org in, which has no domain of Salesforce's."""
        return {
            "HEROKU_APPLINK_API_URL": f"http://127.0.0.1:{self.port}{PREFIX}",
            "HEROKU_APPLINK_TOKEN": ADDON_TOKEN,
            "HEROKU_APP_ID": APP_ID,
            "APPLINK_AUTHORIZATION": ",".join(f"{org_id}={name}" for name, (org_id, _) in AUTHORIZATIONS.items()),
            "APPLINK_TEST_DOMAINS": f"http://127.0.0.1:{self.port},http://localhost:{self.port}",
            # The demo data's jobs have ended long ago; the worker would take them away.
            "KEEP_JOBS_DAYS": "3650",
            "KEEP_KEYS_DAYS": "3650",
        }

    def command(self, gateway: str) -> str:
        """The beginning of a `gateway sim` line; gateway: its URL without a slash at the end."""
        given = {
            "--simulator": (f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{SIM_PORT}"),
            "--gateway": (gateway, "http://127.0.0.1:8000"),
            "--mesh": (f"http://127.0.0.1:{self.mesh_port}", f"http://127.0.0.1:{MESH_PORT}"),
        }
        options = "".join(f" {name} {url}" for name, (url, default) in given.items() if url != default)
        return f".venv/bin/gateway sim{options}"


def from_environment(environ: Mapping[str, str] = os.environ) -> Simulated:
    """SIM_PORT and MESH_PORT. Raises: Trouble for what is no port."""
    return Simulated(port=_port("SIM_PORT", environ, SIM_PORT), mesh_port=_port("MESH_PORT", environ, MESH_PORT))


def opportunity() -> str:
    """The id of one with three lines in the first org, which a quote can be made of at any time."""
    return record_id("006", FIRST_ORG[3:5], SPECIAL_NUMBERS["plain"])


def _port(variable: str, environ: Mapping[str, str], default: int) -> int:
    text = environ.get(variable) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Trouble(f"{variable} is '{text[:80]}'; it needs a whole number from 1 to 65535")
    return int(text)
