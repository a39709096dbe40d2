"""The domain: tables in schema `gateway`, and the Exposure that the OData service shows of them.

A new entity set is one file here, its table and its ExposedSet together, and one name in `SETS`.
"""

from __future__ import annotations

from typing import Final

from models.base import SCHEMA, metadata
from models.change_log import change_log
from models.credential import credential
from models.discount_rule import DISCOUNT_RULES, discount_rule
from models.intent import intent
from models.job import JOBS, job
from models.job_item import JOB_ITEMS, job_item
from models.quote import QUOTES, quote
from models.quote_event import QUOTE_EVENTS, quote_event
from models.quote_line import QUOTE_LINES, quote_line
from models.quote_total import QUOTE_TOTALS
from odata.exposure import ExposedSet, Exposure

SETS: Final[tuple[ExposedSet, ...]] = (
    QUOTES, QUOTE_LINES, JOBS, JOB_ITEMS, QUOTE_EVENTS, QUOTE_TOTALS, DISCOUNT_RULES,
)  # fmt: skip


def exposure() -> Exposure:
    """What the gateway shows: seven sets of namespace Gateway, every one limited to the caller's org."""
    return Exposure(
        sets=SETS,
        namespace="Gateway",
        container="Container",
        description="Quotes and background jobs, read where they are kept.",
    )


__all__ = [
    "SCHEMA", "SETS", "change_log", "credential", "discount_rule", "exposure", "intent", "job", "job_item", "metadata",
    "quote", "quote_event", "quote_line",
]  # fmt: skip
