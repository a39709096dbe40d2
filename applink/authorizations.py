"""Whose tokens there are: those that callers bring, and those of the named authorizations that work in the background.

A named authorization's token is fetched when it is first needed, kept in memory, and fetched again when the org has
ended it: once, however many threads find out. SF_AUTH=applink asks the add-on through the SDK; SF_AUTH=jwt signs in by
JWT bearer. No token is ever stored or written anywhere.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from applink import callback_urls
from applink.context import Caller
from applink.errors import OperationError, OrgNotAllowed, OrgUnavailable
from applink.gate import OPEN, Gate
from applink.org import Org
from applink.salesforce import CallersSession, Described, SdkOrg
from applink.sending import CALL_SECONDS, Sender, Session, host_of
from applink.tokens import JwtLogin, by_jwt, from_addon
from odata.edm.record_ids import is_org_id, widen_record_id

FETCH_SECONDS: Final = 10.0
"""For a token, when whoever needs it has set no deadline."""
Fetch = Callable[[float], Awaitable[Session]]
"""deadline -> a new session."""


class NamedAuthorization:
    """One authorization's session. Its coroutines run on the sender's loop; never two fetches at once."""

    def __init__(self, name: str, fetch: Fetch, org_id: str | None = None) -> None:
        self.name = name
        self._fetch = fetch
        self._org_id = org_id
        self._session: Session | None = None
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    @property
    def session(self) -> Session | None:
        """The last one, if there was any."""
        return self._session

    async def current(self, deadline: float) -> Session:
        """The session there is, or the first."""
        return self._session or await self._another(None, deadline)

    async def renewed(self, ended: Session, deadline: float) -> Session:
        """A session other than `ended`."""
        return await self._another(ended, deadline)

    async def _another(self, ended: Session | None, deadline: float) -> Session:
        async with self._only_one():
            found = self._session
            if found is None or found is ended:
                found = await self._fetch(deadline)
                if self._org_id not in (None, found.org_id):
                    raise OrgNotAllowed(
                        f"The authorization {self.name} is of org {found.org_id}; APPLINK_AUTHORIZATION says otherwise."
                    )
                self._session = found
            return found

    def _only_one(self) -> asyncio.Lock:
        """The running loop's lock; after a fork there is another loop."""
        running = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not running:
            self._lock = running, asyncio.Lock()
        return self._lock[1]


