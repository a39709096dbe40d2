"""Every OData error, its status and code; the bottom of the import order.

    ODataError                          status and code on the class; facts as attributes
    |__ BadRequest 400
    |   |__ UrlSyntaxError  UnknownProperty  UnknownFunction  TypeMismatch  InvalidLiteral  InvalidOption
    |   |__ DuplicateOption  LimitExceeded  InvalidToken  ArithmeticFailure  InvalidHeader
    |__ Unauthorized 401   Forbidden 403   NotFound 404   MethodNotAllowed 405   NotAcceptable 406
    |__ PreconditionFailed 412   PayloadTooLarge 413   UriTooLong 414   UnsupportedMediaType 415
    |__ TooManyRequests 429   HeadersTooLarge 431
    |__ Unsupported 501                 valid OData that this service does not do; names the construct
    |__ Unavailable 503                 a fault of the database, or no free connection
        |__ QueryTimeout 503            the statement reached its time limit
        |__ Busy 503                    our own connections are all taken; no fault of the database
    InternalError 500                   only at the rim, for a defect of ours

Standard: JSON Format, "Error Response"; Protocol, "Common Response Status Codes".
A message names what was read, where, and what would fit. It never holds SQL, a stack or a credential.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class ODataError(Exception):
    """An answer that is an error object.

    Args: message: one sentence for the client; target: what it is about (an option, a property, a header);
          details: (code, message) pairs; headers: further response headers such as Allow or Retry-After.
    """

    status = 500

    def __init__(
        self,
        message: str,
        *,
        target: str | None = None,
        details: tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        self.details = details
        self.headers = dict(headers or {})

    @property
    def code(self) -> str:
        return type(self).__name__


@contextmanager
def about(target: str) -> Iterator[None]:
    """Errors of the block that name no target are about this one."""
    try:
        yield
    except ODataError as problem:
        if problem.target is None:
            problem.target = target
        raise


class InternalError(ODataError):
    """A defect of the service; the log has the story under the request id."""


class BadRequest(ODataError):
    """The request cannot be understood or is not allowed as it stands."""

    status = 400


class UrlSyntaxError(BadRequest):
    """The URL does not follow the grammar; `offset` is the first unread character of `target`."""

    def __init__(self, message: str, *, offset: int = 0, target: str | None = None) -> None:
        super().__init__(message, target=target)
        self.offset = offset


class UnknownProperty(BadRequest):
    """A name that the entity type does not have."""


class UnknownFunction(BadRequest):
    """A function name that is no canonical function."""


class TypeMismatch(BadRequest):
    """Operands or arguments of types that do not fit."""


class InvalidLiteral(BadRequest):
    """A literal outside the value space of the type it meets."""


class InvalidOption(BadRequest):
    """A query option with a value it cannot have, or on a resource it does not apply to."""


class DuplicateOption(BadRequest):
    """The same system query option twice."""


class LimitExceeded(BadRequest):
    """A limit of the service; the message names limit and value."""


class InvalidToken(BadRequest):
    """A skip token that this service did not make for this request."""


class ArithmeticFailure(BadRequest):
    """Division by zero, overflow and the like, found by the database."""


class InvalidHeader(BadRequest):
    """A request header with a value it cannot have."""


class Unauthorized(ODataError):
    """No credential, or one that proves nothing; carries WWW-Authenticate."""

    status = 401


class Forbidden(ODataError):
    """A proven caller, but not for this."""

    status = 403


class NotFound(ODataError):
    """No such resource: an unknown segment, or a key without an entity."""

    status = 404


class MethodNotAllowed(ODataError):
    """The resource exists and does not take this method; carries Allow."""

    status = 405

    def __init__(self, message: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(message, headers={"Allow": ", ".join(allow)})
        self.allow = allow


class NotAcceptable(ODataError):
    """No format or version that the client accepts."""

    status = 406


class PreconditionFailed(ODataError):
    """The client asks for snapshot isolation, which no read offers; If-Match is not looked at."""

    status = 412


class PayloadTooLarge(ODataError):
    """A request body, or one row of an answer, above its limit."""

    status = 413


class UriTooLong(ODataError):
    """The request line, or the next link that would follow, is above its limit."""

    status = 414


class UnsupportedMediaType(ODataError):
    """A request body of a type or encoding that is not read."""

    status = 415


class TooManyRequests(ODataError):
    """Too many failed logins, or too many requests of one credential; carries Retry-After."""

    status = 429


class HeadersTooLarge(ODataError):
    """A header field, or their number, above its limit."""

    status = 431


class Unsupported(ODataError):
    """Valid OData that this service does not do; the message names the construct."""

    status = 501


class Unavailable(ODataError):
    """The database cannot answer now; carries Retry-After."""

    status = 503

    def __init__(self, message: str, *, retry_after_seconds: int = 2) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})


class QueryTimeout(Unavailable):
    """The statement reached its time limit."""


class Busy(Unavailable):
    """Every connection to the database is taken, and more requests wait than may; carries Retry-After."""
