"""The demo page: an Opportunity's record page of the simulated org, filled as Lightning would fill it.

In: requests below /lightning/. Out: the page, its style and script, and what the script asks for. The Opportunity is
the org's own (its REST API); the related lists Quotes and Jobs are external objects and come only by what Salesforce
Connect would send to the gateway (connect.py). What takes time runs in threads (story.py); no delay or fault of the
simulator meets the page itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from simulator.caller import Apex
from simulator.calls import Answer, Call
from simulator.connect import Connect, NoAnswer, Trace
from simulator.data import SPECIAL_NUMBERS, record_id
from simulator.org_client import NoOrg, OrgClient
from simulator.story import JOB_FIELDS, USER, Refused, Teller
from simulator.worker_process import NoWorker, WorkerProcess
from simulator.world import FIRST_ORG

PREFIX: Final = "/lightning/"
_ASSETS: Final = Path(__file__).resolve().parent / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_RECORD: Final = re.compile(r"/lightning/r/Opportunity/(006[A-Za-z0-9]{15})/view")
_SAFE: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_OPPORTUNITY: Final = (
    "SELECT Id, Name, StageName, Amount, CloseDate, Account.Name, Owner.Name, Pricebook2.Name FROM Opportunity"
)
_QUOTE_FIELDS: Final = (
    "QuoteNumber", "Name", "Status", "GrandTotal", "CurrencyIsoCode", "ExpirationDate", "CreatedAt",
)  # fmt: skip


def first_page() -> str:
    """Path of the page of an opportunity that a quote can be made of at any time."""
    opportunity = record_id("006", FIRST_ORG[3:5], SPECIAL_NUMBERS["plain"])
    return f"{PREFIX}r/Opportunity/{opportunity}/view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The page of one simulator."""

    org: OrgClient
    connect: Connect
    teller: Teller
    worker: WorkerProcess

    def answer(self, call: Call) -> Answer:
        """The answer to a call below /lightning/, or to "/". Waits for others: not to be called in the event loop."""
        if call.path == "/":
            return Answer(status=302, headers={"Location": first_page()})
        if _RECORD.fullmatch(call.path) and call.method == "GET":
            return _asset("record.html")
        if call.path.startswith(f"{PREFIX}assets/") and call.method == "GET":
            return _asset(call.path.rpartition("/")[2])
        handler = ROUTES.get((call.method, call.path.removeprefix(PREFIX)))
        if handler is None:
            return Answer(status=404, body="<h1>There is no such page</h1>", type=_TYPES[".html"])
        if not _is_ours(call):
            return _problem(403, "Only this page may ask for that")
        return self._handled(handler, call)

    def _handled(self, handler: Handler, call: Call) -> Answer:
        try:
            wanted: Mapping[str, str] = call.json() or {} if call.method == "POST" else call.query
            return Answer(body=handler(self, wanted), headers=_SAFE)
        except Refused as refused:
            return _problem(refused.status if refused.status >= 400 else 502, str(refused))
        except NoAnswer as problem:
            return _problem(502, str(problem))
        except (NoWorker, NoOrg) as problem:
            return _problem(409, str(problem))
        except LookupError as problem:
            return _problem(404, f"There is no {problem.args[0]}")

    def opportunity(self, wanted: Mapping[str, str]) -> Any:
        """The record itself, as the signed-in user sees it in the org."""
        caller = self.org.sign_in(USER)
        found = self.org.query(caller, f"{_OPPORTUNITY} WHERE Id = '{_id(wanted)}'")
        if not found:
            raise LookupError(f"opportunity {_id(wanted)} that {USER} may see")
        return {"user": USER, "record": found[0]}

    def quotes(self, wanted: Mapping[str, str]) -> Any:
        """Related list Quotes."""
        found = self.connect.related("Quotes", "OpportunityId", _id(wanted), _QUOTE_FIELDS)
        return asdict(found)

    def jobs(self, wanted: Mapping[str, str]) -> Any:
        """Related list Jobs: the items of this opportunity, then the jobs they belong to by their external lookup."""
        items = self.connect.related(
            "JobItems", "OpportunityId", _id(wanted), ("JobId", "Status", "Attempts"), order="CreatedAt desc"
        )
        ids = list(dict.fromkeys(item["JobId"] for item in items.rows))
        jobs = {job["Id"]: job for job in self.connect.records("Jobs", ids, JOB_FIELDS).rows} if ids else {}
        return {"rows": [jobs[one] for one in ids if one in jobs], "total": items.total}

    def state(self, wanted: Mapping[str, str]) -> Any:
        """Story, worker, how many requests there were, and those after number `since`."""
        since = wanted.get("since", "0")
        worker = self.worker.state()
        return {
            "story": asdict(self.teller.story) | {"busy": self.teller.story.busy},
            "worker": asdict(worker) if worker else None,
            "count": self.connect.trace.count,
            "requests": [asdict(one) for one in self.connect.trace.since(int(since) if since.isdecimal() else 0)],
        }

    def create_quote(self, wanted: Mapping[str, str]) -> Any:
        """createQuote through the mesh."""
        return self.teller.create_quote(_id(wanted))

    def create_quotes(self, wanted: Mapping[str, str]) -> Any:
        """createQuotes for 200, in the background."""
        self.teller.begin(_id(wanted))
        return {}

    def kill_worker(self, wanted: Mapping[str, str]) -> Any:
        """kill -9 of the worker."""
        pid = self.worker.kill()
        self.teller.killed()
        return {"pid": pid}


