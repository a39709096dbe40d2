"""What must hold, and whether it did: ratios inside one run, the floor's own honesty first.

In: requests a second by workload, connections and stack. Out: lines of verdicts. Source: docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Rates = Mapping[tuple[str, int, str], float]
"""(workload, connections, stack) -> requests or rows a second."""

LEAST_HONEST_FLOOR = 0.6
POSTGREST = {
    "w2": 1,
    "w5": 1,
    "w6": 1,
    "w8": 1,
    "w9": 1,
    "w10": 1,
    "w4": 0.9,
    "w1": 0.75,
    "w3": 0.75,
    "w7": 0.8,
    "w7s": 0.8,
}
FLOOR = {"w1": 0.85, "w2": 0.85, "w3": 0.85, "w4": 0.85, "w5": 0.85, "w6": 1.1, "w10": 1.1}
ORM = {"w1": 2, "w2": 3, "w3": 3, "w5": 3, "w6": 3, "w10": 3}
BARE = {"w9": 0.8}
MUSTS = (("postgrest", POSTGREST), ("floor", FLOOR), ("orm", ORM), ("bare", BARE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One must: what was measured, beside what, what it should have been. ratio None: not comparable, says `text`."""

    text: str
    ratio: float | None
    must: float
    holds: bool

    def line(self) -> str:
        mark = "ok  " if self.holds else "FAIL" if self.ratio is not None else "none"
        shown = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return f"{mark} {self.text:<62} {shown:>8}  must {self.must:g}"


def verdicts(rates: Rates) -> Iterator[Verdict]:
    """Every ratio that has a must and was measured."""
    for peer, musts in MUSTS:
        for (workload, connections, stack), own in sorted(rates.items(), key=_order):
            other = rates.get((workload, connections, peer))
            if stack != "gateway" or workload not in musts or other is None:
                continue
            must = float(musts[workload])
            text = f"{workload} at {connections}: gateway / {peer}"
            if other == 0 or own == 0:
                yield Verdict(text=f"{text}: one answered nothing", ratio=None, must=must, holds=False)
            elif peer in ("floor", "bare") and not _honest(rates, workload, connections):
                yield Verdict(text=f"{text}: the floor is below 0.6 of raw", ratio=None, must=must, holds=False)
            else:
                yield Verdict(text=text, ratio=own / other, must=must, holds=own / other >= must)


def _honest(rates: Rates, workload: str, connections: int) -> bool:
    """Neither the bare floor nor raw looks up credentials; at 1 connection only the floor with them is measured."""
    raw = rates.get((workload, connections, "raw"))
    floor = rates.get((workload, connections, "bare")) or rates.get((workload, connections, "floor"))
    return raw is None or floor is None or floor >= LEAST_HONEST_FLOOR * raw


def _order(item: tuple[tuple[str, int, str], float]) -> tuple[int, str, int]:
    (workload, connections, _), _ = item
    return int("".join(filter(str.isdigit, workload))), workload, connections


def table(rates: Rates, titles: Mapping[str, str], stacks: tuple[str, ...], *, digits: int = 0) -> Iterator[str]:
    """Figures by workload and stack as Markdown."""
    yield "| workload | connections | " + " | ".join(stacks) + " |"
    yield "|---|---:|" + "---:|" * len(stacks)
    rows = sorted({key[:2] for key in rates}, key=lambda row: _order(((row[0], row[1], ""), 0.0)))
    for workload, connections in rows:
        figures = (rates.get((workload, connections, stack)) for stack in stacks)
        shown = " | ".join("-" if figure is None else f"{figure:,.{digits}f}" for figure in figures)
        yield f"| {workload} {titles[workload]} | {connections} | {shown} |"
