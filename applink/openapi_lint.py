"""What Salesforce's External Services refuse, or quietly cut, in a contract that is valid OpenAPI.

In: a document. Out: one line a finding; none means it can be published. Sources: Salesforce Help, "External Services
schema definition"; Heroku Dev Center, "OpenAPI specification for Heroku AppLink".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

METHODS: Final = frozenset({"get", "patch", "put", "post", "delete"})
LONGEST_DESCRIPTION: Final = 1_333
LONGEST_NAME: Final = 80
LONGEST_CLASS: Final = 255
MOST_CHARACTERS: Final = 3_000_000
CLIENT: Final = "QuoteService"
"""The client name that is published in the examples; Apex classes are named after it."""
ALLOWED: Final = frozenset({"boolean", "integer", "number", "string", "object", "array"})
FORMATS: Final = frozenset({"int32", "int64", "float", "double", "date", "date-time", "binary"})
FORBIDDEN: Final = frozenset({"not", "patternProperties", "const", "if", "then", "else"})
FORBIDDEN_FOR_AGENTS: Final = frozenset({"callbacks", "deprecated", "headers", "not", "$ref"})
CALLBACK_URL: Final = re.compile(r"\{\$request\.(?:query\.[A-Za-z0-9_]+|body#(?:/[A-Za-z0-9_]+)+)\}")
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def findings(document: Mapping[str, Any], *, text: str = "") -> list[str]:
    """Everything that keeps a contract from being published as it is meant. text: the same as a file."""
    agent = "agent" in document.get("x-sfdc", {})
    found = [*_version(document, text), *_names(document), *_everywhere(document, "", agent)]
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            found += _operation(f"{method} {path}", method, operation, document, agent)
    return found


def _version(document: Mapping[str, Any], text: str) -> Iterator[str]:
    if not str(document.get("openapi", "")).startswith("3.0."):
        yield "the version of OpenAPI needs to be 3.0"
    if len(text) > MOST_CHARACTERS:
        yield f"the file has {len(text)} characters; the limit is {MOST_CHARACTERS}"


def _names(document: Mapping[str, Any]) -> Iterator[str]:
    """Apex does not tell upper case from lower, so names may not differ in that alone."""
    operations = [
        one.get("operationId", "") for methods in document.get("paths", {}).values() for one in methods.values()
    ]
    for kind, names in (("operation", operations), ("schema", list(document.get("components", {}).get("schemas", {})))):
        for name in names:
            if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or name.endswith("_") or "__" in name:
                yield f"{kind} '{name}' is no name for Apex: {LONGEST_NAME} letters, digits, single underscores"
            if len(f"{CLIENT}_{name}_ResponseException") > LONGEST_CLASS:
                yield f"{kind} '{name}' makes a class name that is too long"
        lower = [name.lower() for name in names]
        for name in names:
            if lower.count(name.lower()) > 1:
                yield f"{kind} '{name}' has a name that stands there twice for Apex"


def _operation(
    place: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any], agent: bool
) -> Iterator[str]:
    if method not in METHODS:
        yield f"{place}: the method is not one of {', '.join(sorted(METHODS))}"
    if method == "get" and "requestBody" in operation:
        yield f"{place}: a GET has no body"
    if any(not one.get("name") for one in operation.get("parameters", ())):
        yield f"{place}: a parameter has no name"
    if not operation.get("description"):
        yield f"{place}: no description"
    if not any(status.startswith("2") for status in operation.get("responses", {})):
        yield f"{place}: no answer of success"
    yield from _callbacks(place, operation, document)
    if agent and not operation.get("x-sfdc", {}).get("agent", {}).get("action", {}).get("publishAsAgentAction"):
        yield f"{place}: is no agent action"


def _callbacks(place: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for name, urls in operation.get("callbacks", {}).items():
        if "201" not in operation["responses"]:
            yield f"{place}: an operation with a callback answers 201"
        for url, methods in urls.items():
            if not CALLBACK_URL.fullmatch(url):
                yield f"{place}: the address of callback {name} is not one of the request's query or body"
            if set(methods) - {"post", "put"} or len(methods) != 1:
                yield f"{place}: callback {name} has one operation, POST or PUT"
            member = url.rpartition("/")[2].rstrip("}")
            if member in _body(operation, document).get("required", ()):
                yield f"{place}: {member} must be optional, Salesforce fills it in"


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _everywhere(value: Any, place: str, agent: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _schema(value, place, agent)
        for name, inner in value.items():
            if name != "example":
                yield from _everywhere(inner, f"{place}/{name}", agent)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _everywhere(inner, f"{place}/{index}", agent)


def _schema(value: Mapping[str, Any], place: str, agent: bool) -> Iterator[str]:
    named = place.endswith(("/properties", "/schemas", "/responses", "/paths"))
    description = value.get("description")
    if isinstance(description, str) and not named and len(description) > LONGEST_DESCRIPTION:
        yield f"{place}: a description of {len(description)} characters is cut at {LONGEST_DESCRIPTION}"
    if named:
        return
    for name in (FORBIDDEN_FOR_AGENTS if agent else FORBIDDEN) & set(value):
        yield f"{place}: {name} is not allowed here"
    kind, form = value.get("type"), value.get("format")
    if isinstance(kind, str) and kind not in ALLOWED and "/x-sfdc" not in place:
        yield f"{place}: type {kind} is not known"
    if isinstance(form, str) and form not in FORMATS:
        yield f"{place}: format {form} is not known"
    if kind == "array" and value.get("items", {}).get("type") == "array":
        yield f"{place}: Flow has no lists of lists"
