"""`make demo` from beginning to end in a real browser: a quote, two hundred quotes, the worker killed, the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pytest

from local import web
from tests.browser import Browser, opened
from tests.toolchain.making import Run, running

LEASE_SECONDS = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running(tmp_path_factory.mktemp("demo"), "demo", LEASE_SECONDS=str(LEASE_SECONDS)) as one:
        one.wait_for("Demo page")
        yield one


@pytest.fixture(scope="module")
def page(run: Run) -> Iterator[Browser]:
    said = next(line for line in run.said if "Demo page" in line)
    with opened() as browser:
        browser.open(said.split()[-1])
        browser.wait(lambda: browser.part("create-quotes").get_attribute("aria-disabled") == "false")
        yield browser


def progress(page: Browser) -> float:
    return float(page.part("bar").get_attribute("aria-valuenow") or 0)


def _has_come_to(page: Browser, percent: float) -> bool:
    return progress(page) >= percent


def test_the_demo_is_make_run_with_a_page_that_may_kill_the_worker() -> None:
    web_line, worker, org = (web.arguments(name, procfile="Procfile.demo") for name in ("web", "worker", "simulator"))
    assert web_line == web.arguments("web") and org[: len(web.arguments("simulator"))] == web.arguments("simulator")
    same = web.arguments("worker")
    assert worker[-len(same) :] == same
    file = worker[worker.index("supervise") + 1]
    assert org[org.index("--worker") + 1] == file


def test_a_quote_while_the_user_waits(page: Browser) -> None:
    before = page.text("quotes-count")
    page.part("create-quote").click()
    page.wait(lambda: page.text("quotes-count") != before)
    number, name, status, total, *_ = page.rows("quotes")[0]
    assert name.startswith("Acme Machines 0 - deal 1") and status == "Draft" and number and total.startswith("$")
    assert f"Quote {number} created: {total}" in page.text("toasts")


def test_two_hundred_quotes_though_the_worker_is_killed_twice(page: Browser, run: Run) -> None:
    page.part("create-quotes").click()
    for part in (10, 40):
        page.wait(partial(_has_come_to, page, part), 60)
        page.wait(lambda: page.part("kill-worker").get_attribute("aria-disabled") == "false")
        page.part("kill-worker").click()
        page.wait(lambda: page.text("worker-badge") == "dead")
        page.wait(lambda: page.text("worker-badge") == "alive")
    page.wait(lambda: page.part("verdict").is_displayed(), 120)
    assert page.text("verdict") == "Everybody agrees asked 200 in the org 200 rows 200 callback 1"
    assert re.fullmatch(
        r"J-\d+ createQuotes 200: completed after .* s, the worker 2 times killed\.", page.text("story-text")
    )
    assert "start number 3" in page.text("worker-text") and run.process.poll() is None
    assert sum("was killed by SIGKILL" in line for line in run.said) == 2


def test_the_job_stands_in_its_related_list(page: Browser) -> None:
    page.wait(lambda: page.rows("jobs") and page.rows("jobs")[0][5] == "delivered")
    name, status, percent, quotes, errors, *_ = page.rows("jobs")[0]
    assert name.endswith("createQuotes 200") and (status, percent, quotes, errors) == ("completed", "100 %", "200", "0")


def test_every_request_is_shown_and_was_answered(page: Browser) -> None:
    rows = page.rows("requests")
    assert {row[0] for row in rows} == {"Connect", "Apex", "Callback"}
    assert all(row[3] in ("200", "201") for row in rows), rows
    assert all(float(row[6]) > 0 for row in rows if row[0] != "Callback")
    assert page.complaints() == []


def test_a_page_that_is_loaded_again_knows_it_all(page: Browser) -> None:
    page.driver.refresh()
    page.wait(lambda: page.text("verdict-title") == "Everybody agrees")
