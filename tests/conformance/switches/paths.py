"""Switches of resource paths and of what is read at their end."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NoReturn
from urllib.parse import unquote

from sqlalchemy import Text, cast, func
from sqlalchemy import select as sql_select

from odata import shapes
from odata.errors import NotFound
from odata.mapping import ORG
from odata.payload import envelope
from odata.plan import path as paths
from odata.plan.bound import Variable
from odata.plan.literals import key_value
from odata.plan.plans import PathStep
from odata.sql.context import number
from odata.sql.json import json_value
from odata.url import parts
from tests.conformance.switches.switch import Switch, entry, put, unchecked

ANSWER, CONTINUE, WRITE = envelope.Answer, paths._continue, envelope.write


def _nothing_here(*_: object, **__: object) -> NoReturn:
    raise NotFound("There is nothing.")


def _slashes_in_quotes(path: str, query: str, **rules: Any) -> parts.Parts:
    """Quotes hold a path together."""
    return parts.split(re.sub(r"'[^']*'", lambda quoted: quoted[0].replace("/", "%2F"), path), query, **rules)


def _doubled(found: parts.Parts) -> shapes.Lifted:
    """Literals as they are written in the URL, between their quotes."""
    lifted = shapes.lift(found)
    lifted.texts[:] = [text.replace("'", "''") for text in lifted.texts]
    return lifted


def _by_position(entity_set: Any, given: Any, scope: Any) -> Any:
    """Parts of a key in the order in which they come, as many as there are."""
    return tuple((item, key_value(one.value, item, scope)) for item, one in zip(entity_set.key, given, strict=False))


def _nearest_set(url: Any, model: Any, scope: Any) -> Any:
    """The set whose name is most like the one that is asked for."""
    first, *rest = url.segments
    names = {name.lower(): name for name in model.sets}
    for near in get_close_matches(first.name.lower(), names, 1):
        url = replace(url, segments=(replace(first, name=names[near]), *rest))
    return paths.resource_path(url, model, scope)


def _unknown_left_out(path: Any, segment: Any, scope: Any) -> Any:
    try:
        return CONTINUE(path, segment, scope)
    except NotFound:
        return path


def _nothing_is_empty(plan: Any, frame: Any, row: Any, here: Any) -> Any:
    """Where a path leads to nothing, the answer is as if something without a value were there."""
    if row is None or row.get("parent") is False:
        return envelope.Answer(status=204, rows=0)
    return WRITE(plan, frame, row, here)


def _null(status: int = 200, **fields: Any) -> Any:
    """A null is written as such, instead of 204."""
    return ANSWER(body=(b"null",)) if status == 204 else ANSWER(status=status, **fields)


def _with_deleted(mapping: Any, alias: Any, entity_set: Any) -> Any:
    return alias.c[entity_set.exposed.org_column] == ORG


def _counts_everything(path: Any, segment: Any) -> Any:
    """/$count of whatever stands before it, and $value as well."""
    return replace(path, end="count") if segment.name in ("$count", "$value") else _nothing_here()


def _as_json(column: Any, property: Any, rendition: Any) -> Any:
    return cast(func.to_json(json_value(column, property, rendition)), Text)


SWITCHES: dict[str, Switch] = {
    "deleted rows are shown": Switch(
        put("odata.mapping.Mapping.predicate", _with_deleted),
        ("test_path: a40.12 entity set", "test_path: a40.12 deleted entity", "test_path: i40.16 count"),
    ),
    "names of sets are not exact": Switch(
        put("odata.plan.make.resource_path", _nearest_set),
        ("test_path: a40.12 no such set", "test_path: m41.8 *"),
    ),
    "keys are ignored": Switch(
        put("odata.plan.path._keyed", lambda step, segment, scope: step),
        (
            "test_path: a40.12 key", "test_path: a40.12 key with*", "test_path: a40.12 key by*",
            "test_path: m41.9 named key by alias", "test_path: m41.9 composite key by aliases",
            "test_path: a40.12 key percent*", "test_path: a40.12 * in a key", "test_path: a40.12 key in*",
            "test_path: a40.12 decoded once only", "test_path: a40.12 empty key",
            "test_path: a40.12 key of parentheses",
            "test_path: a40.12 key that*", "test_path: a40.12 key too large", "test_path: a40.12 composite key*",
            "test_path: a40.12 cast to the own type", "test_a_point_in_time_*",
            "test_strict_keys_are_dates_only*", "test_ids_are_of_the_published_type_*",
        ),
    ),
    "what stands in parentheses is not read": Switch(
        put("odata.url.path._values", lambda tokens: tokens.seek(len(tokens.text))), ("test_a_key_that_is_no_date_*",)
    ),
    "aliases stand for nothing": Switch(
        put("odata.plan.scope.Scope.resolve", lambda scope, expression: expression),
        ("test_path: * by alias*", "test_collection: i40.17 an alias"),
    ),
    "keys go by position": Switch(
        put("odata.plan.path.key_predicate", _by_position),
        ("test_path: a40.12 composite key in another order", "test_path: a40.12 composite key without names",
         "test_path: a40.12 composite key that lacks a part"),
    ),
    "nothing is percent-decoded": Switch(
        put("odata.url.parts._decode", lambda text, target: text),
        ("test_path: a40.12 key percent-encoded as a whole", "test_path: a40.12 key in other scripts",
         "test_path: a40.12 percent sign in a key", "test_path: a40.12 slash in a key"),
    ),
    "percent-decoding is done twice": Switch(
        put("odata.url.parts._decode", lambda text, target: unquote(unquote(text))),
        ("test_path: a40.12 decoded once only",),
    ),
    "the path is decoded before it is split": Switch(
        put("odata.pipeline.split", lambda path, query, **rules: parts.split(unquote(path), query, **rules)),
        ("test_path: a40.12 slash in a key", "test_path: a40.12 percent sign in a key",
         "test_path: a40.12 composite key"),
    ),
    "quotes hold a path together": Switch(
        put("odata.pipeline.split", _slashes_in_quotes), ("test_path: a40.12 a raw slash splits the path",)
    ),
    "quotes are not undoubled": Switch(
        put("odata.pipeline.lift", _doubled),
        ("test_path: a40.12 quote in a key", "test_path: a40.12 composite reference, collection"),
    ),
    "keys take values of any type": Switch(
        unchecked("odata.plan.literals.check_kind"), ("test_path: a40.12 key of another type",)
    ),
    "nothing is there, which is no error": Switch(
        put("odata.pipeline.write", _nothing_is_empty),
        (
            "test_path: a40.12 no such entity", "test_path: a40.12 deleted entity", "test_path: a40.12 * of no entity",
            "test_path: a40.12 key of another parent", "test_path: a40.12 property behind*",
            "test_path: a40.12 navigation deep, a step*", "test_path: a40.4 count of a collection of no entity",
            "test_path: a40.12 composite reference",
        ),
    ),
    "null is written instead of 204": Switch(
        put("odata.payload.envelope.Answer", _null),
        ("test_path: a40.12 * nothing behind it", "test_path: a40.12 null property",
         "test_path: i40.6 raw value of null"),
    ),
    "navigation leads to all": Switch(
        put("odata.sql.select._leading", lambda *_: sql_select(number(1))),
        (
            "test_path: a40.12 single navigation", "test_path: a40.12 collection navigation",
            "test_path: a40.12 empty collection navigation", "test_path: a40.12 navigation deep*",
            "test_path: a40.12 key of another parent", "test_path: a40.12 composite reference*",
            "test_path: a40.4 count of a* navigation collection", "test_path: a40.12 reference* of *",
            "test_path: a40.12 options in the body of a navigation path",
        ),
    ),
    "keys in a navigation collection are ignored": Switch(
        put("odata.plan.path._navigate", lambda path, navigation, segment, scope: paths.ResourcePath(
            (*path.steps, PathStep(Variable(scope.fresh(), navigation.target), navigation=navigation)))),
        ("test_path: a40.12 * in a navigation collection",),
    ),
    "unknown segments are left out": Switch(
        put("odata.plan.path._continue", _unknown_left_out),
        ("test_path: a40.12 no such property",),
    ),
    "a property is written as a raw value": Switch(
        entry(envelope.WRITERS, "property", envelope._value), ("test_path: a40.12 property",)
    ),
    "$value is JSON": Switch(
        entry(envelope.WRITERS, "value", envelope._property),
        ("test_path: i40.6 raw text", "test_path: i40.6 raw number", "test_path: i40.6 raw boolean",
         "test_path: i40.6 raw value of an empty text", "test_i40_6_binary_value"),
    ),
    "raw values are quoted": Switch(
        put("odata.sql.select.raw_value", _as_json), ("test_path: i40.6 raw text", "test_path: i40.6 raw infinity")
    ),
    "there are no segments with $": Switch(
        put("odata.plan.path._special", _nothing_here),
        ("test_path: i40.6 raw *", "test_path: a40.4 count with*", "test_path: a40.4 count of a navigation*",
         "test_path: i40.16 count", "test_path: a40.12 reference*",
         "test_path: a40.12 options in the body, of a count"),
    ),
    "everything can be counted": Switch(
        put("odata.plan.path._special", _counts_everything),
        ("test_path: a40.4 a single entity has no count", "test_path: i40.6 raw value of an entity"),
    ),
    "no segment is named that is not served": Switch(
        unchecked("odata.plan.path._refuse_unserved"), ("test_path: a40.* is named", "test_path: i41.11 *")
    ),
    "a key as segment is not named": Switch(
        unchecked("odata.plan.path._refuse_key_as_segment"), ("test_path: m41.9 key as segment is named",)
    ),
    "any segment may follow": Switch(
        put("odata.url.path._LATER", frozenset({"$foo"})), ("test_path: a40.12 unknown $ segment",)
    ),
    "types are no segments": Switch(
        put("odata.plan.path._keyed_cast", _nothing_here), ("test_path: a40.12 cast to the own type",)
    ),
    "$query is read wherever it stands": Switch(
        put("odata.pipeline._without_query_segment",
            lambda request, found: replace(found, segments=found.segments[:-1] or ("Things",))),
        ("test_path: a40.12 $query*",),
    ),
}  # fmt: skip
