"""The resource path against the model: which entities, and what of them.

In: segments as written. Out: PathSteps and what ends the path. Knows no SQL. Standard: URL Conventions, "Resource
Path".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal as OneOf

from odata.edm.model import EntitySet, Model, NavigationProperty, Property
from odata.errors import BadRequest, NotFound, Unsupported
from odata.plan.bound import Null, Value, Variable
from odata.plan.literals import key_value
from odata.plan.plans import PathStep
from odata.plan.scope import Scope, nearest
from odata.url.nodes import Argument, KeyValue, ODataUrl, Segment


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """steps, then what ends the path: the entities themselves, a property, its raw value, a count or references."""

    steps: tuple[PathStep, ...]
    end: OneOf["entities", "property", "value", "count", "references"] = "entities"
    of_property: Property | None = None

    @property
    def single(self) -> bool:
        last = self.steps[-1]
        return bool(last.key) or (last.navigation is not None and not last.navigation.collection)


UNSERVED_SEGMENTS = {
    "$batch": "batch requests",
    "$all": "the resource $all",
    "$crossjoin": "cross joins",
    "$entity": "the resource $entity",
    "$filter": "the segment /$filter(...)",
    "$each": "the segment /$each",
}


def resource_path(url: ODataUrl, model: Model, scope: Scope) -> ResourcePath:
    """Bind the segments of a URL that names an entity set.

    Raises: NotFound (404) for a segment that names nothing here, BadRequest (400) for a key that does not fit,
            Unsupported (501) for segments that this service does not serve.
    """
    first, *rest = url.segments
    _refuse_unserved(url.segments)
    entity_set = model.sets.get(first.name)
    if entity_set is None:
        raise NotFound(f"No entity set '{first.name}'{nearest(first.name, model.sets)}", target=first.name)
    step = _keyed(PathStep(Variable(0, entity_set)), first, scope)
    path = ResourcePath((step,))
    for segment in rest:
        path = _continue(path, segment, scope)
    return path


def _refuse_unserved(segments: tuple[Segment, ...]) -> None:
    for segment in segments:
        if segment.name in UNSERVED_SEGMENTS:
            raise Unsupported(f"This service does not serve {UNSERVED_SEGMENTS[segment.name]}.", target=segment.name)


def _continue(path: ResourcePath, segment: Segment, scope: Scope) -> ResourcePath:
    last = path.steps[-1].variable.set
    if segment.name.startswith("$"):
        return _special(path, segment)
    if path.end != "entities":
        raise NotFound(f"Nothing named '{segment.name}' follows a primitive value.", target=segment.name)
    if segment.name == last.type_name:
        return path if segment.arguments is None else _keyed_cast(path, segment, scope)
    if not path.single:
        _refuse_key_as_segment(segment, last)
        raise NotFound(
            f"'{segment.name}' cannot follow the collection {last.name}; give the key of one entity first, "
            f"as in {last.name}(...)/{segment.name}.",
            target=segment.name,
        )
    if segment.name in last.navigation:
        return _navigate(path, last.navigation[segment.name], segment, scope)
    if segment.name in last.properties and segment.arguments is None:
        return replace(path, end="property", of_property=last.properties[segment.name])
    known = [*last.properties, *last.navigation]
    raise NotFound(
        f"No property '{segment.name}' on {last.exposed.type_name}{nearest(segment.name, known)}", target=segment.name
    )


def _keyed_cast(path: ResourcePath, segment: Segment, scope: Scope) -> ResourcePath:
    """Quotes/Gateway.Quote(...): the key stands behind a cast of the collection to its own type."""
    if path.single:
        raise BadRequest(f"'{segment.name}' follows one entity and takes no key.", target=segment.name)
    *before, last = path.steps
    return replace(path, steps=(*before, _keyed(last, segment, scope)))


KEY_FORMS = {"number": r"-?[0-9]+", "guid": r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", "string": r".+"}


def _refuse_key_as_segment(segment: Segment, entity_set: EntitySet) -> None:
    """Quotes/7 is valid OData 4.01 ("Key-as-Segment Convention") that this service does not serve."""
    if len(entity_set.key) > 1 or segment.arguments is not None:
        return
    if segment.name in entity_set.properties or segment.name in entity_set.navigation:
        return
    if re.fullmatch(KEY_FORMS.get(entity_set.key[0].type.family, r"(?!)"), segment.name, re.DOTALL):
        raise Unsupported(
            f"A key as a path segment is not served: '{segment.name}' belongs in parentheses; {_key_form(entity_set)}.",
            target=segment.name,
        )


def _navigate(path: ResourcePath, navigation: NavigationProperty, segment: Segment, scope: Scope) -> ResourcePath:
    step = PathStep(Variable(scope.fresh(), navigation.target), navigation=navigation)
    if segment.arguments is not None and not navigation.collection:
        raise BadRequest(f"{navigation.name} leads to one entity and takes no key.", target=navigation.name)
    return ResourcePath((*path.steps, _keyed(step, segment, scope)))


def _special(path: ResourcePath, segment: Segment) -> ResourcePath:
    if segment.name == "$count" and path.end == "entities" and not path.single:
        return replace(path, end="count")
    if segment.name == "$ref" and path.end == "entities":
        return replace(path, end="references")
    if segment.name == "$value" and path.end == "property":
        return replace(path, end="value")
    if segment.name == "$value" and path.end == "entities" and path.single:
        raise BadRequest(
            f"{path.steps[-1].variable.set.exposed.type_name} is no media entity and has no $value.", target="$value"
        )
    raise NotFound(f"'{segment.name}' cannot follow here.", target=segment.name)


def _keyed(step: PathStep, segment: Segment, scope: Scope) -> PathStep:
    if segment.arguments is None or not segment.arguments:
        if segment.arguments == ():
            raise BadRequest(f"{segment.name}() has no key; {_key_form(step.variable.set)}.", target=segment.name)
        return step
    return replace(step, key=key_predicate(step.variable.set, segment.arguments, scope))


def key_predicate(
    entity_set: EntitySet, given: tuple[KeyValue | Argument, ...], scope: Scope
) -> tuple[tuple[Property, Value | Null], ...]:
    """The key predicate in order of the key's declaration; one lone value stands for a single key property."""
    if len(given) == 1 and given[0].name is None and len(entity_set.key) == 1:
        return ((entity_set.key[0], key_value(given[0].value, entity_set.key[0], scope)),)
    by_name = {item.name: item.value for item in given}
    wanted = [item.name for item in entity_set.key]
    if sorted(name or "" for name in by_name) != sorted(wanted) or len(given) != len(wanted):
        read = ", ".join(item.name or "a lone value" for item in given) or "nothing"
        raise BadRequest(f"The key given has {read}; {_key_form(entity_set)}.", target=entity_set.name)
    return tuple((item, key_value(by_name[item.name], item, scope)) for item in entity_set.key)


def _key_form(entity_set: EntitySet) -> str:
    names = ",".join(f"{item.name}=..." for item in entity_set.key)
    return f"{entity_set.name} takes {entity_set.name}({names})"
