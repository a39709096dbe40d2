"""Shapes: a URL without its literals, and the bounded cache of what was prepared for each shape.

In: decoded parts of a URL. Out: a key that is the same for URLs that differ in literals only, and the literals by
place. What planning did with each literal decides whether another one may take its place:

    bound     it became a parameter of the statement; any literal of the same lexical kind fits, if the guards hold
    fixed     everything else; the same text must stand there again

So a plan can only be used for a URL that it fits, provided that whatever planning concludes from a bound literal's text
is a guard (`plan.values.Guards`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar

from odata.plan.bound import Place, Value
from odata.plan.values import Guard
from odata.url.parts import Parts
from odata.url.patterns import QUOTED
from odata.url.search import WORD

Prepared = TypeVar("Prepared")

VARIANTS_PER_SHAPE = 16
LARGEST_SHARE = 16
ENTRY_BYTES = 6_000
LITERAL_BYTES = 700
COPIES_OF_TEXT = 4
MOST_LIFTED = 8_000
"""Literals taken out of one part. Few URLs have more, most of those refused: the rest stays in the key as text."""
UNLIFTED_OPTIONS = frozenset({"select", "top", "skip", "count", "format", "levels", "schemaversion"})

# The order is that of the grammar: a guid or a date is no number with something behind it.
_LITERAL = re.compile(
    rf"(?P<s>{QUOTED})"
    r"|(?=[-0-9A-Fa-f])(?<![\w.$@%'+-])(?:"
    r"(?P<g>[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})"
    r"|(?P<t>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))"
    r"|(?P<d>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"|(?P<e>-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+)"
    r"|(?P<n>-?[0-9]+\.[0-9]+)"
    r"|(?P<i>-?[0-9]+)"
    r")(?![\w.:'+-])"
)
_SEARCH_TERM = re.compile(
    r'(?P<p>"\s*[^"\\\s][^"\\]*")|(?<![^\s(])(?P<w>(?!(?:AND|OR|NOT)(?![^\s)]))' + WORD + r")(?![^\s)])"
)


@dataclass(slots=True)
class Lifted:
    """key: of the shape. places and texts: of each literal, in order; a quoted one without its quotes."""

    key: tuple[Hashable, ...]
    places: list[Place]
    texts: list[str]


def lift(parts: Parts) -> Lifted:
    """Take the literals out of a URL."""
    places: list[Place] = []
    texts: list[str] = []
    key: list[Hashable] = [len(parts.segments), parts.encoded_semicolons]
    for index, segment in enumerate(parts.segments):
        key.append(_lift(segment, index, _LITERAL, places, texts) if "(" in segment else segment)
    for index, (name, value) in enumerate(parts.options, len(parts.segments)):
        key.append(name)
        bare = name.removeprefix("$").lower()
        if value is None or bare in UNLIFTED_OPTIONS:
            key.append(value)
        else:
            key.append(_lift(value, index, _SEARCH_TERM if bare == "search" else _LITERAL, places, texts))
    return Lifted(tuple(key), places, texts)


def _lift(text: str, part: int, pattern: re.Pattern[str], places: list[Place], texts: list[str]) -> str:
    """The text with each literal replaced by NUL and the letter of its lexical kind; no URL holds a NUL."""
    pieces = []
    last = 0
    for found in islice(pattern.finditer(text), MOST_LIFTED):
        start, end = found.span()
        kind = found.lastgroup or ""
        written = text[start:end]
        if kind == "s":
            written = written[1:-1].replace("''", "'")
        elif kind == "p":
            written = written[1:-1]
        places.append((part, start, end))
        texts.append(written)
        pieces.append(text[last:start])
        pieces.append("\0" + kind)
        last = end
    if not pieces:
        return text
    pieces.append(text[last:])
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Variant(Generic[Prepared]):
    """What was prepared, and which URLs of the shape it serves. fixed: (index of the literal, its text)."""

    prepared: Prepared
    fixed: tuple[tuple[int, str], ...]
    guards: tuple[tuple[int, str, Guard], ...]

    def serves(self, texts: list[str]) -> bool:
        """Whether the literals of another URL of the same shape leave the plan true."""
        return all(texts[index] == text for index, text in self.fixed) and all(
            guard.holds(kind, texts[index]) for index, kind, guard in self.guards
        )


class ShapeCache(Generic[Prepared]):
    """Bounded by entries and by bytes; the least recently used shape goes first. entries 0 switches it off."""

    def __init__(self, *, entries: int, total_bytes: int) -> None:
        self._entries = entries
        self._total_bytes = total_bytes
        self._bytes = 0
        self._shapes: OrderedDict[Hashable, tuple[list[Variant[Prepared]], int]] = OrderedDict()
        self._lock = Lock()
        self.hits = 0
        self.misses = 0

    def find(self, key: Hashable, texts: list[str]) -> Prepared | None:
        """What was prepared for this shape, if it serves these literals."""
        with self._lock:
            held = self._shapes.get(key)
            if held is not None:
                self._shapes.move_to_end(key)
        served = next((variant for variant in held[0] if variant.serves(texts)), None) if held else None
        with self._lock:
            self.hits += served is not None
            self.misses += served is None
        return None if served is None else served.prepared

    def keep(self, key: Hashable, variant: Variant[Prepared], size_bytes: int) -> None:
        """Remember a variant; what no longer fits goes. One that would take a large part of the cache is not kept."""
        if self._entries == 0 or size_bytes > self._total_bytes // LARGEST_SHARE:
            return
        with self._lock:
            variants, size = self._shapes.pop(key, ([], 0))
            self._bytes -= size
            kept = [variant, *variants[: VARIANTS_PER_SHAPE - 1]]
            size = size // max(len(variants), 1) * (len(kept) - 1) + size_bytes
            self._shapes[key] = (kept, size)
            self._bytes += size
            while len(self._shapes) > self._entries or self._bytes > self._total_bytes:
                _, (_, gone) = self._shapes.popitem(last=False)
                self._bytes -= gone

    def __len__(self) -> int:
        return len(self._shapes)


def size_bytes(parts: Parts, lifted: Lifted, sql: str) -> int:
    """About how much memory an entry takes: measured 600 bytes a literal, four copies of each text in plan and key."""
    text = sum(map(len, parts.texts))
    return ENTRY_BYTES + 2 * len(sql) + COPIES_OF_TEXT * text + LITERAL_BYTES * len(lifted.places)


def variant_of(
    prepared: Prepared, lifted: Lifted, values: Iterable[Value], guards: tuple[Guard, ...]
) -> Variant[Prepared]:
    """Which literals of the URL are bound, fixed or guarded.

    Args: values: the literals that became parameters of the statement.
    """
    bound = {value.place: value for value in values if value.place is not None}
    index_of = {place: index for index, place in enumerate(lifted.places)}
    fixed = tuple(
        (index, text)
        for index, (place, text) in enumerate(zip(lifted.places, lifted.texts, strict=True))
        if place not in bound or bound[place].text != text
    )
    held = tuple(
        (index_of[guard.place], bound[guard.place].kind, guard)
        for guard in guards
        if guard.place in index_of and guard.place in bound
    )
    return Variant(prepared, fixed, held)
