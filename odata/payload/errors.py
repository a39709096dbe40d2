"""Error objects: an ODataError -> the body of the answer, or of one part of a batch. The one place that renders them.

Standard: JSON Format, "Error Response": the same in 4.0 and 4.01.
"""

from __future__ import annotations

import json

from odata.errors import InternalError, ODataError


def error_body(error: ODataError, request_id: str) -> bytes:
    """{"error": {"code", "message", "target"?, "details"?}}.

    Args: request_id: under which the log has the story; it is told only where the client can do nothing but ask (500).
    """
    message = f"{error.message} (request id {request_id})" if isinstance(error, InternalError) else error.message
    body: dict[str, object] = {"code": error.code, "message": message}
    if error.target is not None:
        body["target"] = error.target
    if error.details:
        body["details"] = [{"code": code, "message": text} for code, text in error.details]
    return json.dumps({"error": body}, ensure_ascii=False).encode("utf-8", "replace")
