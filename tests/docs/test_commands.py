"""Every `gateway ...` command and every setting that the documentation names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import cli
import settings

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "salesforce" / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
SETTINGS = {row.variable for row in settings.documentation()}
NOT_OURS = {
    "SIM_PORT": "make run", "MESH_PORT": "make run", "TEST_DATABASE_URL": "make test",
    "TRIGRAM_DATABASE_URL": "make test", "HEROKU_APP_DEFAULT_DOMAIN_NAME": "Heroku", "DATABASE_URL": "Heroku",
    "REQUEST_LIMIT_EXCEEDED": "Salesforce's code", "FIELD_CUSTOM_VALIDATION_EXCEPTION": "Salesforce's code",
}  # fmt: skip
OPERATIONAL = [PROJECT / "docs" / f"{name}.md" for name in ("heroku", "runbook", "apex", "flow")]


def code(page: Path) -> Iterator[str]:
    """What stands in code: lines of blocks, and spans within text."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = [match[1] for match in re.finditer(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for line in "\n".join(blocks).splitlines():
        yield line
    for line in rest.splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands() -> Iterator[tuple[str, str]]:
    """Page and words of each command, without what a shell reads as its own."""
    for page in PAGES:
        for line in code(page):
            for found in re.finditer(r"(?:^|[\s/(])gateway ((?:-|[a-z])[^#|>&;]*)", line):
                if " -> " not in line:
                    yield page.name, found[1].strip()


@pytest.mark.parametrize(("page", "words"), sorted(set(commands())))
def test_a_command_is_there(page: str, words: str) -> None:
    command: click.Command = cli.main
    context = click.Context(command, info_name="gateway")
    known = {option for one in command.get_params(context) for option in one.opts}
    rest = words.split()
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            name = word.split("=")[0]
            assert name in known, f"{page}: gateway {words} has no {name}"
            taking = [one for one in command.params if name in one.opts and not getattr(one, "is_flag", False)]
            if taking and rest and isinstance(command, click.Group):
                rest.pop(0)
        elif isinstance(command, click.Group) and not word.startswith("-"):
            inner = command.get_command(context, word.rstrip(",."))
            assert inner is not None, f"{page}: gateway {words}: no command {word}"
            command, context = inner, click.Context(inner, parent=context)
            known = {option for one in command.get_params(context) for option in (*one.opts, *one.secondary_opts)}


def test_there_are_commands_of_every_kind() -> None:
    first = {words.split()[0] for _, words in commands()}
    assert {"credentials", "migrate", "doctor", "jobs", "callbacks", "status", "sim", "openapi"} <= first


def named() -> Iterator[tuple[str, str]]:
    """Page and name of whatever looks like a variable in the pages about operating."""
    for page in OPERATIONAL:
        for line in code(page):
            for found in re.finditer(r"(?<![\w$])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?=$|[=\s,.:)])", line):
                yield page.name, found[1]


@pytest.mark.parametrize(("page", "name"), sorted(set(named())))
def test_a_setting_is_there(page: str, name: str) -> None:
    assert name in SETTINGS | NOT_OURS.keys(), f"{page} names {name}"


def test_what_app_json_sets_is_there() -> None:
    import json

    said = json.loads((PROJECT / "app.json").read_text(encoding="utf-8"))
    assert set(said["env"]) <= SETTINGS
    given = {name: one["value"] for name, one in said["env"].items() if "value" in one}
    settings.load(given)


def test_open_questions_are_on_the_page_of_the_first_org() -> None:
    listed = set(re.findall(r"^\| (\d+) \|", (PROJECT / "docs" / "first-org.md").read_text("utf-8"), re.MULTILINE))
    for page in OPERATIONAL:
        for number in re.findall(r"\*open (\d+)\*", page.read_text(encoding="utf-8")):
            assert number in listed, f"{page.name} names open question {number}"
