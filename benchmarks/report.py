"""Report: figures beside their limits, as a table and as JSON."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `limit` is what the same stack reaches at best, measured in the same run; `target` is a ratio to it
    if there is a limit, else a figure in the same unit. `higher` says whether more is better."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    limit_name: str = ""
    target: float | None = None
    higher: bool = True

    @property
    def ratio(self) -> float | None:
        return None if self.limit is None else self.value / self.limit

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        reached = self.value if self.ratio is None else self.ratio
        return reached >= self.target if self.higher else reached <= self.target


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": os.cpu_count() or 0,
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
    }


def table(figures: Iterable[Figure]) -> None:
    """Prints the figures for people."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("what", "figure", "limit in the same run", "ratio", "target", ""):
        shown.add_column(heading, justify="left" if heading in ("what", "limit in the same run", "") else "right")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        limit = "" if figure.limit is None else f"{figure.limit:,.0f} {figure.unit}  ({figure.limit_name})"
        target = "" if figure.target is None else f"{'>=' if figure.higher else '<='} {figure.target:,g}"
        met = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met]
        shown.add_row(figure.name, f"{figure.value:,.1f} {figure.unit}", limit, ratio, target, met)
    Console(width=150).print(shown)


def document(figures: Iterable[Figure]) -> str:
    """The figures for programs."""
    rows = [{**asdict(figure), "ratio": figure.ratio, "met": figure.met} for figure in figures]
    return json.dumps({"machine": machine(), "figures": rows}, indent=2)
