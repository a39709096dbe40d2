"""Query options: section 2 of the ABNF, for the whole request and for the parentheses of $expand, $select and /$count.

In: decoded (name, value) pairs, or a cursor on an opening parenthesis. Out: `Options`, absent ones None, names as
written. A new system query option is one entry in `_READERS` and one in the sets below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from odata.errors import DuplicateOption, InvalidOption
from odata.url.expressions import bool_common_expr, common_expr, with_depth
from odata.url.items import compute_items, expand_items, orderby_items, select_items
from odata.url.literals import IDENTIFIER
from odata.url.nodes import Number, Options, Span
from odata.url.patterns import repeated
from odata.url.search import search_expr
from odata.url.tokens import END, Budget, Tokens

LARGEST_NUMBER = 2**63 - 1
_VALUE = re.compile(r"[^;)]*+")
_ALIAS = re.compile(f"@{IDENTIFIER}")
_APPLY_TOKEN = re.compile("'[^']*+'|\"" + repeated(r'[^"\\]++|\\.') + '"|[^\'"();]++|.', re.DOTALL)


def query_options(
    pairs: Iterable[tuple[str, str | None]],
    first_part: int,
    budget: Budget,
    encoded_semicolons: frozenset[tuple[int, int]] = frozenset(),
) -> Options:
    """Read the query options of a request; the value of pair j is part first_part + j.

    Standard: URL Conventions, "Query Options". System query options may lack the "$" and are case-insensitive.
    Raises: DuplicateOption; InvalidOption for unknown "$" names and values out of range; UrlSyntaxError; LimitExceeded.
    """
    found = _Found()
    semicolons: dict[int, list[int]] = {}
    for at, offset in encoded_semicolons:
        semicolons.setdefault(at, []).append(offset)
    for part, (name, value) in enumerate(pairs, first_part):
        canonical = canonical_name(name)
        if canonical == "$levels":
            _refuse_levels(name)
            canonical = None
        if canonical is None and not name.startswith("@"):
            found.custom.append((name, value or ""))
            continue
        if value is None:
            raise InvalidOption(f"Query option '{name}' has no value.", target=name)
        tokens = Tokens(value, part, canonical or name, budget, frozenset(semicolons.get(part, ())))
        if canonical is None:
            _check_alias(name)
            found.add_alias(name, _alias_value(tokens, 0))
        else:
            found.add(canonical, _READERS[canonical](tokens, 0))
        if tokens.kind != END:
            tokens.fail(_AFTER.get(canonical or "", "an operator or the end"))
        if tokens.spaced and not budget.rules.lenient:
            tokens.refuse_blank("the end")
    return found.options()


def _refuse_levels(name: str) -> None:
    """At the top only the bare name may stand, as a custom option."""
    if name.startswith("$"):
        raise InvalidOption(
            "$levels applies to an item of $expand only, as in $expand=Parent($levels=2).", target="$levels"
        )


def canonical_name(name: str) -> str | None:
    """The system query option that a name means ("$filter" for "Filter"), or None for a custom option or an alias.

    Raises: InvalidOption for a "$" name that the standard does not know, with the nearest that it knows.
    """
    canonical = _CANONICAL.get(name) or _CANONICAL.get(name.lower())
    if canonical is None and name.startswith("$"):
        nearest = get_close_matches(name.lower(), _READERS, n=1, cutoff=0.5)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
        raise InvalidOption(f"'{name[:40]}' is no system query option{hint}", target=name[:40])
    return canonical


def nested_options(tokens: Tokens, allowed: frozenset[str], owner: str) -> Options:
    """Read options in parentheses, separated by ";", the cursor being on "("; it ends behind ")".

    allowed: canonical names, "@" for parameter aliases. owner: what the options belong to, for messages.
    """
    with_depth(tokens)
    found = _Found()
    height = 0
    while True:
        tokens.advance()
        tokens.height = 0
        name, at = tokens.lexeme, tokens.start
        if tokens.kind not in ("dollar", "name", "at") or tokens.follower != "=":
            tokens.fail("a query option, such as $select=...")
        value_at = tokens.end + 1
        if name.startswith("@"):
            _check_nested(tokens, "@", name, at, allowed, owner)
            found.add_alias(name, _alias_value(tokens, value_at))
        else:
            canonical = canonical_name(name) or name
            _check_nested(tokens, canonical, name, at, allowed, owner)
            found.add(canonical, _READERS[canonical](tokens, value_at))
        height = max(height, tokens.height)
        if tokens.kind != ";":
            break
    tokens.take_blank(")", "';' or ')'")
    tokens.depth -= 1
    tokens.height = height
    return found.options()


def _check_nested(tokens: Tokens, canonical: str, name: str, at: int, allowed: frozenset[str], owner: str) -> None:
    if canonical not in allowed:
        fits = ", ".join(sorted(allowed - {"@"}))
        raise InvalidOption(
            f"'{name}' at offset {at} of {tokens.target} does not apply to {owner}; expected one of {fits}.",
            target=tokens.target,
        )


def _check_alias(name: str) -> None:
    if _ALIAS.fullmatch(name) is None:
        raise InvalidOption(f"'{name[:40]}' is no parameter alias; expected '@' and an identifier.", target=name[:40])


class _Found:
    """Options while they are read."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.aliases: dict[str, Any] = {}
        self.custom: list[tuple[str, str]] = []
        self.unsupported: list[str] = []
        self.order: list[str] = []

    def add(self, canonical: str, value: object) -> None:
        if canonical in self.order:
            raise DuplicateOption(f"Query option {canonical} stands twice; it may stand once.", target=canonical)
        self.order.append(canonical)
        if value is _UNSUPPORTED:
            self.unsupported.append(canonical)
        else:
            self.fields[canonical[1:]] = value

    def add_alias(self, name: str, value: object) -> None:
        if name in self.aliases:
            raise DuplicateOption(f"Parameter alias {name} stands twice; it may stand once.", target=name)
        self.aliases[name] = value

    def options(self) -> Options:
        return Options(
            **self.fields,
            aliases=tuple(self.aliases.items()),
            custom=tuple(self.custom),
            unsupported=tuple(self.unsupported),
            order=tuple(self.order),
        )


