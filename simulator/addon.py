"""The AppLink add-on: named authorizations for the app, and the mesh's questions whether a request is the org's."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

from simulator.calls import Answer, Call
from simulator.world import ADDON_TOKEN, API_VERSION, APP_ID, FIRST_ORG, SECOND_ORG, Org, World

PREFIX: Final = "/addons/a1"
AUTHORIZATIONS: Final = {"worker": (FIRST_ORG, "worker"), "worker_globex": (SECOND_ORG, "worker")}
"""Developer name -> org and user: the named authorizations that an admin has made."""
DATA_ACTION_KEY: Final = b"data-action-key"
_MADE: Final = "2026-01-05T10:00:00.000001Z"


def answer(world: World, call: Call) -> Answer:
    """The answer to a call below /addons/a1."""
    if not hmac.compare_digest(call.token, ADDON_TOKEN):
        return _problem(401, "Unauthorized", "The add-on's token is missing or wrong")
    path = call.path.removeprefix(PREFIX)
    if call.method == "GET" and path.startswith("/authorizations/"):
        if call.headers.get("X-App-UUID") != APP_ID:
            return _problem(401, "Unauthorized", "X-App-UUID is missing or of another app")
        return _authorization(world, path.removeprefix("/authorizations/"))
    question = _QUESTIONS.get((call.method, path))
    if question is None:
        return _problem(404, "Not Found", f"No {call.method} {path}")
    body = call.json()
    return question(world, body if isinstance(body, dict) else {})


def _authorization(world: World, name: str) -> Answer:
    if name not in AUTHORIZATIONS:
        return _problem(404, "Not Found", f"No authorization named {name}")
    org_id, short_name = AUTHORIZATIONS[name]
    org = world.orgs[org_id]
    user = next(user for username, user in org.users.items() if username.startswith(f"{short_name}@"))
    number = list(AUTHORIZATIONS).index(name) + 1
    body = {
        "id": f"7d0c3c0e-0000-4000-8000-{number:012d}",
        "status": "authorized",
        "org": {
            "id": org.id,
            "developer_name": name,
            "instance_url": world.domain(org),
            "type": "SalesforceOrg",
            "api_version": API_VERSION,
            "user_auth": {"username": user.username, "user_id": user.id, "access_token": org.token(user.username)},
        },
        "created_at": _MADE,
        "created_by": "ops@acme.example",
        "created_via_app": "gateway",
        "last_modified_at": _MADE,
        "last_modified_by": "ops@acme.example",
    }
    return Answer(body=body)


def _authenticate(world: World, body: dict[str, Any]) -> Answer:
    """Whether x-request-context comes from the org that it names. Unknown org 401, wrong token or domain 403."""
    org = _org(world, body.get("org_id"))
    if org is None:
        return _problem(401, "Unauthorized", "The org is not connected")
    proven = world.is_core_jwt(str(body.get("core_jwt_token")), org)
    at_home = body.get("org_domain_url") == world.domain(org)
    if not proven or not at_home or body.get("app_uuid") != APP_ID:
        return _problem(403, "Forbidden", "The request does not come from this org")
    return Answer(body={})


def _data_action(world: World, body: dict[str, Any]) -> Answer:
    """Whether a Data Cloud payload is signed with the target's key."""
    digest = hmac.new(DATA_ACTION_KEY, str(body.get("payload", "")).encode(), hashlib.sha256).digest()
    expected = base64.b64encode(digest).decode()
    known = _org(world, body.get("org_id")) is not None and bool(body.get("api_name"))
    if not known or not hmac.compare_digest(expected, str(body.get("signature"))):
        return _problem(403, "Forbidden", "The signature does not fit")
    return Answer(body={})


def _org(world: World, org_id: Any) -> Org | None:
    return world.orgs.get(org_id) if isinstance(org_id, str) else None


def _problem(status: int, title: str, detail: str) -> Answer:
    return Answer(status=status, body={"title": title, "detail": detail})


_QUESTIONS: Final[dict[tuple[str, str], Callable[[World, dict[str, Any]], Answer]]] = {
    ("POST", "/invocations/authentication"): _authenticate,
    ("POST", "/data_action_targets/authenticate"): _data_action,
}
