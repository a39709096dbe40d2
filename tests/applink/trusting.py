"""What a caller brings, and what it is proven by."""

from __future__ import annotations

import base64
import json
from typing import Any

from applink.trust import HEADER
from simulator import context
from simulator.running import Simulator

USERINFO = "/services/oauth2/userinfo"
USER = {"userId": "005bZ0000000001QAA", "username": "ann@acme.example"}
ABSENT = object()


class Clock:
    """Seconds, put on by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def members(simulator: Simulator, username: str = "ann", **changes: Any) -> dict[str, Any]:
    """What stands in x-client-context, with changes; ABSENT takes a member away."""
    made = {**context.client_context(simulator.caller(username), "00D-1-2"), **changes}
    return {name: value for name, value in made.items() if value is not ABSENT}


def header(found: Any) -> dict[str, str]:
    return {HEADER: base64.b64encode(json.dumps(found).encode()).decode()}
