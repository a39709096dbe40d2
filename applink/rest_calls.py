"""What is asked of an org's REST API, as values: one function makes one `Call`, with how its answer is read.

In: a session's version, and what org.py has. Out: method, path, body, reader. Money stays decimal in both directions:
the SDK's own reader and writer would make floats of it. Knows no HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from applink import refusals
from applink.errors import InvalidRequest, OperationError, SessionEnded
from applink.org import Delete, Node, Reference, SObject, Soql, Upsert, Written
from applink.sending import Answer, Call, Session

LONGEST_URI: Final = 16_384
"""Bytes of a request's path and query that an org reads."""


def querying(session: Session, soql: Soql) -> Call[dict[str, Any]]:
    """The first page of a query."""
    path = f"{session.base}/{'queryAll' if soql.deleted else 'query'}?{urlencode({'q': soql.text})}"
    if len(path) > LONGEST_URI:
        raise InvalidRequest(f"A query of {len(path)} bytes is above the {LONGEST_URI} that an org reads.")
    return Call(method="GET", path=path, read=_page, what="the query")


def following(path: str) -> Call[dict[str, Any]]:
    """A further page. path: as the org gave it; anything but a path of its REST API is unreadable."""
    if not path.startswith("/services/data/") or not path.isascii() or not path.isprintable():
        raise refusals.unanswered("gave an answer that cannot be read", what="the query", writes=False)
    return Call(method="GET", path=quote(path, safe="/-_.~?=&%"), read=_page, what="the query")


def describing(session: Session, type_name: str) -> Call[SObject]:
    """What an object has."""
    path = f"{session.base}/sobjects/{quote(type_name, safe='')}/describe"
    return Call(method="GET", path=path, read=_sobject, what=f"the description of {type_name}")


def writing(session: Session, nodes: Sequence[Node]) -> Call[tuple[Written, ...]]:
    """A composite graph."""
    requests = [_request(session, node) for node in nodes]
    body = encode({"graphs": [{"graphId": "graph0", "compositeRequest": requests}]})
    path = f"{session.base}/composite/graph"
    what = f"writing {nodes[0].type}" + (f" and {len(nodes) - 1} more" if len(nodes) > 1 else "")
    return Call(
        method="POST", path=path, body=body, read=lambda answer: _written(nodes, answer), what=what, writes=True
    )


def creating(session: Session, type_name: str, fields: Mapping[str, Any]) -> Call[str]:
    """A new record."""
    path = f"{session.base}/sobjects/{quote(type_name, safe='')}"
    body = encode(_values(fields))
    return Call(method="POST", path=path, body=body, read=_new_id, what=f"creating {type_name}", writes=True)


def updating(session: Session, type_name: str, record_id: str, fields: Mapping[str, Any]) -> Call[None]:
    """A changed record."""
    path = f"{session.base}/sobjects/{quote(type_name, safe='')}/{quote(record_id, safe='')}"
    body = encode(_values(fields))
    return Call(method="PATCH", path=path, body=body, read=lambda _: None, what=f"updating {type_name}", writes=True)


def delivering(path: str, body: Mapping[str, Any]) -> Call[int]:
    """A callback to Apex."""
    return Call(
        method="POST", path=path, body=encode(body), read=_status, what="the callback", writes=True, any_status=True
    )


def encode(value: Any) -> bytes:
    """JSON in which a Decimal is a number with all of its digits, and a date is text."""
    return orjson.dumps(value, default=_number)


def decode(body: bytes) -> Any:
    """JSON whose numbers are Decimal."""
    return json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)


def _number(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"No JSON for {type(value).__name__}")


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _values(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"@{{{value.reference}.id}}" if isinstance(value, Reference) else value for name, value in fields.items()
    }


def _request(session: Session, node: Node) -> dict[str, Any]:
    """A node as composite/graph takes it."""
    at = f"{session.base}/sobjects/{node.type}"
    if isinstance(node, Upsert):
        url = f"{at}/{node.key_field}/{quote(node.key, safe='')}"
        return {"method": "PATCH", "url": url, "referenceId": node.reference, "body": _values(node.fields)}
    return {"method": "DELETE", "url": f"{at}/{quote(node.id, safe='')}", "referenceId": node.reference}


def _page(answer: Answer) -> dict[str, Any]:
    found = decode(answer.body)
    if not isinstance(found["records"], list) or not isinstance(found["done"], bool):
        raise ValueError("not a page of records")
    return dict(found)


def _sobject(answer: Answer) -> SObject:
    found = json.loads(answer.body)
    fields = found["fields"]
    return SObject(
        name=found["name"],
        fields=frozenset(field["name"] for field in fields),
        createable=bool(found["createable"]),
        updateable=bool(found["updateable"]),
        deletable=bool(found["deletable"]),
        external_ids=frozenset(field["name"] for field in fields if field.get("externalId")),
        lengths={field["name"]: int(field["length"]) for field in fields if field.get("length")},
    )


def _written(nodes: Sequence[Node], answer: Answer) -> tuple[Written, ...]:
    graph = json.loads(answer.body)["graphs"][0]
    answers = {each["referenceId"]: each for each in graph["graphResponse"]["compositeResponse"]}
    if not graph["isSuccessful"]:
        raise _guilty(nodes, answers)
    return tuple(_made(node, answers[node.reference]) for node in nodes)


def _made(node: Node, answer: Mapping[str, Any]) -> Written:
    if isinstance(node, Delete):
        return Written(reference=node.reference, id=node.id, created=False)
    body = answer["body"]
    created = bool(body.get("created", answer["httpStatusCode"] == 201))
    return Written(reference=node.reference, id=str(body["id"]), created=created)


def _guilty(nodes: Sequence[Node], answers: Mapping[str, Mapping[str, Any]]) -> OperationError:
    """The refusal of the node for which the others were halted."""
    refused = [
        (node, errors, int(answers[node.reference]["httpStatusCode"]))
        for node in nodes
        if node.reference in answers and (errors := refusals.read_errors(answers[node.reference]["body"]))
    ]
    guilty = [each for each in refused if each[1][0].code != refusals.HALTED]
    node, errors, status = (guilty or refused)[0]
    return refusals.of_errors(errors, what=f"{node.reference} ({node.type})", status=status)


def _new_id(answer: Answer) -> str:
    found = json.loads(answer.body)
    if found["success"] is not True:
        raise ValueError("created, and not successful")
    return str(found["id"])


def _status(answer: Answer) -> int:
    if answer.status == 401:
        raise SessionEnded("The org has ended the session in which a callback was sent.")
    return answer.status
