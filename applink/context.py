"""The caller: whose org and user an operation works for. One value a request, kept in the request and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

PROVEN_BY: Final = ("mesh", "basic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls. org_id, user_id: 18 characters. domain_url: https://..., no slash at its end.

    api_version: such as "64.0". user_id, access_token: None where a credential of ours was proven (APPLINK_AUTH=basic);
    work is then done by the named authorization. request_id: of this call, as it stands in the org's logs.
    """

    org_id: str
    domain_url: str
    api_version: str
    user_id: str | None
    username: str
    access_token: str | None = field(repr=False)
    request_id: str
    namespace: str | None = None
