"""Context URL fragments beyond the ABNF cases."""

from __future__ import annotations

import pytest

from odata.errors import UrlSyntaxError
from odata.url.context import ContextItem, parse_context


def test_items_and_suffix() -> None:
    context = parse_context("#Quotes(Id,Lines+(Name,*),Ns.*)/$entity")
    assert [segment.name for segment in context.segments] == ["Quotes"]
    assert context.suffix == "$entity"
    lines = ContextItem(("Lines",), (ContextItem(("Name",)), ContextItem(("*",))), recursive=True)
    assert context.items == (ContextItem(("Id",)), lines, ContextItem(("Ns.*",)))


def test_keys_are_no_select_list() -> None:
    context = parse_context("#Quotes('a%20b')/Lines(Id=1)/Name")
    assert [segment.arguments is not None for segment in context.segments] == [True, True, False]


@pytest.mark.parametrize(
    "fragment", ["Quotes", "#", "#Quotes(", "#Quotes(A)/B", "#Quotes/$nothing", "#Collection(Quote)", "#A%23b"]
)
def test_refusals(fragment: str) -> None:
    with pytest.raises(UrlSyntaxError):
        parse_context(fragment)
