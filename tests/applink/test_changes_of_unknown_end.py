"""Changes of quotes that wrote to the org and ended otherwise than expected: never ended for us before it is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from applink.errors import (
    OutcomeUnknown,
    QuoteNotFound,
)
from applink.org import Org
from applink.quotes import Made
from simulator.running import Simulator
from tests.applink.changing import CHANGES, Between, change, delete, statement
from tests.applink.quoting import Shop, agree


@pytest.mark.parametrize(
    ("call", "wanted"),
    [("PATCH /sobjects/Quote", {"status": "Presented"}), ("POST /composite/graph", {"discount_percent": Decimal(25)})],
)
def test_an_answer_that_is_lost(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, call: str, wanted: dict[str, Any]
) -> None:
    simulator.fault(call, cut=True, after=True)
    change(shop, ann, made, **wanted)
    agree(shop, simulator, made)
    simulator.fault(call, cut=True)
    discount = Decimal(1) if "POST" in call else None
    with pytest.raises(OutcomeUnknown):
        change(shop, ann, made, status="Denied", discount_percent=discount)
    agree(shop, simulator, made)


@pytest.mark.parametrize("wanted", [{"status": "Presented"}, {"discount_percent": Decimal(25), "name": "X"}])
def test_a_process_that_ended_before_it_could_store(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, wanted: dict[str, Any]
) -> None:
    before = shop.row(made.quote_id)
    simulator.fault("GET /query", status=503, body="<html>", times=1, skip=1)
    with pytest.raises(OutcomeUnknown):
        change(shop, ann, made, **wanted)
    simulator.clear_faults()
    assert shop.row(made.quote_id) == before
    row = change(shop, ann, made, **wanted)
    assert shop.row(made.quote_id)["sync_status"] == "synced"
    assert row.revision == (2 if "discount_percent" in wanted else 1)
    agree(shop, simulator, made)
    assert shop.events(made.quote_id)[-1]["action"] == ("repriced" if "discount_percent" in wanted else "changed")


def test_a_deletion_whose_answer_is_lost(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.fault("POST /composite/graph", cut=True, after=True)
    delete(shop, ann, made)
    assert shop.row(made.quote_id)["deleted_at"] and not simulator.records("Quote")


@pytest.mark.parametrize("wanted", [*CHANGES, {}])
def test_a_database_that_fails_after_the_org_was_asked(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, wanted: dict[str, Any]
) -> None:
    """The org has it: never a 503, which says that nothing was done."""
    statement(
        shop, ann, "CREATE FUNCTION gateway.full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space left'; END $$",
    )  # fmt: skip
    trigger = "CREATE TRIGGER full_disk BEFORE UPDATE ON gateway.quote EXECUTE FUNCTION gateway.full_disk()"
    between: Any = Between(ann, after=lambda: statement(shop, ann, trigger))
    before = shop.row(made.quote_id)
    with pytest.raises(OutcomeUnknown):
        change(shop, between, made, **wanted) if wanted else delete(shop, between, made)
    assert shop.row(made.quote_id) == before
    statement(shop, ann, "DROP TRIGGER full_disk ON gateway.quote")
    statement(shop, ann, "UPDATE gateway.intent SET lease_until = now()")
    if wanted:
        change(shop, ann, made, **wanted)
        agree(shop, simulator, made)
    else:
        with pytest.raises(QuoteNotFound):
            delete(shop, ann, made)
        assert shop.row(made.quote_id)["sync_status"] == "deleted_in_org"
        delete(shop, ann, made)


@pytest.mark.parametrize("wanted", CHANGES)
def test_a_change_whose_reading_is_refused_is_unknown(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, wanted: dict[str, Any]
) -> None:
    simulator.fault("GET /query", refuse="INSUFFICIENT_ACCESS", status=403, skip=1, times=2)
    with pytest.raises(OutcomeUnknown):
        change(shop, ann, made, **wanted)
    simulator.clear_faults()
    change(shop, ann, made, **wanted)
    agree(shop, simulator, made)


def open_leases(shop: Shop) -> int:
    """Changes that a worker will look for."""
    with shop.engine.connect() as connection:
        found = "SELECT count(*) FROM gateway.intent WHERE operation = 'changeQuote' AND status = 'open'"
        return int(connection.execute(text(found)).scalar_one())


@pytest.mark.parametrize("wanted", CHANGES)
def test_a_quote_that_went_right_after_it_was_written_is_no_503(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, wanted: dict[str, Any]
) -> None:
    """It was changed, and whether it has gone could not be asked: nobody may say that nothing was done."""
    between: Any = Between(ann, after=lambda: simulator.delete("Quote", made.salesforce_id or ""))
    simulator.fault("GET /query", status=503, body="<html>", skip=2, times=None)
    with pytest.raises(OutcomeUnknown):
        change(shop, between, made, **wanted)
    assert open_leases(shop) == 1
    simulator.clear_faults()
    with pytest.raises(QuoteNotFound, match="no longer in the org"):
        change(shop, ann, made, **wanted)
    assert shop.row(made.quote_id)["sync_status"] == "deleted_in_org" and open_leases(shop) == 0


class Then:
    """An org as one user sees it until something is written, and then as another does."""

    def __init__(self, first: Org, then: Org) -> None:
        self._first, self._now, self._then = first, first, then

    def __getattr__(self, name: str) -> Any:
        if name in ("update", "write"):
            self._now = self._then
            return getattr(self._first, name)
        return getattr(self._now, name)


def test_a_quote_that_was_hidden_right_after_it_was_written_is_unknown(
    shop: Shop, ann: Org, work_org: Org, simulator: Simulator
) -> None:
    """Its opportunity went out of sight meanwhile: the org has the change, and nobody has seen it."""
    hidden = shop.create(work_org, simulator.special("apac"))
    between: Any = Then(work_org, ann)
    with pytest.raises(OutcomeUnknown):
        change(shop, between, hidden, status="Presented")
    assert open_leases(shop) == 1


@pytest.mark.parametrize("wanted", [*CHANGES, {}])
def test_what_broke_after_the_org_was_asked_is_left_to_a_worker(
    shop: Shop, ann: Org, made: Made, wanted: dict[str, Any]
) -> None:
    """An error that nobody expected proves nothing."""

    def broken() -> None:
        raise ZeroDivisionError

    between: Any = Between(ann, after=broken)
    with pytest.raises(ZeroDivisionError):
        change(shop, between, made, **wanted) if wanted else delete(shop, between, made)
    assert open_leases(shop) == 1 and shop.row(made.quote_id)["status"] == "Draft"
