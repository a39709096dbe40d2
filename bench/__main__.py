"""python -m bench [run|plans|workers|operations]: `run` measures w1 to w10 beside floor, ORM stack and PostgREST.

`operations` measures jobs, createQuote, and reads beside a job, over the simulated org (100,000 quotes are enough).

--quotes N     size of the seed (1,000,000)      --only w1,w7     some workloads
--quick        short samples                      --rounds N       how often the stacks take turns
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from subprocess import run

from local.trouble import Trouble

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def main() -> int:
    """The command line; 1 when a must does not hold, 2 when something is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("run", "plans", "workers", "operations"), default="run")
    parser.add_argument("--quotes", type=int, help="1,000,000; for operations 100,000")
    parser.add_argument("--only", default="", help="workloads, such as w1,w7s")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    names = tuple(name for name in given.only.split(",") if name)
    try:
        if given.what == "operations":
            from bench import operations

            return operations.report(given.quotes or 100_000, only=names, rounds=rounds)
        given.quotes = given.quotes or 1_000_000
        if given.what == "plans":
            from bench import plans

            return plans.report(given.quotes)
        _ensure_requirements()
        if given.what == "workers":
            from bench import workers

            return workers.report(given.quotes)
        from bench import measure

        return measure.report(given.quotes, only=names, seconds=1 if given.quick else 2, rounds=rounds)
    except Trouble as trouble:
        print(f"bench: {trouble}", file=sys.stderr)
        return 2


def _ensure_requirements() -> None:
    if find_spec("odata_query") is None:
        run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
            check=True,
        )


if __name__ == "__main__":
    sys.exit(main())
