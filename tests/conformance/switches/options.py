"""Switches of the system query options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import or_
from sqlalchemy import select as sql_select

from odata.edm.types import INT32, PRIMITIVE_TYPES, STRING
from odata.errors import BadRequest, InvalidOption, LimitExceeded
from odata.plan import bind, expand, make, orderby
from odata.plan.bound import Constant, Value
from odata.plan.scope import root_scope
from odata.plan.select import selection
from odata.plan.values import TRANSFORMS
from odata.sql.context import number
from odata.url import items, options
from odata.url.nodes import Number, Options, Span, Step
from odata.url.tokens import Tokens
from tests.conformance.switches.switch import Off, Switch, entry, put, unchecked

CASE = "test_collection: "
COUNT = f"{CASE}i40.13 "
EXPAND = f"{CASE}a40.9"
ORDER = f"{CASE}i40.17 "
PAGE = f"{CASE}page sizes: "
SELECT = f"{CASE}i40.3 "
ASKED, DEEPER, NAVIGATIONS, VALUE = orderby._asked, expand._nested, expand._navigations, bind._value
NEVER = re.compile(r"(?!)")
CANONICAL_NAME = options.canonical_name


def _name_for_an_entity(path: Any, variable: Any, steps: Any, scope: Any) -> Any:
    """An entity may stand for a value, its name."""
    return VALUE(path, variable, steps or (Step("Name", 0),), scope)


def _of_request(**changes: Any) -> Off:
    """Options of a collection are read and left aside."""
    real = make._collection
    return put(
        "odata.plan.make._collection",
        lambda path, options, *more: real(path, replace(options, **changes), *more),
    )


def _nested(*names: str) -> Off:
    """Options inside $expand are read and left aside."""
    real = expand._expansion

    def expansion(navigation: Any, item: Any, *more: Any) -> Any:
        given = replace(item.options or Options(), **dict.fromkeys(names))
        return real(navigation, replace(item, options=given), *more)

    return put("odata.plan.expand._expansion", expansion)


def _limits(**changes: int) -> Off:
    return put(
        "odata.plan.make.root_scope",
        lambda model, *, limits, **more: root_scope(model, limits=replace(limits, **changes), **more),
    )


def _reader(name: str, value: Any) -> Off:
    """An option whose value is not looked at."""

    def read(tokens: Tokens, offset: int) -> object:
        tokens.seek(len(tokens.text))
        return value

    return entry(options._READERS, name, read)


def _starred(item: Any, entity_set: Any) -> Iterator[Any]:
    return ((navigation, True) for navigation, _ in NAVIGATIONS(item, entity_set))


def _known_navigations(item: Any, entity_set: Any) -> Iterator[Any]:
    """Every other name is left aside, "*" too."""
    name = item.path[0].name
    return ((entity_set.navigation[found], False) for found in [name] if found in entity_set.navigation)


def _as_deep_as_may_be(*given: Any) -> Any:
    try:
        return DEEPER(*given)
    except LimitExceeded:
        return ()


def _unbound_left_out(given: Any, scope: Any) -> Any:
    try:
        return ASKED(given, scope)
    except BadRequest:
        return []


def _strictly_named(name: str) -> str | None:
    """Every name is known, or refused."""
    found = CANONICAL_NAME(name)
    if found is None and not name.startswith("@"):
        raise InvalidOption(f"There is no option {name}.")
    return found


def _loosely_named(name: str) -> str | None:
    try:
        return CANONICAL_NAME(name)
    except InvalidOption:
        return None


def _last_wins(found: Any, canonical: str, value: Any) -> None:
    found.order.append(canonical)
    found.fields[canonical[1:]] = value


def _case_heeded(writer: Any, node: Any) -> Any:
    pattern = writer.binder(node.value)
    return or_(*(writer.sources.column(node.variable, one).like(pattern) for one in node.properties))


def _any_key(expression: Any, property: Any, scope: Any) -> Value:
    return Value(INT32, "integer", "1")


NO_SPAN = Span(0, 0, 0)

SELECTING: dict[str, Switch] = {
    "$select shows everything": Switch(
        put("odata.plan.make.selection", lambda variable, items, expansions: selection(variable, None, expansions)),
        (SELECT + "properties", SELECT + "star", SELECT + "stray*", SELECT + "qualified*", SELECT + "a navigation*",
         SELECT + "unknown*", "test_i40_3_select_shows_nothing_else", CASE + "i40.5*", CASE + "i40.12*",
         "test_path: a40.12 options in the body, of an entity"),
    ),
    "$select takes any name": Switch(
        put("odata.plan.select._name", lambda item, entity_set: item.path[0].name),
        (SELECT + "unknown*", SELECT + "nothing is inside*", SELECT + "qualified*", CASE + "m41.8*"),
    ),
    "$select takes no stray comma": Switch(
        entry(options._READERS, "$select",
              options._from_tokens(lambda tokens: items._items(tokens, items._select_item))),
        (SELECT + "stray commas*",),
    ),
    "names are cut at 63 bytes": Switch(
        put("odata.sql.objects.LONGEST_ALIAS_BYTES", 1000),
        (SELECT + "a name of 128*", "test_a_name_of_128_characters_is_whole"),
    ),
}  # fmt: skip

EXPANDING: dict[str, Switch] = {
    "nothing is expanded": Switch(
        put("odata.plan.make.expansions", lambda *_: ()),
        (EXPAND + " one", EXPAND + " many", EXPAND + " siblings*", EXPAND + " depth 3", EXPAND + " of a single*",
         EXPAND + " star*", EXPAND + " count*", EXPAND + ".1 *", EXPAND + ".2 *", EXPAND + ".8 levels",
         EXPAND + ".8 levels max", EXPAND + ".8 levels upwards"),
    ),
    "nested $filter is left aside": Switch(
        _nested("filter"),
        (EXPAND + ".2 nested*", EXPAND + ".2 an entity*", EXPAND + ".2 an unknown*", EXPAND + ".2 $it of quotes",
         EXPAND + " count of an*", EXPAND + ".1 count that*", EXPAND + ".5 nested count of rows*"),
    ),
    "nested $orderby is left aside": Switch(_nested("orderby"), (EXPAND + ".4 nested order", EXPAND + ".1 references")),
    "nested $count is left aside": Switch(_nested("count"), (EXPAND + ".5 *", EXPAND + ".6 nested top 0")),
    "nested $top is left aside": Switch(_nested("top"), (EXPAND + ".6 nested top 0", EXPAND + ".5 *")),
    "nested $skip is left aside": Switch(_nested("skip"), (EXPAND + ".6 nested skip and top",)),
    "nested $search is left aside": Switch(_nested("search"), (EXPAND + ".7 *",)),
    "nested $select is left aside": Switch(_nested("select"), (EXPAND + " many", EXPAND + " one")),
    "$levels is left aside": Switch(_nested("levels"), (EXPAND + ".8 *",)),
    "what is too deep is left aside": Switch(
        put("odata.plan.expand._nested", _as_deep_as_may_be), (EXPAND + ".8 levels beyond*", EXPAND + " too deep")
    ),
    "$expand may name any number": Switch(_limits(expand_navigations=99), (EXPAND + " too many",)),
    "what is expanded twice is expanded once": Switch(
        put("odata.plan.expand._navigations", _starred), (EXPAND + " twice the same",)
    ),
    "$expand leaves aside what it does not know": Switch(
        put("odata.plan.expand._navigations", _known_navigations), (EXPAND + " star*", EXPAND + " a property is no*")
    ),
    "nested options are not checked": Switch(
        unchecked("odata.plan.expand._check_options"), (EXPAND + " collection options*", EXPAND + ".9 *")
    ),
    "references are entities": Switch(
        put("odata.plan.expand._selection",
            lambda mode, variable, options, nested: selection(variable, options.select, nested)),
        (EXPAND + ".1 star*", EXPAND + ".1 references"),
    ),
    "$it is what is expanded": Switch(
        put("odata.plan.scope.Scope.root", property(lambda scope: scope.implicit)),
        (EXPAND + ".2 nested filter that names $it", EXPAND + ".2 $it *", EXPAND + ".2 paths *",
         EXPAND + ".2 an entity behind*", EXPAND + ".2 an unknown*", EXPAND + ".5 nested count of rows*",
         EXPAND + ".1 count that*", EXPAND + ".4 nested order by*", "test_nested_next_links_mean_the_same_it*"),
    ),
    "$root begins at every entity": Switch(
        put("odata.plan.members._keyed", lambda step, scope: scope.root),
        (CASE + "m40.root one entity*", CASE + "m40.root a collection*", CASE + "m40.root in an order*",
         CASE + "m40.root what is not there*", CASE + "m40.root an unknown set", CASE + "m40.root a set is no value",
         "test_root_follows_parameters_*"),
    ),
    "$root needs a key": Switch(
        put("odata.plan.bind.whole_set", lambda *_: None),
        (CASE + "m40.root how many*", CASE + "m40.root any and all*", CASE + "m40.root a set in an order*"),
    ),
    "keys in paths are left aside": Switch(
        put("odata.plan.members._key_in", lambda *_: ()), (CASE + "m40.path *",)
    ),
    "$this is what the resource path names": Switch(
        put("odata.plan.scope.Scope.this", property(lambda scope: scope.root)),
        (EXPAND + ".2 $this is the expanded*", CASE + "i40.7 $this of a count*", EXPAND + ".4 $this in*"),
    ),
    "$this is its name": Switch(
        put("odata.plan.bind._value", _name_for_an_entity), (EXPAND + ".2 $this is no value",)
    ),
    "nothing can be cast": Switch(
        put("odata.plan.casts.CASTABLE", frozenset()),
        (CASE + "m41.9.1 a text as *", CASE + "m41.9.1 texts *", CASE + "m41.9.1 a text that *",
         CASE + "i40.7 values as texts"),
    ),
    "texts may be like a literal": Switch(
        put("odata.sql.casts._of_form", lambda operand, form: operand), (CASE + "m41.9.1 a text that *",)
    ),
    "everything can be cast": Switch(
        put("odata.plan.casts.castable", lambda *_: True), (CASE + "i40.7 casts that no rule allows*",), may_break=True
    ),
    "enumerations are no types to cast to": Switch(
        put("odata.plan.casts._named", lambda name, scope: PRIMITIVE_TYPES.get(name.name, STRING)),
        (CASE + "m41.9.1 a text as a member*", CASE + "i40.7 isof*", CASE + "i40.7 a cast to a type that is none"),
    ),
    "a key may be any expression": Switch(
        put("odata.plan.path.key_value", _any_key), (CASE + "a40.12 a key that is no literal",)
    ),
}  # fmt: skip

ORDERING: dict[str, Switch] = {
    "$orderby is left aside": Switch(
        put("odata.plan.orderby._asked", lambda items, scope: []),
        (ORDER + "nulls*", ORDER + "false*", ORDER + "a *", ORDER + "an *", ORDER + "null", SELECT + "sixty*",
         ORDER + "text longer*", ORDER + "inside*", ORDER + "binary*", CASE + "a collection has no order",
         CASE + "m41.6*", "test_path: a40.12 references paged and ordered",
         "test_path: a40.12 composite reference, collection", "test_path: a40.12 options in the body"),
    ),
    "nulls stand where PostgreSQL puts them": Switch(
        put("odata.sql.keyset._ordered",
            lambda key, column: column.desc() if key.descending else column.asc()),
        (ORDER + "nulls*",),
    ),
    "everything can be sorted by": Switch(
        unchecked("odata.plan.orderby._check_sortable"),
        (ORDER + "text longer*", ORDER + "inside*", ORDER + "binary*", CASE + "m40.root a property that*"),
    ),
    "$orderby may have any number of items": Switch(_limits(orderby_items=99), (ORDER + "more items*",)),
    "what has no order is left aside": Switch(
        put("odata.plan.orderby._asked", _unbound_left_out), (CASE + "a collection has no order",)
    ),
    "there is no default order": Switch(put("odata.plan.orderby._default", lambda _: []), (CASE + "default order*",)),
}  # fmt: skip

COUNTING: dict[str, Switch] = {
    "$top is left aside": Switch(_of_request(top=None), (CASE + "i40.5 *", CASE + "i40.12 *", COUNT + "$count with*")),
    "$skip is left aside": Switch(_of_request(skip=None), (CASE + "i40.12 *", COUNT + "$count behind*")),
    "$count is left aside": Switch(
        _of_request(count=None), (COUNT + "$count i*", COUNT + "$count h*", COUNT + "$count w*", COUNT + "$count b*",
                                  COUNT + "$count of nothing", "test_path: a40.12 references paged and ordered"),
    ),
    "$count is always true": Switch(_of_request(count=True), (COUNT + "$count=false",)),
    "$count says one": Switch(
        put("odata.sql.select._total", lambda plan, context: sql_select(number(1).label("count"))),
        (COUNT + "$count i*", COUNT + "$count h*", COUNT + "$count with*", COUNT + "$count behind*"),
    ),
    "$count takes any value": Switch(_reader("$count", True), (CASE + "1.7 *",)),
    "$top takes any value": Switch(
        _reader("$top", Number(1, NO_SPAN)), (PAGE + "$top below 0", PAGE + "$top is no*", PAGE + "$top of 2*")
    ),
    "$skip takes any value": Switch(_reader("$skip", Number(1, NO_SPAN)), (PAGE + "$skip *",)),
    "numbers have 32 bits": Switch(
        put("odata.url.options.LARGEST_NUMBER", 2**31 - 1), (PAGE + "$top of 10 to the 18",)
    ),
    "$skip has no limit": Switch(_limits(max_skip=10**6), (PAGE + "$skip above*",)),
}  # fmt: skip

SEARCHING: dict[str, Switch] = {
    "$filter and $search are left aside": Switch(
        put("odata.plan.make.joined_filter", lambda *_: None),
        (CASE + "i40.11 *", CASE + "a40.10 *", COUNT + "$count heeds*", COUNT + "$count of nothing", CASE + "m41.*6*",
         CASE + "m41.7 names*", "test_path: a40.4 count with*", "test_path: a40.12 options in the body",
         "test_path: a40.12 options in the body, of a count", "test_path: a40.12 options in the body, as a form",
         "test_path: a40.12 reference by an odd key"),
    ),
    "$search finds everything": Switch(
        put("odata.plan.filter.bind_search", lambda *_: Constant(True)),
        (CASE + "i40.11 *", CASE + "a40.10 *", EXPAND + ".7 *", "test_path: a40.4 count with a search"),
    ),
    "$search heeds case": Switch(
        put("odata.sql.expressions._Writer._search", _case_heeded), (CASE + "i40.11 a word*",)
    ),
    "$search has no operators": Switch(put("odata.url.search._OPERATOR", NEVER), (CASE + "a40.10 AND*",)),
    "$search has no phrases": Switch(put("odata.url.search._PHRASE", NEVER), (CASE + "i40.11 a phrase",)),
    "wildcards are wild": Switch(
        entry(TRANSFORMS, "like_contains", lambda text: f"%{text}%"), (CASE + "a40.10 wildcards*",)
    ),
}  # fmt: skip

NAMING: dict[str, Switch] = {
    "options need their $": Switch(
        put("odata.url.options._CANONICAL", {name: name for name in options._READERS}),
        (CASE + "m41.6 *", CASE + "m41.7 the same option twice, once*"),
    ),
    "names of options are exact": Switch(
        put("odata.url.options.canonical_name", options._CANONICAL.get), (CASE + "m41.7 names*",)
    ),
    "an option may stand twice": Switch(
        put("odata.url.options._Found.add", _last_wins), (CASE + "m41.7 the same*",)
    ),
    "an unknown $ name is a custom option": Switch(
        put("odata.url.options.canonical_name", _loosely_named), (CASE + "m40.7 *",)
    ),
    "custom options are refused": Switch(
        put("odata.url.options.canonical_name", _strictly_named), (CASE + "m40.6 *",)
    ),
    "options apply to everything": Switch(
        unchecked("odata.plan.make._check_options"),
        (CASE + "i40.2 *", CASE + "i41.8 *", CASE + "a40.14 *", CASE + "m41.5 another*", CASE + "$filter of*",
         CASE + "$top of a property"),
    ),
    "$schemaversion has no *": Switch(
        entry(options._READERS, "$schemaversion", options._text("$schemaversion", r"[0-9]+", "a version")),
        (CASE + "m41.5 current*",),
    ),
    "$levels is a custom option": Switch(
        unchecked("odata.url.options._refuse_levels"), (CASE + "$levels at the top",)
    ),
}  # fmt: skip

SWITCHES = {**SELECTING, **EXPANDING, **ORDERING, **COUNTING, **SEARCHING, **NAMING}
