"""updateQuote and deleteQuote that nobody ended: a worker finds out, and the row says what the org has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from applink.authorizations import Orgs
from applink.errors import OutcomeUnknown, QuoteNotFound
from applink.org import Org
from applink.quote_changes import UNSEEN_SECONDS
from applink.quotes import Made, QuoteChange, Quotes
from applink.worker import Worker
from models.database import set_org
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.quoting import DEFAULTS, Shop, agree
from tests.applink.working import LIMITS, until, working

WISHES: dict[str, dict[str, Any]] = {
    "status": {"status": "Presented"},
    "discount": {"discount_percent": Decimal(25)},
    "deletion": {"deletes": True},
}


def ask(shop: Shop, org: Org, made: Made, **wish: Any) -> None:
    change = QuoteChange(
        org_id=org.org_id, quote_id=made.salesforce_id or "", requested_by=org.user_id, request_id="r-2", **wish
    )
    (shop.quotes.delete if change.deletes else shop.quotes.update)(change, org, deadline=soon())


def cut_off(shop: Shop, org: Org, simulator: Simulator, made: Made, *, done: bool, **wish: Any) -> None:
    """A change whose write is not answered, whether or not the org has made it, and that cannot look afterwards."""
    for write in ("PATCH /sobjects/Quote", "POST /composite/graph"):
        simulator.fault(write, cut=True, after=done)
    simulator.fault("GET /query", cut=True, skip=1, times=None)
    with pytest.raises(OutcomeUnknown):
        ask(shop, org, made, **wish)
    simulator.clear_faults()


def grow_old(shop: Shop, org: Org) -> None:
    """What is open is old enough for a worker to settle it."""
    over = "UPDATE gateway.intent SET created_at = now() - interval '1 h', settled_at = now() - interval '1 h'"
    with shop.engine.begin() as connection:
        set_org(connection, org.org_id)
        connection.execute(text(f"{over} WHERE operation = 'changeQuote' AND org_id = :o"), {"o": org.org_id})


def settle(shop: Shop, org: Org, orgs: Orgs) -> None:
    """Let a worker find out."""
    assert lease(shop).status == "open"
    grow_old(shop, org)
    with working(shop.engine, orgs):
        until(lambda: lease(shop).status == "settled", 30)


def lease(shop: Shop) -> Any:
    with shop.engine.connect() as connection:
        return connection.execute(
            text("SELECT status, lease_until, next_at FROM gateway.intent WHERE operation = 'changeQuote'")
        ).one()


@pytest.mark.parametrize("kind", WISHES)
def test_what_the_org_has_done_is_stored(
    kind: str, shop: Shop, ann: Org, simulator: Simulator, made: Made, orgs: Orgs
) -> None:
    cut_off(shop, ann, simulator, made, done=True, **WISHES[kind])
    assert shop.row(made.quote_id)["status"] == "Draft" and len(shop.events(made.quote_id)) == 1
    settle(shop, ann, orgs)
    row, event = shop.row(made.quote_id), shop.events(made.quote_id)[-1]
    assert (event["through"], event["by_user_id"], event["request_id"]) == ("reconcile", ann.user_id, "r-2")
    assert (lease(shop).status, lease(shop).lease_until) == ("settled", None)
    if kind == "deletion":
        assert row["deleted_at"] is not None and event["action"] == "deleted"
        return
    agree(shop, simulator, made)
    assert row["sync_status"] == "synced" and row["revision"] == (2 if kind == "discount" else 1)
    assert row["discount_percent"] == WISHES[kind].get("discount_percent", made.row.discount_percent)
    ask(shop, ann, made, **WISHES[kind])
    assert shop.row(made.quote_id)["revision"] == row["revision"], "sent again, it is there already"


@pytest.mark.parametrize("kind", WISHES)
def test_what_did_not_reach_the_org_is_not_done(
    kind: str, shop: Shop, ann: Org, simulator: Simulator, made: Made, orgs: Orgs
) -> None:
    cut_off(shop, ann, simulator, made, done=False, **WISHES[kind])
    before = shop.row(made.quote_id)
    settle(shop, ann, orgs)
    assert shop.row(made.quote_id) == before and len(shop.events(made.quote_id)) == 1
    assert lease(shop).status == "settled"
    agree(shop, simulator, made)


def test_what_somebody_else_did_meanwhile_is_shown(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, orgs: Orgs
) -> None:
    cut_off(shop, ann, simulator, made, done=True, status="Presented")
    simulator.update("Quote", made.salesforce_id or "", {"Status": "Denied"})
    settle(shop, ann, orgs)
    assert shop.row(made.quote_id)["sync_status"] == "changed_in_org"
    agree(shop, simulator, made)


def test_a_quote_that_went_meanwhile_is_marked(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, orgs: Orgs
) -> None:
    cut_off(shop, ann, simulator, made, done=True, status="Presented")
    simulator.delete("Opportunity", made.row.opportunity_id)
    settle(shop, ann, orgs)
    assert shop.row(made.quote_id)["sync_status"] == "deleted_in_org"


class Seen:
    """Orgs as another user sees them."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def named(self, *_: Any, **__: Any) -> Org:
        return self._org


