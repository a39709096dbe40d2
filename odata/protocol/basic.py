"""HTTP Basic: a username and secret, proven against the credential table.

In: the credentials of an Authorization header. Out: a Principal, or None. argon2id costs 16 ms and 19 MiB, so it runs
once for a header in a while, twice at a time at most, and not at all for whoever failed too often.
"""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Protocol, cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from odata.errors import ODataError, Unavailable
from odata.plan.limits import Profile
from odata.protocol.attempts import Attempts
from odata.protocol.verified import Recent, SingleFlight, Verified, digest
from odata.service import Principal

logger = logging.getLogger(__name__)

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
CONCURRENT_HASHES: Final = 2
HASH_WAIT_SECONDS: Final = 3.0
REFUSED_SECONDS: Final = 10.0
"""How long a refused header is refused without asking again; a secret made meanwhile is a new header anyway."""
LONGEST_USERNAME: Final = 255


class Credential(Protocol):
    """A row of the credential table, as far as a login needs it."""

    @property
    def username(self) -> str: ...
    @property
    def org_id(self) -> str: ...
    @property
    def profile(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def sets(self) -> tuple[str, ...] | None: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def previous_valid_until(self) -> datetime | None: ...

    def hashes(self, now: datetime) -> tuple[str, ...]:
        """The hashes that a secret may match at `now`: none once revoked or expired, two during a rotation."""
        ...


FindCredential = Callable[[str], Credential | None]
"""The credential of a username, None if there is none; raises whatever when the store cannot answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicLimits:
    """cache_seconds: how long a verified header is believed, so how soon a revocation is felt at the latest."""

    cache_seconds: float = 60.0
    cache_entries: int = 10_000
    failures_per_minute: int = 10


class Basic:
    """Proves Basic credentials. Thread-safe; one per process."""

    def __init__(self, find: FindCredential, limits: BasicLimits | None = None) -> None:
        self._find = find
        self._limits = limits or BasicLimits()
        self._verified: Recent[Verified] = Recent(self._limits.cache_entries)
        self._refused: Recent[float] = Recent(self._limits.cache_entries)
        self._flights: SingleFlight[Verified | None] = SingleFlight()
        self._guesses = Attempts(self._limits.failures_per_minute)
        self._repeats = Attempts(self._limits.failures_per_minute)
        self._hashing = threading.BoundedSemaphore(CONCURRENT_HASHES)
        self._nobody = HASHER.hash(secrets.token_urlsafe(24))

    def __call__(self, encoded: str, source: str) -> Principal | None:
        """Who sent these credentials, or None when they prove nothing.

        Args:   encoded: what follows "Basic " in the header. source: the caller's address.
        Raises: TooManyRequests after too many failures; Unavailable when the credential table cannot be read.
        """
        key = digest(encoded)
        known = self._verified.get(key)
        if known is not None and known.fresh():
            return known.principal
        username, secret = _decode(encoded)
        if not username:
            return None
        if known is None:
            # A secret that was proven before is never locked out, whatever others do in its name.
            self._check_attempts(key, username, source)
        proven = None if self._refused_lately(key) else self._prove_once(key, username, secret, source)
        if proven is None:
            self._repeats.failed(username, source)
            return None
        return proven.principal

    def _check_attempts(self, key: bytes, username: str, source: str) -> None:
        """One wrong secret sent again and again is refused for itself; guessing keeps further secrets out."""
        attempts = self._repeats if self._refused_lately(key) else self._guesses
        attempts.check(username, source)

    def _prove_once(self, key: bytes, username: str, secret: str, source: str) -> Verified | None:
        proven = self._flights.run(key, lambda: self._prove(key, username, secret))
        if proven is None:
            self._guesses.failed(username, source)
        return proven

    def _refused_lately(self, key: bytes) -> bool:
        return (self._refused.get(key) or 0.0) > monotonic()

    def _prove(self, key: bytes, username: str, secret: str) -> Verified | None:
        known = self._verified.get(key)
        if known is not None and known.fresh():
            return known
        found = self._look_up(username)
        now = datetime.now(UTC)
        hashes = found.hashes(now) if found is not None else ()
        if known is not None and known.proof in hashes:
            matched: str | None = known.proof
        else:
            matched = self._match(hashes, secret)
        if found is None or matched is None:
            self._verified.drop(key)
            self._refused.put(key, monotonic() + REFUSED_SECONDS)
            return None
        verified = Verified(_principal(found), monotonic() + self._believed_seconds(found, matched, now), matched)
        self._verified.put(key, verified)
        return verified

    def _look_up(self, username: str) -> Credential | None:
        try:
            return self._find(username)
        except ODataError:
            raise
        except Exception as fault:
            logger.warning("credentials cannot be read: %s", type(fault).__name__)
            raise Unavailable("Credentials cannot be verified at the moment; try again shortly.") from fault

    def _match(self, hashes: tuple[str, ...], secret: str) -> str | None:
        """The hash that the secret matches; an unknown user takes as long as a wrong secret."""
        if not self._hashing.acquire(timeout=HASH_WAIT_SECONDS):
            raise Unavailable("Too many logins at a time; try again shortly.")
        try:
            return next((one for one in hashes or (self._nobody,) if _matches(one, secret)), None)
        finally:
            self._hashing.release()

    def _believed_seconds(self, found: Credential, matched: str, now: datetime) -> float:
        """Until it must be proven again: never past the end of the credential or of its previous secret."""
        ends = [found.expires_at]
        if matched != found.hashes(now)[0]:
            ends.append(found.previous_valid_until)
        return min([self._limits.cache_seconds, *((end - now).total_seconds() for end in ends if end is not None)])


def _matches(secret_hash: str, secret: str) -> bool:
    try:
        return HASHER.verify(secret_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def _principal(found: Credential) -> Principal:
    return Principal(
        identity=found.username,
        org_id=found.org_id,
        profile=cast(Profile, found.profile),
        scope=cast(Any, found.scope),
        sets=None if found.sets is None else frozenset(found.sets),
    )


def _decode(encoded: str) -> tuple[str, str]:
    """Username and secret, ("", "") for what is none. RFC 7617, charset UTF-8; the username ends at the first colon."""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    username, _, secret = text.partition(":")
    if len(username) > LONGEST_USERNAME or "\x00" in text:
        return "", ""
    return username, secret
