"""protocol.rate: twice the rate at once, then a steady rate; one credential does not slow another; off by default."""

from __future__ import annotations

import pytest

from odata.errors import TooManyRequests
from odata.protocol.rate import MOST_BUCKETS, RequestRate


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def allowed(rate: RequestRate, identity: str, number: int) -> int:
    """How many of so many requests at once pass."""
    passed = 0
    for _ in range(number):
        try:
            rate.take(identity)
            passed += 1
        except TooManyRequests:
            pass
    return passed


def test_twice_the_rate_at_once_then_the_rate() -> None:
    clock = Clock()
    rate = RequestRate(5, clock=clock)
    assert allowed(rate, "a", 50) == 10
    clock.now += 1
    assert allowed(rate, "a", 50) == 5
    clock.now += 3600
    assert allowed(rate, "a", 50) == 10


def test_a_refusal_names_the_setting_and_when_to_come_again() -> None:
    rate = RequestRate(1, clock=Clock())
    allowed(rate, "a", 2)
    with pytest.raises(TooManyRequests, match="REQUESTS_PER_SECOND, which is 1") as refused:
        rate.take("a")
    assert refused.value.headers == {"Retry-After": "1"} and refused.value.status == 429


def test_one_credential_does_not_slow_another() -> None:
    rate = RequestRate(1, clock=Clock())
    assert allowed(rate, "a", 9) == 2
    assert allowed(rate, "b", 9) == 2


def test_off_when_the_rate_is_0() -> None:
    assert allowed(RequestRate(0, clock=Clock()), "a", 1000) == 1000


def test_buckets_are_bounded() -> None:
    rate = RequestRate(1, clock=Clock())
    for number in range(MOST_BUCKETS + 10):
        rate.take(f"c{number}")
    assert len(rate._buckets) == MOST_BUCKETS