class Orgs:
    """Every org this process works in. Thread-safe; one value a process.

    authorization: APPLINK_AUTHORIZATION, a developer name, or "00D...=name,00D...=name" for several orgs.
    jwt_login: given, tokens come by JWT bearer instead of from the add-on. test_domains: origins of a simulator's
    orgs, such as http://127.0.0.1:8010. callback_path: how the path of every callback has to begin.
    """

    def __init__(
        self,
        *,
        authorization: str = "worker",
        jwt_login: JwtLogin | None = None,
        test_domains: Collection[str] = (),
        callback_path: str = callback_urls.PATH_PREFIX,
        call_seconds: float = CALL_SECONDS,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self.own_hosts = frozenset(host_of(f"//{domain.partition('://')[2] or domain}") for domain in test_domains)
        hosts = self.own_hosts if jwt_login is None else self.own_hosts | {host_of(jwt_login.login_url)}
        self.sender = Sender(call_seconds=call_seconds, own_hosts=hosts, resolver=resolver)
        self._described = Described()
        self._callback_path = callback_path
        self._jwt_login = jwt_login
        self._authorizations = self._configured(authorization)
        self._threads = threading.Lock()

    def of_caller(self, caller: Caller) -> Org:
        """The caller's org with the caller's token, or with the named authorization's where the caller brought none."""
        if caller.access_token is None:
            return self.named(caller.org_id)
        return self._org(CallersSession(session_of(caller)), session_of(caller))

    def named(self, org_id: str, *, deadline: float | None = None, gate: Gate = OPEN) -> Org:
        """An org as its named authorization, whose calls pass the gate.

        Raises: OrgNotAllowed where no authorization is for it; OrgUnavailable when it has no token to give now.
        """
        found = self._of(org_id, deadline)
        return self._org(found, self._session(found, deadline), gate)

    def api_version(self, org_id: str) -> str:
        """The version of the REST API that an org's authorization is for. Raises: as `named`."""
        return self._session(self._of(org_id, None), None).api_version

    def callback_url(self, url: str, caller: Caller) -> str:
        """A caller's callback address, absolute. Raises: InvalidCallbackUrl when it leaves the caller's org."""
        return self._callback_url(url, caller.domain_url)

    def known_orgs(self, *, deadline: float | None = None) -> tuple[str, ...]:
        """Orgs that have a named authorization. Raises: OrgUnavailable when the add-on must be asked and cannot be."""
        if None in self._authorizations:
            return (self._session(self._authorizations[None], deadline).org_id,)
        return tuple(org_id for org_id in self._authorizations if org_id is not None)

    def authorization_name(self, org_id: str) -> str:
        """The developer name of an org's authorization. Raises: OrgNotAllowed."""
        return self._of(org_id, None).name

    def close(self) -> None:
        """Close connections, end the loop."""
        self.sender.close()

    def _of(self, org_id: str, deadline: float | None) -> NamedAuthorization:
        only = self._authorizations.get(None)
        if only is not None and self._session(only, deadline).org_id == org_id:
            return only
        found = self._authorizations.get(org_id)
        if found is None:
            raise OrgNotAllowed(f"No authorization is named for org {org_id} (APPLINK_AUTHORIZATION).")
        return found

    def _session(self, found: NamedAuthorization, deadline: float | None) -> Session:
        if found.session is not None:
            return found.session
        deadline = time.monotonic() + FETCH_SECONDS if deadline is None else deadline
        failure: OperationError
        try:
            return self.sender.loop.run(found.current(deadline), deadline)
        except TimeoutError:
            failure = OrgUnavailable(f"The authorization {found.name} gave no token in time.")
        raise failure

    def _org(self, sessions: CallersSession | NamedAuthorization, known: Session, gate: Gate = OPEN) -> Org:
        return SdkOrg(
            self.sender, sessions, known, described=self._described, callback_url=self._callback_url, gate=gate
        )

    def _callback_url(self, url: str, domain_url: str) -> str:
        return callback_urls.checked(url, domain_url, own_hosts=self.own_hosts, path_prefix=self._callback_path)

    def _configured(self, text: str) -> dict[str | None, NamedAuthorization]:
        """Authorizations by org id; None: the only one, whose org is known once it has answered."""
        found: dict[str | None, NamedAuthorization] = {}
        parts = [part.strip() for part in text.split(",") if part.strip()]
        for part in parts:
            org, equals, name = (piece.strip() for piece in part.partition("="))
            if not equals:
                org, name = "", org
            if equals and not (is_org_id(org) and name):
                raise ValueError(f"APPLINK_AUTHORIZATION has a name, or 00D...=name for each org, not {part!r}")
            org_id = widen_record_id(org) if equals else None
            found[org_id] = NamedAuthorization(name, self._fetch_of(name), org_id)
        if not found or len(found) < len(parts) or (None in found and len(found) > 1):
            raise ValueError("APPLINK_AUTHORIZATION has one name, or 00D...=name for each of several orgs")
        return found

    def _fetch_of(self, name: str) -> Fetch:
        login = self._jwt_login
        if login is None:
            return lambda deadline: from_addon(name, deadline)
        return lambda deadline: by_jwt(self.sender, login, deadline)


def session_of(caller: Caller) -> Session:
    """The session that a caller brought."""
    if caller.access_token is None:
        raise ValueError("a caller without a token")
    return Session(
        org_id=caller.org_id,
        domain_url=caller.domain_url,
        api_version=caller.api_version,
        username=caller.username,
        user_id=caller.user_id,
        access_token=caller.access_token,
        request_id=caller.request_id,
    )
