"""Every URL of the suite, asked by each org over mixed rows, answers as over its rows alone."""

from __future__ import annotations

import json

import pytest

from tests.conformance.conftest import other_org
from tests.conformance.serving import Client
from tests.conformance.truth import ask, cases
from tests.models import everything

MORE_URLS = (
    "Quotes",
    "Quotes?$expand=*",
    "QuoteLines?$expand=Quote",
    "Jobs?$expand=Items,Quotes($expand=Lines)&$count=true",
    "JobItems",
    "QuoteEvents?$expand=Quote",
    "QuoteTotals",
    "DiscountRules",
    "Quotes/$count",
    "Quotes?$search=a&$select=Id",
    "Jobs/$ref",
    "Quotes?$filter=Lines/any(l:l/Quantity gt 1)&$select=Id",
    "Quotes?$filter=Lines/$count gt 3&$select=Id",
    "Quotes?$filter=Job/Status eq 'completed'&$select=Id",
    "Quotes?$orderby=Job/Name,Id&$select=Id",
    "QuoteLines/$count",
    "Quotes?$filter=RevisedFrom ne null&$select=Id&$expand=RevisedFrom($select=Id)",
    "Quotes?$expand=Lines/$count,Events/$ref&$top=30",
)


def test_every_url_of_the_suite(pair: dict[str, tuple[Client, Client]]) -> None:
    asked = [(case["on"], case) for name in ("paths", "collections") for case in cases(name) if case["on"] in pair]
    asked += [("gateway", {"url": url}) for url in MORE_URLS]
    assert len(asked) > 150
    for service, case in asked:
        mixed, single = pair[service]
        one, other = ask(mixed, case), ask(single, case)
        same = (one.status, one.body) == (other.status, other.body)
        assert same, case  # of two large bodies pytest would write out the difference, for minutes


def test_no_row_of_the_other_org(pair: dict[str, tuple[Client, Client]]) -> None:
    """The same keys exist in both orgs; names say whose row was read."""
    mixed, _ = pair["things"]
    label = "first" if mixed.principal.org_id == everything.FIRST_ORG else "second"
    foreign = {"first": "second", "second": "first"}[label]
    for url in (
        "Things?$expand=Parent,Children,Pairs($expand=Thing)",
        "Pairs?$expand=Thing",
        "PairNotes?$expand=Pair($expand=Thing)&$filter=Right eq 1",
    ):
        text = json.dumps(mixed.get(url).json, default=str)
        assert f'"{label} ' in text and f"{foreign} " not in text
    other = mixed.as_org(other_org(mixed.principal.org_id))
    assert mixed.get("Things(1)/Name/$value").text == f"{label} 1"
    assert other.get("Things(1)/Name/$value").text == f"{foreign} 1"
    assert mixed.get("Things(1)/Name/$value").text == f"{label} 1"


def test_bar_31_reads_cannot_write(pair: dict[str, tuple[Client, Client]]) -> None:
    """A write inside a read is refused by the connection itself."""
    from odata.errors import Forbidden

    mixed, _ = pair["gateway"]
    for statement in ("DELETE FROM gateway.quote", "UPDATE gateway.quote SET name = ''", "CREATE TABLE t (a int)"):
        with pytest.raises(Forbidden):
            mixed.recorder.database.fetch(statement)
