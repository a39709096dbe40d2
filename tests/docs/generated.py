"""The parts of README.md that are made from the code, between two markers each; `make golden` rewrites them."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator

import settings
from odata import errors
from odata.functions import FUNCTIONS, UNSUPPORTED
from odata.plan.make import ALLOWED_OPTIONS
from odata.plan.path import UNSERVED_SEGMENTS
from odata.url.options import _READERS as OPTIONS

DESCRIBED = {
    "$filter": "every operator of the standard, functions below, `any`/`all`, navigation paths, `Lines/$count`, "
    "`$it`, `$this`, `$root`",
    "$search": "words, phrases, AND, OR, NOT, parentheses; ignores case; one word matches inside longer text",
    "$orderby": "properties, expressions, paths over single-valued navigation, `Lines/$count`; always total",
    "$select": "properties, `*`, nested in `$expand`",
    "$expand": "nested options `$select $filter $orderby $top $skip $count $search $expand $levels`; "
    "`*`, `/$ref`, `/$count`",
    "$top": "up to `MAX_TOP_ONE_PAGE` in one page",
    "$skip": "up to `MAX_SKIP`; next links go on without limit",
    "$count": "`true` adds `@odata.count`",
    "$levels": "inside `$expand`, for a navigation property that leads to its own set",
    "$format": "`json`, `xml` and media types, before `Accept`",
    "$skiptoken": "as next links carry it; none of your own",
    "$schemaversion": "`*` only",
}


def sections() -> dict[str, str]:
    """Name of a marker -> what stands between its two lines."""
    return {"options": options(), "functions": functions(), "settings": settings_table(), "errors": errors_table()}


def replaced(readme: str) -> str:
    """The README with every section as the code says."""
    for name, text in sections().items():
        readme, found = re.subn(
            rf"(<!-- {name}: .*?-->\n).*?(<!-- end of {name} -->)",
            functools.partial(_between, text),
            readme,
            flags=re.DOTALL,
        )
        if found != 1:
            raise ValueError(f"README.md has {found} sections between the markers of '{name}'")
    return readme


def _between(text: str, match: re.Match[str]) -> str:
    return f"{match[1]}{text}\n{match[2]}"


def options() -> str:
    applied = {f"${name}" for names in ALLOWED_OPTIONS.values() for name in names}
    served = [name for name in OPTIONS if name in DESCRIBED]
    unserved = [name for name in OPTIONS if name not in DESCRIBED]
    if missing := applied - set(served):
        raise ValueError(f"no words for {missing}")
    rows = [f"| `{name}` | {DESCRIBED[name]} |" for name in served]
    segments = sorted(f"`{name}`" for name in UNSERVED_SEGMENTS)
    return "\n".join([
        "| option | what is served |", "|---|---|", *rows, "",
        f"Answered 501, naming the construct: {', '.join(f'`{name}`' for name in unserved)}; "
        f"the segments {', '.join(segments)}.",
    ])  # fmt: skip


def functions() -> str:
    rows = []
    for name in sorted(FUNCTIONS):
        signatures = " ".join(f"`{entry.signature.replace('Edm.', '')}`" for entry in FUNCTIONS[name])
        rows.append(f"| {signatures} | {FUNCTIONS[name][0].doc.splitlines()[0]} |")
    refused = "; ".join(f"`{name}` ({reason})" for name, reason in UNSUPPORTED.items())
    return "\n".join(["| function | meaning |", "|---|---|", *rows, "", f"Answered 501: {refused}."])


def settings_table() -> str:
    rows = []
    for row in settings.documentation():
        default = f"`{row.default}`" if row.default else ""
        rows.append(f"| `{row.variable}` | {default} | {_cell(row.doc)} |")
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def errors_table() -> str:
    rows = [
        f"| {kind.status} | `{kind.__name__}` | {_cell(inspect.cleandoc(kind.__doc__ or '').splitlines()[0])} |"
        for kind in sorted(_kinds(), key=lambda kind: (kind.status, kind.__name__))
    ]
    return "\n".join(["| status | code | when |", "|---|---|---|", *rows])


def _kinds() -> Iterator[type[errors.ODataError]]:
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.ODataError) and kind is not errors.ODataError:
            yield kind


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
