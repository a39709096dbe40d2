"""Which query options may stand in parentheses, by what they belong to. "@" stands for parameter aliases.

Standard: ABNF, rules countOption, expandRefOption, expandOption, selectOption. Knows no syntax.
"""

from __future__ import annotations

from typing import Final

COUNT_OPTIONS: Final = frozenset({"$filter", "$search"})
REF_OPTIONS: Final = COUNT_OPTIONS | {"$orderby", "$skip", "$top", "$count"}
EXPAND_OPTIONS: Final = REF_OPTIONS | {"$select", "$expand", "$compute", "$levels", "$apply", "@"}
SELECT_OPTIONS: Final = REF_OPTIONS | {"$select", "$compute", "@"}
LEVELS_ONLY: Final = frozenset({"$levels"})
