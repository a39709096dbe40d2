"""$expand against the model. In: items as written. Out: Expansions, nested ones inside. Standard: URL Conventions,
"System Query Option $expand".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from odata.edm.model import EntitySet, NavigationProperty
from odata.errors import DuplicateOption, InvalidOption, LimitExceeded, UnknownProperty, Unsupported
from odata.plan.bound import Place, Variable, place_of
from odata.plan.filter import joined_filter
from odata.plan.orderby import total_order
from odata.plan.plans import Expansion, Selection
from odata.plan.scope import Scope, nearest
from odata.plan.select import selection
from odata.url.nodes import ExpandItem, Number, Options, Span

NESTED_OPTIONS = ("filter", "search", "orderby", "select", "expand", "top", "skip", "count", "levels")
REFERENCE_OPTIONS = ("filter", "search", "orderby", "top", "skip", "count")
COUNT_OPTIONS = ("filter", "search")
COLLECTION_OPTIONS = ("filter", "search", "orderby", "top", "skip", "count")


@dataclass(slots=True)
class Budget:
    """What a request may still expand; shared by all levels."""

    navigations: int


def expansions(
    items: tuple[ExpandItem, ...] | None, variable: Variable, scope: Scope, depth: int = 1, budget: Budget | None = None
) -> tuple[Expansion, ...]:
    """Bind the items of one level.

    Args:   depth: 1 at the top; scope: its implicit variable is the entity that is expanded.
    Raises: UnknownProperty, InvalidOption, DuplicateOption (400), LimitExceeded naming limit and value, Unsupported
    (501).
    """
    if not items:
        return ()
    if depth > scope.limits.expand_depth:
        raise LimitExceeded(
            f"$expand nests deeper than the limit of {scope.limits.expand_depth} levels.", target="$expand"
        )
    budget = budget or Budget(scope.limits.expand_navigations)
    chosen: dict[str, tuple[NavigationProperty, ExpandItem]] = {}
    starred: dict[str, tuple[NavigationProperty, ExpandItem]] = {}
    for item in items:
        for navigation, is_star in _navigations(item, variable.set):
            if navigation.name in chosen and not is_star:
                raise DuplicateOption(f"$expand names '{navigation.name}' twice.", target="$expand")
            (starred if is_star else chosen)[navigation.name] = (navigation, item)
    wanted = {**starred, **chosen}
    ordered = [wanted[name] for name in variable.set.navigation if name in wanted]
    return tuple(_expansion(navigation, item, scope, depth, budget) for navigation, item in ordered)


def _navigations(item: ExpandItem, entity_set: EntitySet) -> Iterator[tuple[NavigationProperty, bool]]:
    steps = [step for step in item.path if step.name != entity_set.type_name]
    name = steps[0].name if steps else ""
    if item.suffix == "$value" or name.startswith("@"):
        raise Unsupported(f"$expand does not serve '{name or item.suffix}'.", target="$expand")
    if name == "*":
        yield from ((navigation, True) for navigation in entity_set.navigation.values())
        return
    if len(steps) > 1:
        raise InvalidOption(
            f"'{name}/{steps[1].name}' cannot be expanded as a path; nest it: $expand={name}($expand={steps[1].name}).",
            target="$expand",
        )
    if name not in entity_set.navigation:
        raise UnknownProperty(
            f"No navigation property '{name}' on {entity_set.exposed.type_name} (offset {item.position} of $expand)"
            f"{nearest(name, entity_set.navigation)}",
            target="$expand",
        )
    yield entity_set.navigation[name], False


def _expansion(navigation: NavigationProperty, item: ExpandItem, scope: Scope, depth: int, budget: Budget) -> Expansion:
    budget.navigations -= 1
    if budget.navigations < 0:
        raise LimitExceeded(
            f"$expand names more navigation properties than the limit of {scope.limits.expand_navigations}.",
            target="$expand",
        )
    options = item.options or Options()
    _check_options(navigation, item, options)
    variable = Variable(scope.fresh(), navigation.target)
    inner = scope.nested(variable, options.aliases)
    mode = {"$ref": "references", "$count": "count"}.get(item.suffix or "", "entities")
    nested = _nested(navigation, item, options, variable, inner, depth, budget)
    return Expansion(
        navigation=navigation,
        variable=variable,
        selection=_selection(mode, variable, options, nested),
        filter=joined_filter(options, inner),
        order=total_order(options.orderby, variable, inner) if navigation.collection and mode != "count" else (),
        top=options.top.value if options.top else None,
        skip=_skip(options, scope),
        rows=scope.limits.max_page_size,
        count=bool(options.count),
        mode=mode,  # type: ignore[arg-type]
        place=_place(item),
        recursive=options.levels is not None,
    )


def _place(item: ExpandItem) -> Place | None:
    return None if item.options_place is None else place_of(item.options_place)


def _selection(mode: str, variable: Variable, options: Options, nested: tuple[Expansion, ...]) -> Selection:
    if mode == "entities":
        return selection(variable, options.select, nested)
    return Selection(variable=variable, properties=(), references=mode == "references")


def _skip(options: Options, scope: Scope) -> int:
    value = options.skip.value if options.skip else 0
    if value > scope.limits.max_skip:
        raise LimitExceeded(f"$skip is {value}; the limit is {scope.limits.max_skip}.", target="$skip")
    return value


def _check_options(navigation: NavigationProperty, item: ExpandItem, options: Options) -> None:
    if options.unsupported or options.compute:
        name = options.unsupported[0] if options.unsupported else "$compute"
        raise Unsupported(f"{name} inside $expand is not served.", target="$expand")
    if item.suffix == "$count" and not navigation.collection:
        raise InvalidOption(f"{navigation.name} leads to one entity and has no /$count.", target="$expand")
    allowed = {"$ref": REFERENCE_OPTIONS, "$count": COUNT_OPTIONS}.get(item.suffix or "", NESTED_OPTIONS)
    for name in NESTED_OPTIONS:
        if getattr(options, name) is None:
            continue
        if name not in allowed:
            raise InvalidOption(f"${name} does not apply to {navigation.name}/{item.suffix}.", target="$expand")
        if name in COLLECTION_OPTIONS and not navigation.collection:
            raise InvalidOption(
                f"${name} does not apply to {navigation.name}, which leads to one entity.", target="$expand"
            )


def _nested(
    navigation: NavigationProperty, item: ExpandItem, options: Options, variable: Variable, scope: Scope,
    depth: int, budget: Budget,
) -> tuple[Expansion, ...]:  # fmt: skip
    """Expansions of the next level; $levels repeats the item itself there."""
    explicit = expansions(options.expand, variable, scope, depth + 1, budget)
    if options.levels is None:
        return explicit
    everything = item.path[-1].name == "*"
    if navigation.target is not navigation.source and not everything:
        raise InvalidOption(
            f"$levels does not apply to {navigation.name}: it does not lead back to "
            f"{navigation.source.exposed.type_name}.",
            target="$expand",
        )
    levels = scope.limits.expand_depth - depth + 1 if options.levels == "max" else options.levels.value
    if levels < 1:
        raise InvalidOption("$levels must be at least 1, or max.", target="$expand")
    if levels == 1:
        return explicit
    if depth >= scope.limits.expand_depth:
        raise LimitExceeded(f"$levels exceeds the limit of {scope.limits.expand_depth} levels.", target="$expand")
    again = _level(item, options, levels - 1)
    if everything:
        return expansions((again,), variable, scope, depth + 1, budget)
    return (*(entry for entry in explicit if entry.name != navigation.name),
            _expansion(navigation, again, scope, depth + 1, budget))  # fmt: skip


def _level(item: ExpandItem, options: Options, levels: int) -> ExpandItem:
    """The item as it repeats one level further down."""
    return replace(item, options=replace(options, levels=Number(levels, Span(0, 0, 0))))
