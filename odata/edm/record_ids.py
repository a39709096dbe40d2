"""Salesforce record ids: 15 characters whose case counts, or 18 whose last three say which of them are upper case.

In: texts from URLs, tokens, settings and the command line. Out: the 18 characters that every table holds.
"""

from __future__ import annotations

import re
from typing import Final

ORG_ID_PATTERN: Final = "00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?"
"""An organization id, short or long."""
_ORG_ID = re.compile(ORG_ID_PATTERN)


def is_org_id(text: str) -> bool:
    """Whether a text has the form of an organization id; the last three of 18 characters are not checked."""
    return _ORG_ID.fullmatch(text) is not None


def widen_record_id(text: str) -> str:
    """An 18-character Salesforce record id for a 15-character one; any other text as it is.

    The three characters added say which letters are upper case, five to a character.
    """
    if len(text) != 15 or not (text.isascii() and text.isalnum()):
        return text
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << index for index, letter in enumerate(text[start : start + 5]) if letter.isupper())
        suffix += "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]
    return text + suffix
