"""updateQuote and deleteQuote as a test asks them, with something that happens around the calls to the org."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import text

from applink.org import Org
from applink.quote_rows import QuoteRow
from applink.quotes import Made, QuoteChange
from models.database import set_org
from tests.applink.calling import soon
from tests.applink.quoting import Shop

CHANGES: list[dict[str, Any]] = [{"status": "Presented"}, {"discount_percent": Decimal(25)}]

Attempt: TypeAlias = Callable[[], object]
"""A change or deletion that is to be refused."""


def change(shop: Shop, org: Org, made: Made, seconds: float = 10, **wanted: Any) -> QuoteRow:
    return shop.quotes.update(asked(org, made, **wanted), org, deadline=soon(seconds))


def delete(shop: Shop, org: Org, made: Made) -> QuoteRow:
    return shop.quotes.delete(asked(org, made), org, deadline=soon())


def asked(org: Org, made: Made, **wanted: Any) -> QuoteChange:
    given = {"quote_id": made.salesforce_id, "requested_by": org.user_id, "request_id": "r-2", **wanted}
    return QuoteChange(org_id=org.org_id, **given)


class Between:
    """An org, and something that happens around each of its calls."""

    def __init__(self, org: Org, *, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None):
        self._org = org
        self._before = before or (lambda: None)
        self._after = after or (lambda: None)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._org, name)
        if name not in ("query", "update", "write", "delete"):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._before()
            answer = found(*given, **named)
            if name != "query":
                self._after()
            return answer

        return call


def statement(shop: Shop, org: Org, said: str) -> None:
    with shop.engine.begin() as connection:
        set_org(connection, org.org_id)
        connection.execute(text(said))
