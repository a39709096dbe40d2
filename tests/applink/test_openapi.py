"""The contract: valid, always the same, within what Salesforce takes, named as Apex of the vendor's style needs."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from openapi_spec_validator import validate

import cli
from applink import openapi, openapi_lint, openapi_page
from applink.openapi import AUDIENCES, Audience, Publishing
from applink.operation import ERRORS
from applink.operations import OPERATIONS
from applink.schema import members

PROJECT = Path(__file__).resolve().parents[2]
FILES = {"apex": "api-spec.yaml", "agent": "api-spec-agent.yaml"}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_contract_is_reviewed_as_a_file(audience: Audience, golden: Callable[[str, str], None]) -> None:
    golden(FILES[audience], openapi.text(audience))


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_contract_is_valid_and_can_be_published(audience: Audience) -> None:
    document = openapi.document(audience)
    validate(document)
    assert yaml.safe_load(openapi.text(audience)) == document
    assert openapi_lint.findings(document, text=openapi.text(audience)) == []


def test_the_command_prints_it_with_the_names_of_publishing() -> None:
    plain = CliRunner().invoke(cli.main, ["openapi", "applink"])
    assert plain.exit_code == 0 and plain.output == openapi.text("apex")
    named = CliRunner().invoke(
        cli.main, ["openapi", "applink", "--for", "agent", "--client-app", "QuoteApp", "--permission-set", "QuotePerms"]
    )
    publishing = Publishing(client_app="QuoteApp", permission_set="QuotePerms")
    assert named.output == openapi.text("agent", publishing)
    for methods in yaml.safe_load(named.output)["paths"].values():
        said = methods["post"]["x-sfdc"]["heroku"]["authorization"]
        assert said == {"externalClientApp": "QuoteApp", "permissionSet": "QuotePerms"}


def test_every_operation_is_a_post_with_a_body_and_the_same_errors() -> None:
    paths = openapi.document()["paths"]
    assert list(paths) == [f"/applink/{one.name}" for one in OPERATIONS]
    for operation in OPERATIONS:
        methods = paths[f"/applink/{operation.name}"]
        assert list(methods) == ["post"]
        answers = methods["post"]["responses"]
        assert list(answers) == [str(operation.status), *map(str, ERRORS)]
        for status in ERRORS:
            schema = answers[str(status)]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
    assert list(ERRORS) == [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 504]


APEX = {
    "request.body": "CreateQuoteRequest.opportunityId",
    "Code200": "QuoteResult.quoteId",
    "createQuotes request.body": "CreateQuotesRequest.opportunityIds",
    "Code201": "StartedJob.jobId",
    **{f"callback.response.body.{name}": f"Job.{name}" for name in ("jobId", "opportunityIds", "quoteIds", "status",
                                                                    "errors")},
    **{f"e.Code409.{name}": f"Problem.{name}" for name in ("code", "message", "requestId")},
}  # fmt: skip
"""What Apex in the vendor's published style reads and writes -> the schema that it becomes."""


@pytest.mark.parametrize("used", APEX)
def test_apex_in_the_vendors_style_fits(used: str) -> None:
    name, _, member = APEX[used].partition(".")
    assert member in openapi.document()["components"]["schemas"][name]["properties"]


def test_apex_is_called_back_where_salesforce_puts_the_address() -> None:
    document = openapi.document()
    operation = document["paths"]["/applink/createQuotes"]["post"]
    assert "201" in operation["responses"]
    (name, urls) = next(iter(operation["callbacks"].items()))
    assert (name, list(urls)) == ("createQuotesResponse", ["{$request.body#/callbackUrl}"])
    body = urls["{$request.body#/callbackUrl}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Job"}
    request = document["components"]["schemas"]["CreateQuotesRequest"]
    assert "callbackUrl" in request["properties"] and request["required"] == ["opportunityIds"]
    others = [one for path, one in document["paths"].items() if path != "/applink/createQuotes"]
    assert not any("callbacks" in one["post"] for one in others)


