"""Whether everybody agrees about what was made: who asked, the org, the gateway's rows, and the callback.

In: what each of them says. Out: lines for a person, and whether all is well. Knows no HTTP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.rows import QuoteRow

InOrg = Mapping[str, str]
"""New quotes of the org: id to opportunity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """summary: the figures; wrong: one line for each disagreement, none when all is well."""

    summary: str
    wrong: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether all agree, and all that was asked was made."""
        return not self.wrong


def of_job(
    asked: Sequence[str], in_org: InOrg, rows: Sequence[QuoteRow], callbacks: Sequence[Mapping[str, Any]]
) -> Verdict:
    """Judge a job that has finished.

    Args:   asked: opportunity ids. callbacks: each body that Apex got; one is right.
    """
    job = callbacks[0] if callbacks else {}
    wrong = [
        *_made("the org", asked, in_org),
        *_made("the rows", asked, {row.salesforce_id or row.id: row.opportunity_id for row in rows}),
        *_differences("the rows", {row.salesforce_id for row in rows}, in_org),
        *_told(job, in_org, len(callbacks)),
    ]
    said = f"{len(callbacks)} callback{'' if len(callbacks) == 1 else 's'}"
    return Verdict(
        summary=f"{len(asked)} asked, {len(in_org)} in the org, {len(rows)} rows, {said}", wrong=tuple(wrong)
    )


def of_quote(asked: str, answer: Mapping[str, Any], in_org: InOrg, rows: Sequence[QuoteRow]) -> Verdict:
    """Judge the answer to createQuote. answer: its members. A quote that was there before counts as well."""
    made = str(answer.get("quoteId", ""))
    new = {made: asked} if answer.get("created") is False else in_org
    wrong = [
        *_made("the org", [asked], new),
        *_differences("the answer", {made}, new),
        *_made("the rows", [asked], {row.id: row.opportunity_id for row in rows}),
    ]
    if rows and answer.get("gatewayId") != rows[0].id:
        wrong.append(f"the answer says gatewayId {answer.get('gatewayId')}, the row is {rows[0].id}")
    return Verdict(summary=f"1 asked, {len(in_org)} new in the org, {len(rows)} rows", wrong=tuple(wrong))


def _made(who: str, asked: Sequence[str], quotes: InOrg) -> list[str]:
    """One quote to each opportunity, neither less nor more."""
    counted = Counter(quotes.values())
    wanted = Counter(asked)
    lines = []
    if missing := [opportunity for opportunity in wanted if not counted[opportunity]]:
        lines.append(f"{who}: no quote for {_some(missing)}")
    if twice := [opportunity for opportunity in wanted if counted[opportunity] > 1]:
        lines.append(f"{who}: more than one quote for {_some(twice)}")
    if unasked := [opportunity for opportunity in counted if opportunity not in wanted]:
        lines.append(f"{who}: quotes that nobody asked for, of {_some(unasked)}")
    return lines


def _differences(who: str, ids: set[str], in_org: InOrg) -> list[str]:
    lines = []
    if missing := sorted(set(in_org) - ids):
        lines.append(f"{who}: without the org's {_some(missing)}")
    if unknown := sorted(ids - set(in_org)):
        lines.append(f"{who}: not in the org {_some(unknown)}")
    return lines


def _told(job: Mapping[str, Any], in_org: InOrg, count: int) -> list[str]:
    if count != 1:
        return [f"the callback came {count} times"]
    failures = [
        f"{one.get('opportunityId')} {one.get('code')}: {one.get('message')}" for one in job.get("failures", ())
    ]
    lines = [f"the callback: {line}" for line in failures]
    if job.get("status") != "completed":
        lines.append(f"the callback: status {job.get('status')}")
    return lines + _differences("the callback", set(job.get("quoteIds", ())), in_org)


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
