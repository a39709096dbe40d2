"""The demo page in a real browser, before a gateway that is away, refuses, has nothing yet, or does as it should."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from simulator.demo import first_page
from simulator.running import Simulator, running
from tests.browser import Browser, opened
from tests.simulator.small_gateway import SmallGateway
from tests.simulator.stand_in import Arrived, Said, StandIn, listening

ACTIONS = ["Create Quote", "Create Quotes for 200", "Kill the worker"]


@dataclass(slots=True)
class Gateway:
    """A small gateway whose sets also answer as Salesforce Connect asks; hold keeps jobs from ending."""

    small: SmallGateway
    hold: bool = False

    def speak(self, request: Arrived) -> Said:
        parts = urlsplit(request.target)
        if not parts.path.startswith("/odata/v4/"):
            return self.small.speak(request)
        options = dict(parse_qsl(parts.query))
        rows = self._rows(parts.path.rpartition("/")[2], options["$filter"])
        body = {"@odata.count": len(rows), "value": rows[: int(options["$top"])]}
        return Said(headers=(("Content-Type", "application/json"),), body=json.dumps(body).encode())

    def _rows(self, entity_set: str, condition: str) -> list[dict[str, Any]]:
        name, _, value = condition.partition(" eq ")
        wanted = value.strip("'")
        if entity_set == "Quotes":
            found = [row | {"Name": "Small", "GrandTotal": 12.5} for row in self.small.rows if row[name] == wanted]
            return list(reversed(found))
        if entity_set == "Jobs":
            done = wanted in self.small.asked and not self.hold
            status = {"Status": "completed", "Progress": 100} if done else {"Status": "running", "Progress": 37.5}
            return [{"Id": wanted, "Name": "J-000001 createQuotes 200", "QuoteCount": 75, "ErrorCount": 0} | status]
        return []


@pytest.fixture(scope="module")
def listener() -> Iterator[StandIn]:
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def simulator(listener: StandIn) -> Iterator[Simulator]:
    with running(mesh_target=listener.url, opportunities=800) as simulator:
        yield simulator


@pytest.fixture
def gateway(listener: StandIn) -> Gateway:
    made = Gateway(SmallGateway())
    listener.reset().speak = made.speak
    return made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with opened() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, simulator: Simulator, gateway: Gateway) -> Browser:
    """The page, filled. A story that an earlier test began has ended."""
    chromium.resize(1280)
    chromium.open(f"{simulator.url}/")
    chromium.wait(lambda: is_enabled(chromium, "create-quotes"), 30)
    chromium.complaints()
    return chromium


def is_enabled(browser: Browser, name: str) -> bool:
    return browser.part(name).get_attribute("aria-disabled") == "false"


def refusing(status: int, body: bytes, kind: str) -> Callable[[Arrived], Said]:
    return lambda request: Said(status=status, headers=(("Content-Type", kind),), body=body)


def test_the_root_leads_to_the_record(page: Browser) -> None:
    assert page.driver.current_url.endswith(first_page())
    assert page.text("name") == "Acme Machines 0 - deal 1" and "Acme Machines 0" in page.text("fields")
    assert page.text("user") == "ann@acme.example"
    assert page.complaints() == []


def test_lists_with_nothing_in_them_say_so(page: Browser) -> None:
    assert page.text("quotes") == "No quotes yet. Create Quote makes the first one."
    assert "No jobs have worked on this opportunity yet" in page.text("jobs")
    assert page.text("quotes-count") == page.text("jobs-count") == "(0)"


def test_every_list_came_by_a_request_that_is_shown_with_its_time(page: Browser, listener: StandIn) -> None:
    page.wait(lambda: len(page.rows("requests")) >= 2)
    shown = {row[1]: row for row in page.rows("requests")}
    quotes = shown["Related list Quotes"]
    assert quotes[0] == "Connect" and float(quotes[6]) > 0 and quotes[3:5] == ["200", "0"]
    assert quotes[2].startswith(f"GET {listener.url}/odata/v4/Quotes?$top=6&$filter=OpportunityId eq '006bZ")
    sent = {urlsplit(one.target).path for one in listener.arrived}
    assert sent == {"/odata/v4/Quotes", "/odata/v4/JobItems"}


def test_create_quote_shows_the_quote(page: Browser) -> None:
    page.part("create-quote").click()
    page.wait(lambda: len(page.rows("quotes")) == 1)
    assert "created" in page.text("toasts") and page.rows("quotes")[0][3] == "$12.50"
    assert any(row[:2] == ["Apex", "createQuote"] and "/applink/createQuote" in row[2] for row in page.rows("requests"))


def test_two_hundred_are_asked_for_watched_and_judged(page: Browser, gateway: Gateway) -> None:
    gateway.hold = True
    page.part("create-quotes").click()
    page.wait(lambda: page.part("bar").get_attribute("aria-valuenow") == "37.5")
    assert not is_enabled(page, "create-quote") and not is_enabled(page, "create-quotes")
    assert "37.5 %, 75 of 200 quotes" in page.text("story-text")
    gateway.hold = False
    page.wait(lambda: page.part("verdict").is_displayed(), 30)
    assert page.text("verdict") == "Everybody agrees asked 200 in the org 200 rows 200 callback 1"
    assert page.part("bar").get_attribute("aria-valuenow") == "100"
    assert page.complaints() == []


def test_a_verdict_that_is_not_well_says_what_is_wrong(page: Browser, gateway: Gateway) -> None:
    gateway.small.wrong = "no-row"
    page.part("create-quotes").click()
    page.wait(lambda: page.text("verdict-title") == "They do not agree", 30)
    assert "rows 199" in page.text("verdict") and "the rows: no quote for" in page.text("wrong")


def test_a_refusal_is_shown_in_its_own_words(page: Browser, gateway: Gateway) -> None:
    gateway.small.wrong = "refused"
    page.part("create-quote").click()
    page.wait(lambda: "SetupRequired: no field" in page.text("toasts"))
    page.part("create-quotes").click()
    page.wait(lambda: "SetupRequired: no field" in page.text("story-trouble"))
    page.wait(lambda: is_enabled(page, "create-quotes"))


def test_the_mesh_refuses(page: Browser, simulator: Simulator) -> None:
    simulator.fault("* /addons/", status=500, times=10)
    page.part("create-quote").click()
    page.wait(lambda: "createQuote was refused with" in page.text("toasts"))
    simulator.clear_faults()
    assert any(
        "bad" in (one.get_attribute("class") or "")
        for one in page.part("requests").find_elements("css selector", "td span")
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusing(503, b'{"error": {"code": "Away", "message": "No base"}}', "application/json"), "503: No base"),
        (refusing(502, b"<html>Bad gateway</html>", "text/html"), "answers 502"),
    ],
)  # fmt: skip
def test_lists_that_cannot_be_read_say_why(
    page: Browser, listener: StandIn, answer: Callable[[Arrived], Said], words: str
) -> None:
    listener.speak = answer
    for name in ("quotes", "jobs"):
        page.part(f"{name}-refresh").click()
        page.wait(partial(_shows, page, name, words))


def _shows(page: Browser, name: str, words: str) -> bool:
    return words in page.text(name)


def test_a_gateway_that_is_away_is_said_and_waited_for(page: Browser, gateway: Gateway, listener: StandIn) -> None:
    gateway.hold = True
    page.part("create-quotes").click()
    page.wait(lambda: "37.5 %" in page.text("story-text"))
    listener.speak = refusing(503, b"<html>Application error</html>", "text/html")
    page.wait(lambda: "answers 503" in page.text("story-trouble"))
    listener.speak, gateway.hold = gateway.speak, False
    page.wait(lambda: page.text("verdict-title") == "Everybody agrees", 30)
    assert not page.part("story-trouble").is_displayed()


def test_without_a_supervisor_there_is_nothing_to_kill(page: Browser) -> None:
    assert not is_enabled(page, "kill-worker")
    assert "make demo starts one" in page.text("worker-text")


def test_everything_is_reached_by_keyboard(page: Browser) -> None:
    seen = []
    for _ in range(8):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(page.driver.switch_to.active_element.accessible_name)
    assert seen[0] == "Skip to the record" and seen[1:4] == ACTIONS
    assert {"Refresh Quotes", "Refresh Jobs", "Between org and gateway"} <= set(seen)
    page.part("create-quote").send_keys(Keys.ENTER)
    page.wait(lambda: len(page.rows("quotes")) == 1)


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_page(page: Browser, width: int) -> None:
    page.part("create-quote").click()
    page.wait(lambda: len(page.rows("quotes")) == 1)
    page.resize(width)
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert all(page.part(name).is_displayed() for name in ("create-quote", "create-quotes", "quotes", "requests"))


def test_nothing_comes_from_elsewhere(page: Browser, simulator: Simulator) -> None:
    script = "return performance.getEntriesByType('resource').map(one => one.name)"
    assert all(url.startswith(simulator.url) for url in page.driver.execute_script(script))


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "application/json", "Host": "attacker.example"},
    ],
)
def test_another_site_cannot_press_a_button(
    simulator: Simulator, listener: StandIn, gateway: Gateway, headers: dict[str, str]
) -> None:
    connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)
    body = json.dumps({"opportunityId": first_page().split("/")[4]})
    connection.request("POST", "/lightning/demo/create-quote", body, headers)
    assert connection.getresponse().status == 403 and listener.arrived == []
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/lightning/assets/../demo.py", "/lightning/assets/demo.py", "/lightning/r/Opportunity/x/view", "/lightning/"],
)
def test_there_is_nothing_else(simulator: Simulator, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()
