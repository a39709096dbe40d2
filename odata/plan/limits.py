"""Limits of reading, and the profile of a caller: what `plan` takes besides a URL and a Model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Profile: TypeAlias = OneOf["strict", "salesforce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit of reading, with units in the names; the defaults are those of the settings."""

    max_page_size: int = 2000
    max_top_one_page: int = 2001
    max_page_bytes: int = 7_000_000
    max_row_bytes: int = 8_000_000
    max_skip: int = 100_000
    filter_nodes: int = 4000
    filter_depth: int = 50
    function_depth: int = 15
    expression_copies: int = 10_000
    in_items: int = 2000
    lambda_depth: int = 2
    orderby_items: int = 8
    expand_depth: int = 3
    expand_navigations: int = 8
    expand_rows: int = 20_000
    search_terms: int = 100
    search_characters: int = 1000
    request_line_bytes: int = 8190
