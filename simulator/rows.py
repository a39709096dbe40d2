"""The gateway's OData sets as a person would ask them: a job's progress, the quotes of a job, one quote.

In: the service root and a credential. Out: values. What it sends is what docs show with curl.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

from simulator.exchange import send

FINISHED: Final = frozenset({"completed", "completed_with_errors", "failed", "cancelled"})


class NoRows(Exception):
    """The OData service does not answer as it should: one line naming URL and status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job as the set Jobs shows it. percent: 0 to 100."""

    status: str
    percent: float

    @property
    def finished(self) -> bool:
        """Whether the status is a last one."""
        return self.status in FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRow:
    """A row of Quotes: its own id, the id in the org, the opportunity."""

    id: str
    salesforce_id: str
    opportunity_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The OData service. root: ends with a slash; seconds: longest wait for one answer."""

    root: str
    username: str = "demo"
    secret: str = "demo"
    seconds: float = 30.0

    def progress(self, job_id: str) -> Progress:
        """How far a job is. Raises: NoRows, also for a job that is not there."""
        found = self._get(f"Jobs({job_id})?$select=Status,Progress")
        return Progress(status=found["Status"], percent=float(found["Progress"]))

    def quotes_of_job(self, job_id: str) -> tuple[QuoteRow, ...]:
        """All quotes that a job has made, over as many pages as there are. Raises: NoRows."""
        return self._quotes(f"JobId eq {job_id}")

    def quotes(self, salesforce_id: str) -> tuple[QuoteRow, ...]:
        """The rows of one quote of the org: one, if all is well. Raises: NoRows."""
        return self._quotes(f"SalesforceId eq '{salesforce_id}'")

    def _quotes(self, condition: str) -> tuple[QuoteRow, ...]:
        found: list[dict[str, Any]] = []
        url = f"Quotes?$select=Id,SalesforceId,OpportunityId&$filter={quote(condition)}"
        while url:
            page = self._get(url)
            found += page["value"]
            url = page.get("@odata.nextLink", "")
        return tuple(
            QuoteRow(id=row["Id"], salesforce_id=row["SalesforceId"] or "", opportunity_id=row["OpportunityId"] or "")
            for row in found
        )

    def _get(self, url: str) -> Any:
        whole = url if url.startswith("http") else f"{self.root}{url}"
        login = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Accept": "application/json", "OData-MaxVersion": "4.0"}
        try:
            answer = send(whole, "GET", headers, seconds=self.seconds)
            if answer.status != 200:
                raise NoRows(f"{answer.status} from {whole}: {answer.body[:200].decode('utf-8', 'replace')}")
            return answer.json()
        except (OSError, HTTPException, ValueError) as problem:
            raise NoRows(f"no rows from {whole}: {problem}") from None
