"""Kinds: what a member of a message can hold, as OpenAPI writes it and as JSON is read into it.

In: a JSON value and its place. Out: a Python value, or a refusal that names the place and what would fit. One entry
feeds validation and contract alike. Knows no messages, no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from applink.errors import InvalidId, InvalidRequest
from odata.edm.record_ids import widen_record_id

UUID: Final = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
MOST_TOLD: Final = 10
"""So many wrong positions of a list are named; of the rest only how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a member holds. schema: OpenAPI 3.0; read(value, place): the value, or InvalidRequest naming the place.

    holds: the dataclass of an object, or of the items of a list.
    """

    schema: Mapping[str, Any]
    read: Callable[[object, str], Any]
    holds: type | None = None


def _text(value: object, place: str, needs: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"{place} is {kind_of(value)}; it needs {needs}.")
    return value


def record_id(prefix: str, what: str) -> Kind:
    """The id of a record of the org, whose first three characters are `prefix`: read with 15 or 18, held with 18."""

    def read_id(value: object, place: str) -> str:
        return _record_id(_text(value, place, f"the id of {what}"), place, prefix, what)

    pattern = f"^{prefix}[A-Za-z0-9]{{12}}([A-Za-z0-9]{{3}})?$"
    return Kind(schema={"type": "string", "minLength": 15, "maxLength": 18, "pattern": pattern}, read=read_id)


def _record_id(text: str, place: str, prefix: str, what: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", text):
        raise InvalidId(f"{place} is {shown(text)}; it needs the id of {what}: 15 or 18 letters and digits.")
    if not text.startswith(prefix):
        raise InvalidId(f"{place} is {shown(text)}, which is not the id of {what}: those begin with {prefix}.")
    widened = widen_record_id(text[:15])
    if len(text) == 18 and text != widened:
        raise InvalidId(f"{place} is {shown(text)}, whose last three characters do not fit the others (case counts).")
    return widened


def gateway_id(what: str) -> Kind:
    """An id that the gateway gave: a UUID, held in lower case."""

    def read_id(value: object, place: str) -> str:
        text = _text(value, place, f"the id of {what}")
        if not re.fullmatch(UUID, text):
            raise InvalidId(f"{place} is {shown(text)}; it needs the id of {what} as the gateway gave it.")
        return text.lower()

    return Kind(schema={"type": "string", "minLength": 36, "maxLength": 36, "pattern": f"^{UUID}$"}, read=read_id)


def either_id(prefix: str, what: str) -> Kind:
    """The id of a record of the org, or the gateway's own of the same."""
    own, org = gateway_id(what), record_id(prefix, what)

    def read_id(value: object, place: str) -> str:
        return str((own if isinstance(value, str) and "-" in value else org).read(value, place))

    pattern = f"^({prefix}[A-Za-z0-9]{{12}}([A-Za-z0-9]{{3}})?|{UUID})$"
    return Kind(schema={"type": "string", "minLength": 15, "maxLength": 36, "pattern": pattern}, read=read_id)


def text(most: int, *, one_line: bool = True) -> Kind:
    """A text that is not blank, of `most` characters; spaces at its ends do not count."""
    needs = f"a text of 1 to {most} characters"

    def read_text(value: object, place: str) -> str:
        given = _text(value, place, needs).strip()
        if not 1 <= len(given) <= most:
            raise InvalidRequest(f"{place} has {len(given)} characters; it needs {needs}.")
        if one_line and re.search(r"[\x00-\x1f\x7f]", given):
            raise InvalidRequest(f"{place} holds control characters; it needs {needs} on one line.")
        return given

    return Kind(schema={"type": "string", "minLength": 1, "maxLength": most}, read=read_text)


def choice(*choices: str) -> Kind:
    """One of these words."""

    def read_choice(value: object, place: str) -> str:
        needs = f"one of {', '.join(choices)}"
        given = _text(value, place, needs)
        if given not in choices:
            raise InvalidRequest(f"{place} is {shown(given)}; it needs {needs}.")
        return given

    return Kind(schema={"type": "string", "enum": list(choices)}, read=read_choice)


