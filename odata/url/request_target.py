"""The stage `url.parse`: request target -> `ODataUrl`.

Splitting and percent-decoding are in `parts.py`, paths in `path.py`, options in `options.py`.
"""

from __future__ import annotations

from dataclasses import replace

from odata.errors import InvalidOption
from odata.url.nodes import ODataUrl, Options, Segment
from odata.url.options import query_options
from odata.url.parts import Parts, split
from odata.url.path import resource_path
from odata.url.tokens import Budget, Rules

_DEFAULT = Rules()
# Options of the resources that take few; custom options and aliases are always allowed.
_APPLICABLE = {
    ("$metadata", 1): frozenset({"$format", "$schemaversion"}),
    ("$batch", 1): frozenset({"$format"}),
    ("$entity", 1): frozenset({"$format", "$id"}),
    ("$entity", 2): frozenset({"$format", "$id", "$expand", "$select"}),
}


def parse(path: str, query: str, *, plus_is_space: bool = False, rules: Rules = _DEFAULT) -> ODataUrl:
    """Read a request target into a resource path and query options, names still as written.

    Standard: URL Conventions, "Resource Path" and "System Query Options"; percent-decoding happens after splitting.
    Args:    path, query: relative to the service root, percent-encoded, without "?"; plus_is_space: "+" in the query
    is a blank.
    Returns: absent options are None, not defaults.
    Raises:  UrlSyntaxError with the offset in its decoded part, InvalidOption, DuplicateOption, LimitExceeded (all
    400).
    Example: parse("Accounts", "$top=2").options.top.value == 2
    """
    if plus_is_space:
        rules = replace(rules, plus_is_space=True)
    return parse_parts(split(path, query, plus_is_space=rules.plus_is_space), rules=rules)


def parse_parts(parts: Parts, *, rules: Rules = _DEFAULT) -> ODataUrl:
    """The same for a request target that `parts.split` has already split and decoded."""
    budget = Budget(rules)
    segments = resource_path(parts.segments, budget)
    options = query_options(parts.options, len(parts.segments), budget, parts.encoded_semicolons)
    if segments:
        _check_applicable(segments, options)
    return ODataUrl(segments, options, parts.texts)


def _check_applicable(segments: tuple[Segment, ...], options: Options) -> None:
    first = segments[0].name
    applicable = _APPLICABLE.get((first, len(segments)))
    if applicable is None:
        return
    for name in options.order:
        if name not in applicable:
            raise InvalidOption(
                f"{name} does not apply to {first}; expected {' or '.join(sorted(applicable))}.", target=name
            )
    if first == "$entity" and options.id is None:
        raise InvalidOption("$entity needs the query option $id.", target="$id")
