"""The adapter of Salesforce Connect as a client: its headers, its encodings of a URL, and answers read back.

A URL is written decoded, `Quotes?$filter=status eq 'Open'&$top=2`; an option starts with "&$".
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

READING = {"OData-Version": "4.0", "OData-MaxVersion": "4.0", "Accept": "application/json"}
UNESCAPED = "()*,:'=$/@!;-._~"


def encoded_fully(url: str) -> str:
    """E1: `%24top=51&%24filter=%20indexof%28...`."""
    return _encoded(url, lambda text: quote(text, safe=""))


def encoded_as_form(url: str) -> str:
    """E2: `$filter=status+eq+'Open'`; a "+" of the value stays one too."""
    return _encoded(url, lambda text: quote(text, safe=UNESCAPED + " +").replace(" ", "+"))


def encoded_plainly(url: str) -> str:
    """E3: `$filter=status%20eq%20'Open'`."""
    return _encoded(url, lambda text: quote(text, safe=UNESCAPED))


ENCODINGS: dict[str, Callable[[str], str]] = {"E1": encoded_fully, "E2": encoded_as_form, "E3": encoded_plainly}


def options_of(url: str) -> list[tuple[str, str]]:
    """The query options of a decoded URL, names with "$"."""
    items = re.split(r"&(?=[$@])", url.partition("?")[2])
    return [(name, value) for name, _, value in (item.partition("=") for item in items if item)]


def _encoded(url: str, encode: Callable[[str], str]) -> str:
    path = quote(url.partition("?")[0], safe=UNESCAPED)
    query = "&".join(f"{encode(name)}={encode(value)}" for name, value in options_of(url))
    return f"{path}?{query}" if query else path


@dataclass(frozen=True, slots=True)
class Answer:
    """status, headers with names in lower case, body as sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, exact: numbers with a point are Decimal."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def error(self) -> Any:
        """The error object; a failure that is none is a failed test."""
        assert self.headers["content-type"].startswith("application/json"), self.body[:200]
        error = self.json["error"]
        assert error["code"] and error["message"]
        return error

    def named(self, name: str) -> Any:
        """Control information, "count" or "nextLink", with the prefix or without."""
        return self.json.get(f"@odata.{name}", self.json.get(f"@{name}"))


@dataclass(frozen=True, slots=True)
class Adapter:
    """Sends requests as one user. root: the service root with its slash."""

    root: str
    username: str
    secret: str

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET of a URL that is encoded already, relative or absolute."""
        return self.send("GET", url, headers)

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """The request, byte for byte; a header of value "" is left out."""
        parts = urlsplit(self.root)
        target = url[len(f"{parts.scheme}://{parts.netloc}") :] if url.startswith("http") else parts.path + url
        given = {"Authorization": self.authorization, **READING, **(headers or {})}
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.putrequest(method, target, skip_host="Host" in given, skip_accept_encoding=True)
            for name, value in given.items():
                if value:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()
