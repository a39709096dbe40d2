"""The state of the whole simulator: two orgs, their users and tokens, settings, faults, and the record of requests."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jwt

from simulator import data, describe
from simulator.data import Maker, record_id
from simulator.errors import SalesforceError
from simulator.faults import Faults
from simulator.query import Pages
from simulator.session import Session, User
from simulator.store import Journal, Row, Store, open_file

API_VERSION: Final = "64.0"
FIRST_ORG: Final = "00DbZ0000000001UAA"
SECOND_ORG: Final = "00DxY0000000002UAA"
ADDON_TOKEN: Final = "addon-secret"
APP_ID: Final = "app-1"
_SECRET: Final = "a secret of the simulated org, known to everybody"
OPPORTUNITIES: Final = 6_000
MOST_REQUESTS_KEPT: Final = 50_000
SWITCHES: Final = ("gateway_key", "region_field", "discount_override", "events", "quotes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What tests may change while the simulator runs.

    delay_ms:           added to every call of the org and the add-on
    page_size, child_page_size: records of a page of a query and of a sub-select
    concurrent_queries: how many a user may have under way; None: any number
    request_limit:      how many API calls each org still takes; None: any number
    record_bodies:      keep the bodies of requests in the record
    strict_upsert:      an upsert that finds its record refuses fields which only a new one may have
    callback_deadline_seconds: how long a callback address lives
    others:             whether the admin has deployed Gateway_Key__c, Region__c, DiscountOverride__c, the event, Quotes
    """

    delay_ms: float = 0.0
    page_size: int = 2_000
    child_page_size: int = 2_000
    concurrent_queries: int | None = 10
    request_limit: int | None = None
    record_bodies: bool = False
    strict_upsert: bool = True
    callback_deadline_seconds: float = 600.0
    gateway_key: bool = True
    region_field: bool = True
    discount_override: bool = True
    events: bool = True
    quotes: bool = True

    def changed(self, wanted: Mapping[str, Any]) -> Settings:
        """With these values. Raises: ValueError for a setting that is not there."""
        unknown = wanted.keys() - {each.name for each in fields(self)}
        if unknown:
            raise ValueError(f"no setting {', '.join(sorted(unknown))}")
        return replace(self, **wanted)


