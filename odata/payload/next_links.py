"""Next links: absolute, keyset, signed, never longer than a request line may be.

In: the request's path and options, the last row's order keys. Out: a URL. Options that would make it too long move,
compressed, into the token.
Standard: Protocol, "Server-Driven Paging"; JSON Format, "Control Information: nextLink".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from odata.errors import InvalidOption, InvalidToken, UriTooLong
from odata.plan.paging import REFUSED, Signer, SkipToken, binding, read_token, write_token
from odata.url.parts import Parts, escaped, split

REQUEST_LINE_OVERHEAD = len("GET  HTTP/1.1\r\n")
SAFE = "()*,;:@!'$=/?-._~"
OPTIONS_ONLY = "~"
"""Begins a token that carries options and no place in an order; no base64url does."""
BESIDE_OPTIONS = frozenset({"skip", "top"})
"""What stands beside such a token."""


def option_name(name: str) -> str:
    """The name of a query option without "$", in lower case."""
    return name.removeprefix("$").lower()


def query_text(parts: Parts, without: frozenset[str]) -> str:
    """The options again, percent-encoded, but those named."""
    items = []
    for (name, value), text in zip(parts.options, parts.marked_texts[len(parts.segments) :], strict=True):
        if option_name(name) not in without:
            written = quote(name, safe=SAFE)
            items.append(written if value is None else f"{written}={escaped(text, SAFE)}")
    return "&".join(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where links of one request lead. root: with a slash at its end. most_bytes: of a request line.

    collation: by which strings are sorted; a token is worth nothing under another one.
    """

    root: str
    parts: Parts
    org_id: str
    profile: str
    signer: Signer
    most_bytes: int
    collation: str | None = None

    @property
    def path(self) -> str:
        return "/".join(quote(segment, safe="()*,;:@!'$=-._~") for segment in self.parts.segments)

    def binding(self, query: str) -> bytes:
        """What a skip token of this request is bound to."""
        return binding(path=self.path, query=query, org_id=self.org_id, profile=self.profile, collation=self.collation)

    @property
    def query(self) -> str:
        """The options a next link repeats: all but $skip, which has been done, and the token."""
        return query_text(self.parts, frozenset({"skip", "skiptoken"}))

    def next_link(self, values: tuple[str | None, ...], order: str, remaining: int | None) -> str:
        """The URL of the page behind the order keys `values`; order is their mark.

        Raises: UriTooLong (414) when even the compressed options do not fit into a request line.
        """
        query = self.query
        token = write_token(
            SkipToken(values=values, order=order, remaining=remaining), self.signer, self.binding(query)
        )
        url = f"{self.root}{self.path}?{query}{'&' if query else ''}$skiptoken={token}"
        if self._fits(url):
            return url
        packed = SkipToken(values=values, order=order, remaining=remaining, query=query)
        url = f"{self.root}{self.path}?$skiptoken={write_token(packed, self.signer, self.binding(''))}"
        if self._fits(url):
            return url
        raise UriTooLong(
            f"The link to the next page would be longer than the limit of {self.most_bytes} bytes; "
            "ask for fewer conditions, or for one page with $top."
        )

    def packed_options(self, options: str) -> str:
        """Options, "&" before each, as one that carries them all, for whatever path is asked for."""
        token = SkipToken(values=(), order="", query=options.removeprefix("&"))
        return f"&$skiptoken={OPTIONS_ONLY}{write_token(token, self.signer, self._binding_of_options)}"

    def unpacked_options(self, token: str) -> str:
        """The same again. Raises: InvalidToken (400)."""
        return read_token(token.removeprefix(OPTIONS_ONLY), self.signer, self._binding_of_options).query or ""

    @property
    def query_beside_token(self) -> str:
        """The options of a request but its token."""
        return query_text(self.parts, frozenset({"skiptoken"}))

    @property
    def _binding_of_options(self) -> bytes:
        return binding(path="", query="", org_id=self.org_id, profile=self.profile)

    def _fits(self, url: str) -> bool:
        return self.fits(len(url.encode()))

    def fits(self, url_bytes: int) -> bool:
        """Whether a URL of so many bytes can be asked for."""
        return url_bytes + REQUEST_LINE_OVERHEAD <= self.most_bytes


def option(parts: Parts, name: str) -> str | None:
    """The value of the first query option of a name, "" without a value, None without the option."""
    for written, value in parts.options:
        if option_name(written) == name:
            return value if value is not None else ""
    return None


def take_token(links: Links) -> tuple[SkipToken | None, Parts]:
    """The skip token of a request, proven, and the request without it; options that the token carries are put back.

    Raises: InvalidToken (400) for a token that was not made for this request, InvalidOption (400) for two.
    """
    parts = links.parts
    text = option(parts, "skiptoken")
    if text is None:
        return None, parts
    others = tuple(item for item in parts.options if option_name(item[0]) != "skiptoken")
    if len(others) < len(parts.options) - 1:
        raise InvalidOption("$skiptoken is given twice.", target="$skiptoken")
    if text.startswith(OPTIONS_ONLY):
        if not {option_name(name) for name, _ in others} <= BESIDE_OPTIONS:
            raise InvalidToken(REFUSED, target="$skiptoken")
        return None, split(links.path, f"{links.unpacked_options(text)}&{links.query_beside_token}")
    token = read_token(text, links.signer, links.binding(links.query))
    if token.query is None and not parts.encoded_semicolons:
        return token, replace(parts, options=others)
    return token, split(links.path, token.query if token.query is not None else links.query)
