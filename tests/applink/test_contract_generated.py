"""schemathesis on the contract: requests made from it, right and wrong; every answer is one that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from applink import openapi
from applink.operations import OPERATIONS
from tests.applink.conftest import Served
from tests.applink.serving import Place

if TYPE_CHECKING:
    from schemathesis.specs.openapi.schemas import OpenApiCase

CHECKS = [
    checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance,
    checks.not_a_server_error,
]  # fmt: skip
RIGHT_IDS = ("opportunityId", "opportunityIds")


@pytest.fixture(scope="module")
def place(served: Served) -> Iterator[Place]:
    with served("generated") as made:
        yield made


def asked(
    place: Place, name: str, strategy: st.SearchStrategy[OpenApiCase], examples: int, real: tuple[str, ...] = ()
) -> None:
    """So many requests to one operation. real: opportunities put in place of made-up ones, where there are any."""
    headers: Mapping[str, str] = place.apex.prepare(name, {}, through="direct").headers

    @seed(20260105)
    @hypothesis_settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def one(case: OpenApiCase) -> None:
        case.body = _with_real(case.body, real)
        response = case.call(base_url=place.gateway.url, headers=_own(headers))
        case.validate_response(response, checks=CHECKS)

    one()


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower().startswith("x-")}


def _with_real(body: Any, real: tuple[str, ...]) -> Any:
    if not real or not isinstance(body, dict):
        return body
    changed = dict(body)
    if isinstance(body.get("opportunityId"), str):
        changed["opportunityId"] = real[len(body) % len(real)]
    if isinstance(body.get("opportunityIds"), list):
        changed["opportunityIds"] = list(real[: 1 + len(body["opportunityIds"]) % len(real)])
    return changed


def _strategy(name: str, mode: GenerationMode) -> st.SearchStrategy[OpenApiCase]:
    schema = schemathesis.openapi.from_dict(openapi.document())
    return schema[f"/applink/{name}"]["POST"].as_strategy(generation_mode=mode)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("name", [one.name for one in OPERATIONS])
def test_every_answer_is_declared(place: Place, name: str, mode: GenerationMode) -> None:
    """Without an injected fault nothing is a 5xx."""
    asked(place, name, _strategy(name, mode), 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["createQuote", "previewQuote", "createQuotes", "startQuotes"])
def test_every_answer_about_real_opportunities_is_declared(place: Place, name: str) -> None:
    real = (*place.simulator.opportunities(6, user="ann"), *place.simulator.opportunities(3, bad=True))
    asked(place, name, _strategy(name, GenerationMode.POSITIVE), 25, real)
    status = next(one.status for one in OPERATIONS if one.name == name)
    assert status in {line["status"] for line in place.lines() if line["operation"] == name}
