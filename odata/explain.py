"""Explain: one request through every stage, as text for a person.

In: a request target, who asks, and the service. Out: lines: tokens, tree, plan, SQL with its values and, on request,
the database's own plan and the first rows. It runs the pipeline itself with a database that only listens, so what is
shown is what a request does.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, Protocol
from typing import Literal as OneOf

from odata.edm.model import EntitySet, NavigationProperty, Property
from odata.edm.types import PrimitiveType
from odata.errors import ODataError
from odata.messages import Request
from odata.pipeline import Prepared, answer
from odata.plan.bound import Null, PropertyValue, Value, Variable
from odata.service import Principal, Service
from odata.shapes import ShapeCache, Variant
from odata.sql.parameters import After, Link, Org, Parameter
from odata.url import Rules, parse_parts
from odata.url.nodes import Path, Span
from odata.url.parts import Parts, split
from odata.url.tokens import tokenize

Stage = OneOf["url", "plan", "sql"]
STAGES: Final[tuple[Stage, ...]] = ("url", "plan", "sql")
FIRST_ROWS_CHARACTERS: Final = 2000
VALUE_CHARACTERS: Final = 200
MOST_INLINE_CHARACTERS: Final = 80

Texts = Sequence[str | list[Any] | None]


class FetchAll(Protocol):
    """Run a statement on a connection that cannot write and return its rows; `sql.run.Database.fetch_all` does."""

    def __call__(self, sql: str, parameters: Texts = (), *, prepare: bool | None = None) -> list[tuple[Any, ...]]: ...


def explain(
    service: Service, target: str, principal: Principal, *, until: Stage = "sql", analyze: FetchAll | None = None
) -> Iterator[str]:
    """Lines that show each stage of one request.

    Args:   target: path and query relative to the service root, or with it; blanks may stand as they are.
            until: the last stage to show. analyze: run EXPLAIN ANALYZE and the statement itself through this.
    Raises: nothing for a request that is refused: the last line is the error then.
    Example: explain(service, "Quotes?$top=2", principal)
    """
    path, _, query = _relative(service, target).partition("?")
    yield f"GET {path}{'?' if query else ''}{query}   org {principal.org_id}   profile {principal.profile}"
    heard = _Heard()
    try:
        yield from _url_stage(service, path, query, principal)
        if until == "url":
            return
        refusal = _run(service, Request(path=path, query=query), principal, heard)
        if heard.prepared is not None:
            yield from _section("plan", tree(heard.prepared.plan))
        if heard.prepared is not None and until == "sql":
            yield from _section("sql", sql_lines(heard.prepared.statement.sql))
            yield from _parameters(heard.prepared.statement.parameters, heard.values)
        if refusal is not None:
            raise refusal
        if heard.prepared is None:
            yield from _section("plan", ["a document of the service: no plan, no statement"])
        elif analyze is not None and until == "sql":
            yield from _analyzed(heard, analyze)
    except ODataError as problem:
        yield from _section(f"refused: {problem.status} {problem.code}", _refusal(problem))


def _relative(service: Service, target: str) -> str:
    for prefix in (service.root, "/" + service.root.partition("://")[2].partition("/")[2]):
        if target.startswith(prefix):
            return target[len(prefix) :]
    return target.lstrip("/")


def _section(name: str, lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield ""
    yield name
    for line in lines:
        yield "  " + line


def _refusal(problem: ODataError) -> list[str]:
    offset = getattr(problem, "offset", None)
    return [
        problem.message,
        *([f"about {problem.target}"] if problem.target else []),
        *([f"offset {offset}"] if offset is not None else []),
    ]


# --- listening to the pipeline ---------------------------------------------------------------------------------------


class _Stop(Exception):
    """Everything before the database has been heard."""


class _Heard:
    """What the pipeline prepared and would send to the database; stands in for the database."""

    prepared: Prepared | None = None
    sql: str = ""
    values: Texts = ()

    def fetch(self, sql: str, parameters: Texts = (), **_: object) -> tuple[Any, ...] | None:
        self.sql, self.values = sql, parameters
        raise _Stop

    def measures(self) -> dict[str, int]:
        return {}


class _Shapes(ShapeCache[Prepared]):
    """A cache that knows nothing and passes on what it is given."""

    def __init__(self, heard: _Heard) -> None:
        super().__init__(entries=0, total_bytes=0)
        self._heard = heard

    def keep(self, key: Hashable, variant: Variant[Prepared], size_bytes: int) -> None:
        self._heard.prepared = variant.prepared


def _run(service: Service, request: Request, principal: Principal, heard: _Heard) -> ODataError | None:
    """Run the stages before the database; what one of them refused."""
    listening = replace(service, database=heard, shapes=_Shapes(heard))
    try:
        answer(listening, request, principal)
    except _Stop:
        return None
    except ODataError as problem:
        return problem
    return None


# --- stages ----------------------------------------------------------------------------------------------------------


def _url_stage(service: Service, path: str, query: str, principal: Principal) -> Iterator[str]:
    plus_is_space = principal.profile == "salesforce"
    limits = service.limits
    rules = Rules(plus_is_space=plus_is_space, max_depth=limits.filter_depth, max_nodes=limits.filter_nodes)
    parts = split(path, query, plus_is_space=plus_is_space)
    yield from _section("tokens", _tokens(parts, rules))
    yield from _section("url", tree(parse_parts(parts, rules=rules)))


def _tokens(parts: Parts, rules: Rules) -> Iterator[str]:
    for segment in parts.segments:
        yield f"/{segment}"
    for name, value in parts.options:
        text = value or ""
        words = [f"{kind}:{lexeme.strip()}" for kind, lexeme in tokenize(text, rules=rules)]
        yield f"{name} = " + (text if name.lower().endswith("search") else "  ".join(words) or text)


def _parameters(parameters: Sequence[Parameter], values: Texts) -> Iterator[str]:
    for number, (parameter, value) in enumerate(zip(parameters, values, strict=False), 1):
        shown = repr(value)
        if len(shown) > VALUE_CHARACTERS:
            shown = f"{shown[:VALUE_CHARACTERS]}... ({len(shown)} characters)"
        yield f"  ${number} = {shown}   {_origin(parameter)}"


def _origin(parameter: Parameter) -> str:
    match parameter:
        case Org():
            return "the caller's org"
        case After():
            return "from the skip token"
        case Link():
            return "options of nested next links"
        case Value():
            return f"{parameter.kind} as {parameter.type.name}" + (
                f", {parameter.transform}" if parameter.transform else ""
            )
        case tuple():
            return f"{len(parameter)} literals as one array"
        case _:
            return "chosen by the plan"


def _analyzed(heard: _Heard, fetch_all: FetchAll) -> Iterator[str]:
    """The database's plan of this very statement, measured, and the beginning of what it returns."""
    measured = fetch_all("EXPLAIN (ANALYZE, BUFFERS) " + heard.sql, heard.values, prepare=False)
    yield from _section("database", [_text(row[0]) for row in measured])
    rows = fetch_all(heard.sql, heard.values, prepare=False)
    columns = heard.prepared.statement.columns if heard.prepared else ()
    for row in rows[:1]:
        yield from _section("row", (f"{name} = {_begin(value)}" for name, value in zip(columns, row, strict=True)))
    if not rows:
        yield from _section("row", ["none: 404, or 204 behind a navigation property"])


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _begin(value: object) -> str:
    text = _text(value)
    return text if len(text) <= FIRST_ROWS_CHARACTERS else f"{text[:FIRST_ROWS_CHARACTERS]}... ({len(text)} characters)"


