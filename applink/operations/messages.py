"""Members that several operations share, each described once, for a person and for an agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from applink.kinds import (
    AMOUNT,
    DATE,
    FLAG,
    PERCENT,
    TEXT,
    WHOLE,
    choice,
    either_id,
    gateway_id,
    many,
    record_id,
    structure,
    text,
)
from applink.schema import member

MOST_OPPORTUNITIES_TOLD: Final = 2000
MOST_OPPORTUNITIES_READ: Final = 10_000
"""What the setting JOB_MOST_OPPORTUNITIES can be set to."""
_OPPORTUNITY: Final = "006bZ0000000001QAA"
_QUOTE: Final = "0Q0bZ0000000001SAA"
_UUID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"


def opportunity_id() -> Any:
    """The opportunity that an operation is about."""
    doc = "The opportunity, by its record id of 15 or 18 characters."
    return member(record_id("006", "an Opportunity"), doc, example=_OPPORTUNITY)


def opportunity_ids() -> Any:
    """The opportunities of a job."""
    doc = "The opportunities, by their record ids; each once, 2,000 at most. If one cannot be used, nothing is started."
    kind = record_id("006", "an Opportunity")
    return member(
        many(kind, least=1, most=MOST_OPPORTUNITIES_READ, told=MOST_OPPORTUNITIES_TOLD), doc, example=[_OPPORTUNITY]
    )


def quote_id() -> Any:
    """A quote that there is."""
    doc = "The quote: its record id in the org, or the id that the gateway gave it."
    return member(either_id("0Q0", "a Quote"), doc, example=_QUOTE)


def job_id() -> Any:
    """A job that there is."""
    return member(gateway_id("a job"), "The job, by the id that starting it answered.", example=_UUID)


def request_key() -> Any:
    """What makes a repeated request the same request."""
    doc = (
        "Any text that names this one wish, such as the id of the record that asks. The same key again gives the first "
        "answer and makes nothing twice. Without it every call counts as a new one."
    )
    return member(text(120), doc, required=False, example="quote-for-006bZ0000000001QAA-1")


def if_draft_exists() -> Any:
    """What to do where the gateway has made a quote already that is still a draft."""
    doc = (
        "What to do if the opportunity already has a draft quote made here: create makes another one (the default), "
        "return answers the draft, revise makes a new revision of it."
    )
    return member(choice("create", "return", "revise"), doc, required=False, example="create")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an operation did not do what it was asked for."""

    code: str = member(TEXT, "A short name that stays the same, such as NoLines.", example="OpportunityNotFound")
    message: str = member(
        TEXT, "What is wrong and what would fit, for a person.", example="There is no such Opportunity."
    )
    request_id: str = member(TEXT, "The id of this request in the logs of both sides.", example="00DbZ0000000001-1f")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteResult:
    """A quote as it is now, in the org and in the gateway."""

    quote_id: str = member(TEXT, "The record id of the quote in the org.", example=_QUOTE)
    gateway_id: str = member(TEXT, "The id of the quote in the gateway's sets.", example=_UUID)
    quote_number: str | None = member(
        TEXT, "The number that the org gave the quote.", required=False, example="00000042"
    )
    opportunity_id: str = member(TEXT, "The opportunity of the quote.", example=_OPPORTUNITY)
    status: str = member(TEXT, "The status of the quote, such as Draft.", example="Draft")
    currency_iso_code: str = member(TEXT, "The currency of all amounts.", example="USD")
    subtotal: Decimal | None = member(AMOUNT, "All lines at their list prices.", required=False, example=1000.0)
    grand_total: Decimal | None = member(AMOUNT, "All lines after their discounts.", required=False, example=900.0)
    expiration_date: date | None = member(DATE, "The last day of the offer.", required=False, example="2026-04-30")
    line_count: int = member(WHOLE, "How many lines the quote has.", example=3)
    pricing_note: str | None = member(
        TEXT, "Which pricing rule applied, in words.", required=False, example="10 % off: the rule of region NAMER"
    )
    created: bool = member(FLAG, "Whether this request made the quote.", example=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An opportunity of a job that got no quote."""

    opportunity_id: str = member(TEXT, "The opportunity.", example=_OPPORTUNITY)
    code: str = member(TEXT, "A short name of what went wrong, such as NoLines.", example="NoLines")
    message: str = member(TEXT, "What went wrong, in words.", example="The opportunity has no lines.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and what has become of it so far."""

    job_id: str = member(TEXT, "The id of the job.", example=_UUID)
    status: str = member(
        choice("queued", "running", "completed", "completed_with_errors", "failed", "cancelled"),
        "queued or running; at the end completed, completed_with_errors, failed or cancelled.",
        example="completed",
    )
    opportunity_ids: tuple[str, ...] = member(many(TEXT), "All opportunities of the job.", example=[_OPPORTUNITY])
    quote_ids: tuple[str, ...] = member(many(TEXT), "The record ids of all quotes made so far.", example=[_QUOTE])
    errors: tuple[str, ...] = member(many(TEXT), "What went wrong, a sentence for each failed opportunity.", example=[])
    failures: tuple[Failure, ...] = member(
        many(structure(Failure)), "The same, opportunity by opportunity.", example=[]
    )
    opportunity_count: int = member(WHOLE, "How many opportunities the job has.", example=1)
    quote_count: int = member(WHOLE, "How many quotes it has made so far.", example=1)
    error_count: int = member(WHOLE, "How many opportunities failed so far.", example=0)
    progress: Decimal = member(PERCENT, "Finished opportunities in percent; 100 only at the end.", example=100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedJob:
    """A job that was accepted: it will be worked off, whatever happens to this process."""

    job_id: str = member(TEXT, "The id of the job, for getJob.", example=_UUID)
    status: str = member(TEXT, "What it is right now, such as queued.", example="queued")
    opportunity_count: int = member(WHOLE, "How many opportunities it has.", example=200)
