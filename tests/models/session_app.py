"""The recorded session's exposure as a WSGI application, for gunicorn: `tests.models.session_app:create_app()`."""

from __future__ import annotations

from flask import Flask

import app
from tests.models import session


def create_app() -> Flask:
    """The gateway as it is deployed, but showing the tables of the session."""
    return app.create_app(exposure=session.EXPOSURE)
