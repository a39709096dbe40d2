"""PgBouncer in transaction mode before a database, for tests of DB_POOLER=transaction: Debian's package `pgbouncer`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from local import account
from local.trouble import Trouble
from local.web import PROJECT, free_port

_START_SECONDS = 10.0


@contextlib.contextmanager
def pooling(database_url: str, home: Path, *, connections: int = 1) -> Iterator[str]:
    """PgBouncer with so many connections to the database for the time of the block; yields the URL through it.

    Raises: Trouble, one line, when it is not installed or does not start.
    """
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    target = conninfo_to_dict(database_url)
    url = f"postgresql://{quote(str(target['user']))}@127.0.0.1:{port}/{quote(str(target['dbname']))}"
    (home / "pgbouncer.ini").write_text(_settings(target, port, home, connections))
    with open(home / "log", "ab") as log:
        process = subprocess.Popen(_command(home), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
    try:
        _wait(url, process, home / "log")
        yield url
    finally:
        process.terminate()
        process.wait()


def _settings(target: Mapping[str, object], port: int, home: Path, connections: int) -> str:
    where = " ".join(
        f"{name}={_quoted(target[name])}" for name in ("host", "port", "dbname", "user", "password") if target.get(name)
    )
    return f"""[databases]
{target["dbname"]} = {where}
[pgbouncer]
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
logfile = {home / "pgbouncer.log"}
"""


def _quoted(value: object) -> str:
    """A value of a connection string: a socket's folder may hold spaces."""
    return "'" + str(value).replace("'", "''") + "'"


def _command(home: Path) -> list[str]:
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Trouble("pgbouncer is not installed: run .ci/run as root, or apt-get install pgbouncer")
    server_account = account.for_server(PROJECT, [home])
    if server_account is not None:  # it does not run as root
        for path in (home, *home.iterdir()):
            os.chown(path, server_account.uid, server_account.gid)
    return account.command_as(server_account, [program, home / "pgbouncer.ini"])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError as problem:
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip() or str(problem)
                raise Trouble(f"pgbouncer did not start: {said.splitlines()[-1]}") from None
        time.sleep(0.05)
