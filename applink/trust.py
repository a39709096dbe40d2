"""Who calls: headers in, a `Caller` out, proven before anything else happens.

mesh:   x-client-context is JSON that nobody has signed, so it is read strictly, its org must be one that is served, its
        domain Salesforce's, and the org itself is asked (userinfo) whose token it is: that is the only request sent.
basic:  a credential of this gateway with scope write; the work is then the named authorization's.
Keeps proofs for minutes, under a hash; keeps no token. The headers of other routes never get here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from applink.authorizations import Orgs, session_of
from applink.context import Caller
from applink.errors import (
    ContextMissing,
    InvalidContext,
    NotAuthenticated,
    OperationError,
    OrgNotAllowed,
    OrgUnavailable,
    TokenRejected,
)
from applink.refusals import read_errors
from applink.sending import Answer, Call, meaning
from applink.tokens import origin
from odata.edm.record_ids import widen_record_id

HEADER: Final = "x-client-context"
LONGEST_HEADER: Final = 8_190
PROVEN_SECONDS: Final = 300.0
REFUSED_SECONDS: Final = 10.0
PROOF_SECONDS: Final = 8.0
"""How long a proof counts, how long a refusal does, and how long the org may take."""
MOST_PROOFS: Final = 10_000
DOMAINS: Final = (".my.salesforce.com", ".my.salesforce.mil", ".my.sfcrmproducts.cn")
"""Ends of host names that only Salesforce gives to orgs, those of sandboxes and scratch orgs included."""

VerifyBasic = Callable[[str], tuple[str, str] | None]
"""The header Authorization -> (org id, name) of a credential with scope write, None where there is none such."""
_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_VERSION: Final = re.compile(r"v?([1-9][0-9]{1,2}\.0)")
_VISIBLE: Final = re.compile(r"[!-~]+")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class Trust:
    """Proves callers. Thread-safe; one value a process.

    served: 18-character ids of the orgs that may call, empty for those of the named authorizations.
    test_domains: origins of simulated orgs, such as http://127.0.0.1:8010, which need no https.
    """

    def __init__(
        self,
        orgs: Orgs,
        *,
        mode: str = "mesh",
        served: Collection[str] = (),
        test_domains: Collection[str] = (),
        verify_basic: VerifyBasic | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if mode not in ("mesh", "basic") or (mode == "basic" and verify_basic is None):
            raise ValueError("mode is mesh, or basic with verify_basic")
        self._orgs = orgs
        self._verify_basic = verify_basic if mode == "basic" else None
        self._served = frozenset(widen_record_id(org_id) for org_id in served)
        self._test_domains = frozenset(origin(domain) for domain in test_domains)
        self._proofs = Proofs(clock)

    def prove(self, headers: Mapping[str, str], deadline: float | None = None) -> Caller:
        """The caller of one request. headers: names in lower case.

        Raises: ContextMissing, TokenRejected, NotAuthenticated 401; InvalidContext 400; OrgNotAllowed 403;
                OrgUnavailable 503 where the org, or the add-on, cannot say.
        """
        limit = time.monotonic() + PROOF_SECONDS
        deadline = limit if deadline is None else min(deadline, limit)
        if self._verify_basic is not None:
            return self._credential(headers, self._verify_basic, deadline)
        caller = read_context(headers.get(HEADER), test_domains=self._test_domains)
        if caller.org_id not in (self._served or self._orgs.known_orgs(deadline=deadline)):
            raise OrgNotAllowed(f"This gateway does not serve org {caller.org_id}.")
        self._prove_token(caller, deadline)
        return caller

    def _credential(self, headers: Mapping[str, str], verify: VerifyBasic, deadline: float) -> Caller:
        given = headers.get("authorization")
        if not given:
            raise ContextMissing("Credentials of the gateway are needed (APPLINK_AUTH=basic): Authorization: Basic ...")
        found = verify(given)
        if found is None:
            raise NotAuthenticated("The credentials are unknown, or without scope write.")
        org_id, name = widen_record_id(found[0]), found[1]
        if self._served and org_id not in self._served:
            raise OrgNotAllowed(f"This gateway does not serve org {org_id}.")
        org = self._orgs.named(org_id, deadline=deadline)
        return Caller(
            org_id=org_id,
            domain_url=org.domain_url,
            api_version=self._orgs.api_version(org_id),
            user_id=None,
            username=name,
            access_token=None,
            request_id=_request_id(headers.get("x-request-id")),
        )

    def _prove_token(self, caller: Caller, deadline: float) -> None:
        """Whether the org knows the token as the user's. Raises: TokenRejected, OrgUnavailable."""
        facts = (caller.org_id, str(caller.user_id), caller.username, caller.domain_url, str(caller.access_token))
        key = hashlib.sha256("\n".join(facts).encode()).digest()
        kept = self._proofs.get(key)
        if kept is None:
            kept = self._ask(caller, deadline)
            self._proofs.put(key, kept)
        if not kept:
            raise TokenRejected("The org does not know the token in x-client-context as that of this user and org.")

    def _ask(self, caller: Caller, deadline: float) -> bool:
        sender = self._orgs.sender
        call = Call(
            method="GET",
            path="/services/oauth2/userinfo",
            read=lambda answer: _is_of(caller, answer),
            what="whose token it is",
            any_status=True,
        )
        failure: OperationError
        try:
            return meaning(call, sender.loop.run(sender.send(call, session_of(caller), deadline), deadline))
        except TimeoutError:
            failure = OrgUnavailable("The org did not say in time whose token it is.")
        raise failure


