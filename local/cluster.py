"""A PostgreSQL data directory with its server: made, started, shared by several processes, stopped by the last.

It drives initdb and postgres itself, without a shell, so that any path will do; the server listens on a unix socket
only, in a directory of its own, so that two checkouts never meet. What `kill -9` leaves behind (a postmaster.pid whose
number another process has by now, sockets, orphaned backends, a half-made data directory) is cleared at the next start.

Sharing: every user holds a shared lock on `users.lock` (the kernel drops it when the user dies, in whatever way); who
can turn it into an exclusive one is alone and may stop the server. `start.lock`: one at a time starts or stops.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import psycopg

from local import account
from local.trouble import Trouble, say

ADMIN = "postgres"
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 103  # macOS; Linux takes 107
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A server that can be started.

    binaries: the folder with initdb and postgres. home: the folder for all it keeps. options: server settings.
    fresh: who is alone begins with an empty cluster (tests).
    """

    binaries: Path
    home: Path
    options: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def major(self) -> int:
        """The major version of PostgreSQL, such as 18."""
        text = subprocess.run(
            [self.binaries / "postgres", "--version"], check=True, capture_output=True, text=True
        ).stdout
        return int(re.findall(r"\d+", text)[0])


def url(socket_directory: Path, user: str, database: str) -> str:
    """The URL of a database over a Unix socket."""
    return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(str(socket_directory), safe='/')}"


@contextlib.contextmanager
def running(cluster: Cluster) -> Iterator[str]:
    """The server for the time of the block, started unless another process has it; yields the administrator's URL.

    Raises: Trouble, one line, when it cannot be started.
    """
    server_account = _account(cluster)
    _make_home(cluster, server_account)
    with open(cluster.home / "users.lock", "w") as users:
        with _locked(cluster.home / "start.lock"):
            alone = _try_lock(users)
            fcntl.flock(users, fcntl.LOCK_SH)
            if alone and cluster.fresh:
                stop(cluster)
                shutil.rmtree(cluster.data, ignore_errors=True)
            admin_url = _ensure_started(cluster, server_account)
        try:
            yield admin_url
        finally:
            with _locked(cluster.home / "start.lock"):
                if _try_lock(users):
                    stop(cluster)


def stop(cluster: Cluster) -> None:
    """End the server and whatever is left of one, and remove its sockets."""
    postmaster = _postmaster(cluster)
    if postmaster is not None:
        for signal_number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
            with contextlib.suppress(psutil.NoSuchProcess):
                postmaster.send_signal(signal_number)
            with contextlib.suppress(psutil.TimeoutExpired):
                postmaster.wait(_STOP_SECONDS)
                break
    _clear_leftovers(cluster)


def _account(cluster: Cluster) -> account.Account | None:
    try:
        return account.for_server(Path(__file__).parent.parent, [cluster.binaries, cluster.home])
    except LookupError:
        raise Trouble(
            "PostgreSQL does not run as root, and there is no account 'nobody' here: run make as an ordinary user"
        ) from None


def _make_home(cluster: Cluster, server_account: account.Account | None) -> None:
    try:
        cluster.home.mkdir(parents=True, exist_ok=True)
        if server_account is not None:
            os.chown(cluster.home, server_account.uid, server_account.gid)
        cluster.home.chmod(0o700)
        for name in ("users.lock", "start.lock", "log"):
            open(cluster.home / name, "a").close()
            if server_account is not None:
                os.chown(cluster.home / name, server_account.uid, server_account.gid)
    except PermissionError:
        raise Trouble(
            f"{cluster.home} belongs to another account (was make run as root before?): "
            f"remove it as that account, sudo rm -r '{cluster.home}'"
        ) from None


def _ensure_started(cluster: Cluster, server_account: account.Account | None) -> str:
    sockets = _socket_directory(cluster)
    admin_url = url(sockets, ADMIN, "postgres")
    if _postmaster(cluster) is not None and _answers(admin_url):
        return admin_url
    stop(cluster)
    _make_socket_directory(sockets, cluster, server_account)
    if not (cluster.data / "PG_VERSION").exists():
        _initialize(cluster, server_account)
    _launch(cluster, server_account, sockets, admin_url)
    return admin_url


