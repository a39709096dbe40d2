"""Resource paths: section 1 of the ABNF.

In: decoded path segments. Out: `Segment` values. Knows no model: a name may be a set, a property, a key given as
segment or a function. What no model can allow is refused here, such as a segment after $value.
"""

from __future__ import annotations

import re

from odata.errors import LimitExceeded, UrlSyntaxError
from odata.url.expressions import bool_common_expr
from odata.url.members import arguments
from odata.url.nodes import Argument, KeyValue, Literal, ParameterAlias, Segment
from odata.url.patterns import repeated
from odata.url.tokens import END, Budget, Tokens, describe

_NAME_AHEAD = re.compile(r"[^\W\d]\w*+" + repeated(r"\.[^\W\d]\w*+") + r"(?=\(|\Z)")
# What may follow a "$" segment: None = anything that is not itself a start, else the forms listed.
_FIRST = frozenset({"$metadata", "$batch", "$all", "$crossjoin", "$entity"})
_LAST = frozenset({"$metadata", "$batch", "$value", "$count", "$ref", "$query"})
_LATER = frozenset({"$value", "$count", "$ref", "$query", "$each", "$filter"})


def resource_path(segments: tuple[str, ...], budget: Budget) -> tuple[Segment, ...]:
    """Read the decoded segments of a resource path; none is the service root.

    Standard: URL Conventions, "Resource Path". Names that start with "$" are case-sensitive.
    Raises: UrlSyntaxError (400), its target naming the segment by number; LimitExceeded.
    """
    if len(segments) > budget.rules.max_depth:
        raise LimitExceeded(f"The path has more than {budget.rules.max_depth} segments, the limit of this service.")
    found: list[Segment] = []
    for part, text in enumerate(segments):
        tokens = Tokens(text, part, f"path segment {part + 1}", budget)
        segment = _first(tokens) if part == 0 else _later(tokens)
        if found:
            _check_order(found, segment, tokens)
        found.append(segment)
    return tuple(found)


def _first(tokens: Tokens) -> Segment:
    tokens.seek(0)
    expected = (
        "an entity set, singleton, function or action import, $metadata, $batch, $all, $crossjoin(...) or $entity"
    )
    if tokens.kind == "dollar":
        if tokens.lexeme not in _FIRST:
            tokens.fail(expected)
        return _dollar(tokens)
    if tokens.kind != "name" or tokens.spaced or tokens.lexeme[-1] == "'":
        tokens.fail(expected)
    if "." in tokens.lexeme:
        tokens.fail("a name without namespace at the start of the path", at=tokens.lexeme.index("."))
    return _named(tokens)


def _later(tokens: Tokens) -> Segment:
    text = tokens.text
    if text.startswith("$"):
        tokens.seek(0)
        if tokens.lexeme not in _LATER:
            tokens.fail("$count, $value, $ref, $query, $each or $filter(...)")
        return _dollar(tokens)
    if _NAME_AHEAD.match(text) is None:
        return Segment(text, 0, tokens.part, text=text)
    tokens.seek(0)
    return _named(tokens)


def _named(tokens: Tokens) -> Segment:
    name = tokens.lexeme
    tokens.advance()
    values = _values(tokens)
    key = _values(tokens) if values is not None else None
    _end(tokens, "'(' or the end of the segment" if values is None else "the end of the segment")
    return Segment(name, 0, tokens.part, values, key=key, text=tokens.text)


def _values(tokens: Tokens) -> tuple[KeyValue, ...] | None:
    """Keys or parameters: in a path they are literals and parameter aliases only."""
    if tokens.kind != "(":
        return None
    tokens.refuse_blank("'('")
    return tuple(_key_value(tokens, argument) for argument in arguments(tokens, None))


def _key_value(tokens: Tokens, argument: Argument) -> KeyValue:
    value = argument.value
    if not isinstance(value, (Literal, ParameterAlias)):
        at = getattr(value, "position", tokens.start)
        if hasattr(value, "steps"):
            at = value.steps[0].position
        tokens.fail("a literal or a parameter alias", at=at)
    return KeyValue(argument.name, value)


def _dollar(tokens: Tokens) -> Segment:
    name, text = tokens.lexeme, tokens.text
    tokens.advance()
    if name == "$filter":
        tokens.take("(", "'(' and an expression")
        expression = bool_common_expr(tokens)
        tokens.take_blank(")", "an operator or ')'")
        segment = Segment(name, 0, tokens.part, filter=expression, text=text)
    elif name == "$crossjoin":
        segment = Segment(name, 0, tokens.part, names=_set_names(tokens), text=text)
    else:
        segment = Segment(name, 0, tokens.part, text=text)
    _end(tokens, "the end of the segment")
    return segment


def _set_names(tokens: Tokens) -> tuple[str, ...]:
    names: list[str] = []
    while not names or tokens.kind == ",":
        tokens.take("," if names else "(", "'(' and entity sets")
        name = tokens.lexeme
        if "." in name or "'" in name:
            tokens.fail("an entity set")
        tokens.take_blank("name", "an entity set")
        tokens.budget.spend()
        names.append(name)
    tokens.take_blank(")", "',' or ')'")
    return tuple(names)


def _end(tokens: Tokens, expected: str) -> None:
    if tokens.kind != END or tokens.spaced:
        tokens.fail(expected)


def _check_order(before: list[Segment], segment: Segment, tokens: Tokens) -> None:
    previous = before[-1].name
    expected = None
    if previous in _LAST:
        expected = f"nothing after {previous}"
    elif before[0].name == "$crossjoin" and segment.name != "$query":
        expected = "$query or nothing after $crossjoin(...)"
    elif before[0].name in ("$all", "$entity") and (
        len(before) > 1 or not segment.name[:1].isalpha() or segment.arguments
    ):
        expected = f"an entity type or nothing after {before[0].name}"
    elif previous == "$each" and segment.name[:1] == "$":
        expected = "a bound operation after $each"
    if expected:
        raise UrlSyntaxError(
            f"{describe(tokens.text, 0)} in {tokens.target}; expected {expected}.", target=tokens.target
        )
