"""Which worker class of gunicorn serves best: small reads mixed, few and many connections, classes by turns."""

from __future__ import annotations

import contextlib
import random
from importlib.util import find_spec

import psycopg

from bench import stacks, workloads
from bench.database import seeded
from bench.load import wrk

CLASSES = {
    "gthread": ("-k", "gunicorn_worker.ODataThreadWorker"),
    "sync": ("-k", "sync", "--threads", "1"),
    "gevent": ("-k", "gevent", "--threads", "1"),
}
CONNECTIONS = (8, 32, 64)
MIX = ("w1", "w2", "w3")
ROUNDS = 3
GATEWAY = frozenset({"gateway"})


def report(quotes: int) -> int:
    """A Markdown table of requests a second, p50 and p99, errors and memory of a worker."""
    chosen = {name: words for name, words in CLASSES.items() if name != "gevent" or find_spec("gevent")}
    with seeded(quotes) as url, contextlib.ExitStack() as running:
        with psycopg.connect(url, autocommit=True) as connection:
            made = workloads.make(connection, MIX)
        paths = [path for workload in made for path in workload.paths["gateway"][:300]]
        random.Random(1).shuffle(paths)
        started = {
            name: running.enter_context(stacks.running(url, gateway_words=words, only=GATEWAY))["gateway"]
            for name, words in chosen.items()
        }
        print("| connections | class | requests/s | p50 ms | p99 ms | errors | largest worker |")
        print("|---:|---|---:|---:|---:|---:|---:|")
        for connections in CONNECTIONS:
            for _ in range(ROUNDS):
                for name, stack in started.items():
                    result = wrk(stack, paths, connections=connections, seconds=2)
                    print(
                        f"| {connections} | {name} | {result.per_second:,.0f} | {result.p50_ms:.1f} "
                        f"| {result.p99_ms:.1f} | {result.errors} | {stack.worker_bytes() / 1e6:.0f} MB |"
                    )
    return 0
