"""What an org must have before quotes can be made in it, and whether this user may make them.

In: an org as one user has it (describe, remembered there). Out: nothing, or the error that says what to deploy.
"""

from __future__ import annotations

from typing import Final

from applink.errors import NotAllowed, SetupRequired
from applink.org import Org, SObject

GATEWAY_KEY: Final = "Gateway_Key__c"
"""External id on Quote and QuoteLineItem: a record that bears the key of an attempt is that attempt's."""

KEY_LENGTH: Final = 64
WRITTEN: Final = ("Quote", "QuoteLineItem")


def require(org: Org, *, deadline: float) -> None:
    """See that quotes can be made in this org by this user.

    Raises: SetupRequired naming the object or field, its type and how to deploy it; NotAllowed for a user who may not
            create quotes. What was deployed or permitted a moment ago counts once describe is asked again (`lacks`).
    """
    for name in WRITTEN:
        if GATEWAY_KEY not in described(org, name, deadline=deadline).external_ids:
            raise SetupRequired(
                f"{name} has no field {GATEWAY_KEY} that can be used here. Deploy it as Text({KEY_LENGTH}), External "
                "ID, Unique (case sensitive), and let the users of the gateway read and edit it: Setup, Object "
                f"Manager, {name.replace('LineItem', ' Line Item')}, Fields & Relationships, New."
            )


def require_creatable(org: Org, *, deadline: float) -> None:
    """The same, and the user may create quotes by what describe said. Raises: SetupRequired, NotAllowed."""
    require(org, deadline=deadline)
    for name in WRITTEN:
        if not described(org, name, deadline=deadline).createable:
            raise NotAllowed(f"{org.username} may not create a {name} in this org; a permission set must allow it.")


def described(org: Org, name: str, *, deadline: float) -> SObject:
    """An object that quotes need. Raises: SetupRequired when the org, or this user, does not have it."""
    found = org.describe(name, deadline=deadline)
    if found is None:
        raise SetupRequired(
            f"The org has no object {name}, or {org.username} has no access to it. Switch quotes on in Setup, "
            "Quote Settings, and let the users of the gateway read and create quotes."
        )
    return found


def lacks(found: SObject) -> bool:
    """Whether no quote can be made with an object as it is described, so that it is worth asking again soon."""
    return found.name in WRITTEN and not (found.createable and GATEWAY_KEY in found.external_ids)
