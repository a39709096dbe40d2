"""The smaller commands of the Makefile, on the embedded database of `make run`: psql, seed, stop, other PostgreSQLs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local import cluster, run, servers
from local.trouble import Trouble, say


def database_shell(arguments: list[str]) -> int:
    """psql as the ordinary role, on the database of `make run`."""
    with servers.embedded(servers.DATA / "postgres") as server:
        if not server.has_database(run.DATABASE):
            raise Trouble("there is no database yet: make run makes it")
        psql = servers.embedded_binaries() / "psql"
        return subprocess.run([psql, server.url(run.DATABASE), *arguments]).returncode


def seed(arguments: list[str]) -> int:
    """Make the database anew with so many quotes."""
    from local import demo
    from models import database

    quotes = int(arguments[0])
    with servers.embedded(servers.DATA / "postgres") as server:
        server.drop_database(run.DATABASE)
        url = server.create_database(run.DATABASE)
        database.migrate(url, progress=say)
        demo.seed(url, quotes=quotes, progress=say)
        demo.ensure_credentials(url)
    return 0


def stop(arguments: list[str]) -> int:
    """End every database server of this checkout."""
    for home in (servers.DATA / "postgres", servers.DATA / "test" / "postgres", servers.DATA / "test" / "trigram"):
        if home.exists():
            cluster.stop(cluster.Cluster(binaries=servers.embedded_binaries(), home=home))
    return 0


def test_postgres(arguments: list[str]) -> int:
    """The fast tests on every PostgreSQL at hand: those of the embedded package and those of the operating system."""
    outcomes = {}
    for binaries in _every_postgres():
        name = cluster.Cluster(binaries=binaries, home=servers.DATA).major
        say(f"testing on PostgreSQL {name} ({binaries})")
        options = servers.FAST_BUT_FORGETFUL
        one = cluster.Cluster(
            binaries=binaries, home=servers.DATA / "test" / f"postgres-{name}", options=options, fresh=True
        )
        with cluster.running(one) as admin_url:
            command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-n", "2", *arguments]
            outcomes[name] = subprocess.run(command, env=os.environ | {"TEST_DATABASE_URL": admin_url}).returncode
    for name, code in sorted(outcomes.items()):
        say(f"PostgreSQL {name}: {'passed' if code == 0 else 'FAILED'}")
    return max(outcomes.values())


def _every_postgres() -> list[Path]:
    package = servers.embedded_binaries().parent.parent
    found = [folder / "bin" for folder in package.glob("pginstall*")]
    found += [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    return sorted(found)
