"""The tokens that `explain` prints, and the spans that every literal carries."""

from __future__ import annotations

import pytest

from odata.errors import UrlSyntaxError
from odata.functions import FUNCTIONS, UNSUPPORTED
from odata.url.expressions import CANONICAL_FUNCTIONS
from odata.url.tokens import tokenize


def test_kinds() -> None:
    text = "contains(Name,'a b') and Id eq 01234567-89ab-cdef-0123-456789abcdef or -1.5 gt @p"
    assert tokenize(text) == (
        ("name", "contains"), ("(", "("), ("name", "Name"), (",", ","), ("string", "'a b'"), (")", ")"),
        ("name", "and"),
        ("name", "Id"), ("name", "eq"), ("guid", "01234567-89ab-cdef-0123-456789abcdef"), ("name", "or"),
        ("number", "-1.5"), ("name", "gt"), ("at", "@p"),
    )  # fmt: skip


def test_unclosed_quote() -> None:
    with pytest.raises(UrlSyntaxError, match="closing quote"):
        tokenize("Name eq 'x")


def test_what_is_no_token_ends_the_list() -> None:
    assert tokenize("Name ! x") == (("name", "Name"),)


def test_every_function_of_the_service_is_read_with_its_number_of_arguments() -> None:
    """The grammar and the registry of functions do not know each other; this holds them together."""
    counts = {name: {len(entry.parameters) for entry in entries} for name, entries in FUNCTIONS.items()}
    for name in UNSUPPORTED:
        assert name in CANONICAL_FUNCTIONS
    for name, arities in counts.items():
        fewest, most = CANONICAL_FUNCTIONS[name]
        assert arities == set(range(fewest, most + 1)), name
