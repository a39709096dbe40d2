"""docs/apex.md shows the Apex of salesforce/apex, and that uses what the published contract has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
CODE = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((PROJECT / "salesforce" / "apex").rglob("*"))
    if path.suffix in (".cls", ".trigger")
}
PAGE = (PROJECT / "docs" / "apex.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```apex\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
CONTRACT = PROJECT / "tests" / "golden" / "api-spec.yaml"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0][:50])
def test_a_snippet_is_what_is_deployed(block: str) -> None:
    assert any(block in text for text in CODE.values())


def test_there_are_snippets() -> None:
    assert len(BLOCKS) >= 5


def test_what_the_page_calls_is_there() -> None:
    for name in re.findall(r"QuoteGateway\.(\w+)\(", PAGE):
        assert re.search(rf"public static \S+ {name}\(", CODE["QuoteGateway.cls"]), name


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return loaded


def operations(contract: dict[str, Any]) -> dict[str, Any]:
    return {one["post"]["operationId"]: one["post"] for one in contract["paths"].values()}


def test_every_operation_of_the_contract_is_called(contract: dict[str, Any]) -> None:
    called = set(re.findall(r"QuoteService\.(\w+)_Request\b", CODE["QuoteGateway.cls"]))
    assert called == set(operations(contract))


def test_every_class_is_a_schema_of_the_contract(contract: dict[str, Any]) -> None:
    schemas = set(contract["components"]["schemas"])
    used = {name for text in CODE.values() for name in re.findall(r"HerokuAppLink\.QuoteService_(\w+)", text)}
    assert used <= schemas


def test_answers_have_the_status_that_the_code_reads(contract: dict[str, Any]) -> None:
    said = operations(contract)
    for name, status in re.findall(r"\.(\w+)\(\s*request.*?\)\s*\.Code(\d+)", CODE["QuoteGateway.cls"]):
        assert status in said[name]["responses"], (name, status)


def test_refusals_are_declared_by_every_operation(contract: dict[str, Any]) -> None:
    used = set(re.findall(r"\be\.Code(\d+)", CODE["QuoteGateway.cls"]))
    for name, one in operations(contract).items():
        assert used <= set(one["responses"]), name


def test_members_are_those_of_the_schemas(contract: dict[str, Any]) -> None:
    schemas = contract["components"]["schemas"]
    for request, body in re.findall(
        r"new HerokuAppLink\.QuoteService_(\w+)\(\);\n(.*?)HerokuAppLink", CODE["QuoteGateway.cls"], re.DOTALL
    ):
        assert set(re.findall(r"body\.(\w+) =", body)) <= set(schemas[request]["properties"]), request
    assert set(re.findall(r"\bjob\.(\w+)", CODE["QuotesCallback.cls"])) <= set(schemas["Job"]["properties"])
    assert set(re.findall(r"\bproblem\.(\w+)", CODE["QuoteGateway.cls"])) <= set(schemas["Problem"]["properties"])


def test_the_callback_is_the_one_of_the_contract(contract: dict[str, Any]) -> None:
    (name,) = operations(contract)["createQuotes"]["callbacks"]
    assert f"override void {name}(" in CODE["QuotesCallback.cls"]
    assert f"createQuotes_{name}_Callback" in CODE["QuotesCallback.cls"]
