"""What has been proven lately: verified headers by their keyed digest, and one proof at a time for each of them.

In: the value of an Authorization header. Out: the outcome of an earlier proof. No secret is kept, only a digest under
a key that this process made for itself.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from typing import Generic, TypeVar

from odata.service import Principal

T = TypeVar("T")

_KEY = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Verified:
    """A proven caller. proof: what it matched. Both times are monotonic.

    fresh_until: afterwards it must be proven again. believed_until: the end of that grace when the store cannot answer.
    """

    principal: Principal
    fresh_until: float
    proof: str = ""
    believed_until: float = float("-inf")

    def fresh(self) -> bool:
        """Whether it may be believed without proof."""
        return monotonic() < self.fresh_until

    def believable(self) -> bool:
        """Whether it may be believed as long as nobody can prove it."""
        return monotonic() < self.believed_until


def digest(header: str) -> bytes:
    """The key under which a header's outcome is kept: a keyed hash that only this process can make.

    It takes a third of the time of an HMAC.
    """
    return blake2b(header.encode("utf-8", "surrogatepass"), key=_KEY, digest_size=32).digest()


class Recent(Generic[T]):
    """At most `entries` values by digest; the one used longest ago goes first."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._values: OrderedDict[bytes, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        """The value of a digest, which is now the one used last."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: bytes, value: T) -> None:
        """Keep a value; beyond `entries` the one used longest ago goes."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._entries:
                self._values.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Forget a value, if there is one."""
        with self._lock:
            self._values.pop(key, None)

    def __len__(self) -> int:
        return len(self._values)


class SingleFlight(Generic[T]):
    """Concurrent calls with one key run the work once; all get its value, or its exception."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[bytes, Future[T]] = {}

    def run(self, key: bytes, work: Callable[[], T], *, wait_seconds: float) -> T:
        """The value of `work`, run by this thread or by the one that is at it.

        Raises: TimeoutError when another thread is not done after `wait_seconds`; whatever `work` raises.
        """
        with self._lock:
            running = self._running.get(key)
            if running is None:
                own = self._running[key] = Future[T]()
        if running is not None:
            return running.result(wait_seconds)
        try:
            own.set_result(work())
        except BaseException as error:
            own.set_exception(error)
        finally:
            with self._lock:
                del self._running[key]
        return own.result()
