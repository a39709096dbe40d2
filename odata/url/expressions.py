"""Expressions: rule commonExpr of the ABNF and what it is made of.

In: a cursor over one part. Out: expression nodes, names as written. Knows no model: whether a name is a property, a
variable or a function of the service is decided later. `and` and `or` are read in a loop into one flat node;
everything that nests is capped.

Precedence (URL Conventions, "Operator Precedence"): has in; - not; mul div divby mod; add sub; gt ge lt le; eq ne;
and; or.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import cast as typed

from odata.url.literals import primitive_literal
from odata.url.nodes import (
    Binary,
    BinaryOperator,
    Call,
    Case,
    Expression,
    JsonValue,
    ListExpression,
    Literal,
    Logical,
    ParameterAlias,
    TypeName,
    Unary,
)
from odata.url.tokens import END, Tokens

_OR, _AND, _EQUALITY, _RELATION, _SUM, _PRODUCT, UNARY_PRECEDENCE, _MEMBERSHIP = range(1, 9)
PRECEDENCE = {
    "or": _OR, "and": _AND, "eq": _EQUALITY, "ne": _EQUALITY, "gt": _RELATION, "ge": _RELATION, "lt": _RELATION,
    "le": _RELATION, "add": _SUM, "sub": _SUM, "mul": _PRODUCT, "div": _PRODUCT, "divby": _PRODUCT, "mod": _PRODUCT,
    "has": _MEMBERSHIP, "in": _MEMBERSHIP,
}  # fmt: skip

# Canonical functions and how many arguments they take (ABNF, rule methodCallExpr).
CANONICAL_FUNCTIONS: dict[str, tuple[int, int]] = {
    "concat": (2, 2), "contains": (2, 2), "endswith": (2, 2), "indexof": (2, 2), "length": (1, 1), "matchespattern":
    (2, 2),
    "startswith": (2, 2), "substring": (2, 3), "tolower": (1, 1), "toupper": (1, 1), "trim": (1, 1),
    "hassubset": (2, 2), "hassubsequence": (2, 2),
    "year": (1, 1), "month": (1, 1), "day": (1, 1), "hour": (1, 1), "minute": (1, 1), "second": (1, 1),
    "fractionalseconds": (1, 1), "totalseconds": (1, 1), "date": (1, 1), "time": (1, 1), "totaloffsetminutes": (1, 1),
    "mindatetime": (0, 0), "maxdatetime": (0, 0), "now": (0, 0),
    "round": (1, 1), "floor": (1, 1), "ceiling": (1, 1),
    "geo.distance": (2, 2), "geo.length": (1, 1), "geo.intersects": (2, 2),
}  # fmt: skip
_LAST_ARGUMENT = re.compile(r"(?:\([^()]*\))?[ \t+]*\)")
OPERAND = "a property, literal, function or '('"


def common_expr(tokens: Tokens) -> Expression:
    """Read one expression; blanks may stand before it, and the cursor stays on the first token after it.

    Raises: UrlSyntaxError with the offset; LimitExceeded for too many nodes or levels.
    """
    return _operators(tokens, _OR)


bool_common_expr = common_expr


def _operators(tokens: Tokens, lowest: int) -> Expression:
    """Operands joined by operators that bind at least as tightly as `lowest` (precedence climbing)."""
    left = _unary(tokens)
    while tokens.kind == "name":
        operator = tokens.lexeme.lower()
        precedence = PRECEDENCE.get(operator, 0)
        if precedence == 0 or precedence < lowest or not tokens.spaced:
            break
        if precedence <= _AND:
            left = _logical(tokens, left, operator, precedence)
        else:
            left = _binary(tokens, left, operator, precedence)
    return left


def _logical(tokens: Tokens, first: Expression, operator: str, precedence: int) -> Expression:
    position = tokens.start
    operands = [first]
    height = tokens.height
    while tokens.kind == "name" and tokens.spaced and tokens.lexeme.lower() == operator:
        _after_operator(tokens)
        operands.append(_operators(tokens, precedence + 1))
        height = max(height, tokens.height)
    compose(tokens, height)
    return Logical("and" if operator == "and" else "or", tuple(operands), position)


def _binary(tokens: Tokens, left: Expression, operator: str, precedence: int) -> Expression:
    position = tokens.start
    height = tokens.height
    _after_operator(tokens)
    right = _list_or_expr(tokens) if operator == "in" else _operators(tokens, precedence + 1)
    compose(tokens, max(height, tokens.height))
    return Binary(typed(BinaryOperator, operator), left, right, position)


def _after_operator(tokens: Tokens) -> None:
    """Pass the operator; the grammar wants a blank behind it, clients leave it out before a parenthesis."""
    word = tokens.lexeme
    tokens.advance()
    if not tokens.spaced and not (tokens.rules.lenient and tokens.kind == "("):
        tokens.fail(f"a blank after '{word}'" if tokens.kind != END else OPERAND)


def compose(tokens: Tokens, height: int) -> None:
    """Count a node that stands on others, `height` being the tallest of them."""
    tokens.budget.spend()
    tokens.height = height + 1
    tokens.budget.check_depth(tokens.height)


def leaf(tokens: Tokens) -> None:
    """Count an expression without operands."""
    tokens.budget.spend()
    tokens.height = 1


def _unary(tokens: Tokens) -> Expression:
    position = tokens.start
    if tokens.kind == "-":
        tokens.advance()
        return _negation(tokens, "-", position)
    if tokens.kind == "name" and tokens.lexeme.lower() == "not" and _is_not_operator(tokens):
        _after_operator(tokens)
        return _negation(tokens, "not", position)
    return _operand(tokens)


def _is_not_operator(tokens: Tokens) -> bool:
    return tokens.follower in (" ", "\t", "+") or (tokens.rules.lenient and tokens.follower == "(")


def _negation(tokens: Tokens, operator: str, position: int) -> Expression:
    with_depth(tokens)
    operand = _operators(tokens, _MEMBERSHIP)
    tokens.depth -= 1
    compose(tokens, tokens.height)
    return Unary("not" if operator == "not" else "-", operand, position)


def with_depth(tokens: Tokens) -> None:
    """Enter a rule that calls itself; whoever enters lowers `tokens.depth` afterwards."""
    tokens.depth += 1
    tokens.budget.check_depth(tokens.depth)


def _operand(tokens: Tokens) -> Expression:
    literal = primitive_literal(tokens)
    if literal is not None:
        return literal
    kind = tokens.kind
    if kind == "name":
        return _name(tokens)
    reader = _OPERANDS.get(kind)
    if reader is None:
        tokens.fail(OPERAND)
    with_depth(tokens)
    expression = reader(tokens)
    tokens.depth -= 1
    return expression


def _paren_expr(tokens: Tokens) -> Expression:
    tokens.advance()
    expression = common_expr(tokens)
    tokens.take_blank(")", "an operator or ')'")
    return expression


def _list_or_expr(tokens: Tokens) -> Expression:
    """What stands right of `in`: a list of literals, or any expression that is a collection."""
    if tokens.kind != "(":
        return _operators(tokens, UNARY_PRECEDENCE)
    with_depth(tokens)
    position = tokens.start
    tokens.advance()
    items: list[Expression] = []
    height = 0
    while tokens.kind != ")":
        item = primitive_literal(tokens) if items else common_expr(tokens)
        if not items and not isinstance(item, Literal):
            tokens.take_blank(")", "an operator or ')'; a list holds literals only")
            tokens.depth -= 1
            return typed(Expression, item)
        if item is None:
            tokens.fail("a literal")
        items.append(item)
        height = max(height, tokens.height)
        if tokens.kind != ",":
            break
        tokens.advance()
        if tokens.kind == ")":
            tokens.fail("a literal")
    tokens.take_blank(")", "',' or ')'")
    tokens.depth -= 1
    compose(tokens, height)
    return ListExpression(tuple(items), position)


# --- names: paths, calls, types ---


def _name(tokens: Tokens) -> Expression:
    if tokens.follower == "(":
        name = tokens.lexeme.lower()
        if name in CANONICAL_FUNCTIONS or name in _SPECIAL_CALLS:
            with_depth(tokens)
            call = _SPECIAL_CALLS.get(name, _method_call)(tokens, name)
            tokens.depth -= 1
            return call
    return _member_path(tokens)


def _method_call(tokens: Tokens, name: str) -> Expression:
    position = tokens.start
    fewest, most = CANONICAL_FUNCTIONS[name]
    tokens.advance()
    tokens.advance()
    arguments: list[Expression] = []
    height = 0
    while tokens.kind != ")" or arguments:
        arguments.append(common_expr(tokens))
        height = max(height, tokens.height)
        if tokens.kind != ",":
            break
        tokens.advance()
    if not fewest <= len(arguments) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} or {most}"
        tokens.fail(f"{wanted} argument{'s' if most != 1 else ''} of {name}, not {len(arguments)}")
    tokens.take_blank(")", "an operator, ',' or ')'")
    compose(tokens, height)
    return Call(name, tuple(arguments), position)


def _case_call(tokens: Tokens, name: str) -> Expression:
    position = tokens.start
    tokens.advance()
    branches: list[tuple[Expression, Expression]] = []
    height = 0
    while not branches or tokens.kind == ",":
        tokens.advance()
        condition = common_expr(tokens)
        height = max(height, tokens.height)
        tokens.take_blank(":", "an operator or ':'")
        branches.append((condition, common_expr(tokens)))
        height = max(height, tokens.height)
    tokens.take_blank(")", "an operator, ',' or ')'")
    compose(tokens, height)
    return Case(tuple(branches), position)


def _type_call(tokens: Tokens, name: str) -> Expression:
    """cast(T), cast(x,T), isof(T), isof(x,T)."""
    position = tokens.start
    tokens.advance()
    tokens.advance()
    arguments: list[Expression] = []
    if not _at_last_type_name(tokens):
        arguments.append(common_expr(tokens))
        tokens.take_blank(",", "an operator or ',' and a type name")
    height = tokens.height if arguments else 1
    arguments.append(_type_name(tokens))
    tokens.take_blank(")", "')'")
    compose(tokens, height)
    return Call(name, tuple(arguments), position)


def _at_last_type_name(tokens: Tokens) -> bool:
    """Whether the only argument stands here: a name or Collection(name), then blanks and ")"."""
    if tokens.kind != "name":
        return False
    return _LAST_ARGUMENT.match(tokens.text, tokens.end) is not None


def _type_name(tokens: Tokens) -> TypeName:
    position = tokens.start
    name = tokens.lexeme
    if tokens.kind != "name" or name[-1] == "'":
        tokens.fail("a type name")
    tokens.advance()
    if name == "Collection" and tokens.kind == "(" and not tokens.spaced:
        tokens.advance()
        inner = tokens.lexeme
        tokens.take("name", "a type name")
        tokens.take(")", "')'")
        name = f"Collection({inner})"
    tokens.budget.spend()
    return TypeName(name, position)


_SPECIAL_CALLS: dict[str, Callable[[Tokens, str], Expression]] = {
    "cast": _type_call,
    "isof": _type_call,
    "case": _case_call,
}


# --- aliases, variables, JSON ---


def _at(tokens: Tokens) -> Expression:
    """@alias, or an annotation; @name/... may be either, and stays a path."""
    name = tokens.lexeme
    if tokens.follower == "/" or "." in name or "#" in name:
        return _member_path(tokens)
    alias = ParameterAlias(name, tokens.start)
    leaf(tokens)
    tokens.advance()
    return alias


def _member_path(tokens: Tokens) -> Expression:
    from odata.url.members import member_path  # paths hold expressions, expressions hold paths

    return member_path(tokens)


def _array(tokens: Tokens) -> Expression:
    start = tokens.start
    tokens.advance()
    items: list[Expression] = []
    height = 0
    while tokens.kind != "]" or items:
        items.append(_json_value(tokens))
        height = max(height, tokens.height)
        if tokens.kind != ",":
            break
        tokens.advance()
    end = tokens.end
    tokens.take_blank("]", "',' or ']'")
    compose(tokens, height)
    return JsonValue(tokens.text[start:end], start, items=tuple(items))


def _object(tokens: Tokens) -> Expression:
    start = tokens.start
    tokens.advance()
    members: list[tuple[str, Expression]] = []
    height = 0
    while tokens.kind != "}" or members:
        name = json_string(tokens, "a name in double quotes").text
        tokens.take_blank(":", "':'")
        members.append((name, _json_value(tokens)))
        height = max(height, tokens.height)
        if tokens.kind != ",":
            break
        tokens.advance()
    end = tokens.end
    tokens.take_blank("}", "',' or '}'")
    compose(tokens, height)
    return JsonValue(tokens.text[start:end], start, members=tuple(members))


def _json_value(tokens: Tokens) -> Expression:
    return json_string(tokens, "a string") if tokens.kind == "json" else common_expr(tokens)


def json_string(tokens: Tokens, expected: str) -> Literal:
    """A text in double quotes with JSON's escapes, as arguments and arrays in a URL may have."""
    if tokens.kind != "json":
        tokens.fail(expected)
    try:
        text = json.loads(tokens.lexeme, strict=False)
        text.encode()
    except ValueError:
        tokens.fail("a JSON string with valid escapes")
    literal = Literal("string", text, tokens.span())
    leaf(tokens)
    tokens.advance()
    return literal


_OPERANDS: dict[str, Callable[[Tokens], Expression]] = {
    "(": _paren_expr,
    "at": _at,
    "dollar": _member_path,
    "[": _array,
    "{": _object,
}
