"""Parts of regular expressions that several modules share."""

from __future__ import annotations

from typing import Final


def repeated(group: str) -> str:
    """As often as it fits, never fewer afterwards, and without a note of each time: (?:group)*+.

    That form goes wrong before Python 3.11.5 (CPython issues 101955, 106052), and (?>(?:group)*) alone keeps 120 bytes
    for every time; by the hundreds it keeps next to nothing.
    """
    return rf"(?>(?:(?>(?:{group}){{1,256}}))*)"


QUOTED: Final = "'[^']*+" + repeated("''[^']*+") + "'"
"""A text of a URL: an apostrophe within is doubled."""
