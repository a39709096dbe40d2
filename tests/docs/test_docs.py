"""Documentation says what the code has: options, functions, errors, settings; every link has its target."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cli
import settings
from odata import errors
from odata.functions import FUNCTIONS, UNSUPPORTED
from odata.imports import RANKS
from odata.url.options import _READERS as OPTIONS
from tests.docs import generated

PROJECT = Path(__file__).resolve().parents[2]
README = PROJECT / "README.md"
PAGES = [README, PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").rglob("*.md"))]
DOCUMENTS = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def test_the_tables_of_the_readme_are_those_of_the_code(request: pytest.FixtureRequest) -> None:
    text = README.read_text(encoding="utf-8")
    current = generated.replaced(text)
    if request.config.getoption("--golden"):
        README.write_text(current, encoding="utf-8")
    else:
        assert text == current, "README.md differs from the code: make golden, then review the diff"


@pytest.mark.parametrize("name", OPTIONS)
def test_every_query_option_has_its_line(name: str) -> None:
    assert f"`{name}`" in DOCUMENTS


@pytest.mark.parametrize("name", [*FUNCTIONS, *UNSUPPORTED])
def test_every_function_has_its_line(name: str) -> None:
    assert re.search(rf"`{re.escape(name)}[(`]", DOCUMENTS)


ERRORS = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.ODataError)]


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_has_its_line(name: str) -> None:
    if name in ("ODataError", "Mapping"):
        return
    assert f"`{name}`" in DOCUMENTS
    assert vars(errors)[name].__doc__


@pytest.mark.parametrize("row", settings.documentation(), ids=lambda row: row.variable)
def test_every_setting_has_its_line(row: settings.SettingDoc) -> None:
    assert f"| `{row.variable}` |" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(cli.main.commands))
def test_every_command_is_named(command: str) -> None:
    assert f"gateway {command}" in DOCUMENTS


@pytest.mark.parametrize("part", [name for rank in RANKS for name in rank if name.startswith("odata.")])
def test_every_part_is_on_the_map(part: str) -> None:
    if _exists(part):
        assert part.rpartition(".")[2] in (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_of_the_map_is_that_of_the_imports() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"^ {4}cli, local.*?\n\n", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    drawn = [set(re.findall(r"[\w.]+", line.partition("(")[0])) for line in block[0].strip().splitlines()]
    there = [{name for name in rank if _exists(name)} for rank in RANKS]
    assert drawn == [rank for rank in there if rank]


def _exists(part: str) -> bool:
    path = PROJECT / part.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def test_every_number_in_a_title_is_explained() -> None:
    page = (PROJECT / "docs" / "requirements.md").read_text(encoding="utf-8")
    files = [*(PROJECT / "tests" / "conformance").glob("*.py"), *(PROJECT / "tests" / "cases").glob("*.toml")]
    named = {
        found.replace("_", ".") for file in files for found in re.findall(r"[mia]4[01][._]\d+", file.read_text("utf-8"))
    }
    assert not {number for number in named if not re.search(rf"\b{re.escape(number)}\b", page)}
    asked = (PROJECT / "tests" / "salesforce" / "test_requirements.py").read_text(encoding="utf-8")
    assert set(re.findall(r"def test_(\d+)_", asked)) <= set(re.findall(r"^(\d+)\. ", page, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_pages_that_the_code_names_exist() -> None:
    sources = [*PROJECT.glob("*.py"), *(PROJECT / "odata").rglob("*.py"), *(PROJECT / "models").rglob("*.py")]
    for source in sources:
        for named in re.findall(r"docs/[\w/-]+\.md", source.read_text(encoding="utf-8")):
            assert (PROJECT / named).exists(), f"{source.name} names {named}, which is not there"


def test_every_decision_is_in_the_index() -> None:
    folder = PROJECT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in folder.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, f"docs/decisions/README.md lacks {page.name}"


def test_the_makefile_has_what_the_readme_names() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"^ {4}make ([a-z-]+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets, named - targets