def test_an_agent_gets_schemas_in_place_and_words() -> None:
    text = openapi.text("agent")
    document = openapi.document("agent")
    assert "$ref" not in text and "callback" not in text and "components" not in document
    topic = document["x-sfdc"]["agent"]["topic"]
    assert topic["name"] and topic["instructions"] and topic["scope"] and topic["classificationDescription"]
    offered = [methods["post"] for methods in document["paths"].values()]
    assert [one["operationId"] for one in offered] == [one.name for one in OPERATIONS if one.agent]
    for one in offered:
        assert one["x-sfdc"]["agent"]["action"] == {"publishAsAgentAction": True}
        schema = one["requestBody"]["content"]["application/json"]["schema"]
        assert schema["x-sfdc"]["agent"]["action"] == {"isUserInput": True, "isDisplayable": True}
        assert all(inner["description"] for inner in schema["properties"].values())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_member_is_described_and_has_an_example_that_fits(operation: Any) -> None:
    for message in (operation.request, operation.response):
        assert message.__doc__
        for one in members(message):
            assert one.doc.endswith(".")
            if message is operation.request and one.example is not None:
                one.kind.read(one.example, one.name) if not isinstance(one.example, float) else None


SPOILED: dict[str, Callable[[dict[str, Any]], None]] = {
    "a GET has no body": lambda one: one["paths"]["/applink/getJob"].update(
        get=one["paths"]["/applink/getJob"]["post"]
    ),
    "is cut at 1333": lambda one: one["paths"]["/applink/getJob"]["post"].update(description="x" * 1334),
    "answers 201": lambda one: one["paths"]["/applink/createQuotes"]["post"]["responses"].pop("201"),
    "must be optional": lambda one: one["components"]["schemas"]["CreateQuotesRequest"]["required"].append(
        "callbackUrl"
    ),
    "is no name for Apex": lambda one: one["paths"]["/applink/getJob"]["post"].update(operationId="get-job"),
    "stands there twice": lambda one: one["components"]["schemas"].update(JOB={"type": "object"}),
    "the version of OpenAPI": lambda one: one.update(openapi="3.1.0"),
    "format uuid": lambda one: one["components"]["schemas"]["Job"]["properties"]["jobId"].update(format="uuid"),
    "lists of lists": lambda one: one["components"]["schemas"]["Job"]["properties"]["errors"].update(
        items={"type": "array", "items": {}}
    ),
    "is not one of the request": lambda one: one["paths"]["/applink/createQuotes"]["post"]["callbacks"].update(
        createQuotesResponse={"https://elsewhere.example": {"post": {}}}
    ),
    "no description": lambda one: one["paths"]["/applink/getJob"]["post"].pop("description"),
}


@pytest.mark.parametrize("said", SPOILED)
def test_what_salesforce_would_refuse_is_found(said: str) -> None:
    document = copy.deepcopy(openapi.document())
    SPOILED[said](document)
    assert any(said in finding for finding in openapi_lint.findings(document)), openapi_lint.findings(document)


def test_what_an_agent_may_not_have_is_found() -> None:
    document = openapi.document("agent")
    document["paths"]["/applink/getJob"]["post"]["callbacks"] = {}
    document["paths"]["/applink/createQuote"]["post"]["deprecated"] = True
    del document["paths"]["/applink/cancelJob"]["post"]["x-sfdc"]
    said = " ".join(openapi_lint.findings(document))
    assert "callbacks is not allowed" in said and "deprecated is not allowed" in said and "is no agent action" in said


def test_the_page_names_every_operation_and_loads_nothing() -> None:
    page = openapi_page.page(openapi.document())
    for operation in OPERATIONS:
        assert f'id="{operation.name}"' in page
    assert "HerokuAppLink.QuoteService.createQuote_Request" in page and "<script" not in page
    assert set(re.findall(r'(?:src|href)="([^#"]+)', page)) == {"/openapi/applink.yaml"}


def apex_classes() -> Iterator[tuple[str, str]]:
    """Names of contract classes in the Apex that is deployed, with the file."""
    for file in sorted((PROJECT / "salesforce").rglob("*.cls")):
        for name in re.findall(r"HerokuAppLink\.QuoteService_(\w+)", file.read_text(encoding="utf-8")):
            yield file.name, name


def test_the_apex_of_the_project_uses_schemas_that_there_are() -> None:
    schemas = set(openapi.document()["components"]["schemas"])
    assert {(file, name) for file, name in apex_classes() if name not in schemas} == set()
