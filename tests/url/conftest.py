"""A stopwatch for the bars that are times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

Stopwatch = Callable[[float], AbstractContextManager[None]]


@pytest.fixture
def stopwatch() -> Stopwatch:
    """`with stopwatch(0.1):` fails when the block takes more processor time than that, in seconds."""

    @contextmanager
    def limit(seconds: float) -> Iterator[None]:
        start = time.process_time()
        yield
        assert time.process_time() - start <= seconds

    return limit
