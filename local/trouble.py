"""One clear line when something is missing, and lines that say what is going on."""

from __future__ import annotations

import sys


class Trouble(Exception):
    """What is wrong and the way out, in one line; commands print it to stderr and exit with 1."""


def say(text: str) -> None:
    """Tell what is being done, at once."""
    print(f"gateway: {text}", file=sys.stderr, flush=True)
