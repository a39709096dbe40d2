"""cancelJob: no further opportunity of a job begins; what it has made stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from applink import jobs
from applink.context import Caller
from applink.operation import Call, Desk, Operation
from applink.operations.messages import Job, job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJobRequest:
    """Which job to stop."""

    job_id: str = job_id()


def run(desk: Desk, caller: Caller, request: CancelJobRequest, call: Call) -> Mapping[str, Any]:
    """Let nothing further begin. Raises: JobNotFound, JobFinished."""
    with desk.engine.begin() as connection:
        return jobs.cancel(connection, caller.org_id, request.job_id).answer()


CANCEL_JOB = Operation(
    name="cancelJob",
    summary="Stop a job",
    description=(
        "Begins nothing further of a job. Quotes it has made stay; what is under way ends first, so the status may "
        "be running for a moment more."
    ),
    request=CancelJobRequest,
    response=Job,
    run=run,
    said="The job: cancelled, or about to be.",
)
