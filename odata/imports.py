"""The arrows between the parts of this project: which imports which, and whether any points up.

In: the source files. Out: lines for a person, and the offending arrows for a test. The picture in
docs/architecture.md as a table: a part may import parts of lower ranks only; parts of one rank do not know each other.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent

RANKS: Final[tuple[tuple[str, ...], ...]] = (
    ("cli", "gunicorn_worker", "local"),
    ("app",),
    ("plain_routes",),
    ("applink", "console", "simulator", "odata.protocol", "odata.explain"),
    ("models",),
    ("odata.pipeline",),
    ("odata.documents",),
    ("odata.service", "odata.arguments"),
    ("odata.payload", "odata.sql", "odata.shapes"),
    ("odata.plan",),
    ("odata.url", "odata.functions", "odata.mapping", "odata.messages"),
    ("odata.edm", "odata.exposure_toml"),
    ("odata.exposure",),
    ("odata.errors",),
)
"""From top to bottom."""

ALLOWED_BESIDE: Final = frozenset({("cli", "local"), ("local", "cli")})
"""Entry points that may know each other."""

SETTINGS: Final = ("settings", "setting_kinds")

SETTINGS_READERS: Final = frozenset(
    {"app", "cli", "gunicorn.conf", "gunicorn_worker", "local", "models.migrations", "applink.worker"}
)
"""The only modules (or packages) that may import one of SETTINGS."""

MODELS_MAY_KNOW: Final = frozenset({"odata.edm", "odata.mapping", "odata.exposure", "odata.errors"})

APPLINK_MAY_KNOW: Final = frozenset({"odata.edm.record_ids"})
"""Ids have one spelling everywhere."""

ONLY_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "flask": ("app", "plain_routes", "applink.endpoints", "console"),
    "lxml": ("odata.edm.csdl",),
    "sqlalchemy": ("odata.functions", "odata.mapping", "odata.sql", "models", "applink", "app", "cli", "local"),
}
"""Libraries that stay where they are named; a folder stands for what is in it."""


@dataclass(frozen=True, slots=True, order=True)
class Arrow:
    """One import: the module that imports, what it imports."""

    source: str
    target: str


def arrows(root: Path = PROJECT) -> tuple[Arrow, ...]:
    """Every import of the project's own modules and of the libraries of ONLY_IN, sorted."""
    found = {Arrow(module, target) for module, file in _modules(root) for target in _imported(module, file)}
    return tuple(sorted(found))


def violations(found: Iterable[Arrow]) -> tuple[str, ...]:
    """A line for each arrow that points up, or that ties what must stay apart."""
    return tuple(line for arrow in found if (line := _violation(arrow)) is not None)


def main() -> int:
    """Print the arrows between the parts; 1 when one points up."""
    found = arrows()
    parts: dict[str, set[str]] = defaultdict(set)
    for arrow in found:
        source, target = part(arrow.source), part(arrow.target)
        if source and target and source != target:
            parts[source].add(target)
    for name in (name for rank in RANKS for name in rank if name in parts):
        print(f"{name:18} -> {', '.join(sorted(parts[name]))}")
    wrong = violations(found)
    for line in wrong:
        print(f"WRONG  {line}")
    return 1 if wrong else 0


def part(module: str) -> str | None:
    """The part of RANKS that a module belongs to: the longest that it starts with."""
    fitting = [name for rank in RANKS for name in rank if _within(module, name)]
    return max(fitting, key=len, default=None)


def _violation(arrow: Arrow) -> str | None:
    line = f"{arrow.source} imports {arrow.target}"
    for library, places in ONLY_IN.items():
        if _within(arrow.target, library) and not any(_within(arrow.source, place) for place in places):
            return f"{line}: {library} belongs in {', '.join(places)}"
    if arrow.target in SETTINGS and not any(_within(arrow.source, reader) for reader in SETTINGS_READERS):
        return f"{line}: only entry points read the settings"
    source, target = part(arrow.source), part(arrow.target)
    if source is None or target is None or source == target or (source, target) in ALLOWED_BESIDE:
        return None
    if _within(source, "odata") and target in ("models", "applink", "app", "local", "simulator", "console"):
        return f"{line}: odata knows nothing of this domain"
    if source == "models" and target not in MODELS_MAY_KNOW:
        return f"{line}: models know of odata only {', '.join(sorted(MODELS_MAY_KNOW))}"
    if source == "applink" and _within(target, "odata") and arrow.target not in APPLINK_MAY_KNOW:
        return f"{line}: applink and odata do not know each other"
    if _rank(source) == _rank(target):
        return f"{line}: they stand beside each other"
    return f"{line}: it points up" if _rank(source) > _rank(target) else None


def _rank(name: str) -> int:
    return next(index for index, rank in enumerate(RANKS) if name in rank)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of the project's own modules, tests and bench apart."""
    tops = {name.split(".")[0] for rank in RANKS for name in rank}
    for top in sorted(tops):
        if (root / f"{top}.py").exists():
            yield top, root / f"{top}.py"
        for file in sorted((root / top).rglob("*.py")):
            words = file.relative_to(root).with_suffix("").parts
            yield ".".join(words[:-1] if words[-1] == "__init__" else words), file


def _imported(module: str, file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from odata import errors` names a module, `from odata.errors import NotFound` a value in one.
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if part(full) != part(node.module) else node.module
