"""Look-ups of credentials: two at a time, and none for a moment after one that failed."""

from __future__ import annotations

import threading
import time

import pytest

from odata.errors import Unavailable
from odata.protocol import lookups
from odata.protocol.lookups import LookUps


def test_two_at_a_time_and_the_others_hear_soon() -> None:
    released, inside = threading.Event(), []

    def find(name: str) -> str:
        inside.append(name)
        released.wait(10)
        return name

    look_up = LookUps(find)
    outcomes: list[tuple[str, float]] = []

    def ask() -> None:
        began = time.monotonic()
        try:
            outcomes.append((look_up("x"), 0.0))
        except Unavailable:
            outcomes.append(("refused", time.monotonic() - began))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    refused = list(outcomes)
    released.set()
    for thread in threads:
        thread.join()
    assert len(inside) == 2 and len(refused) == 6
    assert max(seconds for _, seconds in refused) < 1.2


def test_after_a_failure_nobody_asks_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "REST_SECONDS", 0.2)
    asked: list[str] = []

    def find(name: str) -> str:
        asked.append(name)
        raise OSError("no connection")

    look_up = LookUps(find)
    for _ in range(5):
        with pytest.raises(Unavailable) as caught:
            look_up("x")
        assert caught.value.headers["Retry-After"] and "no connection" not in caught.value.message
    assert len(asked) == 1
    time.sleep(0.25)
    with pytest.raises(Unavailable):
        look_up("x")
    assert len(asked) == 2


def test_while_the_store_is_in_doubt_one_tries_and_the_others_hear_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "REST_SECONDS", 0.0)
    released, failing, inside = threading.Event(), threading.Event(), []
    failing.set()

    def find(name: str) -> str:
        if failing.is_set():
            raise OSError("no connection")
        inside.append(name)
        released.wait(10)
        return name

    look_up = LookUps(find)
    with pytest.raises(Unavailable):
        look_up("x")
    failing.clear()
    first = threading.Thread(target=look_up, args=("first",))
    first.start()
    while not inside:
        time.sleep(0.01)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        look_up("x")
    assert time.monotonic() - began < 0.2
    released.set()
    first.join()
    assert look_up("y") == "y"
