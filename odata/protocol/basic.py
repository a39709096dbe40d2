"""HTTP Basic: a username and secret, proven against the credential table.

In: the credentials of an Authorization header. Out: a Principal, or None. argon2id costs 16 ms and 19 MiB, so it runs
once for a header in a while, twice at a time at most, and not at all for whoever failed too often.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Protocol, cast

from odata.errors import Unavailable
from odata.plan.limits import Profile
from odata.protocol.attempts import Attempts
from odata.protocol.lookups import LookUps
from odata.protocol.verified import Recent, SingleFlight, Verified, digest
from odata.service import Principal

CONCURRENT_HASHES: Final = 2
HASH_WAIT_SECONDS: Final = 3.0
REFUSED_SECONDS: Final = 10.0
"""How long a refused header is refused without asking again; a secret made meanwhile is a new header anyway."""
RETRY_SECONDS: Final = 5.0
"""How long a known header is believed again after the store could not answer, before somebody asks once more."""
FLIGHT_SECONDS: Final = 1.5
KNOWN_FLIGHT_SECONDS: Final = 0.25
"""How long a thread waits for another that proves the same header; who could be believed meanwhile waits less."""
LONGEST_USERNAME: Final = 255
LONGEST_TRIED: Final = 80
_SECRET: Final = re.compile(r"[\w-]{32}", re.ASCII)
"""As secrets are made; people do type one where the username goes."""
_UNPRINTABLE: Final = re.compile(r"[^ -~]")


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


@dataclass(frozen=True, slots=True)
class Hashing:
    """matches(hash, secret): takes as long either way. nobody: a hash made like all others, of a secret nobody has."""

    matches: Callable[[str, str], bool]
    nobody: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicLimits:
    """cache_seconds: how long a verified header is believed, so how soon a revocation is felt at the latest.

    away_seconds: how much longer when the credential table cannot be read.
    """

    cache_seconds: float = 60.0
    away_seconds: float = 300.0
    cache_entries: int = 10_000
    failures_per_minute: int = 10


class Basic:
    """Proves Basic credentials. Thread-safe; one per process."""

    def __init__(self, find: FindCredential, hashing: Hashing, limits: BasicLimits | None = None) -> None:
        self._find = LookUps(find)
        self._secrets = hashing
        self._limits = limits or BasicLimits()
        self._verified: Recent[Verified] = Recent(self._limits.cache_entries)
        self._refused: Recent[float] = Recent(self._limits.cache_entries)
        self._flights: SingleFlight[Verified | None] = SingleFlight()
        self._guesses = Attempts(self._limits.failures_per_minute)
        self._repeats = Attempts(self._limits.failures_per_minute)
        self._hashing = threading.BoundedSemaphore(CONCURRENT_HASHES)

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
        known = self._verified.get(key)
        believable = known is not None and known.believable()
        wait_seconds = KNOWN_FLIGHT_SECONDS if believable else FLIGHT_SECONDS
        try:
            proven = self._flights.run(key, lambda: self._prove(key, username, secret), wait_seconds=wait_seconds)
        except (Unavailable, TimeoutError):
            if known is None or not known.believable():
                raise Unavailable("Credentials cannot be verified at the moment; try again shortly.") from None
            return self._believed_again(key, known)
        if proven is None:
            self._guesses.failed(username, source)
        return proven

    def _believed_again(self, key: bytes, known: Verified) -> Verified:
        """Nobody can say that it ended; the next to ask the store is somebody in a few seconds."""
        again = replace(known, fresh_until=min(monotonic() + RETRY_SECONDS, known.believed_until))
        self._verified.put(key, again)
        return again

    def _refused_lately(self, key: bytes) -> bool:
        return (self._refused.get(key) or 0.0) > monotonic()

    def _prove(self, key: bytes, username: str, secret: str) -> Verified | None:
        known = self._verified.get(key)
        if known is not None and known.fresh():
            return known
        found = self._find(username)
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
        verified = self._outcome(found, matched, now)
        self._verified.put(key, verified)
        return verified

    def _match(self, hashes: tuple[str, ...], secret: str) -> str | None:
        """The hash that the secret matches; an unknown user takes as long as a wrong secret."""
        if not self._hashing.acquire(timeout=HASH_WAIT_SECONDS):
            raise Unavailable("Too many logins at a time; try again shortly.")
        try:
            return next((one for one in hashes or (self._secrets.nobody,) if self._secrets.matches(one, secret)), None)
        finally:
            self._hashing.release()

    def _outcome(self, found: Credential, matched: str, now: datetime) -> Verified:
        """Never believed past the end of the credential, nor past that of its previous secret."""
        ends = [found.expires_at]
        if matched != found.hashes(now)[0]:
            ends.append(found.previous_valid_until)
        left = min([float("inf"), *((end - now).total_seconds() for end in ends if end is not None)])
        fresh = min(self._limits.cache_seconds, left)
        believed = min(self._limits.cache_seconds + self._limits.away_seconds, left)
        return Verified(_principal(found), monotonic() + fresh, matched, monotonic() + believed)


def tried(headers: Mapping[str, str]) -> str | None:
    """The username of a login, for the log: at most 80 characters, "?" for what is no plain one; never a secret."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    username, secret = _decode(encoded)
    if not username or not secret or _SECRET.fullmatch(username):
        return None
    return _UNPRINTABLE.sub("?", username[:LONGEST_TRIED])


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
