"""The tokens of one decoded part of a URL, read one at a time by a single compiled pattern.

In: a decoded text. Out: the current token (kind, offsets, whether blanks stood before it) and the errors that name an
offset. Scanning is lazy, so a hostile text costs no more than what is read before a limit refuses it. Knows no grammar
rule.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NoReturn

from odata.errors import LimitExceeded, UrlSyntaxError
from odata.url.nodes import Span
from odata.url.patterns import QUOTED, repeated

END = "end"
_YEAR = r"-?(?:0[0-9]{3}|[1-9][0-9]{3,})"
_DATE = _YEAR + r"-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,12})?)?"
_WORD = r"[A-Za-z_\u00a1-\U0010ffff][A-Za-z0-9_\u00a1-\U0010ffff]*+"
_DOTTED = _WORD + repeated(rf"\.{_WORD}")
# What a form-encoding client left of a blank: a "+" that is no sign of a number, or one right behind a word.
_BLANKS = {
    "strict": r"[ \t]*+",
    "lenient": repeated(r"[ \t]|\+(?![0-9])|(?<=[A-Za-z])\+"),
}
_OFFSET_SIGN = {False: "+-", True: "+ -"}
MAX_IDENTIFIER_CHARACTERS = 128


def _master(blanks: str, plus_is_space: bool) -> re.Pattern[str]:
    sign = _OFFSET_SIGN[plus_is_space]
    kinds = (
        ("string", QUOTED),
        ("guid", r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![\w-])"),
        ("datetimeoffset", rf"{_DATE}[Tt]{_TIME}(?:[Zz]|[{sign}](?:[01][0-9]|2[0-3]):[0-5][0-9])(?![\w:])"),
        ("date", _DATE + r"(?![\w:-])"),
        ("timeofday", _TIME + r"(?![\w:.])"),
        ("number", r"[+-]?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![\w.])|(?:-INF|INF|NaN)(?![\w.])"),
        ("name", rf"{_DOTTED}(?:{QUOTED})?"),
        ("dollar", r"\$[A-Za-z]++"),
        ("at", rf"@{_DOTTED}(?:\#{_WORD})?"),
        ("json", r'"[^"\\]*+' + repeated(r'\\.[^"\\]*+') + '"'),
        ("punctuation", r"[()/,:;=*\[\]{}.+\-]"),
    )
    return re.compile(_BLANKS[blanks] + "(?:" + "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in kinds) + ")")


_MASTERS = {(blanks, plus): _master(blanks, plus) for blanks in _BLANKS for plus in (False, True)}
_BLANK_RUNS = {blanks: re.compile(pattern) for blanks, pattern in _BLANKS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How to read one URL.

    plus_is_space: the query was form-decoded, so the "+" of a time offset may have become a space.
    lenient: blanks around an option value, empty items of $select and "+" for a blank are accepted; False is the bare
    grammar. blank_search: $search may hold nothing to look for. max_depth, max_nodes: limits on expressions, counted
    over the whole URL.
    """

    plus_is_space: bool = False
    lenient: bool = True
    blank_search: bool = False
    max_depth: int = 50
    max_nodes: int = 4_000


def tokenize(text: str, *, rules: Rules | None = None) -> tuple[tuple[str, str], ...]:
    """Kind and text of every token, for `explain`; ends early at a character that starts none ($search has others)."""
    tokens = Tokens(text, 0, "the text", Budget(rules or Rules()))
    found: list[tuple[str, str]] = []
    tokens.seek(0)
    while tokens.kind not in (END, "unknown"):
        found.append((tokens.kind, tokens.lexeme))
        tokens.advance()
    return tuple(found)


class Budget:
    """Counts the nodes of one URL over all its parts."""

    __slots__ = ("nodes", "rules")

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.nodes = 0

    def spend(self) -> None:
        """Count one more node; LimitExceeded when they are too many."""
        self.nodes += 1
        if self.nodes > self.rules.max_nodes:
            raise LimitExceeded(
                f"The URL has more than {self.rules.max_nodes} expression nodes, the limit of this service."
            )

    def check_depth(self, depth: int) -> None:
        """LimitExceeded where rules are nested deeper than the limit."""
        if depth > self.rules.max_depth:
            raise LimitExceeded(
                f"An expression is nested deeper than {self.rules.max_depth} levels, the limit of this service."
            )


