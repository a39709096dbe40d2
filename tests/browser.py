"""A real browser for tests: Debian's chromium, driven by its own driver. Where there is none, tests fail and say so."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

QUIET = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-prefers-reduced-motion",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Browser:
    """An open browser with one page."""

    driver: webdriver.Chrome

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self.driver.get(url)

    def part(self, name: str) -> WebElement:
        """The element of this id."""
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        """What the element of this id shows, on one line."""
        return " ".join(self.part(name).text.split())

    def rows(self, name: str) -> list[list[str]]:
        """The cells of the table within the element of this id, row by row."""
        script = (
            "return [...arguments[0].querySelectorAll('tbody tr')].map(r => [...r.children].map(c => c.textContent))"
        )
        return list(self.driver.execute_script(script, self.part(name)))

    def wait(self, until: Callable[[], Any], seconds: float = 15) -> None:
        """Until this is true. Raises: TimeoutException."""
        WebDriverWait(self.driver, seconds, poll_frequency=0.1).until(lambda _: until())

    def resize(self, width: int, height: int = 900) -> None:
        """The size of the page itself; a window cannot be as narrow as a telephone."""
        how = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", how)

    def complaints(self) -> list[str]:
        """What the page's console has had to say since the last time it was asked."""
        answer = self.driver.execute(Command.GET_LOG, {"type": "browser"})
        return [str(one["message"]) for one in answer["value"]]


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """A browser for the time of the block, 1280 wide, that has never been anywhere."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    assert all(programs), "a browser is missing, these tests need it: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        unboxed = ("--no-sandbox",) if os.geteuid() == 0 else ()
        for argument in (*QUIET, *unboxed, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=Service(str(programs[1])))
        try:
            browser = Browser(driver)
            browser.resize(1280)
            yield browser
        finally:
            driver.quit()
