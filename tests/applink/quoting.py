"""What the tests of quotes share: quotes over a database of one's own, orders with keys, rows as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from applink.org import Org
from applink.quotes import Made, QuoteOrder, Quotes
from models.database import set_org
from models.pricing import PricingDefaults
from simulator.running import Simulator
from tests.applink.calling import soon

DEFAULTS = PricingDefaults(region="other", currency="USD")


@dataclass(frozen=True, slots=True)
class Shop:
    """Quotes, and the database they go to. marked: how often an order was about to write."""

    engine: Engine
    quotes: Quotes
    marked: list[str] = field(default_factory=list)

    def order(self, org: Org, opportunity_id: str, **more: Any) -> QuoteOrder:
        """A new order as an operation makes it."""
        given: dict[str, Any] = {
            "org_id": org.org_id,
            "opportunity_id": opportunity_id,
            "gateway_key": f"gw-{uuid4().hex}",
            "quote_id": uuid4(),
            "requested_by": org.user_id,
            "request_id": "r-1",
        }
        return QuoteOrder(**{**given, **more})

    def make(self, org: Org, order: QuoteOrder, *, seconds: float = 10) -> Made:
        """Made, not stored."""
        return self.quotes.make(
            order, org, deadline=soon(seconds), before_write=lambda: self.marked.append(order.gateway_key)
        )

    def store(self, made: Made) -> bool:
        with self.engine.begin() as connection:
            set_org(connection, made.row.org_id)
            return self.quotes.store(connection, made)

    def create(self, org: Org, opportunity_id: str, **more: Any) -> Made:
        """Made and stored."""
        made = self.make(org, self.order(org, opportunity_id, **more))
        self.store(made)
        return made

    def row(self, quote_id: UUID) -> Mapping[str, Any]:
        return self._all("SELECT * FROM gateway.quote WHERE id = :id", quote_id)[0]

    def lines(self, quote_id: UUID) -> list[Mapping[str, Any]]:
        statement = "SELECT * FROM gateway.quote_line WHERE quote_id = :id AND deleted_at IS NULL ORDER BY line_number"
        return self._all(statement, quote_id)

    def events(self, quote_id: UUID) -> list[Mapping[str, Any]]:
        return self._all("SELECT * FROM gateway.quote_event WHERE quote_id = :id ORDER BY created_at, id", quote_id)

    def _all(self, statement: str, quote_id: UUID) -> list[Mapping[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), {"id": quote_id}).mappings()]


def once_more(order: QuoteOrder) -> QuoteOrder:
    """The same order in its next attempt."""
    return replace(order, called_before=True)


def agree(shop: Shop, simulator: Simulator, made: Made) -> None:
    """The row and its lines are what the org has."""
    row, quote = shop.row(made.quote_id), _there(simulator, made)
    for column, member in (("name", "Name"), ("status", "Status"), ("quote_number", "QuoteNumber")):
        assert row[column] == quote[member]
    assert str(row["expiration_date"]) == quote["ExpirationDate"]
    for column, member in (("grand_total", "GrandTotal"), ("total_price", "TotalPrice")):
        assert row[column] == Decimal(str(quote[member]))
    lines = {line["salesforce_id"]: (line["quantity"], line["unit_price"]) for line in shop.lines(made.quote_id)}
    records = simulator.records("QuoteLineItem", f"QuoteId = '{made.salesforce_id}'")
    assert lines == {line["Id"]: (Decimal(str(line["Quantity"])), Decimal(str(line["UnitPrice"]))) for line in records}
    assert row["line_count"] == len(records)


def _there(simulator: Simulator, made: Made) -> dict[str, Any]:
    (found,) = simulator.records("Quote", f"Id = '{made.salesforce_id}'")
    return found
