"""Resources that are no entities: the service document, the metadata document, and $batch, which is not served.

Standard: Protocol, "Requesting Metadata".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from odata.errors import InvalidOption, MethodNotAllowed, NotFound, Unsupported
from odata.messages import Request, Response
from odata.payload.envelope import Answer
from odata.payload.next_links import option
from odata.payload.response import respond
from odata.payload.service_document import service_document
from odata.service import Principal, Service
from odata.url import parse_parts
from odata.url.nodes import Options
from odata.url.parts import Parts

READING = ("GET", "HEAD")

Document: TypeAlias = Callable[[Service, Request, Principal, Parts], Response]


def require_reading(request: Request) -> None:
    """Refuse every method but GET and HEAD with 405."""
    if request.method not in READING:
        raise MethodNotAllowed(f"{request.method} does not apply here.", allow=(*READING, "OPTIONS"))


def _service_document(service: Service, request: Request, principal: Principal, parts: Parts) -> Response:
    require_reading(request)
    options = _options(parts)
    _check_schema_version(options)
    for name in options.order:
        if name not in ("$format", "$schemaversion"):
            raise InvalidOption(f"{name} does not apply to the service document.", target=name)
    format = service.negotiate(request.headers, option(parts, "format"), "json", profile=principal.profile)
    body = service_document(service.face(principal).model, service.root, format)
    return respond(request.headers, format, Answer(body=(body,)))


def _metadata_document(service: Service, request: Request, principal: Principal, parts: Parts) -> Response:
    require_reading(request)
    _check_schema_version(_options(parts))
    format = service.negotiate(request.headers, option(parts, "format"), "metadata", profile=principal.profile)
    document, tag = service.face(principal).documents[format.version]
    return respond(request.headers, format, Answer(body=(document,), etag=tag))


def _options(parts: Parts) -> Options:
    """The query options; a URL without any has nothing to parse."""
    return parse_parts(parts).options if parts.options else Options()


def _check_schema_version(options: Options) -> None:
    if options.schemaversion not in (None, "*"):
        raise NotFound(f"There is no schema version '{options.schemaversion}'.", target="$schemaversion")


def _batch(service: Service, request: Request, principal: Principal, parts: Parts) -> Response:
    if request.method != "POST":
        raise MethodNotAllowed("$batch takes POST.", allow=("POST",))
    raise Unsupported("This service does not serve $batch.", target="$batch")


DOCUMENTS: Mapping[tuple[str, ...], Document] = {
    (): _service_document,
    ("$metadata",): _metadata_document,
    ("$batch",): _batch,
}
"""By resource path."""
