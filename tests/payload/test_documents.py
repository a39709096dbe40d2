"""The service document and error objects."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import models
from odata.edm.model import build
from odata.errors import BadRequest, InternalError, MethodNotAllowed, NotFound, ODataError, UnknownProperty
from odata.payload.errors import error_body
from odata.payload.formats import MetadataLevel, Version, json_format
from odata.payload.service_document import service_document

ROOT = "https://gw.example/odata/v4/"


@pytest.mark.parametrize(
    ("version", "metadata", "context"),
    [
        ("4.0", "minimal", "@odata.context"),
        ("4.0", "full", "@odata.context"),
        ("4.0", "none", None),
        ("4.01", "minimal", "@context"),
        ("4.01", "none", None),
    ],
)
def test_service_document(version: Version, metadata: MetadataLevel, context: str | None) -> None:
    model = build(models.exposure())
    document = json.loads(service_document(model, ROOT, json_format(version, metadata)))
    assert list(document) == [*([context] if context else []), "value"]
    if context:
        assert document[context] == "https://gw.example/odata/v4/$metadata"
    assert document["value"] == [{"name": name, "kind": "EntitySet", "url": name} for name in model.sets]


def test_service_document_of_a_restricted_caller() -> None:
    model = build(models.exposure())
    document = json.loads(service_document(model, ROOT, json_format("4.0"), sets=frozenset({"Jobs", "Nope"})))
    assert [entry["name"] for entry in document["value"]] == ["Jobs"]


def test_service_document_golden(golden: Callable[[str, str], None]) -> None:
    golden("service.json", service_document(build(models.exposure()), ROOT, json_format("4.0")).decode() + "\n")


ERRORS = [
    (NotFound("No such thing."), {"code": "NotFound", "message": "No such thing."}),
    (
        UnknownProperty("No property 'Regoin'.", target="$filter"),
        {"code": "UnknownProperty", "message": "No property 'Regoin'.", "target": "$filter"},
    ),
    (
        BadRequest("Two.", details=(("A", "first"), ("B", "second"))),
        {
            "code": "BadRequest",
            "message": "Two.",
            "details": [{"code": "A", "message": "first"}, {"code": "B", "message": "second"}],
        },
    ),
    (MethodNotAllowed("Read only.", allow=("GET",)), {"code": "MethodNotAllowed", "message": "Read only."}),
    (BadRequest('ä "quoted" \\ \u2028 日本'), {"code": "BadRequest", "message": 'ä "quoted" \\ \u2028 日本'}),
    (InternalError("Something broke."), {"code": "InternalError", "message": "Something broke. (request id r-1)"}),
]


@pytest.mark.parametrize(("error", "body"), ERRORS, ids=[error.code for error, _ in ERRORS])
def test_error(error: ODataError, body: dict[str, object]) -> None:
    assert json.loads(error_body(error, "r-1")) == {"error": body}


def test_an_error_that_quotes_half_a_character_is_still_json() -> None:
    assert json.loads(error_body(BadRequest("\ud800"), "r-1"))["error"]["code"] == "BadRequest"
