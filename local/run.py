"""`make run`: database, migration, demo data, then the processes of Procfile.local, until Ctrl-C.

With DATABASE_URL set it uses that database: it migrates it, and never seeds it nor makes a credential there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from sqlalchemy.exc import DBAPIError

import settings as gateway_settings
from local import servers
from local.trouble import Trouble, say

DATABASE = "gateway"
DEMO_QUOTES = 1000
_MARK = "GATEWAY_STARTED_BY_MAKE_IN"
_ANSWER_SECONDS = 60.0


def main(arguments: list[str]) -> int:
    """Run until a signal or until a process ends; its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    settings = _settings()
    _own(servers.DATA, directory=True)
    with _only_run() as alone:
        _ensure_port_is_free(settings, alone)
        if settings.database_url:
            _migrate(settings.database_url)
            return _serve(settings, settings.database_url, _how_to_make_a_credential())
        say("starting the embedded PostgreSQL")
        with servers.embedded(servers.DATA / "postgres") as server:
            url = server.url(DATABASE) if server.has_database(DATABASE) else server.create_database(DATABASE)
            _migrate(url)
            _fill(url)
            _remember(url, _secret())
            return _serve(settings, url, _demo_credentials())


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _settings() -> gateway_settings.Settings:
    try:
        return gateway_settings.load({name: text for name, text in os.environ.items() if name != "DYNO"})
    except gateway_settings.SettingsError as problem:
        raise Trouble(str(problem)) from None


@contextlib.contextmanager
def _only_run() -> Iterator[bool]:
    """Whether no other `make run` of this checkout lives; the kernel gives the lock back however one ends."""
    path = servers.DATA / "run.lock"
    _own(path)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _ensure_port_is_free(settings: gateway_settings.Settings, alone: bool) -> None:
    """A web server that a killed `make run` of this checkout left behind is ended; anything else is named."""
    if not _is_taken(settings):
        return
    holders = _listeners(settings.port)
    leftover = [one for one in holders if alone and _is_ours(one)]
    if leftover:
        say(f"ending the web server that an earlier make run left on port {settings.port}")
        for one in leftover:
            with contextlib.suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(leftover, timeout=5)
    if _is_taken(settings):
        by = f" by {holders[0].name()} (process {holders[0].pid})" if holders else ""
        mine = "" if alone else "; make run is running in this checkout already"
        raise Trouble(f"port {settings.port} is taken{by}{mine}: choose another, make run PORT={settings.port + 1}")


def _is_taken(settings: gateway_settings.Settings) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except PermissionError:
            raise Trouble(f"port {settings.port} needs root: choose one from 1024 on, make run PORT=8000") from None
        except OSError:
            return True
    return False


def _listeners(port: int) -> list[psutil.Process]:
    """The processes that listen on a port, as far as this account may see them; parents first."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("tcp")
            ):
                found.add(process)
    return sorted(found, key=lambda process: process.pid)


def _is_ours(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.environ().get(_MARK) == str(servers.PROJECT)
    return False


def _migrate(url: str) -> None:
    from models import database

    try:
        database.migrate(url, progress=say)
    except DBAPIError as problem:
        raise Trouble(f"the database cannot be migrated: {str(problem.orig).strip().splitlines()[0]}") from None


def _fill(url: str) -> None:
    from local import demo

    if demo.is_empty(url):
        say(f"loading demo data: {DEMO_QUOTES} quotes")
        demo.seed(url, quotes=DEMO_QUOTES, progress=say)
    demo.ensure_credentials(url)


def _secret() -> str:
    """This checkout's own secret, made once, so that next links outlive a restart."""
    path = servers.DATA / "secret"
    if not path.exists() or len(path.read_text()) < 32:
        _write_private(path, secrets.token_urlsafe(48))
    return path.read_text()


def _remember(url: str, secret: str) -> None:
    """For `gateway ...` in a second terminal."""
    _write_private(gateway_settings.LOCAL_ENVIRONMENT, f"DATABASE_URL={url}\nGATEWAY_SECRET={secret}\n")


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    _own(path)


def _own(path: Path, *, directory: bool = False) -> None:
    """Make a file or folder that belongs to the owner of the checkout, so that root's runs shut nobody out."""
    try:
        if directory:
            path.mkdir(exist_ok=True)
        else:
            open(path, "a").close()
        if os.geteuid() == 0:
            owner = servers.PROJECT.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
    except PermissionError:
        raise Trouble(
            f"{path} belongs to another account: remove it as that account, sudo rm -r '{servers.DATA}'"
        ) from None


def _serve(settings: gateway_settings.Settings, url: str, credentials: str) -> int:
    """Run Procfile.local and tell what to paste once the web server answers."""
    environ = os.environ | {
        "DATABASE_URL": url,
        "GATEWAY_SECRET": settings.gateway_secret or _secret(),
        "PORT": str(settings.port),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        _MARK: str(servers.PROJECT),
    }
    say("starting the web server")
    words = ["start", "-f", "Procfile.local", "-e", os.devnull, "-p", str(settings.port)]
    processes = subprocess.Popen([sys.executable, "-m", "honcho", *words], cwd=servers.PROJECT, env=environ)
    try:
        if _answers(settings, processes):
            print(_what_to_paste(settings, credentials), flush=True)
        return processes.wait()
    except KeyboardInterrupt:
        say("stopping")
        return 0
    finally:
        _end(processes)


def _end(processes: subprocess.Popen[bytes]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if processes.poll() is None:
        processes.terminate()
    processes.wait()


def _answers(settings: gateway_settings.Settings, processes: subprocess.Popen[bytes]) -> bool:
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host
    deadline = time.monotonic() + _ANSWER_SECONDS
    while processes.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(URLError, OSError):
            urlopen(f"http://{host}:{settings.port}/healthcheck", timeout=2).close()
            return True
        time.sleep(0.1)
    return False


def _what_to_paste(settings: gateway_settings.Settings, credentials: str) -> str:
    root = f"{settings.public_url}/odata/v4/"
    return f"""
  Service root   {root}
{credentials}
  Stop it with Ctrl-C.

  curl -u demo:demo '{root}Quotes?$top=3&$select=Name,Status,GrandTotal&$count=true'
  curl -u demo:demo '{root}Quotes?$filter=Status%20eq%20%27Draft%27&$expand=Lines($select=Name,Quantity)&$top=2'
  curl -u salesforce:salesforce '{root}$metadata'
"""


def _demo_credentials() -> str:
    return """  Credentials    demo / demo              as the standard says (profile strict)
                 salesforce / salesforce  as Salesforce Connect needs it (profile salesforce)
                 They exist in this embedded database only. Another terminal: .venv/bin/gateway --help, make db"""


def _how_to_make_a_credential() -> str:
    return """  Database       the one of DATABASE_URL; nothing was loaded into it
  Credentials    make one, and use it in place of demo:demo and salesforce:salesforce below:
                 .venv/bin/gateway credentials create --org 00D... --profile salesforce"""
