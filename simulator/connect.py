"""Salesforce Connect as the simulated org has it: the queries of its OData 4.0 adapter, each kept with its time.

In: what a page or SOQL asks of an external object. Out: rows. Sent over HTTP to the gateway, with the adapter's own
options ($top, $filter, $orderby, $count, $select and no other, in this order), its look-ahead of one row, its headers
and its way to write a URL: everything percent-encoded. Guids are text to Salesforce, so they are asked for in quotes.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

from simulator.exchange import send

HEADERS: Final = {"OData-Version": "4.0", "OData-MaxVersion": "4.0", "Accept": "application/json"}
RELATED_ROWS: Final = 5
"""Rows of a related list; one more is asked for."""
NO_LIMIT: Final = 2001
"""$top of SOQL without LIMIT."""
MOST_KEPT: Final = 400


class NoAnswer(Exception):
    """The gateway is away, or refuses: one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer's rows, at most as many as wanted; total: how many there are altogether."""

    rows: tuple[dict[str, Any], ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request to the gateway. what: what it was for; url: for a person; wire: as sent; status: 0 without an answer.

    by: "Connect" for OData, "Apex" for an operation, "callback" for what came back.
    """

    number: int
    at: str
    by: str
    what: str
    method: str
    url: str
    wire: str
    status: int
    ms: float
    rows: int | None = None
    note: str = ""


@dataclass(slots=True)
class Trace:
    """The latest requests, oldest first; several threads add to it."""

    kept: deque[Sent] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, by: str, what: str, method: str, url: str, status: int, ms: float, **more: Any) -> None:
        """Keep one; more: wire, rows, note."""
        at, wire = datetime.now(UTC).isoformat(timespec="milliseconds"), more.pop("wire", url)
        with self._lock:
            self._count += 1
            said = {"method": method, "url": url, "wire": wire, "status": status, "ms": round(ms, 1), **more}
            self.kept.append(Sent(number=self._count, at=at, by=by, what=what, **said))

    @property
    def count(self) -> int:
        """How many there were."""
        return self._count

    def since(self, number: int) -> list[Sent]:
        """Those after this number."""
        with self._lock:
            return [one for one in self.kept if one.number > number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """An external data source. root: the service root with its slash; seconds: longest wait (Salesforce waits 120)."""

    root: str
    trace: Trace
    username: str = "salesforce"
    secret: str = "salesforce"
    seconds: float = 30.0

    def related(self, entity_set: str, lookup: str, parent_id: str, fields: Sequence[str], order: str = "") -> Page:
        """A related list: the rows whose lookup is this record, as many as the page shows. Raises: NoAnswer."""
        condition = f"{lookup} eq {_text(parent_id)}"
        return self._rows(f"Related list {entity_set}", entity_set, condition, fields, RELATED_ROWS, order)

    def records(self, entity_set: str, ids: Sequence[str], fields: Sequence[str]) -> Page:
        """Records by id: a record's page, or the parents of a list of rows. Raises: NoAnswer."""
        condition = " or ".join(f"Id eq {_text(one)}" for one in ids)
        what = f"Record of {entity_set}" if len(ids) == 1 else f"Records of {entity_set}"
        return self._rows(what, entity_set, condition, fields, len(ids))

    def all(self, entity_set: str, lookup: str, parent_id: str, fields: Sequence[str]) -> Page:
        """SOQL without LIMIT: all rows of a parent, up to 2,000. Raises: NoAnswer."""
        condition = f"{lookup} eq {_text(parent_id)}"
        return self._rows(f"SOQL on {entity_set}", entity_set, condition, fields, NO_LIMIT - 1)

    def _rows(
        self, what: str, entity_set: str, condition: str, fields: Sequence[str], most: int, order: str = ""
    ) -> Page:
        options = {
            "$top": str(most + 1),
            "$filter": condition,
            **({"$orderby": order} if order else {}),
            "$count": "true",
            "$select": ",".join(sorted({"Id", *fields})),
        }
        body = self._get(what, entity_set, options)
        return Page(rows=tuple(body["value"][:most]), total=int(body["@odata.count"]))

    def _get(self, what: str, entity_set: str, options: dict[str, str]) -> Any:
        wire = f"{self.root}{entity_set}?" + "&".join(
            f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in options.items()
        )
        login = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        started, status, note, rows = time.perf_counter(), 0, "", None
        try:
            answer = send(wire, "GET", {"Authorization": f"Basic {login}", **HEADERS}, seconds=self.seconds)
            status = answer.status
            body = answer.json()
            if status != 200:
                note = f"{status}: {_message(body)}"
                raise NoAnswer(f"The gateway refuses: {note}")
            rows = len(body["value"])
            return body
        except (OSError, HTTPException) as problem:
            note = str(problem) or type(problem).__name__
            raise NoAnswer(f"The gateway at {self.root} does not answer: {note}") from None
        except (ValueError, KeyError, TypeError):
            note = f"no OData: {answer.body[:80].decode('utf-8', 'replace')}"
            raise NoAnswer(f"The gateway at {self.root} answers {status}, {note}") from None
        finally:
            url = f"{self.root}{entity_set}?" + "&".join(f"{name}={text}" for name, text in options.items())
            ms = (time.perf_counter() - started) * 1000
            self.trace.add(
                by="Connect", what=what, method="GET", url=url, wire=wire, status=status, ms=ms, rows=rows, note=note
            )


def _message(body: Any) -> str:
    return str(body["error"]["message"]) if isinstance(body, dict) and "error" in body else str(body)[:200]


def _text(value: str) -> str:
    """A text literal of OData."""
    return "'" + value.replace("'", "''") + "'"