@pytest.mark.parametrize("kind", WISHES)
def test_what_the_worker_does_not_see_stays_open(
    kind: str, shop: Shop, ann: Org, work_org: Org, simulator: Simulator, orgs: Orgs
) -> None:
    hidden = shop.create(work_org, simulator.special("apac"))
    cut_off(shop, work_org, simulator, hidden, done=True, **WISHES[kind])
    grow_old(shop, work_org)
    unseeing: Any = Seen(ann)
    before = shop.row(hidden.quote_id)
    assert Worker(shop.engine, unseeing, shop.quotes, LIMITS, name="w1").chores.settle()
    left = lease(shop)
    assert (left.status, left.lease_until) == ("open", None) and shop.row(hidden.quote_id) == before
    assert left.next_at > datetime.now(UTC) + timedelta(seconds=UNSEEN_SECONDS / 2)
    again(shop, work_org)
    settle(shop, work_org, orgs)
    row = shop.row(hidden.quote_id)
    assert row["deleted_at"] if kind == "deletion" else row["sync_status"] == "synced"


def again(shop: Shop, org: Org) -> None:
    """What waits is due."""
    with shop.engine.begin() as connection:
        set_org(connection, org.org_id)
        connection.execute(text("UPDATE gateway.intent SET next_at = NULL WHERE org_id = :o"), {"o": org.org_id})


def test_an_org_that_is_away_is_asked_again(shop: Shop, ann: Org, simulator: Simulator, made: Made, orgs: Orgs) -> None:
    cut_off(shop, ann, simulator, made, done=True, status="Presented")
    simulator.fault("GET /query", status=503, times=None)
    grow_old(shop, ann)
    with working(shop.engine, orgs):
        until(lambda: lease(shop).next_at, 30)
    left = lease(shop)
    assert (left.status, left.lease_until) == ("open", None) and shop.row(made.quote_id)["status"] == "Draft"
    simulator.clear_faults()
    ask(shop, ann, made, status="Presented")
    assert lease(shop).status == "settled", "whoever asks meanwhile does not wait for a worker"
    agree(shop, simulator, made)


class Away(Quotes):
    """The database ends the connection."""

    def settle(self, *_: Any, **__: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception("closed"))


def test_a_database_that_is_away_is_no_defect(
    shop: Shop, ann: Org, orgs: Orgs, simulator: Simulator, made: Made
) -> None:
    cut_off(shop, ann, simulator, made, done=True, status="Presented")
    grow_old(shop, ann)
    worker = Worker(shop.engine, orgs, Away(shop.engine, DEFAULTS), LIMITS, name="w1")
    assert worker.chores.settle()
    assert lease(shop).status == "open" and lease(shop).lease_until, "whoever comes when the lease has ended goes on"


def test_a_refusal_is_nothing_to_settle(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.delete("Quote", made.salesforce_id or "")
    with pytest.raises(QuoteNotFound):
        ask(shop, ann, made, status="Presented")
    assert lease(shop).status == "settled"
