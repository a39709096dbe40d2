"""make: an ODataUrl and a Model become a ReadPlan; names bound and typed, limits applied.

In: names as written. Out: nothing half resolved. Knows neither SQL nor HTTP. May refuse with 400, 404, 501.
"""

from __future__ import annotations

from dataclasses import replace

from odata.edm.model import Model
from odata.errors import InvalidOption, LimitExceeded, NotFound, Unsupported
from odata.plan.carried import carried
from odata.plan.expand import expansions
from odata.plan.filter import joined_filter
from odata.plan.limits import Limits, Profile
from odata.plan.orderby import total_order
from odata.plan.paging import Page, require_order
from odata.plan.path import ResourcePath, resource_path
from odata.plan.plans import Kind, ReadPlan, Selection
from odata.plan.scope import Scope, root_scope
from odata.plan.select import selection
from odata.url.nodes import ODataUrl, Options

ENTITY_OPTIONS = frozenset({"select", "expand"})
ALLOWED_OPTIONS: dict[str, frozenset[str]] = {
    "collection": ENTITY_OPTIONS | {"filter", "search", "orderby", "top", "skip", "count", "skiptoken"},
    "entity": ENTITY_OPTIONS,
    "property": frozenset(),
    "value": frozenset(),
    "count": ENTITY_OPTIONS | {"filter", "search", "orderby", "top", "skip", "count"},
}
APPLICABLE = ("filter", "search", "orderby", "select", "expand", "top", "skip", "count", "skiptoken")


def make(
    url: ODataUrl, model: Model, *, profile: Profile = "strict", limits: Limits | None = None, page: Page | None = None
) -> ReadPlan:
    """Plan the read of one resource.

    Args:    page: what a preference and a skip token say about paging; None for page 1 at the service's page size.
    Returns: a plan that SQL can always express.
    Raises:  BadRequest (400), NotFound (404), Unsupported (501), each naming what was read and what would fit.
    Example: make(parse("Quotes", "$top=2"), model).top == 2
    """
    limits = limits or Limits()
    scope = root_scope(model, profile=profile, limits=limits, aliases=url.options.aliases)
    plan = _plan(url, model, scope, page or Page())
    return replace(plan, guards=scope.guards.entries())


def _plan(url: ODataUrl, model: Model, scope: Scope, page: Page) -> ReadPlan:
    path = resource_path(url, model, scope)
    kind = _kind(path)
    _check_options(kind, url.options, scope.limits)
    variable = path.steps[-1].variable
    scope = scope.entering(variable)
    if kind in ("property", "value"):
        chosen = Selection(variable=variable, properties=(path.of_property,) if path.of_property else ())
        return ReadPlan(kind=kind, steps=path.steps, selection=chosen, of_property=path.of_property)
    if kind == "count":
        shown = Selection(variable=variable, properties=())
        return ReadPlan(kind=kind, steps=path.steps, selection=shown, filter=joined_filter(url.options, scope))
    shown = _shown(path, url.options, scope)
    if kind == "entity":
        return ReadPlan(kind=kind, steps=path.steps, selection=shown)
    return _collection(path, url.options, scope, shown, page)


def _kind(path: ResourcePath) -> Kind:
    if path.end in ("property", "value", "count"):
        if path.end != "count" and not path.single:
            raise NotFound("A property of a collection cannot be read; give the key of one entity first.")
        return path.end
    return "entity" if path.single else "collection"


def _check_options(kind: Kind, options: Options, limits: Limits) -> None:
    unserved = options.unsupported or (("$compute",) if options.compute is not None else ())
    if unserved:
        raise Unsupported(f"The query option {unserved[0]} is not served.", target=unserved[0])
    for name in ("deltatoken", "index", "id"):
        if getattr(options, name) is not None:
            raise Unsupported(f"The query option ${name} is not served.", target=f"${name}")
    if options.schemaversion not in (None, "*"):
        raise NotFound(f"There is no schema version '{options.schemaversion}'.", target="$schemaversion")
    if options.levels is not None:
        raise InvalidOption("$levels belongs inside $expand.", target="$levels")
    for name in APPLICABLE:
        if getattr(options, name) is not None and name not in ALLOWED_OPTIONS[kind]:
            raise InvalidOption(f"${name} does not apply to {DESCRIBED[kind]}.", target=f"${name}")
    if options.skip is not None and options.skip.value > limits.max_skip:
        raise LimitExceeded(
            f"$skip is {options.skip.value}; the limit is {limits.max_skip}. Follow next links to go deeper.",
            target="$skip",
        )


DESCRIBED = {
    "collection": "a collection", "entity": "a single entity", "property": "a property",
    "value": "a raw value", "count": "a count",
}  # fmt: skip


def _shown(path: ResourcePath, options: Options, scope: Scope) -> Selection:
    variable = path.steps[-1].variable
    if path.end == "references":
        if options.select is not None or options.expand is not None:
            raise InvalidOption("$select and $expand do not apply to entity references.", target="$ref")
        return Selection(variable=variable, properties=(), references=True)
    expanded = expansions(options.expand, variable, scope)
    shown = selection(variable, options.select, expanded)
    return replace(shown, carried=carried(variable, expanded)) if "$it" in scope.first_steps else shown


def _collection(path: ResourcePath, options: Options, scope: Scope, shown: Selection, page: Page) -> ReadPlan:
    variable = path.steps[-1].variable
    top = options.top.value if options.top else None
    rows, paged = page.size(top, scope.limits)
    order = total_order(options.orderby, variable, replace(scope, ordering=True))
    require_order(page, order)
    return ReadPlan(
        kind="collection",
        steps=path.steps,
        selection=shown,
        filter=joined_filter(options, scope),
        order=order,
        top=top,
        skip=options.skip.value if options.skip and page.after is None else 0,
        rows=rows,
        paged=paged,
        count=bool(options.count),
        after=page.after,
    )