def _initialize(cluster: Cluster, server_account: account.Account | None) -> None:
    """Make the data directory beside its place, then move it there: a killed initdb leaves nothing that looks whole."""
    say(f"making a database cluster of PostgreSQL {cluster.major} in {cluster.home}")
    unfinished = cluster.home / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(cluster.data, ignore_errors=True)
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if cluster.major >= 17
        else ["--locale=C.UTF-8"]
    )
    command: list[str | Path] = [
        cluster.binaries / "initdb",
        "-D",
        unfinished,
        "-U",
        ADMIN,
        "--auth=trust",
        "--encoding=UTF8",
        "--no-sync",
        *locale,
    ]
    done = subprocess.run(
        account.command_as(server_account, command), capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/"
    )
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise Trouble(
            f"PostgreSQL's initdb failed: {_last_line(done.stderr) or _last_line(done.stdout)}{_hint(done.stderr)}"
        )
    unfinished.rename(cluster.data)


def _launch(cluster: Cluster, server_account: account.Account | None, sockets: Path, admin_url: str) -> None:
    options = {
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "port": "5432",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **cluster.options,
    }
    command: list[str | Path] = [cluster.binaries / "postgres", "-D", cluster.data]
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with open(cluster.log, "wb") as log:
        process = subprocess.Popen(
            account.command_as(server_account, [*command, *settings]),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip
    began, told = time.monotonic(), time.monotonic()
    while not _answers(admin_url):
        if process.poll() is not None:
            reason = _last_line(cluster.log.read_text(errors="replace"), "FATAL")
            raise Trouble(f"PostgreSQL did not start: {reason}{_hint(reason)} (whole log: {cluster.log})")
        if time.monotonic() - began > _START_SECONDS:
            process.kill()
            raise Trouble(f"PostgreSQL did not answer within {_START_SECONDS:g} s; its log: {cluster.log}")
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say("PostgreSQL is still starting (it recovers after a crash)")
        time.sleep(0.05)


def _answers(admin_url: str) -> bool:
    try:
        psycopg.connect(admin_url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _postmaster(cluster: Cluster) -> psutil.Process | None:
    """The live server of this very data directory; the number in postmaster.pid alone proves nothing."""
    try:
        process = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split("\n")[0]))
        return process if _works_in(process, cluster.data) else None
    except (OSError, ValueError, psutil.Error):
        return None


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and os.path.samefile(process.cwd(), data)
    except (OSError, psutil.Error):
        return False


def _clear_leftovers(cluster: Cluster) -> None:
    """Without a postmaster: end its orphans, remove its pid and socket files."""
    if cluster.data.exists():
        orphans = [
            one
            for one in psutil.process_iter(["name"])
            if one.info["name"] == "postgres" and _works_in(one, cluster.data)
        ]
        for one in orphans:
            with contextlib.suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(orphans, timeout=5)
        (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    sockets = _socket_directory(cluster)
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (sockets / name).unlink(missing_ok=True)
    if sockets != cluster.home:
        with contextlib.suppress(OSError):
            sockets.rmdir()


def _socket_directory(cluster: Cluster) -> Path:
    """The home itself, or a short path of its own where the home's is too long for a socket.

    libpq reads a comma in a host as the end of the first of several hosts, so a path with one will not do either.
    """
    if len(os.fsencode(cluster.home / _SOCKET)) <= _SOCKET_PATH_BYTES and "," not in str(cluster.home):
        return cluster.home
    name = f"gateway-{hashlib.sha256(os.fsencode(cluster.home)).hexdigest()[:16]}"
    for folder in (Path(tempfile.gettempdir()), Path("/tmp")):
        if len(os.fsencode(folder / name / _SOCKET)) <= _SOCKET_PATH_BYTES:
            return folder / name
    raise Trouble(f"the path {cluster.home} is too long for a socket: move the checkout to a shorter one")


def _make_socket_directory(sockets: Path, cluster: Cluster, server_account: account.Account | None) -> None:
    if sockets == cluster.home:
        return
    with contextlib.suppress(FileExistsError):
        sockets.mkdir(mode=0o700)
        if server_account is not None:
            os.chown(sockets, server_account.uid, server_account.gid)
    status = sockets.lstat()
    uid = os.geteuid() if server_account is None else server_account.uid
    if status.st_uid != uid or status.st_mode & 0o170777 != 0o040700:
        raise Trouble(f"{sockets} is not this account's own: remove it, then run make again")


def _try_lock(users: IO[str]) -> bool:
    """Whether nobody else uses the server; the lock is exclusive afterwards if so."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w") as lock:
        if not _try_lock(lock):
            say("waiting for another make in this checkout to start or stop its database")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _last_line(text: str, wanted: str = "") -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if wanted in line), lines[-1] if lines else "it said nothing")


def _hint(text: str) -> str:
    if "No space left" in text:
        return "; free some disk space"
    if "ermission denied" in text:
        return "; move the checkout where every account may enter, or run make as an ordinary user"
    return ""
