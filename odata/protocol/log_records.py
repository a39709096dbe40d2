"""What Python's logging is told, as JSON lines of the same shape as those of requests (report.py); metrics as they are.

A message of words `name=value` becomes members, any other one is `message`. In: log records, and what is being worked
on in their thread. Out: lines on standard output.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from json import JSONEncoder
from typing import Any, Final

METRICS: Final = "gateway.metrics"
"""The logger whose messages are lines of their own, as Heroku's log drains read them."""
_WORDS: Final = re.compile(r"(?:[A-Za-z_]\w*=\S*(?:\s+|$))+")
_WORD: Final = re.compile(r"(\w+)=(\S*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]+)?")
_TEXTS: Final = frozenset({"state", "code", "reason"})
"""Members that may look like a number and are none."""
_FLAGS: Final = {"yes": True, "no": False}

_encode = JSONEncoder(ensure_ascii=False, default=str).encode


class JsonLines(logging.Formatter):
    """One JSON object a record. about(): members of what is being worked on; the record's own come before them."""

    def __init__(self, about: Callable[[], Mapping[str, object]] = dict) -> None:
        super().__init__()
        self._about = about

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.name == METRICS:
            return text
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **members(record.name, text),
        }
        line |= {name: value for name, value in self._about().items() if name not in line}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _encode(line)


def members(logger: str, text: str) -> dict[str, object]:
    """What a message says, as members. Example: members("x", "item=7 sent=yes") == {"item": 7, "sent": True}"""
    if not _WORDS.fullmatch(text):
        return {"logger": logger, "message": text}
    return {name: _value(name, said) for name, said in _WORD.findall(text)}


def log_json(level: str, about: Callable[[], Mapping[str, object]] = dict) -> None:
    """Let everything that is logged from `level` on go to standard output as such lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(about))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def gunicorn_log(level: str) -> dict[str, Any]:
    """The same for a web server: its setting `logconfig_dict`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
        "root": {"level": level.upper(), "handlers": ["out"]},
        "loggers": {"gunicorn.error": {"level": level.upper(), "handlers": [], "propagate": True}},
    }


def _value(name: str, said: str) -> object:
    if name in _TEXTS:
        return said
    if _NUMBER.fullmatch(said):
        return float(said) if "." in said else int(said)
    return _FLAGS.get(said, said)
