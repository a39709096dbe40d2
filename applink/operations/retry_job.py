"""retryJob: the failed opportunities of a finished job once more, the others not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from applink import jobs
from applink.context import Caller
from applink.operation import Call, Desk, Operation
from applink.operations.messages import Job, job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJobRequest:
    """Which job to try again."""

    job_id: str = job_id()


def run(desk: Desk, caller: Caller, request: RetryJobRequest, call: Call) -> Mapping[str, Any]:
    """Queue what failed again. Raises: JobNotFound, JobNotFinished."""
    with desk.engine.begin() as connection:
        return jobs.retry(connection, caller.org_id, request.job_id).answer()


RETRY_JOB = Operation(
    name="retryJob",
    summary="Try what failed in a job again",
    description="Works on the failed opportunities of a finished job once more, and leaves those with a quote alone.",
    request=RetryJobRequest,
    response=Job,
    run=run,
    said="The job, at work again if anything had failed.",
)
