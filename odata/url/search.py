"""$search: rule searchExpr of the ABNF, which has its own words, blanks and operators.

In: a cursor and the offset where the expression starts. Out: a search expression; the cursor stands behind it. NOT
binds tighter than AND, also the implied one, and AND tighter than OR. The three words are operators only where
operands surround them.
"""

from __future__ import annotations

import re
from typing import NoReturn

from odata.url.nodes import SearchAnd, SearchExpression, SearchNot, SearchOr, SearchTerm, Span
from odata.url.patterns import QUOTED
from odata.url.tokens import Tokens

_BLANKS = re.compile(r"[ \t]*+")
WORD = r"[^\s()\";'][^\s()\";]*+"
"""A word as a regular expression; the shape cache lifts exactly what is read as one."""

_WORD = re.compile(WORD)
_WORD_REST = re.compile(r"[^\s()\";]*+")
_PHRASE = re.compile(r'"([^"]++)"')
_INCOMPLETE = re.compile(QUOTED)
_OPERATOR = re.compile(r"[ \t]++(AND|OR)[ \t]++(?=[^\s);])")
_NOT = re.compile(r"NOT[ \t]++(?=[^\s);])")
TERM = "a word, a phrase in double quotes, NOT or '('"


def search_expr(tokens: Tokens, offset: int) -> SearchExpression:
    """Read a search expression from `offset`; the cursor then stands on what follows it.

    Returns: SearchOr without operands, which finds nothing, for a blank text where the rules allow one: what Salesforce
             sends when a user looks for punctuation only.
    Raises:  UrlSyntaxError with the offset; LimitExceeded for too many terms or levels.
    Example: blue OR "light green" NOT red
    """
    if tokens.rules.blank_search and not tokens.text[offset:].strip(' \t"'):
        tokens.seek(len(tokens.text))
        return SearchOr(())
    reader = _Reader(tokens, offset)
    reader.skip_blanks()
    incomplete = _INCOMPLETE.match(tokens.text, reader.offset)
    if incomplete:
        expression: SearchExpression = _incomplete(tokens, reader.offset, incomplete.group())
        tokens.seek(incomplete.end())
        return expression
    expression = reader.expression()
    tokens.seek(reader.offset)
    return expression


def _incomplete(tokens: Tokens, offset: int, quoted: str) -> SearchTerm:
    """Rule searchExpr-incomplete: text still being typed, in single quotes; taken as one phrase."""
    text = quoted[1:-1].replace("''", "'")
    return SearchTerm(text, True, Span(tokens.part, offset, offset + len(quoted)))


class _Reader:
    """The offset within the text, moved by each rule."""

    __slots__ = ("offset", "tokens")

    def __init__(self, tokens: Tokens, offset: int) -> None:
        self.tokens = tokens
        self.offset = offset

    def expression(self) -> SearchExpression:
        operands = [self._conjunction()]
        while self._pass_operator("OR"):
            operands.append(self._conjunction())
        return operands[0] if len(operands) == 1 else SearchOr(tuple(operands))

    def _conjunction(self) -> SearchExpression:
        operands = [self._negation()]
        while self._pass_operator("AND") or self._pass_blank():
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else SearchAnd(tuple(operands))

    def _pass_operator(self, word: str) -> bool:
        match = _OPERATOR.match(self.tokens.text, self.offset)
        if match is None or match.group(1) != word:
            return False
        self.offset = match.end()
        return True

    def _pass_blank(self) -> bool:
        """Pass blanks that stand for AND: another term follows and no OR stands before it."""
        text = self.tokens.text
        match = _BLANKS.match(text, self.offset)
        assert match is not None
        end = match.end()
        if end == self.offset or end >= len(text) or text[end] in ");" or _OPERATOR.match(text, self.offset):
            return False
        self.offset = end
        return True

    def _negation(self) -> SearchExpression:
        match = _NOT.match(self.tokens.text, self.offset)
        if match is None:
            return self._primary()
        self.offset = match.end()
        self._enter()
        operand = self._negation()
        self.tokens.depth -= 1
        return SearchNot(operand)

    def _primary(self) -> SearchExpression:
        text, start = self.tokens.text, self.offset
        self.tokens.budget.spend()
        if text.startswith("(", start):
            return self._parenthesis()
        phrase = _PHRASE.match(text, start)
        if phrase:
            self.offset = phrase.end()
            return SearchTerm(phrase.group(1), True, Span(self.tokens.part, start, self.offset))
        word = _WORD.match(text, start)
        if word is None:
            self._fail("a closing double quote" if text.startswith('"', start) else TERM)
        self.offset = self._word_end(word.end())
        return SearchTerm(text[start : self.offset], False, Span(self.tokens.part, start, self.offset))

    def _word_end(self, end: int) -> int:
        """A semicolon ends a word unless it came percent-encoded."""
        text = self.tokens.text
        while end in self.tokens.encoded_semicolons:
            match = _WORD_REST.match(text, end + 1)
            assert match is not None
            end = match.end()
        return end

    def _parenthesis(self) -> SearchExpression:
        self._enter()
        self.offset += 1
        self.skip_blanks()
        expression = self.expression()
        self.skip_blanks()
        if not self.tokens.text.startswith(")", self.offset):
            self._fail("AND, OR, a term or ')'")
        self.offset += 1
        self.tokens.depth -= 1
        return expression

    def _enter(self) -> None:
        self.tokens.depth += 1
        self.tokens.budget.check_depth(self.tokens.depth)

    def skip_blanks(self) -> None:
        match = _BLANKS.match(self.tokens.text, self.offset)
        assert match is not None
        self.offset = match.end()

    def _fail(self, expected: str) -> NoReturn:
        self.tokens.fail(expected, at=self.offset)
