"""The service with one feature switched off, for gunicorn: `tests.conformance.switched_app:create_app("its name")`."""

from __future__ import annotations

import pytest
from flask import Flask

import app
from tests.conformance.switches.table import SWITCHES


def create_app(name: str) -> Flask:
    """The gateway as it is deployed, but without a feature, for as long as the process lives."""
    SWITCHES[name].off(pytest.MonkeyPatch())
    return app.create_app()
