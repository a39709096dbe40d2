"""Composition root: settings -> engine -> service -> Flask app; the one file that knows every package."""

from __future__ import annotations

from http import HTTPStatus

import psycopg
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

import settings as gateway_settings
from models import database
from odata import errors
from odata.payload.errors import error_body

READINESS_SECONDS = 3


def create_app(settings: gateway_settings.Settings | None = None) -> Flask:
    """The WSGI application.

    Args:   settings: None reads them from the environment.
    Raises: SettingsError when one is missing or wrong.
    """
    settings = settings or gateway_settings.load(need=("DATABASE_URL", "GATEWAY_SECRET"))
    app = Flask("gateway", static_folder=None)
    app.url_map.strict_slashes = True
    app.before_request(_refuse_script_name)
    app.register_error_handler(HTTPException, _refused)
    _add_health(app, settings)
    _add_front_page(app, settings)
    return app


def _refuse_script_name() -> Response | None:
    """Nothing in front may move the paths: a proxy's rules by path would be passed."""
    return _error(errors.BadRequest("SCRIPT_NAME is not accepted.")) if request.environ.get("SCRIPT_NAME") else None


def _add_health(app: Flask, settings: gateway_settings.Settings) -> None:
    @app.get("/healthcheck")
    def healthcheck() -> Response:
        """The process lives; touches no database."""
        return _plain("ok\n")

    @app.get("/readiness")
    def readiness() -> Response:
        """The database answers."""
        try:
            url = database.libpq_url(settings.database_url)
            with psycopg.connect(
                url, connect_timeout=READINESS_SECONDS, application_name="gateway readiness"
            ) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return _error(errors.Unavailable("The database does not answer."))
        return _plain("ready\n")


def _add_front_page(app: Flask, settings: gateway_settings.Settings) -> None:
    @app.get("/")
    def front_page() -> Response:
        """What this is and where to go, for a person with a browser."""
        root = f"{settings.public_url}/odata/v4/"
        return Response(_FRONT_PAGE.format(root=root), content_type="text/html; charset=utf-8")


def _refused(problem: HTTPException) -> Response:
    """What Flask itself refuses (no such path, method not allowed) as an error object."""
    status = problem.code or HTTPStatus.INTERNAL_SERVER_ERROR
    phrase = HTTPStatus(status).phrase
    allow = dict(problem.get_headers(request.environ)).get("Allow")
    response = _error(_named(phrase.replace(" ", ""), status, f"{phrase}: {request.path}"))
    if allow:
        response.headers["Allow"] = allow
    return response


def _named(code: str, status: int, message: str) -> errors.ODataError:
    kind = type(code, (errors.ODataError,), {"status": status})
    error: errors.ODataError = kind(message)
    return error


def _error(error: errors.ODataError) -> Response:
    response = Response(error_body(error, ""), status=error.status, content_type="application/json")
    response.headers["OData-Version"] = "4.0"
    response.headers.extend(error.headers)
    return response


def _plain(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


_FRONT_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The gateway</title>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem">
<h1>The gateway</h1>
<p>Quotes and background jobs, kept in PostgreSQL, as an OData v4 service: Salesforce Connect mounts it as external
objects, and any other OData client can read it.</p>
<p>Service root: <a href="{root}">{root}</a><br>Metadata: <a href="{root}$metadata">{root}$metadata</a></p>
</body></html>
"""
