"""Imports point down; Flask, lxml, SQLAlchemy and the settings stay where `odata.imports` has them."""

from __future__ import annotations

import ast
from pathlib import Path

from odata import imports
from odata.imports import Arrow


def test_every_arrow_of_the_project_points_down() -> None:
    assert imports.violations(imports.arrows()) == ()


def test_every_module_of_odata_has_its_place() -> None:
    modules = {arrow.source for arrow in imports.arrows() if arrow.source.startswith("odata.")}
    known = {"odata.imports", "odata.__main__"}
    assert {module for module in modules if imports.part(module) is None} <= known


def test_arrows_that_point_up_are_found() -> None:
    wrong = (
        Arrow("odata.url.tokens", "odata.plan.make"),
        Arrow("odata.sql.run", "odata.payload.envelope"),
        Arrow("odata.plan.make", "models.quote"),
        Arrow("odata.plan.make", "settings"),
        Arrow("applink.jobs", "setting_kinds"),
        Arrow("odata.plan.make", "sqlalchemy"),
        Arrow("odata.sql.run", "flask"),
        Arrow("models.quote", "odata.pipeline"),
        Arrow("applink.jobs", "odata.plan"),
    )
    assert len(imports.violations(wrong)) == len(wrong)


def test_imports_are_read_from_source(tmp_path: Path) -> None:
    (tmp_path / "odata" / "url").mkdir(parents=True)
    (tmp_path / "odata" / "url" / "tokens.py").write_text("from odata import plan\nimport lxml.etree\n")
    found = imports.arrows(tmp_path)
    assert found == (Arrow("odata.url.tokens", "lxml.etree"), Arrow("odata.url.tokens", "odata.plan"))
    assert len(imports.violations(found)) == 2


def test_names_are_imported_from_where_they_live() -> None:
    """One name has one address; only a package's __init__ may hand on names of its modules."""
    borrowed = {}
    for file in sorted((imports.PROJECT / "odata").rglob("*.py")):
        if file.name != "__init__.py":
            module = ".".join(file.relative_to(imports.PROJECT).with_suffix("").parts)
            borrowed[module] = _imported(ast.parse(file.read_text(encoding="utf-8")))
    wrong = [
        f"{module} imports {name} from {source}, which has it from {borrowed[str(source)][name]}"
        for module, names in borrowed.items()
        for name, source in names.items()
        if name in borrowed.get(str(source), {})
    ]
    assert not wrong, "\n".join(wrong)


def _imported(tree: ast.Module) -> dict[str, str | None]:
    """Names that a module imports from others of odata, and from which."""
    froms = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.name: node.module for node in froms for alias in node.names if str(node.module).startswith("odata.")}
