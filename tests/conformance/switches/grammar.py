"""Switches of the grammar: each rule taken away in two ways, so that it reads nothing, and so that it takes anything.

Without its rule a case that the standard accepts is refused; a rule that takes anything accepts what it must refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from odata.errors import UrlSyntaxError
from odata.protocol import preferences
from odata.url import expressions, literals, options
from odata.url.context import ContextUrl
from odata.url.nodes import Literal, LiteralKind, Options, Span
from odata.url.parts import split
from odata.url.tokens import Tokens
from tests.conformance.switches.switch import Off, Switch, both, entry, put, without

NEVER = re.compile(r"(?!)")
ANYTHING = re.compile(r"(?s:.*)")
SOMETHING = Literal("null", "null", Span(0, 0, 0))


def _reads_nothing(*_: object, **__: object) -> NoReturn:
    raise UrlSyntaxError("This rule has been taken away.")


def _takes_anything(value: object) -> Any:
    """A rule that passes all of the text and looks at none of it."""

    def rule(tokens: Tokens, *_: object) -> object:
        tokens.seek(len(tokens.text))
        return value

    return rule


def _accepted(*rules: str) -> tuple[str, ...]:
    return tuple(f"test_case: {rule} accepted *" for rule in rules)


def _refused(*rules: str) -> tuple[str, ...]:
    return tuple(f"test_case: {rule} refused *" for rule in rules)


def _readers(names: Iterable[str], reader: Any) -> Off:
    return both(*(entry(options._READERS, name, reader) for name in names))


def _forms(names: Iterable[str], form: re.Pattern[str]) -> Off:
    return both(*(entry(literals._COMPILED, f"{name}Value", form) for name in names))


PATHS = ("odataUri", "odataRelativeUri", "resourcePath", "entitySetName", "functionParameter")
MANY_OPTIONS = ("queryOptions", "systemQueryOption", "customQueryOption")
ONE_OPTION = ("filter", "search", "orderby", "select", "expand", "compute", "deltatoken", "skiptoken")
EXPRESSIONS = ("commonExpr", "boolCommonExpr", "boolcommonExpr", "anyExpr", "isofExpr", "notExpr")
MEMBER_PATHS = ("firstMemberExpr", "propertyPathExpr")
VALUES = ("boolean", "date", "dateTimeOffset", "timeOfDay", "duration", "enum", "decimal", "guid", "binary",
          "byte", "sbyte", "int16", "int32", "int64")  # fmt: skip
NO_CASE = ("guid", "binary")
NUMBERS = ("decimal", "double", "single")
WHOLE_NUMBERS = ("sbyte", "int16", "int32", "int64")
GEO = tuple(f"{family}{shape}" for family in ("geography", "geometry") for shape in (
    "Collection", "LineString", "MultiLineString", "MultiPoint", "MultiPolygon", "Point", "Polygon"))  # fmt: skip

READ_NOTHING: dict[str, Switch] = {
    "no resource path is read": Switch(
        put("odata.url.request_target.resource_path", _reads_nothing), _accepted(*PATHS)
    ),
    "no query option is read": Switch(
        put("odata.url.options.query_options", _reads_nothing),
        _accepted(*MANY_OPTIONS, "orderBy", *ONE_OPTION),
    ),
    **{
        f"${name} is not read": Switch(_readers([f"${name}"], _reads_nothing), _accepted(name)) for name in ONE_OPTION
    },
    "no expression is read": Switch(
        put("odata.url.expressions._operators", _reads_nothing), (*_accepted(*EXPRESSIONS), "test_counts")
    ),
    "isof is no function": Switch(without(expressions._SPECIAL_CALLS, "isof"), _accepted("isofExpr")),
    "not is no operator": Switch(put("odata.url.expressions._is_not_operator", lambda _: False), _accepted("notExpr")),
    "no lambda is read": Switch(put("odata.url.members._tail", lambda _: None), _accepted("anyExpr")),
    "no member path is read": Switch(put("odata.url.members._first_step", _reads_nothing), _accepted(*MEMBER_PATHS)),
    "no context URL is read": Switch(put("odata.url.context._fragment", _reads_nothing), _accepted("context")),
    "no search expression is read": Switch(
        put("odata.url.search.search_expr", _reads_nothing), _accepted("searchExpr")
    ),
    "no JSON string is read": Switch(
        put("odata.url.expressions.json_string", _reads_nothing), _accepted("stringInUrl")
    ),
    "no preference is known": Switch(
        put("odata.protocol.preferences._PREFERENCES", ()), _accepted("preference", "prefer")
    ),
    "no header is known": Switch(
        both(without(preferences._HEADERS, *preferences._HEADERS), put("odata.protocol.preferences._PREFERENCES", ())),
        _accepted("header", "request-id", "prefer"),
    ),
    "no literal is read": Switch(
        put("odata.url.literals.primitive_literal", lambda _: None),
        _accepted(
            "primitiveLiteral", "null", "boolean", "guid", "date", "dateTimeOffsetLiteral", "dateTimeOffsetValueInUrl",
            "timeOfDayLiteral", "stringLiteral", "binaryLiteral", "durationLiteral", "enumLiteral",
            *(f"{name}Literal" for name in NUMBERS), *GEO,
        ),
    ),
    "no geographic shape is known": Switch(
        put("odata.url.literals.is_geo_literal", lambda _: False), _accepted(*GEO)
    ),
    "no value has a form": Switch(
        both(_forms(VALUES, NEVER), put("odata.url.literals.is_geo_literal", lambda _: False)),
        _accepted(*(f"{name}Value" for name in (*VALUES, "double", "single", "primitive") if name not in NO_CASE)),
    ),
    "no whole number has a form": Switch(
        _forms(WHOLE_NUMBERS, NEVER), _accepted(*(f"{name}Literal" for name in WHOLE_NUMBERS))
    ),
    "no name has a form": Switch(
        entry(literals._COMPILED, "odataIdentifier", NEVER), _accepted("odataIdentifier")
    ),
}  # fmt: skip

ANY_LITERAL: dict[str, LiteralKind] = {
    "binaryLiteral": "binary", "date": "date", "boolean": "boolean", "guid": "guid", "stringLiteral": "string",
}  # fmt: skip
"""The rule of a literal, and the kind that its driver asks for."""

TAKE_ANYTHING: dict[str, Switch] = {
    "any resource path is taken": Switch(
        both(
            put("odata.url.request_target.resource_path", lambda *_: ()),
            put("odata.url.request_target.query_options", lambda *_: Options()),
        ),
        _refused("odataRelativeUri", "resourcePath"),
    ),
    "any query option is taken": Switch(
        both(
            put("odata.url.options.query_options", lambda *_: Options()),
            put("odata.url.options.canonical_name", lambda name: name.strip()),
            put("tests.conformance.test_abnf.split", lambda path, query: split(path, query.replace("#", "%23"))),
        ),
        _refused("queryOptions", "filter", "search", "expand"),
    ),
    "any expression is taken": Switch(
        put("odata.url.expressions.common_expr", _takes_anything(SOMETHING)), _refused("commonExpr", "boolCommonExpr")
    ),
    "any search expression is taken": Switch(
        put("odata.url.search.search_expr", _takes_anything(SOMETHING)), _refused("searchExpr")
    ),
    "any context URL is taken": Switch(
        put("odata.url.context.parse_context", lambda _: ContextUrl()), _refused("context")
    ),
    "any preference is taken": Switch(
        put("odata.protocol.preferences._fields", lambda _: {}),
        _refused("includeAnnotationsPreference", "maxpagesizePreference"),
    ),
    "every value has every form": Switch(
        _forms(VALUES, ANYTHING),
        _refused("booleanValue", "dateTimeOffsetValue", "timeOfDayValue", "durationValue", "enumValue",
                 "decimalValue", "doubleValue", "primitiveValue"),
    ),
    "every text is a name": Switch(
        entry(literals._COMPILED, "odataIdentifier", ANYTHING), _refused("odataIdentifier")
    ),
    **{
        f"any text is a {kind}": Switch(
            put("odata.url.literals.primitive_literal", _takes_anything(Literal(kind, "", Span(0, 0, 0)))),
            _refused(rule),
        )
        for rule, kind in ANY_LITERAL.items()
    },
}  # fmt: skip

SWITCHES = {**READ_NOTHING, **TAKE_ANYTHING}
