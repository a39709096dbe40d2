"""The shape of an answer as negotiated: what `payload` writes, and what Content-Type says. A plain value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Version: TypeAlias = OneOf["4.0", "4.01"]
MetadataLevel: TypeAlias = OneOf["none", "minimal", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """content_type is the exact header value. ieee754: Int64, Decimal and counts are written as strings.

    prefix stands before names of control information: "@" + prefix + "context"; keep_prefix: in 4.01 too.
    """

    content_type: str
    version: Version = "4.0"
    metadata: MetadataLevel = "minimal"
    ieee754: bool = False
    keep_prefix: bool = False

    @property
    def prefix(self) -> str:
        return "odata." if self.version == "4.0" or self.keep_prefix else ""


def json_format(
    version: Version,
    metadata: MetadataLevel = "minimal",
    *,
    ieee754: bool = False,
    streaming: bool = False,
    charset: str | None = None,
    keep_prefix: bool = False,
) -> Format:
    """The JSON format with its exact Content-Type.

    Standard: JSON Format, "Controlling the Amount of Control Information": 4.0 has the odata. prefix, 4.01 may drop it.
    Example:  json_format("4.0").content_type == "application/json;odata.metadata=minimal"
    """
    prefix = "odata." if version == "4.0" or keep_prefix else ""
    parts = ["application/json", f"{prefix}metadata={metadata}"]
    if streaming:
        parts.append(f"{prefix}streaming=true")
    if ieee754:
        parts.append("IEEE754Compatible=true")
    if charset:
        parts.append(f"charset={charset}")
    content_type = ";".join(parts)
    return Format(
        content_type=content_type, version=version, metadata=metadata, ieee754=ieee754, keep_prefix=keep_prefix
    )
