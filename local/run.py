"""`make run`: database, migration, demo data, then the processes of Procfile.local, until Ctrl-C.

`make demo` is the same with Procfile.demo, where the page of the simulated org, which it shows, may kill the worker.

With DATABASE_URL set it uses that database: it migrates it, never seeds it nor makes a credential there, and starts no
simulated org beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

from sqlalchemy.exc import DBAPIError

import settings as gateway_settings
from local import ports, servers, simulated
from local.ports import Wanted
from local.simulated import Simulated
from local.trouble import Trouble, say

DATABASE = "gateway"
DEMO_QUOTES = 1000
DEMO = "Procfile.demo"
_ANSWER_SECONDS = 60.0


def main(arguments: list[str], *, procfile: str = "Procfile.local") -> int:
    """Run until a signal or until a process ends; its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    settings = _settings()
    _own(servers.DATA, directory=True)
    with _only_run() as alone:
        if settings.database_url:
            ports.ensure_free((_web_port(settings),), alone=alone)
            _migrate(settings.database_url)
            return _serve(settings, settings.database_url, None)
        if not alone:  # a second org beside the same database would make ids that the rows of the first one have
            raise Trouble("make run is running in this checkout already: stop it, or use a second checkout")
        org = simulated.from_environment()
        ports.ensure_free((_web_port(settings), *org.wanted()), alone=alone)
        say("starting the embedded PostgreSQL")
        with servers.embedded(servers.DATA / "postgres") as server:
            url = server.url(DATABASE) if server.has_database(DATABASE) else server.create_database(DATABASE)
            _migrate(url)
            _fill(url)
            _own(simulated.RECORDS)
            _remember(url, _secret(), org)
            return _serve(settings, url, org, procfile)


def demo(arguments: list[str]) -> int:
    """`make demo`. Raises: Trouble where there would be no simulated org to show."""
    if _settings().database_url:
        raise Trouble("make demo works on the embedded database only: unset DATABASE_URL")
    return main(arguments, procfile=DEMO)


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


def _web_port(settings: gateway_settings.Settings) -> Wanted:
    return Wanted(use="web server", variable="PORT", port=settings.port, host=settings.host)


def _migrate(url: str) -> None:
    from models import migrating

    try:
        migrating.migrate(url, progress=say)
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


def _remember(url: str, secret: str, org: Simulated) -> None:
    """For `gateway ...` in a second terminal."""
    known = {"DATABASE_URL": url, "GATEWAY_SECRET": secret, **_applink(org)}
    lines = "".join(f"{name}={text}\n" for name, text in known.items())
    _write_private(gateway_settings.LOCAL_ENVIRONMENT, lines)


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


def _applink(org: Simulated | None) -> dict[str, str]:
    """The settings that lead to the simulated org; what the shell says itself wins, setting by setting."""
    return {} if org is None else {name: os.environ.get(name) or text for name, text in org.settings().items()}


def _serve(
    settings: gateway_settings.Settings, url: str, org: Simulated | None, procfile: str = "Procfile.local"
) -> int:
    """Run a Procfile and tell what to paste once the web server answers."""
    environ = os.environ | _applink(org) | {
        "DATABASE_URL": url,
        "GATEWAY_SECRET": settings.gateway_secret or _secret(),
        "PORT": str(settings.port),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        ports.MARK: str(servers.PROJECT),
    }  # fmt: skip
    if org is not None:
        environ |= {"SIM_PORT": str(org.port), "MESH_PORT": str(org.mesh_port), "SIM_TARGET": _here(settings)}
    chosen = _processes(environ, org)
    say(f"starting {' and '.join(chosen)}")
    words = ["start", "-f", procfile, "-e", os.devnull, "-p", str(settings.port), *chosen]
    processes = subprocess.Popen([sys.executable, "-m", "honcho", *words], cwd=servers.PROJECT, env=environ)
    try:
        if _answers(settings, org, processes):
            print(_what_to_paste(settings, org), flush=True)
            if org is not None and procfile == DEMO:
                _show(org)
        return processes.wait()
    except KeyboardInterrupt:
        say("stopping")
        return 0
    finally:
        _end(processes)


def _show(org: Simulated) -> None:
    """Say where the page is, and open it where there is a browser with a screen."""
    from simulator.demo import first_page

    url = f"http://127.0.0.1:{org.port}{first_page()}"
    print(f"  Demo page      {url}\n", flush=True)
    has_screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_screen:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(url)


def _processes(environ: Mapping[str, str], org: Simulated | None) -> list[str]:
    """The lines of Procfile.local that have something to do: a worker needs an org, invented or real."""
    if org is not None:
        return ["web", "worker", "simulator"]
    has_org = environ.get("HEROKU_APPLINK_API_URL") or environ.get("SF_AUTH") == "jwt"
    return ["web", "worker"] if has_org else ["web"]


def _end(processes: subprocess.Popen[bytes]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if processes.poll() is None:
        processes.terminate()
    processes.wait()


def _here(settings: gateway_settings.Settings) -> str:
    """The web server as seen from this machine."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host
    return f"http://{host}:{settings.port}"


def _answers(settings: gateway_settings.Settings, org: Simulated | None, processes: subprocess.Popen[bytes]) -> bool:
    """Wait for the web server and, where there is one, for the org behind its mesh; whether they answer."""
    waiting = [f"{_here(settings)}/healthcheck"]
    if org is not None:
        waiting += [f"http://127.0.0.1:{org.port}/services/data/", f"http://127.0.0.1:{org.mesh_port}/healthcheck"]
    deadline = time.monotonic() + _ANSWER_SECONDS
    while waiting and processes.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(URLError, OSError):
            urlopen(waiting[0], timeout=2).close()
            waiting.pop(0)
            continue
        time.sleep(0.1)
    return not waiting


def _what_to_paste(settings: gateway_settings.Settings, org: Simulated | None) -> str:
    root = f"{settings.public_url}/odata/v4/"
    third = f"curl -u salesforce:salesforce '{root}$metadata'"
    if org is not None:
        third = f"{org.command(_here(settings))} invoke createQuote --opportunity {simulated.opportunity()}"
    return f"""
  Service root   {root}
{_how_to_make_a_credential() if org is None else _demo_credentials() + _places(org)}
  Stop it with Ctrl-C.

  curl -u demo:demo '{root}Quotes?$top=3&$select=Name,Status,GrandTotal&$count=true'
  curl -u demo:demo '{root}Quotes?$filter=Status%20eq%20%27Draft%27&$expand=Lines($select=Name,Quantity)&$top=2'
  {third}
"""


def _places(org: Simulated) -> str:
    return f"""
  Simulated org  http://127.0.0.1:{org.port}, the service mesh in front of the gateway http://127.0.0.1:{org.mesh_port};
                 the third line below makes a quote as Apex would, the first one then shows it"""


def _demo_credentials() -> str:
    return """  Credentials    demo / demo              as the standard says (profile strict)
                 salesforce / salesforce  as Salesforce Connect needs it (profile salesforce)
                 They exist in this embedded database only. Another terminal: .venv/bin/gateway --help, make db"""


def _how_to_make_a_credential() -> str:
    return """  Database       the one of DATABASE_URL; nothing was loaded into it
  Credentials    make one, and use it in place of demo:demo and salesforce:salesforce below:
                 .venv/bin/gateway credentials create --org 00D... --profile salesforce"""
