"""What tests ask an org with: callers, deadlines, a query, the nodes of a graph, the add-on's own answer."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from applink.context import Caller
from applink.org import Node, Reference, Soql, Upsert
from simulator.running import Simulator

USERS = Soql("SELECT Id FROM User LIMIT 1")
HTML = "<html><body>Service Unavailable</body></html>"
AUTHORIZATION: dict[str, Any] = {
    "id": "7d0c3c0e-0000-4000-8000-000000000001",
    "status": "authorized",
    "org": {
        "id": "00DbZ0000000001UAA",
        "developer_name": "worker",
        "instance_url": "http://127.0.0.1:1",
        "type": "SalesforceOrg",
        "api_version": "64.0",
        "user_auth": {"username": "worker@acme.example", "user_id": "005bZ0000000003QAA", "access_token": "AQ.canary"},
    },
    "created_at": "2026-01-05T10:00:00.000001Z",
    "created_by": "ops@acme.example",
    "created_via_app": "gateway",
    "last_modified_at": "2026-01-05T10:00:00.000001Z",
    "last_modified_by": "ops@acme.example",
}


def caller_of(simulator: Simulator, username: str) -> Caller:
    """A proven caller with the token that the user has now."""
    found = simulator.caller(username)
    return Caller(
        org_id=found.org_id,
        domain_url=found.org_domain_url,
        api_version=found.api_version,
        user_id=found.user_id,
        username=found.username,
        access_token=found.access_token,
        request_id="r-1",
    )


def soon(seconds: float = 10) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def nodes(simulator: Simulator, key: str = "gw-1", *, entry: str | None = None) -> list[Node]:
    """A quote and a line of it."""
    opportunity = simulator.special("plain")
    (found,) = simulator.records("Opportunity", f"Id = '{opportunity}'")
    line = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity}'")[0]
    quote = {"Name": "Q", "OpportunityId": opportunity, "Pricebook2Id": found["Pricebook2Id"]}
    first = {
        "QuoteId": Reference("quote"),
        "PricebookEntryId": entry or line["PricebookEntryId"],
        "Quantity": Decimal("2.00"),
        "UnitPrice": Decimal("19.99"),
    }
    return [
        Upsert(reference="quote", type="Quote", key_field="Gateway_Key__c", key=key, fields=quote),
        Upsert(reference="line1", type="QuoteLineItem", key_field="Gateway_Key__c", key=f"{key}-1", fields=first),
    ]
