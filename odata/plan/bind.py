"""bind: expressions with names as written become bound expressions, typed and fit for SQL.

In: nodes of `url` and a Scope. Out: nodes of `bound.py`; what was concluded from literals stands in `scope.guards`.
Knows no SQL. May refuse with UnknownProperty, UnknownFunction, TypeMismatch, InvalidLiteral, LimitExceeded (400) or
Unsupported (501).
Standard: URL Conventions, "System Query Option $filter".
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never
from typing import cast as typed

from odata.edm.model import NavigationProperty
from odata.edm.types import BOOLEAN, NULL
from odata.errors import BadRequest, InvalidOption, LimitExceeded, TypeMismatch, Unsupported
from odata.plan import calls, casts
from odata.plan.bound import (
    Bound,
    Conditional,
    Constant,
    CountValue,
    FunctionCall,
    Logic,
    NavigationIsNull,
    Not,
    Null,
    OfEntity,
    Quantified,
    Variable,
    type_of,
)
from odata.plan.compare import Operator, compare, disjunction
from odata.plan.literals import check_kind, described, literal_value, natural
from odata.plan.members import follow, property_value, start, unknown_property, whole_set
from odata.plan.scope import Scope
from odata.plan.search import bind_search
from odata.url.nodes import (
    Binary,
    Call,
    Case,
    CountOf,
    Expression,
    JsonValue,
    Lambda,
    ListExpression,
    Literal,
    Logical,
    ParameterAlias,
    Path,
    Step,
    TypeName,
    Unary,
)

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
ALIAS_DEPTH = 3


def bind(expression: Expression, scope: Scope) -> Bound:
    """An expression of any type, as $orderby takes it."""
    return _bind(expression, scope, 0)


def bind_predicate(expression: Expression, scope: Scope) -> Bound:
    """A boolean expression, as $filter takes it; a bare null is never true.

    Raises: TypeMismatch for an expression of another type, and everything that `bind` raises.
    Example: bind_predicate(parse_filter("Name eq null"), scope) == Comparison("eq", PropertyValue(...), Null(...))
    """
    return _predicate(expression, replace(scope, filtering=True), 0)


def _predicate(expression: Expression, scope: Scope, calls_open: int) -> Bound:
    bound = _bind(expression, scope, calls_open)
    if isinstance(bound, Null):
        return Null(BOOLEAN)
    if type_of(bound) is not BOOLEAN:
        raise TypeMismatch(
            f"{described(bound)} is {type_of(bound).name}; a condition is Edm.Boolean.", target="$filter"
        )
    return bound


def _bind(expression: Expression, scope: Scope, calls_open: int) -> Bound:
    if next(scope.steps) > 3 * scope.limits.filter_nodes:
        raise LimitExceeded(
            f"With its parameter aliases the expression has too many nodes; the limit is {scope.limits.filter_nodes}."
        )
    match expression:
        case Literal():
            return natural(expression, scope)
        case ParameterAlias():
            return _alias(expression, scope, calls_open)
        case Path():
            return _path(expression, scope)
        case Call():
            return _call(expression, scope, calls_open + 1)
        case Case():
            return _case(expression, scope, calls_open + 1)
        case Logical():
            return _logical(expression, scope, calls_open)
        case Binary():
            return _binary(expression, scope, calls_open)
        case Unary():
            return _unary(expression, scope, calls_open)
        case ListExpression() | JsonValue() | TypeName():
            raise BadRequest(
                f"A list, JSON or a type name cannot stand here (offset {expression.position}).", target="$filter"
            )
        case _:
            assert_never(expression)


def _operand(expression: Expression, scope: Scope, calls_open: int) -> Bound | Literal:
    """A literal stays as written until it is known what it meets."""
    resolved = scope.resolve(expression)
    if isinstance(resolved, Literal):
        return resolved
    return Null(NULL) if resolved is None else _bind(expression, scope, calls_open)


def _alias(alias: ParameterAlias, scope: Scope, calls_open: int) -> Bound:
    expression = scope.resolve(alias)
    if expression is None:
        return Null(NULL)
    if scope.alias_depth == ALIAS_DEPTH:
        raise LimitExceeded(
            f"Parameter aliases nest deeper than {ALIAS_DEPTH} levels at {alias.name}.", target=alias.name
        )
    return _bind(expression, replace(scope, alias_depth=scope.alias_depth + 1), calls_open)


# --- operators -------------------------------------------------------------------------------------------------------


def _logical(node: Logical, scope: Scope, calls_open: int) -> Bound:
    operands = [_predicate(operand, scope, calls_open) for operand in node.operands]
    return disjunction(operands) if node.operator == "or" else Logic("and", tuple(operands))


def _unary(node: Unary, scope: Scope, calls_open: int) -> Bound:
    if node.operator == "-":
        return calls.negation(_operand(node.operand, scope, calls_open), scope, node.position)
    operand = _predicate(node.operand, scope, calls_open)
    return Constant(not operand.value) if isinstance(operand, Constant) else Not(operand)


def _binary(node: Binary, scope: Scope, calls_open: int) -> Bound:
    if node.operator == "in":
        return _in(node, scope, calls_open)
    if node.operator in COMPARISONS:
        navigation = _navigation_is_null(node, scope)
        if navigation is not None:
            return navigation
    left = _operand(node.left, scope, calls_open)
    right = _operand(node.right, scope, calls_open)
    if node.operator in COMPARISONS:
        return compare(typed(Operator, node.operator), left, right, scope)
    if node.operator == "has":
        return _has(left, right, node, scope)
    return calls.arithmetic(typed(calls.ArithmeticOperator, node.operator), left, right, scope, node.position)


def _in(node: Binary, scope: Scope, calls_open: int) -> Bound:
    """left in (...) is an `or` of equalities."""
    right = scope.resolve(node.right)
    members = right.items if isinstance(right, JsonValue | ListExpression) else None
    if members is None:
        raise TypeMismatch(
            f"'in' (offset {node.position}) takes a list such as (1,2,3); there are no collection-valued properties."
        )
    if len(members) > scope.limits.in_items:
        limit = scope.limits.in_items
        raise LimitExceeded(
            f"'in' (offset {node.position}) has {len(members)} items; the limit is {limit}.", target="$filter"
        )
    left = _operand(node.left, scope, calls_open)
    return disjunction(compare("eq", left, _operand(item, scope, calls_open), scope) for item in members)


def _has(left: Bound | Literal, right: Bound | Literal, node: Binary, scope: Scope) -> Bound:
    """No enumeration here has flags, so `has` asks for the one member; null has null."""
    if isinstance(left, Literal):
        left = natural(left, scope)
    type = type_of(left)
    if isinstance(left, Null):
        return Null(BOOLEAN)
    if type.family != "enum" or not isinstance(right, Literal):
        raise TypeMismatch(f"'has' (offset {node.position}) takes an enumeration property and a literal of its type.")
    if right.kind == "null":
        return Null(BOOLEAN)
    check_kind(right, type, described(left), scope)
    return FunctionCall("has", (left, literal_value(right, type)), BOOLEAN)


# --- functions -------------------------------------------------------------------------------------------------------


def _call(node: Call, scope: Scope, calls_open: int) -> Bound:
    if calls_open > scope.limits.function_depth:
        raise LimitExceeded(
            f"Functions nest deeper than the limit of {scope.limits.function_depth} (offset {node.position}).",
            target="$filter",
        )
    if node.name in ("cast", "isof"):
        type_name = node.arguments[-1]
        if len(node.arguments) != 2 or not isinstance(type_name, TypeName):
            raise Unsupported(
                f"{node.name} of the entity itself is not served (offset {node.position}).", target=node.name
            )
        operand = _operand(node.arguments[0], scope, calls_open)
        return (casts.cast if node.name == "cast" else casts.isof)(operand, type_name, scope)
    calls.check_served(node)
    return calls.call(node, tuple(_operand(argument, scope, calls_open) for argument in node.arguments), scope)


def _case(node: Case, scope: Scope, calls_open: int) -> Bound:
    branches = [
        (_predicate(condition, scope, calls_open), _bind(value, scope, calls_open))
        for condition, value in node.branches
    ]
    types = {type_of(value) for _, value in branches if not isinstance(value, Null)}
    if len({type.family for type in types}) > 1:
        names = ", ".join(sorted(type.name for type in types))
        raise TypeMismatch(f"The values of case (offset {node.position}) have types that do not fit: {names}.")
    type = max(types, key=lambda type: _RANKS.get(type.name, 0)) if types else NULL
    return Conditional(
        tuple((condition, Null(type) if isinstance(value, Null) else value) for condition, value in branches), type
    )


_RANKS = {"Edm.Int64": 1, "Edm.Decimal": 2, "Edm.Single": 3, "Edm.Double": 4}


# --- paths -----------------------------------------------------------------------------------------------------------


def _path(path: Path, scope: Scope) -> Bound:
    """A member path to a property, a lambda or a count."""
    entity_set = whole_set(path, scope)
    if entity_set is not None:
        return _tail(path, None, None, Variable(scope.fresh(), entity_set), scope)
    variable, steps = start(path, scope)
    if path.tail is None:
        return _value(path, variable, steps, scope)
    source, navigation = _collection(path, variable, steps, scope)
    return _whole(source, _tail(path, source, navigation, Variable(scope.fresh(), navigation.target), scope))


def _whole(variable: Variable, bound: Bound) -> Bound:
    """What was bound at the end of a path that led to `variable`: each entity that a key names is one of its own."""
    here: Variable | None = variable
    while here is not None:
        bound = OfEntity(here, bound) if here.key else bound
        here = here.source
    return bound


def _value(path: Path, variable: Variable, steps: tuple[Step, ...], scope: Scope) -> Bound:
    if not steps:
        raise TypeMismatch(
            f"An entity cannot stand for a value (offset {path.steps[0].position}); name one of its properties."
        )
    for step in steps[:-1]:
        variable = follow(variable, step, scope)
    return _whole(variable, property_value(variable, steps[-1], scope))


def _navigation_is_null(node: Binary, scope: Scope) -> Bound | None:
    """Job eq null asks whether there is an entity behind a single-valued navigation property."""
    left, right = scope.resolve(node.left), scope.resolve(node.right)
    path, other = (left, right) if isinstance(left, Path) else (right, left)
    if not isinstance(path, Path) or path.tail is not None:
        return None
    if other is not None and not (isinstance(other, Literal) and other.kind == "null"):
        return None
    variable, steps = start(path, scope)
    for step in steps[:-1]:
        variable = follow(variable, step, scope)
    navigation = variable.set.navigation.get(steps[-1].name) if steps else None
    if navigation is None or navigation.collection or steps[-1].arguments is not None:
        return None
    if node.operator not in ("eq", "ne"):
        return Constant(False)
    return _whole(variable, NavigationIsNull(variable, navigation, node.operator == "ne"))


# --- collections -----------------------------------------------------------------------------------------------------


def _tail(
    path: Path, source: Variable | None, navigation: NavigationProperty | None, variable: Variable, scope: Scope
) -> Bound:
    """any, all or $count over entities, of which `variable` is one."""
    if isinstance(path.tail, Lambda):
        return _quantified(path.tail, source, navigation, variable, scope)
    assert isinstance(path.tail, CountOf)
    return _count(path.tail, source, navigation, variable, scope)


def _collection(
    path: Path, variable: Variable, steps: tuple[Step, ...], scope: Scope
) -> tuple[Variable, NavigationProperty]:
    if not steps or steps[-1].arguments is not None:
        raise BadRequest(
            f"A single entity has no any, all or $count (offset {path.steps[0].position}).", target="$filter"
        )
    for step in steps[:-1]:
        variable = follow(variable, step, scope)
    last = steps[-1]
    navigation = variable.set.navigation.get(last.name)
    if navigation is None:
        if last.name not in variable.set.properties:
            raise unknown_property(variable.set, last)
        raise BadRequest(f"'{last.name}' (offset {last.position}) is no collection and has no any, all or $count.")
    if not navigation.collection:
        raise BadRequest(f"'{last.name}' (offset {last.position}) leads to one entity; name one of its properties.")
    return variable, navigation


def _quantified(
    tail: Lambda, source: Variable | None, navigation: NavigationProperty | None, variable: Variable, scope: Scope
) -> Bound:
    if scope.lambda_depth == scope.limits.lambda_depth:
        raise LimitExceeded(
            f"any and all nest deeper than the limit of {scope.limits.lambda_depth} (offset {tail.position}).",
            target="$filter",
        )
    if tail.predicate is None or tail.variable is None:
        return Quantified(tail.name, source, navigation, variable, None)
    inner = scope.with_lambda(tail.variable, variable)
    return Quantified(tail.name, source, navigation, variable, _predicate(tail.predicate, inner, 0))


def _count(
    tail: CountOf, source: Variable | None, navigation: NavigationProperty | None, variable: Variable, scope: Scope
) -> Bound:
    options = tail.options
    if options is None:
        return CountValue(source, navigation, variable)
    wrong = [name for name in options.order if name.lstrip("$") not in ("filter", "search")]
    if wrong or options.unsupported:
        raise InvalidOption(
            f"{(wrong or options.unsupported)[0]} does not apply to $count in an expression.", target="$count"
        )
    inner = replace(scope.nested(variable, options.aliases), lambda_depth=scope.lambda_depth + 1)
    parts: list[Bound] = []
    if options.filter is not None:
        parts.append(_predicate(options.filter, replace(inner, filtering=True), 0))
    if options.search is not None:
        parts.append(bind_search(options.search, variable, inner))
    predicate = parts[0] if len(parts) == 1 else Logic("and", tuple(parts)) if parts else None
    return CountValue(source, navigation, variable, predicate)
