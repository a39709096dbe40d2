"""One JSON line a request for the log. No literal of a URL, no credential, no row ever stands in it.

Fields: request id, method, set, names of options, status, rows, bytes, milliseconds per stage, whether the shape was
known; the username that was tried, where nobody was proven.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from json import JSONEncoder

from odata.messages import Request, Response
from odata.payload.next_links import option_name
from odata.pipeline import Trace
from odata.protocol.basic import tried
from odata.service import Principal

KNOWN_OPTIONS = frozenset({
    "filter", "search", "orderby", "select", "expand", "top", "skip", "count", "skiptoken", "format", "apply",
    "compute",
})  # fmt: skip

_encode = JSONEncoder(ensure_ascii=False).encode

Report = Callable[[Request, Principal | None, Response, Trace, str], None]


def reporter(level: str) -> Report:
    """Writes the line to standard output when `level` lets information through."""
    if logging.getLevelNamesMapping()[level.upper()] > logging.INFO:
        return lambda *_: None
    return _report


def json_lines(level: str) -> Callable[[Mapping[str, object]], None]:
    """Writes facts as such a line, for what is served beside the sets."""
    if logging.getLevelNamesMapping()[level.upper()] > logging.INFO:
        return lambda _: None
    return lambda facts: _write({"at": _now(), **facts})


def _report(asked: Request, principal: Principal | None, reply: Response, trace: Trace, request_id: str) -> None:
    line = {
        "at": _now(),
        "request_id": request_id,
        "method": asked.method,
        "status": reply.status,
        "org": principal.org_id if principal else None,
        "who": principal.identity if principal else None,
        "options": _options(asked.query),
        **trace.facts,
        **reply.facts,
        "ms": {name: round(ms, 3) for name, ms in trace.stages.items()},
    }
    if principal is None and reply.status >= 400 and (username := tried(asked.headers)) is not None:
        line["tried"] = username
    _write(line)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _write(line: Mapping[str, object]) -> None:
    sys.stdout.write(_encode(line) + "\n")
    sys.stdout.flush()  # a line that waits in a buffer is lost when the process is killed


def _options(query: str) -> list[str]:
    """Names of known system query options; a name that is not known may be anything, so it is not repeated."""
    names = (option_name(item.partition("=")[0].replace("%24", "$")) for item in query.split("&") if item)
    return [name for name in names if name in KNOWN_OPTIONS]
