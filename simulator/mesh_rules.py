"""What the AppLink service mesh lets through: its file, its bypass entries, its two headers. Values in, values out.

In: the text of `heroku-applink-service-mesh.yaml`, a request target, headers. Out: `Rules`, whether a path is exempt,
what is to be asked of the add-on. Knows no socket; mesh.py has those.

The rules are those of the public mesh (a Go program): where it is peculiar, so is this, since a gateway that relies on
what the real one does not do is wrong on Heroku only.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

FILE_NAME: Final = "heroku-applink-service-mesh.yaml"
CONTEXT_MEMBERS: Final = ("id", "auth", "loginUrl", "orgDomainUrl", "orgId", "resource", "type", "appUuid")
"""What `x-request-context` must hold, each a text that is not empty."""

_KNOWN: Final[Mapping[str, Any]] = {
    "app": {"port": str, "host": str},
    "mesh": {"authentication": {"bypassRoutes": list}, "healthcheck": {"enable": str, "route": str}},
}


class RulesError(ValueError):
    """The file cannot be used: the mesh would not start."""


class Refused(Exception):
    """The mesh answers by itself. status: HTTP status; text: the whole body, without its line end."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the file says. healthcheck: its path, None when it is switched off; app: host and port, "" when not said."""

    bypass: tuple[str, ...] = ()
    healthcheck: str | None = "/healthcheck"
    app_host: str = ""
    app_port: str = ""
    bypass_everything: bool = False

    def exempt(self, request_target: str) -> bool:
        """Whether a request to this target passes unchecked. Only the decoded path counts, and dots stay as they are.

        Example: Rules(bypass=("/odata/*",)).exempt("/odata/../applink/createQuote") is True, as on Heroku
        """
        path = decoded_path(request_target)
        if self.bypass_everything or path in self.bypass or path == self.healthcheck:
            return True
        return any(_covers(entry, path) for entry in self.bypass)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the add-on is asked before a request goes on. path: below the add-on's URL; body: JSON members."""

    path: str
    body: Mapping[str, str]


def read(text: str) -> Rules:
    """The rules of one file.

    Raises: RulesError for what the mesh does not read: a key it does not know, a value of another kind, no YAML.
    """
    import yaml  # only the simulator needs it, and only here

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise RulesError(f"{FILE_NAME} is no YAML: {problem}") from None
    _check(document, _KNOWN, FILE_NAME)
    app, mesh = _member(document, "app"), _member(document, "mesh")
    health = _member(mesh, "healthcheck")
    enabled = str(health.get("enable", "true")).lower() == "true"
    return Rules(
        bypass=tuple(_member(mesh, "authentication").get("bypassRoutes") or ()),
        healthcheck=str(health.get("route") or "/healthcheck") if enabled else None,
        app_host=str(app.get("host") or ""),
        app_port=str(app.get("port") or ""),
    )


def _check(value: object, known: Any, place: str) -> None:
    """Refuse what Go's decoder refuses: unknown keys, and values of another kind (an empty one counts as not said)."""
    if value is None:
        return
    if isinstance(known, Mapping):
        if not isinstance(value, dict):
            raise RulesError(f"{place} must hold keys, not {value!r}")
        for key, inner in value.items():
            if key not in known:
                raise RulesError(f"{place} knows no key '{key}'; it knows {', '.join(known)}")
            _check(inner, known[key], f"{place} {key}")
    elif known is list:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise RulesError(f"{place} must be a list of paths, not {value!r}")
    elif isinstance(value, dict | list):
        raise RulesError(f"{place} must be a text, not {value!r}")


def _member(mapping: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (mapping or {}).get(name) or {}
    return found


def decoded_path(request_target: str) -> str:
    """The path of a request target, decoded, without its query; not normalised.

    Raises: Refused (400) for a stray percent sign.
    """
    path = origin_form(request_target).partition("?")[0]
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise Refused(HTTPStatus.BAD_REQUEST, "400 Bad Request")
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")


def origin_form(request_target: str) -> str:
    """Path and query, also of a target that names scheme and host; bytes beyond ASCII are percent-encoded."""
    absolute = re.match(r"https?://[^/?]*", request_target, re.IGNORECASE)
    rest = request_target[absolute.end() if absolute else 0 :]
    rooted = rest if rest.startswith("/") else f"/{rest}"
    return re.sub(r"[^!-~]", lambda found: f"%{ord(found[0]):02X}", rooted)


def _covers(entry: str, path: str) -> bool:
    return path.startswith(f"{entry}?") or (entry.endswith("*") and path.startswith(entry[:-1]))


def question(headers: Mapping[str, str], request_id: str, request_target: str, body: bytes) -> Question:
    """What to ask the add-on about a request that is not exempt.

    Args:   headers: names in lower case, one value each. request_id: sent or generated.
    Raises: Refused: 401 without any sign of Salesforce, 400 with half of one or a bad one.
    """
    request_context, client_context = headers.get("x-request-context", ""), headers.get("x-client-context", "")
    if request_context and client_context:
        return _salesforce(request_context, request_id)
    if request_context or client_context:
        raise _malformed("Invalid request")
    if headers.get("x-signature"):
        return _data_action_target(headers["x-signature"], request_target, body)
    raise Refused(HTTPStatus.UNAUTHORIZED, "401 Invalid request")


def _salesforce(header: str, request_id: str) -> Question:
    context = _request_context(header)
    for name in CONTEXT_MEMBERS:
        if not context.get(name):
            raise _malformed("Invalid x-request-context header")
    if context["id"] not in request_id:
        raise _malformed("Invalid x-request-context header")
    return Question(
        path="/invocations/authentication",
        body={
            "org_domain_url": context["orgDomainUrl"],
            "core_jwt_token": context["auth"],
            "org_id": context["orgId"],
            "app_uuid": context["appUuid"],
        },
    )


def _request_context(header: str) -> Mapping[str, str]:
    try:
        found = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _malformed("Invalid x-request-context header") from None
    if not isinstance(found, dict) or not all(isinstance(found.get(name, ""), str) for name in CONTEXT_MEMBERS):
        raise _malformed("Invalid x-request-context header")
    return found


def _malformed(text: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, f"400 {text}")


def _data_action_target(signature: str, request_target: str, body: bytes) -> Question:
    query = parse_qs(urlsplit(origin_form(request_target)).query)
    return Question(
        path="/data_action_targets/authenticate",
        body={
            "api_name": query.get("apiName", [""])[0],
            "org_id": query.get("orgId", [""])[0],
            "signature": signature,
            "payload": body.decode("utf-8", "replace"),
        },
    )
