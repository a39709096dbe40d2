"""Capture: the head of each request and the shape of its answer, one JSON file each, to be sent again and compared.

In: what came and went. Out: files in one directory, at most a number of them. Credentials, cookies, tokens and values
of rows are never written: what is not known to be harmless is replaced by `REMOVED`. Literals of system query options
stay, since their form is what a capture is for.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

MOST_FILES = 1000
REMOVED = "<removed>"
KEPT_REQUEST_HEADERS = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "connection", "content-encoding",
    "content-length", "content-type", "if-match", "if-none-match", "isolation", "odata-isolation", "odata-maxversion",
    "odata-version", "prefer", "transfer-encoding", "user-agent", "x-http-method", "x-http-method-override",
})  # fmt: skip
KEPT_ANSWER_HEADERS = frozenset({
    "allow", "cache-control", "content-encoding", "content-length", "content-type", "odata-version",
    "preference-applied", "retry-after", "vary",
})  # fmt: skip
KEPT_OPTIONS = frozenset({
    "apply", "compute", "count", "expand", "filter", "format", "index", "levels", "orderby", "schemaversion", "search",
    "select", "skip", "top",
})  # fmt: skip
TOKENS = frozenset({"skiptoken", "deltatoken"})
CSRF_WORDS = frozenset({"fetch", "required"})
_ALIAS = re.compile(r"@[A-Za-z_]\w{0,127}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer. target: as it came, percent-encoded. body: of the answer, before compression."""

    method: str
    target: str
    headers: Mapping[str, str]
    status: int
    answer_headers: Sequence[tuple[str, str]]
    body: bytes
    milliseconds: float
    request_id: str


class Capture:
    """Writes exchanges until the directory is full; a failure to write is logged and hurts no request.

    directory: made when missing. most_files: of all processes together.
    """

    def __init__(self, directory: Path, most_files: int = MOST_FILES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._most_files = most_files

    def __call__(self, exchange: Exchange) -> None:
        """Write one exchange."""
        try:
            if len(os.listdir(self._directory)) < self._most_files:
                self._write(exchange)
        except OSError as problem:
            log.warning("request %s is not captured: %s", exchange.request_id, problem.strerror)

    def _write(self, exchange: Exchange) -> None:
        now = datetime.now(UTC)
        path = self._directory / f"{now:%Y%m%dT%H%M%S.%f}-{exchange.request_id[:8]}.json"
        text = json.dumps({"at": now.isoformat(), **recorded(exchange)}, ensure_ascii=False, indent=1)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")


def recorded(exchange: Exchange) -> dict[str, Any]:
    """An exchange as its file holds it: secrets and values of rows are gone."""
    parts = urlsplit(exchange.target)
    return {
        "request": {
            "method": exchange.method,
            "path": parts.path,
            "query": _safe_query(parts.query),
            "headers": {name: _safe_header(name, value) for name, value in sorted(exchange.headers.items())},
        },
        "answer": {
            "status": exchange.status,
            "headers": {
                name.lower(): value if name.lower() in KEPT_ANSWER_HEADERS else REMOVED
                for name, value in sorted(exchange.answer_headers)
            },
            "shape": body_shape(exchange.body),
            "bytes": len(exchange.body),
            "milliseconds": round(exchange.milliseconds, 3),
        },
    }


def _safe_header(name: str, value: str) -> str:
    if name == "x-csrf-token" and value.strip().lower() in CSRF_WORDS:
        return value
    return value if name in KEPT_REQUEST_HEADERS else REMOVED


def _safe_query(query: str) -> str:
    return "&".join(_safe_option(item) for item in query.split("&"))


def _safe_option(item: str) -> str:
    """A system query option or parameter alias as it was written; a token and any other option without what it says."""
    name, _, _ = item.partition("=")
    plain = unquote(name.replace("+", " ")).strip()
    bare = plain.removeprefix("$").lower()
    if bare in KEPT_OPTIONS or _ALIAS.fullmatch(plain) or not item:
        return item
    return f"{name}={REMOVED}" if bare in TOKENS else REMOVED


# --- shapes ----------------------------------------------------------------------------------------------------------


def body_shape(body: bytes) -> Any:
    """The structure of a JSON text: names, and the kind of each value; "text" or "" for anything else.

    Objects of a list are laid over each other: {"value": [{"Id": "string", "Name": "null|string"}]}.
    """
    try:
        return shape(json.loads(body))
    except ValueError:
        return "text" if body else ""


def shape(value: Any) -> Any:
    """The structure of one JSON value."""
    match value:
        case dict():
            return {name: shape(member) for name, member in value.items()}
        case list():
            return [_merged([shape(item) for item in value])] if value else []
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case _:
            return "string"


def _merged(shapes: Sequence[Any]) -> Any:
    objects = [one for one in shapes if isinstance(one, dict)]
    if len(objects) == len(shapes):
        names = dict.fromkeys(name for one in objects for name in one)
        return {name: _merged([one[name] for one in objects if name in one]) for name in names}
    lists = [one for one in shapes if isinstance(one, list)]
    if len(lists) == len(shapes):
        items = [item for one in lists for item in one]
        return [_merged(items)] if items else []
    kinds = {kind for one in shapes for kind in (one.split("|") if isinstance(one, str) else ["structure"])}
    return "|".join(sorted(kinds))


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the answer to a request differs from the recorded one, a line each; rows may have come, gone or changed.

    Args: the "answer" of two recorded exchanges. Compared are status, version, media type and structure.
    """
    lines = []
    if recorded["status"] != now["status"]:
        lines.append(f"status {recorded['status']}, now {now['status']}")
    for name in ("odata-version", "content-type"):
        before, after = (answer["headers"].get(name) for answer in (recorded, now))
        if before != after:
            lines.append(f"{name} {before}, now {after}")
    return lines + [f"{where or 'body'}: {what}" for where, what in _shape_differences(recorded["shape"], now["shape"])]


def _shape_differences(before: Any, after: Any, where: str = "") -> list[tuple[str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = [(f"{where}/{name}", "gone") for name in before if name not in after and name not in OPTIONAL]
        found += [(f"{where}/{name}", "new") for name in after if name not in before and name not in OPTIONAL]
        for name in before:
            if name in after:
                found += _shape_differences(before[name], after[name], f"{where}/{name}")
        return found
    if isinstance(before, list) and isinstance(after, list):
        return _shape_differences(before[0], after[0], where) if before and after else []
    if isinstance(before, str) and isinstance(after, str):
        kinds = [set(kind.split("|")) - {"null"} for kind in (before, after)]
        return [(where, f"{before}, now {after}")] if all(kinds) and kinds[0] != kinds[1] else []
    nothing = "null" in (before, after)
    return [] if nothing else [(where, "another structure")]


OPTIONAL = frozenset({"@odata.nextLink", "@nextLink"})
"""Names that come and go with the number of rows."""
