"""Composite graphs: several requests in one, each graph all or nothing, later nodes referring to earlier ones.

Answers 200 also when a graph failed: the guilty node carries its error, all others PROCESSING_HALTED. What the limits
refuse (500 nodes, 75 graphs, depth 15, 15 kinds of node) is a 400 for the whole request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from simulator import sobjects
from simulator.errors import SalesforceError, not_found
from simulator.session import Session

MOST_NODES: Final = 500
MOST_GRAPHS: Final = 75
DEEPEST: Final = 15
MOST_KINDS: Final = 15
_REFERENCE: Final = re.compile(r"@\{([A-Za-z0-9_]+)\.([A-Za-z0-9_]+)\}")
_URL: Final = re.compile(
    r"/services/data/v\d+\.0/sobjects/(?P<type>\w+)(?:/(?P<first>[^/?]+)(?:/(?P<second>[^/?]+))?)?"
)
_HALTED: Final = "The transaction was rolled back since another operation in the same transaction failed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One request of a graph."""

    reference: str
    method: str
    url: str
    body: Any


class _Failed(Exception):
    """A node was refused; undoes the graph's transaction."""

    def __init__(self, node: Node, error: SalesforceError) -> None:
        super().__init__(error.message)
        self.node = node
        self.error = error


def run(session: Session, body: Any, *, base: str) -> dict[str, Any]:
    """The answer to composite/graph. Raises: SalesforceError when the request as a whole is refused."""
    graphs = _read(body)
    return {"graphs": [_run_graph(session, graph_id, nodes, base) for graph_id, nodes in graphs]}


def refused(body: Any, error: SalesforceError) -> dict[str, Any]:
    """The answer to a request whose graphs all fail at their first node. Raises: SalesforceError as `run`."""
    return {"graphs": [_answer(graph_id, _failures(nodes, nodes[0], error)) for graph_id, nodes in _read(body)]}


def _read(body: Any) -> list[tuple[str, list[Node]]]:
    graphs = body.get("graphs") if isinstance(body, dict) else None
    if not isinstance(graphs, list) or not graphs:
        raise _refused("The request has no graphs.")
    if len(graphs) > MOST_GRAPHS:
        raise _refused(f"The limit of {MOST_GRAPHS} graphs in a request is exceeded: {len(graphs)}.")
    found = [_read_graph(graph) for graph in graphs]
    nodes = sum(len(graph) for _, graph in found)
    if nodes > MOST_NODES:
        raise _refused(f"The limit of {MOST_NODES} nodes in a request is exceeded: {nodes}.")
    if len({graph_id for graph_id, _ in found}) != len(found):
        raise _refused("A graphId occurs twice.")
    return found


def _read_graph(graph: Any) -> tuple[str, list[Node]]:
    requests = graph.get("compositeRequest") if isinstance(graph, dict) else None
    if not isinstance(requests, list) or not requests or not isinstance(graph.get("graphId"), str):
        raise _refused("A graph needs a graphId and a compositeRequest with at least one node.")
    nodes = [_read_node(request) for request in requests]
    kinds = {(node.method, _kind(node.url)) for node in nodes}
    if len(kinds) > MOST_KINDS:
        raise _refused(f"The limit of {MOST_KINDS} different nodes in a graph is exceeded: {len(kinds)}.")
    depths: dict[str, int] = {}
    for node in nodes:
        if node.reference in depths:
            raise _refused(f"Duplicate referenceId: {node.reference}")
        used = _references([node.url, node.body])
        unknown = used - depths.keys()
        if unknown:
            raise _refused(f"Invalid reference specified. No value for {sorted(unknown)[0]} found.")
        depths[node.reference] = 1 + max((depths[reference] for reference in used), default=0)
    if max(depths.values()) > DEEPEST:
        raise _refused(f"The limit of {DEEPEST} levels in a graph is exceeded.")
    return graph["graphId"], nodes


