"""What the org refuses, with Salesforce's own codes: a list of {message, errorCode, fields} and a status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class SalesforceError(Exception):
    """One refusal. fields: names of the fields it is about, None when the org would leave the member out."""

    def __init__(self, status: int, code: str, message: str, fields: Iterable[str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)

    def body(self) -> list[dict[str, Any]]:
        """The answer's body."""
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            error["fields"] = self.fields
        return [error]


def invalid_session() -> SalesforceError:
    """The token is unknown or has ended."""
    return SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def not_found() -> SalesforceError:
    """No such resource, or none that this user may know of."""
    return SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")


def request_limit(message: str = "TotalRequests Limit exceeded.") -> SalesforceError:
    """The org takes no more calls for now."""
    return SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", message)


def no_such_column(field: str, sobject: str) -> SalesforceError:
    """A record in a request's body has a field that the object lacks."""
    return SalesforceError(400, "INVALID_FIELD", f"No such column '{field}' on sobject of type {sobject}")


def field_integrity(field: str, reason: str) -> SalesforceError:
    """A value that is possible in itself and does not fit the other records."""
    message = f"field integrity exception: {field} ({reason})"
    return SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", message, [field])
