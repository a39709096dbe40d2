"""Asking the simulated org's way, end to end: the add-on proves it, the callback comes, and the verdict is true."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from cli import main
from local.web import PROJECT
from simulator.asking import Asking
from simulator.caller import ABSENT, Apex
from simulator.context import Caller
from simulator.org_client import NoOrg, OrgClient, UnknownUser
from simulator.rows import Progress, Rows
from simulator.running import Simulator, running
from tests.simulator.small_gateway import SmallGateway
from tests.simulator.stand_in import StandIn, listening

Sim = Callable[..., Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Simulator with its mesh, and what stands behind that."""

    simulator: Simulator
    org: OrgClient
    listener: StandIn


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with listening() as listener, running(mesh_target=listener.url, opportunities=400) as simulator:
        yield Place(simulator=simulator, org=OrgClient(simulator.url, seconds=10), listener=listener)


@pytest.fixture
def gateway(place: Place) -> SmallGateway:
    place.listener.reset()
    small = SmallGateway()
    place.listener.speak = small.speak
    return small


@pytest.fixture
def apex(place: Place, gateway: SmallGateway) -> Apex:
    return Apex(org=place.org, gateway=place.listener.url, mesh=place.simulator.mesh_url, seconds=10)


@pytest.fixture
def ann(apex: Apex) -> Caller:
    return apex.sign_in("ann@acme.example")


@pytest.fixture
def asking(apex: Apex, ann: Caller) -> Asking:
    rows = Rows(root=f"{apex.gateway}/odata/v4/", seconds=10)
    return Asking(apex=apex, rows=rows, user=ann, witness="worker@acme.example")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.asking.POLL_SECONDS", 0.02)
    monkeypatch.setattr("simulator.asking.CALLBACK_SECONDS", 0.5)


def test_users_have_real_ids_and_tokens(apex: Apex, ann: Caller) -> None:
    from odata.edm.record_ids import widen_record_id

    assert ann.user_id.startswith("005") and widen_record_id(ann.user_id[:15]) == ann.user_id
    assert ann.org_id.startswith("00D") and widen_record_id(ann.org_id[:15]) == ann.org_id
    [row] = apex.org.query(ann, "SELECT Id, Username FROM User WHERE Username = 'ann@acme.example'")
    assert row["Id"] == ann.user_id
    assert apex.sign_in("ann") == replace(apex.sign_in("ann"), org_token=apex.sign_in("ann").org_token)
    with pytest.raises(UnknownUser, match=r"no user eve; there are ann@acme\.example"):
        apex.sign_in("eve")


def test_the_addon_lets_an_org_pass_that_proves_itself(apex: Apex, ann: Caller, place: Place) -> None:
    [opportunity] = apex.org.opportunities("ann", 1)
    assert apex.invoke("createQuote", {"opportunityId": opportunity}, user=ann).status == 200
    forged = replace(ann, org_token="")
    assert apex.invoke("createQuote", {"opportunityId": opportunity}, user=forged).status == 403
    stranger = replace(ann, org_id="00Dxx0000001gERAAY")
    assert apex.invoke("createQuote", {"opportunityId": opportunity}, user=stranger).status == 403
    assert len(place.listener.arrived) == 1


def test_a_foreign_domain_passes_the_mesh_in_the_header_that_it_does_not_read(apex: Apex, place: Place) -> None:
    place.listener.reset()
    assert apex.invoke("getJob", {}, user="ann", org_domain_url="https://evil.example").status == 200
    assert len(place.listener.arrived) == 1


def test_a_header_can_be_left_out(apex: Apex, place: Place) -> None:
    assert apex.invoke("getJob", {}, user="ann", client_context=ABSENT).status == 400
    assert apex.invoke("getJob", {}, user="ann", headers={"x-request-context": ABSENT}).status == 400
    assert place.listener.arrived == []


def test_a_quote_is_made_and_everybody_agrees(asking: Asking) -> None:
    [opportunity] = asking.apex.org.opportunities("ann", 1)
    outcome = asking.create_quote(opportunity)
    assert outcome.verdict is not None and outcome.verdict.wrong == ()
    assert outcome.verdict.summary == "1 asked, 1 new in the org, 1 rows"


def test_a_job_is_watched_to_its_callback(asking: Asking, gateway: SmallGateway) -> None:
    opportunities = asking.apex.org.opportunities("ann", 5)
    seen: list[Progress] = []
    outcome = asking.create_quotes(opportunities, seen.append)
    assert outcome.verdict is not None and outcome.verdict.wrong == ()
    assert outcome.verdict.summary == "5 asked, 5 in the org, 5 rows, 1 callback"
    assert seen[-1] == Progress(status="completed", percent=100)
    [told] = outcome.callbacks
    assert told["jobId"] == outcome.reply.body["jobId"] and len(told["quoteIds"]) == 5
    [callback] = asking.apex.callbacks(outcome.reply)
    assert (callback.as_user, callback.sent_by, callback.status) == ("ann@acme.example", "ann@acme.example", 200)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("twice", "more than one quote"),
        ("no-row", "the rows: no quote for"),
        ("no-callback", "the callback came 0 times"),
        ("two-callbacks", "the callback came 2 times"),
    ],
)
def test_what_goes_wrong_is_said(asking: Asking, gateway: SmallGateway, wrong: str, line: str) -> None:
    gateway.wrong = wrong
    outcome = asking.create_quotes(asking.apex.org.opportunities("ann", 2))
    assert outcome.verdict is not None and not outcome.well
    assert any(line in one for one in outcome.verdict.wrong), outcome.verdict.wrong


