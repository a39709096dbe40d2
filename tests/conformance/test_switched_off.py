"""A conformance test fails when its feature is switched off: cases of the suite, run with one piece taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from odata.payload import envelope
from odata.plan import make as planning
from odata.plan import orderby, paging
from odata.protocol import blueprint
from odata.sql import keyset, select
from tests.conformance import test_collections, test_paging, test_protocol, test_resource_paths
from tests.conformance.serving import Client
from tests.conformance.truth import cases, check
from tests.models import everything, session

Patch = pytest.MonkeyPatch


def _no_filter(patch: Patch) -> None:
    patch.setattr(planning, "joined_filter", lambda options, scope: None)


def _no_order(patch: Patch) -> None:
    patch.setattr(orderby, "_asked", lambda items, scope: [])


def _no_nulls_order(patch: Patch) -> None:
    patch.setattr(keyset, "_ordered", lambda key, column: column.desc() if key.descending else column.asc())


def _no_signature(patch: Patch) -> None:
    patch.setattr(paging.Signer, "accepts", lambda *_: True)


def _no_parent_check(patch: Patch) -> None:
    patch.setattr(select, "_with_parent", lambda plan, context, found: found)


def _no_expansion(patch: Patch) -> None:
    patch.setattr(planning, "expansions", lambda *_: ())


def _no_etag(patch: Patch) -> None:
    write = envelope.WRITERS["entity"]
    patch.setitem(envelope.WRITERS, "entity", lambda *arguments: _without_etag(write(*arguments)))


def _without_etag(answer: Any) -> Any:
    from dataclasses import replace

    return replace(answer, etag=None)


def _no_gzip(patch: Patch) -> None:
    patch.setattr(blueprint, "encoded", lambda parts, accepted: (None, [b"".join(parts)]))


def _case(file: str, name: str) -> Callable[[Client, Client], object]:
    case = next(case for case in cases(file) if case["name"] == name)
    return lambda things, recorded: check(things, "things", case)


SAMPLE = {
    "filter": (_no_filter, _case("paths", "a40.4 count with a filter")),
    "search": (_no_filter, _case("collections", "i40.11 a phrase")),
    "order": (_no_order, _case("collections", "i40.17 a navigation path")),
    "nulls": (_no_nulls_order, _case("collections", "i40.17 nulls first ascending")),
    "expand": (_no_expansion, _case("collections", "a40.9 many")),
    "parent": (_no_parent_check, _case("paths", "a40.12 single navigation with nothing behind it")),
    "etag": (_no_etag, lambda things, recorded: test_protocol.test_m40_26_etags(recorded, things)),
    "gzip": (_no_gzip, lambda things, recorded: test_protocol.test_gzip_only_when_accepted(recorded)),
    "token": (
        _no_signature,
        lambda things, recorded: test_paging.test_a_token_is_bound_to_org_and_profile(things, recorded, ""),
    ),
    "keyset": (
        _no_nulls_order,
        lambda things, recorded: test_paging.test_every_row_once_by_every_property("Int32", "asc", things),
    ),
}


@pytest.mark.parametrize("feature", SAMPLE)
def test_the_test_sees_it(feature: str, everything_url: str, session_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green as it is, red without the feature."""
    switch_off, run = SAMPLE[feature]
    _run(run, everything_url, session_url)
    switch_off(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        _run(run, everything_url, session_url)


def _run(run: Callable[[Client, Client], object], everything_url: str, session_url: str) -> None:
    """With services of their own, so that no shape is remembered."""
    things = Client(everything_url, everything.EXPOSURE, org=everything.FIRST_ORG)
    recorded = Client(session_url, session.EXPOSURE, org=session.ORG)
    try:
        run(things, recorded)
    finally:
        things.close()
        recorded.close()


def test_the_sample_is_of_this_suite() -> None:
    assert all(module.__doc__ for module in (test_collections, test_paging, test_protocol, test_resource_paths))
