"""Opportunities read from the simulated org: whole, in order, within the user's rights, whatever fields there are."""

from __future__ import annotations

from decimal import Decimal

import pytest

from applink import opportunities
from applink.authorizations import Orgs
from applink.errors import InvalidRequest
from applink.org import Org
from models.pricing import OpportunityToPrice
from simulator.running import Simulator
from tests.applink.calling import caller_of, soon


def read_one(org: Org, opportunity_id: str, **more: str) -> OpportunityToPrice:
    return opportunities.read(org, [opportunity_id], deadline=soon(), **more)[opportunity_id]


def test_what_pricing_wants(ann: Org, simulator: Simulator) -> None:
    opportunity_id = simulator.special("plain")
    (there,) = simulator.records("Opportunity", f"Id = '{opportunity_id}'")
    (account,) = simulator.records("Account", f"Id = '{there['AccountId']}'")
    found = read_one(ann, opportunity_id)
    assert (found.id, found.name, found.close_date.isoformat()) == (opportunity_id, there["Name"], there["CloseDate"])
    assert (found.account_id, found.account_name, found.owner_id) == (account["Id"], account["Name"], there["OwnerId"])
    assert (found.pricebook_id, found.currency, found.discount_override) == (there["Pricebook2Id"], None, None)
    assert found.region_source == account["BillingCountry"]
    lines = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity_id}'")
    by_id = {line["Id"]: line for line in lines}
    assert [by_id[line.line_item_id]["SortOrder"] for line in found.lines] == [1, 2, 3]
    for line in found.lines:
        of = by_id[line.line_item_id]
        assert (line.quantity, line.unit_price) == (Decimal(str(of["Quantity"])), Decimal(str(of["UnitPrice"])))
        assert line.list_price == Decimal(str(of["ListPrice"])) and line.pricebook_id == there["Pricebook2Id"]
        assert line.product_code and line.product_code.startswith("P-") and line.product_id
        assert there["Name"] not in line.name, "the product's name, not the line's"


@pytest.mark.parametrize("special", ["no_lines", "no_price_book", "no_account", "no_country", "fractions"])
def test_what_may_be_missing(work_org: Org, simulator: Simulator, special: str) -> None:
    found = read_one(work_org, simulator.special(special))
    assert (found.lines == ()) == (special in ("no_lines", "no_price_book"))
    assert (found.pricebook_id is None) == (special == "no_price_book")
    assert (found.account_name is None) == (special == "no_account")
    assert (found.region_source is None) == (special in ("no_account", "no_country"))
    if special == "fractions":
        assert (found.lines[0].quantity, found.lines[0].unit_price) == (Decimal("2.5"), Decimal("0.15"))


def test_many_are_read_200_a_query(work_org: Org, simulator: Simulator) -> None:
    ids = simulator.opportunities(190) + [simulator.special(name) for name in ("many_lines", "too_many_lines")]
    simulator.settings(page_size=60, child_page_size=20)
    made_up = [f"006bZ99999{number:05d}QAA" for number in range(100)]
    opportunities.has_field(work_org, "Opportunity", "Account.BillingCountry", deadline=soon())
    found = opportunities.read(work_org, [*ids, *ids[:5], *made_up], deadline=soon(30))
    assert set(found) == set(ids)
    assert len(found[ids[-1]].lines) == 600 and len(found[ids[-2]].lines) == 45
    places = simulator.records("OpportunityLineItem", f"OpportunityId = '{ids[-1]}'")
    order = {line["Id"]: line["SortOrder"] for line in places}
    assert [order[line.line_item_id] for line in found[ids[-1]].lines] == list(range(1, 601))


def test_only_what_the_user_sees(ann: Org, ben: Org, work_org: Org, simulator: Simulator) -> None:
    ids = [simulator.special(name) for name in ("plain", "apac", "of_ben")]
    seen = {org.username: set(opportunities.check_visible(org, ids, deadline=soon())) for org in (ann, ben, work_org)}
    assert seen == {
        "ann@acme.example": {ids[0], ids[2]},
        "ben@acme.example": {ids[2]},
        "worker@acme.example": set(ids),
    }
    assert set(opportunities.read(ann, ids, deadline=soon())) == {ids[0], ids[2]}
    (name,) = opportunities.check_visible(ben, ids, deadline=soon()).values()
    assert name == simulator.records("Opportunity", f"Id = '{ids[2]}'")[0]["Name"]


def test_an_id_is_a_value_whatever_it_holds(ann: Org, simulator: Simulator) -> None:
    """Never joined into a query: it is quoted, and the org refuses what is no id."""
    for text in ("' OR Name != '", "006') LIMIT 1 --", "\\", "x' OR Id IN ('" + simulator.special("plain")):
        try:
            found = opportunities.check_visible(ann, [text], deadline=soon())
        except Exception as error:
            assert type(error).__name__ in ("Refused", InvalidRequest.__name__), error
            found = {}
        assert found == {}


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("Name", True),
        ("Region__c", True),
        ("Account.BillingCountry", True),
        ("Account.Region__c", True),
        ("Account.Nothing__c", False),
        ("Nothing__c", False),
        ("Nothing__r.Code__c", False),
        ("CurrencyIsoCode", False),
        ("Owner.Name", True),
    ],
)
def test_which_fields_there_are(ann: Org, path: str, there: bool) -> None:
    assert opportunities.has_field(ann, "Opportunity", path, deadline=soon()) is there


def test_another_region_field(ann: Org, simulator: Simulator) -> None:
    opportunity_id = simulator.special("region_field")
    assert read_one(ann, opportunity_id, region_field="Region__c").region_source == "EMEA"
    assert read_one(ann, opportunity_id, region_field="Account.Region__c").region_source == "NAMER"
    assert read_one(ann, opportunity_id, region_field="Owner.Name").region_source
    assert read_one(ann, opportunity_id, region_field="Missing__c").region_source is None


def test_fields_that_are_not_deployed_are_not_asked_for(orgs: Orgs, simulator: Simulator) -> None:
    simulator.settings(discount_override=False, region_field=False)
    org = orgs.of_caller(caller_of(simulator, "ann"))
    found = read_one(org, simulator.special("override_20"), region_field="Account.Region__c")
    assert (found.discount_override, found.region_source) == (None, None)


def test_an_org_of_several_currencies(orgs: Orgs, simulator: Simulator) -> None:
    org = orgs.of_caller(caller_of(simulator, "worker@globex.example"))
    assert read_one(org, simulator.special("emea", org=org.org_id)).currency == "EUR"
