"""What an org must have before quotes can be made in it."""

from __future__ import annotations

import pytest

from applink import setup
from applink.authorizations import Orgs
from applink.errors import NotAllowed, SetupRequired
from applink.org import Org
from simulator.running import Simulator
from tests.applink.calling import caller_of, soon


def test_an_org_that_has_everything(ann: Org, work_org: Org) -> None:
    for org in (ann, work_org):
        setup.require(org, deadline=soon())
        setup.require_creatable(org, deadline=soon())


def test_a_user_who_may_not_create_quotes(ben: Org) -> None:
    setup.require(ben, deadline=soon())
    with pytest.raises(NotAllowed, match=r"ben@acme\.example may not create a Quote"):
        setup.require_creatable(ben, deadline=soon())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("gateway_key", ["Quote", "Gateway_Key__c", "Text(64)", "External ID", "Unique", "Object Manager"]),
        ("quotes", ["no object Quote", "Quote Settings", "ann@acme.example"]),
    ],
)
def test_what_is_missing_is_named(orgs: Orgs, simulator: Simulator, setting: str, words: list[str]) -> None:
    simulator.settings(**{setting: False})
    org = orgs.of_caller(caller_of(simulator, "ann"))
    for ask in (setup.require, setup.require_creatable):
        with pytest.raises(SetupRequired) as refused:
            ask(org, deadline=soon())
        assert refused.value.status == 409 and all(word in refused.value.message for word in words)


def test_it_costs_nothing_the_second_time(ann: Org, simulator: Simulator) -> None:
    setup.require_creatable(ann, deadline=soon())
    simulator.forget_requests()
    setup.require_creatable(ann, deadline=soon())
    assert simulator.requests() == []
