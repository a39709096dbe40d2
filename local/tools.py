"""The smaller commands of the Makefile, on the embedded database of `make run`: psql, seed, stop, other PostgreSQLs."""

from __future__ import annotations

import os
import subprocess
import sys

from local import cluster, run, servers, versions
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
    from models import migrating

    quotes = int(arguments[0])
    with servers.embedded(servers.DATA / "postgres") as server:
        server.drop_database(run.DATABASE)
        url = server.create_database(run.DATABASE)
        migrating.migrate(url, progress=say)
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
    """The fast tests on every version of PostgreSQL that the README names; arguments go to pytest."""
    outcomes = {version: _test_on(version, arguments) for version in versions.VERSIONS}
    for version, code in outcomes.items():
        say(f"PostgreSQL {version.split('-')[0]}: {'passed' if code == 0 else 'FAILED'}")
    return max(outcomes.values())


def _test_on(version: str, arguments: list[str]) -> int:
    home = servers.DATA / "test" / f"postgres-{version.split('.')[0]}"
    binaries, options = versions.binaries(version), servers.FAST_BUT_FORGETFUL
    server = cluster.Cluster(binaries=binaries, home=home, options=options, fresh=True)
    with cluster.running(server) as admin_url:
        say(f"testing on PostgreSQL {version}")
        command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-n", "2", *arguments]
        return subprocess.run(command, env=os.environ | {"TEST_DATABASE_URL": admin_url}).returncode
