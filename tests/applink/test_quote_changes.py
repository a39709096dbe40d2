"""updateQuote and deleteQuote: the org and the row stay one, and nothing done in the org is overlooked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from applink import intents, jobs, org_quotes, quote_leases, quote_match
from applink.authorizations import Orgs
from applink.errors import (
    NotAllowed,
    NotPriceable,
    OutcomeUnknown,
    QuoteChanged,
    QuoteNotFound,
    Refused,
    Unavailable,
)
from applink.org import Org
from applink.quote_rows import QuoteRow
from applink.quotes import Made, QuoteChange, Quotes
from models import database
from models.database import set_org
from simulator.running import Simulator
from tests.applink.conftest import soon
from tests.applink.quoting import DEFAULTS, Shop


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    engine = database.engine(database_url)
    yield Shop(engine, Quotes(engine, DEFAULTS))
    engine.dispose()


@pytest.fixture
def made(shop: Shop, ann: Org, simulator: Simulator) -> Made:
    """A quote of three lines at 10 %."""
    return shop.create(ann, simulator.special("plain"))


def change(shop: Shop, org: Org, made: Made, seconds: float = 10, **wanted: Any) -> QuoteRow:
    return shop.quotes.update(_asked(org, made, **wanted), org, deadline=soon(seconds))


def delete(shop: Shop, org: Org, made: Made) -> QuoteRow:
    return shop.quotes.delete(_asked(org, made), org, deadline=soon())


def _asked(org: Org, made: Made, **wanted: Any) -> QuoteChange:
    given = {"quote_id": made.salesforce_id, "requested_by": org.user_id, "request_id": "r-2", **wanted}
    return QuoteChange(org_id=org.org_id, **given)


def there(simulator: Simulator, made: Made) -> dict[str, Any]:
    (found,) = simulator.records("Quote", f"Id = '{made.salesforce_id}'")
    return found


def agree(shop: Shop, simulator: Simulator, made: Made) -> None:
    """The row and its lines are what the org has."""
    row, quote = shop.row(made.quote_id), there(simulator, made)
    for column, field in (("name", "Name"), ("status", "Status"), ("quote_number", "QuoteNumber")):
        assert row[column] == quote[field]
    assert str(row["expiration_date"]) == quote["ExpirationDate"]
    for column, field in (("grand_total", "GrandTotal"), ("total_price", "TotalPrice")):
        assert row[column] == Decimal(str(quote[field]))
    lines = {line["salesforce_id"]: (line["quantity"], line["unit_price"]) for line in shop.lines(made.quote_id)}
    records = simulator.records("QuoteLineItem", f"QuoteId = '{made.salesforce_id}'")
    assert lines == {line["Id"]: (Decimal(str(line["Quantity"])), Decimal(str(line["UnitPrice"]))) for line in records}
    assert row["line_count"] == len(records)


@pytest.mark.parametrize("by", ["org", "short", "uuid"])
def test_status_name_and_expiry(shop: Shop, ann: Org, simulator: Simulator, made: Made, by: str) -> None:
    ids = {"org": made.salesforce_id, "short": (made.salesforce_id or "")[:15], "uuid": str(made.quote_id)}
    name = "O'Brien 🎉 @{quote.id}"
    row = change(shop, ann, made, quote_id=ids[by], status="Presented", name=name, expiration_date=date(2027, 2, 28))
    assert (row.status, row.name, row.expiration_date) == ("Presented", name, date(2027, 2, 28))
    agree(shop, simulator, made)
    stored = shop.row(made.quote_id)
    assert (stored["sync_status"], stored["revision"]) == ("synced", 1)
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["through"], event["request_id"]) == ("changed", "operation", "r-2")
    assert "Status: Draft → Presented" in event["name"]
    assert json.loads(event["changes"]) == {
        "Name": [made.row.name, name],
        "Status": ["Draft", "Presented"],
        "ExpirationDate": [str(made.row.expiration_date), "2027-02-28"],
    }


def test_nothing_asked_writes_nothing(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.forget_requests()
    assert change(shop, ann, made) == made.row
    assert [one["method"] for one in simulator.requests()] == ["GET", "GET"] and len(shop.events(made.quote_id)) == 1


def test_a_discount_reprices_and_makes_a_revision(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    row = change(shop, ann, made, discount_percent=Decimal("20"))
    assert (row.revision, row.discount_percent) == (2, Decimal(20))
    assert row.name == f"{made.row.opportunity_name} - 2" and row.salesforce_id == made.salesforce_id
    assert row.subtotal == made.row.subtotal and row.pricing_note
    assert row.pricing_note.startswith("20 % off as asked for this quote; the rule for NAMER says 10 %")
    agree(shop, simulator, made)
    for line in shop.lines(made.quote_id):
        assert line["unit_price"] == (line["list_price"] * Decimal("0.8")).quantize(Decimal("0.01"), "ROUND_HALF_UP")
        assert line["discount_percent"] == 20
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["name"]) == ("repriced", "Discount 10 % → 20 %")
    changes = json.loads(event["changes"], parse_float=Decimal)
    assert changes["DiscountPercent"] == [10, 20] and changes["Revision"] == [1, 2]
    assert len(changes["Lines"]) == 3
    again = change(shop, ann, made, discount_percent=Decimal("20.00"))
    assert again.revision == 2 and len(shop.events(made.quote_id)) == 2, "the same discount is no revision"
    back = change(shop, ann, made, discount_percent=Decimal(10), status="Approved")
    assert (back.revision, back.total_price, back.status) == (3, made.row.total_price, "Approved")
    agree(shop, simulator, made)


def test_a_name_of_its_own_is_kept(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    change(shop, ann, made, name="Special offer")
    assert change(shop, ann, made, discount_percent=Decimal(0)).name == "Special offer"
    row = change(shop, ann, made, discount_percent=Decimal(5), name="Other")
    assert (row.name, row.revision) == ("Other", 3)
    agree(shop, simulator, made)


@pytest.mark.parametrize("special", ["odd_name", "fractions", "many_lines"])
def test_odd_ones(shop: Shop, work_org: Org, simulator: Simulator, special: str) -> None:
    odd = shop.create(work_org, simulator.special(special))
    assert change(shop, work_org, odd, status="In Review").status == "In Review"
    row = change(shop, work_org, odd, discount_percent=Decimal("33.33"))
    assert row.revision == 2 and row.name.endswith(" - 2")
    agree(shop, simulator, odd)


@pytest.mark.parametrize("percent", ["-1", "100.01"])
def test_a_discount_that_is_none(shop: Shop, ann: Org, simulator: Simulator, made: Made, percent: str) -> None:
    with pytest.raises(NotPriceable):
        change(shop, ann, made, discount_percent=Decimal(percent))
    agree(shop, simulator, made)


ELSEWHERE = [
    ({"Status": "Approved"}, "Status"),
    ({"Name": "Renamed"}, "Name"),
    ({"ExpirationDate": "2030-01-01"}, "ExpirationDate"),
    ({"Tax": 19.0}, "Tax"),
]


@pytest.mark.parametrize(("fields", "named"), ELSEWHERE)
@pytest.mark.parametrize("what", ["update", "delete"])
def test_changed_in_the_org(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, fields: dict[str, Any], named: str, what: str
) -> None:
    simulator.update("Quote", made.salesforce_id or "", fields)
    with pytest.raises(QuoteChanged) as refused:
        delete(shop, ann, made) if what == "delete" else change(shop, ann, made, discount_percent=Decimal(50))
    assert refused.value.status == 409 and named in refused.value.message
    assert shop.row(made.quote_id)["sync_status"] == "changed_in_org"
    agree(shop, simulator, made)
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["through"]) == ("changed", "reconcile") and named in json.loads(event["changes"])
    row = change(shop, ann, made, discount_percent=Decimal(50))
    assert row.revision == 2 and shop.row(made.quote_id)["sync_status"] == "synced", "asked again, it is done"
    agree(shop, simulator, made)


def test_lines_changed_in_the_org(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    first, second, third = simulator.records("QuoteLineItem", f"QuoteId = '{made.salesforce_id}'")
    simulator.update("QuoteLineItem", first["Id"], {"UnitPrice": 1.25, "Quantity": 4})
    simulator.delete("QuoteLineItem", second["Id"])
    by_hand = {"QuoteId": made.salesforce_id, "PricebookEntryId": third["PricebookEntryId"], "Quantity": 2}
    simulator.create("QuoteLineItem", {**by_hand, "UnitPrice": 7.5})
    with pytest.raises(QuoteChanged, match="lines"):
        change(shop, ann, made, status="Presented")
    agree(shop, simulator, made)
    row = shop.row(made.quote_id)
    assert row["discount_percent"] is None and "a price that the org has" in row["pricing_note"]
    assert [line["line_number"] for line in shop.lines(made.quote_id)] == [1, 3, 4]
    assert change(shop, ann, made, status="Presented").status == "Presented"
    after = change(shop, ann, made, discount_percent=Decimal(10))
    assert (after.revision, after.line_count, after.discount_percent) == (2, 3, 10)
    agree(shop, simulator, made)


def test_who_owns_it_is_no_quarrel(shop: Shop, ann: Org, work_org: Org, simulator: Simulator, made: Made) -> None:
    simulator.update("Quote", made.salesforce_id or "", {"OwnerId": work_org.user_id})
    assert change(shop, ann, made, status="Presented").owner_id == work_org.user_id


@pytest.mark.parametrize("what", ["update", "delete"])
def test_gone_in_the_org(shop: Shop, ann: Org, simulator: Simulator, made: Made, what: str) -> None:
    simulator.delete("Quote", made.salesforce_id or "")
    with pytest.raises(QuoteNotFound) as refused:
        delete(shop, ann, made) if what == "delete" else change(shop, ann, made, status="Presented")
    assert refused.value.status == 404 and "no longer in the org" in refused.value.message
    row = shop.row(made.quote_id)
    assert (row["sync_status"], row["deleted_at"]) == ("deleted_in_org", None)
    with pytest.raises(QuoteNotFound):
        change(shop, ann, made, discount_percent=Decimal(1))
    assert [event["action"] for event in shop.events(made.quote_id)] == ["created", "deleted"]
    delete(shop, ann, made)
    assert shop.row(made.quote_id)["deleted_at"] and not shop.lines(made.quote_id)


def test_unseen_is_not_gone(shop: Shop, work_org: Org, ann: Org, simulator: Simulator) -> None:
    hidden = shop.create(work_org, simulator.special("apac"))
    for attempt in (lambda: change(shop, ann, hidden, status="Presented"), lambda: delete(shop, ann, hidden)):
        with pytest.raises(QuoteNotFound):
            attempt()
    assert shop.row(hidden.quote_id)["sync_status"] == "synced"


def test_of_another_org(shop: Shop, orgs: Orgs, ann: Org, simulator: Simulator, made: Made) -> None:
    for quote_id in (str(made.quote_id), made.salesforce_id, "no id at all", "0Q0bZ0000000001UAA"):
        asked = replace(_asked(ann, made, quote_id=quote_id), org_id="00DxY0000000002UAA")
        with pytest.raises(QuoteNotFound):
            shop.quotes.update(asked, ann, deadline=soon())


def test_deleted(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    assert delete(shop, ann, made).salesforce_id == made.salesforce_id
    assert not simulator.records("Quote") and not simulator.records("QuoteLineItem")
    row = shop.row(made.quote_id)
    assert row["deleted_at"] and not shop.lines(made.quote_id)
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["by_user_id"], event["through"]) == ("deleted", ann.user_id, "operation")
    with pytest.raises(QuoteNotFound):
        delete(shop, ann, made)


def test_who_may_not(shop: Shop, ann: Org, ben: Org, simulator: Simulator) -> None:
    quote = shop.create(ann, simulator.special("of_ben"))
    for attempt in (
        lambda: change(shop, ben, quote, status="Presented"),
        lambda: change(shop, ben, quote, discount_percent=Decimal(99)),
        lambda: delete(shop, ben, quote),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    agree(shop, simulator, quote)
    assert shop.row(quote.quote_id)["sync_status"] == "synced" and len(shop.events(quote.quote_id)) == 1


def test_what_the_org_refuses_changes_nothing(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.fault(
        "PATCH /sobjects/Quote",
        status=400,
        body=json.dumps([{"message": "No.", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}]),
    )
    with pytest.raises(Refused) as refused:
        change(shop, ann, made, status="Presented")
    assert refused.value.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    agree(shop, simulator, made)


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
    with pytest.raises(OutcomeUnknown):
        change(shop, ann, made, **{"status": "Denied", **({"discount_percent": Decimal(1)} if "POST" in call else {})})
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


CHANGES: list[dict[str, Any]] = [{"status": "Presented"}, {"discount_percent": Decimal(25)}]


@pytest.mark.parametrize("wanted", CHANGES)
def test_no_connection_is_held_while_the_org_is_asked(shop: Shop, ann: Org, made: Made, wanted: dict[str, Any]) -> None:
    held: list[int] = []
    between: Any = Between(ann, before=lambda: held.append(shop.engine.pool.checkedout()))  # type: ignore[attr-defined]
    change(shop, between, made, **wanted)
    delete(shop, between, made)
    assert len(held) >= 5 and set(held) == {0}


def test_one_change_at_a_time(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    refused: list[str] = []

    def meanwhile() -> None:
        for attempt in (lambda: change(shop, ann, made, status="Denied"), lambda: delete(shop, ann, made)):
            with pytest.raises(Unavailable, match="under way") as error:
                attempt()
            refused.append(error.value.message)

    between: Any = Between(ann, before=meanwhile)
    assert change(shop, between, made, status="Presented").status == "Presented"
    assert len(refused) >= 4
    agree(shop, simulator, made)
    assert change(shop, ann, made, status="Denied").status == "Denied"


def test_a_refusal_lets_the_next_one_begin(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.fault("PATCH /sobjects/Quote", refuse="FIELD_CUSTOM_VALIDATION_EXCEPTION", status=400)
    with pytest.raises(Refused):
        change(shop, ann, made, status="Presented")
    assert change(shop, ann, made, status="Presented").status == "Presented"


def test_a_change_that_died_is_waited_for_only_so_long(shop: Shop, ann: Org, made: Made) -> None:
    with shop.engine.begin() as connection:
        set_org(connection, ann.org_id)
        assert quote_leases.take(connection, made.row, None, "died", {}, 60)
    with pytest.raises(Unavailable, match="under way"):
        change(shop, ann, made, status="Presented")
    statement(shop, ann, "UPDATE gateway.intent SET lease_until = now() WHERE operation = 'changeQuote'")
    assert change(shop, ann, made, status="Presented").status == "Presented"


def test_a_lease_is_nothing_to_settle(shop: Shop, ann: Org, made: Made) -> None:
    change(shop, ann, made, status="Presented")
    with shop.engine.begin() as connection:
        assert not intents.stale(connection, "w1", 10, age_seconds=-1)
    statement(shop, ann, "UPDATE gateway.intent SET settled_at = now() - interval '8 days'")
    with shop.engine.begin() as connection:
        assert jobs.prune(connection, jobs_days=90, intents_days=7, keys_days=7).intents == 1


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


OVERTAKEN = [
    "UPDATE gateway.quote SET account_name = 'Renamed' WHERE org_id = current_setting('app.org_id')",
    "UPDATE gateway.intent SET lease_no = lease_no + 1 WHERE operation = 'changeQuote'",
]


@pytest.mark.parametrize("meanwhile", OVERTAKEN)
@pytest.mark.parametrize("wanted", CHANGES)
def test_what_was_changed_here_meanwhile_is_not_written_over(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, wanted: dict[str, Any], meanwhile: str
) -> None:
    between: Any = Between(ann, after=lambda: statement(shop, ann, meanwhile))
    with pytest.raises(OutcomeUnknown):
        change(shop, between, made, **wanted)
    assert shop.row(made.quote_id)["status"] == "Draft" and len(shop.events(made.quote_id)) == 1
    statement(shop, ann, "UPDATE gateway.intent SET lease_until = now()")
    change(shop, ann, made, **wanted)
    agree(shop, simulator, made)


def test_a_mark_that_comes_too_late_is_left(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    """What the refusal would note may be older than what somebody else has noted since."""
    simulator.update("Quote", made.salesforce_id or "", {"Status": "Approved"})
    newer = "UPDATE gateway.quote SET name = name WHERE org_id = current_setting('app.org_id')"
    between: Any = Between(ann, before=lambda: statement(shop, ann, newer))
    with pytest.raises(QuoteChanged):
        change(shop, between, made, status="Presented")
    assert shop.row(made.quote_id)["sync_status"] == "synced"
    with pytest.raises(QuoteChanged):
        change(shop, ann, made, status="Presented")
    agree(shop, simulator, made)


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


def test_a_total_that_the_org_does_not_round_is_no_change(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    opportunity_id = simulator.special("fractions")
    (of,) = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity_id}'")
    simulator.update("OpportunityLineItem", of["Id"], {"Quantity": 0.5, "UnitPrice": 0.33})
    simulator.update("Opportunity", opportunity_id, {"DiscountOverride__c": 0.0})
    made = shop.create(work_org, opportunity_id)
    found = org_quotes.by_id(work_org, made.salesforce_id or "", deadline=soon())
    assert found is not None
    (line,) = found.lines
    exact = line.quantity * line.unit_price
    assert exact != made.row.total_price
    unrounded = replace(found, total_price=exact, lines=(replace(line, total_price=exact),))
    after = quote_match.as_in_org(made.row, made.lines, unrounded)
    assert not quote_match.changes((made.row, made.lines), after) and after[0].total_price == made.row.total_price
    beyond = replace(found, total_price=exact - Decimal("0.01"))
    assert "TotalPrice" in quote_match.changes((made.row, made.lines), quote_match.as_in_org(*after, beyond))
