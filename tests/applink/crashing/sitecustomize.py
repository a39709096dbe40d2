"""Found by PYTHONPATH at the start of a process: lets it be killed where the file CRASH_AT says (crash_points.py)."""

import os

from tests.applink import crash_points

if "CRASH_AT" in os.environ:
    crash_points.arm(os.environ["CRASH_AT"])
