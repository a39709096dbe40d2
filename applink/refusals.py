"""What an org, or the way to it, answered instead of what was asked -> the error of applink.errors that says so.

Whether a write happened is what matters: an answer that names an error means that it did not; no answer, a server error
or a page of HTML means that nobody knows (OutcomeUnknown). A read is then OrgUnavailable. Messages hold Salesforce's
own words and code, never a URL, a header or a body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from applink.errors import (
    NotAllowed,
    NotFound,
    OperationError,
    OrgLimitReached,
    OrgUnavailable,
    OutcomeUnknown,
    Refused,
    SessionEnded,
)

LONGEST_MESSAGE: Final = 600
HALTED: Final = "PROCESSING_HALTED"
"""What the other nodes of a graph say when one of them was refused."""

CODES: Final[Mapping[str, type[OperationError]]] = {
    "INVALID_SESSION_ID": SessionEnded,
    "INVALID_AUTH_HEADER": SessionEnded,
    "REQUEST_LIMIT_EXCEEDED": OrgLimitReached,
    "UNABLE_TO_LOCK_ROW": OrgLimitReached,
    "TXN_SECURITY_METERING_ERROR": OrgLimitReached,
    "QUERY_TIMEOUT": OrgLimitReached,
    "INSUFFICIENT_ACCESS": NotAllowed,
    "INSUFFICIENT_ACCESS_OR_READONLY": NotAllowed,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": NotAllowed,
    "API_DISABLED_FOR_ORG": NotAllowed,
    "API_CURRENTLY_DISABLED": NotAllowed,
    "FUNCTIONALITY_NOT_ENABLED": NotAllowed,
    "NOT_FOUND": NotFound,
    "ENTITY_IS_DELETED": NotFound,
}
"""Salesforce's codes that are more than a refusal."""
STATUSES: Final[Mapping[int, type[OperationError]]] = {
    401: SessionEnded,
    403: NotAllowed,
    404: NotFound,
    429: OrgLimitReached,
}
_OWN_CODE: Final = (Refused, NotAllowed, NotFound)
"""Classes that bear Salesforce's code as their own; the others are conditions of ours, with the code in the text."""


@dataclass(frozen=True, slots=True)
class OrgError:
    """One error as the org wrote it."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


def read_errors(body: bytes | Any) -> tuple[OrgError, ...]:
    """The errors in a body, or in a part of one that was read before; () where there is no list of errors."""
    try:
        found = json.loads(body) if isinstance(body, bytes) else body
    except (ValueError, RecursionError):
        return ()
    if not isinstance(found, list):
        return ()
    return tuple(
        OrgError(str(each["errorCode"]), str(each.get("message", "")), tuple(map(str, each.get("fields") or ())))
        for each in found
        if isinstance(each, dict) and isinstance(each.get("errorCode"), str)
    )


def of_answer(status: int, body: bytes, *, what: str, writes: bool) -> OperationError:
    """What an answer other than 2xx means. what: what was asked, such as "the query of Opportunity"."""
    errors = read_errors(body)
    if errors:
        if status >= 500 and errors[0].code not in CODES:
            return unanswered(f"answered {status} ({errors[0].code})", what=what, writes=writes)
        return of_errors(errors, what=what, status=status)
    if status in (401, 429):
        return STATUSES[status](f"The org answered {status} to {what}.")
    return unanswered(f"answered {status} without saying why", what=what, writes=writes)


def of_errors(errors: Sequence[OrgError], *, what: str, status: int = 400) -> OperationError:
    """What the org's own errors mean; the first decides. what: as above, or the node of a graph."""
    first = errors[0]
    kind = CODES.get(first.code) or STATUSES.get(status, Refused)
    said = "; ".join(dict.fromkeys(error.message for error in errors))[:LONGEST_MESSAGE]
    message = f"The org refused {what}: {said} ({first.code})"
    return kind(message, code=first.code if kind in _OWN_CODE else None)


def of_failure(error: BaseException, *, what: str, writes: bool) -> OperationError:
    """What it means that there was no answer at all."""
    for kind, reason, sent in FAILURES:
        if isinstance(error, kind):
            return unanswered(reason, what=what, writes=writes and sent)
    return unanswered(f"could not be asked ({type(error).__name__})", what=what, writes=writes)


def unanswered(reason: str, *, what: str, writes: bool) -> OperationError:
    """No readable answer. reason: what the org did, such as "did not answer in time"."""
    if writes:
        return OutcomeUnknown(f"The org {reason}; whether {what} took place is not known.")
    return OrgUnavailable(f"The org {reason}; nothing came of {what}.")


class Redirected(aiohttp.ClientError):
    """The answer leads elsewhere. Nobody follows: the token would come along."""


class AddressRefused(OSError):
    """A host name that leads to an address within a network of ours."""


FAILURES: Final[tuple[tuple[type[BaseException], str, bool], ...]] = (
    (aiohttp.ConnectionTimeoutError, "could not be reached in time", False),
    (aiohttp.ClientConnectorError, "could not be reached", False),
    (aiohttp.InvalidURL, "has no address that can be used", False),
    (AddressRefused, "has an address that is not asked", False),
    (Redirected, "answered with another address, which is not followed", True),
    (TimeoutError, "did not answer in time", True),
    (aiohttp.ClientError, "broke the connection off", True),
    (OSError, "broke the connection off", True),
)
"""Class, what happened, whether the request may have reached the org. The first that fits counts."""
