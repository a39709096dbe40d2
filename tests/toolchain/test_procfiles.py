"""What Heroku runs and what `make run` runs are the same."""

from __future__ import annotations

import cli
from local import web


def test_gunicorn_has_the_same_arguments_on_heroku_and_locally() -> None:
    heroku = web.arguments("web", procfile="Procfile")
    assert heroku[heroku.index("gunicorn") :] == web.arguments("web", procfile="Procfile.local")


def test_a_release_migrates() -> None:
    assert web.arguments("release", procfile="Procfile") == ["gateway", "migrate"]


def test_the_worker_is_the_same_on_heroku_and_locally_where_it_is_watched_over() -> None:
    """On Heroku the platform starts a worker again that died."""
    worker = web.arguments("worker", procfile="Procfile")
    assert worker == ["gateway", "worker"] and "worker" in cli.main.commands
    assert web.arguments("worker") == ["python", "-m", "local", "supervise", ".data/worker.json", *worker]
