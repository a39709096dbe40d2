"""From an Answer to a Response: status, ETag, content type, and 304 when the client has it already.

In: request headers, the format, an Answer. Out: a Response. Standard: Protocol, "Header ETag"; RFC 9110,
"If-None-Match".
"""

from __future__ import annotations

from collections.abc import Mapping

from odata.messages import Response
from odata.payload.envelope import Answer
from odata.payload.formats import Format


def respond(headers: Mapping[str, str], format: Format, written: Answer) -> Response:
    """The response to a request with these headers."""
    answered: list[tuple[str, str]] = [("OData-Version", format.version)]
    if written.etag is not None:
        answered.append(("ETag", written.etag))
        if written.etag_covers and matches(headers.get("if-none-match"), written.etag):
            return Response(status=304, headers=tuple(answered))
    if written.status == 204:
        return Response(status=204, headers=tuple(answered))
    answered.append(("Content-Type", format.content_type))
    return Response(status=written.status, headers=tuple(answered), body=written.body)


def matches(condition: str | None, tag: str) -> bool:
    """Whether an If-None-Match names this weak ETag. Standard: RFC 9110, "If-None-Match"."""
    if not condition:
        return False
    opaque = tag.removeprefix("W/")
    return condition.strip() == "*" or any(item.strip().removeprefix("W/") == opaque for item in condition.split(","))
