"""Nodes back to text: for `explain`, logs and the round-trip test.

In: an `ODataUrl` or an expression. Out: text that `parse` reads into the same nodes but for their places. Operators
are written in lower case, options with "$" and in their order of appearance, parentheses only where precedence needs
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, assert_never
from urllib.parse import quote

from odata.url.expressions import PRECEDENCE, UNARY_PRECEDENCE
from odata.url.nodes import (
    Argument,
    Binary,
    Call,
    Case,
    ComputeItem,
    CountOf,
    ExpandItem,
    Expression,
    JsonValue,
    KeyValue,
    Lambda,
    ListExpression,
    Literal,
    Logical,
    Number,
    ODataUrl,
    Options,
    OrderByItem,
    ParameterAlias,
    Path,
    SearchAnd,
    SearchExpression,
    SearchNot,
    SearchOr,
    SearchTerm,
    Segment,
    SelectItem,
    Span,
    Step,
    TypeName,
    Unary,
)

_Node = TypeVar("_Node")
_PATH_SAFE = "!$&'()*,:=@"
_QUERY_SAFE = "!$'()*,:=@/;"
# Stands for a ";" inside a search word, which must stay percent-encoded; no part of a URL can hold it.
_ENCODED_SEMICOLON = "\x00"


def unparse(url: ODataUrl) -> tuple[str, str]:
    """Path and query of a URL, percent-encoded, without "?".

    Example: unparse(parse("Quotes", "top=2")) == ("Quotes", "$top=2")
    """
    path = "/".join(_encode(_segment(segment), _PATH_SAFE) for segment in url.segments)
    pairs = [f"{_encode(name, _QUERY_SAFE)}={_encode(value, _QUERY_SAFE)}" for name, value in _pairs(url.options)]
    pairs += [f"{_encode(name, _QUERY_SAFE)}={_encode(value, _QUERY_SAFE)}" for name, value in url.options.custom]
    return path, "&".join(pairs)


def unparse_expression(expression: Expression) -> str:
    """An expression as decoded text, as it may stand behind "$filter="."""
    return _expression(expression, 0)


def without_spans(node: _Node) -> _Node:
    """The same node, tuple of nodes or plain value with every place set to zero: equal for equal meaning."""
    if isinstance(node, Span):
        return Span(0, 0, 0)  # type: ignore[return-value]
    if isinstance(node, tuple):
        return tuple(without_spans(item) for item in node)  # type: ignore[return-value]
    if not is_dataclass(node) or isinstance(node, type):
        return node
    changed: dict[str, Any] = {field.name: without_spans(getattr(node, field.name)) for field in fields(node)}
    changed |= {name: 0 for name in ("position", "part") if name in changed}
    if isinstance(node, ODataUrl):
        changed["parts"] = ()
    if isinstance(node, (Segment, JsonValue)):
        changed["text"] = ""
    return replace(node, **changed)


def _encode(text: str, safe: str) -> str:
    return quote(text, safe=safe).replace("%00", "%3B")


# --- path ---


def _segment(segment: Segment) -> str:
    if segment.filter is not None:
        return f"$filter({_expression(segment.filter, 0)})"
    if segment.names:
        return f"$crossjoin({','.join(segment.names)})"
    return segment.name + _parentheses(segment.arguments) + _parentheses(segment.key)


def _parentheses(values: Iterable[KeyValue | Argument] | None) -> str:
    if values is None:
        return ""
    return "(" + ",".join((f"{item.name}=" if item.name else "") + _expression(item.value, 0) for item in values) + ")"


# --- options ---


def _pairs(options: Options) -> list[tuple[str, str]]:
    """Names and decoded values. Options without a node of their own, such as $apply, are left out."""
    pairs = [(name, _WRITERS[name](getattr(options, name[1:]))) for name in options.order if name in _WRITERS]
    return pairs + [(name, _expression(value, 0)) for name, value in options.aliases]


def _nested(options: Options | None) -> str:
    return "" if options is None else "(" + ";".join(f"{name}={value}" for name, value in _pairs(options)) + ")"


def _orderby(items: tuple[OrderByItem, ...]) -> str:
    return ",".join(_expression(item.expression, 0) + (" desc" if item.descending else "") for item in items)


def _select(items: tuple[SelectItem, ...]) -> str:
    return ",".join(_steps(item.path) + _nested(item.options) for item in items)


def _expand(items: tuple[ExpandItem, ...]) -> str:
    return ",".join(
        "/".join([*(step.name for step in item.path), *([item.suffix] if item.suffix else [])]) + _nested(item.options)
        for item in items
    )


def _compute(items: tuple[ComputeItem, ...]) -> str:
    return ",".join(f"{_expression(item.expression, 0)} as {item.alias}" for item in items)


def _number(value: Number | str) -> str:
    return value if isinstance(value, str) else str(value.value)


def _search(expression: SearchExpression, above: int = 0) -> str:
    """above: 0 nothing or OR around it, 1 AND, 2 NOT."""
    match expression:
        case SearchTerm():
            return _search_term(expression)
        case SearchNot():
            return "NOT " + _search(expression.operand, 2)
        case SearchAnd():
            text = " AND ".join(_search(operand, 1) for operand in expression.operands)
            return f"({text})" if above >= 1 else text
        case SearchOr():
            text = " OR ".join(_search(operand, 1) for operand in expression.operands)
            return f"({text})" if above >= 1 else text
        case _:
            assert_never(expression)


def _search_term(term: SearchTerm) -> str:
    if not term.phrase:
        return term.text.replace(";", _ENCODED_SEMICOLON)
    # Only text in single quotes can hold a double quote, or nothing.
    if '"' in term.text or not term.text:
        return "'" + term.text.replace("'", "''") + "'"
    return f'"{term.text}"'


_WRITERS: dict[str, Callable[[Any], str]] = {
    "$filter": lambda value: _expression(value, 0),
    "$search": _search,
    "$orderby": _orderby,
    "$select": _select,
    "$expand": _expand,
    "$compute": _compute,
    "$top": _number,
    "$skip": _number,
    "$index": _number,
    "$levels": _number,
    "$count": lambda value: "true" if value else "false",
    **dict.fromkeys(("$format", "$skiptoken", "$deltatoken", "$id", "$schemaversion"), str),
}


# --- expressions ---


def _expression(node: Expression, above: int) -> str:
    """Text of a node; in parentheses if it binds more loosely than `above`."""
    match node:
        case Literal():
            return _literal(node)
        case ParameterAlias() | TypeName():
            return node.name
        case Path():
            return _path(node)
        case Call():
            return f"{node.name}({','.join(_expression(item, 0) for item in node.arguments)})"
        case Case():
            return f"case({','.join(f'{_expression(a, 0)} : {_expression(b, 0)}' for a, b in node.branches)})"
        case Logical():
            level = PRECEDENCE[node.operator]
            text = f" {node.operator} ".join(_expression(item, level + 1) for item in node.operands)
            return f"({text})" if level < above else text
        case Binary():
            return _binary(node, above)
        case Unary():
            text = ("not " if node.operator == "not" else "- ") + _expression(node.operand, UNARY_PRECEDENCE + 1)
            return f"({text})" if above > UNARY_PRECEDENCE else text
        case ListExpression():
            return f"({','.join(_expression(item, 0) for item in node.items)})"
        case JsonValue():
            return _json(node)
        case _:
            assert_never(node)


def _binary(node: Binary, above: int) -> str:
    level = PRECEDENCE[node.operator]
    right = _expression(node.right, 0 if isinstance(node.right, ListExpression) else level + 1)
    text = f"{_expression(node.left, level)} {node.operator} {right}"
    return f"({text})" if level < above else text


def _literal(node: Literal) -> str:
    quoted = "'" + node.text.replace("'", "''") + "'"
    if node.kind == "string":
        return quoted
    if node.kind in ("binary", "duration", "geography", "geometry"):
        return node.kind + quoted
    return (node.type_name or "") + quoted if node.kind == "enum" else node.text


def _json(node: JsonValue) -> str:
    if node.members is not None:
        return "{" + ",".join(f"{json.dumps(name)}:{_json_value(value)}" for name, value in node.members) + "}"
    return "[" + ",".join(_json_value(item) for item in node.items or ()) + "]"


def _json_value(node: Expression) -> str:
    if isinstance(node, Literal) and node.kind == "string":
        return json.dumps(node.text, ensure_ascii=False)
    return _expression(node, 0)


def _path(node: Path) -> str:
    text = _steps(node.steps)
    match node.tail:
        case None:
            return text
        case Lambda(name, variable, predicate, _):
            inside = "" if predicate is None else f"{variable}:{_expression(predicate, 0)}"
            return f"{text}/{name}({inside})"
        case CountOf(options, _):
            return f"{text}/$count{_nested(options)}"


def _steps(steps: tuple[Step, ...]) -> str:
    return "/".join(step.name + _parentheses(step.arguments) + _parentheses(step.key) for step in steps)