def test_a_callback_that_does_not_come(apex: Apex, gateway: SmallGateway) -> None:
    gateway.wrong = "no-callback"
    reply = apex.invoke("createQuotes", {"opportunityIds": []}, user="ann", callback=True)
    assert json.loads(reply.invocation.body)["callbackUrl"] == reply.invocation.callback_url
    assert apex.wait(reply, 0.3) is None
    with pytest.raises(ValueError, match="without a callback"):
        apex.wait(apex.invoke("createQuotes", {"opportunityIds": []}, user="ann", callback=False))


@pytest.fixture
def sim(place: Place, gateway: SmallGateway) -> Sim:
    """`gateway sim ...` at this place."""

    def run(*words: str) -> Result:
        at = ("--simulator", place.org.url, "--gateway", place.listener.url, "--mesh", place.simulator.mesh_url)
        return CliRunner().invoke(main, ["sim", *at, *words])

    return run


def test_invoke_create_quote(sim: Sim, apex: Apex) -> None:
    [opportunity] = apex.org.opportunities("ann", 1)
    result = sim("invoke", "createQuote", "--opportunity", opportunity)
    assert result.exit_code == 0, result.output
    assert '"quoteId": "0Q0' in result.output
    assert result.output.endswith("ok     1 asked, 1 new in the org, 1 rows\n")


def test_invoke_create_quotes(sim: Sim) -> None:
    result = sim("invoke", "createQuotes", "--count", "3")
    assert result.exit_code == 0, result.output
    assert "createQuotes 3" in result.output and 'callback {\n  "jobId"' in result.output
    assert result.output.endswith("ok     3 asked, 3 in the org, 3 rows, 1 callback\n")


def test_invoke_says_what_is_wrong(sim: Sim, gateway: SmallGateway) -> None:
    gateway.wrong = "no-callback"
    result = sim("invoke", "createQuotes", "--count", "3")
    assert result.exit_code == 1
    assert "WRONG  the callback came 0 times\n" in result.output


def test_invoke_shows_a_refusal(sim: Sim, gateway: SmallGateway) -> None:
    gateway.wrong = "refused"
    for operation in ("createQuote", "createQuotes"):
        result = sim("invoke", operation, "--count", "1")
        assert result.exit_code == 1
        assert result.output.splitlines()[-5].startswith("409 ") and '"SetupRequired"' in result.output


def test_invoke_sends_the_same_bytes_again(sim: Sim, place: Place) -> None:
    result = sim("invoke", "createQuote", "--count", "1", "--times", "3", "--through", "direct")
    assert result.exit_code == 0, result.output
    one, *others = place.listener.arrived
    assert others == [one, one]


def test_invoke_sends_nonsense(sim: Sim, place: Place, gateway: SmallGateway) -> None:
    gateway.wrong = "refused"
    result = sim("invoke", "getJob", "--body", '{"jobId": "x"}', "--context", "no-user", "--user", "ben")
    assert result.exit_code == 1
    assert json.loads(place.listener.arrived[-1].body) == {"jobId": "x"}
    assert sim("invoke", "getJob", "--body", "{").exit_code == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("invoke", "createQuote"), "createQuote needs --opportunity ID, or --count N"),
        (("invoke", "createQuote", "--user", "eve", "--count", "1"), "no user eve; there are ann@acme.example"),
        (("invoke", "createQuotes", "--count", "2000"), "that can become a quote, not 2000"),
        (("invoke", "createQuote", "--count", "2"), "createQuote takes one opportunity"),
        (("invoke", "getJob", "--body", "[1]"), "--body must be a JSON object"),
    ],
)
def test_trouble_is_one_line(sim: Sim, words: tuple[str, ...], line: str) -> None:
    result = sim(*words)
    assert result.exit_code == 1 and line in result.output and len(result.output.splitlines()) == 1


def test_no_simulator_is_one_line() -> None:
    result = CliRunner().invoke(main, ["sim", "--simulator", "http://127.0.0.1:1", "requests"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: the simulator at http://127.0.0.1:1 does not answer:")


def test_faults_requests_and_reset(sim: Sim, apex: Apex, ann: Caller) -> None:
    assert sim("faults", "GET /query", "--status", "503", "--times", "1").exit_code == 0
    with pytest.raises(NoOrg, match="503"):
        apex.org.query(ann, "SELECT Id FROM Opportunity LIMIT 1")
    assert "GET /services/data/v64.0/query" in sim("requests", "--last", "1").output
    assert "503" in sim("requests", "--last", "1").output
    assert "GET /query" in sim("faults").output
    assert sim("reset").exit_code == 0
    assert sim("requests").output == ""


def test_serve_hands_its_options_on() -> None:
    command = [sys.executable, "-c", "import cli; cli.main(['sim', 'serve', '--help'])"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert said.returncode == 0 and "--mesh-port" in said.stdout


def test_help_does_not_load_the_simulator() -> None:
    script = "import sys, cli; cli.main(['--help'], standalone_mode=False); sys.exit('simulator.cli' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True).returncode == 0


def test_the_mesh_serves_several_connections_at_once(place: Place, gateway: SmallGateway) -> None:
    connections = [http.client.HTTPConnection(urlsplit(place.simulator.mesh_url).netloc, timeout=10) for _ in range(20)]
    for one in connections:
        one.request("GET", "/odata/v4/Jobs(x)")
    assert [one.getresponse().status for one in connections] == [200] * 20
    for one in connections:
        one.close()
