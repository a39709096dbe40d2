"""URLs for the fuzz tests: made from the grammar and a real model, then mutated; the same seed gives the same URLs.

    UrlMaker(model, random.Random(1)).url() == "Quotes?$filter=contains(Name,%27x%27)..."

Most are valid OData with now and then a hostile value, so that they come through parser and planner as far as the
database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar
from urllib.parse import quote

from odata.edm.model import EntitySet, EnumType, Model, Property
from odata.functions import FUNCTIONS

HOSTILE_TEXTS = (
    "", "'", "''", "%", "_", "\\", "%'--", "'; DROP TABLE quote; --", "O'Neil", "\U0001f680 é 東京", "\u00a0", "a\tb",
    "x" * 300, "null", "$filter", "(", ")", ",", ";", "&", "#", "+", "/", "..", "İ", "ß", "\u202e", "\ufeff", "\u0661",
    "²", "{}", "[1]", "0x1F", "NaN", "INF", "00D000000000001", "006000000000001AAA", "2026-01-01", "1e5", "\x7f",
    "\u2028",
)  # fmt: skip
HOSTILE_NUMBERS = (
    "0", "-0", "1", "-1", "127", "128", "255", "256", "-32769", "2147483647", "2147483648", "-2147483649",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e200000",
    "-1e200000",
    "1e-200000", "1e308", "1e309", "1e-400", "0.1", "1.0", "-2.5", "1.5e3", "INF", "-INF", "NaN", "9" * 400,
    "0." + "0" * 400 + "1",
    "9" * 5000, "1E+9999999999999999999", "00", "1.", ".5", "1_000", "0.30000000000000004",
    "99999999999999999999.9999999999",
)  # fmt: skip
HOSTILE_DATES = (
    "2026-01-31", "2024-02-29", "2023-02-29", "0001-01-01", "0000-01-01", "9999-12-31", "10000-01-01", "294277-01-01",
    "-0001-01-01", "-4714-01-01", "2026-13-01", "2026-00-10", "999999-12-31", "2026-1-1",
)  # fmt: skip
HOSTILE_TIMES = (
    "T00:00:00Z", "T23:59:59.999999Z", "T23:59:60Z", "T24:00:00Z", "T12:00Z", "T12:00:00+14:00", "T12:00:00-15:59",
    "T12:00:00+99:99", "T00:00:00.123456789012Z", "T00:00:00", "t00:00:00z", "T25:00:00Z",
)  # fmt: skip
HOSTILE_DURATIONS = (
    "duration'P1D'", "duration'PT0S'", "duration'-P12DT23H59M59.999999999999S'", "duration'P99999999999999999D'",
    "'PT1S'",
    "duration'PT" + "9" * 400 + "S'", "duration''", "PT1H", "duration'P1Y'",
)  # fmt: skip
HOSTILE_GUIDS = (
    "01234567-89ab-cdef-0123-456789abcdef", "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "'01234567-89ab-cdef-0123-456789abcdef'", "01234567-89ab-cdef-0123-456789abcde", "guid'x'",
)  # fmt: skip
HOSTILE_OTHERS = (
    "null", "true", "false", "TRUE", "binary'AA=='", "binary'!'", "binary'" + "A" * 500 + "'", "12:30:00",
    "23:59:59.999999999999",
    "24:00:00", "Red", "'Red'", "Nope", "everything.Color'Red'", "Gateway.Color'Red'", "'²'", "'" + "9" * 5000 + "'",
    "@p", "@missing",
    "$it", "$root/Quotes(1)", "$these", "[1,2]", '["a","b"]', "{}", '{"a":1}', "[" * 400 + "]" * 400,
    '{"a":' * 300 + "1" + "}" * 300, "geography'SRID=0;Point(1 2)'", "01", "--1", "$count", "cast(1,Edm.String)",
    "isof(Edm.String)",
    "case(true:1)", "now() add duration'P99999999D'", "mindatetime()", "maxdatetime()", "now() sub now()",
)  # fmt: skip
BENIGN = {
    "string": ("'a'", "'Quote'", "''", "'%'"),
    "number": ("1", "2", "0", "-1"),
    "date": ("2026-01-31", "1999-12-31"),
    "datetimeoffset": ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+02:00"),
    "timeofday": ("12:30:00", "00:00:00"),
    "duration": ("duration'P1DT2H'", "duration'PT0.5S'"),
    "guid": ("01234567-89ab-cdef-0123-456789abcdef",),
    "boolean": ("true", "false", "null"),
    "binary": ("binary'AA=='",),
}
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le", "EQ", "has", "in")
ARITHMETIC = ("add", "sub", "mul", "div", "divby", "mod")
MUTATIONS = (
    "'", "%27", "%00", "%", "%2", "%zz", "%ff", "%ed%a0%80", "%c0%80", "\\", "(", ")", ",", ";", "&", "=", "$", "@",
    "/", "//",
    "..", "#", "+", "%20", " ", "%0a", "%09", "null", " and ", " or ", "not ", "-", "0", "9999999999999999999",
    "%F0%9F%9A%80",
    "%2525", "*", ":", "!", "[", "]", "{", "}", '"', "<", "1e200000", "any(x:x)", "$count", "$value", "$ref", "$all",
    "$it", "$filter=",
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {}, {}, {}, {}, {"accept": "application/json;odata.metadata=full"},
    {"accept": "application/json;odata.metadata=none"},
    {"accept": "application/json;IEEE754Compatible=true"}, {"odata-maxversion": "4.01"}, {"odata-maxversion": "4.0"},
    {"accept": "text/html"}, {"accept": "application/xml, */*;q=0.1"}, {"accept": ";;;,,,q=9"},
    {"odata-version": "9.9"},
    {"prefer": "odata.maxpagesize=3"}, {"prefer": "maxpagesize=0,,;"}, {"prefer": '"'}, {"if-none-match": "*"},
    {"accept-encoding": "gzip"}, {"accept-encoding": "gzip;q=0, *"}, {"odata-maxversion": "x"},
    {"accept-charset": "utf-7"},
)  # fmt: skip


T = TypeVar("T")


class UrlMaker:
    """Makes URLs below a service root, percent-encoded."""

    def __init__(self, model: Model, random: Random) -> None:
        self.model = model
        self.random = random
        self.hostility = 0.0

    def url(self) -> str:
        """Two of three mean well; the third is as hostile as can be."""
        self.hostility = self.random.choice((0.02, 0.02, 0.4))
        path, entity, collection = self._path()
        options = [f"{name}={quote(value, safe=self._safe())}" for name, value in self._options(entity, collection)]
        self.random.shuffle(options)
        return path + ("?" + "&".join(options) if options else "")

    def mutated(self) -> str:
        """A URL with one to four edits; sometimes nothing like a URL any more."""
        url = self.url()
        for _ in range(self.random.choice((1, 1, 2, 4))):
            at = self.random.randint(0, len(url))
            upto = min(len(url), at + self.random.randint(0, 6))
            match self.random.randint(0, 4):
                case 0:
                    url = url[:at] + url[upto:]
                case 1:
                    url = url[:at] + self._choice(MUTATIONS) + url[at:]
                case 2:
                    url = url[:at] + self._choice(MUTATIONS) + url[upto:]
                case 3:
                    url = url[:at] + url[at:upto] * self.random.randint(2, 40) + url[upto:]
                case _:
                    other = self.url()
                    url = url[:at] + other[self.random.randint(0, len(other)) :]
        return url.replace(" ", "%20").replace("\n", "%0A")[:8000]

    # --- resource paths ---------------------------------------------------------------------------------------------

    def _path(self) -> tuple[str, EntitySet, bool]:
        if self._rarely(0.03):
            fixed = self._choice(
                ("", "$metadata", "$batch", "$entity", "$all", "$crossjoin(Quotes,Jobs)", "Nope", "$query")
            )
            return fixed, self._choice(tuple(self.model.sets.values())), True
        entity = self._choice(tuple(self.model.sets.values()))
        path, collection = entity.name, True
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            if collection:
                path, collection = path + self._key(entity), False
            if entity.navigation and not self._rarely(0.3):
                chosen = self._choice(tuple(entity.navigation.values()))
                path, entity, collection = f"{path}/{chosen.name}", chosen.target, chosen.collection
        if self._rarely(0.1):
            path += "/" + self._choice(
                ("$count", "$ref", "$value", "$each", "$filter(@p)", self._property(entity).name, "$query")
            )
        elif not collection and self._rarely(0.4):
            path += "/" + quote(self._property(entity).name) + self._choice(("", "", "/$value"))
        return path, entity, collection

    def _key(self, entity: EntitySet) -> str:
        literals = [quote(self._literal(property), safe=self._safe()).replace("/", "%2F") for property in entity.key]
        if len(literals) == 1 and not self._rarely(0.3):
            return f"({literals[0]})" if not self._rarely(0.1) else "/" + literals[0].strip("'")
        return "(" + ",".join(f"{one.name}={text}" for one, text in zip(entity.key, literals, strict=True)) + ")"

    # --- options ----------------------------------------------------------------------------------------------------

    def _options(self, entity: EntitySet, collection: bool) -> list[tuple[str, str]]:
        makers: dict[str, Callable[[], str]] = {
            "$filter": lambda: self._predicate(entity, 4),
            "$orderby": lambda: self._orderby(entity),
            "$select": lambda: self._select(entity),
            "$expand": lambda: self._expand(entity, 3),
            "$top": lambda: self._number(("5", "0", "2001", "2002")),
            "$skip": lambda: self._number(("0", "1", "100000", "100001")),
            "$count": lambda: self._choice(("x", "") if self._rarely(self.hostility) else ("true", "false")),
            "$search": self._search,
            "$skiptoken": lambda: self._choice(("x", "AAAA", "é", "", "A" * 200, "====", "W10")),
            "$format": lambda: self._choice(("json", "xml", "application/json;odata.metadata=full", "atom", "x/y;z")),
            "$compute": lambda: f"{self._property(entity).name} mul 2 as Twice",
            "$apply": lambda: "aggregate($count as n)",
            "$index": lambda: "1",
            "$deltatoken": lambda: "x",
            "$levels": lambda: "2",
            "$schemaversion": lambda: self._choice(("*", "1")),
            "$unknown": lambda: "1",
            "custom": lambda: self._choice(HOSTILE_TEXTS),
            "@p": lambda: self._literal(self._property(entity)),
        }
        usual = ("$filter", "$orderby", "$select", "$expand", "$top", "$count", "$search")
        chosen = [self._choice(usual) for _ in range(self.random.randint(0, 3) if collection else self._rarely(0.4))]
        if self._rarely(0.1):
            chosen.append(self._choice(tuple(makers)))
        items = [(name, makers[name]()) for name in (chosen if self._rarely(0.03) else dict.fromkeys(chosen))]
        if any("@p" in value for _, value in items) and not self._rarely(0.2):
            items.append(("@p", self._literal(self._property(entity))))
        if self._rarely(0.05):
            items = [(name.removeprefix("$").upper(), value) for name, value in items]
        return items

    def _predicate(self, entity: EntitySet, depth: int, variable: str = "") -> str:
        at = variable + "/" if variable else ""
        kind = self.random.random()
        if depth and kind < 0.25:
            parts = [self._predicate(entity, depth - 1, variable) for _ in range(self.random.randint(2, 3))]
            return "(" + self._choice((" and ", " or ")).join(parts) + ")"
        if depth and kind < 0.32:
            return f"not ({self._predicate(entity, depth - 1, variable)})"
        many = [one for one in entity.navigation.values() if one.collection]
        if depth and many and kind < 0.42:
            chosen, name = self._choice(many), self._choice(("x", "y", "z", variable or "x"))
            inner = self._predicate(chosen.target, depth - 2 if depth > 1 else 0, name)
            return f"{at}{chosen.name}/{self._choice(('any', 'all'))}({name}:{inner})"
        if many and kind < 0.46:
            return f"{at}{self._choice(many).name}/$count {self._choice(COMPARISONS)} {self._choice(HOSTILE_NUMBERS)}"
        if kind < 0.55:
            property = self._property(entity)
            items = ",".join(self._literal(property) for _ in range(self.random.randint(1, 5)))
            return f"{at}{property.name} in ({items})"
        if kind < 0.62:
            return self._call(entity, depth, at)
        if self._rarely(0.5):
            property = self._property(entity)
            return f"{at}{property.name} {self._choice(COMPARISONS[:6])} {self._literal(property)}"
        left, right = self._expression(entity, depth, at), self._expression(entity, depth, at)
        return f"{left} {self._choice(COMPARISONS)} {right}"

    def _expression(self, entity: EntitySet, depth: int, at: str) -> str:
        """An operand; its types fit often, not always."""
        kind = self.random.random()
        property = self._property(entity)
        if depth and kind < 0.3:
            return self._call(entity, depth, at)
        if depth and kind < 0.4:
            left, right = (self._expression(entity, depth - 2 if depth > 1 else 0, at) for _ in range(2))
            return f"({left} {self._choice(ARITHMETIC)} {right})"
        if kind < 0.45:
            return f"-{at}{property.name}"
        single = [one for one in entity.navigation.values() if not one.collection]
        if single and kind < 0.55:
            chosen = self._choice(single)
            return f"{at}{chosen.name}/{self._property(chosen.target).name}"
        return f"{at}{property.name}" if kind < 0.8 else self._literal(property)

    def _call(self, entity: EntitySet, depth: int, at: str) -> str:
        function = self._choice(self._choice(tuple(FUNCTIONS.values())))
        arguments = []
        for parameter in function.parameters:
            fitting = [one for one in entity.properties.values() if one.type.family == parameter.family]
            if fitting and not self._rarely(0.4):
                arguments.append(at + self._choice(fitting).name)
            elif depth > 1 and self._rarely(0.3):
                arguments.append(self._call(entity, depth - 2, at))
            else:
                arguments.append(self._literal_of(parameter.family))
        return f"{function.name}({','.join(arguments)})"

    def _orderby(self, entity: EntitySet) -> str:
        items = [self._expression(entity, 1, "") for _ in range(self.random.randint(1, 4))]
        return ",".join(
            item + self._choice(("", " asc", " desc", " sideways" if self._rarely(self.hostility) else ""))
            for item in items
        )

    def _select(self, entity: EntitySet) -> str:
        names = [self._property(entity).name for _ in range(self.random.randint(1, 4))]
        if self._rarely(0.2):
            names.append(self._choice(("*", "Nope", "Gateway.*", "", "Lines($select=Id)")))
        return ",".join(names)

    def _expand(self, entity: EntitySet, depth: int) -> str:
        if not entity.navigation:
            return self._choice(("Nope", "*"))
        chosen = self._choice(tuple(entity.navigation.values()))
        makers: dict[str, Callable[[], str]] = {
            "$filter": lambda: self._predicate(chosen.target, 2),
            "$orderby": lambda: self._orderby(chosen.target),
            "$select": lambda: self._select(chosen.target),
            "$top": lambda: self._number(("1", "2")),
            "$skip": lambda: self._number(("0", "1")),
            "$count": lambda: "true",
            "$search": self._search,
            "$levels": lambda: self._choice(("1", "2", "max", "99", "-1")),
            "$expand": lambda: self._expand(chosen.target, depth - 1) if depth else "*",
        }
        options = [self._choice(tuple(makers)) for _ in range(self.random.randint(0, 3))]
        nested = ";".join(f"{name}={makers[name]()}" for name in dict.fromkeys(options))
        suffix = self._choice(("", "", "", "", "/$count", "/$ref"))
        items = [chosen.name + suffix + (f"({nested})" if nested else "")]
        if self._rarely(0.2):
            items.append(self._choice(("*", "*/$ref", "Nope", "*($levels=2)", self._choice(tuple(entity.navigation)))))
        return ",".join(items)

    def _search(self) -> str:
        words = ["a", "quote", '"two words"', "NOT b", "(a OR b)", "a AND b"]
        if self._rarely(self.hostility):
            words += [*HOSTILE_TEXTS, "OR", "AND AND", '"', '"\\"']
        return " ".join(self._choice(words) for _ in range(self.random.randint(1, 5)))

    # --- literals ---------------------------------------------------------------------------------------------------

    def _literal(self, property: Property) -> str:
        if isinstance(property.type, EnumType) and not self._rarely(self.hostility):
            return f"{property.type.name}'{self._choice(tuple(property.type.members))}'"
        return self._literal_of(property.type.family)

    def _literal_of(self, family: str) -> str:
        if self._rarely(self.hostility):
            family = self._choice(
                ("string", "number", "date", "datetimeoffset", "timeofday", "duration", "guid", "other")
            )
        if family in BENIGN and not self._rarely(self.hostility):
            return self._choice(BENIGN[family])
        match family:
            case "string":
                return "'" + self._choice((*HOSTILE_TEXTS, "a", "Quote")).replace("'", "''") + "'"
            case "number":
                return self._number(("1", "2", "100.5"))
            case "date":
                return self._choice(HOSTILE_DATES)
            case "datetimeoffset":
                return self._choice(HOSTILE_DATES) + self._choice(HOSTILE_TIMES)
            case "timeofday":
                return self._choice(("00:00:00", "12:30", "23:59:59.999999", "24:00:00", "12:00:00.1234567890123"))
            case "duration":
                return self._choice(HOSTILE_DURATIONS)
            case "guid":
                return self._choice(HOSTILE_GUIDS)
        return self._choice(HOSTILE_OTHERS)

    def _number(self, usual: tuple[str, ...]) -> str:
        return self._choice(HOSTILE_NUMBERS) if self._rarely(self.hostility) else self._choice(usual)

    # --- chance -----------------------------------------------------------------------------------------------------

    def _property(self, entity: EntitySet) -> Property:
        return self._choice(tuple(entity.properties.values()))

    def _safe(self) -> str:
        """Some clients encode what they need not, some do not encode what they should."""
        return self._choice(("()',:*/$@!;", "()',:*/$@!;", "", "()',:*/$@!;\"<>[]{}|\\^`"))

    def _rarely(self, chance: float) -> bool:
        return self.random.random() < chance

    def _choice(self, among: Sequence[T]) -> T:
        return among[self.random.randrange(len(among))]
