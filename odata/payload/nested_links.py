"""Next links inside $expand: their end repeats the options there, as text or, where that would be too long, packed.

PostgreSQL writes these links, and how long one gets is known with its row. So an end that may be too long is left out:
its place is marked, and filled in when the page is there. In: options as the end of a URL. Out: what the statement
puts there; the finished page. Standard: JSON Format, "Control Information: nextLink".
"""

from __future__ import annotations

from secrets import token_hex

from odata.errors import UriTooLong
from odata.payload.next_links import Links
from odata.url.parts import IT_MARK_ENCODED

Row = tuple[object, ...]


class NestedLinks:
    """Those of one request."""

    __slots__ = ("_links", "_mark", "_options", "_packed")

    def __init__(self, links: Links) -> None:
        self._links = links
        self._mark = b""
        self._options: list[str] = []
        self._packed: dict[str, str] = {}

    def end(self, options: str, other_bytes: int, it_bytes: int | None) -> str:
        """What a link of the statement ends with: the options or, where they may be too long, their place.

        other_bytes: of the rest of the link, at most. it_bytes: of what is put in for $it, at most; None without.
        The place is as long as what will stand there, for the bytes of a page are counted: MARK number . URL ... MARK,
        where the URL is that of $it, which the statement puts in.
        """
        longest = len(options) + options.count(IT_MARK_ENCODED) * (it_bytes or 0)
        if self._links.fits(other_bytes + longest):
            return options
        self._mark = self._mark or token_hex().encode()
        self._options.append(options)
        entity = "" if it_bytes is None else IT_MARK_ENCODED
        filling = "." * min(longest, self._links.most_bytes)
        return f"{self._mark.decode()}{len(self._options) - 1}.{entity}{filling}{self._mark.decode()}"

    def filled_in(self, row: Row) -> Row:
        """A row with the ends of its links. Raises: UriTooLong (414) where one of them fits in no way."""
        return tuple(self._filled_in(item) if isinstance(item, bytes) else item for item in row) if self._mark else row

    def _filled_in(self, body: bytes) -> bytes:
        pieces, last = [], 0
        while (at := body.find(self._mark, last)) >= 0:
            begin = at + len(self._mark)
            end = body.index(self._mark, begin)
            number, _, entity = body[begin:end].decode().partition(".")
            before = at - body.rindex(b'"', 0, at) - 1
            pieces += [body[last:at], self._end(self._options[int(number)], entity.rstrip("."), before).encode()]
            last = end + len(self._mark)
        return b"".join((*pieces, body[last:]))

    def _end(self, options: str, entity: str, before: int) -> str:
        """Behind so many bytes of a URL."""
        text = options.replace(IT_MARK_ENCODED, entity)
        if self._links.fits(before + len(text)):
            return text
        if not entity:
            if options not in self._packed:
                self._packed[options] = self._links.packed_options(options)
            if self._links.fits(before + len(self._packed[options])):
                return self._packed[options]
        raise UriTooLong(
            f"A link to the next page inside $expand would be longer than the limit of {self._links.most_bytes} "
            "bytes; ask for fewer conditions there, or for fewer rows with $top.",
            target="$expand",
        )