# --- readers: (cursor, offset of the value) -> value; they leave the cursor on what follows ---

_Reader = Callable[[Tokens, int], object]
_UNSUPPORTED = object()


def _from_tokens(rule: Callable[[Tokens], object]) -> _Reader:
    def read(tokens: Tokens, offset: int) -> object:
        tokens.seek(offset)
        if tokens.spaced and not tokens.rules.lenient:
            tokens.refuse_blank("no blank")
        return rule(tokens)

    return read


_alias_value = _from_tokens(common_expr)


def _raw(tokens: Tokens, offset: int) -> tuple[str, Span]:
    """The text of a value up to the end, ";" or ")", blanks around it dropped."""
    match = _VALUE.match(tokens.text, offset)
    assert match is not None
    text = match.group()
    stripped = text.strip(" \t") if tokens.rules.lenient else text
    start = offset + (text.find(stripped) if stripped else 0)
    tokens.seek(match.end())
    return stripped, Span(tokens.part, start, start + len(stripped))


def _refuse(option: str, text: str, expected: str) -> NoReturn:
    shown = text if len(text) <= 40 else text[:40] + "..."
    raise InvalidOption(f"{option} is '{shown}'; expected {expected}.", target=option)


def _number(option: str, pattern: str, expected: str) -> _Reader:
    form = re.compile(pattern)

    def read(tokens: Tokens, offset: int) -> Number:
        text, span = _raw(tokens, offset)
        if not form.fullmatch(text):
            _refuse(option, text, expected)
        if len(text.lstrip("-0")) > 19 or abs(int(text)) > LARGEST_NUMBER:
            _refuse(option, text, f"a number up to {LARGEST_NUMBER}; this is too large")
        return Number(int(text), span)

    return read


_level_number = _number("$levels", "[1-9][0-9]*", "a positive whole number or max")


def _levels(tokens: Tokens, offset: int) -> object:
    if tokens.text[offset : offset + 3].lower() == "max":
        text, _ = _raw(tokens, offset)
        if text.lower() == "max":
            return "max"
        _refuse("$levels", text, "a positive whole number or max")
    return _level_number(tokens, offset)


def _count(tokens: Tokens, offset: int) -> bool:
    text, _ = _raw(tokens, offset)
    value = {"true": True, "false": False}.get(text.lower())
    if value is None:
        _refuse("$count", text, "true or false")
    return value


def _text(option: str, pattern: str, expected: str) -> _Reader:
    form = re.compile(pattern)

    def read(tokens: Tokens, offset: int) -> str:
        text = tokens.text[offset:]
        if tokens.rules.lenient:
            text = text.strip(" \t")
        if not form.fullmatch(text):
            _refuse(option, text, expected)
        tokens.seek(len(tokens.text))
        return text

    return read


def _apply(tokens: Tokens, offset: int) -> object:
    """Pass the transformations unread: up to the end, or to the ";" or ")" that ends a nested option."""
    depth = 0
    while offset < len(tokens.text):
        match = _APPLY_TOKEN.match(tokens.text, offset)
        assert match is not None
        token = match.group()
        if depth == 0 and token in ");" and tokens.depth:
            break
        depth += {"(": 1, ")": -1}.get(token, 0)
        offset = match.end()
    tokens.seek(offset)
    return _UNSUPPORTED


_READERS: dict[str, _Reader] = {
    "$filter": _from_tokens(bool_common_expr),
    "$search": search_expr,
    "$orderby": _from_tokens(orderby_items),
    "$select": _from_tokens(select_items),
    "$expand": _from_tokens(expand_items),
    "$compute": _from_tokens(compute_items),
    "$apply": _apply,
    "$top": _number("$top", "[0-9]+", "a whole number that is not negative"),
    "$skip": _number("$skip", "[0-9]+", "a whole number that is not negative"),
    "$index": _number("$index", "-?[0-9]+", "a whole number"),
    "$count": _count,
    "$levels": _levels,
    "$format": _text("$format", r"(?i:atom|json|xml)|[^/\s]+/[^/]+", "json, xml or a media type"),
    "$skiptoken": _text("$skiptoken", r"(?s:.+)", "a token from a next link"),
    "$deltatoken": _text("$deltatoken", r"(?s:.+)", "a token from a delta link"),
    "$id": _text("$id", r"(?s:.+)", "the id of an entity"),
    "$schemaversion": _text("$schemaversion", r"\*|[A-Za-z0-9\-._~]+", "a schema version or *"),
}
_DOLLAR_ONLY = {"$skiptoken", "$deltatoken"}
_CANONICAL = {name: name for name in _READERS} | {name[1:]: name for name in _READERS if name not in _DOLLAR_ONLY}
_AFTER = {
    "$filter": "an operator or the end",
    "$orderby": "asc, desc, an operator, ',' or the end",
    "$select": "',', '/', '(' or the end",
    "$expand": "',', '/', '(' or the end",
    "$search": "AND, OR, a word or the end",
}