class Proofs:
    """What orgs said of tokens, by hash, for a while. Bounded; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()

    def get(self, key: bytes) -> bool | None:
        """What was said, None when it was not, or too long ago."""
        with self._lock:
            found = self._kept.get(key)
        return found[1] if found is not None and self._clock() < found[0] else None

    def put(self, key: bytes, proven: bool) -> None:
        """Keep an answer."""
        until = self._clock() + (PROVEN_SECONDS if proven else REFUSED_SECONDS)
        with self._lock:
            self._kept[key] = until, proven
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_PROOFS:
                self._kept.popitem(last=False)


def read_context(header: str | None, *, test_domains: Collection[str] = ()) -> Caller:
    """The caller that x-client-context describes; nothing is proven by that. Raises: see Trust.prove."""
    if not header:
        raise ContextMissing("x-client-context is missing: operations are called through Heroku AppLink.")
    found = _decoded(header)
    user = found.get("userContext")
    if not isinstance(user, dict):
        raise InvalidContext("x-client-context has no userContext.")
    namespace = found.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        raise InvalidContext("namespace in x-client-context is no text.")
    return Caller(
        org_id=_record_id(found, "orgId", "00D"),
        domain_url=_domain(_text(found, "orgDomainUrl", 255), test_domains),
        api_version=_api_version(found),
        user_id=_record_id(user, "userId", "005"),
        username=_text(user, "username", 255),
        access_token=_text(found, "accessToken", LONGEST_HEADER),
        request_id=_text(found, "requestId", 120),
        namespace=None if namespace in ("", "null") else namespace,
    )


def _decoded(header: str) -> dict[str, Any]:
    if len(header) > LONGEST_HEADER:
        raise InvalidContext(f"x-client-context is longer than {LONGEST_HEADER} characters.")
    found = None
    with contextlib.suppress(ValueError, RecursionError):  # base64's and JSON's errors are ValueErrors
        found = json.loads(base64.b64decode(header.encode("ascii"), validate=True).decode())
    if not isinstance(found, dict):
        raise InvalidContext("x-client-context is not the base64 form of a JSON object.")
    return found


def _text(found: Mapping[str, Any], name: str, longest: int) -> str:
    value = found.get(name)
    if not isinstance(value, str) or len(value) > longest or not _VISIBLE.fullmatch(value):
        raise InvalidContext(f"x-client-context needs {name}: 1 to {longest} visible ASCII characters.")
    return value


def _record_id(found: Mapping[str, Any], name: str, prefix: str) -> str:
    value = _text(found, name, 18)
    wide = widen_record_id(value[:15])
    if not _ID.fullmatch(value) or not value.startswith(prefix) or (len(value) == 18 and value != wide):
        raise InvalidContext(f"{name} in x-client-context is not a record id that begins with {prefix}.")
    return wide


def _api_version(found: Mapping[str, Any]) -> str:
    match = _VERSION.fullmatch(_text(found, "apiVersion", 8))
    if match is None:
        raise InvalidContext("apiVersion in x-client-context is not a version such as 64.0.")
    return match[1]


def _domain(text: str, test_domains: Collection[str]) -> str:
    """An org's domain, https:// where it has no scheme. A foreign one is OrgNotAllowed, no URL InvalidContext."""
    parts = _address(text if "://" in text else f"https://{text}")
    if parts is None:
        raise InvalidContext("orgDomainUrl in x-client-context is not the address of an org.")
    scheme, host, port = parts
    found = f"{scheme}://" + (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    if found in test_domains:
        return found
    if scheme != "https" or port not in (None, 443) or not _is_salesforce(host):
        raise OrgNotAllowed("orgDomainUrl in x-client-context is not the My Domain address of a Salesforce org.")
    return f"https://{host}"


def _address(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a URL that has nothing else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path not in ("", "/") or any(sign in url for sign in "?#\\@"):
        return None
    return parts.scheme, parts.hostname, port


def _is_salesforce(host: str) -> bool:
    return host.endswith(DOMAINS) and all(_LABEL.fullmatch(label) for label in host.split("."))


def _is_of(caller: Caller, answer: Answer) -> bool:
    """Whether userinfo names the caller's org, user and domain; of the user's name only if it says one.

    Raises: OrgUnavailable when it says nothing of that.
    """
    if answer.status in (400, 401, 403, 404):
        if any(error.code == "REQUEST_LIMIT_EXCEEDED" for error in read_errors(answer.body)):
            raise OrgUnavailable("The org takes no more requests for now.")
        return False
    if answer.status != 200:
        raise OrgUnavailable(f"The org answered {answer.status} when asked whose token it is.")
    found = json.loads(answer.body)
    said = (widen_record_id(found["organization_id"]), widen_record_id(found["user_id"]))
    home = (found.get("urls") or {}).get("custom_domain")
    name = str(found.get("preferred_username") or caller.username)
    return (
        said == (caller.org_id, caller.user_id)
        and name.casefold() == caller.username.casefold()  # Salesforce signs in by a name in any letter case
        and (not home or origin(home) == caller.domain_url)
    )


def _request_id(text: str | None) -> str:
    return text if text and len(text) <= 120 and _VISIBLE.fullmatch(text) else str(uuid.uuid4())
