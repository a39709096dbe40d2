"""The values that `url.parse` makes: resource paths, expressions and options, names still as written.

Every node is frozen and hashable. Literals carry a Span so that a later stage can lift them out of the URL.
Terms are those of URL Conventions and of the ABNF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """Where a token stands. part: index of the decoded part of the URL (see `parts.py`). start, end: in its text."""

    part: int
    start: int
    end: int


LiteralKind: TypeAlias = OneOf[
    "null", "boolean", "string", "integer", "decimal", "double", "guid", "date", "datetimeoffset", "timeofday",
    "duration", "binary", "enum", "geography", "geometry",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Literal:
    """A primitive literal as written.

    kind by lexical form alone: "string" for '...' without prefix (text = value, quotes undoubled and dropped);
    "integer" 42, "decimal" 3.14, "double" 1e3 INF NaN; "guid" "date" "datetimeoffset" "timeofday" by their shape;
    "duration" "binary" "geography" "geometry" with prefix (text = between the quotes); "enum" Ns.Type'A,B' (type_name
    set). span covers the whole literal, or for prefixed ones the quoted part alone, quotes included.
    Equality ignores nothing: two literals at different places differ.
    """

    kind: LiteralKind
    text: str
    span: Span
    type_name: str | None = None


@dataclass(frozen=True, slots=True)
class ParameterAlias:
    """@name used as an operand."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a member path inside an expression, as written.

    name: identifier, or qualified name with dots (a type cast or bound function), or "$it" "$this" "$root" "$count"
    (first or last position), or "@Term" for an annotation.
    arguments: None, or the parenthesised part: key literals / function parameters, see Argument. For "$filter" it is
    the one predicate. key: a key predicate after the arguments, as in Products/$filter(Age gt 3)(ID='Sugar').
    position: offset in its part.
    """

    name: str
    position: int
    arguments: tuple[Argument, ...] | None = None
    key: tuple[Argument, ...] | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """name=value, or value alone when name is None."""

    name: str | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Path:
    """A member path: steps joined by "/". The last step may be a Lambda or a CountOf instead, see `tail`."""

    steps: tuple[Step, ...]
    tail: Lambda | CountOf | None = None


@dataclass(frozen=True, slots=True)
class Lambda:
    """any(...) or all(...) at the end of a path. variable and predicate are None for any()."""

    name: OneOf["any", "all"]
    variable: str | None
    predicate: Expression | None
    position: int


@dataclass(frozen=True, slots=True)
class CountOf:
    """/$count at the end of a path in an expression, with its optional ($filter=...;$search=...)."""

    options: Options | None
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an unqualified function: name in lower case."""

    name: str
    arguments: tuple[Expression, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Case:
    """case(condition:value,...): the branches in order."""

    branches: tuple[tuple[Expression, Expression], ...]
    position: int


BinaryOperator: TypeAlias = OneOf[
    "eq", "ne", "gt", "ge", "lt", "le", "has", "in", "add", "sub", "mul", "div", "divby", "mod"
]


@dataclass(frozen=True, slots=True)
class Logical:
    """operands joined by one of and/or: two or more, flat, so that a walk over 1,000 terms does not nest.

    position: offset of the first operator word.
    """

    operator: OneOf["and", "or"]
    operands: tuple[Expression, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Binary:
    """left operator right; operator in lower case. For "in", right is a ListExpression, Path, alias or JSON array."""

    operator: BinaryOperator
    left: Expression
    right: Expression
    position: int


@dataclass(frozen=True, slots=True)
class Unary:
    """not, or minus, before an operand."""

    operator: OneOf["not", "-"]
    operand: Expression
    position: int


@dataclass(frozen=True, slots=True)
class ListExpression:
    """(1,2,3)"""

    items: tuple[Expression, ...]
    position: int


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON array or object as an operand; text is the JSON as written.

    items: the values of an array, in order; members: (name, value) of an object. A value is any expression: a JSON
    string is a Literal of kind "string" whose span covers the double quotes.
    """

    text: str
    position: int
    items: tuple[Expression, ...] | None = None
    members: tuple[tuple[str, Expression], ...] | None = None


@dataclass(frozen=True, slots=True)
class TypeName:
    """A qualified type name as an argument of cast and isof."""

    name: str
    position: int


Expression: TypeAlias = (
    Literal | ParameterAlias | Path | Call | Case | Logical | Binary | Unary | ListExpression | JsonValue | TypeName
)


# --- $search ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A word or a phrase (without its quotes)."""

    text: str
    phrase: bool
    span: Span


@dataclass(frozen=True, slots=True)
class SearchNot:
    """NOT before a term or a group."""

    operand: SearchExpression


@dataclass(frozen=True, slots=True)
class SearchAnd:
    """Terms side by side or joined by AND."""

    operands: tuple[SearchExpression, ...]


@dataclass(frozen=True, slots=True)
class SearchOr:
    """Terms joined by OR."""

    operands: tuple[SearchExpression, ...]


SearchExpression: TypeAlias = SearchTerm | SearchNot | SearchAnd | SearchOr


# --- options ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderByItem:
    """One item of $orderby."""

    expression: Expression
    descending: bool


@dataclass(frozen=True, slots=True)
class SelectItem:
    """One item of $select. path: steps as written ("*" or "Ns.*" possible as last). options: nested, or None."""

    path: tuple[Step, ...]
    options: Options | None
    position: int


@dataclass(frozen=True, slots=True)
class ExpandItem:
    """One item of $expand. path: ends in a navigation property or "*". suffix: None without; "$value" for streams.

    options_place: where the nested options stand, without their parentheses.
    """

    path: tuple[Step, ...]
    suffix: OneOf["$ref", "$count", "$value"] | None
    options: Options | None
    position: int
    options_place: Span | None = None


@dataclass(frozen=True, slots=True)
class ComputeItem:
    """One item of $compute."""

    expression: Expression
    alias: str


@dataclass(frozen=True, slots=True)
class Number:
    """The value of $top, $skip, $index, $levels: a whole number with its place."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """System query options of a request or of one nested level; absent ones are None.

    aliases: (name with "@", expression) in order. custom: (name, value) of custom query options, top level only.
    unsupported: system query options that parse but have no field here, such as "$apply", by canonical name.
    levels: Number, or "max". order: canonical names in order of appearance (for explain and unparse).
    """

    filter: Expression | None = None
    search: SearchExpression | None = None
    orderby: tuple[OrderByItem, ...] | None = None
    select: tuple[SelectItem, ...] | None = None
    expand: tuple[ExpandItem, ...] | None = None
    compute: tuple[ComputeItem, ...] | None = None
    top: Number | None = None
    skip: Number | None = None
    count: bool | None = None
    levels: Number | OneOf["max"] | None = None
    format: str | None = None
    skiptoken: str | None = None
    deltatoken: str | None = None
    id: str | None = None
    index: Number | None = None
    schemaversion: str | None = None
    aliases: tuple[tuple[str, Expression], ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
    unsupported: tuple[str, ...] = ()
    order: tuple[str, ...] = ()


# --- resource path ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key or parameter of a segment: name (None for a lone value) and its literal, alias or expression."""

    name: str | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the resource path.

    name: an identifier, a qualified name, or a "$" segment ("$metadata" "$batch" "$count" "$value" "$ref" "$query"
    "$each" "$filter" "$all" "$crossjoin" "$entity").
    arguments: None without parentheses; () for "()"; else keys or parameters.
    key: a key predicate after the parameters of a function, as in ProductsByCategory(id=2)(7).
    text: the whole decoded segment. A segment that is no name (key as segment such as "O'Neil" or "1", an ordinal) has
    name == text and neither arguments nor key; a plain name may be such a key too: only the model can tell.
    filter: the expression or alias inside $filter(...). names: the sets inside $crossjoin(...).
    """

    name: str
    position: int
    part: int
    arguments: tuple[KeyValue, ...] | None = None
    filter: Expression | None = None
    names: tuple[str, ...] = ()
    key: tuple[KeyValue, ...] | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ODataUrl:
    """A request target: segments () is the service root. parts: the decoded texts that Spans point into."""

    segments: tuple[Segment, ...]
    options: Options
    parts: tuple[str, ...] = ()
