"""Context URL fragments: section 3 of the ABNF, what stands behind "$metadata" in "@odata.context".

In: the percent-encoded fragment with its "#". Out: a `ContextUrl`, names as written. For clients, next-link checks and
tests; the service itself writes context URLs in `payload/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from odata.errors import UrlSyntaxError
from odata.url.literals import IDENTIFIER
from odata.url.members import arguments
from odata.url.nodes import KeyValue, Segment
from odata.url.parts import split
from odata.url.tokens import END, Budget, Rules, Tokens

_SUFFIXES = ("$entity", "$delta", "$deletedEntity", "$link", "$deletedLink")
_SELECT_LIST = re.compile(rf"\((?:\)|\*|@|{IDENTIFIER}(?:\.|[/,(+)#]))")


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One item of a select list. path: as written ("*", "Ns.*", "@Term"). items: None without parentheses.

    recursive: with "+".
    """

    path: tuple[str, ...]
    items: tuple[ContextItem, ...] | None = None
    recursive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextUrl:
    """type_name: for "Collection(T)" as written. segments: sets, keys, navigation, types. items: the select list.

    suffix: "$...".
    """

    segments: tuple[Segment, ...] = ()
    type_name: str | None = None
    items: tuple[ContextItem, ...] | None = None
    suffix: str | None = None


def parse_context(fragment: str) -> ContextUrl:
    """Read "#Customers(Name,Orders+(Id))/$entity".

    Raises: UrlSyntaxError with the offset in the decoded fragment. Example: parse_context("#Quotes/$entity").suffix ==
    "$entity"
    """
    if not fragment.startswith("#") or "%23" in fragment:
        raise UrlSyntaxError(
            "A context URL fragment starts with '#', and holds no %23.", offset=max(fragment.find("%23"), 0)
        )
    text = split("", "=" + fragment[1:].replace("#", "%23")).options[0][1] or ""
    tokens = Tokens(text, 0, "the context URL", Budget(Rules(lenient=False)))
    tokens.seek(0)
    context = _fragment(tokens)
    if tokens.kind != END:
        tokens.fail("'/', '(' or the end")
    return context


def _fragment(tokens: Tokens) -> ContextUrl:
    if tokens.lexeme == "$ref":
        tokens.advance()
        return ContextUrl(suffix="$ref")
    if tokens.lexeme == "Collection" and tokens.follower == "(":
        return _collection(tokens)
    segments: list[Segment] = []
    suffix = None
    items = None
    while True:
        if segments and tokens.kind == "dollar":
            suffix = _suffix(tokens)
            break
        segments.append(_segment(tokens))
        if tokens.kind == "(":
            items = _select_list(tokens)
        if tokens.kind != "/":
            break
        tokens.advance()
        if items is not None and tokens.kind != "dollar":
            tokens.fail("$entity or $delta")
    return ContextUrl(segments=tuple(segments), items=items, suffix=suffix)


def _collection(tokens: Tokens) -> ContextUrl:
    tokens.advance()
    tokens.advance()
    name = tokens.lexeme
    if name != "$ref" and "." not in name:
        tokens.fail("a qualified type name or $ref")
    tokens.advance()
    tokens.take(")", "')'")
    items = _select_list(tokens) if tokens.kind == "(" and name != "$ref" else None
    return ContextUrl(type_name=f"Collection({name})", items=items)


def _suffix(tokens: Tokens) -> str:
    suffix = tokens.lexeme
    if suffix not in _SUFFIXES:
        tokens.fail(", ".join(_SUFFIXES))
    tokens.advance()
    return suffix


def _segment(tokens: Tokens) -> Segment:
    name, position = tokens.lexeme, tokens.start
    if tokens.kind != "name":
        tokens.fail("a name")
    tokens.advance()
    key = None
    if tokens.kind == "(" and not _SELECT_LIST.match(tokens.text, tokens.start):
        key = tuple(KeyValue(argument.name, argument.value) for argument in arguments(tokens, None))
    return Segment(name, position, tokens.part, key, text=name)


def _select_list(tokens: Tokens) -> tuple[ContextItem, ...]:
    tokens.depth += 1
    tokens.budget.check_depth(tokens.depth)
    tokens.advance()
    items: list[ContextItem] = []
    while tokens.kind != ")" or items:
        items.append(_item(tokens))
        if tokens.kind != ",":
            break
        tokens.advance()
    tokens.take(")", "',' or ')'")
    tokens.depth -= 1
    return tuple(items)


def _item(tokens: Tokens) -> ContextItem:
    tokens.budget.spend()
    path = [_name(tokens)]
    while tokens.kind == "/":
        tokens.advance()
        path.append(_name(tokens))
    recursive = tokens.kind == "+"
    if recursive:
        tokens.advance()
    items = _select_list(tokens) if tokens.kind == "(" else None
    return ContextItem(tuple(path), items, recursive)


def _name(tokens: Tokens) -> str:
    name = tokens.lexeme
    if tokens.kind not in ("name", "at", "*"):
        tokens.fail("a property name, '*' or an annotation")
    tokens.advance()
    if tokens.kind == "." and name != "*":
        tokens.advance()
        tokens.take("*", "'*'")
        return name + ".*"
    return name