Handler = Callable[[Demo, Mapping[str, str]], Any]
ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "demo/opportunity"): Demo.opportunity,
    ("GET", "demo/quotes"): Demo.quotes,
    ("GET", "demo/jobs"): Demo.jobs,
    ("GET", "demo/state"): Demo.state,
    ("POST", "demo/create-quote"): Demo.create_quote,
    ("POST", "demo/create-quotes"): Demo.create_quotes,
    ("POST", "demo/kill-worker"): Demo.kill_worker,
}


def made(*, port: int, gateway: str, mesh_port: int, worker_file: Path | None) -> Demo:
    """The page of the simulator on this port, in front of a gateway (no slash at the end) and its mesh."""
    org = OrgClient(f"http://127.0.0.1:{port}")
    apex = Apex(org=org, gateway=gateway, mesh=f"http://127.0.0.1:{mesh_port}", seconds=60)
    connect = Connect(root=f"{gateway}/odata/v4/", trace=Trace())
    return Demo(org=org, connect=connect, teller=Teller(apex, connect), worker=WorkerProcess(worker_file))


def is_for_demo(call: Call) -> bool:
    """Whether a call asks for the page or one of its parts."""
    return call.path == "/" or call.path.startswith(PREFIX)


def _id(wanted: Mapping[str, str]) -> str:
    """The opportunity that is asked about. Raises: LookupError."""
    text = str(wanted.get("opportunityId", ""))
    if re.fullmatch(r"006[A-Za-z0-9]{15}", text) is None:
        raise LookupError(f"opportunity {text[:40]!r}")
    return text


def _is_ours(call: Call) -> bool:
    """A browser sends other sites' pages here too: they may neither read nor press a button."""
    if urlsplit(f"//{call.headers.get('Host', '')}").hostname not in _HOSTS:
        return False
    if call.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    return call.method == "GET" or call.headers.get("Content-Type", "").startswith("application/json")


def _asset(name: str) -> Answer:
    file = _ASSETS / name
    if file.parent != _ASSETS or file.suffix not in _TYPES or not file.is_file():
        return Answer(status=404, body="There is no such file", type="text/plain")
    return Answer(body=file.read_text(encoding="utf-8"), type=_TYPES[file.suffix], headers=_SAFE)


def _problem(status: int, message: str) -> Answer:
    return Answer(status=status, body={"message": message}, headers=_SAFE)
