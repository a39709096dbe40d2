"""The operations, one file each: request, response, run. Route, contract and validation follow from this list."""

from __future__ import annotations

from typing import Final

from applink.operation import Operation
from applink.operations.cancel_job import CANCEL_JOB
from applink.operations.create_quote import CREATE_QUOTE
from applink.operations.create_quotes import CREATE_QUOTES
from applink.operations.delete_quote import DELETE_QUOTE
from applink.operations.get_job import GET_JOB
from applink.operations.preview_quote import PREVIEW_QUOTE
from applink.operations.retry_job import RETRY_JOB
from applink.operations.start_quotes import START_QUOTES
from applink.operations.update_quote import UPDATE_QUOTE

OPERATIONS: Final[tuple[Operation, ...]] = (
    CREATE_QUOTE,
    PREVIEW_QUOTE,
    CREATE_QUOTES,
    START_QUOTES,
    GET_JOB,
    CANCEL_JOB,
    RETRY_JOB,
    UPDATE_QUOTE,
    DELETE_QUOTE,
)
