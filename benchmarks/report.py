"""What was measured, as tables to read, JSON to compare, and a word on whether a target was reached."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

System = TypeVar("System")

OURS = "Flask-SmmApi"


@dataclass(frozen=True)
class Line:
    """One thing measured: a value a round of ours, and of a peer in the same rounds if there is one.

    :param row: of the targets.
    :param at_most: the target for the ratio of the medians, or for our median if there is no peer.
    :param at_least: the same, where more is better.
    """

    row: int
    what: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    at_most: float | None = None
    at_least: float | None = None

    @property
    def value(self) -> float:
        """What the target is about."""
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.theirs else ours

    @property
    def reached(self) -> bool | None:
        """None if there is no target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def cells(self) -> list[str]:
        """For the table."""
        bounds = {"≤": self.at_most, "≥": self.at_least}
        target = "".join(f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None)
        verdict = {None: "", True: "yes", False: "**no**"}[self.reached]
        theirs = f"{self.peer} {spread(self.theirs)}" if self.theirs else ""
        ratio = f"{self.value:.2f}" if self.theirs else ""
        return [str(self.row), f"{self.what}, {self.unit}", spread(self.ours), theirs, ratio, target, verdict]

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "value": self.value, "reached": self.reached}


def spread(values: Sequence[float]) -> str:
    """The median, and what the rounds lay between."""
    median = number(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    """Three digits, or all that are before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def table(lines: Iterable[Line]) -> str:
    """A Markdown table."""
    head = ["", "what", OURS, "against", "ratio", "to reach", "reached"]
    rows = [head, ["---"] * len(head), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def alternate(systems: Mapping[System, Callable[[], float]], rounds: int) -> dict[System, list[float]]:
    """A value a round of each system, taking turns, so that a slow moment of the machine is everybody's."""
    values: dict[System, list[float]] = {system: [] for system in systems}
    for _ in range(rounds):
        for system, measure in systems.items():
            values[system].append(measure())
    return values


def machine() -> str:
    """What the figures are from, in a line."""
    return f"Python {platform.python_version()}, PyMongo {version('pymongo')}, {os.cpu_count()} cores, {processor()}"


def processor() -> str:
    """Its name, where Linux tells."""
    try:
        info = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_json(lines: Iterable[Line], extra: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    found = {"machine": machine(), "lines": [line.as_json() for line in lines], **extra}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
