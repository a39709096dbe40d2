"""The routes beside OData and the operations: is it well, the front page, and a refusal for everything else."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from uuid import uuid4

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from applink import errors as applink_errors
from models import database
from odata import errors
from odata.payload.errors import error_body
from odata.sql.brief import Readiness, ask_database


def add(app: Flask, database_url: str, service_root: str, *, anonymous: bool) -> None:
    """Add them. service_root: absolute, as clients see it; anonymous: whether everybody may read there."""
    app.before_request(_refuse_moved_paths)
    app.register_error_handler(HTTPException, _refused)
    _add_health(app, database_url)
    _add_front_page(app, service_root, anonymous)


def _refuse_moved_paths() -> Response | None:
    """Every route has one spelling, and nothing in front may move it: a proxy's rules by path would be passed."""
    if request.environ.get("SCRIPT_NAME"):
        return _error(errors.BadRequest("SCRIPT_NAME is not accepted."))
    if request.environ["PATH_INFO"].startswith("//"):  # werkzeug would route it as "/"
        return _error(errors.NotFound("No path here begins with two slashes."))
    return None


def _add_health(app: Flask, database_url: str) -> None:
    @app.get("/healthcheck")
    def healthcheck() -> Response:
        """The process lives; touches no database."""
        return _plain("ok\n")

    url = database.libpq_url(database_url)
    ready = Readiness(lambda: ask_database(url))

    @app.get("/readiness")
    def readiness() -> Response:
        """The database answers."""
        return _plain("ready\n") if ready() else _error(errors.Unavailable("The database does not answer."))


def _add_front_page(app: Flask, service_root: str, anonymous: bool) -> None:
    @app.get("/")
    def front_page() -> Response:
        """What this is and where to go, for a person with a browser."""
        page = _FRONT_PAGE.format(
            root=escape(service_root),
            login="" if anonymous else "-u NAME:SECRET ",
            who="Everybody may read here." if anonymous else "It asks for a credential (gateway credentials create):",
        )
        return Response(page, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})


def _refused(problem: HTTPException) -> Response:
    """What Flask itself refuses (no such path, method not allowed) as an error object."""
    allow = dict(problem.get_headers(request.environ)).get("Allow")
    error = _BY_STATUS.get(problem.code or 500, errors.BadRequest)(f"{problem.name}: {request.path}")
    response = _flat(error) if applink_errors.is_below(request.path) else _error(error)
    if allow:
        response.headers["Allow"] = allow
    return response


_BY_STATUS: dict[int, Callable[[str], errors.ODataError]] = {
    403: errors.Forbidden,
    404: errors.NotFound,
    405: lambda message: errors.MethodNotAllowed(message, allow=()),
    413: errors.PayloadTooLarge,
    414: errors.UriTooLong,
    415: errors.UnsupportedMediaType,
    500: errors.InternalError,
}


def _error(error: errors.ODataError) -> Response:
    response = Response(error_body(error, ""), status=error.status, content_type="application/json")
    response.headers["OData-Version"] = "4.0"
    response.headers.extend(error.headers)
    return response


def _flat(error: errors.ODataError) -> Response:
    request_id = str(uuid4())
    body = applink_errors.flat_body(error.code, error.message, request_id)
    headers = {"X-Request-Id": request_id, "Cache-Control": "no-store"}
    return Response(body, status=error.status, content_type="application/json", headers=headers)


def _plain(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


_FRONT_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The gateway</title>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem">
<h1>The gateway</h1>
<p>Quotes and background jobs, kept in PostgreSQL, as an OData v4 service: Salesforce Connect mounts it as external
objects, and any other OData client can read it.</p>
<ul>
<li>Service root: <a href="{root}">{root}</a></li>
<li>Metadata document: <a href="{root}$metadata">{root}$metadata</a></li>
<li>Operations that Salesforce calls: <a href="/openapi/">/openapi/</a></li>
<li>Is the database well? <a href="/readiness">/readiness</a></li>
</ul>
<p>{who}</p>
<pre style="background: #f4f4f4; padding: 1rem; overflow-x: auto">
curl {login}'{root}Quotes?$top=3&amp;$select=QuoteNumber,Name,GrandTotal'
curl {login}"{root}Quotes?\\$filter=Status%20eq%20'Draft'&amp;\\$orderby=GrandTotal%20desc&amp;\\$top=3"
curl {login}'{root}Jobs?$expand=Items($top=2)&amp;$count=true&amp;$top=3'
</pre>
<p>In Salesforce: Setup, External Data Sources, New, type "Salesforce Connect: OData 4.01" or "OData 4.0", URL as above,
identity type "Named Principal", password authentication; then Validate and Sync.</p>
</body></html>
"""
