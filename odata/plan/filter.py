"""$filter and $search of one level joined into one predicate."""

from __future__ import annotations

from odata.errors import about
from odata.plan.bind import bind_predicate
from odata.plan.bound import Bound, Logic
from odata.plan.scope import Scope
from odata.plan.search import bind_search
from odata.plan.weight import require_light
from odata.url.nodes import Options


def joined_filter(options: Options, scope: Scope) -> Bound | None:
    """The predicate that an entity must meet; None without $filter and $search. Their order does not matter."""
    parts: list[Bound] = []
    if options.filter is not None:
        with about("$filter"):
            parts.append(require_light(bind_predicate(options.filter, scope), scope.limits))
    if options.search is not None:
        with about("$search"):
            parts.append(bind_search(options.search, scope.implicit, scope))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))
