"""Records of Python's logging as JSON lines: members from words, what is worked on, no line broken in two."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from odata.protocol.log_records import METRICS, JsonLines, members


def line(message: str, *given: object, name: str = "gateway.worker", about: Mapping[str, object] | None = None) -> str:
    record = logging.LogRecord(name, logging.WARNING, "file", 1, message, given, None)
    record.created = datetime(2026, 1, 5, 10, 0, 0, 250_000, UTC).timestamp()
    return JsonLines(lambda: about or {}).format(record)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("worker=vm:7:a1 started=yes concurrency=8", {"worker": "vm:7:a1", "started": True, "concurrency": 8}),
        ("after_seconds=1.5 left=0 told=no", {"after_seconds": 1.5, "left": 0, "told": False}),
        ("state=57014 code=500 failures=2", {"state": "57014", "code": "500", "failures": 2}),
        ("org=00DbZ0000000001UAA number=007", {"org": "00DbZ0000000001UAA", "number": "007"}),
        ("reason= org=x", {"reason": "", "org": "x"}),
        ("item=1 was made", {"logger": "x", "message": "item=1 was made"}),
        ("a sentence", {"logger": "x", "message": "a sentence"}),
        ("", {"logger": "x", "message": ""}),
    ],
)
def test_words_become_members(message: str, found: dict[str, Any]) -> None:
    assert members("x", message) == found
    assert all(type(value) is type(found[name]) for name, value in members("x", message).items())


def test_a_line_is_one_json_object_with_the_time_first() -> None:
    said = line("item=%s sent=%s", "é", "yes")
    assert said == '{"at": "2026-01-05T10:00:00.250+00:00", "level": "warning", "item": "é", "sent": true}'
    assert "\n" not in line("the org said %s", "two\nlines")


def test_what_is_worked_on_is_told_unless_the_message_does() -> None:
    about = {"job": "j-1", "org": "o-1", "ms": {"total": 2.5}}
    said = json.loads(line("item=7 org=o-2", about=about))
    assert (said["item"], said["job"], said["org"], said["ms"]) == (7, "j-1", "o-2", {"total": 2.5})
    assert json.loads(line("a sentence", about=about))["job"] == "j-1"


def test_metrics_stay_as_they_are() -> None:
    assert line("sample#queue.waiting=3", name=METRICS) == "sample#queue.waiting=3"


def test_a_stack_is_one_member() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "file", 1, "worker=w defect=yes", (), sys.exc_info())
    said = JsonLines().format(record)
    assert "\n" not in said and json.loads(said)["trace"].endswith("ValueError: a\nb")


@pytest.mark.parametrize(("level", "lines"), [("info", 2), ("warning", 1), ("error", 0)])
def test_a_level_holds_for_lines_and_metrics(level: str, lines: int) -> None:
    code = (
        "import logging, sys; from odata.protocol.log_records import log_json; log_json(sys.argv[1]);"
        "logging.getLogger('gateway.metrics').info('sample#x=1'); logging.getLogger('x').warning('y=1')"
    )
    done = subprocess.run([sys.executable, "-c", code, level], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == lines and done.stderr == ""