# --- values as trees -------------------------------------------------------------------------------------------------


def tree(value: object) -> list[str]:
    """The lines of a value: one node a line, its parts indented; what equals its default is left out."""
    lead, below = _node(value)
    return [lead, *("  " + line for line in below)]


def _node(value: object) -> tuple[str, list[str]]:
    """The first line of a value, and the lines below it."""
    leaf = _leaf(value)
    if leaf is not None:
        return leaf, []
    if isinstance(value, (tuple, list)):
        return "", [line for item in value for line in tree(item)]
    words, below = [type(value).__name__], []
    shown = [(name, part, *_node(part)) for name, part in _shown_fields(value)]
    crowded = any(lines or len(lead) > MOST_INLINE_CHARACTERS for _, _, lead, lines in shown)
    for name, part, lead, lines in shown:
        if lines or len(lead) > MOST_INLINE_CHARACTERS or (crowded and is_dataclass(part) and " " in lead):
            below += [f"{name}: {lead}".rstrip(), *("  " + line for line in lines)]
        else:
            words.append(f"{name}=({lead})" if is_dataclass(part) and " " in lead else f"{name}={lead}")
    return " ".join(words), below


def _shown_fields(value: object) -> Iterator[tuple[str, object]]:
    """Fields that say something: the texts of the URL stand above, and offsets are those of tokens."""
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} has no form as a tree")
    for one in fields(value):
        part = getattr(value, one.name)
        if part not in ((), None, False) and one.name not in ("position", "parts"):
            yield one.name, part


