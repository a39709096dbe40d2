"""Server-driven paging: page sizes and skip tokens.

A skip token carries where the page before ended, signed and bound to query, org and profile; its values are typed texts
that are bound, never parsed again. Standard: Protocol, "Server-Driven Paging"; URL Conventions, "System Query Option
$skiptoken".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from dataclasses import dataclass

from odata.errors import InvalidToken
from odata.plan.bound import Bound, PropertyValue, has_moment, type_of
from odata.plan.limits import Limits
from odata.plan.plans import OrderKey

VERSION = 2
SIGNATURE_BYTES = 16
LARGEST_QUERY_BYTES = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is known of paging before planning.

    preferred_rows: the odata.maxpagesize preference. after: which boundary values of the token are null, None on page
    1. order: the mark of the order that the token belongs to. remaining: what the token leaves of $top, None without.
    """

    preferred_rows: int | None = None
    after: tuple[bool, ...] | None = None
    order: str | None = None
    remaining: int | None = None

    def size(self, top: int | None, limits: Limits) -> tuple[int, bool]:
        """Rows of this page, and whether more may follow.

        An explicit $top up to the limit is one page; every other page has at most the page limit or the preferred
        number.
        """
        wanted = self.remaining if self.after is not None else top
        largest = limits.max_page_size
        if wanted is not None and wanted <= limits.max_top_one_page:
            largest = limits.max_top_one_page
        if self.preferred_rows is not None:
            largest = min(largest, self.preferred_rows)
        if wanted is not None and wanted <= largest:
            return wanted, False
        return largest, True


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipToken:
    """values: the last entity's order keys as database texts, None for null; behind them the moment of page 1, where
    the order has one. order: the mark of that order.

    remaining: of $top, None without $top. query: the options of the request where they would make the next link too
    long, else None.
    """

    values: tuple[str | None, ...]
    order: str
    remaining: int | None = None
    query: str | None = None


def order_mark(order: tuple[OrderKey, ...]) -> str:
    """A short text that differs for orders whose boundary values mean different things.

    A deployment may change a default order, a type or what may be null while clients hold tokens of the old one.
    """
    keys = [(_named(key.expression), type_of(key.expression).name, key.descending, key.nullable) for key in order]
    return hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:8]


def _named(expression: Bound) -> str:
    if isinstance(expression, PropertyValue):
        return expression.property.name
    return type(expression).__name__ + (" of a moment" if has_moment(expression) else "")


def require_order(page: Page, order: tuple[OrderKey, ...]) -> None:
    """Refuse a token that was made under another order than the request has now. Raises: InvalidToken (400)."""
    if page.after is not None and page.order != order_mark(order):
        raise InvalidToken(REFUSED, target="$skiptoken")


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the first secret, accepts every secret (rotation)."""

    secrets: tuple[bytes, ...]

    def sign(self, payload: bytes, binding: bytes) -> bytes:
        """The signature of a token's payload for what it is bound to."""
        return _signature(self.secrets[0], payload, binding)

    def accepts(self, signature: bytes, payload: bytes, binding: bytes) -> bool:
        """Whether one of the secrets made this signature; takes as long for each."""
        return any(hmac.compare_digest(signature, _signature(secret, payload, binding)) for secret in self.secrets)


def _signature(secret: bytes, payload: bytes, binding: bytes) -> bytes:
    framed = len(binding).to_bytes(8, "big") + binding + payload
    return hmac.new(secret, b"skiptoken" + framed, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def binding(*, path: str, query: str, org_id: str, profile: str, collation: str | None = None) -> bytes:
    """What a token is bound to: the query without its token, org, profile and collation, as a fixed-length digest."""
    text = json.dumps([path, query, org_id, profile, collation], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def write_token(token: SkipToken, signer: Signer, bound_to: bytes) -> str:
    """A token as canonical base64url without padding.

    A token that carries the query is bound to org, profile and path only: `bound_to` is then made with an empty query.
    """
    content = json.dumps(
        [VERSION, token.values, token.order, token.remaining, token.query], separators=(",", ":"), ensure_ascii=False
    )
    payload = zlib.compress(content.encode()) if token.query is not None else content.encode()
    signed = signer.sign(payload, bound_to) + payload
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def read_token(text: str, signer: Signer, bound_to: bytes) -> SkipToken:
    """The token, if this service made it for this query, org and profile.

    Raises: InvalidToken (400) for any other text, non-canonical spellings of a good token included.
    """
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise InvalidToken(REFUSED, target="$skiptoken") from None
    if base64.urlsafe_b64encode(signed).rstrip(b"=").decode() != text:
        raise InvalidToken(REFUSED, target="$skiptoken")
    signature, payload = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
    if not signer.accepts(signature, payload, bound_to):
        raise InvalidToken(REFUSED, target="$skiptoken")
    if payload[:1] != b"[":
        payload = zlib.decompressobj().decompress(payload, LARGEST_QUERY_BYTES)
    version, *content = json.loads(payload)
    if version != VERSION:
        raise InvalidToken(REFUSED, target="$skiptoken")
    values, order, remaining, query = content
    return SkipToken(values=tuple(values), order=order, remaining=remaining, query=query)


REFUSED = "This $skiptoken was not made for this request; start again without it and follow the next links as they are."
