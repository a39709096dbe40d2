"""A request and its answer as plain values, between the one file with sockets (app.py) and all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from simulator.errors import SalesforceError
from simulator.session import User
from simulator.world import Org

JSON: Final = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. path: decoded; query_text: as sent; token: what follows "Bearer "; org, user: whose it is."""

    method: str
    path: str
    raw_path: str
    query_text: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    token: str
    org: Org | None
    user: User | None

    def json(self) -> Any:
        """The body. Raises: SalesforceError JSON_PARSER_ERROR."""
        try:
            return orjson.loads(self.body) if self.body else None
        except orjson.JSONDecodeError as error:
            raise SalesforceError(400, "JSON_PARSER_ERROR", f"The HTTP entity body is not JSON: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response. body: bytes as they are, text as it is, None nothing, anything else as JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str = JSON

    def bytes(self) -> bytes:
        """What goes over the wire."""
        match self.body:
            case None:
                return b""
            case bytes():
                return self.body
            case str():
                return self.body.encode()
            case _:
                return orjson.dumps(self.body)


def refusal(error: SalesforceError) -> Answer:
    """An org's error as an answer."""
    return Answer(status=error.status, body=error.body())