def _leaf(value: object) -> str | None:
    match value:
        case str():
            return repr(value)
        case None | bool() | int() | float():
            return str(value)
        case EntitySet() | Property() | NavigationProperty() | PrimitiveType():
            return value.name
        case Variable():
            return _variable(value)
        case PropertyValue():
            return f"{_variable(value.variable)}/{value.property.name}" + (" as stored" if value.stored else "")
        case Path(tail=None) if not any(step.arguments or step.key for step in value.steps):
            return "Path " + "/".join(step.name for step in value.steps)
        case Span():
            return f"{value.part}:{value.start}-{value.end}"
        case tuple() if value and all(_leaf(item) is not None for item in value):
            return "(" + ", ".join(str(_leaf(item)) for item in value) + ")"
        case _:
            return None if is_dataclass(value) or isinstance(value, (tuple, list)) else repr(value)


def _variable(variable: Variable) -> str:
    if variable.source is not None and variable.navigation is not None:
        return f"{_variable(variable.source)}/{variable.navigation.name}"
    key = ",".join(f"{name.name}={'null' if isinstance(value, Null) else value.text}" for name, value in variable.key)
    return f"{variable.set.name}{f'({key})' if key else ''}#{variable.number}"


# --- SQL as lines ----------------------------------------------------------------------------------------------------

_PIECE = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")"""
    r"|(?P<open>\((?=\s*SELECT\b))|(?P<other>\()|(?P<close>\))"
    r"|\s*(?P<clause>\b(?:FROM|WHERE|ORDER BY|GROUP BY|LIMIT|LEFT OUTER JOIN|JOIN|UNION ALL)\b)|(?P<blank>\s+)"
)


def sql_lines(sql: str) -> list[str]:
    """The text of a statement, a line a clause, sub-selects indented."""
    lines, line, depth = [], "", [True]
    last = 0
    for found in _PIECE.finditer(sql):
        line += sql[last : found.start()]
        last = found.end()
        indent = "  " * (sum(depth) - 1)
        match found.lastgroup:
            case "open":
                lines.append(indent + line + "(")
                line = ""
                depth.append(True)
            case "other":
                line += "("
                depth.append(False)
            case "close":
                if depth.pop() and depth:
                    lines.append(indent + line.strip())
                    line = ""
                line += ")"
            case "clause" if depth[-1]:
                if line.strip():
                    lines.append(indent + line.strip())
                line = found["clause"]
            case "blank":
                line += " "
            case _:
                line += found[0]
    return [one.rstrip() for one in [*lines, "  " * (sum(depth) - 1) + line + sql[last:]] if one.strip()]
