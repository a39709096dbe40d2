"""What stands in front of gunicorn on Heroku, and what it lets through unchecked: three files that have to agree."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from local import web
from simulator import mesh, mesh_rules
from simulator.mesh_rules import Rules

MESH = "heroku-applink-service-mesh"
PUBLIC = (
    "/",
    "/odata",
    "/odata/",
    "/odata/v4/",
    "/odata/v4/$metadata",
    "/odata/v4/Quotes?$top=1",
    "/healthcheck",
    "/readiness",
)
OPERATIONS = (
    "createQuote", "previewQuote", "createQuotes", "startQuotes", "getJob", "cancelJob", "retryJob", "updateQuote",
    "deleteQuote",
)  # fmt: skip
BEHIND = (*(f"/applink/{name}" for name in OPERATIONS), "/applink", "/applink/", "/applink/openapi.yaml")
ENTRIES_TOO_WIDE = ("/*", "*", "/app*", "/applink", "/applink/*", "/applink/createQuote", "/applink/create*")


def covered(rules: Rules) -> list[str]:
    """The routes of operations that these rules would let pass unchecked."""
    return [route for route in BEHIND if rules.exempt(route)]


def test_no_bypass_entry_covers_an_operation() -> None:
    assert covered(mesh.project_rules()) == []


@pytest.mark.parametrize("entry", ENTRIES_TOO_WIDE)
def test_an_entry_that_covers_one_is_found(entry: str) -> None:
    assert covered(Rules(bypass=(entry,)))


def test_a_health_route_that_covers_one_is_found() -> None:
    assert covered(Rules(healthcheck="/applink/getJob")) == ["/applink/getJob"]


def test_the_routes_of_the_application_are_where_these_tests_think() -> None:
    """Every route that the application has is either public here or behind the mesh."""
    import app
    import settings as gateway_settings

    settings = gateway_settings.load({"DATABASE_URL": "postgresql:///", "GATEWAY_SECRET": "s" * 32})
    rules = mesh.project_rules()
    routes = {re.sub(r"<[^>]*>", "x", rule.rule) for rule in app.create_app(settings).url_map.iter_rules()}
    assert {route for route in routes if rules.exempt(route) == route.startswith("/applink")} == set()


@pytest.mark.parametrize("path", PUBLIC)
def test_what_has_its_own_authentication_or_none_passes(path: str) -> None:
    assert mesh.project_rules().exempt(path)


def test_the_file_is_where_the_mesh_looks_for_it() -> None:
    assert (web.PROJECT / mesh_rules.FILE_NAME).is_file()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where gunicorn listens and what it takes, as its configuration says."""

    address: str
    line_bytes: int
    field_bytes: int


def bound(**variables: str) -> Bound:
    """Evaluate gunicorn.conf.py as gunicorn would with these variables."""
    script = (
        "import runpy; said = runpy.run_path('gunicorn.conf.py'); "
        "print(said['bind'], said['limit_request_line'], said['limit_request_field_size'])"
    )
    environ = web.clean_environment() | {"DATABASE_URL": "postgresql:///", "GATEWAY_SECRET": "s" * 32, **variables}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=web.PROJECT, env=environ, capture_output=True, text=True, check=True
    )
    address, line, field = done.stdout.split()
    return Bound(address=address, line_bytes=int(line), field_bytes=int(field))


def web_variables() -> dict[str, str]:
    """The variables that the Procfile's web line sets in front of its command."""
    words = web.arguments("web", procfile="Procfile")
    pairs = [word.partition("=") for word in words[: next(i for i, word in enumerate(words) if "=" not in word)]]
    return {name: value for name, _, value in pairs}


def test_only_one_of_mesh_and_gunicorn_takes_the_port() -> None:
    words = web.arguments("web", procfile="Procfile")
    behind = MESH in words
    own = web_variables()
    address = bound(PORT="5999", HOST="0.0.0.0", **own).address
    rules = mesh.project_rules()
    app_port = own.get("APP_PORT") or rules.app_port or "3000"
    assert address == (f"127.0.0.1:{app_port}" if behind else "0.0.0.0:5999")
    assert words.count("gunicorn") == 1 and shlex.join(words).count("--bind") == 0
    assert not behind or words.index(MESH) < words.index("gunicorn")


def test_the_mesh_stands_in_front_on_heroku_and_not_locally() -> None:
    assert MESH in web.arguments("web", procfile="Procfile") and MESH not in web.arguments("web")
    assert bound(PORT="8000").address == "127.0.0.1:8000"


def test_the_port_behind_the_mesh_is_never_that_of_the_router() -> None:
    """HOST opens the port that the router knows, not the one that trusts whatever the mesh has checked."""
    assert bound(PORT="5999", HOST="0.0.0.0", APP_PORT="3000").address == "127.0.0.1:3000"


def app_json() -> dict[str, Any]:
    said: dict[str, Any] = json.loads((web.PROJECT / "app.json").read_text(encoding="utf-8"))
    return said


def test_app_json_brings_what_the_procfile_needs() -> None:
    said = app_json()
    buildpacks = [one["url"] for one in said["buildpacks"]]
    assert buildpacks == [f"heroku/{MESH}", "heroku/python"]
    assert {one["plan"].partition(":")[0] for one in said["addons"]} == {"heroku-applink", "heroku-postgresql"}
    for name in said["formation"]:
        assert web.arguments(name, procfile="Procfile")
    assert said["env"]["GATEWAY_SECRET"]["generator"] == "secret"


def test_what_app_json_starts_fits_into_the_connections_of_its_database() -> None:
    """docs/heroku.md, section 6."""
    said = {name: int(one["value"]) for name, one in app_json()["env"].items() if one.get("value", "").isdigit()}
    each = said["POOL_CONNECTIONS"] + 3 + said["OPERATION_CONNECTIONS"]
    worker, command = 6, 2
    assert said["WEB_CONCURRENCY"] * each + worker + command <= 20


def test_a_context_with_a_long_token_fits_into_a_header() -> None:
    said = bound(PORT="5999")
    assert said.line_bytes == 8190 and said.field_bytes >= 8190


def test_these_files_are_not_read_from_elsewhere() -> None:
    assert os.path.samefile(web.PROJECT, mesh.PROJECT)
