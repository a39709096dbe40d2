"""A conformance test fails when its feature is switched off.

Each case of collections.toml without one of its options after the other, and a sample of all tests with one piece of
the code taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from odata.payload import envelope
from odata.plan import make as planning
from odata.plan import orderby, paging
from odata.protocol import wsgi
from odata.sql import keyset, select
from tests.conformance import test_paging, test_protocol
from tests.conformance.serving import Client
from tests.conformance.truth import cases, check, title
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
    patch.setattr(wsgi, "encoded", lambda parts, accepted: (None, [b"".join(parts)]))


def _case(file: str, name: str) -> Callable[[Client, Client], object]:
    case = next(case for case in cases(file) if case["name"] == name)
    return lambda things, recorded: check(things, "things", case)


NEEDLESS = {
    ("i40.13 $count=false", "$count"),
    ("a40.12 a key that is no literal", "@k"),
    ("m40.6 custom options are ignored", "foo"),
    ("m40.6 custom options are ignored", "x"),
    ("m41.5 current schema version", "$schemaversion"),
    ("page sizes: $top of 10 to the 18", "$top"),
}
"""(case, option) where the answer is the same without: what they show is that nothing is refused."""

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


@pytest.mark.parametrize("case", cases("collections"), ids=title)
def test_a_case_needs_each_of_its_options(
    case: dict[str, Any], things: Client, gateway: Client, recorded: Client
) -> None:
    """As if one system query option after the other were ignored: the case is red without any of them."""
    client = {"things": things, "gateway": gateway, "recorded": recorded}[case["on"]]
    for name, other in _without_one_option(case):
        # Cases compare the properties they name; that others are absent is test_i40_3_select_shows_nothing_else.
        if name.lower().lstrip("$") != "select" and (case["name"], name) not in NEEDLESS:
            with pytest.raises((AssertionError, KeyError)):
                check(client, case["on"], other)
                pytest.fail(f"{case['name']} is green without {name}")


def _without_one_option(case: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of an option, the case without it) for every option of the URL or of the body."""
    key = "query" if "query" in case else "url"
    path, mark, text = case[key].partition("?") if key == "url" else ("", "", case[key])
    options = text.split("&") if text else []
    for index, option in enumerate(options):
        rest = "&".join(options[:index] + options[index + 1 :])
        yield option.partition("=")[0], case | {key: path + (mark if rest else "") + rest}
