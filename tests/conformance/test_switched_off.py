"""A conformance test fails when its feature is switched off.

Each test of this folder has a switch in tests/conformance/switches: the piece of code that is taken away. The test is
green with it and red without it, and red because it saw the difference, not because the service broke.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from local.web import Web, serving
from odata.errors import Unavailable
from odata.protocol import negotiate, wsgi
from odata.shapes import ShapeCache
from odata.sql import connections
from tests.conformance import test_two_orgs
from tests.conformance.collected import Conformance, collected
from tests.conformance.serving import Client
from tests.conformance.switches.switch import named_by
from tests.conformance.switches.table import SEEN_WITHOUT_THE_SERVICE, SWITCHES
from tests.conformance.truth import cases, check, title
from tests.models import everything

TESTS = collected()
SPECIAL = {"web", "pair", "dated"}
"""Fixtures that are made for a switch, or have parameters: a server without its feature, two orgs, types of dates."""
RED = (AssertionError, KeyError, pytest.fail.Exception)
ON_ITS_OWN = {"test_bar_31_reads_cannot_write"}
"""Tests whose switch needs more than a switch."""
NEEDLESS = {
    ("i40.13 $count=false", "$count"),
    ("a40.12 a key that is no literal", "@k"),
    ("m40.6 custom options are ignored", "foo"),
    ("m40.6 custom options are ignored", "x"),
    ("m41.5 current schema version", "$schemaversion"),
    ("page sizes: $top of 10 to the 18", "$top"),
    ("a40.12 options in the body, as JSON", "{}"),
    ("i41.11 /$filter is named", "@f"),
}
"""(case, option) where the answer is the same without: what they show is that something is, or is not, refused."""


def _that_see(name: str, special: set[str]) -> list[Conformance]:
    """The tests that must see a switch, of those that ask for the same ones of the special fixtures."""
    return [test for test in TESTS if SWITCHES[name].sees(test.name) and SPECIAL & set(test.fixtures) == special]


def _seen_with(*special: str) -> list[str]:
    """Names of switches."""
    return [name for name in SWITCHES if _that_see(name, set(special))]


ONE_OF_EACH = {test.function: test for test in reversed(TESTS) if not SPECIAL & set(test.fixtures)}


@pytest.mark.parametrize("test", ONE_OF_EACH.values(), ids=lambda test: test.name[:100])
def test_green_as_it_is(test: Conformance, request: pytest.FixtureRequest) -> None:
    """Called as below, but with all features, so that what is red there is red for want of one."""
    with pytest.MonkeyPatch.context() as patch:
        values = _values(test, request, {})
        _forget(patch, values)
        test.function(**values)


@pytest.mark.parametrize("name", _seen_with())
def test_red_without(name: str, request: pytest.FixtureRequest) -> None:
    _all_red(name, request, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", _seen_with("web"))
def test_red_without_on_a_server(name: str, request: pytest.FixtureRequest, seeded_url: str, tmp_path: Path) -> None:
    with _served(name, seeded_url, tmp_path) as served:
        _all_red(name, request, {"web": served})


@pytest.mark.parametrize("pair", [everything.FIRST_ORG], indirect=True)
@pytest.mark.parametrize("name", _seen_with("pair"))
def test_red_without_among_two_orgs(
    name: str,
    pair: dict[str, tuple[Client, Client]],
    request: pytest.FixtureRequest,
) -> None:
    _all_red(name, request, {"pair": pair})


@pytest.mark.parametrize("dated", ["Edm.DateTimeOffset"], indirect=True)
@pytest.mark.parametrize("name", _seen_with("dated"))
def test_red_without_among_dates(
    name: str,
    dated: Client,
    request: pytest.FixtureRequest,
) -> None:
    _all_red(name, request, {"dated": dated})


def test_bar_31_is_red_when_reads_may_write(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a database of its own, since what is tried there happens, unless a trigger finds that it has no org."""
    monkeypatch.setattr(connections, "_session_options", lambda url, limits: "")
    client = Client(database_url, org=everything.FIRST_ORG)
    try:
        with pytest.raises((*RED, Unavailable)):
            test_two_orgs.test_bar_31_reads_cannot_write({"gateway": (client, client)})
    finally:
        client.close()


