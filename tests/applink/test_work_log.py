"""What the lines of a worker's thread are about: for the time of the work, each thread its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from applink import work_log

JOB, ITEM = UUID(int=1), UUID(int=7)


@dataclass(frozen=True)
class Thing:
    org_id: str = "00DbZ0000000001UAA"
    job_id: UUID = JOB
    item_id: UUID | None = ITEM
    request_id: str | None = "r-1"
    callback_url: str = "https://canary"


class Work:
    @work_log.about_it
    def do(self, thing: Thing, fails: bool = False) -> dict[str, Any]:
        if fails:
            raise ValueError
        return work_log.facts()


def test_ids_and_milliseconds_while_it_is_worked_on() -> None:
    assert work_log.facts() == {}
    found = Work().do(Thing())
    assert found.pop("ms")["total"] >= 0
    assert found == {"request_id": "r-1", "org": "00DbZ0000000001UAA", "job": JOB, "item": ITEM}
    assert work_log.facts() == {}


def test_what_it_has_not_is_left_out() -> None:
    assert work_log.facts() == {} and Work().do(Thing(item_id=None, request_id=None)).keys() == {"org", "job", "ms"}


def test_it_is_over_after_an_error() -> None:
    with pytest.raises(ValueError):
        Work().do(Thing(), fails=True)
    assert work_log.facts() == {}


def test_threads_work_on_different_things() -> None:
    met, found = threading.Barrier(2, timeout=10), {}

    class Slow:
        @work_log.about_it
        def do(self, thing: Thing) -> None:
            met.wait()
            found[thing.request_id] = work_log.facts()["request_id"]
            met.wait()

    threads = [threading.Thread(target=Slow().do, args=(Thing(request_id=name),)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {"a": "a", "b": "b"}
