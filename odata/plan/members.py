"""Member paths: which range variable a path begins at, which entities it passes, which property it ends in.

In: steps as written and a Scope. Out: Variables, EntitySets and PropertyValues. May refuse with UnknownProperty,
TypeMismatch, InvalidOption, BadRequest (400) or Unsupported (501). Standard: URL Conventions, "Path Expressions".
"""

from __future__ import annotations

from odata.edm.model import EntitySet, NavigationProperty, Property
from odata.errors import BadRequest, InvalidOption, TypeMismatch, UnknownProperty, Unsupported
from odata.plan.bound import Null, PropertyValue, Value, Variable
from odata.plan.path import key_predicate
from odata.plan.scope import Scope, nearest
from odata.url.nodes import Path, Step


def start(path: Path, scope: Scope) -> tuple[Variable, tuple[Step, ...]]:
    """The variable a path begins at, and the steps that remain; casts to the own type say nothing and are dropped."""
    first = path.steps[0]
    for step in path.steps[2:] if first.name == "$root" else path.steps:
        _check_step(step)
    scope.first_steps.add(first.name)
    variable, steps = scope.implicit, path.steps
    if first.name == "$root":
        variable, steps = _keyed(path.steps[1], scope), path.steps[2:]
    elif first.name in ("$it", "$this"):
        variable, steps = scope.root if first.name == "$it" else scope.this, path.steps[1:]
    elif first.name in scope.variables:
        variable, steps = scope.variables[first.name], path.steps[1:]
    return variable, tuple(step for step in steps if "." not in step.name or not _own_type(variable, step, scope))


def whole_set(path: Path, scope: Scope) -> EntitySet | None:
    """The set whose entities $root/Set stands for, all of them, before any, all or $count; None for other paths."""
    if path.tail is None or path.steps[0].name != "$root" or path.steps[1].arguments is not None:
        return None
    step, *others = path.steps[1:]
    entity_set = _entity_set(step, scope)
    return entity_set if all(one.name == entity_set.type_name and one.arguments is None for one in others) else None


def _entity_set(step: Step, scope: Scope) -> EntitySet:
    entity_set = scope.model.sets.get(step.name)
    if entity_set is None:
        raise UnknownProperty(
            f"No entity set '{step.name}' (offset {step.position}){nearest(step.name, scope.model.sets)}"
        )
    return entity_set


def _keyed(step: Step, scope: Scope) -> Variable:
    """The entity that $root/Set(key) names."""
    entity_set = _entity_set(step, scope)
    if not step.arguments:
        name = f"$root/{step.name}"
        raise BadRequest(
            f"'{name}' (offset {step.position}) is a collection; use {name}/any(x:...), {name}/all(x:...) or "
            f"{name}/$count, or name one entity by its key."
        )
    return Variable(scope.fresh(), entity_set, key=_key(step, entity_set, scope))


def _key(step: Step, entity_set: EntitySet, scope: Scope) -> tuple[tuple[Property, Value | Null], ...]:
    """What stands in the parentheses behind a collection."""
    if step.key is not None:
        raise BadRequest(f"'{step.name}' has two keys (offset {step.position}); one names an entity.")
    return key_predicate(entity_set, step.arguments or (), scope)


def _check_step(step: Step) -> None:
    if step.name.startswith("@"):
        raise Unsupported(
            f"The annotation {step.name} cannot be filtered by (offset {step.position}).", target="$filter"
        )
    if step.arguments is not None and (step.name == "$filter" or "." in step.name):
        raise Unsupported(
            f"{step.name}(...) inside an expression is not served (offset {step.position}).", target="$filter"
        )


def _own_type(variable: Variable, step: Step, scope: Scope) -> bool:
    if any(step.name == entry.type_name for entry in scope.model.sets.values()):
        return True
    raise Unsupported(f"The qualified name {step.name} is not served here (offset {step.position}).", target="$filter")


def follow(variable: Variable, step: Step, scope: Scope) -> Variable:
    """The entity behind a single-valued navigation property, or the one of a collection that a key names.

    Raises: BadRequest for a primitive property, a collection without a key, a key of no collection; UnknownProperty.
    """
    navigation = variable.set.navigation.get(step.name)
    if navigation is None:
        if step.name in variable.set.properties:
            raise BadRequest(
                f"'{step.name}' (offset {step.position}) is a primitive property; nothing follows it in a path."
            )
        raise unknown_property(variable.set, step)
    if step.arguments is not None:
        return variable.follow(navigation, _key_in(navigation, step, scope))
    if navigation.collection:
        raise BadRequest(
            f"'{step.name}' (offset {step.position}) is a collection; use {step.name}/any(x:...), "
            f"{step.name}/all(x:...) or {step.name}/$count."
        )
    return variable.follow(navigation)


def _key_in(navigation: NavigationProperty, step: Step, scope: Scope) -> tuple[tuple[Property, Value | Null], ...]:
    if not navigation.collection:
        raise BadRequest(f"'{step.name}' (offset {step.position}) leads to one entity and takes no key.")
    return _key(step, navigation.target, scope)


def property_value(variable: Variable, step: Step, scope: Scope) -> PropertyValue:
    """A primitive property of an entity.

    Raises: TypeMismatch for a navigation property; InvalidOption where it cannot be filtered by; UnknownProperty.
    """
    property = variable.set.properties.get(step.name)
    if property is not None and step.arguments is not None:
        raise BadRequest(f"'{step.name}' (offset {step.position}) is a primitive property and takes no key.")
    if property is None:
        if step.name in variable.set.navigation:
            follow(variable, step, scope)
            raise TypeMismatch(
                f"'{step.name}' (offset {step.position}) is an entity; name a property of it, or compare with null."
            )
        raise unknown_property(variable.set, step)
    _check_filterable(property, step, scope)
    return PropertyValue(variable, property)


def _check_filterable(property: Property, step: Step, scope: Scope) -> None:
    if scope.filtering and not property.exposed.filterable:
        raise InvalidOption(f"'{property.name}' (offset {step.position}) cannot be filtered by.", target="$filter")


def unknown_property(entity_set: EntitySet, step: Step) -> UnknownProperty:
    """The error for a name that the entity type does not have, with the nearest one that it has."""
    known = [*entity_set.properties, *entity_set.navigation]
    return UnknownProperty(
        f"No property '{step.name}' on {entity_set.exposed.type_name} (offset {step.position})"
        f"{nearest(step.name, known)}"
    )
