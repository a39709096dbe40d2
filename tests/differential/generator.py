"""Filters at random, by a seed: every operator and function, nulls, wildcards and odd texts, over `everything`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

STRINGS = ("String", "Name", "RequiredString", "Long", "Parent/String", "Parent/Parent/Name")
TEXTS = (
    "",
    "a",
    "A",
    "%",
    "_",
    "\\",
    "''",
    "100%",
    "_under",
    "under\\slash",
    "first",
    "FIRST 1",
    "é",
    "É",
    "Ü",
    "ü",
    "東",
    "🚀",
    "null",
    "o",
    "it''s",
    "e\u0301",
    "\u00a0",
    " ",
    "x",
    "ß",
    "ABC",
    "abc",
    "ing",
)
INTEGERS = (
    "Int16",
    "Int32",
    "Byte",
    "SByte",
    "Id",
    "Parent/Int32",
    "Children/$count",
    "Pairs/$count($filter=Amount gt 0)",
)
NUMBERS = (*INTEGERS, "Int64", "Decimal", "Double", "RequiredDecimal")
LITERALS = (
    "0",
    "1",
    "7",
    "-1",
    "42",
    "1.0",
    "2.5",
    "-2.5",
    "0.1",
    "7e0",
    "1e3",
    "2147483647",
    "9223372036854775807",
    "1e30",
)
MOMENTS = ("DateTimeOffset", "RequiredDateTimeOffset", "Parent/DateTimeOffset")
MOMENT_LITERALS = (
    "2024-02-29T12:00:00.123456+02:00",
    "2026-03-31T22:30:00Z",
    "1970-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
)
DATES = ("2024-02-29", "2026-03-31", "1970-01-01", "0001-01-01", "9999-12-31", "2026-12-31")
DURATIONS = ("PT1S", "P1DT2H3M4.5S", "PT36H", "-P1D", "PT0S")
GUIDS = (
    "01234567-89ab-cdef-0123-456789abcdef",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "00000000-0000-0000-0000-000000000001",
)
CASTABLE = {
    "Date": ("2024-02-29", "2024-02-30", "0000-01-01", "2026-03-31", "1900-02-29", " 2026-03-31"),
    "DateTimeOffset": (
        "2026-03-31T22:30:00Z",
        "2024-01-01T00:00:00+15:00",
        "1970-01-01T01:00+01:00",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-02-29T10:00:00.123456Z",
        "2026-01-01T00:00:00",
    ),
    "TimeOfDay": ("06:00:00", "12:34:56.789", "24:00:00", "06:00", "6:00"),
    "Duration": ("PT36H", "P1DT12H", "-P1D", "P", "PT", "P1Y", "PT93784.5S", "PT0S"),
    "Binary": ("3q2-7w", "3q2-7w==", "AP8", "YQ", "", "Y", "+/8"),
    "Boolean": ("true", "false", "1", "yes"),
    "Guid": (GUIDS[0], GUIDS[1], GUIDS[0][:-1], "{" + GUIDS[0] + "}"),
    "Int32": ("1", "7", "+42", "2147483648", "1.0", "-2147483648", ""),
    "Byte": ("7", "42", "256", "007"),
    "Decimal": ("2.5", "-2.5", "1e3", "2.", "1.0000000000", "INF"),
    "Color": ("Red", "2", "red", "Red,Blue", "Blue", "9"),
}
"""Texts that are literals of a type, and some that are like it."""
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")


class Generator:
    """lenient: also what only the salesforce profile takes."""

    def __init__(self, seed: int, *, lenient: bool) -> None:
        self.random = Random(seed)
        self.lenient = lenient

    def filter(self, depth: int = 3) -> str:
        """A boolean expression."""
        makers: list[Callable[[], str]] = [
            self.strings, self.numbers, self.moments, self.dates, self.others, self.searches, self.membership,
            self.casts,
        ]  # fmt: skip
        if depth > 0:
            nesting = (self.logic, self.logic, self.negated, self.quantified, self.truth)
            makers += [partial(maker, depth) for maker in nesting]
        return self.random.choice(makers)()

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def text(self) -> str:
        return f"'{self.pick(*TEXTS)}'"

    # --- conditions ---

    def logic(self, depth: int) -> str:
        word = self.pick(" and ", " or ")
        return "(" + word.join(self.filter(depth - 1) for _ in range(self.random.randint(2, 3))) + ")"

    def negated(self, depth: int) -> str:
        return f"not ({self.filter(depth - 1)})"

    def truth(self, depth: int) -> str:
        condition, value = f"({self.filter(depth - 1)})", self.pick("true", "false")
        operator = self.pick("eq", "ne")
        return f"{condition} {operator} {value}" if self.random.random() < 0.7 else f"{value} {operator} {condition}"

    def quantified(self, depth: int) -> str:
        navigation, name = self.pick("Children", "Pairs"), self.pick("any", "all")
        if self.random.random() < 0.15:
            return f"{navigation}/any()"
        inner = {
            "Children": [
                f"x/Int32 {self.pick(*COMPARISONS)} {self.pick(*LITERALS)}",
                f"contains(x/String,{self.text()})",
                f"x/String {self.pick('eq', 'ne')} null",
                "x/Int32 gt Int32",
                f"x/Parent/Name eq {self.pick('Name', '$it/Name')}",
                "x/Boolean",
                f"x/Pairs/any(y:y/Amount gt {self.pick('0', '1.125', 'x/Int32')})",
                "not x/Boolean",
            ],
            "Pairs": [
                f"x/Amount {self.pick(*COMPARISONS)} {self.pick('0', '1.375', '-0.875')}",
                f"x/Left eq {self.text()}",
                f"x/Notes/any(y:contains(y/Text,{self.text()}))",
                f"x/Thing/Name {self.pick('eq', 'ne')} Name",
                "x/Notes/all(y:y/Text ne null)",
                f"contains(x/Left,{self.text()}) {self.pick('eq', 'ne')} false",
            ],
        }[navigation]
        condition = self.pick(*inner)
        if depth > 1 and self.random.random() < 0.4:
            condition = f"{condition} {self.pick('and', 'or')} not ({self.pick(*inner)})"
        return f"{navigation}/{name}(x:{condition})"

    def strings(self) -> str:
        choice = self.random.random()
        if choice < 0.25:
            return f"{self.string()} {self.pick('eq', 'ne')} null"
        other = self.text() if choice < 0.8 else self.string()
        sides = [self.string(), other]
        self.random.shuffle(sides)
        return f"{sides[0]} {self.pick(*COMPARISONS)} {sides[1]}"

    def string(self, depth: int = 2) -> str:
        property = self.pick(*STRINGS)
        if depth == 0 or self.random.random() < 0.5:
            return property
        inner = self.string(depth - 1)
        return self.pick(
            f"tolower({inner})",
            f"toupper({inner})",
            f"trim({inner})",
            f"concat({inner},{self.text()})",
            f"concat({inner},{property})",
            f"substring({inner},{self.pick('0', '1', '3', '-2', '100')})",
            f"substring({inner},{self.pick('0', '2', '-3')},{self.pick('0', '1', '5')})",
            f"case({property} eq null:'none',{property} eq '':{inner},true:{inner})",
        )

    def searches(self) -> str:
        pattern = self.text() if self.random.random() < 0.85 else self.string(0)
        call = f"{self.pick('contains', 'startswith', 'endswith')}({self.string()},{pattern})"
        if self.random.random() < 0.3:
            index = f"indexof({self.string()},{pattern})"
            return f"{index} {self.pick(*COMPARISONS)} {self.pick('-1', '0', '2', '-1.0')}"
        if self.lenient and self.random.random() < 0.1:
            return f"contains(Guid,{self.text()})"
        return self.pick(call, call, f"{call} {self.pick('eq', 'ne')} {self.pick('true', 'false')}", f"not {call}")

    def numbers(self) -> str:
        choice = self.random.random()
        if choice < 0.15:
            return f"{self.pick(*NUMBERS, 'Single')} {self.pick('eq', 'ne')} null"
        if choice < 0.25:
            special = self.pick("NaN", "INF", "-INF", "0", "2.5")
            return f"{self.pick('Double', 'Single')} {self.pick(*COMPARISONS)} {special}"
        if self.lenient and choice < 0.3:
            return f"{self.pick(*INTEGERS[:5], 'Decimal')} {self.pick(*COMPARISONS)} '{self.pick('7', '1.0', ' 42 ')}'"
        other = self.pick(*LITERALS) if choice < 0.8 else self.pick(*NUMBERS)
        return f"{self.number()} {self.pick(*COMPARISONS)} {other}"

    def number(self) -> str:
        choice = self.random.random()
        if choice < 0.4:
            return self.pick(*NUMBERS)
        left = self.pick(*INTEGERS, "Decimal", "Double")
        right = self.pick(*INTEGERS, "2", "3", "0.5")
        return self.pick(
            f"({left} add {right})",
            f"({left} sub {right})",
            f"({left} mul {right})",
            f"(-{self.pick('Int32', 'Double', 'Decimal')})",
            f"({self.pick(*INTEGERS)} div {self.pick('2', '-3', 'Int16')})",
            f"({self.pick(*INTEGERS)} mod {self.pick('2', '-3')})",
            f"({self.pick(*INTEGERS)} divby {self.pick('2', '4', '0')})",
            f"length({self.string()})",
            f"round({left})",
            f"floor({left})",
            f"ceiling({left})",
            f"year({self.pick('Date', *MOMENTS)})",
            f"month({self.pick('Date', *MOMENTS)})",
            f"hour({self.pick('TimeOfDay', *MOMENTS)})",
            f"day({self.pick(*MOMENTS)})",
            f"second({self.pick('TimeOfDay', *MOMENTS)})",
            f"fractionalseconds({self.pick(*MOMENTS)})",
            "totalseconds(Duration)",
            f"minute({self.pick(*MOMENTS)})",
            "totaloffsetminutes(DateTimeOffset)",
        )

    def moments(self) -> str:
        choice = self.random.random()
        left = self.pick(*MOMENTS)
        operator = self.pick(*COMPARISONS)
        if choice < 0.2:
            return f"year({left}) {operator} {self.pick('2026', '2024', '1', '9999', '2025.5', '1970.0')}"
        if choice < 0.4:
            return f"date({left}) {operator} {self.pick(*DATES)}"
        if choice < 0.5:
            return f"time({left}) {operator} {self.pick('22:30:00', '00:00:00', '10:00:00.123456')}"
        if choice < 0.6:
            by = f"{self.pick('add', 'sub')} duration'{self.pick(*DURATIONS)}'"
            return f"({left} {by}) {operator} {self.pick(*MOMENT_LITERALS)}"
        if choice < 0.7:
            return f"({left} sub {self.pick(*MOMENTS)}) {operator} duration'{self.pick(*DURATIONS)}'"
        if self.lenient and choice < 0.8:
            return f"{left} {operator} {self.pick(*DATES)}"
        return f"{left} {operator} {self.pick('null', *MOMENT_LITERALS, *MOMENTS)}"

    def dates(self) -> str:
        choice = self.random.random()
        operator = self.pick(*COMPARISONS)
        if choice < 0.15:
            return f"(Date {self.pick('add', 'sub')} duration'{self.pick(*DURATIONS)}') {operator} {self.pick(*DATES)}"
        if choice < 0.25:
            return f"(Date sub Parent/Date) {operator} duration'{self.pick(*DURATIONS)}'"
        if self.lenient and choice < 0.5:
            return f"Date {operator} {self.pick(*MOMENT_LITERALS)}"
        return f"Date {operator} {self.pick('null', 'Parent/Date', 'date(DateTimeOffset)', *DATES)}"

    def others(self) -> str:
        operator, equality = self.pick(*COMPARISONS), self.pick("eq", "ne")
        guid = self.pick(*GUIDS)
        choices = [
            "Boolean",
            "not Boolean",
            "RequiredBoolean",
            f"Boolean {equality} {self.pick('true', 'false', 'null', 'Parent/Boolean')}",
            f"Color {operator} '{self.pick('Red', 'Green', 'Blue')}'",
            f"Color {equality} null",
            f"Color {operator} Parent/Color",
            f"Color has Everything.Color'{self.pick('Red', 'Green')}'",
            f"not (Color has '{self.pick('Red', 'Green')}')",
            f"Guid {equality} {guid}",
            f"Guid {equality} null",
            f"Duration {operator} duration'{self.pick(*DURATIONS)}'",
            f"Duration {operator} '{self.pick(*DURATIONS)}'",
            f"TimeOfDay {operator} {self.pick('06:00:00', '12:34:56.789', '18:00')}",
            f"Parent {equality} null",
            f"Parent/Parent {equality} null",
            f"Int32 {operator} @missing",
        ]
        if self.lenient:
            choices += [f"Guid {equality} '{guid}'", f"Guid {equality} 'nonsense'", f"Guid {equality} '{guid.upper()}'"]
        return self.pick(*choices)

    def casts(self) -> str:
        """Texts as other types and back; between numbers and members; what no rule casts."""
        name = self.pick(*CASTABLE)
        written = self.pick(*CASTABLE[name], *CASTABLE[self.pick(*CASTABLE)])
        chosen = (
            f"case(Id le {self.pick(*'2468')}:'{written}',Int16 ne null:'{self.pick(*CASTABLE[name])}',true:String)"
        )
        type = "Everything.Color" if name == "Color" else f"Edm.{name}"
        other = self.pick("null", f"cast('{self.pick(*CASTABLE[name])}',{type})", name)
        return self.pick(
            f"cast({chosen},{type}) {self.pick('eq', 'ne')} {other}",
            f"cast({chosen},{type}) {self.pick('eq', 'ne')} {other}",
            f"cast(cast({name},Edm.String),{type}) {self.pick('eq', 'ne')} {name}",
            f"cast({name},Edm.String) {self.pick(*COMPARISONS)} '{self.pick(*CASTABLE[name])}'",
            f"cast(cast({self.pick('Color', 'Id', 'Int32')},Edm.Int16),Everything.Color) {self.pick('eq', 'ne')} Color",
            f"cast({self.pick('Double', 'Decimal', 'Int64', 'Color', 'Guid')},Edm.Byte) eq {self.pick('null', '7')}",
            f"cast(DateTimeOffset,Edm.{self.pick('Date', 'TimeOfDay', 'Duration')}) {self.pick('eq', 'ne')} null",
        )

    def membership(self) -> str:
        lists = {
            "Int32": LITERALS,
            "Decimal": LITERALS,
            "Double": (*LITERALS, "NaN", "INF"),
            "String": tuple(f"'{text}'" for text in TEXTS),
            "tolower(String)": tuple(f"'{text}'" for text in TEXTS),
            "Guid": GUIDS,
            "Date": DATES,
            "Color": ("'Red'", "'Blue'"),
            "Id": LITERALS,
            "year(Date)": ("2024", "2026", "1.5"),
        }
        left = self.pick(*lists)
        items = [self.pick(*lists[left], "null") for _ in range(self.random.randint(1, 4))]
        if self.random.random() < 0.3:
            return "(" + " or ".join(f"{left} eq {item}" for item in items) + ")"
        condition = f"{left} in ({','.join(items)})"
        return self.pick(condition, f"not ({condition})")
