"""`.venv` with the pinned requirements and the command `gateway`. Standard library only: it runs before all else.

    python3 local/environment.py           what `make run` needs
    python3 local/environment.py --dev     what `make test` and `make check` need

It does nothing when the requirements were installed before, and starts again where an interrupted run left off. Every
line says what is going on; what fails ends with one line that says the way out.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
_OFFLINE = re.compile(
    r"Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|"
    r"Network is unreachable|NewConnectionError|ConnectTimeout|Connection refused|nodename nor servname|ProxyError|"
    r"Read timed out|Max retries exceeded",
)


def main(arguments: list[str]) -> int:
    """Make or complete `.venv`; 0 when it is ready."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this file is run by whatever python3 is)
        return _fail(
            f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.12 ..."
        )
    files = [PROJECT / "requirements.txt"] + ([PROJECT / "requirements-dev.txt"] if "--dev" in arguments else [])
    try:
        with open(PROJECT / ".venv.lock", "w") as lock:
            if os.geteuid() == 0:  # root's run shuts the owner of the checkout out of nothing
                owner = PROJECT.stat()
                os.chown(lock.fileno(), owner.st_uid, owner.st_gid)
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _ensure(files)
    except PermissionError as problem:
        return _fail(
            f"no permission to write {problem.filename} (was make run as root before?): "
            f"remove it as that account, sudo rm -rf '{VENV}' '{PROJECT / '.venv.lock'}'"
        )


def _ensure(files: list[Path]) -> int:
    if _is_ready(files):
        return 0
    if not _is_usable():
        code = _create()
        if code:
            return code
    code = _install(files)
    if code == 0:
        for file in files:
            _stamp(file).write_text(_fingerprint(file))
        _say("packages are ready")
    return code


def _is_ready(files: list[Path]) -> bool:
    return PYTHON.exists() and all(
        _stamp(file).exists() and _stamp(file).read_text() == _fingerprint(file) for file in files
    )


def _stamp(file: Path) -> Path:
    return VENV / f"{file.stem}.installed"


def _fingerprint(file: Path) -> str:
    """Changes with the requirements, the project's own definition, and the place: a moved environment is broken."""
    parts = [file.read_bytes(), (PROJECT / "pyproject.toml").read_bytes(), os.fsencode(VENV)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _is_usable() -> bool:
    """Whether `.venv` is whole enough to install into: its Python runs, has pip, and it was made at this place."""
    command = [str(PYTHON), "-c", "import sys, pip; print(sys.version_info >= (3, 11), sys.prefix)"]
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True)
        marker = VENV / "place"
        return done.stdout.startswith("True") and marker.exists() and marker.read_text() == str(VENV)
    return False


def _create() -> int:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        return _fail(f"Python's module venv is missing on this machine: apt-get install {package}, then run make again")
    _say(f"making {VENV} with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if done.returncode != 0:
        return _fail(f"the virtual environment could not be made: {_last_line(done.stdout + done.stderr)}")
    (VENV / "place").write_text(str(VENV))
    return 0


def _install(files: list[Path]) -> int:
    names = [line for file in files for line in file.read_text().splitlines() if "==" in line]
    _say(f"installing {len(names)} pinned packages (a minute or so when they have to be downloaded)")
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "1"]
    command += [word for file in files for word in ("-r", str(file))]
    output: list[str] = []
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            output.append(line)
            _tell(line.strip())
    if pip.returncode == 0:
        return 0
    if _OFFLINE.search("".join(output)):
        return _fail("the packages could not be downloaded, there seems to be no network: connect, then run make again")
    errors = [line.strip() for line in output if line.strip().startswith("ERROR:")]
    return _fail(f"pip could not install the packages: {errors[0] if errors else _last_line(''.join(output))}")


def _tell(line: str) -> None:
    """Of pip's output, the lines that show that it goes on."""
    if line.startswith("Collecting "):
        print(f"  {line.split()[1]}", file=sys.stderr, flush=True)
    elif line.startswith(("Downloading ", "Building ", "Installing build")):
        print(f"    {line[:110]}", file=sys.stderr, flush=True)
    elif line.startswith("Installing collected"):
        print("  unpacking", file=sys.stderr, flush=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _say(text: str) -> None:
    print(f"gateway: {text}", file=sys.stderr, flush=True)


def _fail(text: str) -> int:
    _say(text)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted; run make again to go on"))
