"""Values: literals on their way to bind parameters, and what a plan may have concluded from one literal.

A plan made for one URL serves every URL of the same shape. What it concluded from a literal beyond the literal's kind
is written down as a Guard; another literal at the same place may use the plan if every guard gives the same result
for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from odata.edm.record_ids import widen_record_id
from odata.edm.types import DATE_TIME_OFFSET, GUID, MAX_DIGITS, PRIMITIVE_TYPES, exact, number_kind
from odata.errors import InvalidLiteral
from odata.plan.bound import Place, Value, place_of
from odata.url.nodes import Literal

FEWEST_TRIGRAMS = 3
"""Below it, reading the index costs more than walking the table (docs/decisions/patterns.md)."""
_WORD = re.compile(r"[^\W_]+")
_THREE_TOGETHER = re.compile(r"[^\W_]{3}")
_FOLDED_BY_NEIGHBOURS = re.compile("[\u03a3\u0307]|[IJ\u012e][\u0300-\u036f]*$")


@dataclass(frozen=True, slots=True)
class Guard:
    """CLASSIFIERS[classifier](kind, text) of the literal at `place` must equal `result`."""

    place: Place
    classifier: str
    result: Hashable

    def holds(self, kind: str, text: str) -> bool:
        """Whether another literal at the same place lets the plan stand."""
        return classify(self.classifier, kind, text) == self.result


@dataclass(slots=True)
class Guards:
    """Collects the guards of one plan, in order, without doubles."""

    _entries: dict[Guard, None] = field(default_factory=dict)

    def ask(self, classifier: str, literal: Literal) -> Hashable:
        """The class of a literal; the answer becomes a guard."""
        result = classify(classifier, literal.kind, literal.text)
        self._entries[Guard(place_of(literal.span), classifier, result)] = None
        return result

    def entries(self) -> tuple[Guard, ...]:
        return tuple(self._entries)


def classify(classifier: str, kind: str, text: str) -> Hashable:
    """The class of a literal by an entry of CLASSIFIERS; "converts:Edm.Int32" asks whether it has that type's form,
    "at_most:5" for 5 characters or less.
    """
    name, _, argument = classifier.partition(":")
    if name == "converts":
        return _converts(argument, kind, text)
    if name == "at_most":
        return len(text) <= int(argument)
    return CLASSIFIERS[name](kind, text)


def database_text(value: Value, kind: str | None = None, text: str | None = None) -> str:
    """The text to bind for a value, or for another literal (kind, text) at its place.

    Raises: InvalidLiteral (400) when the literal lies outside the type's value space.
    """
    kind = value.kind if kind is None else kind
    converted = (value.read_as or value.type).convert(kind, value.text if text is None else text)
    return TRANSFORMS[value.transform](converted) if value.transform else converted


# --- classes ---------------------------------------------------------------------------------------------------------


def _number_class(kind: str, text: str) -> Hashable:
    """integer (fits Edm.Int64), fraction, large, -large, INF, -INF, NaN; None for no number at all."""
    if kind == "integer" and len(text) < 19:
        return "integer"
    if kind == "string":
        text = text.strip()
        if number_kind(text) is None:
            return None
    if text in ("INF", "-INF", "NaN"):
        return text
    if kind not in ("integer", "decimal", "double", "string"):
        return None
    number = exact(text)
    if number.adjusted() > 20 or not -(2**63) <= number < 2**63:
        return "-large" if number < 0 else "large"
    if number.adjusted() < -MAX_DIGITS:
        return "fraction"
    return "integer" if number == int(number) else "fraction"


def _small_class(kind: str, text: str) -> Hashable:
    """-1 or 0 for numbers of that value, else None."""
    if _number_class(kind, text) != "integer":
        return None
    number = int(exact(text))
    return number if number in (-1, 0) else None


def _joined(text: str) -> str:
    """As the index of joined texts has it, but for the case."""
    return text.replace(" ", "")


def _short(text: str) -> bool:
    """Whether a trigram index would be read for next to nothing: no three letters or digits stand together, and fewer
    than FEWEST_TRIGRAMS trigrams can be told. A blank at either end of text says that a word cannot go on there.

    pg_trgm takes trigrams of words with two blanks before and one behind them: "Ut 27" standing somewhere in a text
    says "ut ", "  2" and " 27", but neither " ut" nor "27 ".
    """
    if _THREE_TOGETHER.search(text):
        return False
    found: set[str] = set()
    for word in _WORD.finditer(text):
        before, behind = word.start() > 0, word.end() < len(text)
        padded = "  " * before + word.group().lower() + " " * behind
        found.update(padded[index : index + 3] for index in range(len(padded) - 2))
    return len(found) < FEWEST_TRIGRAMS


def _timed(kind: str, text: str) -> bool:
    """Whether a time stands behind the date."""
    return "T" in text.upper()


def _utc_midnight(kind: str, text: str) -> Hashable:
    """Whether a point in time (or a date) is the start of a day in UTC."""
    if not _timed(kind, text):
        return True
    try:
        moment = datetime.fromisoformat(DATE_TIME_OFFSET.convert(kind, text))
    except InvalidLiteral:
        return False
    since_midnight = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    since_midnight += timedelta(microseconds=moment.microsecond) - (moment.utcoffset() or timedelta())
    return not since_midnight % timedelta(days=1)


def _in_utc(kind: str, text: str) -> Hashable:
    return kind != "datetimeoffset" or text[-1] in "Zz" or text[-5:] == "00:00"


def _plain_year(kind: str, text: str) -> Hashable:
    """Whether a whole year whose first and last moment this service can write."""
    return kind == "integer" and len(text) <= 6 and 1 <= int(text) < 9999


def _plain_day(kind: str, text: str) -> Hashable:
    return kind == "date" and "0001-01-01" <= text < "9999-12-31" and len(text) == 10


def _converts(type_name: str, kind: str, text: str) -> Hashable:
    try:
        PRIMITIVE_TYPES[type_name].convert(kind, text)
    except InvalidLiteral:
        return False
    return True


CLASSIFIERS: dict[str, Callable[[str, str], Hashable]] = {
    "number": _number_class,
    "small": _small_class,
    "boolean": lambda kind, text: text.lower(),
    "text": lambda kind, text: text,
    "short_part": lambda kind, text: _short(text),
    "short_joined_part": lambda kind, text: _short(_joined(text)),
    "short_beginning": lambda kind, text: _short(f" {text}"),
    "short_ending": lambda kind, text: _short(f"{text} "),
    "short_joined_ending": lambda kind, text: _short(f"{_joined(text)} "),
    "folds_alone": lambda kind, text: _FOLDED_BY_NEIGHBOURS.search(text) is None,
    "timed": _timed,
    "utc_midnight": _utc_midnight,
    "in_utc": _in_utc,
    "plain_year": _plain_year,
    "plain_day": _plain_day,
    "is_guid": lambda kind, text: _converts(GUID.name, kind, text),
    "is_point_in_time": lambda kind, text: _converts(DATE_TIME_OFFSET.name, kind, text),
}


# --- transforms ------------------------------------------------------------------------------------------------------


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _next_day(text: str) -> str:
    return (date.fromisoformat(text) + timedelta(days=1)).isoformat()


def _offset_minutes(text: str) -> str:
    if text.endswith("Z"):
        return "0"
    minutes = int(text[-5:-3]) * 60 + int(text[-2:])
    return str(-minutes if text[-6] == "-" else minutes)


def _not_negative(text: str) -> str:
    if text.startswith("-"):
        raise InvalidLiteral(f"substring takes a length of 0 or more, not {text}.")
    return text


TRANSFORMS: dict[str, Callable[[str], str]] = {
    "like_contains": lambda text: f"%{_escaped(text)}%",
    "like_startswith": lambda text: f"{_escaped(text)}%",
    "like_endswith": lambda text: f"%{_escaped(text)}",
    "lower": str.lower,
    "widen_record_id": widen_record_id,
    "floor": lambda text: str(int(Decimal(text).to_integral_value(ROUND_FLOOR))),
    "ceiling": lambda text: str(int(Decimal(text).to_integral_value(ROUND_CEILING))),
    "year_start": lambda text: f"{int(text):04}-01-01T00:00:00Z",
    "year_end": lambda text: f"{int(text) + 1:04}-01-01T00:00:00Z",
    "day_start": lambda text: f"{text}T00:00:00Z",
    "day_end": lambda text: f"{_next_day(text)}T00:00:00Z",
    "not_negative": _not_negative,
    "offset_minutes": _offset_minutes,
}
