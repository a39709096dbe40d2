"""$select against an entity type. In: items as written. Out: a Selection.

Standard: URL Conventions, "System Query Option $select".
"""

from __future__ import annotations

from odata.edm.model import EntitySet, Property
from odata.errors import InvalidOption, UnknownProperty, Unsupported
from odata.plan.bound import Variable
from odata.plan.plans import Expansion, Selection
from odata.plan.scope import nearest
from odata.url.nodes import SelectItem, Step


def selection(variable: Variable, items: tuple[SelectItem, ...] | None, expansions: tuple[Expansion, ...]) -> Selection:
    """What $select shows of an entity; without it every structural property.

    Raises: UnknownProperty (400) with the nearest known name; InvalidOption (400) for nested options on a primitive
    property.
    """
    everything = tuple(variable.set.properties.values())
    if items is None:
        return Selection(variable=variable, properties=everything, expansions=expansions)
    properties: dict[str, Property] = {}
    listed: dict[str, None] = {}
    for item in items:
        name = _name(item, variable.set)
        listed[name] = None
        if name == "*":
            properties.update(variable.set.properties)
        elif name in variable.set.properties:
            properties[name] = variable.set.properties[name]
    return Selection(
        variable=variable, properties=tuple(properties.values()), expansions=expansions, listed=tuple(listed)
    )


def _name(item: SelectItem, entity_set: EntitySet) -> str:
    """The one name an item selects: a property, a navigation property or "*"."""
    steps = [step for step in item.path if step.name != entity_set.type_name]
    if not steps:
        raise InvalidOption(f"$select names the type {entity_set.type_name} but no property.", target="$select")
    name = steps[0].name
    if name.startswith("@") or name.endswith(".*"):
        raise Unsupported(f"$select does not serve '{name}'; name properties.", target="$select")
    if name != "*" and name not in entity_set.properties and name not in entity_set.navigation:
        known = [*entity_set.properties, *entity_set.navigation]
        raise UnknownProperty(
            f"No property '{name}' on {entity_set.exposed.type_name} (offset {item.position} of $select)"
            f"{nearest(name, known)}",
            target="$select",
        )
    _refuse_depth(name, steps[1:], item, entity_set)
    return name


def _refuse_depth(name: str, more: list[Step], item: SelectItem, entity_set: EntitySet) -> None:
    if not more and item.options is None:
        return
    if name in entity_set.navigation:
        raise InvalidOption(
            f"'{name}' is a navigation property; select of its properties with $expand={name}($select=...).",
            target="$select",
        )
    raise InvalidOption(f"'{name}' is a primitive property and has nothing to select inside.", target="$select")
