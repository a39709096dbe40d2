"""Service: what the pipeline works on, and the ports that others implement.

Values and Protocols only. `models`, `protocol` and `applink` implement the ports, `app.py` joins them.
"""

from __future__ import annotations

from collections.abc import Mapping as Headers
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from typing import Literal as OneOf

from odata.edm.capabilities import Features
from odata.edm.csdl import etag, metadata_document
from odata.edm.model import Model, build
from odata.exposure import ExposedSet, Exposure
from odata.functions import FUNCTIONS
from odata.mapping import Mapping
from odata.payload.formats import Format
from odata.plan.limits import Limits, Profile
from odata.plan.paging import Signer
from odata.shapes import ShapeCache
from odata.sql.run import Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, proven. org_id: the org whose rows are visible. sets: names of visible sets, None for all."""

    identity: str
    org_id: str
    profile: Profile = "strict"
    scope: OneOf["read", "write"] = "read"
    sets: frozenset[str] | None = None


class Verify(Protocol):
    """Prove who sent a request.

    Args:   headers: names in lower case. source: the caller's address as the platform reports it.
    Raises: Unauthorized (401, with WWW-Authenticate), TooManyRequests (429, with Retry-After), Unavailable (503).
    """

    def __call__(self, headers: Headers[str, str], source: str) -> Principal: ...


class Negotiate(Protocol):
    """Choose the format of an answer from headers and $format; `protocol.negotiate` implements it."""

    def __call__(
        self,
        headers: Headers[str, str],
        format_option: str | None,
        kind: OneOf["json", "metadata", "count", "value", "binary"],
        *,
        profile: Profile = "strict",
    ) -> Format: ...


class Fetch(Protocol):
    """Run one statement and return its one row; `sql.run.Database` implements it."""

    def fetch(
        self,
        sql: str,
        parameters: Sequence[str | list[Any] | None] = (),
        *,
        deadline_seconds: float = 25.0,
        prepare: bool | None = None,
        timings: Timings | None = None,
    ) -> tuple[Any, ...] | None: ...

    def measures(self) -> dict[str, int]:
        """Levels and counters for the log."""
        ...


@dataclass(slots=True)
class Face:
    """What callers of one profile and one choice of sets see: a model, its tables, its metadata by version."""

    model: Model
    mapping: Mapping
    documents: dict[str, tuple[bytes, str]]


@dataclass(slots=True, kw_only=True)
class Service:
    """One OData service in one process.

    root: the service root URL with a slash at its end. date_type: how Date is published to the profile salesforce.
    collation: by which strings compare, sort and page; None for that of the columns.
    deadline_seconds: of one request. shapes: URLs planned before.
    """

    exposure: Exposure
    database: Fetch
    negotiate: Negotiate
    signer: Signer
    root: str
    limits: Limits = field(default_factory=Limits)
    date_type: str = "Edm.Date"
    collation: str | None = None
    deadline_seconds: float = 25.0
    shapes: ShapeCache[Any] = field(default_factory=lambda: ShapeCache(entries=1000, total_bytes=16_000_000))
    _faces: dict[tuple[Profile, frozenset[str] | None], Face] = field(default_factory=dict)

    @property
    def features(self) -> Features:
        """What is on, for the Capabilities annotations."""
        return Features(functions=tuple(FUNCTIONS), expand_levels=self.limits.expand_depth)

    def face(self, principal: Principal) -> Face:
        """The model as this caller sees it; sets that are not visible do not exist."""
        key = (principal.profile, principal.sets)
        found = self._faces.get(key)
        if found is None:
            found = self._faces[key] = self._make_face(principal)
        return found

    def _make_face(self, principal: Principal) -> Face:
        date_type = self.date_type if principal.profile == "salesforce" else "Edm.Date"
        model = build(visible(self.exposure, principal.sets), date_type=date_type)
        documents = {}
        for version in ("4.0", "4.01"):
            text = metadata_document(model, version=version, features=self.features)
            documents[version] = (text, etag(text))
        return Face(model, Mapping(model, self.collation), documents)


def visible(exposure: Exposure, sets: frozenset[str] | None) -> Exposure:
    """The part of an exposure that a caller may see: named sets, and navigation between them."""
    if sets is None:
        return exposure
    kept = tuple(_without(entry, sets) for entry in exposure.sets if entry.name in sets)
    return replace(exposure, sets=kept)


def _without(entry: ExposedSet, sets: frozenset[str]) -> ExposedSet:
    return replace(entry, navigation=tuple(nav for nav in entry.navigation if nav.target in sets))
