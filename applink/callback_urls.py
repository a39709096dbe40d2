"""Where a callback may go: to the org that asked, and nowhere else. It carries that org's token.

In: what stood in the request, absolute or relative to the org. Out: an absolute URL that begins with the org's own
domain, letter for letter. Checked when it is submitted and again when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from applink.errors import InvalidCallbackUrl

LONGEST: Final = 2_048
"""As the column job.callback_url has it: of what is asked, and of its absolute form."""
PATH_PREFIX: Final = "/services/"
"""How the path of a callback begins unless told otherwise: what an org has for programs lies there."""
_READABLE: Final = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]+")
"""What a URL is made of; no blank, control character, backslash, quote or letter beyond ASCII."""
_AMBIGUOUS: Final = re.compile(r";|%(?:2f|5c|25|3b|(?![0-9a-f]{2}))", re.IGNORECASE)
"""In a path: a slash, backslash, percent sign or semicolon by another name, path parameters, a lone percent sign."""
_RECORDS: Final = re.compile(
    r"/services/(?:soap|async|apexrest|oauth2)\b"
    r"|/services/data/[^/]*/(?:sobjects|composite|tooling|jobs|actions|process|ui-api|connect|analytics|metadata|query)",
    re.IGNORECASE,
)
"""Interfaces that change or read an org's records: the token of a callback may do more than its caller.

What the path of a callback looks like is not documented (docs/first-org.md).
"""
_OTHER_METHOD: Final = re.compile(r"(?:^|&)_httpmethod=", re.IGNORECASE)
"""Salesforce's REST API takes another method from this parameter of a POST."""
_PORTS: Final = {"https": 443, "http": 80}


def checked(url: str, domain_url: str, *, own_hosts: Collection[str] = (), path_prefix: str = PATH_PREFIX) -> str:
    """The absolute form of a callback URL. Raises: InvalidCallbackUrl, which says what would fit.

    Args:    domain_url: of the org, no slash at its end; own_hosts: hosts that need no https (a simulator);
             path_prefix: how its path has to begin.
    Example: checked("/services/callback/08P...", "https://acme.my.salesforce.com")
    """
    if not url or len(url) > LONGEST or not _READABLE.fullmatch(url):
        raise _unusable()
    domain, given = _split(domain_url), _split(url)
    if not given.scheme and not given.netloc:
        if not url.startswith("/") or url.startswith("//"):
            raise _foreign(domain)
    elif not _same_place(given, domain):
        raise _foreign(domain)
    if domain.scheme != "https" and (domain.hostname or "") not in own_hosts:
        raise InvalidCallbackUrl("callbackUrl has to begin with https://.")
    if given.fragment or "#" in url:
        raise InvalidCallbackUrl("callbackUrl has no fragment (#).")
    _refuse_second_readings(given.path)
    if not (given.path or "/").startswith(path_prefix):
        raise InvalidCallbackUrl(f"callbackUrl has a path that begins with {path_prefix}.")
    if _RECORDS.match(unquote(given.path)) or _OTHER_METHOD.search(unquote(given.query)):
        raise InvalidCallbackUrl("callbackUrl leads to an interface of the org that is no callback.")
    absolute = f"{domain_url}{given.path or '/'}" + (f"?{given.query}" if given.query else "")
    if len(absolute) > LONGEST:
        raise _unusable()
    return absolute


def _refuse_second_readings(path: str) -> None:
    """Nothing that a server behind could read as another path: it would leave the prefix."""
    decoded = unquote(path, errors="replace")
    if _AMBIGUOUS.search(path) or not decoded.isprintable():
        raise InvalidCallbackUrl(
            "callbackUrl has no path with %2F, %5C, %25, %3B or ; in it, nor with control characters."
        )
    if "//" in path or any(part in (".", "..") for part in decoded.split("/")):
        raise InvalidCallbackUrl("callbackUrl has no path with //, . or .. in it.")


def _same_place(given: SplitResult, domain: SplitResult) -> bool:
    """Scheme, host and port of the org, and nothing before an @."""
    if "@" in given.netloc or given.scheme.lower() != domain.scheme:
        return False
    return (given.hostname or "").lower() == domain.hostname and _port(given) == _port(domain)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError:
        return None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise InvalidCallbackUrl("callbackUrl cannot be read as a URL.") from None


def _unusable() -> InvalidCallbackUrl:
    return InvalidCallbackUrl(f"callbackUrl is a URL of 1 to {LONGEST} printable ASCII characters.")


def _foreign(domain: SplitResult) -> InvalidCallbackUrl:
    place = f"{domain.scheme}://{domain.netloc}"
    return InvalidCallbackUrl(f"callbackUrl has to lead to the caller's own org: {place}/... or a path.")
