"""A real streaming standby: reads go to it, come back without it, and go on while it is promoted."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from local import account, demo, servers
from local.cluster import Cluster, running, stop
from local.web import PROJECT, serving
from models import migrating, seed
from tests.faults.test_web import Reply, get

NAME = "/odata/v4/Quotes?$select=Name&$orderby=Id&$top=1"


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary and its standby: URLs of the ordinary role, the administrator's of the standby, its cluster."""

    primary: str
    standby: str
    standby_admin: str
    standby_cluster: Cluster

    def rename(self, name: str) -> None:
        """Give every quote another name, on the primary."""
        with psycopg.connect(self.primary) as owner:
            owner.execute("SELECT set_config('app.org_id', %s, true)", (seed.ORGS[0],))
            owner.execute("UPDATE gateway.quote SET name = %s WHERE org_id = %s", (name, seed.ORGS[0]))

    def caught_up(self) -> None:
        with psycopg.connect(self.primary) as owner, psycopg.connect(self.standby, autocommit=True) as follower:
            here = owner.execute("SELECT pg_current_wal_lsn()").fetchone()
            assert here is not None
            until = time.monotonic() + 10
            while follower.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", here).fetchone() != (True,):
                assert time.monotonic() < until
                time.sleep(0.05)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    options = servers.FAST_BUT_FORGETFUL | {"synchronous_commit": "local", "shared_buffers": "32MB"}
    binaries = servers.embedded_binaries()
    first = Cluster(binaries=binaries, home=tmp_path / "primary", options=options)
    second = Cluster(binaries=binaries, home=tmp_path / "standby", options=options)
    with running(first) as admin_url, servers.named(admin_url) as server:
        url = server.create_database("gateway")
        migrating.migrate(url)
        seed.seed(url, quotes=100)
        demo.ensure_credentials(url)
        _copy(first, second, admin_url)
        with running(second) as standby_admin:
            standby = url.replace(str(first.home), str(second.home))
            yield Pair(url, standby, standby_admin, second)


def _copy(first: Cluster, second: Cluster, admin_url: str) -> None:
    """pg_basebackup as the account that the servers run as."""
    second.home.mkdir()
    owner = account.for_server(PROJECT, [first.binaries, second.home])
    if owner is not None:
        os.chown(second.home, owner.uid, owner.gid)
    command: list[str | Path] = [
        first.binaries / "pg_basebackup",
        "-d",
        admin_url,
        "-D",
        second.data,
        "-R",
        "-c",
        "fast",
    ]
    subprocess.run(account.command_as(owner, command), check=True, capture_output=True, cwd="/")


def _name(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    name: str = reply.json["value"][0]["Name"]
    return name


def test_reads_go_to_the_follower_and_come_back_without_it(pair: Pair, tmp_path: Path) -> None:
    with serving(pair.primary, tmp_path / "web", variables={"DATABASE_REPLICA_URLS": pair.standby}) as web:
        pair.rename("before")
        pair.caught_up()
        assert _name(get(web, NAME)) == "before"
        with psycopg.connect(pair.standby_admin, autocommit=True) as standby:
            standby.execute("SELECT pg_wal_replay_pause()")
            pair.rename("after")
            assert _name(get(web, NAME)) == "before", "the follower answers, and it has not heard of it"
            standby.execute("SELECT pg_wal_replay_resume()")
        pair.caught_up()
        assert _name(get(web, NAME)) == "after"
        stop(pair.standby_cluster)
        pair.rename("alone")
        assert [_name(get(web, NAME)) for _ in range(20)] == ["alone"] * 20


def test_a_standby_as_the_database_reads_before_during_and_after_its_promotion(pair: Pair, tmp_path: Path) -> None:
    pair.caught_up()
    with serving(pair.standby, tmp_path / "web") as web:
        assert get(web, "/readiness", None).status == 200
        replies = [get(web, NAME) for _ in range(10)]
        with psycopg.connect(pair.standby_admin, autocommit=True) as standby:
            standby.execute("SELECT pg_promote(wait => false)")
        until = time.monotonic() + 4
        while time.monotonic() < until:
            replies.append(get(web, NAME))
        with psycopg.connect(pair.standby) as promoted:
            assert promoted.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    assert {reply.status for reply in replies} == {200}
