"""Faults under a steady load of 50 reads a second over HTTP, at full length."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from local import demo, servers
from local.cluster import Cluster, running
from local.servers import Server
from local.web import serving
from models import migrating, seed
from tests.faults.load import PATHS, load
from tests.faults.proxy import proxying
from tests.faults.test_web import _terminate, get

pytestmark = pytest.mark.slow


def test_postgres_stopped_immediately_for_ten_seconds(tmp_path: Path) -> None:
    cluster = Cluster(
        binaries=servers.embedded_binaries(), home=tmp_path / "postgres", options=servers.FAST_BUT_FORGETFUL
    )
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.named(stack.enter_context(running(cluster))))
        url = server.create_database("gateway")
        migrating.migrate(url)
        seed.seed(url, quotes=200)
        demo.ensure_credentials(url)
        web = stack.enter_context(serving(url, tmp_path / "web", variables={"WEB_CONCURRENCY": "2"}))
        with load(web) as seen:
            time.sleep(3)
            os.kill(int((cluster.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
            time.sleep(10)
            stack.enter_context(running(cluster))
            started = time.monotonic()
            time.sleep(8)
    assert set(seen.statuses()) == {200, 503}
    assert seen.refusals_say_when_to_come_again()
    assert seen.first_good(after=started) <= 3
    assert set(seen.statuses(after=started + 3)) == {200}


def test_backends_terminated_every_two_seconds_for_a_minute(
    database_url: str, postgres_server: Server, tmp_path: Path
) -> None:
    demo.ensure_credentials(database_url)
    with serving(database_url, tmp_path / "web") as web, load(web) as seen:
        for _ in range(30):
            time.sleep(2)
            _terminate(postgres_server, database_url)
    statuses = seen.statuses()
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= 0.995 * statuses.total(), statuses


def test_a_black_hole_of_a_minute(database_url: str, tmp_path: Path) -> None:
    demo.ensure_credentials(database_url)
    with proxying(database_url) as proxy, serving(proxy.web_url, tmp_path / "web") as web, load(web) as seen:
        time.sleep(2)
        proxy.mode = "blackhole"
        time.sleep(60)
        assert get(web, "/healthcheck", None).status == 200
        proxy.mode = "pass"
        healed = time.monotonic()
        time.sleep(10)
    assert set(seen.statuses()) == {200, 503}
    assert seen.longest() <= 26
    assert set(seen.statuses(after=healed + 5)) == {200}


def test_a_migration_under_traffic(database_url: str, tmp_path: Path) -> None:
    """Columns that nothing shows come and go, indexes are built, the migration itself runs: nobody notices."""
    demo.ensure_credentials(database_url)
    with serving(database_url, tmp_path / "web") as web, load(web) as seen:
        time.sleep(2)
        for _ in range(3):
            with psycopg.connect(database_url, autocommit=True) as owner:
                owner.execute("SET lock_timeout = '2s'")
                owner.execute("ALTER TABLE gateway.quote ADD COLUMN note text")
                time.sleep(1)
                owner.execute("CREATE INDEX quote_note ON gateway.quote (org_id, note)")
                owner.execute("CREATE INDEX CONCURRENTLY quote_name ON gateway.quote (org_id, name, owner_id)")
                time.sleep(1)
                owner.execute("DROP INDEX gateway.quote_name")
                owner.execute("ALTER TABLE gateway.quote DROP COLUMN note")
                time.sleep(1)
            migrating.migrate(database_url)
    assert set(seen.statuses()) == {200}


def test_a_column_that_is_shown_goes_and_comes_back(database_url: str, tmp_path: Path) -> None:
    """503 while it is away, 200 again without a restart."""
    demo.ensure_credentials(database_url)
    with serving(database_url, tmp_path / "web") as web, psycopg.connect(database_url, autocommit=True) as owner:
        path = "/odata/v4/Quotes?$select=Region&$top=1"
        assert [get(web, path).status for _ in range(6)] == [200] * 6
        owner.execute("ALTER TABLE gateway.quote RENAME COLUMN region TO region_away")
        away = [get(web, path) for _ in range(6)]
        assert {reply.status for reply in away} == {503} and all(reply.headers["retry-after"] for reply in away)
        assert "region" not in json.dumps([reply.json for reply in away])
        owner.execute("ALTER TABLE gateway.quote RENAME COLUMN region_away TO region")
        assert [get(web, path).status for _ in range(6)] == [200] * 6


def test_all_connections_held_by_the_default_limits(database_url: str, tmp_path: Path) -> None:
    """With the limits as they are: lock waits end every two seconds; what needs none is quick from the first on."""
    demo.ensure_credentials(database_url)
    slowest: dict[str, float] = {}
    with serving(database_url, tmp_path / "web") as web:
        for _ in range(4):  # a process that has just started plans each URL first
            for path, login in (*PLAIN, *((path, "demo:demo") for path in PATHS)):
                get(web, path, login)
        with psycopg.connect(database_url) as owner:
            owner.execute("LOCK TABLE gateway.quote, gateway.job")
            with load(web) as seen:
                until = time.monotonic() + 15
                while time.monotonic() < until:
                    for path, login in PLAIN:
                        reply = get(web, path, login)
                        slowest[path] = max(slowest.get(path, 0.0), reply.seconds)
                    time.sleep(0.05)  # a process is replaced after some thousand requests
    assert set(seen.statuses()) <= {200, 503} and seen.refusals_say_when_to_come_again()
    assert max(slowest.values()) < 0.05, slowest


PLAIN = (
    ("/healthcheck", None), ("/odata/v4/Quotes?$top=1&x", None), ("/odata/v4/Nothing", "demo:demo"),
    ("/odata/v4/Quotes?$top=x", "demo:demo"),
)  # fmt: skip