@dataclass(slots=True, kw_only=True)
class Org:
    """One org. host: the host name of its domain; generation: raised when a user's tokens end."""

    id: str
    pod: str
    host: str
    multi_currency: bool
    users: dict[str, User]
    store: Store
    generation: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def token(self, username: str) -> str:
        """The access token that a user has now."""
        text = f"{self.id} {username} {self.generation[username]}"
        digest = hmac.new(_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        return f"{self.id[:15]}!AQ.{digest}"

    @property
    def name(self) -> str:
        """The organization's name."""
        return "Globex (several currencies)" if self.multi_currency else "Acme"


@dataclass(slots=True, kw_only=True)
class Recorded:
    """One request, as tests read it. started: seconds since 1970; token: a few letters of its hash."""

    number: int
    started: float
    method: str
    path: str
    query: str
    user: str
    org: str
    token: str
    request_id: str
    status: int = 0
    ms: float = 0.0
    fault: int | None = None
    body: str | None = None


class World:
    """Everything. One thread uses it."""

    def __init__(self, *, port: int, opportunities: int = OPPORTUNITIES, data_file: Path | None = None) -> None:
        self.port = port
        self.opportunities = opportunities
        self._file = None if data_file is None else open_file(data_file)
        self._initial_settings = Settings()
        self.consumers: dict[str, str] = {}
        self.renew()

    def renew(self) -> None:
        """Records as data.py makes them with the file's changes, settings as at the start, nothing recorded."""
        self.settings = self._initial_settings
        self.pages = Pages()
        self.faults = Faults()
        self.requests: deque[Recorded] = deque(maxlen=MOST_REQUESTS_KEPT)
        self.request_count = 0
        self.queries_under_way: Counter[str] = Counter()
        self.calls_under_way: Counter[str] = Counter()
        self.most_calls: Counter[str] = Counter()
        self.most_queries: Counter[str] = Counter()
        self.orgs = {
            org.id: org
            for org in (
                self._org(FIRST_ORG, "bZ", "127.0.0.1", "acme.example", self.opportunities, False),
                self._org(SECOND_ORG, "xY", "localhost", "globex.example", self.opportunities // 4, True),
            )
        }
        self.tokens = {org.token(name): (org, user) for org in self.orgs.values() for name, user in org.users.items()}

    def reset(self) -> None:
        """Like renew, and the file's changes are forgotten. Numbers go on: the gateway may still know the old ids."""
        before = {org_id: org.store for org_id, org in self.orgs.items()}
        if self._file is not None:
            for org_id in self.orgs:
                Journal(self._file, org_id).clear()
        self.consumers.clear()
        self.renew()
        for org_id, store in before.items():
            self.orgs[org_id].store.count_on(store)

    def _org(self, org_id: str, pod: str, host: str, domain: str, opportunities: int, several: bool) -> Org:
        tables = Maker(pod=pod, opportunities=opportunities, multi_currency=several).make()
        users = {user.username: user for user in _users(pod, domain)}
        tables["User"] = _user_rows(pod, users.values(), several)
        tables["PermissionSet"] = _permission_sets(pod)
        journal = None if self._file is None else Journal(self._file, org_id)
        store = Store(tables, pod=pod, journal=journal)
        org = Org(id=org_id, pod=pod, host=host, multi_currency=several, users=users, store=store)
        row: Row = {"Id": org_id, "Name": org.name, "OrganizationType": "Developer Edition", "IsSandbox": False}
        tables["Organization"] = store.tables["Organization"] = {org_id: row}
        return org

    def domain(self, org: Org) -> str:
        """The org's address, without a slash at the end."""
        return f"http://{org.host}:{self.port}"

    def change_settings(self, wanted: Mapping[str, Any]) -> None:
        """Take over settings; the rest stays."""
        self.settings = self.settings.changed(wanted)
        self.pages.size = self.settings.page_size
        self.pages.child_size = self.settings.child_page_size

    def start_with(self, wanted: Mapping[str, Any]) -> None:
        """Settings from the command line, which a reset comes back to."""
        self._initial_settings = self._initial_settings.changed(wanted)
        self.change_settings(wanted)

    def session(self, org: Org, user: User | None) -> Session:
        """What a user sees in an org; None: what is there."""
        switches = {name for name in SWITCHES if getattr(self.settings, name)}
        if org.multi_currency:
            switches.add("multi_currency")
        return Session(
            org_id=org.id,
            store=org.store,
            catalog=describe.catalog(frozenset(switches)),
            user=user,
            now=timestamp(),
            user_id=user.id if user is not None else record_id("005", org.pod, 0),
            multi_currency=org.multi_currency,
            strict_upsert=self.settings.strict_upsert,
        )

    def find_user(self, username: str) -> tuple[Org, User]:
        """The org and user of a username; "ann" is enough for ann@acme.example. Raises: KeyError."""
        for org in self.orgs.values():
            for name, user in org.users.items():
                if username in (name, user.id) or name.partition("@")[0] == username:
                    return org, user
        raise KeyError(username)

    def expire(self, username: str | None) -> None:
        """End the tokens of a user, or of all; each has a new one at once."""
        for org in self.orgs.values():
            for name in org.users:
                if username in (None, name, name.partition("@")[0]):
                    self.tokens.pop(org.token(name), None)
                    org.generation[name] += 1
                    self.tokens[org.token(name)] = org, org.users[name]

    def who(self, token: str, host: str) -> tuple[Org, User] | None:
        """Whose token this is at the domain it was sent to; None: nobody's."""
        found = self.tokens.get(token)
        if found is None or (host and host.partition(":")[0] not in (found[0].host,)):
            return None
        return found

    def core_jwt(self, org: Org, user: User) -> str:
        """What stands as `auth` in x-request-context: proof to the add-on that the org sends the request."""
        claims = {"iss": org.id, "sub": user.username, "exp": int(time.time()) + 3600}
        return jwt.encode(claims, _SECRET, algorithm="HS256")

    def is_core_jwt(self, token: str, org: Org) -> bool:
        """Whether a token is from core_jwt, and of this org."""
        try:
            jwt.decode(token, _SECRET, algorithms=["HS256"], issuer=org.id)
        except jwt.InvalidTokenError:
            return False
        return True

    def spend(self, org: Org) -> None:
        """Count an API call. Raises: SalesforceError REQUEST_LIMIT_EXCEEDED when the org takes no more."""
        limit = self.settings.request_limit
        if limit is not None:
            if limit <= 0:
                raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            self.settings = replace(self.settings, request_limit=limit - 1)
        org.calls += 1


def timestamp(moment: datetime | None = None) -> str:
    """A time as Salesforce writes it: whole seconds, UTC."""
    return f"{moment or datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


def token_hash(token: str) -> str:
    """Enough of a token to tell two apart, and no more."""
    return hashlib.sha256(token.encode()).hexdigest()[:8] if token else ""


def _users(pod: str, domain: str) -> Iterable[User]:
    def user(number: int, name: str, **more: Any) -> User:
        return User(
            id=record_id("005", pod, number), username=f"{name}@{domain}", name=f"{name.title()} Example", **more
        )

    yield user(1, "ann", regions=frozenset({"NAMER", "EMEA"}))
    yield user(2, "ben", regions=frozenset({"NAMER"}), own_only=True, quotes=False)
    yield user(3, "worker")


def _user_rows(pod: str, users: Iterable[User], several: bool) -> dict[str, Row]:
    named = {user.id: user for user in users}
    rows = {}
    for number in range(data.USERS):
        user_id = record_id("005", pod, number)
        user = named.get(user_id)
        name = user.name if user is not None else f"Seller {number}"
        rows[user_id] = {
            "Id": user_id,
            "Name": name,
            "FirstName": name.split()[0],
            "LastName": name.split()[1],
            "Username": user.username if user is not None else f"seller{number}.{pod.lower()}@sales.example",
            "Email": f"user{number}@example.com",
            "IsActive": True,
            "TimeZoneSidKey": "Europe/Berlin",
            "LocaleSidKey": "en_US",
            **({"CurrencyIsoCode": "USD", "DefaultCurrencyIsoCode": "USD"} if several else {}),
        }
    return rows


PERMISSION_SET: Final = "QuoteGatewayPerms"
"""The session-based permission set: while a user has it activated, quotes may be written."""


def _permission_sets(pod: str) -> dict[str, Row]:
    row: Row = {"Id": record_id("0PS", pod, 1), "Name": PERMISSION_SET, "Label": "Quote Gateway"}
    row["HasActivationRequired"] = True
    return {row["Id"]: row}
