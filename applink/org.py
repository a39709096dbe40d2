"""What is asked of a Salesforce org, as values, and the port that answers: `Org`. Knows no HTTP and no SDK.

Every method ends at its deadline and raises only errors of applink.errors:
    Refused / NotAllowed / NotFound    the org said no, nothing was written
    SessionEnded / OrgLimitReached / OrgUnavailable    nothing was written, later perhaps
    OutcomeUnknown    a write was sent, and nobody knows
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Record: TypeAlias = Mapping[str, Any]
"""Fields by name as the org writes them; numbers are Decimal, a lookup is a Record or None, children are a tuple."""


@dataclass(frozen=True, slots=True)
class Soql:
    """A query. Made by `soql` alone, which quotes every value: no text of a request is ever joined in.

    deleted: it finds what is in the org's recycle bin, too.
    """

    text: str
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """One node of a graph: the record of `type` whose external id `key_field` is `key`, made or changed.

    reference: its name within the graph; another node's field holds "@{reference.id}" as Reference(reference).
    """

    reference: str
    type: str
    key_field: str
    key: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """One node of a graph: the record of this id, gone."""

    reference: str
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The id that another node of the same graph gets."""

    reference: str


Node: TypeAlias = Upsert | Delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of one node. created: False where the record was there before."""

    reference: str
    id: str
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SObject:
    """What an object of the org has, for this user. fields: names of what it can read; lengths: of texts."""

    name: str
    fields: frozenset[str]
    createable: bool
    updateable: bool
    deletable: bool
    external_ids: frozenset[str] = frozenset()
    lengths: Mapping[str, int] = field(default_factory=dict)


class Org(Protocol):
    """One org, asked as one user. Thread-safe. deadline: a monotonic time."""

    @property
    def org_id(self) -> str:
        """18 characters."""
        ...

    @property
    def domain_url(self) -> str:
        """Such as https://acme.my.salesforce.com; no slash at its end."""
        ...

    @property
    def username(self) -> str:
        """As whom the org is asked."""
        ...

    @property
    def user_id(self) -> str | None:
        """That user's id, None where it is not known."""
        ...

    @property
    def calls(self) -> int:
        """How many requests were sent through this value."""
        ...

    def query(self, soql: Soql, *, deadline: float) -> list[Record]:
        """All records of all pages, those of sub-selects included."""
        ...

    def describe(self, type_name: str, *, deadline: float) -> SObject | None:
        """None where the org, or this user, has no such object. Remembered for some minutes a user."""
        ...

    def write(
        self, nodes: Sequence[Node], *, deadline: float, before: Callable[[], None] | None = None
    ) -> tuple[Written, ...]:
        """All of the nodes or none: one composite graph of at most 500 nodes.

        before: called when they are to be sent next; what it raises, they are not. Where there is a budget of calls, a
        place in it may still be waited for then. Raises: NotSent where none came after `before`.
        """
        ...

    def create(self, type_name: str, fields: Mapping[str, Any], *, deadline: float) -> str:
        """A new record (or Platform Event); its id."""
        ...

    def update(self, type_name: str, record_id: str, fields: Mapping[str, Any], *, deadline: float) -> None:
        """Change the given fields of a record."""
        ...

    def delete(self, type_name: str, record_id: str, *, deadline: float) -> None:
        """Delete a record."""
        ...

    def deliver(self, callback_url: str, body: Mapping[str, Any], *, deadline: float) -> int:
        """POST a callback; the status that the org answers with. The host must be this org's, checked again here."""
        ...
