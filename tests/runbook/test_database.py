"""The table "Database" of docs/runbook.md: each symptom is made, seen with the page's command, cured as it says."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from models import migrating
from simulator.running import Simulator
from tests.runbook.conftest import StartApp
from tests.runbook.heroku import App, until

pytestmark = pytest.mark.slow
QUOTES = "/odata/v4/Quotes?$top=1&$select=Id"
TOO_MANY = "too many connections"
PLAN = 16
"""Connections: room for one web dyno with the smaller pools, one worker dyno and a command."""
SMALL = {"POOL_CONNECTIONS": "2", "OPERATION_CONNECTIONS": "2"}


def busy(app: App, login: tuple[str, str]) -> list[int]:
    """Statuses of reads that want as many connections as there may be, while a job is worked off."""
    job = app.job(app.opportunities(20))
    with ThreadPoolExecutor(8) as readers:
        found = list(readers.map(lambda _: app.curl(QUOTES, login=login).status, range(200)))
    app.until(f"jobs show {job}", r"\tcompleted\t")
    return found


def test_too_many_connections(start: StartApp) -> None:
    app = start()
    login = app.credential()
    app.scale(worker=0)
    job = app.job(app.opportunities(20))
    with app.administrator() as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT {PLAN}')
    app.scale(worker=6)
    until(lambda: app.logs("web") + app.logs("worker"), TOO_MANY, "the log of web or worker")
    assert f"/{PLAN}\n" in app.pg_info()
    app.scale(worker=1)
    app.config_set(**SMALL)
    app.until(f"jobs show {job}", r"\tcompleted\t")
    before = (app.logs("web") + app.logs("worker")).count(TOO_MANY)
    assert set(busy(app, login)) == {200}
    assert (app.logs("web") + app.logs("worker")).count(TOO_MANY) == before
    used = re.search(r"Connections: ([0-9]+)/", app.pg_info())
    assert used and int(used[1]) <= PLAN


def test_the_database_was_away(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    login = app.credential()
    before = [one.pid for dynos in app.dynos.values() for one in dynos]
    salesforce.fault("POST /composite/graph", delay=0.3, times=None)
    opportunities = app.opportunities(40)
    job = app.job(opportunities)
    app.until(f"jobs show {job}", "[1-9][0-9]* succeeded")
    app.database.mode = "reset"
    until(lambda: str(app.curl(QUOTES, login=login).status), "503", "a read")
    assert "the database cannot be used" in app.gateway("status", well=False)
    app.database.mode = "pass"
    until(lambda: str(app.curl(QUOTES, login=login).status), "200", "a read")
    assert "\titems\t" in "\t" + app.gateway("status")
    app.until(f"jobs show {job}", r"\tcompleted\t")
    assert app.quotes(opportunities) == sorted(opportunities)
    assert [one.pid for dynos in app.dynos.values() for one in dynos if one.poll() is None] == before


def test_a_release_failed(start: StartApp, database_url: str) -> None:
    """A function of the database belongs to somebody else, so that the newest migration cannot replace it."""
    migrating.downgrade(database_url, "core_0002")
    app = start()
    login = app.credential()
    function, owner = "FUNCTION gateway.is_record_id(text)", app.server.role
    with app.administrator() as connection:
        connection.execute(f"ALTER {function} OWNER TO CURRENT_USER")
        assert not app.push()
        assert "must be owner of function" in app.releases_output()
        assert "WRONG  migrations: not run:" in app.gateway("doctor", well=False)
        assert app.curl(QUOTES, login=login).status == 200
        connection.execute(f"ALTER {function} OWNER TO {owner}")
    assert app.push()
    assert "schema is current" in app.releases_output()
    assert "schema is current" in app.gateway("migrate")
    assert "ok     migrations: current" in app.gateway("doctor")
    assert app.curl(QUOTES, login=login).status == 200


AGED = (
    "UPDATE gateway.job SET finished_at = now() - interval '91 days' WHERE id = %(job)s",
    "UPDATE gateway.job SET created_at = now() - interval '8 days' WHERE id = %(keyed)s",
    "UPDATE gateway.intent SET settled_at = now() - interval '8 days' WHERE job_id IS NULL",
)


def test_it_grows(start: StartApp) -> None:
    """A worker prunes when it starts, and each hour."""
    app = start(KEEP_JOBS_DAYS="90")
    of_job, of_keyed, alone = app.opportunities(3)
    job, keyed = app.job([of_job]), app.job([of_keyed], requestKey="mine")
    for one in (job, keyed):
        app.until(f"jobs show {one}", r"\tcompleted\t")
    body = {"opportunityId": alone, "requestKey": "mine, too"}
    assert app.apex.invoke("createQuote", body).status == 200
    assert app.job([of_keyed], requestKey="mine") == keyed
    size = re.search(r"Data Size: ([0-9]+) bytes", app.pg_info())
    assert size and int(size[1]) > 0
    before = counts(app, job, keyed)
    with app.administrator() as connection:
        connection.execute("SELECT set_config('app.org_id', '*', false)")
        for statement in AGED:
            assert connection.execute(statement, {"job": job, "keyed": keyed}).rowcount > 0
    app.restart("worker")
    until(lambda: str(counts(app, job, keyed)), "'jobs': 0, 'intents': 0, 'keys': 0", "the rows that are old")
    assert counts(app, job, keyed)["quotes"] == before["quotes"]
    assert "there is no job" in app.gateway(f"jobs show {job}", well=False)
    assert app.job([of_keyed], requestKey="mine") != keyed


def counts(app: App, job: str, keyed: str) -> dict[str, int]:
    """Rows: of this job, intents of no job, keys of that other job, quotes."""
    with app.administrator() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM gateway.job WHERE id = %s), "
            "(SELECT count(*) FROM gateway.intent WHERE job_id IS NULL), "
            "(SELECT count(*) FROM gateway.job WHERE id = %s AND idem_key = 'mine'), "
            "(SELECT count(*) FROM gateway.quote)",
            (job, keyed),
        ).fetchone()
    assert row is not None
    return dict(zip(("jobs", "intents", "keys", "quotes"), row, strict=True))
