"""`python -m local run | demo | db | seed N | stop | test-postgres`: what the Makefile's targets call."""

from __future__ import annotations

import sys
from collections.abc import Callable

from local import run, supervisor, tools
from local.trouble import Trouble, say

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": run.main,
    "demo": run.demo,
    "supervise": supervisor.main,
    "db": tools.database_shell,
    "seed": tools.seed,
    "stop": tools.stop,
    "test-postgres": tools.test_postgres,
}


def main(arguments: list[str]) -> int:
    """Run one command; its exit code. A Trouble is one line and code 1."""
    if not arguments or arguments[0] not in COMMANDS:
        say(f"one of {', '.join(COMMANDS)}")
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
