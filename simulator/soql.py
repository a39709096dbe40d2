"""Text of a query -> Query. A subset of SOQL; what is outside is refused with MALFORMED_QUERY, as typing errors are.

SELECT fields, dotted fields, one level of sub-selects, or COUNT(); FROM; WHERE with = != < <= > >= LIKE, IN, NOT IN,
AND, OR, NOT, brackets; ORDER BY with ASC, DESC, NULLS FIRST, NULLS LAST; LIMIT; OFFSET. Names are not looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from simulator.errors import SalesforceError

Path = tuple[str, ...]
"""A field as written: ("Account", "BillingCountry")."""
LONGEST: Final = 100_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value. kind: string, number, boolean, null, date or datetime; value: as the records hold it."""

    kind: str
    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """path operator values; more than one value with IN and NOT IN only. Operators in upper case."""

    path: Path
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """All of these (operator AND) or any (OR)."""

    operator: str
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Condition


Condition = Comparison | Both | Not


@dataclass(frozen=True, slots=True)
class Order:
    """One term of ORDER BY. Without more, nulls come first, also when descending they come last only if asked."""

    path: Path
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A whole query, or a sub-select; source: the object, or in a sub-select the relationship."""

    fields: tuple[Path | Query, ...]
    source: str
    count: bool = False
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Query:
    """Read a query. Raises: SalesforceError MALFORMED_QUERY that names the token that does not fit."""
    if len(text) > LONGEST:
        raise malformed(f"SOQL statements cannot be longer than {LONGEST} characters.")
    reader = _Reader(text)
    query = reader.query(nested=False)
    reader.end()
    return query


def parse_condition(text: str) -> Condition:
    """Read what may stand after WHERE."""
    reader = _Reader(text)
    condition = reader.condition()
    reader.end()
    return condition


def malformed(message: str) -> SalesforceError:
    """The query is not one."""
    return SalesforceError(400, "MALFORMED_QUERY", message)


_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_RESERVED: Final = frozenset(
    {"FROM", "WHERE", "ORDER", "LIMIT", "OFFSET", "AND", "OR", "NOT", "SELECT", "GROUP", "HAVING"}
)


class _Reader:
    """Recursive descent over the tokens; each method bears the name of what it reads."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def query(self, *, nested: bool) -> Query:
        self._need("SELECT")
        count = self._count() if not nested else False
        fields = () if count else self._list(lambda: self._selected(nested))
        self._need("FROM")
        source = self._name()
        where = self.condition() if self._word("WHERE") else None
        order = self._order() if self._word("ORDER") else ()
        limit = self._whole() if self._word("LIMIT") else None
        offset = self._whole() if self._word("OFFSET") else 0
        return Query(fields=fields, source=source, count=count, where=where, order=order, limit=limit, offset=offset)

    def condition(self) -> Condition:
        first = self._term()
        parts = [first]
        operator = ""
        while True:
            kind, token, _ = self._peek()
            word = token.upper() if kind == "name" else ""
            if word not in ("AND", "OR"):
                break
            if operator and word != operator:
                raise self._unexpected()  # as in the org: AND and OR are mixed with parentheses only
            operator = word
            self._at += 1
            parts.append(self._term())
        return first if len(parts) == 1 else Both(operator, tuple(parts))

    def end(self) -> None:
        if self._peek()[0] != "end":
            raise self._unexpected()

    def _term(self) -> Condition:
        if self._word("NOT"):
            return Not(self._term())
        if self._sign("("):
            inner = self.condition()
            self._need_sign(")")
            return inner
        path = tuple(self._name().split("."))
        if self._word("NOT"):
            self._need("IN")
            return Comparison(path, "NOT IN", self._values())
        if self._word("IN"):
            return Comparison(path, "IN", self._values())
        if self._word("LIKE"):
            return Comparison(path, "LIKE", (self._literal(),))
        kind, token, _ = self._peek()
        if kind != "sign" or token in "(),":
            raise self._unexpected()
        self._at += 1
        return Comparison(path, {"<>": "!="}.get(token, token), (self._literal(),))

    def _values(self) -> tuple[Literal, ...]:
        self._need_sign("(")
        values = self._list(self._literal)
        self._need_sign(")")
        return values

    def _literal(self) -> Literal:
        kind, token, _ = self._peek()
        if kind == "name" and token.upper() not in ("NULL", "TRUE", "FALSE"):
            raise self._unexpected()
        if kind not in _LITERALS:
            raise self._unexpected()
        self._at += 1
        return _LITERALS[kind](token)

    def _selected(self, nested: bool) -> Path | Query:
        if not nested and self._sign("("):
            query = self.query(nested=True)
            self._need_sign(")")
            return query
        return tuple(self._name().split("."))

    def _count(self) -> bool:
        kind, token, _ = self._peek()
        if kind == "name" and token.upper() == "COUNT" and self._tokens[self._at + 1][1] == "(":
            self._at += 2
            self._need_sign(")")
            return True
        return False

    def _order(self) -> tuple[Order, ...]:
        self._need("BY")
        return self._list(self._order_term)

    def _order_term(self) -> Order:
        path = tuple(self._name().split("."))
        descending = self._word("DESC")
        if not descending:
            self._word("ASC")
        last = False
        if self._word("NULLS"):
            last = self._word("LAST")
            if not last:
                self._need("FIRST")
        return Order(path, descending, last)

    def _list(self, read: Callable[[], T]) -> tuple[T, ...]:
        found = [read()]
        while self._sign(","):
            found.append(read())
        return tuple(found)

    def _whole(self) -> int:
        kind, token, _ = self._peek()
        if kind != "number" or not token.isdigit():
            raise self._unexpected()
        self._at += 1
        return int(token)

    def _name(self) -> str:
        kind, token, _ = self._peek()
        if kind != "name" or token.upper() in _RESERVED:
            raise self._unexpected()
        self._at += 1
        return token

    def _word(self, word: str) -> bool:
        kind, token, _ = self._peek()
        if kind == "name" and token.upper() == word:
            self._at += 1
            return True
        return False

    def _sign(self, sign: str) -> bool:
        if self._peek()[:2] == ("sign", sign):
            self._at += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._word(word):
            raise self._unexpected()

    def _need_sign(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._unexpected()

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at]

    def _unexpected(self) -> SalesforceError:
        kind, token, offset = self._peek()
        if kind == "end":
            return malformed("unexpected token: '<EOF>'")
        return malformed(f"\n{self._text[:60]}\nERROR at Row:1:Column:{offset + 1}\nunexpected token: '{token[:60]}'")


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """(kind, token, offset) of each, and an end."""
    found = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            rest = text[at:].lstrip()
            raise malformed(f"\nERROR at Row:1:Column:{at + 1}\nunexpected token: '{rest[:20]}'")
        found.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return [*found, ("end", "", len(text)), ("end", "", len(text))]


def _string(token: str) -> Literal:
    return Literal("string", _ESCAPE.sub(_unescape, token[1:-1]) if "\\" in token else token[1:-1])


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    if code in "_%":
        return match[0]  # LIKE reads it
    if code not in _ESCAPED:
        raise malformed(f"Invalid string literal. Illegal character sequence '\\{code}' in string literal.")
    return _ESCAPED[code]


def _word_literal(token: str) -> Literal:
    word = token.upper()
    return Literal("null", None) if word == "NULL" else Literal("boolean", word == "TRUE")


def _moment(token: str) -> Literal:
    try:
        moment = datetime.fromisoformat(token).astimezone(UTC)
    except ValueError:
        raise malformed(f"Invalid datetime: {token}") from None
    return Literal("datetime", f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000")


_LITERALS: Final[dict[str, Callable[[str], Literal]]] = {
    "string": _string,
    "number": lambda token: Literal("number", float(token)),
    "date": lambda token: Literal("date", token),
    "datetime": _moment,
    "name": _word_literal,
}