def _read_node(request: Any) -> Node:
    if not isinstance(request, dict):
        raise _refused("A node is an object.")
    reference, method, url = (request.get(name) for name in ("referenceId", "method", "url"))
    if not isinstance(reference, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", reference):
        raise _refused(f"Provided referenceId ('{reference}') must start with a letter or a number, and it can contain "
                       "only letters, numbers and underscores ('_').")  # fmt: skip
    if method not in ("GET", "POST", "PATCH", "DELETE") or not isinstance(url, str):
        raise _refused(f"The node {reference} needs a method and a url.")
    return Node(reference=reference, method=method, url=url, body=request.get("body"))


def _kind(url: str) -> str:
    match = _URL.match(url)
    return match["type"] if match else url


def _references(value: Any) -> set[str]:
    match value:
        case str():
            return {match[1] for match in _REFERENCE.finditer(value)}
        case dict():
            return set().union(*(_references(inner) for inner in value.values()))
        case list():
            return set().union(*(_references(inner) for inner in value))
        case _:
            return set()


def _refused(message: str) -> SalesforceError:
    return SalesforceError(400, "INVALID_INPUT", message)


def _run_graph(session: Session, graph_id: str, nodes: Sequence[Node], base: str) -> dict[str, Any]:
    results: dict[str, Mapping[str, Any]] = {}
    try:
        with session.store.transaction():
            answers = [_run_node(session, node, results, base) for node in nodes]
    except _Failed as failed:
        return _answer(graph_id, _failures(nodes, failed.node, failed.error))
    return _answer(graph_id, answers, successful=True)


def _answer(graph_id: str, answers: list[dict[str, Any]], *, successful: bool = False) -> dict[str, Any]:
    return {"graphId": graph_id, "graphResponse": {"compositeResponse": answers}, "isSuccessful": successful}


def _failures(nodes: Sequence[Node], guilty: Node, error: SalesforceError) -> list[dict[str, Any]]:
    """What the nodes of a graph are answered when one of them was refused."""
    halted = SalesforceError(400, "PROCESSING_HALTED", _HALTED)
    return [_failure(node, error if node is guilty else halted) for node in nodes]


def _failure(node: Node, error: SalesforceError) -> dict[str, Any]:
    return {"body": error.body(), "httpHeaders": {}, "httpStatusCode": error.status, "referenceId": node.reference}


def _run_node(session: Session, node: Node, results: dict[str, Mapping[str, Any]], base: str) -> dict[str, Any]:
    try:
        url = _resolve(node.url, results)
        body = _resolve(node.body, results)
        status, answer = _do(session, node.method, url, body, base)
    except SalesforceError as error:
        raise _Failed(node, error) from None
    results[node.reference] = answer or {}
    headers = {}
    if status == 201 and answer is not None:
        headers["Location"] = f"{base}/sobjects/{_kind(url)}/{answer['id']}"
    return {"body": answer, "httpHeaders": headers, "httpStatusCode": status, "referenceId": node.reference}


def _resolve(value: Any, results: Mapping[str, Mapping[str, Any]]) -> Any:
    """A value with its references replaced by what the earlier nodes answered."""
    match value:
        case str() if "@{" in value:
            return _REFERENCE.sub(lambda match: str(_result(match, results)), value)
        case dict():
            return {name: _resolve(inner, results) for name, inner in value.items()}
        case list():
            return [_resolve(inner, results) for inner in value]
        case _:
            return value


def _result(match: re.Match[str], results: Mapping[str, Mapping[str, Any]]) -> Any:
    answer = results[match[1]]
    if match[2] not in answer:
        message = f"Invalid reference specified. No value for {match[1]}.{match[2]} found in {match[1]}."
        raise SalesforceError(400, "PROCESSING_HALTED", message)
    return answer[match[2]]


def _do(session: Session, method: str, url: str, body: Any, base: str) -> tuple[int, dict[str, Any] | None]:
    """One node's effect: status and body."""
    match = _URL.fullmatch(url.partition("?")[0])
    if match is None:
        raise not_found()
    sobject = sobjects.sobject_named(session, match["type"])
    first, second = (unquote(match[part]) if match[part] else None for part in ("first", "second"))
    fields = body if isinstance(body, dict) else {}
    if method == "POST" and first is None:
        return 201, {"id": sobjects.create(session, sobject, fields), "success": True, "errors": []}
    if method == "PATCH" and first is not None and second is not None:
        record_id, created = sobjects.upsert(session, sobject, first, second, fields)
        return (201 if created else 200), {"id": record_id, "success": True, "errors": [], "created": created}
    if first is None:
        raise not_found()
    row = (
        sobjects.find(session, sobject, first)
        if second is None
        else sobjects.find_by_key(session, sobject, first, second)
    )
    if row is None:
        raise not_found()
    if method == "GET":
        return 200, sobjects.read(session, sobject, row, [], base=base)
    if method == "DELETE":
        sobjects.delete(session, sobject, row)
    elif second is None and method == "PATCH":
        sobjects.update(session, sobject, row, fields)
    else:
        raise SalesforceError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed.")
    return 204, None
