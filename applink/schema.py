"""A dataclass as the one place for a message: its OpenAPI schema, how JSON is read into it, how it is written.

In: dataclasses with fields made by `member(...)` of a kind. Out: members (openapi.py), values (operations), JSON in
the order of the fields (endpoints.py). Names are snake_case here and camelCase in JSON. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar

from applink.errors import InvalidRequest
from applink.kinds import MOST_TOLD, Kind, kind_of, shown, together

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a message. name: in JSON; attribute: of the dataclass. example: as JSON."""

    name: str
    attribute: str
    kind: Kind
    doc: str
    required: bool
    example: Any = None


def member(kind: Kind, doc: str, *, required: bool = True, example: Any = None) -> Any:
    """A field of a message. required: else it may be absent or null, and is None."""
    metadata = {"kind": kind, "doc": doc, "required": required, "example": example}
    return field(metadata=metadata) if required else field(default=None, metadata=metadata)


def members(message: type) -> tuple[Member, ...]:
    """The members of a message, in the order of its fields."""
    return tuple(_member(one) for one in fields(message))


def _member(one: Field[Any]) -> Member:
    head, *rest = one.name.split("_")
    return Member(
        name=head + "".join(word.capitalize() for word in rest),
        attribute=one.name,
        kind=one.metadata["kind"],
        doc=one.metadata["doc"],
        required=one.default is MISSING,
        example=one.metadata["example"],
    )


def read(message: type[T], body: object) -> T:
    """A JSON value as a message.

    Raises: InvalidRequest naming every member that is unknown, missing or wrong; InvalidId where only ids are.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest(f"The body is {kind_of(body)}; it needs to be a JSON object.")
    problems = list(_unknown(message, body))
    values: dict[str, Any] = {}
    for one in members(message):
        value = body.get(one.name)
        try:
            if value is not None:
                values[one.attribute] = one.kind.read(value, one.name)
            elif one.required:
                raise InvalidRequest(f"{one.name} is missing.")
        except InvalidRequest as problem:
            problems.append(problem)
    if problems:
        raise together(problems)
    return message(**values)


def write(message: type, answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer with its members in the order of the message; null ones are left out, amounts are doubles.

    Raises: ValueError for a member that the message does not have, or lacks: a defect of the operation.
    """
    known = {one.name for one in members(message)}
    if stray := set(answer) - known:
        raise ValueError(f"{message.__name__} has no {', '.join(sorted(stray))}")
    written = {}
    for one in members(message):
        value = answer.get(one.name)
        if value is not None:
            written[one.name] = _plain(one.kind, value)
        elif one.required:
            raise ValueError(f"{message.__name__} needs {one.name}")
    return written


def _plain(kind: Kind, value: Any) -> Any:
    if kind.holds is not None and isinstance(value, Mapping):
        return write(kind.holds, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(kind, item) for item in value]
    if isinstance(value, Decimal):
        return float(value)  # as Apex has it: Double
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, bool | int | float) else str(value)


def _unknown(message: type, body: Mapping[str, Any]) -> Iterator[InvalidRequest]:
    known = [one.name for one in members(message)]
    for name in list(body)[:MOST_TOLD]:
        if name not in known:
            near = get_close_matches(name[:40], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            yield InvalidRequest(f"There is no member {shown(name)}; {hint}")
