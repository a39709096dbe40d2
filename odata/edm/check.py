"""Start-up checks of an Exposure: everything that can be known before the first request. Knows no database.

In: an Exposure. Out: warnings about what works but Salesforce would not show as meant; an error for what cannot be
served.
Standard: CSDL, "Entity Type", "Key", "Navigation Property", "Identifiers".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from odata.edm.types import PRIMITIVE_TYPES
from odata.exposure import ExposedEnum, ExposedNavigation, ExposedProperty, ExposedSet, Exposure, ExposureError

IDENTIFIER_CHARACTERS = 128
SORTABLE_CHARACTERS = 1024
DECIMAL_DIGITS = 38
# Categories that may stand first in an identifier, and later in it (CSDL, "SimpleIdentifier").
FIRST = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nl"})
LATER = FIRST | {"Nd", "Mn", "Mc", "Pc", "Cf"}
NOT_IN_KEYS = frozenset({"Edm.Binary", "Edm.Single", "Edm.Double"})
RESERVED_NAMESPACES = frozenset({"edm", "odata", "system", "transient"})

# What Salesforce Connect can hold (external objects synchronised from $metadata).
SALESFORCE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
SALESFORCE_SET_CHARACTERS = 37
SALESFORCE_PROPERTY_CHARACTERS = 40
SALESFORCE_DECIMAL_DIGITS = 18
SALESFORCE_TEXT_CHARACTERS = 255
SALESFORCE_UNSUPPORTED = {
    "Edm.TimeOfDay": "Salesforce cannot show it",
    "Edm.Duration": "Salesforce cannot show it",
    "Edm.Single": "Salesforce compares it inexactly",
}

Lines: TypeAlias = Iterator[str]


def check(exposure: Exposure) -> tuple[str, ...]:
    """Check an exposure once, at start-up.

    Returns: warnings, one line each: what Salesforce Connect would refuse or change; other clients do not mind.
    Raises:  ExposureError with one line for each violation, all of them at once.
    """
    problems = tuple(chain(_schema(exposure), *(_entity_set(entry, exposure) for entry in exposure.sets)))
    if problems:
        raise ExposureError("\n".join(problems))
    return tuple(chain.from_iterable(_salesforce(entry) for entry in exposure.sets))


def _schema(exposure: Exposure) -> Lines:
    """Names of the schema: types, enums and the container share one name space, entity sets have another."""
    if not exposure.sets:
        yield "no entity set"
    if not all(map(_is_identifier, exposure.namespace.split("."))) or exposure.namespace.lower() in RESERVED_NAMESPACES:
        yield f"'{exposure.namespace}' is no legal namespace"
    types = [entry.type_name for entry in exposure.sets] + [entry.name for entry in exposure.enums]
    yield from _names("type or container", [*types, exposure.container])
    yield from _names("entity set", [entry.name for entry in exposure.sets])
    for enum in exposure.enums:
        yield from _enum(enum)


def _enum(enum: ExposedEnum) -> Lines:
    if not enum.members:
        yield f"{enum.name}: no member"
    yield from _prefixed(enum.name, _names("member", [member.name for member in enum.members]))
    if len({member.value for member in enum.members}) < len(enum.members):
        yield f"{enum.name}: two members with one value"


def _entity_set(entity_set: ExposedSet, exposure: Exposure) -> Lines:
    """Lines about the set, each of its properties and each of its navigation properties, their names before them."""
    for rule in (_org, _member_names, _key, _name_and_order):
        yield from _prefixed(entity_set.name, rule(entity_set))
    enums = {enum.name for enum in exposure.enums}
    for entry in entity_set.properties:
        yield from _prefixed(f"{entity_set.name}.{entry.name}", _property(entry, enums))
    targets = {target.name: target for target in exposure.sets}
    for navigation in entity_set.navigation:
        yield from _prefixed(f"{entity_set.name}.{navigation.name}", _navigation(navigation, entity_set, targets))


def _org(entity_set: ExposedSet) -> Lines:
    if entity_set.org_column is None and entity_set.fixed_org is None:
        yield "no org rule: state org_column or fixed_org"
    if entity_set.org_column is not None and entity_set.fixed_org is not None:
        yield "two org rules: state either org_column or fixed_org"
    if entity_set.org_column == "" or entity_set.fixed_org == "":
        yield "empty org rule"


def _member_names(entity_set: ExposedSet) -> Lines:
    members = [entry.name for entry in entity_set.properties] + [entry.name for entry in entity_set.navigation]
    return _names("property", members)


def _key(entity_set: ExposedSet) -> Lines:
    properties = _by_name(entity_set)
    if not entity_set.key:
        yield "no key"
    if len(set(entity_set.key)) < len(entity_set.key):
        yield "a property stands twice in the key"
    for name in entity_set.key:
        entry = properties.get(name)
        if entry is None:
            yield f"key property {name} is no property"
        elif entry.type in NOT_IN_KEYS:
            yield f"key property {name} is {entry.type}, which no key may have"


def _property(entry: ExposedProperty, enums: set[str]) -> Lines:
    if entry.type not in PRIMITIVE_TYPES and entry.type not in enums:
        yield f"unsupported type {entry.type}"
    if not entry.column:
        yield "no column"
    if entry.type == "Edm.String" and (entry.max_length is None or entry.max_length < 1):
        yield "a String needs max_length"
    if entry.type == "Edm.Decimal":
        yield from _decimal(entry)
    if entry.searchable and entry.type != "Edm.String":
        yield f"searchable, but {entry.type}: only a String is searched"
    if entry.folded_index and entry.type != "Edm.String":
        yield f"folded_index, but {entry.type}: only a String has letter case"
    if entry.joined_index and entry.type != "Edm.String":
        yield f"joined_index, but {entry.type}: only a String is searched by its parts"
    if entry.record_id and (entry.type != "Edm.String" or entry.max_length != 18):
        yield "a record id is a String with max_length 18"
    if entry.computed and entry.writable:
        yield "computed and writable at once"


def _decimal(entry: ExposedProperty) -> Lines:
    precision, scale = entry.precision, entry.scale
    if precision is None or scale is None:
        yield "a Decimal needs precision and scale"
    elif not 1 <= precision <= DECIMAL_DIGITS:
        yield f"precision {precision} is outside 1 to {DECIMAL_DIGITS}"
    elif not 0 <= scale <= precision:
        yield f"scale {scale} is outside 0 to its precision {precision}"


def _name_and_order(entity_set: ExposedSet) -> Lines:
    properties = _by_name(entity_set)
    if entity_set.name_property is not None:
        named = properties.get(entity_set.name_property)
        if named is None:
            yield f"name_property {entity_set.name_property} is no property"
        elif named.type != "Edm.String":
            yield f"name_property {named.name} is {named.type}, not a String"
    for item in entity_set.default_order:
        entry = properties.get(item.property)
        if entry is None:
            yield f"default_order names {item.property}, which is no property"
        elif not entry.sortable or (entry.max_length or 0) > SORTABLE_CHARACTERS:
            yield f"default_order names {item.property}, which is not sortable"


def _navigation(entry: ExposedNavigation, source: ExposedSet, targets: Mapping[str, ExposedSet]) -> Lines:
    target = targets.get(entry.target)
    if target is None:
        yield f"no entity set {entry.target}"
        return
    if not entry.on:
        yield "no pair of equal properties (on)"
    here, there = _by_name(source), _by_name(target)
    for left, right in entry.on:
        if left not in here or right not in there:
            missing = f"{source.name}.{left}" if left not in here else f"{target.name}.{right}"
            yield f"no property {missing}"
        elif here[left].type != there[right].type:
            yield f"{left} is {here[left].type} but {target.name}.{right} is {there[right].type}"
    if entry.partner is not None:
        yield from _partner(entry, source, target)


def _partner(entry: ExposedNavigation, source: ExposedSet, target: ExposedSet) -> Lines:
    partner = next((candidate for candidate in target.navigation if candidate.name == entry.partner), None)
    if partner is None:
        yield f"partner {entry.partner} is no navigation property of {target.name}"
    elif partner.target != source.name:
        yield f"partner {target.name}.{partner.name} leads to {partner.target}, not back"
    elif partner.partner not in (None, entry.name):
        yield f"partner {target.name}.{partner.name} names {partner.partner} as its partner"
    elif {(right, left) for left, right in partner.on} != set(entry.on):
        yield f"partner {target.name}.{partner.name} compares other properties"


def _salesforce(entity_set: ExposedSet) -> Lines:
    """Warnings for one set."""
    yield from _salesforce_name(entity_set.name, entity_set.name, SALESFORCE_SET_CHARACTERS)
    texts = {*entity_set.key, entity_set.name_property}
    for entry in entity_set.properties:
        where = f"{entity_set.name}.{entry.name}"
        yield from _salesforce_name(where, entry.name, SALESFORCE_PROPERTY_CHARACTERS)
        if entry.type in SALESFORCE_UNSUPPORTED:
            yield f"{where}: {entry.type}: {SALESFORCE_UNSUPPORTED[entry.type]}"
        if entry.type == "Edm.Decimal" and (entry.precision or 0) > SALESFORCE_DECIMAL_DIGITS:
            yield f"{where}: precision {entry.precision} is over the {SALESFORCE_DECIMAL_DIGITS} digits of Salesforce"
        characters = entry.max_length or 0
        if entry.name in texts and entry.type == "Edm.String" and characters > SALESFORCE_TEXT_CHARACTERS:
            yield f"{where}: {characters} characters in a key or name, Salesforce takes {SALESFORCE_TEXT_CHARACTERS}"
    yield from _null_rules(entity_set)


def _salesforce_name(where: str, name: str, characters: int) -> Lines:
    if not SALESFORCE_NAME.fullmatch(name) or len(name) > characters:
        yield f"{where}: no name for Salesforce (letters, digits, single underscores, at most {characters} characters)"


def _null_rules(entity_set: ExposedSet) -> Lines:
    properties = _by_name(entity_set)
    for entry in entity_set.navigation:
        nullable = {_may_be_null(properties[here], entity_set) for here, _ in entry.on}
        if not entry.collection and nullable != {entry.nullable}:
            yield (
                f"{entity_set.name}.{entry.name}: nullable is {str(entry.nullable).lower()}, unlike its properties; "
                "no referential constraint is published"
            )


def _may_be_null(entry: ExposedProperty, entity_set: ExposedSet) -> bool:
    return entry.nullable and entry.name not in entity_set.key


def _names(what: str, names: Iterable[str]) -> Lines:
    """Legal identifiers, unique ignoring case."""
    seen: dict[str, str] = {}
    for name in names:
        if not _is_identifier(name):
            yield f"{what} '{name}' is no legal name (a letter or _, then letters, digits, _; at most 128 characters)"
        other = seen.get(name.casefold())
        if other is not None:
            relation = "stands twice" if other == name else f"differs from '{other}' only by case"
            yield f"{what} '{name}' {relation}"
        seen[name.casefold()] = name


def _is_identifier(name: str) -> bool:
    if not 1 <= len(name) <= IDENTIFIER_CHARACTERS:
        return False
    first, *later = (unicodedata.category(character) for character in name)
    return (first in FIRST or name[0] == "_") and all(category in LATER for category in later)


def _by_name(entity_set: ExposedSet) -> dict[str, ExposedProperty]:
    return {entry.name: entry for entry in entity_set.properties}


def _prefixed(name: str, lines: Iterable[str]) -> Lines:
    """Put the name of what is wrong before each line: "Quotes.Status: unsupported type"."""
    return (f"{name}: {line}" for line in lines)