def _all_red(name: str, request: pytest.FixtureRequest, known: dict[str, Any]) -> None:
    """Each test that must see a switch is red without the feature. known: the special fixtures."""
    green: list[str] = []
    broken: list[str] = []
    for test in _that_see(name, set(known)):
        values = _values(test, request, known)
        with pytest.MonkeyPatch.context() as patch:
            _forget(patch, values)
            patch.setattr(request.config.option, "golden", False)
            patch.setattr(wsgi.log, "exception", lambda *_, named=test.name: broken.append(named))
            SWITCHES[name].off(patch)
            if not _is_red(test, values):
                green.append(test.name)
    assert not green, f"green although {name}"
    assert SWITCHES[name].may_break or not broken, f"the service broke: {name}"


def _values(test: Conformance, request: pytest.FixtureRequest, known: dict[str, Any]) -> dict[str, Any]:
    fixtures = {one: known[one] if one in known else request.getfixturevalue(one) for one in test.fixtures}
    return test.values | fixtures


def _is_red(test: Conformance, values: dict[str, Any]) -> bool:
    try:
        test.function(**values)
    except RED:
        return True
    finally:
        negotiate._negotiate.cache_clear()
    return False


def _forget(patch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    """Nothing that a service has prepared with its feature serves without it."""
    pairs = [client for both in values.get("pair", {}).values() for client in both]
    for client in (value for value in [*values.values(), *pairs] if isinstance(value, Client)):
        patch.setattr(client.service, "shapes", ShapeCache(entries=1000, total_bytes=16_000_000))
        patch.setattr(client.service, "_faces", {})
    negotiate._negotiate.cache_clear()


def _served(name: str, database_url: str, folder: Path) -> contextlib.AbstractContextManager[Web]:
    """gunicorn without the feature."""
    command = ["gunicorn", "--config", "gunicorn.conf.py", f"tests.conformance.switched_app:create_app({name!r})"]
    variables = {"ODATA_AUTH": "anonymous", "ANONYMOUS_ORG": everything.FIRST_ORG}
    return serving(database_url, folder / "log", command=command, variables=variables)


@pytest.mark.usefixtures("conformance_files")
def test_each_has_a_switch() -> None:
    """A new test is not done before it has been seen red."""
    known = {*SEEN_WITHOUT_THE_SERVICE, *ON_ITS_OWN}
    assert known <= {test.name for test in TESTS}
    unseen = (test.name for test in TESTS if not any(switch.sees(test.name) for switch in SWITCHES.values()))
    assert set(unseen) == known, "each test needs a switch in tests/conformance/switches that turns it red"


@pytest.mark.usefixtures("conformance_files")
def test_each_switch_names_tests_that_are_there() -> None:
    """A name that has changed would be a test that no switch is tried with."""
    names = [test.name for test in TESTS]
    unknown = {
        (name, pattern)
        for name, switch in SWITCHES.items()
        for pattern in switch.seen_by
        if not any(map(named_by((pattern,)).fullmatch, names))
    }
    assert not unknown


@pytest.mark.parametrize("case", [*cases("collections"), *cases("paths")], ids=title)
def test_a_case_needs_each_of_its_options(
    case: dict[str, Any], things: Client, gateway: Client, recorded: Client
) -> None:
    """As if one system query option after the other were ignored: the case is red without any of them."""
    client = {"things": things, "gateway": gateway, "recorded": recorded}[case["on"]]
    for name, other in _without_one_option(case):
        # What is shown although it was not selected, only the service could say: see the switch of $select.
        if unquote(name).lstrip("$").lower() != "select" and (case["name"], name) not in NEEDLESS:
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
