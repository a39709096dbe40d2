"""A fresh environment from requirements.txt alone, as Heroku makes it, and what is said when it cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.servers import PROJECT


@pytest.mark.slow
def test_requirements_alone_give_the_gateway_command(tmp_path: Path) -> None:
    checkout = copy_of_the_project(tmp_path / "a checkout")
    subprocess.run([sys.executable, "-m", "venv", checkout / "env"], check=True)
    python = checkout / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", "requirements.txt"], cwd=checkout, check=True)
    done = subprocess.run(
        [checkout / "env" / "bin" / "gateway", "--version"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("gateway, version ")


@pytest.mark.slow
def test_without_a_network_there_is_one_line(tmp_path: Path) -> None:
    checkout = copy_of_the_project(tmp_path / "a checkout")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": os.devnull}
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PIP_")}
    command = [sys.executable, "local/environment.py"]
    done = subprocess.run(command, cwd=checkout, env=kept | nowhere, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("there seems to be no network: connect, then run make again")


def test_without_the_module_venv_there_is_one_line(tmp_path: Path) -> None:
    checkout = copy_of_the_project(tmp_path / "a checkout")
    script = "import sys; sys.modules['ensurepip'] = None; sys.path.insert(0, 'local'); import environment; "
    done = subprocess.run(
        [sys.executable, "-c", script + "sys.exit(environment.main([]))"], cwd=checkout, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "apt-get install python3" in done.stderr


def test_no_index_address_stands_in_any_file() -> None:
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "pyproject.toml",
        "Makefile",
        ".ci/run",
        "local/environment.py",
    ):
        text = (PROJECT / name).read_text()
        assert "index-url" not in text and "://" not in text, name


def test_every_requirement_is_pinned_and_has_its_reason() -> None:
    reasons = (PROJECT / "docs" / "decisions" / "dependencies.md").read_text().lower()
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line for line in (PROJECT / name).read_text().splitlines() if line and not line.startswith("#")]
        pinned = [line for line in lines if line != "-e ."]
        assert all("==" in line for line in pinned)
        for line in pinned:
            package = line.split("==")[0].split("[")[0]
            assert f"`{package}`" in reasons, f"docs/decisions/dependencies.md says nothing of {package}"
    assert (PROJECT / "requirements.txt").read_text().splitlines()[-1] == "-e ."


def copy_of_the_project(target: Path) -> Path:
    """The source without what was made in it."""
    made = shutil.ignore_patterns(".git", ".venv*", ".data", "__pycache__", "*.egg-info", "tests", ".*_cache", "build")
    shutil.copytree(PROJECT, target, ignore=made)
    return target
