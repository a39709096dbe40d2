"""Primitive types of CSDL: one entry a type. (First version: names and families; literal forms follow.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Family: TypeAlias = OneOf[
    "boolean", "number", "string", "guid", "date", "datetimeoffset", "timeofday", "duration", "binary", "enum", "null"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveType:
    """name: "Edm.Int32". family: what it compares with. minimum, maximum: of whole-number types."""

    name: str
    family: Family
    minimum: int | None = None
    maximum: int | None = None


STRING = PrimitiveType(name="Edm.String", family="string")
BOOLEAN = PrimitiveType(name="Edm.Boolean", family="boolean")
BYTE = PrimitiveType(name="Edm.Byte", family="number", minimum=0, maximum=255)
SBYTE = PrimitiveType(name="Edm.SByte", family="number", minimum=-128, maximum=127)
INT16 = PrimitiveType(name="Edm.Int16", family="number", minimum=-(2**15), maximum=2**15 - 1)
INT32 = PrimitiveType(name="Edm.Int32", family="number", minimum=-(2**31), maximum=2**31 - 1)
INT64 = PrimitiveType(name="Edm.Int64", family="number", minimum=-(2**63), maximum=2**63 - 1)
DECIMAL = PrimitiveType(name="Edm.Decimal", family="number")
SINGLE = PrimitiveType(name="Edm.Single", family="number")
DOUBLE = PrimitiveType(name="Edm.Double", family="number")
GUID = PrimitiveType(name="Edm.Guid", family="guid")
DATE = PrimitiveType(name="Edm.Date", family="date")
DATE_TIME_OFFSET = PrimitiveType(name="Edm.DateTimeOffset", family="datetimeoffset")
TIME_OF_DAY = PrimitiveType(name="Edm.TimeOfDay", family="timeofday")
DURATION = PrimitiveType(name="Edm.Duration", family="duration")
BINARY = PrimitiveType(name="Edm.Binary", family="binary")
NULL = PrimitiveType(name="null", family="null")

PRIMITIVE_TYPES: dict[str, PrimitiveType] = {
    entry.name: entry
    for entry in (
        STRING, BOOLEAN, BYTE, SBYTE, INT16, INT32, INT64, DECIMAL, SINGLE, DOUBLE,
        GUID, DATE, DATE_TIME_OFFSET, TIME_OF_DAY, DURATION, BINARY,
    )
}  # fmt: skip
