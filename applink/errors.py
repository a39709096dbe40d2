"""Every refusal of an operation: its status, its code, and what an org's refusal becomes.

    OperationError                      {"code": ..., "message": ..., "requestId": ...}; code is the name of the class
    |__ InvalidRequest 400              InvalidId  InvalidCallbackUrl  InvalidContext
    |__ Refused 400                     the org said no: the code is Salesforce's own (REQUIRED_FIELD_MISSING)
    |__ NotAuthenticated 401            ContextMissing  TokenRejected
    |__ NotAllowed 403                  OrgNotAllowed
    |__ NotFound 404                    OpportunityNotFound  QuoteNotFound  JobNotFound
    |__ Conflict 409                    SetupRequired  KeyReused  QuoteChanged  QuoteDeleted  JobNotFinished
    |                                   JobFinished
    |__ PayloadTooLarge 413
    |__ UnsupportedMediaType 415        no JSON, or in another charset than UTF-8
    |__ NotPriceable 422                NoLines ...: the code is the one of the pricing rule
    |__ TooMany 429                     TooManyJobs
    |__ Unavailable 503                 OrgUnavailable  NotAuthorized  OrgLimitReached  NoPlace  NotSent  SessionEnded:
    |                                   not done
    |__ OutcomeUnknown 504              asked, and no answer: the same key settles it

Raised where the fact is known, rendered once in endpoints.py; what never gets there (a request that cannot be read, a
method that nothing here has) has the same flat body wherever its path is below PREFIX. A message names what was read
and what would fit; never a token, a header, SQL.
"""

from __future__ import annotations

import json
from typing import Any, Final

PREFIX: Final = "/applink"
"""The path of the operations."""


def is_below(path: str) -> bool:
    """Whether a decoded path is PREFIX or below it. Example: is_below("/applink/createQuote")"""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def flat(code: str, message: str, request_id: str) -> dict[str, Any]:
    """The members of every refusal: flat, since Apex reads e.Code409.message."""
    return {"code": code, "message": message, "requestId": request_id}


def flat_body(code: str, message: str, request_id: str) -> bytes:
    """The same as JSON."""
    return json.dumps(flat(code, message, request_id), ensure_ascii=False).encode("utf-8", "replace")


class OperationError(Exception):
    """Base. status: of the answer. retry_after_seconds: what Retry-After says, if anything."""

    status: int = 500

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).__name__
        self.retry_after_seconds = retry_after_seconds


class InvalidRequest(OperationError):
    """A body, parameter or header that cannot be used."""

    status = 400


class InvalidId(InvalidRequest):
    """No record id, or one of another object."""


class InvalidCallbackUrl(InvalidRequest):
    """A callback that does not lead to the caller's own org."""


class InvalidContext(InvalidRequest):
    """An x-client-context that cannot be read."""


class Refused(OperationError):
    """The org refused, for good; the code is Salesforce's own error code."""

    status = 400


class NotAuthenticated(OperationError):
    """Nobody is proven to ask."""

    status = 401


class ContextMissing(NotAuthenticated):
    """No x-client-context, or no credentials."""


class TokenRejected(NotAuthenticated):
    """The org does not know the token, or it belongs to somebody else than the context says."""


class NotAllowed(OperationError):
    """Proven, and not entitled; also the org's own refusal for want of permission."""

    status = 403


class OrgNotAllowed(NotAllowed):
    """An org, or a domain, that this gateway does not serve."""


class NotFound(OperationError):
    """Not there, or not for this caller."""

    status = 404


class OpportunityNotFound(NotFound):
    """No such opportunity, or the caller may not see it."""


class QuoteNotFound(NotFound):
    """No such quote in the caller's org."""


class JobNotFound(NotFound):
    """No such job in the caller's org."""


class Conflict(OperationError):
    """Not as things stand."""

    status = 409


class SetupRequired(Conflict):
    """The org lacks something that must be deployed first; the message names it, its type and how."""


class KeyReused(Conflict):
    """The same request key with another request."""


class QuoteChanged(Conflict):
    """The quote is not in the org as the gateway knows it."""


class QuoteDeleted(Conflict):
    """The quote that a request key stands for has been deleted since; a new wish needs a new key."""


class JobNotFinished(Conflict):
    """Only a finished job can be retried."""


class JobFinished(Conflict):
    """A finished job cannot be cancelled."""


class NotPriceable(OperationError):
    """The opportunity cannot become a quote; code: that of models.pricing_errors, such as NoLines."""

    status = 422


class PayloadTooLarge(OperationError):
    """A body above its limit."""

    status = 413


class UnsupportedMediaType(OperationError):
    """A body that is no JSON in UTF-8, or compressed."""

    status = 415


class TooMany(OperationError):
    """More than a limit allows at a time."""

    status = 429


class TooManyJobs(TooMany):
    """The org has as many open jobs as it may have."""


class Unavailable(OperationError):
    """Nothing was done; the same request may be sent again."""

    status = 503


class OrgUnavailable(Unavailable):
    """The org, or the add-on, could not be asked."""


class NotAuthorized(OrgUnavailable):
    """The add-on says that a named authorization does not work: of the whole org, until somebody mends it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=OrgUnavailable.__name__)


class OrgLimitReached(Unavailable):
    """The org takes no more requests for the moment (REQUEST_LIMIT_EXCEEDED, row locks, concurrent queries)."""


class NoPlace(OrgLimitReached):
    """No place came free in time among the calls that a worker may make, or the org is paused."""


class NotSent(NoPlace):
    """The same of a write that was announced: whatever was noted of it before can be taken back."""


class SessionEnded(Unavailable):
    """The org ended the session (INVALID_SESSION_ID); a new token of the same authorization may work."""


class OutcomeUnknown(OperationError):
    """The org was asked to write and gave no readable answer in time. The same key again settles it."""

    status = 504
