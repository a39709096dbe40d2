"""One HTTP exchange with an org over the SDK's connection: `Call` in, `Answer` out, and what its `read` makes of it.

What the SDK leaves open is closed here: a time limit for each call, no redirects, no address of a private network, one
connection a loop, and errors that are ours. An error of aiohttp or of the SDK never gets out: it holds the request's
headers, so it is let go before ours is raised. Knows no object of Salesforce.
"""

from __future__ import annotations

import atexit
import ipaddress
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from heroku_applink import Config, Connection
from heroku_applink.connection import set_request_id
from yarl import URL

from applink import refusals
from applink.errors import OperationError, OrgUnavailable
from applink.loop import Loop

T = TypeVar("T")
CALL_SECONDS: Final = 30.0
UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer of another shape than promised raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A token, whose it is and where. domain_url: no slash at its end; user_id: None where nobody said."""

    org_id: str
    domain_url: str
    api_version: str
    username: str
    user_id: str | None
    access_token: str = field(repr=False)
    request_id: str | None = None

    @property
    def base(self) -> str:
        """The path of the REST API."""
        return f"/services/data/v{self.api_version}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer. date: when the org says that it was; "" when it does not."""

    status: int
    body: bytes = field(repr=False)
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request to an org. path: with its query, encoded, from the domain's root.

    read: what the answer (2xx only, unless any_status) means. what: for messages. writes: changes something there.
    """

    method: str
    path: str = field(repr=False)
    read: Callable[[Answer], T]
    what: str
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    writes: bool = False
    any_status: bool = False


class Sender:
    """The one that sends. Its coroutines run on its `loop`, to which its SDK connection belongs.

    own_hosts: hosts that may have a private address (a simulator). resolver: how names are looked up.
    """

    def __init__(
        self,
        *,
        call_seconds: float = CALL_SECONDS,
        own_hosts: Collection[str] = (),
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self.loop = Loop(at_end=self._disconnect)
        self.call_seconds = call_seconds
        self._own_hosts = frozenset(host.lower() for host in own_hosts)
        self._resolver = resolver
        self._connection: Connection | None = None
        atexit.register(self.close)

    async def send(self, call: Call[Any], session: Session, deadline: float) -> Answer:
        """One exchange, at most until the deadline (monotonic). Raises: errors of applink.errors only."""
        headers = {"Authorization": f"Bearer {session.access_token}"}
        return await self.exchange(call, session.domain_url, headers, deadline, request_id=session.request_id)

    async def exchange(
        self, call: Call[Any], domain_url: str, headers: Mapping[str, str], deadline: float, *, request_id: str | None
    ) -> Answer:
        """One exchange with headers of one's own; `meaning` reads the answer, best in another thread."""
        seconds = min(self.call_seconds, deadline - time.monotonic())
        if seconds <= 0:
            raise OrgUnavailable(f"The time was over before {call.what}; it was not asked for.")
        if request_id:
            set_request_id(request_id)
        if call.body is not None:
            headers = {**headers, "Content-Type": call.content_type}
        return await self._answer(call, URL(domain_url + call.path, encoded=True), headers, seconds)

    async def _answer(self, call: Call[Any], url: URL, headers: Mapping[str, str], seconds: float) -> Answer:
        failure: OperationError
        try:
            connection = self._connected()
            response = await connection.request(
                call.method, url, headers=dict(headers), data=call.body, timeout=seconds
            )
            return Answer(response.status, await response.read(), response.headers.get("Date", ""))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = refusals.of_failure(error, what=call.what, writes=call.writes)
        raise failure

    def _connected(self) -> Connection:
        """The SDK's connection, which belongs to the loop."""
        if self._connection is None:
            self._connection = _GuardedConnection(self._own_hosts, self._resolver)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def close(self) -> None:
        """Close the connection and end the loop; a later call starts both again."""
        atexit.unregister(self.close)
        self.loop.close()


def meaning(call: Call[T], answer: Answer) -> T:
    """What an answer says. Raises: what the org refuses, and what an answer of another shape than promised means."""
    if not call.any_status and not 200 <= answer.status < 300:
        raise refusals.of_answer(answer.status, answer.body, what=call.what, writes=call.writes)
    try:
        return call.read(answer)
    except UNREADABLE:
        pass
    raise refusals.unanswered("gave an answer that cannot be read", what=call.what, writes=call.writes)


class _Agent(Config):  # type: ignore[misc] # the SDK has no types
    """The SDK's settings; it would read its own version from disk for every request."""

    _name: str | None = None

    def user_agent(self) -> str:
        if self._name is None:
            self._name = str(super().user_agent())
        return self._name


class _GuardedConnection(Connection):  # type: ignore[misc] # the SDK has no types
    """The SDK's connection with a session that follows nothing and asks no private address."""

    _session: aiohttp.ClientSession | None

    def __init__(self, own_hosts: frozenset[str], resolver: Callable[[], AbstractResolver]) -> None:
        super().__init__(_Agent())
        self._own_hosts = own_hosts
        self._resolver = resolver

    def __del__(self) -> None:
        """Nothing: the SDK would start a loop here to close what belongs to another one."""

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            guard = Guard(self._own_hosts, self._resolver())
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=guard),
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(guard.watch,),
            )
        return self._session


class Guard(AbstractResolver):
    """Looks names up and refuses those that lead into a private network, at the very look-up that is connected to."""

    def __init__(self, own_hosts: frozenset[str], resolver: AbstractResolver) -> None:
        self._own_hosts = own_hosts
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises: AddressRefused when one of them is not public."""
        found = await self._resolver.resolve(host, port, family)
        self._check(host, *(result["host"] for result in found))
        return found

    async def close(self) -> None:
        """Let go of what the look-ups need."""
        await self._resolver.close()

    async def watch(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Around each request: hosts that are addresses are not looked up, and an answer may lead elsewhere."""
        host = request.url.host or ""
        if _address(host) is not None:
            self._check(host, host)
        response = await handler(request)
        if response.status in (301, 302, 303, 307, 308):
            response.close()
            raise refusals.Redirected(str(response.status))
        return response

    def _check(self, host: str, *addresses: str) -> None:
        if host.lower() not in self._own_hosts and not all(map(is_public, addresses)):
            raise refusals.AddressRefused(f"{host} has an address in a private network")


def is_public(address: str) -> bool:
    """Whether a text is an IP address of the public internet, also the one that an IPv6 address wraps."""
    found = _address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            wrapped = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = wrapped or found
    return found is not None and found.is_global and not found.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def host_of(url: str) -> str:
    """The host name in a URL, lower case; "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