class Tokens:
    """A cursor over one part: `kind`, `start` and `end` describe the current token, `spaced` the blanks before it.

    depth: how many rules that call themselves are open. height: levels of the expression read last; both obey
    max_depth. encoded_semicolons: offsets of ";" that came as %3B, which $search tells from a separator.
    """

    __slots__ = (
        "_match", "budget", "depth", "encoded_semicolons", "end", "height", "kind", "part", "rules", "spaced", "start",
        "target",
        "text",
    )  # fmt: skip

    def __init__(
        self, text: str, part: int, target: str, budget: Budget, encoded_semicolons: frozenset[int] = frozenset()
    ) -> None:
        self.text = text
        self.encoded_semicolons = encoded_semicolons
        self.part = part
        self.target = target
        self.budget = budget
        self.rules = budget.rules
        self.depth = 0
        self.height = 0
        self.kind = END
        self.start = self.end = 0
        self.spaced = False
        self._match = _MASTERS["lenient" if self.rules.lenient else "strict", self.rules.plus_is_space].match

    def seek(self, offset: int) -> None:
        """Make the token at or after `offset` the current one."""
        match = self._match(self.text, offset)
        if match is None:
            self._seek_end(offset)
            return
        kind = match.lastgroup
        assert kind is not None
        self.kind = kind
        self.start, self.end = match.span(kind)
        self.spaced = self.start > offset
        if kind == "punctuation":
            self.kind = self.text[self.start]
        elif kind == "name" or kind == "at":
            self._check_identifier()

    def advance(self) -> None:
        """Make the next token the current one."""
        self.seek(self.end)

    @property
    def lexeme(self) -> str:
        """The text of the current token."""
        return self.text[self.start : self.end]

    @property
    def follower(self) -> str:
        """The character right behind the current token, or an empty string."""
        return self.text[self.end : self.end + 1]

    def span(self) -> Span:
        """Where the current token stands."""
        return Span(self.part, self.start, self.end)

    def take(self, kind: str, expected: str) -> None:
        """Pass the current token if it is of this kind and no blank stands before it."""
        if self.kind != kind or self.spaced:
            self.fail(expected)
        self.advance()

    def take_blank(self, kind: str, expected: str) -> None:
        """Pass the current token of this kind; blanks may stand before it (rule BWS)."""
        if self.kind != kind:
            self.fail(expected)
        self.advance()

    def refuse_blank(self, expected: str) -> None:
        """UrlSyntaxError where a blank stands before the current token."""
        if self.spaced:
            self.fail(expected, at=self.start - 1)

    def fail(self, expected: str, *, at: int | None = None) -> NoReturn:
        """Raise UrlSyntaxError: what stands at the current token, where, and what would fit."""
        offset = self.start if at is None else at
        raise UrlSyntaxError(
            f"{describe(self.text, offset)} at offset {offset} of {self.target}; expected {expected}.",
            offset=offset,
            target=self.target,
        )

    def _seek_end(self, offset: int) -> None:
        run = _BLANK_RUNS["lenient" if self.rules.lenient else "strict"].match(self.text, offset)
        assert run is not None
        self.start = self.end = run.end()
        self.spaced = self.start > offset
        self.kind = END
        if self.start < len(self.text):
            self.kind = "unknown"
            if self.text[self.start] in "'\"":
                self.fail("a closing quote")

    def _check_identifier(self) -> None:
        name = self.text[self.start : self.end]
        if len(name) > MAX_IDENTIFIER_CHARACTERS and "'" not in name:
            parts = name.replace("@", ".").replace("#", ".").split(".")
            if max(map(len, parts)) > MAX_IDENTIFIER_CHARACTERS:
                self.fail(f"an identifier of at most {MAX_IDENTIFIER_CHARACTERS} characters")
        if not name.isascii():
            for index, character in enumerate(name):
                if character == "'":
                    return
                if ord(character) > 127 and not is_identifier_character(character):
                    self.fail("a letter, digit or underscore", at=self.start + index)


def is_identifier_character(character: str) -> bool:
    """Whether a character outside ASCII may stand in an identifier (CSDL, "Simple Identifier")."""
    return unicodedata.category(character) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Nd", "Mn", "Mc", "Pc", "Cf"}


def describe(text: str, offset: int) -> str:
    """What was read, for a message: at most 20 characters, or that the text ends."""
    if offset >= len(text):
        return "Unexpected end"
    rest = text[offset:]
    return f"Unexpected '{rest if len(rest) <= 20 else rest[:20] + '...'}'"
