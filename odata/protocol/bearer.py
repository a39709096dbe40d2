"""Bearer tokens: a JSON Web Token of the configured issuer for our audience, naming the org.

In: the token of an Authorization header. Out: a Principal, or None. One algorithm, a key that we looked up ourselves,
exp, iss, aud and the org claim required; nothing in the token says how it is to be checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from time import monotonic, time
from typing import Any, Final
from typing import Literal as OneOf

import jwt

from odata.edm.record_ids import is_org_id, widen_record_id
from odata.plan.limits import Profile
from odata.protocol.keys import Keys
from odata.protocol.verified import Recent, Verified, digest
from odata.service import Principal

LEEWAY_SECONDS: Final = 30
LONGEST_TOKEN: Final = 8190


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say, and what its bearer may do. cache_seconds: how long a verified token is believed."""

    issuer: str
    audience: str
    org_claim: str = "org_id"
    profile: Profile = "strict"
    scope: OneOf["read", "write"] = "read"
    cache_seconds: float = 60.0
    cache_entries: int = 10_000


class Bearer:
    """Proves tokens. Thread-safe; one per process."""

    def __init__(self, rules: TokenRules, keys: Keys) -> None:
        self._rules = rules
        self._keys = keys
        self._verified: Recent[Verified] = Recent(rules.cache_entries)

    def __call__(self, token: str) -> Principal | None:
        """Whom a token names, or None when it proves nothing. Raises: Unavailable without the issuer's keys."""
        key = digest(token)
        known = self._verified.get(key)
        if known is not None and known.fresh():
            return known.principal
        claims = self._claims(token)
        principal = None if claims is None else self._principal(claims)
        if claims is None or principal is None:
            return None
        believed_seconds = min(self._rules.cache_seconds, claims["exp"] + LEEWAY_SECONDS - time())
        self._verified.put(key, Verified(principal, monotonic() + believed_seconds))
        return principal

    def _claims(self, token: str) -> dict[str, Any] | None:
        if len(token) > LONGEST_TOKEN:
            return None
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if header.get("alg") != self._keys.algorithm or "crit" in header or not isinstance(kid, str | None):
                return None
            key = self._keys.find(kid)
            if key is None:
                return None
            return jwt.decode(
                token,
                key,
                algorithms=[self._keys.algorithm],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", self._rules.org_claim]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # PyJWT raises the latter for claims of absurd types and sizes.
            return None

    def _principal(self, claims: dict[str, Any]) -> Principal | None:
        org_id = claims[self._rules.org_claim]
        subject = claims.get("sub", "")
        if not isinstance(org_id, str) or not is_org_id(org_id) or not isinstance(subject, str):
            return None
        org = widen_record_id(org_id)
        return Principal(
            identity=_identity(org, subject),
            org_id=org,
            profile=self._rules.profile,
            scope=self._rules.scope,
        )


def _identity(org_id: str, subject: str) -> str:
    """One for each subject of an org, for limits and the log; it says nothing of who that is."""
    return f"jwt:{org_id}:{sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
