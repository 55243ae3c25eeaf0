"""Measures the product beside its peers: ``make bench`` (ten minutes at most), ``make bench QUICK=1`` (two).

Everything is a ratio against something in the same run; the systems take turns, round by round. What is printed are
medians, with the least and the most of the rounds. Names of rows as arguments run those alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import footprint, growth, in_process, plots, served, systems
from benchmarks.report import OURS, Line, machine, table, write_json
from example_app.mongod import Mongod

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "latest.json"


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    :param seconds: a round of a served system.
    :param requests: a round in process.
    :param orders: in the databases of row 5.
    :param kept: requests that must leave nothing behind.
    :param callers: that fail.
    """

    rounds: int
    seconds: float
    requests: int
    orders: tuple[int, ...]
    kept: int
    callers: int
    rows: tuple[int, int]


FULL = Sizes(5, 0.7, 200, (1_000, 10_000, 100_000, 1_000_000), 100_000, 1_000_000, (5_000, 50_000))
QUICK = Sizes(2, 0.2, 50, (1_000, 10_000), 2_000, 20_000, (1_000, 10_000))


@dataclass
class Bench:
    """One run, and what it has found so far."""

    sizes: Sizes
    uri: str
    lines: list[Line] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def in_process(self) -> None:
        """Row 1, and row 5's ids."""
        self.lines += in_process.against_bare_flask(self.sizes.rounds, self.sizes.requests)
        lines, by_ids = in_process.by_ids(self.sizes.rounds, self.sizes.requests)
        self.lines += lines
        self.extra |= by_ids

    def memory(self) -> None:
        """Row 2."""
        lines, busy = served.in_memory(self.sizes.rounds, self.sizes.seconds)
        self.lines += lines
        self.notes.append(f"The client was at work for at most {max(busy.values()):.0%} of row 2.")

    def mongodb(self) -> None:
        """Row 3."""
        self.notes.append(f"A write that is flushed to the disk takes {flush():.2g} ms here.")
        self.lines += served.on_mongodb(self.uri, self.sizes.rounds, self.sizes.seconds)

    def workers(self) -> None:
        """Row 4."""
        lines, self.extra["hot account"] = served.with_workers(self.uri, self.sizes.rounds, self.sizes.seconds)
        self.lines += lines

    def growth(self) -> None:
        """Row 5, and row 8, which reads what it has stored."""
        of_size = growth.panels(self.uri, list(self.sizes.orders))
        times = growth.measure(of_size, self.sizes.rounds, max(5, self.sizes.requests // 10))
        self.lines += growth.lines(times)
        self.extra["growth"] = times
        audited = sorted(of_size)[:2]
        small, large = (f"{self.uri.partition('?')[0]}orders_{size}?directConnection=true" for size in audited)
        self.lines += footprint.lines_of_streams(small, large, (audited[0], audited[1]), self.sizes.rows)

    def footprint(self) -> None:
        """Rows 6 and 7."""
        with in_process.long_price_list(footprint.SERVICES), systems.databases(self.uri, OURS) as uris:
            rounds = min(3, self.sizes.rounds)
            self.lines += footprint.lines_of_memory(uris[OURS], rounds, self.sizes.kept, self.sizes.callers)
        self.lines += footprint.lines_of_import(self.sizes.rounds)

    def show(self) -> None:
        """Print the tables."""
        print(f"{machine()}. {self.sizes.rounds} rounds; medians (least–most).\n")
        print(table(sorted(self.lines, key=lambda line: line.row)))
        hot = self.extra.get("hot account")
        if hot:
            print(f"\n{served.contention_table(hot)}")
        for note in self.notes:
            print(f"\n{note}")
        missed = [line for line in self.lines if line.reached is False]
        print(f"\n{len(missed)} of {sum(line.reached is not None for line in self.lines)} targets are not reached.")

    def draw(self, folder: Path) -> None:
        """The plots of what was measured."""
        plots.ratios(sorted(self.lines, key=lambda line: line.row), folder)
        plots.served(self.lines, folder)
        for name, draw in (
            ("growth", plots.growth),
            ("status by ids", plots.by_ids),
            ("hot account", plots.contention),
        ):
            if name in self.extra:
                draw(self.extra[name], folder)


PARTS: dict[str, Callable[[Bench], None]] = {
    "in-process": Bench.in_process,
    "memory": Bench.memory,
    "mongodb": Bench.mongodb,
    "workers": Bench.workers,
    "footprint": Bench.footprint,
    "growth": Bench.growth,
}


def flush() -> float:
    """Milliseconds, where MongoDB has its data."""
    times = []
    with tempfile.TemporaryFile(dir=os.environ.get("BENCH_DATA")) as file:
        for _ in range(30):
            file.write(b"x" * 500)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


@contextmanager
def mongodb() -> Iterator[str]:
    """The one server of the bench; ``BENCH_DATA`` names another folder than the system's for its data."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        server = Mongod(Path(folder))
        try:
            yield server.acquire()
        finally:
            server.release()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, smaller databases")
    parser.add_argument("--plots", type=Path, default=RESULTS.parent, help="the folder for the pictures")
    arguments = parser.parse_args()
    wrong = set(arguments.parts) - set(PARTS)
    if wrong:
        parser.error(f"There is no {', '.join(sorted(wrong))}.")
    systems.pin(os.getpid(), systems.CLIENT)  # MongoDB and the client begin here
    begun = time.monotonic()
    with mongodb() as uri:
        bench = Bench(QUICK if arguments.quick else FULL, uri)
        for name in arguments.parts or PARTS:
            print(f"{time.monotonic() - begun:4.0f} s  {name} …", flush=True)
            PARTS[name](bench)
    bench.notes.append(f"All that took {time.monotonic() - begun:.0f} seconds.")
    bench.show()
    extra = {"hot account": [row._asdict() for row in bench.extra.get("hot account", ())]}
    write_json(bench.lines, {**bench.extra, **extra, "notes": bench.notes}, RESULTS)
    bench.draw(arguments.plots)


if __name__ == "__main__":
    main()
