"""Bandit finds nothing of medium severity that is not explained here; every pinned package has the known fixes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
AUDITED = (
    "odata",
    "models",
    "applink",
    "app.py",
    "cli.py",
    "settings.py",
    "setting_kinds.py",
    "gunicorn.conf.py",
    "gunicorn_worker.py",
)
EXPLAINED = {
    (
        "applink/soql.py",
        "B608",
    ): "SOQL has no bind parameters: names are matched, values written as literals, in this file alone",
    ("gunicorn.conf.py", "B108"): "/dev/shm is gunicorn's own heartbeat file, opened with mkstemp",
    ("settings.py", "B104"): "0.0.0.0 on a Heroku dyno, where the router comes from outside; 127.0.0.1 elsewhere",
}
LEAST = {
    "gunicorn": (23, 0, 0), "werkzeug": (3, 1, 6), "flask": (3, 1, 3), "pyjwt": (2, 13, 0), "lxml": (6, 1, 0),
    "sqlalchemy": (2, 0, 0),
    "psycopg": (3, 2, 0), "jinja2": (3, 1, 6), "cryptography": (44, 0, 1),
}  # fmt: skip
"""The first versions without the flaws of the advisories that concern this service."""


def test_bandit_finds_nothing_unexplained() -> None:
    command = [sys.executable, "-m", "bandit", "-ll", "-q", "-f", "json", "-r", *AUDITED]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    results = json.loads(found.stdout)["results"]
    unexplained = [
        f"{one['filename']}:{one['line_number']} {one['test_id']} {one['issue_text']}"
        for one in results
        if (one["filename"].removeprefix("./"), one["test_id"]) not in EXPLAINED
    ]
    assert not unexplained, "\n".join(unexplained)


@pytest.mark.parametrize("package", LEAST)
def test_a_pinned_version_has_the_fixes(package: str) -> None:
    for line in (PROJECT / "requirements.txt").read_text().splitlines():
        found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([0-9.]+).*", line.strip())
        if found and found[1].lower() == package:
            assert tuple(int(part) for part in found[2].split(".")) >= LEAST[package], line
            return
    raise AssertionError(f"requirements.txt pins no {package}")
