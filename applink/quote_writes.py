"""A new quote written to the org, and looked for there: what an org's answer proves, and what it does not.

    looked_up   what an attempt before has made
    written     the graph, and the quote as it is then

Once the org has taken a graph, or may have, no refusal to be asked makes the quote undone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from applink import org_quotes, setup
from applink.errors import OperationError, OutcomeUnknown, Refused, Unavailable
from applink.org import Node, Org, Written
from applink.org_quotes import OrgQuote
from applink.quote_order import QuoteOrder

EXISTS: Final = frozenset({"INVALID_FIELD_FOR_INSERT_UPDATE", "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})
"""What an org says to an upsert whose record is there already, having been made by an earlier attempt."""


def looked_up(org: Org, order: QuoteOrder, deadline: float) -> OrgQuote | None:
    """The quote of an attempt before. Raises: Unavailable; OutcomeUnknown: a refusal to be asked says nothing of it."""
    try:
        setup.require(org, deadline=deadline)
        return org_quotes.by_key(org, order.gateway_key, deadline=deadline)
    except Unavailable:
        raise
    except OperationError as error:
        raise OutcomeUnknown(
            f"The org may have the quote from an attempt before, and refused to be asked: {error.message}"
        ) from None


def written(
    org: Org, nodes: Sequence[Node], order: QuoteOrder, before: Callable[[], None], deadline: float
) -> OrgQuote | Mapping[str, Written]:
    """Write the graph and read the quote back; what was written where the quote cannot be seen afterwards.

    Raises: what the graph was refused with; OutcomeUnknown also where the quote was made and could not be read. Once
    the org has taken the graph, nothing is a refusal any more.
    """
    try:
        nodes_made = org.write(nodes, deadline=deadline, before=before)
    except Refused as refused:
        if refused.code in EXISTS and (found := _made_before(org, order, deadline)):
            return found
        raise
    except OutcomeUnknown:
        if found := _looked_for(org, order, deadline):
            return found
        raise
    return _read_back(org, order, deadline) or {node.reference: node for node in nodes_made}


def _read_back(org: Org, order: QuoteOrder, deadline: float) -> OrgQuote | None:
    """The quote after it was made; None for a user who may make quotes and not see them."""
    try:
        return org_quotes.by_key(org, order.gateway_key, deadline=deadline)
    except Unavailable as error:
        raise OutcomeUnknown(f"The quote was made, and could not be read back: {error.message}") from None
    except OperationError:
        return None


def _made_before(org: Org, order: QuoteOrder, deadline: float) -> OrgQuote | None:
    """The quote that the org says is there already."""
    try:
        return org_quotes.by_key(org, order.gateway_key, deadline=deadline)
    except OperationError as error:
        raise OutcomeUnknown(f"The org has the quote already, and it could not be read: {error.message}") from None


def _looked_for(org: Org, order: QuoteOrder, deadline: float) -> OrgQuote | None:
    """The quote of a call that was not answered. Not there means nothing: it may still be made."""
    try:
        return org_quotes.by_key(org, order.gateway_key, deadline=deadline)
    except OperationError:
        return None
