"""$search against a set: a tree of words and phrases becomes a predicate over the searchable properties.

Words stand anywhere in a text, in any case. Standard: URL Conventions, "System Query Option $search".
"""

from __future__ import annotations

from typing import assert_never

from odata.edm.types import STRING
from odata.errors import InvalidOption, LimitExceeded
from odata.plan.bound import Bound, Constant, Logic, Not, SearchMatch, Variable
from odata.plan.literals import indexable, literal_value
from odata.plan.scope import Scope
from odata.url.nodes import Literal, SearchAnd, SearchExpression, SearchNot, SearchOr, SearchTerm


def bind_search(search_expression: SearchExpression, variable: Variable, scope: Scope) -> Bound:
    """The predicate of a $search.

    Raises: InvalidOption (400) for a set without searchable properties; LimitExceeded for too many terms or characters.
    """
    if not variable.set.searchable:
        raise InvalidOption(f"{variable.set.name} has no searchable property; use $filter.", target="$search")
    _check_limits(search_expression, scope)
    return _bind(search_expression, variable, scope)


def _check_limits(expression: SearchExpression, scope: Scope) -> None:
    terms = list(_terms(expression))
    if len(terms) > scope.limits.search_terms:
        raise LimitExceeded(
            f"$search has {len(terms)} terms; the limit is {scope.limits.search_terms}.", target="$search"
        )
    characters = sum(len(term.text) for term in terms)
    if characters > scope.limits.search_characters:
        raise LimitExceeded(
            f"$search has {characters} characters; the limit is {scope.limits.search_characters}.", target="$search"
        )
    # Another $search of this shape keeps to the limit, too: each term within its share, or within what it has here.
    share = scope.limits.search_characters // max(len(terms), 1)
    even = all(len(term.text) <= share for term in terms)
    for term in terms:
        scope.guards.ask(f"at_most:{share if even else len(term.text)}", _literal(term))


def _terms(expression: SearchExpression) -> list[SearchTerm]:
    found: list[SearchTerm] = []
    open_nodes = [expression]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, SearchTerm):
            found.append(node)
        elif isinstance(node, SearchNot):
            open_nodes.append(node.operand)
        else:
            open_nodes.extend(node.operands)
    return found


def _bind(expression: SearchExpression, variable: Variable, scope: Scope) -> Bound:
    match expression:
        case SearchTerm():
            return _match(expression, variable, scope)
        case SearchNot():
            return Not(_bind(expression.operand, variable, scope))
        case SearchAnd():
            return Logic("and", tuple(_bind(operand, variable, scope) for operand in expression.operands))
        case SearchOr(()):
            return Constant(False)
        case SearchOr():
            return Logic("or", tuple(_bind(operand, variable, scope) for operand in expression.operands))
        case _:
            assert_never(expression)


def _match(term: SearchTerm, variable: Variable, scope: Scope) -> Bound:
    literal = _literal(term)
    value = literal_value(literal, STRING, "like_contains")
    searched = variable.set.searchable
    return SearchMatch(variable, searched, value, indexable("contains", literal, searched, scope))


def _literal(term: SearchTerm) -> Literal:
    """A word or phrase is bound and guarded as a text in quotes is."""
    return Literal("string", term.text, term.span)
