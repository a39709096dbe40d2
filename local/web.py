"""A web server for tests and measurements: gunicorn as the Procfile starts it, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import settings
from local.trouble import Trouble

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A running web server. url: without a slash at the end; log: what it wrote so far."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def service_root(self) -> str:
        return f"{self.url}/odata/v4/"


def arguments(process_type: str = "web", *, procfile: str = "Procfile.local") -> list[str]:
    """The words of one line of a Procfile."""
    for line in (PROJECT / procfile).read_text().splitlines():
        name, colon, command = line.partition(":")
        if colon and name.strip() == process_type:
            return shlex.split(command)
    raise Trouble(f"{procfile} has no process {process_type}")


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    database_url: str, log: Path, *, command: list[str] | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Web]:
    """A web server over a database for the time of the block.

    Args:   log: file for its output. command: instead of the one of Procfile.local. variables: further settings.
    Raises: Trouble with the end of its log when it does not answer within 30 seconds.
    """
    port = free_port()
    environ = clean_environment() | {
        "DATABASE_URL": database_url,
        "GATEWAY_SECRET": secrets.token_urlsafe(48),
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        **(variables or {}),
    }
    words = command or arguments()
    if words[0] == "gunicorn":
        words = [sys.executable, "-m", *words]
    with open(log, "ab") as output:
        process = subprocess.Popen(
            words, cwd=PROJECT, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        web = Web(url=f"http://127.0.0.1:{port}", port=port, process=process, log=log)
        _wait(web)
        yield web
    finally:
        _end(process)


def clean_environment() -> dict[str, str]:
    """This process's variables without any setting of the gateway."""
    named = {one.variable for one in settings.documentation()}
    return {name: text for name, text in os.environ.items() if name not in named}


def _wait(web: Web) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and web.process.poll() is None:
        with contextlib.suppress(URLError, OSError):
            urlopen(f"{web.url}/healthcheck", timeout=5).close()
            return
        time.sleep(0.05)
    raise Trouble(f"the web server did not start; its log ends:\n{web.log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to finish; after 10 seconds end the whole process group."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
