"""The public keys of a token issuer: from a PEM file, or published by the issuer as a JSON Web Key Set over https.

In: a key id. Out: the key, of one algorithm only. A key set is fetched rarely, bounded in size and time, without
following redirects, and never because a caller names ids that are not in it.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPMessage
from pathlib import Path
from time import monotonic
from typing import IO, Any, Final, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from odata.errors import Unavailable

logger = logging.getLogger(__name__)

Algorithm: TypeAlias = Literal["RS256", "ES256"]
PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey

LEAST_RSA_BITS: Final = 2048
CACHE_SECONDS: Final = 600.0
REFETCH_SECONDS: Final = 60.0
FIRST_RETRY_SECONDS: Final = 5.0
FETCH_TIMEOUT_SECONDS: Final = 3.0
MOST_BYTES: Final = 256_000


class Keys(Protocol):
    """Where keys come from. algorithm: the only one that a token may bear."""

    @property
    def algorithm(self) -> Algorithm: ...

    def find(self, kid: str | None) -> PublicKey | None:
        """The key of an id, None if there is none. Raises: Unavailable when no key could be had so far."""
        ...


class FileKey:
    """The one key of a PEM file; its kind says the algorithm, and key ids are not looked at."""

    def __init__(self, path: str | Path) -> None:
        """Raises: ValueError for a file without a public RSA key of 2,048 bits or more, or a P-256 key."""
        key = load_pem_public_key(Path(path).read_bytes())
        algorithm = _algorithm(key)
        if algorithm is None or not isinstance(key, (RSAPublicKey, EllipticCurvePublicKey)):
            raise ValueError(f"{path} needs an RSA public key of at least {LEAST_RSA_BITS} bits, or one on P-256")
        self.algorithm: Algorithm = algorithm
        self._key = key

    def find(self, kid: str | None) -> PublicKey | None:
        """The one key, whatever the id."""
        return self._key


class PublishedKeys:
    """The keys behind a JWKS address, kept for ten minutes and for as long as the address cannot be reached."""

    def __init__(
        self,
        url: str,
        algorithm: Algorithm = "RS256",
        *,
        context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if urlsplit(url).scheme != "https":
            raise ValueError("a JWKS address needs https")
        self.algorithm: Algorithm = algorithm
        self._url = url
        self._opener = build_opener(HTTPSHandler(context=context), _NoRedirect())
        self._clock = clock
        self._keys: Mapping[str | None, PublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = threading.Lock()

    def find(self, kid: str | None) -> PublicKey | None:
        """The key with this id, the only one for a token without; Unavailable when the address never answered."""
        keys = self._current(kid)
        if not keys:
            raise Unavailable("The keys of the token issuer are not available at the moment; try again shortly.")
        return next(iter(keys.values())) if kid is None and len(keys) == 1 else keys.get(kid)

    def _current(self, kid: str | None) -> Mapping[str | None, PublicKey]:
        """The keys, fetched when they are old or lack the id, but at most once a minute."""
        known = not self._keys or kid is None or kid in self._keys
        if self._keys and known and self._clock() - self._fetched_at < CACHE_SECONDS:
            return self._keys
        # Whoever finds another thread fetching goes on with the keys there are; without any it waits.
        if self._fetching.acquire(blocking=not self._keys):
            try:
                self._fetch_if_due()
            finally:
                self._fetching.release()
        return self._keys

    def _fetch_if_due(self) -> None:
        now = self._clock()
        if now - self._tried_at < (REFETCH_SECONDS if self._keys else FIRST_RETRY_SECONDS):
            return
        self._tried_at = now
        try:
            keys = _read_key_set(_get(self._opener, self._url), self.algorithm)
        except (OSError, ValueError) as fault:
            logger.warning("keys of the token issuer: %s", type(fault).__name__)
            return
        self._keys, self._fetched_at = keys, now


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        return None


def _get(opener: OpenerDirector, url: str) -> bytes:
    with opener.open(Request(url, headers={"Accept": "application/json"}), timeout=FETCH_TIMEOUT_SECONDS) as answer:
        body: bytes = answer.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise ValueError("key set too large")
    return body


def _read_key_set(body: bytes, algorithm: Algorithm) -> dict[str | None, PublicKey]:
    """The signing keys of the algorithm; entries that are none of them do not matter."""
    try:
        entries = json.loads(body)["keys"]
        read = {entry.get("kid"): _read_key(entry, algorithm) for entry in entries}
    except (KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise ValueError("no key set") from fault
    return {kid: key for kid, key in read.items() if key is not None}


def _read_key(entry: dict[str, Any], algorithm: Algorithm) -> PublicKey | None:
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm or "d" in entry:
        return None
    try:
        key = jwt.PyJWK(entry, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if _algorithm(key) == algorithm else None


def _algorithm(key: object) -> Algorithm | None:
    if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_RSA_BITS:
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    return None
