"""The contract of the operations: OpenAPI 3.0.3 as `heroku salesforce:publish` takes it, made from OPERATIONS alone.

In: the operations, names that publishing needs. Out: a document (plain dicts in a fixed order) and its YAML. Two
shapes: named schemas and callbacks, which become Apex classes; inlined schemas without callbacks, for Agentforce.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import yaml

from applink.errors import PREFIX
from applink.kinds import Kind
from applink.operation import ERRORS, Callback, Operation
from applink.operations import OPERATIONS
from applink.operations.messages import Problem
from applink.schema import Member, members

Audience = Literal["apex", "agent"]
AUDIENCES: Final[tuple[Audience, ...]] = ("apex", "agent")
CONTRACT_VERSION: Final = "1.0.0"
JSON: Final = "application/json"
TOPIC: Final[Mapping[str, Any]] = {
    "name": "quote_gateway",
    "classificationDescription": "Making, previewing, changing and following up quotes of opportunities.",
    "scope": "Only quotes of opportunities that the user names or that the conversation is about. No other records.",
    "instructions": [
        "Ask which opportunity is meant unless it is clear, and use its record id.",
        "Before a quote is made, show what it would cost with previewQuote, and ask whether to go on.",
        "For several opportunities use startQuotes, tell the user that it works in the background, and use getJob when "
        "the user asks how far it is.",
        "If an answer has a message, tell it to the user as it is.",
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Names that must equal those given to `heroku salesforce:publish`; "" leaves the part out.

    client_app: external client app; permission_set: session-based, active for the time of a call (user-plus mode).
    """

    client_app: str = ""
    permission_set: str = ""


def document(audience: Audience = "apex", publishing: Publishing | None = None) -> dict[str, Any]:
    """The contract as OpenAPI 3.0.3."""
    shown = [one for one in OPERATIONS if audience == "apex" or one.agent]
    agent = {"x-sfdc": {"agent": {"topic": dict(TOPIC)}}} if audience == "agent" else {}
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Quote Gateway",
            "version": CONTRACT_VERSION,
            "description": "Quotes made from opportunities: at once, or many in the background.",
        },
        "servers": [{"url": "/"}],
        **agent,
        "paths": {
            f"{PREFIX}/{one.name}": {"post": _operation(one, audience, publishing or Publishing())} for one in shown
        },
        **({"components": {"schemas": _schemas(shown)}} if audience == "apex" else {}),
    }


@cache
def text(audience: Audience = "apex", publishing: Publishing | None = None) -> str:
    """The contract as YAML; the same characters every time."""
    found: str = yaml.dump(
        document(audience, publishing), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=118
    )
    return found


class _Dumper(yaml.SafeDumper):
    """Without anchors: Salesforce reads every part by itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _operation(one: Operation, audience: Audience, publishing: Publishing) -> dict[str, Any]:
    extension = _extension(audience, publishing)
    return {
        "operationId": one.name,
        "summary": one.summary,
        "description": one.description,
        **({"x-sfdc": extension} if extension else {}),
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _message(one.request, audience, asked=True)}},
        },
        **({"callbacks": _callback(one.callback)} if one.callback and audience == "apex" else {}),
        "responses": {
            str(one.status): {
                "description": one.said,
                "content": {JSON: {"schema": _message(one.response, audience, asked=False)}},
            },
            **{str(status): _problem(said, audience) for status, said in ERRORS.items()},
        },
    }


def _extension(audience: Audience, publishing: Publishing) -> dict[str, Any]:
    names = {"externalClientApp": publishing.client_app, "permissionSet": publishing.permission_set}
    given = {name: value for name, value in names.items() if value}
    found: dict[str, Any] = {"heroku": {"authorization": given}} if given else {}
    if audience == "agent":
        found["agent"] = {"action": {"publishAsAgentAction": True}}
    return found


def _callback(one: Callback) -> dict[str, Any]:
    call = {
        "operationId": f"{one.name}Callback",
        "description": "Sent once at the end of the job, whatever the end is.",
        "requestBody": {"required": True, "content": {JSON: {"schema": _reference(one.body)}}},
        "responses": {"200": {"description": "Apex has it."}},
    }
    return {one.name: {one.url: {"post": call}}}


def _problem(said: str, audience: Audience) -> dict[str, Any]:
    schema = _reference(Problem) if audience == "apex" else _object(Problem)
    return {"description": said, "content": {JSON: {"schema": schema}}}


def _message(message: type, audience: Audience, *, asked: bool) -> dict[str, Any]:
    """A schema, named for Apex; inlined for an agent, with what it asks the user for and what it shows."""
    if audience == "apex":
        return _reference(message)
    return _object(message, agent={"isUserInput": asked, "isDisplayable": True})


def _reference(message: type) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{message.__name__}"}


def _schemas(shown: Sequence[Operation]) -> dict[str, Any]:
    """Every message that is named somewhere, by name."""
    roots = [message for one in shown for message in (one.request, one.response)]
    roots += [one.callback.body for one in shown if one.callback]
    return {message.__name__: _object(message) for message in sorted(_with_inner([*roots, Problem]), key=_name)}


def _name(message: type) -> str:
    return message.__name__


def _with_inner(messages: Iterable[type]) -> set[type]:
    found: set[type] = set()
    for message in messages:
        if message not in found:
            found.add(message)
            found |= _with_inner(one.kind.holds for one in members(message) if one.kind.holds)
    return found


def _object(message: type, agent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    required = [one.name for one in members(message) if one.required]
    return {
        "type": "object",
        "description": inspect.cleandoc(message.__doc__ or "").splitlines()[0],
        **({"x-sfdc": {"agent": {"action": dict(agent)}}} if agent else {}),
        **({"required": required} if required else {}),
        "properties": {one.name: _property(one, agent) for one in members(message)},
    }


def _property(one: Member, agent: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        **_kind(one.kind, inline=agent is not None),
        "description": one.doc,
        **({"x-sfdc": {"agent": {"action": dict(agent)}}} if agent else {}),
        **({"example": one.example} if one.example is not None else {}),
    }


def _kind(kind: Kind, *, inline: bool) -> dict[str, Any]:
    if kind.holds is None:
        return dict(kind.schema)
    inner = _object(kind.holds) if inline else _reference(kind.holds)
    return {**kind.schema, "items": inner} if kind.schema["type"] == "array" else inner
