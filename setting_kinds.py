"""Kinds of settings: how the text of a variable becomes a value, and what would fit, in words.

In: text, trimmed. Out: a value, or a ValueError. settings.py says which setting is of which kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from odata.edm.record_ids import ORG_ID_PATTERN


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a variable becomes a value. read raises ValueError; fits completes "needs ..."."""

    read: Callable[[str], object]
    fits: str


def whole(least: int, most: int) -> Kind:
    """A whole number between the two, both included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return Kind(read, f"a whole number from {least} to {most}")


def seconds(least: float, most: float) -> Kind:
    """Seconds between the two, with six decimals at most."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or not least <= float(text) <= most:
            raise ValueError(text)
        return float(text)

    return Kind(read, f"seconds from {least:g} to {most:g}")


def one_of(*choices: str) -> Kind:
    """One of these words as they are written."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return Kind(read, "one of " + ", ".join(choices))


def matching(pattern: str, fits: str) -> Kind:
    """A text that matches as a whole; fits: the same for a reader."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Kind(read, fits)


def several(item: Kind) -> Kind:
    """A list separated by commas; spaces around an item do not count."""
    return Kind(
        lambda text: tuple(item.read(part.strip()) for part in text.split(",") if part.strip()),
        f"{item.fits}, or several separated by commas",
    )


def _read_flag(text: str) -> bool:
    return {"on": True, "off": False}[text.lower()]


def _read_web_url(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError(text)
    return text.rstrip("/")


def _read_database_url(text: str) -> str:
    if urlsplit(text).scheme not in ("postgres", "postgresql"):
        raise ValueError(text)
    return text


def _read_private_key(text: str) -> str:
    pem = text.replace("\\n", "\n")
    if not re.fullmatch(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----\n.+-----END [A-Z ]*PRIVATE KEY-----\s*", pem):
        raise ValueError(text)
    return pem


TEXT: Final = matching(r"(?s).+", "text")
FLAG: Final = Kind(_read_flag, "on or off")
WEB_URL: Final = Kind(_read_web_url, "an http or https URL without query, such as https://quotes.example.com")
DATABASE: Final = Kind(_read_database_url, "a URL such as postgres://user:password@host:5432/name")
SECRET: Final = matching(r"(?s).{32,}", "at least 32 characters, such as the output of `openssl rand -base64 48`")
_NAME: Final = r"[A-Za-z][A-Za-z0-9_-]{0,78}[A-Za-z0-9]"
ORG_ID: Final = matching(ORG_ID_PATTERN, "a Salesforce organization id (00D...)")
AUTHORIZATION: Final = matching(
    rf"{_NAME}|{ORG_ID_PATTERN}={_NAME}(\s*,\s*{ORG_ID_PATTERN}={_NAME})*",
    "the name of an authorization, or 00D...=name, or several of those separated by commas",
)
TEST_DOMAIN: Final = matching(r"https?://[A-Za-z0-9.\[\]:-]+", "an origin such as http://127.0.0.1:8010")
PRIVATE_KEY: Final = Kind(_read_private_key, "a private key as PEM, its lines separated by line breaks or by \\n")
ORIGIN: Final = matching(r"https?://[^/\s]+|\*", "an origin such as https://app.example.com")
