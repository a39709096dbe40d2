"""The service document: model -> JSON bytes. Standard: JSON Format, "Service Document"."""

from __future__ import annotations

import json

from odata.edm.model import Model
from odata.payload.context_urls import metadata_url
from odata.payload.formats import Format


def service_document(model: Model, service_root: str, format: Format, *, sets: frozenset[str] | None = None) -> bytes:
    """List the entity sets that the caller may see.

    Args: service_root: absolute. sets: names of visible sets, None for all.
    """
    document: dict[str, object] = {}
    if format.metadata != "none":
        document[f"@{format.prefix}context"] = metadata_url(service_root)
    document["value"] = [
        {"name": name, "kind": "EntitySet", "url": name} for name in model.sets if sets is None or name in sets
    ]
    return json.dumps(document, ensure_ascii=False).encode()
