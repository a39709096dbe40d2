"""Service: what the pipeline works on, and the ports that others implement.

Values and Protocols only. `models` and `applink` implement the ports, `app.py` joins them.
"""

from __future__ import annotations

from collections.abc import Mapping as Headers
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import Protocol

from odata.plan.limits import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, proven. org_id: the org whose rows are visible. sets: names of visible sets, None for all."""

    identity: str
    org_id: str
    profile: Profile = "strict"
    scope: OneOf["read", "write"] = "read"
    sets: frozenset[str] | None = None


class Verify(Protocol):
    """Prove who sent a request.

    Args:   headers: names in lower case. source: the caller's address as the platform reports it.
    Raises: Unauthorized (401, with WWW-Authenticate), TooManyRequests (429, with Retry-After), Unavailable (503).
    """

    def __call__(self, headers: Headers[str, str], source: str) -> Principal: ...
