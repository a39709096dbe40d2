"""Literal values: the lexical rules of URL Conventions and ABNF section 7, and the token-to-Literal step.

In: a token or a bare text. Out: a `Literal`, or whether a text has the form of a named rule. Ranges that depend on a
type (a byte over 255, 30 February) are the business of whoever knows the type.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from odata.url.nodes import Literal, LiteralKind, Span
from odata.url.tokens import Tokens

IDENTIFIER = r"[A-Za-z_\u00a1-\U0010ffff][A-Za-z0-9_\u00a1-\U0010ffff]{0,127}"
_DATE = r"-?(?:0[0-9]{3}|[1-9][0-9]{3,})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,12})?)?"
_NUMBER = r"(?:[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|NaN|-INF|INF)"
_ENUM_MEMBER = rf"(?:{IDENTIFIER}|[+-]?[0-9]{{1,19}})"
_BASE64 = "[A-Za-z0-9_-]"
_POSITION = rf"{_NUMBER} {_NUMBER}(?: {_NUMBER}){{0,2}}"
_POINT = rf"\({_POSITION}\)"
_RING = rf"\({_POSITION}(?:,{_POSITION})*\)"
_LINE = rf"\({_POSITION}(?:,{_POSITION})+\)"
_POLYGON = rf"\({_RING}(?:,{_RING})*\)"

# The forms of values, named as the ABNF names them; a "Literal" in a URL has been percent-decoded before.
_FORMS = {
    "booleanValue": "true|false",
    "boolean": "(?i:true|false)",
    "guidValue": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "dateValue": _DATE,
    "timeOfDayValue": _TIME,
    "dateTimeOffsetValue": rf"{_DATE}[Tt]{_TIME}(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    "durationValue": r"(?i:-?P(?:[0-9]+D)?(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?)",
    "decimalValue": _NUMBER,
    "byteValue": "[0-9]{1,3}",
    "sbyteValue": "[+-]?[0-9]{1,3}",
    "int16Value": "[+-]?[0-9]{1,5}",
    "int32Value": "[+-]?[0-9]{1,10}",
    "int64Value": "[+-]?[0-9]{1,19}",
    "binaryValue": rf"(?:{_BASE64}{{4}})*(?:{_BASE64}{{2}}[AEIMQUYcgkosw048]=?|{_BASE64}[AQgw](?:==)?)?",
    "enumValue": rf"{_ENUM_MEMBER}(?:,{_ENUM_MEMBER})*",
    "null": "null",
    "odataIdentifier": IDENTIFIER,
    "pointLiteral": rf"(?i:Point){_POINT}",
    "lineStringLiteral": rf"(?i:LineString){_LINE}",
    "polygonLiteral": rf"(?i:Polygon){_POLYGON}",
    "multiPointLiteral": rf"(?i:MultiPoint)\((?:{_POINT}(?:,{_POINT})*)?\)",
    "multiLineStringLiteral": rf"(?i:MultiLineString)\((?:{_LINE}(?:,{_LINE})*)?\)",
    "multiPolygonLiteral": rf"(?i:MultiPolygon)\((?:{_POLYGON}(?:,{_POLYGON})*)?\)",
}
_COMPILED = {rule: re.compile(form) for rule, form in _FORMS.items()}
_SHAPES = (
    "pointLiteral", "lineStringLiteral", "polygonLiteral",
    "multiPointLiteral", "multiLineStringLiteral", "multiPolygonLiteral",
)  # fmt: skip
_GEO = re.compile("|".join(_FORMS[rule] for rule in _SHAPES))
_SRID = re.compile(r"(?i:SRID)=[0-9]{1,5};")
_COLLECTION = re.compile(r"(?i:GeometryCollection)\(")
MAX_GEO_DEPTH = 10

# Prefixes of OData 2 that live on in clients, and the form of today.
_OLD_PREFIXES = {
    "datetime": "2026-01-31T00:00:00Z",
    "datetimeoffset": "2026-01-31T00:00:00Z",
    "guid": "00000000-0000-0000-0000-000000000000 without quotes",
    "time": "12:30:00 or duration'PT12H30M'",
    "x": "binary'...' in base64url",
}


def has_form(rule: str, text: str) -> bool:
    """Whether the whole text matches a rule of ABNF section 7, such as "dateValue" or "enumValue"."""
    return _COMPILED[rule].fullmatch(text) is not None


def is_geo_literal(text: str) -> bool:
    """Whether the text between the quotes of geography'...' or geometry'...' is well-formed (rules full...Literal)."""
    srid = _SRID.match(text)
    return srid is not None and _geo_end(text, srid.end(), 0) == len(text)


def _geo_end(text: str, offset: int, depth: int) -> int:
    opening = _COLLECTION.match(text, offset)
    if opening is None or depth >= MAX_GEO_DEPTH:
        shape = _GEO.match(text, offset)
        return shape.end() if shape else -1
    offset = _geo_end(text, opening.end(), depth + 1)
    while 0 <= offset < len(text) and text[offset] == ",":
        offset = _geo_end(text, offset + 1, depth + 1)
    return offset + 1 if 0 <= offset < len(text) and text[offset] == ")" else -1


def primitive_literal(tokens: Tokens) -> Literal | None:
    """The literal at the cursor, passed; None when the current token is none.

    Raises: UrlSyntaxError for a prefixed literal whose prefix or content does not fit.
    """
    kind = tokens.kind
    if kind == "name":
        return _named_literal(tokens)
    reader = _READERS.get(kind)
    if reader is None:
        return None
    text = tokens.lexeme
    literal = Literal(*reader(text), tokens.span())
    tokens.budget.spend()
    tokens.height = 1
    tokens.advance()
    return literal


def unquote(text: str) -> str:
    """The value of a quoted literal: outer quotes dropped, inner ones undoubled."""
    return text[1:-1].replace("''", "'")


def _number(text: str) -> tuple[LiteralKind, str]:
    if text[-1] in "FN" or "e" in text or "E" in text:
        return "double", text
    return ("decimal" if "." in text else "integer"), text


_READERS: dict[str, Callable[[str], tuple[LiteralKind, str]]] = {
    "string": lambda text: ("string", unquote(text)),
    "number": _number,
    "guid": lambda text: ("guid", text),
    "date": lambda text: ("date", text),
    "timeofday": lambda text: ("timeofday", text),
    # Only a form-decoded query has a space here: the "+" of the offset.
    "datetimeoffset": lambda text: ("datetimeoffset", text.replace(" ", "+")),
}


def _named_literal(tokens: Tokens) -> Literal | None:
    """true, false, null, or a literal with prefix."""
    text = tokens.lexeme
    span = tokens.span()
    if text[-1] == "'":
        literal = _prefixed_literal(tokens, text, span)
    elif text == "null" and tokens.follower not in ("/", "("):
        literal = Literal("null", text, span)
    elif len(text) <= 5 and text.lower() in ("true", "false") and tokens.follower not in ("/", "("):
        literal = Literal("boolean", text.lower(), span)
    else:
        return None
    tokens.budget.spend()
    tokens.height = 1
    tokens.advance()
    return literal


_PREFIXES: dict[str, tuple[LiteralKind, str]] = {
    "binary": ("binary", "base64url text"),
    "duration": ("duration", "a duration such as P1DT2H30M"),
    "geography": ("geography", "a shape such as SRID=4326;Point(1 2)"),
    "geometry": ("geometry", "a shape such as SRID=0;Point(1 2)"),
}


def _prefixed_literal(tokens: Tokens, text: str, span: Span) -> Literal:
    prefix, _, _ = text.partition("'")
    quote = span.start + len(prefix)
    value = unquote(text[len(prefix) :])
    inner = Span(span.part, quote, span.end)
    kind, expected = _PREFIXES.get(
        prefix.lower(), ("enum", "members or numbers of the enumeration, separated by commas")
    )
    if kind == "enum" and "." not in prefix:
        hint = _OLD_PREFIXES.get(prefix.lower())
        tokens.fail(
            hint
            if hint
            else "binary, duration, geography, geometry or the qualified name of an enumeration type as prefix"
        )
    if not (is_geo_literal(value) if kind in ("geography", "geometry") else has_form(kind + "Value", value)):
        tokens.fail(expected, at=quote + 1)
    return Literal(kind, value, inner, prefix if kind == "enum" else None)
