"""Next links inside $expand: their end repeats the options there, as text or, where that would be too long, packed.

In: options as the end of a URL. Out: the same, a token that carries them, or a mark. PostgreSQL writes the links, so
only the finished page tells whether one was needed: a page that shows the mark is refused, for the rest of a collection
could not be asked for. Standard: JSON Format, "Control Information: nextLink".
"""

from __future__ import annotations

from collections.abc import Iterable
from secrets import token_hex

from odata.errors import UriTooLong
from odata.payload.next_links import Links


class NestedLinks:
    """Those of one request."""

    __slots__ = ("_links", "_mark")

    def __init__(self, links: Links) -> None:
        self._links = links
        self._mark: str | None = None

    def end(self, options: str, other_bytes: int, grows_by: int) -> str:
        """What a link ends with. other_bytes: of the rest of it; grows_by: by what its options are filled with."""
        most = self._links.most_bytes
        if other_bytes + len(options) + grows_by <= most:
            return options
        if not grows_by and other_bytes + len(packed := self._links.packed_options(options)) <= most:
            return packed
        self._mark = token_hex()
        return self._mark

    def check(self, row: Iterable[object]) -> None:
        """Refuse a page that needs a link which cannot be written. Raises: UriTooLong (414)."""
        if self._mark is None:
            return
        mark = self._mark.encode()
        if any(isinstance(value, bytes) and mark in value for value in row):
            raise UriTooLong(
                f"A link to the next page inside $expand would be longer than the limit of {self._links.most_bytes} "
                "bytes; ask for fewer conditions there, or for fewer rows with $top.",
                target="$expand",
            )
