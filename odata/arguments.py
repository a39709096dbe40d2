"""Arguments: the values that one URL gives to the parameters of its shape's statement.

In: parameters, the literals of the URL the statement was written for and of this one. Out: texts in order of the
placeholders.
"""

from __future__ import annotations

import re
from typing import assert_never

from odata.payload.nested_links import NestedLinks
from odata.payload.next_links import SAFE, option_name
from odata.plan.bound import Place, Value
from odata.plan.paging import SkipToken
from odata.plan.values import database_text
from odata.shapes import Lifted
from odata.sql.parameters import After, Fixed, Link, Org, Parameter
from odata.url.parts import IT_MARK, Parts, escaped
from odata.url.patterns import QUOTED


def arguments(
    parameters: tuple[Parameter, ...],
    first: tuple[Place, ...],
    lifted: Lifted,
    parts: Parts,
    org_id: str,
    token: SkipToken | None,
    links: NestedLinks,
) -> list[str | list[str] | None]:
    """The value of each parameter for this URL, as text.

    Args:   first: places of the literals of the URL that the statement was written for; the n-th literal of this URL
            takes the place of its n-th. links: of collections inside $expand.
    Raises: InvalidLiteral (400) for a literal outside its type's value space.
    """
    texts = dict(zip(first, lifted.texts, strict=True))
    values: list[str | list[str] | None] = []
    for parameter in parameters:
        match parameter:
            case Value():
                values.append(_text(parameter, texts))
            case tuple():
                values.append([_text(item, texts) for item in parameter])
            case Org():
                values.append(org_id)
            case Fixed():
                values.append(parameter.text)
            case After():
                values.append(token.values[parameter.index] if token else None)
            case Link():
                values.append(_link_end(parameter, first, lifted, parts, links))
            case _:
                assert_never(parameter)
    return values


def _text(value: Value, texts: dict[Place, str]) -> str:
    if value.place is None or value.place not in texts:
        return database_text(value)
    return database_text(value, value.kind, texts[value.place])


_TEXTS = rf'{QUOTED}|"[^"]*"|(?P<search>(?<![\w@])\$?search=[ \t]*+(?>(?:{QUOTED})?))'
_NOTED = re.compile(_TEXTS + r"|(?P<it>\$it(?!\w))", re.IGNORECASE)
_SIGN = re.compile(_TEXTS + "|[();]", re.IGNORECASE)
_SEARCH_SIGN = re.compile(r'"[^"]*"|[();]')


def _link_end(link: Link, first: tuple[Place, ...], lifted: Lifted, parts: Parts, links: NestedLinks) -> str:
    """The nested options of this URL but $top and $skip, and the aliases they may use, as the end of a URL."""
    items = []
    if link.place is not None:
        part, start, end = link.place
        text = parts.marked_texts[part][_moved(part, start, first, lifted) : _moved(part, end, first, lifted)]
        items = [
            item
            for item in _split_nested(text)
            if option_name(item.partition("=")[0].strip()) not in ("top", "skip", "levels")
        ]
    items += [f"{name}={value}" for name, value in parts.options if name.startswith("@")]
    if link.it_bytes is not None:
        items = [_with_marks(item) for item in items]
    items += [f"{name}={value}" for name, value in parts.options if option_name(name) == "format"]
    return links.end("".join("&" + escaped(item.strip(), SAFE) for item in items), link.other_bytes, link.it_bytes)


def _with_marks(text: str) -> str:
    """The text with IT_MARK for each $it that stands in no literal and is no word of a search."""
    pieces, last = [], 0
    while found := _NOTED.search(text, last):
        end = found.end() if found["search"] is None else _search_end(text, found.end())
        pieces += [text[last : found.start()], IT_MARK if found["it"] else text[found.start() : end]]
        last = end
    return "".join((*pieces, text[last:]))


def _search_end(text: str, start: int) -> int:
    """Where a search expression ends: at a semicolon, or at a parenthesis that it did not open."""
    depth = 0
    for sign in _SEARCH_SIGN.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(sign[0], 0)
        if depth < 0 or sign[0] == ";":
            return sign.start()
    return len(text)


def _moved(part: int, offset: int, first: tuple[Place, ...], lifted: Lifted) -> int:
    """Where an offset of the shape's first URL stands in this one: literals before it may differ in length."""
    moved = offset
    for before, now in zip(first, lifted.places, strict=True):
        if before[0] == part and before[2] <= offset:
            moved = offset + now[2] - before[2]
    return moved


def _split_nested(text: str) -> list[str]:
    """Nested options at their semicolons, those inside quotes, parentheses and words of a search left alone."""
    items, depth, start, at = [], 0, 0, 0
    while found := _SIGN.search(text, at):
        at = found.end() if found["search"] is None else _search_end(text, found.end())
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0] == ";" and depth == 0:
            items.append(text[start : found.start()])
            start = at
    return [item for item in (*items, text[start:]) if item.strip()]
