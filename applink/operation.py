"""What an operation is: one value that route, contract and validation are made from, and what it gets to run with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Engine

from applink.context import Caller
from applink.org import Org
from applink.quotes import Quotes

ERRORS: Final[Mapping[int, str]] = {
    400: "The request cannot be used, or the org refused it; the code is then Salesforce's own.",
    401: "Nobody is proven to ask: no context, or a token that the org does not know.",
    403: "Proven, and not entitled: by the gateway, or by the org.",
    404: "No such opportunity, quote or job, or not for this user.",
    409: "Not as things stand: something must be deployed first (SetupRequired), a request key was used for another "
    "request (KeyReused) or for a quote that was deleted since (QuoteDeleted), the quote was changed in the org "
    "(QuoteChanged).",
    413: "The body is too long.",
    415: "The body is not sent as JSON in UTF-8.",
    422: "The opportunity cannot become a quote; the code names the rule, such as NoLines.",
    429: "More than is allowed at a time; Retry-After says when to come again.",
    500: "A defect of the gateway.",
    503: "Nothing was done; the same request may be sent again.",
    504: "The org was asked and gave no answer in time. The same request key settles it, and makes no second quote.",
}
"""What every operation may answer, always as a Problem."""


class Orgs(Protocol):
    """Where an operation finds the org of its caller; `authorizations.Orgs`."""

    def of_caller(self, caller: Caller) -> Org:
        """The org as the caller sees it; as the named authorization where the caller has no token."""
        ...

    def callback_url(self, url: str, caller: Caller) -> str:
        """A callback's address, absolute. Raises: InvalidCallbackUrl when it leaves the caller's org."""
        ...

    def authorization_name(self, org_id: str) -> str:
        """Under which name the worker works in an org. Raises: OrgNotAllowed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all operations run with; one a process. Limits of jobs: opportunities of one, open ones of an org."""

    engine: Engine
    orgs: Orgs
    quotes: Quotes
    most_opportunities: int = 2000
    most_open_jobs: int = 20
    callback_seconds: int = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. key: what makes a repeat the same; request_hash: what is asked, by whom; deadline: monotonic."""

    key: str
    request_hash: str
    request_id: str
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What Apex is called back with. name: of the handler's method; url: where in the request its address stands."""

    name: str
    url: str
    body: type


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. run gets a request as `request` says, and answers members of `response`.

    status: of success. agent: whether it suits an agent, which shows its answer to a person.
    """

    name: str
    summary: str
    description: str
    request: type
    response: type
    run: Callable[[Desk, Caller, Any, Call], Mapping[str, Any]]
    said: str
    status: int = 200
    callback: Callback | None = None
    agent: bool = True
