"""The domain: tables in schema `gateway`, and the Exposure that the OData service shows of them.

A new entity set is one file here, its table and its ExposedSet together, and one name in `SETS`.
"""

from __future__ import annotations

from typing import Final

from models import change_log, credential, intent, org_pause
from models.base import SCHEMA, metadata
from models.discount_rule import DISCOUNT_RULES
from models.job import JOBS
from models.job_item import JOB_ITEMS
from models.quote import QUOTES
from models.quote_event import QUOTE_EVENTS
from models.quote_line import QUOTE_LINES
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


__all__ = ["SCHEMA", "SETS", "change_log", "credential", "exposure", "intent", "metadata", "org_pause"]
