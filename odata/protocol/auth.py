"""Who is asking: the Authorization header and the platform's headers become a Principal, or 401, 403, 429, 503.

In: request headers and the caller's address. Out: a Principal. Implements `service.Verify` out of `basic` and `bearer`;
knows no database: credentials come through a port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from odata.errors import Forbidden, Unauthorized
from odata.protocol.basic import Basic
from odata.service import Principal

if TYPE_CHECKING:
    from odata.protocol.bearer import Bearer

REALM: Final = "gateway"
HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What stands in front. trusted_proxies: how many proxies add an entry to X-Forwarded-For; 0 trusts no header.

    Heroku's router is one; a mesh that adds none does not count.
    """

    trusted_proxies: int = 0

    def source(self, headers: Mapping[str, str], remote_address: str) -> str:
        """The caller's address: the entry that our outermost proxy wrote, never what the caller wrote before it."""
        entries = [entry.strip() for entry in headers.get("x-forwarded-for", "").split(",") if entry.strip()]
        if self.trusted_proxies == 0 or len(entries) < self.trusted_proxies:
            return remote_address
        return entries[-self.trusted_proxies]

    def over_https(self, headers: Mapping[str, str]) -> bool | None:
        """Whether the caller came over https; None where no platform says so."""
        scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        return scheme == "https" if self.trusted_proxies and scheme else None

    def response_headers(self, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """HSTS for whoever came over https."""
        return (HSTS,) if self.over_https(headers) else ()


class Authenticator:
    """Implements `service.Verify`. anonymous: the Principal of requests without credentials, None if there is none."""

    def __init__(
        self,
        *,
        basic: Basic | None = None,
        bearer: Bearer | None = None,
        anonymous: Principal | None = None,
        platform: Platform | None = None,
    ) -> None:
        self._basic = basic
        self._bearer = bearer
        self._anonymous = anonymous
        self.platform = platform or Platform()
        self._challenge = _challenge(basic is not None, bearer is not None)

    def __call__(self, headers: Mapping[str, str], source: str) -> Principal:
        """Prove who sent a request.

        Args:   headers: names in lower case. source: the address of the connection, or what Platform.source made of it.
        Raises: Unauthorized (401, WWW-Authenticate), Forbidden for credentials over plain http, TooManyRequests (429,
                Retry-After), Unavailable (503) when nothing cached says and the credential table cannot be read.
        """
        header = headers.get("authorization")
        if header is None:
            if self._anonymous is not None:
                return self._anonymous
            raise self._unauthorized("This service needs credentials; the request has none.")
        if self.platform.over_https(headers) is False:
            raise Forbidden("Credentials came over plain http and may have been seen: use https, and new credentials.")
        scheme, _, credentials = header.partition(" ")
        proven = self._prove(scheme.lower(), credentials.strip(), source)
        if proven is None:
            raise self._unauthorized("The credentials are wrong, expired or revoked.")
        return proven

    def _prove(self, scheme: str, credentials: str, source: str) -> Principal | None:
        if scheme == "basic" and self._basic is not None:
            return self._basic(credentials, source)
        if scheme == "bearer" and self._bearer is not None:
            return self._bearer(credentials)
        raise self._unauthorized("The Authorization header has a scheme that this service does not take.")

    def _unauthorized(self, message: str) -> Unauthorized:
        return Unauthorized(message, target="Authorization", headers={"WWW-Authenticate": self._challenge})


def _challenge(basic: bool, bearer: bool) -> str:
    """RFC 9110 11.6.1: one header may hold several challenges."""
    challenges = []
    if basic or not bearer:
        challenges.append(f'Basic realm="{REALM}", charset="UTF-8"')
    if bearer:
        challenges.append(f'Bearer realm="{REALM}"')
    return ", ".join(challenges)
