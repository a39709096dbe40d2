"""Who is asking, and what they may see and change in their org.

A sharing rule of the simulated orgs, not of Salesforce: a user sees accounts whose country counts to one of the user's
regions or to none, and the opportunities, quotes and lines below them; some see only what they own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from simulator.data import region_of
from simulator.describe import Catalog, SObject
from simulator.store import Row, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or an integration. regions: None sees all; quotes: may create, change and delete quotes."""

    id: str
    username: str
    name: str
    regions: frozenset[str] | None = None
    own_only: bool = False
    quotes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One user in one org. user None: the simulator itself, which sees and may do everything."""

    org_id: str
    store: Store
    catalog: Catalog
    user: User | None
    now: str
    user_id: str
    multi_currency: bool
    strict_upsert: bool = True

    def object(self, name: str) -> SObject | None:
        """The object of this name, in any case."""
        return self.catalog.get(name.lower())

    def sees(self, type_name: str, row: Row) -> bool:
        """Whether the user may read this record."""
        if self.user is None or (self.user.regions is None and not self.user.own_only):
            return True
        parent = _PARENTS.get(type_name)
        if parent is not None:
            above = self.store.get(parent[1], row.get(parent[0]))
            if above is None:
                above = self.store.deleted.get(row.get(parent[0], ""), ("", None))[1]
            return above is not None and self.sees(parent[1], above)
        if type_name == "Opportunity":
            return self._owns(row) and self._in_region(self.store.get("Account", row.get("AccountId")))
        if type_name == "Account":
            return self._in_region(row)
        return True

    def _owns(self, row: Row) -> bool:
        assert self.user is not None
        return not self.user.own_only or row.get("OwnerId") == self.user.id

    def _in_region(self, account: Row | None) -> bool:
        assert self.user is not None
        region = region_of((account or {}).get("BillingCountry"))
        return self.user.regions is None or region is None or region in self.user.regions

    def may_write(self, type_name: str) -> bool:
        """Whether the user may create, change and delete records of this object.

        A session-based permission set that the user has activated gives what the profile lacks.
        """
        if self.user is None or type_name not in GUARDED or self.user.quotes:
            return True
        return bool(self.store.find("SessionPermSetActivation", "UserId", self.user.id))


GUARDED: Final = frozenset({"Quote", "QuoteLineItem"})
"""Objects that need a permission to be written."""
_PARENTS: Final[Mapping[str, tuple[str, str]]] = {
    "OpportunityLineItem": ("OpportunityId", "Opportunity"),
    "Quote": ("OpportunityId", "Opportunity"),
    "QuoteLineItem": ("QuoteId", "Quote"),
}
