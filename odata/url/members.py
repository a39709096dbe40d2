"""Member paths inside expressions: rules firstMemberExpr, memberExpr, collectionPathExpr, anyExpr and rootExpr of the
ABNF.

In: a cursor on a name, "$it" "$this" "$root" or an annotation. Out: a `Path`. Knows no model: a step with parentheses
may be a function or a key predicate, a step with dots a type cast or a function.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import NoReturn

from odata.errors import UnknownFunction
from odata.url.expressions import CANONICAL_FUNCTIONS, bool_common_expr, common_expr, compose, with_depth
from odata.url.nested import COUNT_OPTIONS
from odata.url.nodes import Argument, CountOf, Lambda, Literal, ParameterAlias, Path, Step
from odata.url.tokens import Tokens

_STARTS = ("$it", "$this", "$root")


def member_path(tokens: Tokens) -> Path:
    """Read steps joined by "/", with a lambda or /$count at the end.

    Raises: UrlSyntaxError; UnknownFunction when a first name is called like a function and is none.
    """
    steps = [_first_step(tokens)]
    height = tokens.height
    tail: Lambda | CountOf | None = None
    while tail is None and tokens.kind == "/" and not tokens.spaced:
        tokens.advance()
        tokens.refuse_blank("a property, a function, $count, any or all")
        tail = _tail(tokens)
        if tail is None:
            steps.append(_step(tokens))
            tokens.budget.check_depth(len(steps))
        height = max(height, tokens.height)
    _check_complete(tokens, steps, tail)
    compose(tokens, height)
    return Path(tuple(steps), tail)


def _first_step(tokens: Tokens) -> Step:
    if tokens.kind != "dollar":
        return _step(tokens, first=True)
    step = Step(tokens.lexeme, tokens.start)
    if step.name not in _STARTS:
        tokens.fail("$it, $this or $root")
    tokens.height = 0
    tokens.advance()
    return step


def _check_complete(tokens: Tokens, steps: list[Step], tail: Lambda | CountOf | None) -> None:
    step = steps[0]
    if step.name == "$root" and len(steps) == 1:
        at = None if tail is None else tail.position
        tokens.fail("'/' and an entity set or singleton after $root", at=at)
    if len(steps) > 1 or tail is not None or step.arguments is not None:
        return
    if "." in step.name and not step.name.startswith("@"):
        tokens.fail(f"'/' or '(' after the qualified name {step.name[:80]}")


def _step(tokens: Tokens, *, first: bool = False) -> Step:
    name, position = tokens.lexeme, tokens.start
    tokens.height = 0
    if tokens.kind == "dollar" and name == "$filter" and tokens.follower == "(":
        return _filter_step(tokens, position)
    if tokens.kind not in ("name", "at") or name[-1] == "'":
        tokens.fail("a property, function, type or annotation name")
    tokens.advance()
    if tokens.kind != "(" or tokens.spaced or name[0] == "@":
        return Step(name, position)
    if first and name in ("any", "all"):
        tokens.fail(f"a collection and '/' before {name}")
    found = arguments(tokens, name if first and "." not in name else None)
    return Step(name, position, found, _key(tokens))


def _filter_step(tokens: Tokens, position: int) -> Step:
    tokens.advance()
    with_depth(tokens)
    tokens.advance()
    predicate = bool_common_expr(tokens)
    tokens.take_blank(")", "an operator or ')'")
    tokens.depth -= 1
    height = tokens.height
    key = _key(tokens)
    tokens.height = max(height, tokens.height)
    return Step("$filter", position, (Argument(None, predicate),), key)


def _key(tokens: Tokens) -> tuple[Argument, ...] | None:
    if tokens.kind != "(" or tokens.spaced:
        return None
    height = tokens.height
    key = arguments(tokens, None)
    tokens.height = max(height, tokens.height)
    return key


def _tail(tokens: Tokens) -> Lambda | CountOf | None:
    if tokens.kind == "dollar" and tokens.lexeme == "$count":
        return _count(tokens)
    if tokens.kind == "name" and tokens.follower == "(" and tokens.lexeme.lower() in ("any", "all"):
        return _lambda(tokens)
    return None


def _count(tokens: Tokens) -> CountOf:
    from odata.url.options import nested_options  # options hold expressions, this one the other way round

    position = tokens.start
    tokens.height = 0
    tokens.advance()
    if tokens.kind != "(" or tokens.spaced:
        return CountOf(None, position)
    options = nested_options(tokens, COUNT_OPTIONS, "/$count")
    return CountOf(options, position)


def _lambda(tokens: Tokens) -> Lambda:
    position = tokens.start
    is_any = tokens.lexeme.lower() == "any"
    with_depth(tokens)
    tokens.advance()
    tokens.advance()
    if tokens.kind == ")" and is_any:
        tokens.height = 0
        variable, predicate = None, None
    else:
        variable = tokens.lexeme
        if tokens.kind != "name" or not variable.isidentifier():
            tokens.fail("a range variable")
        tokens.advance()
        tokens.take_blank(":", "':' after the range variable")
        predicate = bool_common_expr(tokens)
    tokens.take_blank(")", "an operator or ')'")
    tokens.depth -= 1
    return Lambda("any" if is_any else "all", variable, predicate, position)


def arguments(tokens: Tokens, function: str | None) -> tuple[Argument, ...]:
    """The parenthesised keys or parameters of a step, the cursor being on "(": one literal or alias, or name=value
    pairs.

    function: the name before the parenthesis where only a canonical function could take anything else.
    """
    with_depth(tokens)
    tokens.advance()
    found: list[Argument] = []
    height = 0
    while tokens.kind != ")" or found:
        found.append(_argument(tokens, function))
        height = max(height, tokens.height)
        if tokens.kind != ",":
            break
        tokens.advance()
    if len(found) > 1 and any(argument.name is None for argument in found):
        _refuse_arguments(tokens, function, "name=value pairs; only a single key may stand alone", tokens.start)
    tokens.take_blank(")", "',' or ')'")
    tokens.depth -= 1
    tokens.height = height
    return tuple(found)


def _argument(tokens: Tokens, function: str | None) -> Argument:
    name = None
    if tokens.kind == "name" and tokens.follower == "=":
        name = tokens.lexeme
        tokens.advance()
        tokens.advance()
    position = tokens.start
    value = common_expr(tokens)
    if name is None and not isinstance(value, (Literal, ParameterAlias)):
        _refuse_arguments(tokens, function, "a literal or parameter alias as key, or name=value", position)
    return Argument(name, value)


def _refuse_arguments(tokens: Tokens, function: str | None, expected: str, position: int) -> NoReturn:
    if function is None:
        tokens.fail(expected, at=position)
    nearest = get_close_matches(function.lower(), CANONICAL_FUNCTIONS, n=1)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
    raise UnknownFunction(
        f"'{function}' before offset {position} of {tokens.target} is no function{hint}", target=tokens.target
    )
