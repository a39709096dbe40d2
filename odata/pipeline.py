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

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Literal as OneOf

from odata.arguments import arguments
from odata.documents import DOCUMENTS, READING
from odata.edm.types import BINARY
from odata.errors import MethodNotAllowed, NotFound
from odata.messages import Request, Response
from odata.payload.envelope import ForRequest, Frame, frame, write
from odata.payload.formats import Format
from odata.payload.nested_links import NestedLinks
from odata.payload.next_links import Links, option, take_token
from odata.payload.response import respond
from odata.plan.bound import Place
from odata.plan.make import make
from odata.plan.paging import Page, SkipToken, order_mark
from odata.plan.plans import ReadPlan
from odata.service import Principal, Service
from odata.shapes import Lifted, lift, size_bytes, variant_of
from odata.sql.parameters import literals_of
from odata.sql.rendition import Rendition
from odata.sql.run import Timings
from odata.sql.select import select
from odata.sql.statement import Statement
from odata.url import Rules, parse_parts
from odata.url.nodes import Options
from odata.url.parts import Parts, split

KINDS: dict[str, OneOf["count", "value"]] = {"$count": "count", "$value": "value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that URLs of one shape share. order: the mark of its order. places: of the first URL's literals."""

    plan: ReadPlan
    statement: Statement
    frame: Frame
    order: str
    places: tuple[Place, ...]


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
        parts = split(request.path, request.query, plus_is_space=principal.profile == "salesforce")
    document = DOCUMENTS.get(parts.segments)
    if document is not None:
        return document(service, request, principal, parts)
    reading = _reading(service, request, principal, parts, preferred_rows)
    with trace.stage("shape"):
        lifted = lift(reading.parts)
        prepared: Prepared | None = service.shapes.find((*reading.variant, lifted.key), lifted.texts)
    trace.facts["cache_hit"] = prepared is not None
    if prepared is None:
        prepared = _prepare(reading, lifted, trace)
    links = _links(service, principal, reading.parts)
    nested = NestedLinks(links)
    with trace.stage("bind"):
        parameters, places = prepared.statement.parameters, prepared.places
        values = arguments(parameters, places, lifted, reading.parts, principal.org_id, reading.token, nested)
    with trace.stage("run"):
        row = service.database.fetch(
            prepared.statement.sql,
            values,
            deadline_seconds=service.deadline_seconds,
            prepare=prepared.statement.prepare,
            timings=trace.timings,
        )
    with trace.stage("write"):
        filled = None if row is None else nested.filled_in(row)
        return _written(reading, prepared, filled, links, trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A read of a resource path before its stages: who reads what, in which format, which page of it."""

    service: Service
    request: Request
    principal: Principal
    parts: Parts
    format: Format
    page: Page
    token: SkipToken | None

    @property
    def variant(self) -> tuple[Hashable, ...]:
        """What of a request, beside the shape of its URL, decides plan and statement; never the org."""
        remaining = self.page.remaining
        most = self.service.limits.max_top_one_page + 1
        page = self.page if remaining is None else replace(self.page, remaining=min(remaining, most))
        return self.principal.profile, self.principal.sets, self.format, page


def _reading(
    service: Service, request: Request, principal: Principal, parts: Parts, preferred_rows: int | None
) -> Reading:
    """Take off what is not part of the resource: /$query, the skip token."""
    posted = parts.segments[-1] == "$query"
    if posted:
        parts = _without_query_segment(request, parts)
    token, parts = take_token(_links(service, principal, parts))
    if not posted and request.method not in READING:
        _refuse_write(service, request, principal, parts)
    format = service.negotiate(
        request.headers, option(parts, "format"), KINDS.get(parts.segments[-1], "json"), profile=principal.profile
    )
    page = Page(preferred_rows=preferred_rows)
    if token is not None:
        after = tuple(value is None for value in token.values)
        page = replace(page, after=after, order=token.order, remaining=token.remaining)
    return Reading(
        service=service, request=request, principal=principal, parts=parts, format=format, page=page, token=token
    )


def _without_query_segment(request: Request, parts: Parts) -> Parts:
    """POST .../$query reads what stands before it; the caller has put the body's options behind the URL's."""
    if request.method != "POST":
        raise MethodNotAllowed("/$query takes POST with the query options in the body.", allow=("POST", "OPTIONS"))
    if len(parts.segments) == 1:
        raise NotFound("/$query follows a resource path.")
    moved = frozenset((part - 1, offset) for part, offset in parts.encoded_semicolons)
    return replace(parts, segments=parts.segments[:-1], encoded_semicolons=moved)


def _refuse_write(service: Service, request: Request, principal: Principal, parts: Parts) -> None:
    """405 on what exists, 404 on what does not."""
    url = replace(parse_parts(parts), options=Options())
    make(url, service.face(principal).model, profile=principal.profile)
    raise MethodNotAllowed(
        f"{request.method} does not apply: this service is read through OData.", allow=(*READING, "OPTIONS")
    )


def _prepare(reading: Reading, lifted: Lifted, trace: Trace) -> Prepared:
    """The slow way, once per shape: parse, plan, write SQL, and remember it."""
    service, profile, limits = reading.service, reading.principal.profile, reading.service.limits
    face = service.face(reading.principal)
    with trace.stage("parse"):
        lenient = profile == "salesforce"
        rules = Rules(
            plus_is_space=lenient, blank_search=lenient, max_depth=limits.filter_depth, max_nodes=limits.filter_nodes
        )
        url = parse_parts(reading.parts, rules=rules)
    with trace.stage("plan"):
        plan = make(url, face.model, profile=profile, limits=limits, page=reading.page)
    with trace.stage("select"):
        statement = select(plan, face.mapping, rendition(reading.format, service.root), limits)
    prepared = Prepared(
        plan=plan,
        statement=statement,
        frame=frame(plan, reading.format, service.root),
        order=order_mark(plan.order),
        places=tuple(lifted.places),
    )
    variant = variant_of(prepared, lifted, literals_of(statement.parameters), plan.guards)
    service.shapes.keep((*reading.variant, lifted.key), variant, size_bytes(reading.parts, lifted, statement.sql))
    return prepared


def rendition(format: Format, root: str) -> Rendition:
    """What of the format the statement must know."""
    prefix: OneOf["@odata.", "@"] = "@odata." if format.prefix else "@"
    return Rendition(root=root, prefix=prefix, metadata=format.metadata, ieee754=format.ieee754)


def _written(
    reading: Reading, prepared: Prepared, row: tuple[object, ...] | None, links: Links, trace: Trace
) -> Response:
    plan, page = prepared.plan, reading.page
    asked = page.remaining if page.after is not None else plan.top

    def next_link(keys: tuple[str | None, ...], rows: int) -> str:
        return links.next_link(keys, prepared.order, None if asked is None else asked - rows)

    here = ForRequest(
        segments=reading.parts.segments, next_link=next_link, row_bytes=reading.service.limits.max_row_bytes
    )
    named = None if row is None else dict(zip(prepared.statement.columns, row, strict=True))
    written = write(plan, prepared.frame, named, here)
    trace.facts.update(set=plan.set.name, rows=written.rows, paged=plan.kind == "collection")
    format = reading.format
    if plan.kind == "value" and plan.of_property is not None and plan.of_property.type is BINARY:
        format = replace(format, content_type="application/octet-stream")
    return respond(reading.request.headers, format, written)


def _links(service: Service, principal: Principal, parts: Parts) -> Links:
    return Links(
        root=service.root,
        parts=parts,
        org_id=principal.org_id,
        profile=principal.profile,
        signer=service.signer,
        most_bytes=service.limits.request_line_bytes,
        collation=service.collation,
    )
