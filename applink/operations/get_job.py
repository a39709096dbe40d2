"""getJob: what has become of a job of the caller's org."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from applink import jobs
from applink.context import Caller
from applink.operation import Call, Desk, Operation
from applink.operations.messages import Job, job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class GetJobRequest:
    """Which job to tell of."""

    job_id: str = job_id()


def run(desk: Desk, caller: Caller, request: GetJobRequest, call: Call) -> Mapping[str, Any]:
    """The job as it is. Raises: JobNotFound."""
    with desk.engine.connect() as connection:
        return jobs.get(connection, caller.org_id, request.job_id).answer()


GET_JOB = Operation(
    name="getJob",
    summary="Tell how far a job is",
    description="What a job has done so far: its status, the quotes it made, what failed and why.",
    request=GetJobRequest,
    response=Job,
    run=run,
    said="The job as it is now.",
)
