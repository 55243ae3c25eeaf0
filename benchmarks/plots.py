"""The pictures of docs/performance.md, from what ``make bench`` has measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from benchmarks.report import OURS, Line
from benchmarks.served import Contention

SIZE = (6.4, 3.4)
DPI = 80
OURS_COLOUR, THEIRS_COLOUR = "#1f6f8b", "#b8c4c9"


def save(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plt.tight_layout()
    plt.savefig(folder / f"performance-{name}.png", dpi=DPI, metadata={"Software": None})
    plt.close()


def ratios(lines: Iterable[Line], folder: Path) -> None:
    """Each ratio that has a target, beside the target."""
    shown = [line for line in lines if line.theirs and line.reached is not None]
    labels = [f"{line.row}  {line.what} : {line.peer.rstrip(':')}" for line in shown]
    plt.figure(figsize=(8.2, 0.27 * len(shown) + 1))
    colours = [OURS_COLOUR if line.reached else "#c05746" for line in shown]
    places = range(len(shown))
    plt.barh(places, [line.value for line in shown], color=colours)
    for place, line in zip(places, shown, strict=True):
        target = line.at_most if line.at_most is not None else line.at_least
        plt.plot([target, target], [place - 0.45, place + 0.45], color="black", linewidth=2)
    plt.yticks(places, labels, fontsize=7)
    plt.gca().invert_yaxis()
    plt.xlabel("ratio to the peer; the black line is the target (red: not reached)")
    save(folder, "ratios")


def served(lines: Iterable[Line], folder: Path) -> None:
    """Requests a second, ours and each peer's."""
    rows: dict[str, dict[str, float]] = {}
    for line in lines:
        if line.unit == "a second" and line.row in (2, 3):
            here = rows.setdefault(line.what, {OURS: statistics.median(line.ours)})
            here[line.peer] = statistics.median(line.theirs)
    if not rows:
        return
    figure, axes = plt.subplots(2, -(-len(rows) // 2), figsize=(12, 5))
    for ax, (what, systems) in zip(axes.flat, rows.items(), strict=False):
        ax.barh(list(systems), list(systems.values()), color=[OURS_COLOUR, *[THEIRS_COLOUR] * (len(systems) - 1)])
        ax.invert_yaxis()
        ax.set_title(what.replace(", ", ",\n", 1), fontsize=8)
        ax.tick_params(labelsize=7)
    for ax in axes.flat[len(rows) :]:
        ax.axis("off")
    figure.supxlabel("requests a second", fontsize=8)
    save(folder, "served")


def growth(times: Mapping[str, Mapping[int, list[float]]], folder: Path) -> None:
    """Milliseconds by the orders that are there, with the least and the most of the rounds."""
    plt.figure(figsize=SIZE)
    for name, by_size in times.items():
        sizes = list(by_size)
        middle = plt.plot(sizes, [statistics.median(by_size[size]) for size in sizes], marker="o", label=name)
        least, most = [min(by_size[size]) for size in sizes], [max(by_size[size]) for size in sizes]
        plt.fill_between(sizes, least, most, color=middle[0].get_color(), alpha=0.15)
    plt.xscale("log")
    plt.ylim(bottom=0)
    plt.xlabel("orders in the database")
    plt.ylabel("ms a request")
    plt.legend(fontsize=8)
    save(folder, "growth")


def by_ids(times: Mapping[str, float], folder: Path) -> None:
    """Status by how many ids it names."""
    plt.figure(figsize=SIZE)
    plt.plot([int(count) for count in times], list(times.values()), marker="o", color=OURS_COLOUR)
    plt.ylim(bottom=0)
    plt.xlabel("ids of one status request, in process")
    plt.ylabel("µs a request")
    save(folder, "ids")


def contention(rows: Iterable[Contention], folder: Path) -> None:
    """One hot account, by workers."""
    rows = list(rows)
    _, axes = plt.subplots(1, 2, figsize=SIZE)
    for name in dict.fromkeys(row.system for row in rows):
        own = [row for row in rows if row.system == name]
        workers = [row.workers for row in own]
        axes[0].plot(workers, [statistics.median(row.per_second) for row in own], marker="o", label=name)
        axes[1].plot(workers, [statistics.median(row.p99) for row in own], marker="o", label=name)
    for ax, what in zip(axes, ("adds a second", "p99, ms"), strict=True):
        ax.set_xlabel("workers, one hot account")
        ax.set_ylabel(what)
        ax.set_ylim(bottom=0)
        ax.set_xticks([1, 2, 4])
    axes[0].legend(fontsize=7)
    save(folder, "hot-account")
