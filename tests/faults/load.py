"""A steady load over HTTP: about 50 reads a second from ten callers, and what became of each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

from local.web import Web
from tests.faults.test_web import QUOTES, Reply, get

CALLERS = 10
PAUSE_SECONDS = 0.2
PATHS = (
    QUOTES,
    "/odata/v4/Quotes?$filter=Status%20eq%20'Draft'&$orderby=GrandTotal%20desc&$top=10",
    "/odata/v4/Quotes?$expand=Lines($top=3)&$top=5",
    "/odata/v4/Jobs?$count=true&$top=5",
)


@dataclass(slots=True)
class Seen:
    """Every reply with the time its request began (monotonic)."""

    replies: list[tuple[float, Reply]] = field(default_factory=list)

    def statuses(self, *, after: float = 0.0) -> Counter[int]:
        return Counter(reply.status for began, reply in self.replies if began > after)

    def longest(self) -> float:
        return max(reply.seconds for _, reply in self.replies)

    def first_good(self, *, after: float) -> float:
        """When the first 200 came that was answered after a moment, in seconds after it."""
        done = (began + reply.seconds for began, reply in self.replies if reply.status == 200)
        return min(moment for moment in done if moment > after) - after

    def refusals_say_when_to_come_again(self) -> bool:
        return all(reply.headers.get("retry-after") for _, reply in self.replies if reply.status == 503)


@contextlib.contextmanager
def load(web: Web) -> Iterator[Seen]:
    """The load for the time of the block; no process of the server may end meanwhile."""
    seen, done = Seen(), threading.Event()
    before = processes(web)

    def ask(number: int) -> None:
        done.wait(PAUSE_SECONDS * number / CALLERS)
        while not done.is_set():
            began = time.monotonic()
            seen.replies.append((began, get(web, PATHS[number % len(PATHS)])))
            done.wait(max(0.0, began + PAUSE_SECONDS - time.monotonic()))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert processes(web) == before, "a web process ended"


def processes(web: Web) -> set[int]:
    """The master and its workers."""
    return {web.process.pid, *(child.pid for child in psutil.Process(web.process.pid).children())}