def _read_date(value: object, place: str) -> date:
    given = _text(value, place, "a date such as 2026-03-31")
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise InvalidRequest(f"{place} is {shown(given)}; it needs a date such as 2026-03-31.")


def _read_percent(value: object, place: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidRequest(f"{place} is {kind_of(value)}; it needs a number from 0 to 100.")
    given = Decimal(value)
    if not given.is_finite() or not 0 <= given <= 100 or given != round(given, 2):
        raise InvalidRequest(
            f"{place} is {str(value)[:20]}; it needs a number from 0 to 100 with two decimals at most."
        )
    return round(given, 2)


def _only_written(value: object, place: str) -> Any:
    raise InvalidRequest(f"{place} is part of answers only.")


DATE: Final = Kind(schema={"type": "string", "format": "date"}, read=_read_date)
PERCENT: Final = Kind(schema={"type": "number", "format": "double", "minimum": 0, "maximum": 100}, read=_read_percent)
AMOUNT: Final = Kind(schema={"type": "number", "format": "double"}, read=_only_written)
WHOLE: Final = Kind(schema={"type": "integer", "format": "int32"}, read=_only_written)
FLAG: Final = Kind(schema={"type": "boolean"}, read=_only_written)
TEXT: Final = Kind(schema={"type": "string"}, read=_only_written)


def many(kind: Kind, *, least: int = 0, most: int | None = None, told: int | None = None) -> Kind:
    """A list, refused by position. most: longest that is read at all; told: the limit that the schema tells."""
    limits = {name: value for name, value in (("minItems", least or None), ("maxItems", told or most)) if value}

    def read_many(value: object, place: str) -> tuple[Any, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidRequest(f"{place} is {kind_of(value)}; it needs a list.")
        if len(value) < least:
            raise InvalidRequest(f"{place} has {len(value)} items; it needs at least {least}.")
        if most is not None and len(value) > most:
            raise InvalidRequest(f"{place} has {len(value)} items; it takes {most} at most.")
        return _read_items(kind, value, place)

    return Kind(schema={"type": "array", "items": dict(kind.schema), **limits}, read=read_many, holds=kind.holds)


def _read_items(kind: Kind, value: Sequence[object], place: str) -> tuple[Any, ...]:
    read_ones, problems = [], []
    for index, item in enumerate(value):
        try:
            read_ones.append(kind.read(item, f"{place}[{index}]"))
        except InvalidRequest as problem:
            problems.append(problem)
    if problems:
        raise refused_by_position(problems)
    return tuple(read_ones)


def refused_by_position(problems: Sequence[InvalidRequest]) -> InvalidRequest:
    """One refusal of a list out of those of its items; the first ones in full."""
    told = together(problems[:MOST_TOLD])
    if len(problems) <= MOST_TOLD:
        return told
    return type(told)(f"{told.message} And {len(problems) - MOST_TOLD} more of {len(problems)}.")


def structure(message: type) -> Kind:
    """An object within an answer."""
    return Kind(schema={"type": "object"}, read=_only_written, holds=message)


def together(problems: Sequence[InvalidRequest]) -> InvalidRequest:
    """One refusal out of several: InvalidId where all of them are."""
    if len(problems) == 1:
        return problems[0]
    kind = InvalidId if all(isinstance(one, InvalidId) for one in problems) else InvalidRequest
    return kind(" ".join(one.message for one in problems))


def shown(value: object) -> str:
    """What was read, for a message: short, and without what could break a log line."""
    if not isinstance(value, str):
        return kind_of(value)
    return ascii(value[:40]) + ("..." if len(value) > 40 else "")


def kind_of(value: object) -> str:
    """A JSON value in words, none of its text."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float | Decimal):
        return f"the number {str(value)[:20]}"
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, Sequence) else "an object"
