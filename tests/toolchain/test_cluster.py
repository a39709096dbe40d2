"""The embedded server: any path, two at once, and whatever `kill -9` leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from local import servers
from local.cluster import Cluster, _socket_directory, running
from local.trouble import Trouble

COUNT = "SELECT count(*) FROM kept"


@contextmanager
def started(home: Path) -> Iterator[psycopg.Connection]:
    options = {"fsync": "off", "shared_buffers": "16MB"}
    cluster = Cluster(binaries=servers.embedded_binaries(), home=home, options=options)
    with running(cluster) as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


def postmaster_pid(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().split("\n")[0])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A path that a shell would break in pieces, holding a server with one row."""
    home = tmp_path / "it's a $HOME; of, its own"
    with started(home) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    return home


def kept(home: Path) -> int:
    with started(home) as connection:
        row = connection.execute(COUNT).fetchone()
    assert row is not None
    return int(row[0])


def test_a_server_keeps_its_data_and_leaves_no_process(home: Path) -> None:
    assert kept(home) == 1
    assert not (home / "data" / "postmaster.pid").exists()
    assert not [one for one in psutil.process_iter() if str(home) in " ".join(_words(one))]


def test_it_starts_again_after_its_postmaster_was_killed(home: Path) -> None:
    with pytest.raises(psycopg.OperationalError), started(home) as connection:
        os.kill(postmaster_pid(home), signal.SIGKILL)
        time.sleep(0.3)
        connection.execute(COUNT)
    assert kept(home) == 1


def test_it_starts_again_after_everything_was_killed(home: Path) -> None:
    """The starter and every server process at once: pid, lock and socket files stay."""
    script = f"""
        import sys, time
        sys.path.insert(0, {str(servers.PROJECT)!r})
        from pathlib import Path
        from local import servers
        with servers.embedded(Path({str(home)!r})):
            print("up", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None and starter.stdout.readline() == b"up\n"
        postmaster = psutil.Process(postmaster_pid(home))
        for one in [*postmaster.children(), postmaster]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        starter.kill()
    assert (home / "data" / "postmaster.pid").exists()
    assert kept(home) == 1


def test_a_server_whose_starter_was_killed_is_taken_over(home: Path) -> None:
    context = started(home)
    context.__enter__()
    pid = postmaster_pid(home)
    with started(home):
        assert postmaster_pid(home) == pid
    assert psutil.pid_exists(pid), "another one uses it still"
    context.__exit__(None, None, None)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_pid_file_whose_number_belongs_to_another_process_does_not_block(home: Path) -> None:
    stale = f"{os.getpid()}\n{home / 'data'}\n1\n5432\n{home}\n\n  1 1\nready   \n"
    (home / "data" / "postmaster.pid").write_text(stale)
    (home / ".s.PGSQL.5432").touch()
    (home / ".s.PGSQL.5432.lock").write_text(stale)
    assert kept(home) == 1


def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "home" / "data.unfinished").mkdir(parents=True)
    (tmp_path / "home" / "data").mkdir()
    (tmp_path / "home" / "data" / "global").touch()
    with started(tmp_path / "home") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_two_servers_at_once(home: Path, tmp_path: Path) -> None:
    with started(home) as one, started(tmp_path / "other") as other:
        directories = {c.execute("SHOW data_directory").fetchone() for c in (one, other)}
        assert len(directories) == 2
        assert {c.execute("SHOW listen_addresses").fetchone() for c in (one, other)} == {("",)}


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 20) / ("deeper" * 10)
    cluster = Cluster(binaries=servers.embedded_binaries(), home=home)
    sockets = _socket_directory(cluster)
    with started(home) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert sockets != home and sockets.stat().st_mode & 0o777 == 0o700
    assert not sockets.exists()


def test_a_server_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    cluster = Cluster(binaries=servers.embedded_binaries(), home=tmp_path / "home", options={"work_mem": "lots"})
    with pytest.raises(Trouble, match='invalid value for parameter "work_mem"') as caught, running(cluster):
        pass
    assert "\n" not in str(caught.value)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
