"""The comma-separated items of $select, $expand, $orderby and $compute.

In: a cursor on the first item. Out: tuples of items; the cursor stays on what follows the last. Nested options are
read by `options.py`, which reads these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from odata.url.expressions import common_expr
from odata.url.nested import COUNT_OPTIONS, EXPAND_OPTIONS, LEVELS_ONLY, REF_OPTIONS, SELECT_OPTIONS
from odata.url.nodes import Argument, ComputeItem, ExpandItem, Options, OrderByItem, Path, SelectItem, Span, Step
from odata.url.tokens import END, Tokens

_Item = TypeVar("_Item")
_OPTION_AHEAD = re.compile(r"\([ \t]*(?:\$|@?\w+=)")


def orderby_items(tokens: Tokens) -> tuple[OrderByItem, ...]:
    """Rule orderbyItem: expressions, each with asc (default) or desc in any case."""
    return _items(tokens, _orderby_item)


def compute_items(tokens: Tokens) -> tuple[ComputeItem, ...]:
    """Rule computeItem: expression as name."""
    return _items(tokens, _compute_item)


def expand_items(tokens: Tokens) -> tuple[ExpandItem, ...]:
    """Rule expandItem."""
    return _items(tokens, _expand_item)


def select_items(tokens: Tokens) -> tuple[SelectItem, ...]:
    """Rule selectItem; in lenient reading empty items are dropped, as some clients leave commas behind."""
    if not tokens.rules.lenient:
        return _items(tokens, _select_item)
    items: list[SelectItem] = []
    while True:
        while tokens.kind == ",":
            tokens.advance()
        if items and tokens.kind in (END, ";", ")"):
            break
        items.append(_select_item(tokens))
        if tokens.kind != ",":
            break
    return tuple(items)


def _items(tokens: Tokens, rule: Callable[[Tokens], _Item]) -> tuple[_Item, ...]:
    items = [rule(tokens)]
    height = tokens.height
    while tokens.kind == ",":
        tokens.advance()
        if tokens.spaced and not tokens.rules.lenient:
            tokens.refuse_blank("no blank")
        items.append(rule(tokens))
        height = max(height, tokens.height)
    tokens.height = height
    return tuple(items)


def _orderby_item(tokens: Tokens) -> OrderByItem:
    expression = common_expr(tokens)
    descending = False
    if tokens.kind == "name" and tokens.spaced and tokens.lexeme.lower() in ("asc", "desc"):
        descending = tokens.lexeme.lower() == "desc"
        tokens.advance()
    return OrderByItem(expression, descending)


def _compute_item(tokens: Tokens) -> ComputeItem:
    expression = common_expr(tokens)
    if tokens.kind != "name" or tokens.lexeme.lower() != "as" or not tokens.spaced:
        tokens.fail("an operator or 'as' and a name")
    tokens.advance()
    name = tokens.lexeme
    if tokens.kind != "name" or not tokens.spaced or "." in name or "'" in name:
        tokens.fail("a name for the computed property")
    tokens.advance()
    return ComputeItem(expression, name)


# --- $select ---


def _select_item(tokens: Tokens) -> SelectItem:
    position = tokens.start
    steps = [_select_step(tokens)]
    while tokens.kind == "/" and not tokens.spaced and steps[-1].name != "*":
        tokens.advance()
        tokens.refuse_blank("a property or type name")
        steps.append(_select_step(tokens))
        tokens.budget.check_depth(len(steps))
    options = None
    if tokens.kind == "(" and not tokens.spaced and steps[-1].arguments is None:
        options = _options(tokens, SELECT_OPTIONS, "an item of $select")
    return SelectItem(tuple(steps), options, position)


def _select_step(tokens: Tokens) -> Step:
    """A name, "*", "Ns.*", an annotation, or a function with the names of its parameters."""
    tokens.budget.spend()
    name, position = tokens.lexeme, tokens.start
    tokens.height = 1
    if tokens.kind == "*":
        tokens.advance()
        return Step("*", position)
    if tokens.kind not in ("name", "at") or name[-1] == "'":
        tokens.fail("a property name or *")
    tokens.advance()
    if tokens.kind == "." and not tokens.spaced:
        tokens.advance()
        tokens.take("*", "'*' or a name after the dot")
        return Step(name + ".*", position)
    if tokens.kind == "(" and not tokens.spaced and not _OPTION_AHEAD.match(tokens.text, tokens.start):
        return Step(name, position, _parameter_names(tokens))
    return Step(name, position)


def _parameter_names(tokens: Tokens) -> tuple[Argument, ...]:
    names: list[Argument] = []
    while not names or tokens.kind == ",":
        tokens.advance()
        name, position = tokens.lexeme, tokens.start
        tokens.take_blank("name", "a query option, or the name of a parameter")
        tokens.budget.spend()
        names.append(Argument(None, Path((Step(name, position),))))
    tokens.take_blank(")", "',' or ')'")
    return tuple(names)


# --- $expand ---


def _expand_item(tokens: Tokens) -> ExpandItem:
    position = tokens.start
    if tokens.kind == "dollar" and tokens.lexeme == "$value":
        tokens.advance()
        return ExpandItem((), "$value", None, position)
    steps: list[Step] = []
    suffix = None
    while True:
        if steps and tokens.kind == "dollar":
            suffix = tokens.lexeme
            break
        steps.append(_expand_step(tokens))
        tokens.budget.check_depth(len(steps))
        if tokens.kind != "/" or tokens.spaced:
            break
        tokens.advance()
        tokens.refuse_blank("a navigation property, $ref or $count")
    return _expand_end(tokens, tuple(steps), suffix, position)


def _expand_step(tokens: Tokens) -> Step:
    tokens.budget.spend()
    step = Step(tokens.lexeme, tokens.start)
    tokens.height = 1
    if tokens.kind not in ("name", "at", "*") or step.name[-1] == "'":
        tokens.fail("a navigation property, type name or *")
    tokens.advance()
    if step.name == "*" and tokens.kind == "/" and not tokens.text.startswith("/$ref", tokens.start):
        tokens.fail("'/$ref', '(' or ',' after *")
    return step


def _expand_end(tokens: Tokens, steps: tuple[Step, ...], suffix: str | None, position: int) -> ExpandItem:
    if suffix is not None:
        if suffix not in ("$ref", "$count"):
            tokens.fail("$ref or $count")
        tokens.advance()
    allowed, owner = _EXPAND_SUFFIXES[suffix]
    options = place = None
    if tokens.kind == "(" and not tokens.spaced:
        if steps[-1].name == "*":
            if suffix is not None:
                tokens.fail("',' or the end after */$ref")
            allowed, owner = LEVELS_ONLY, "*"
        opened = tokens.end
        options = _options(tokens, allowed, owner)
        place = Span(tokens.part, opened, tokens.text.rindex(")", opened, tokens.start))
    if suffix == "$ref":
        return ExpandItem(steps, "$ref", options, position, place)
    return ExpandItem(steps, "$count" if suffix else None, options, position, place)


_EXPAND_SUFFIXES = {
    None: (EXPAND_OPTIONS, "an item of $expand"),
    "$ref": (REF_OPTIONS, "/$ref"),
    "$count": (COUNT_OPTIONS, "/$count"),
}


def _options(tokens: Tokens, allowed: frozenset[str], owner: str) -> Options:
    from odata.url.options import nested_options  # options hold items, items hold options

    return nested_options(tokens, allowed, owner)
