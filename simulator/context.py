"""The three headers that Salesforce sends with an invocation, for a user of a simulated org.

In: who calls, and which invocation. Out: `x-client-context` and `x-request-context` in unwrapped standard base64 of
JSON, and `x-request-id`. Knows no HTTP and no store: a `Caller` holds what it needs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

API_VERSION: Final = "64.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A signed-in user of an org. Ids have 18 characters; org_domain_url: with scheme, no slash at the end.

    org_token: what proves to the add-on that the org itself sends the request; "" makes one that proves nothing.
    """

    org_id: str
    org_domain_url: str
    user_id: str
    username: str
    access_token: str
    api_version: str = API_VERSION
    namespace: str | None = None
    org_token: str = ""


def caller_of(said: Mapping[str, str]) -> Caller:
    """A user as the simulator's control API tells it."""
    return Caller(
        org_id=said["orgId"],
        org_domain_url=said["orgDomainUrl"],
        user_id=said["userId"],
        username=said["username"],
        access_token=said["accessToken"],
        api_version=said["apiVersion"],
        org_token=said["coreJwt"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is invoked. app_uuid: HEROKU_APP_ID of the gateway; resource: its path."""

    resource: str
    app_uuid: str = "app-1"


def new_request_id(caller: Caller, now: datetime | None = None) -> str:
    """A request id as Salesforce makes them: org id of 15 characters, random part, moment."""
    moment = now or datetime.now(UTC)
    return f"{caller.org_id[:15]}-{uuid.uuid4()}-{moment:%Y-%m-%dT%H:%M:%SZ}"


def headers(caller: Caller, target: Target, request_id: str) -> dict[str, str]:
    """All three headers of one invocation, as they reach the mesh."""
    return {
        "x-client-context": encode(client_context(caller, request_id)),
        "x-request-context": encode(request_context(caller, target, request_id)),
        "x-request-id": request_id,
    }


def client_context(caller: Caller, request_id: str) -> dict[str, Any]:
    """The members of `x-client-context`, which the gateway reads."""
    return {
        "requestId": request_id,
        "accessToken": caller.access_token,
        "apiVersion": caller.api_version,
        "namespace": caller.namespace,
        "orgId": caller.org_id,
        "orgDomainUrl": caller.org_domain_url,
        "userContext": {"userId": caller.user_id, "username": caller.username},
    }


def request_context(caller: Caller, target: Target, request_id: str) -> dict[str, Any]:
    """The members of `x-request-context`, which the mesh reads and takes away."""
    return {
        "id": request_id,
        "auth": caller.org_token or _unproven(caller),
        "loginUrl": caller.org_domain_url,
        "orgDomainUrl": caller.org_domain_url,
        "orgId": caller.org_id,
        "resource": target.resource,
        "type": "com.salesforce.heroku.invocation",
        "appUuid": target.app_uuid,
    }


def encode(document: object) -> str:
    """JSON without blanks in standard base64, on one line."""
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode("ascii")


def decode(header: str) -> Any:
    """What `encode` made of it."""
    return json.loads(base64.b64decode(header, validate=True))


def _unproven(caller: Caller) -> str:
    """A token in the form of the org's own, sealed by nobody's key: an add-on that checks refuses it."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": caller.org_id, "sub": caller.user_id, "aud": "heroku-applink"})
    signed = ".".join(_unpadded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    seal = hmac.new(b"nobody", signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_unpadded(seal)}"


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


Spoil = Callable[[Caller, str], str]
"""Makes a bad `x-client-context` of a caller and a request id."""


def _changed(changes: Mapping[str, Any], *, without: tuple[str, ...] = ()) -> Spoil:
    def spoil(caller: Caller, request_id: str) -> str:
        members = {**client_context(caller, request_id), **changes}
        return encode({name: value for name, value in members.items() if name not in without})

    return spoil


def _wrapped(caller: Caller, request_id: str) -> str:
    """As `base64` without `-w0` prints it: blanks every 76 characters once the lines are folded into a header."""
    whole = encode(client_context(caller, request_id))
    return " ".join(whole[start : start + 76] for start in range(0, len(whole), 76))


MALFORMED: Final[Mapping[str, Spoil]] = {
    "empty": lambda caller, request_id: "",
    "not-base64": lambda caller, request_id: "%%%",
    "wrapped": _wrapped,
    "not-json": lambda caller, request_id: base64.b64encode(b"{").decode(),
    "not-utf8": lambda caller, request_id: base64.b64encode(b'{"orgId":"\xff"}').decode(),
    "not-an-object": lambda caller, request_id: encode([1, 2]),
    "null": lambda caller, request_id: encode(None),
    "deep": lambda caller, request_id: base64.b64encode(b"[" * 5000).decode(),
    "huge": _changed({"accessToken": "x" * 9000}),
    "no-org-id": _changed({}, without=("orgId",)),
    "no-token": _changed({}, without=("accessToken",)),
    "no-request-id": _changed({}, without=("requestId",)),
    "no-domain": _changed({}, without=("orgDomainUrl",)),
    "no-user": _changed({}, without=("userContext",)),
    "user-null": _changed({"userContext": None}),
    "user-text": _changed({"userContext": "ann"}),
    "empty-token": _changed({"accessToken": ""}),
    "token-with-line-break": _changed({"accessToken": "abc\r\nX-Injected: 1"}),
    "number-for-org": _changed({"orgId": 7}),
    "org-id-checksum": _changed({"orgId": "00DbZ0000000001AAA"}),
    "org-id-of-a-user": _changed({"orgId": "005bZ0000000001UAA"}),
    "version-with-path": _changed({"apiVersion": "64.0/../../x"}),
    "namespace-number": _changed({"namespace": 7}),
}
"""Contexts that a gateway has to refuse with 400 (the first also with 401), by name; never with 500."""

FOREIGN_DOMAINS: Final = (
    "https://evil.example",
    "https://acme.my.salesforce.com.evil.example",
    "https://evil.example#.my.salesforce.com",
    "https://evil.example/?.my.salesforce.com",
    "https://acme.my.salesforce.com@evil.example",
    "https://notsalesforce.com",
    "http://169.254.169.254",
    "http://[::1]:8010",
    "ftp://acme.my.salesforce.com",
    "https://acme.my.salesforce.com:8443",
)
"""Values of `orgDomainUrl` outside of every allow-list; no request may ever reach them."""
