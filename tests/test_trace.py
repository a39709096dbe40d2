"""The milliseconds of each stage of a request."""

from __future__ import annotations

import pytest

from odata.pipeline import Trace


def test_a_stage_met_twice_adds_up_and_ends_with_an_error_too() -> None:
    trace = Trace()
    trace.stages["bind"] = 5.0
    with pytest.raises(ValueError), trace.stage("bind"):
        raise ValueError
    assert trace.stages["bind"] > 5.0
