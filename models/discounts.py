"""Which discount a quote gets, and why in plain words: asked for, overridden on the opportunity, or ruled by region.

In: the region as the org has it (a region, a territory, a country), the discount rules, a date. Out: a Discount.
Percentages come checked. Knows no line and no amount; docs/pricing.md holds the same in tables, which are its tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from models.currencies import half_up
from models.region_country import REGIONS, country, spelling

OTHER: Final = "other"
"""The rule of this region stands for every region without a rule of its own."""

SHOWN: Final = 40
"""Longest value of a field that a note repeats."""


@dataclass(frozen=True, slots=True)
class DiscountRule:
    """What a region gets off, in percent, from its first to its last day; no last day is until further notice."""

    region: str
    rate_percent: Decimal
    valid_from: date
    valid_to: date | None = None

    def holds(self, on: date) -> bool:
        """Whether the rule is valid on that day, both ends included."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Discount:
    """The region of a quote, the percentage (two decimals) off every line, and what decided, as a clause."""

    region: str
    percent: Decimal
    note: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A region, and how a note calls it."""

    region: str
    words: str


def decide(source: str | None, rules: Sequence[DiscountRule], *, on: date, default_region: str,
           override: Decimal | None = None, asked: Decimal | None = None) -> Discount:  # fmt: skip
    """The discount of a quote: `asked` before `override` before the rule of the region before the rule `other`.

    Args: source: the value of the region field. on: the day whose rules count. override: the opportunity's own
          percentage, None for none. asked: the percentage given for this very quote.
    """
    valid = [rule for rule in rules if rule.holds(on)]
    place = _place(source, rules, valid, default_region)
    percent, note, instead = _ruled(place, valid)
    for given, reason, name in (
        (override, "by the opportunity's discount override", "the opportunity's discount override"),
        (asked, "as asked for this quote", "the discount asked for"),
    ):
        if given is not None:
            percent, note, instead = given, f"{_off(given)} {reason}; {instead}", f"{name} says {in_words(given)} %"
    return Discount(place.region, half_up(percent, 2), note)


def in_words(number: Decimal) -> str:
    """A number without zeros at its end: 12.50 is "12.5", 10.00 is "10"."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _place(source: str | None, rules: Sequence[DiscountRule], valid: Sequence[DiscountRule], default: str) -> _Place:
    """The region of a value: a rule's own region first, so that a territory or a single country can have a rule."""
    if source is None or not source.strip():
        region = _as_ruled(default, valid)
        return _Place(region, f"{_called(region)}, the default as no region is given")
    known = country(source)
    for name in (source, known.name, known.code, known.region) if known else (source,):
        if rule := _newest(name, valid):
            return _found(rule.region, source)
    if known:
        return _found(known.region, source)
    if region_known := REGIONS.get(spelling(source)) or _ever(source, rules):
        return _found(region_known, source)
    region = _as_ruled(default, valid)
    return _Place(region, f'{_called(region)}, the default ("{_shortened(source)}" is no known region)')


def _ruled(place: _Place, valid: Sequence[DiscountRule]) -> tuple[Decimal, str, str]:
    """What the rules give: percent, the note, and the clause that a note of another decision adds."""
    subject = f"the rule for {place.words}"
    rule = _newest(place.region, valid)
    if rule is None:
        subject = f"the rule for other regions, there being none for {place.words}"
        rule = _newest(OTHER, valid)
    if rule is None:
        absent = f"there is no rule for {place.words}"
        return Decimal(0), f"No discount: {absent}", absent
    return (
        rule.rate_percent,
        f"{_off(rule.rate_percent)} by {subject}",
        f"{subject} says {in_words(rule.rate_percent)} %",
    )


def _newest(name: str, rules: Sequence[DiscountRule]) -> DiscountRule | None:
    """The rule of a region that began last; spelling and rate only make the choice certain."""
    key = spelling(name)
    matching = [rule for rule in rules if key and spelling(rule.region) == key]
    return max(matching, key=lambda rule: (rule.valid_from, rule.region, rule.rate_percent), default=None)


def _ever(name: str, rules: Sequence[DiscountRule]) -> str | None:
    rule = _newest(name, rules)
    return rule.region if rule else None


def _as_ruled(region: str, rules: Sequence[DiscountRule]) -> str:
    return _ever(region, rules) or region


def _found(region: str, source: str) -> _Place:
    same = spelling(region) == spelling(source)
    return _Place(region, _called(region) if same else f"{_called(region)} ({_shortened(source)})")


def _called(region: str) -> str:
    return "other regions" if spelling(region) == OTHER else region


def _shortened(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _off(percent: Decimal) -> str:
    return f"{in_words(percent)} % off" if percent else "No discount"
