"""READ THIS FIRST: one read request through every stage.

    parts.split    -> the decoded parts of the URL
    shapes.lift    -> the URL without its literals; a shape seen before skips to sql.run
    url.parse      -> ODataUrl        text, names as written
    plan.make      -> ReadPlan        names bound and typed, limits applied
    sql.select     -> Statement       SQL compiled once, where each parameter comes from
    sql.run        -> one row         JSON written by PostgreSQL, as bytes
    payload.write  -> Response        context, count and links around it

Knows every stage and no HTTP server: Request and Response are plain values. Errors are raised as ODataError and
rendered by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Literal as OneOf

from odata.arguments import arguments
from odata.documents import DOCUMENTS, READING
from odata.errors import MethodNotAllowed, NotFound
from odata.messages import Request, Response
from odata.payload.envelope import ForRequest, Frame, frame, write
from odata.payload.formats import Format
from odata.payload.next_links import Links, option, take_token
from odata.payload.response import respond
from odata.plan.bound import Value
from odata.plan.make import make
from odata.plan.paging import Page
from odata.plan.plans import ReadPlan
from odata.service import Face, Principal, Service
from odata.shapes import Lifted, Variant, lift, variant_of
from odata.sql.parameters import Parameter
from odata.sql.rendition import Rendition
from odata.sql.run import Timings
from odata.sql.select import select
from odata.sql.statement import Statement
from odata.url import Rules, parse_parts
from odata.url.parts import Parts, split

ENTRY_OVERHEAD_BYTES = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that URLs of one shape share."""

    plan: ReadPlan
    statement: Statement
    frame: Frame
    lifted: Lifted


class Stage:
    """The time of a block, added to `stages`. @contextmanager costs three times as much."""

    __slots__ = ("_name", "_stages", "_started")

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages = stages
        self._name = name
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, *_: object) -> None:
        self._stages[self._name] = self._stages.get(self._name, 0.0) + (perf_counter() - self._started) * 1000


@dataclass(slots=True)
class Trace:
    """Milliseconds of each stage and other facts of one request, for the log line and Server-Timing."""

    stages: dict[str, float] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    timings: Timings = field(default_factory=Timings)

    def stage(self, name: str) -> Stage:
        """Measures what stands within its block; a stage met twice adds up."""
        return Stage(self.stages, name)


def answer(
    service: Service,
    request: Request,
    principal: Principal,
    *,
    preferred_rows: int | None = None,
    trace: Trace | None = None,
) -> Response:
    """Answer one request.

    Args:   preferred_rows: the maxpagesize preference, already clamped. trace: filled for the log.
    Raises: ODataError, every kind that a stage may refuse with.
    """
    trace = trace or Trace()
    with trace.stage("split"):
        plus_is_space = principal.profile == "salesforce" or request.headers.get("content-type", "").startswith(FORM)
        parts = split(request.path, request.query, plus_is_space=plus_is_space)
    document = DOCUMENTS.get(parts.segments)
    if document is not None:
        return document(service, request, principal, parts)
    return _read(service, request, principal, _query_segment(request, parts), preferred_rows, trace)


FORM = "application/x-www-form-urlencoded"


def _query_segment(request: Request, parts: Parts) -> Parts:
    """POST .../$query reads what stands before it; the caller has put the body's options behind the URL's."""
    if not parts.segments or parts.segments[-1] != "$query":
        return parts
    if request.method != "POST":
        raise MethodNotAllowed("/$query takes POST with the query options in the body.", allow=("POST",))
    if len(parts.segments) == 1:
        raise NotFound("/$query follows a resource path.")
    moved = frozenset((part - 1, offset) for part, offset in parts.encoded_semicolons)
    return replace(parts, segments=parts.segments[:-1], encoded_semicolons=moved)


def _read(
    service: Service, request: Request, principal: Principal, parts: Parts, preferred_rows: int | None, trace: Trace
) -> Response:
    """A resource path: the stages one after the other."""
    token, parts = take_token(_links(service, principal, parts))
    if request.method not in READING and not (request.method == "POST" and request.path.rstrip("/").endswith("$query")):
        _refuse_write(service, request, principal, parts)
    format = service.negotiate(
        request.headers, option(parts, "format"), KINDS.get(parts.segments[-1], "json"), profile=principal.profile
    )
    page = Page(
        preferred_rows=preferred_rows,
        after=None if token is None else tuple(value is None for value in token.values),
        remaining=None if token is None else token.remaining,
    )
    face = service.face(principal)
    with trace.stage("shape"):
        lifted = lift(parts)
        key = (principal.profile, principal.sets, format, page, lifted.key)
        prepared: Prepared | None = service.shapes.find(key, lifted.texts)
    trace.facts["cache_hit"] = prepared is not None
    if prepared is None:
        prepared, variant = _prepare(service, principal, face, parts, lifted, format, page, trace)
        service.shapes.keep(key, variant, ENTRY_OVERHEAD_BYTES + 2 * len(prepared.statement.sql))
    with trace.stage("bind"):
        values = arguments(prepared.statement.parameters, prepared.lifted, lifted, parts, principal.org_id, token)
    with trace.stage("run"):
        row = service.database.fetch(
            prepared.statement.sql,
            values,
            deadline_seconds=service.deadline_seconds,
            prepare=prepared.statement.prepare,
            timings=trace.timings,
        )
    with trace.stage("write"):
        return _written(service, request, prepared, row, format, page, _links(service, principal, parts), trace)


KINDS: dict[str, OneOf["count", "value"]] = {"$count": "count", "$value": "value"}


def _prepare(
    service: Service,
    principal: Principal,
    face: Face,
    parts: Parts,
    lifted: Lifted,
    format: Format,
    page: Page,
    trace: Trace,
) -> tuple[Prepared, Variant[Prepared]]:
    """The slow way, once per shape: parse, plan, write SQL."""
    limits = service.limits
    with trace.stage("parse"):
        salesforce = principal.profile == "salesforce"
        rules = Rules(
            plus_is_space=salesforce,
            blank_search=salesforce,
            max_depth=limits.filter_depth,
            max_nodes=limits.filter_nodes,
        )
        url = parse_parts(parts, rules=rules)
    with trace.stage("plan"):
        plan = make(url, face.model, profile=principal.profile, limits=limits, page=page)
    with trace.stage("select"):
        statement = select(plan, face.mapping, rendition(format, service.root), limits)
    around = frame(plan, format, service.root)
    prepared = Prepared(plan=plan, statement=statement, frame=around, lifted=lifted)
    literals = list(_literals(statement.parameters))
    bound = {value.place: value.text for value in literals if value.place is not None}
    kinds = {value.place: value.kind for value in literals if value.place is not None}
    return prepared, variant_of(prepared, lifted, bound, plan.guards, kinds)


def rendition(format: Format, root: str) -> Rendition:
    """What of the format the statement must know."""
    return Rendition(
        root=root,
        prefix="@odata." if format.prefix else "@",
        metadata=format.metadata,
        ieee754=format.ieee754,
    )


def _literals(parameters: tuple[Parameter, ...]) -> Iterator[Value]:
    for parameter in parameters:
        if isinstance(parameter, Value):
            yield parameter
        elif isinstance(parameter, tuple):
            yield from parameter


def _written(
    service: Service, request: Request, prepared: Prepared, row: tuple[object, ...] | None, format: Format, page: Page,
    links: Links, trace: Trace,
) -> Response:  # fmt: skip
    plan = prepared.plan
    asked = page.remaining if page.after is not None else plan.top

    def next_link(keys: tuple[str | None, ...], rows: int) -> str:
        return links.next_link(keys, None if asked is None else asked - rows)

    named = None if row is None else dict(zip(prepared.statement.columns, row, strict=True))
    here = ForRequest(segments=links.parts.segments, next_link=next_link, row_bytes=service.limits.max_row_bytes)
    written = write(plan, prepared.frame, named, here)
    trace.facts.update(set=plan.set.name, rows=written.rows)
    if plan.kind == "value" and plan.of_property is not None and plan.of_property.type.name == "Edm.Binary":
        format = replace(format, content_type="application/octet-stream")
    return respond(request.headers, format, written)


def _links(service: Service, principal: Principal, parts: Parts) -> Links:
    return Links(
        root=service.root,
        parts=parts,
        org_id=principal.org_id,
        profile=principal.profile,
        signer=service.signer,
        most_bytes=service.limits.request_line_bytes,
    )


def _refuse_write(service: Service, request: Request, principal: Principal, parts: Parts) -> None:
    """405 on what exists, 404 on what does not."""
    url = parse_parts(parts)
    make(replace(url, options=type(url.options)()), service.face(principal).model, profile=principal.profile)
    raise MethodNotAllowed(
        f"{request.method} does not apply: this service is read through OData.", allow=(*READING, "OPTIONS")
    )
