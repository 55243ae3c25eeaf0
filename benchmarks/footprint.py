"""Rows 6 to 8: what a worker weighs, what it takes to import us, and what streams.

What is weighed runs in a process of its own: ``python -m benchmarks.footprint worker`` prints what it found.
"""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.report import Line

SERVICES = 10_000
MEGABYTE = 1 << 20
BACKENDS = ("mongoengine", "pymongo", "bson", "redis")


def weigh(name: str, environment: Mapping[str, str] | None = None, *arguments: object) -> Any:
    """What a function of this module finds in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.footprint", name, *map(str, arguments)]
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ours
    return json.loads(done.stdout)


def resident() -> float:
    """Megabytes of this process that are in memory now."""
    gc.collect()
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:  # no Linux: the most that it ever was, which is bytes on macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


# Row 6


def lines_of_memory(uri: str, rounds: int, requests: int, callers: int) -> list[Line]:
    """Row 6.

    :param uri: of a database with the long price list.
    """
    services = {"BENCH_SERVICES": str(SERVICES), "BENCH_MONGODB_URI": uri}
    empty = [weigh("empty") for _ in range(rounds)]
    lines = []
    for store in ("in_memory", "on_mongodb"):
        ours = [weigh("worker", services, store) for _ in range(rounds)]
        more = [mine - least for mine, least in zip(ours, empty, strict=True)]
        what = f"a worker with {SERVICES:,} services {store.replace('_', ' ')}"
        lines.append(Line(6, what, "MB over an empty app", more, at_most=40))
    grown = weigh("requests", None, requests)
    lines.append(Line(6, f"{requests:,} requests: resident memory", "MB more", [grown["resident"]], at_most=1))
    traced = f"the last {grown['count']:,} of them: tracemalloc"
    lines.append(Line(6, traced, "bytes more a request", [grown["traced"]], at_most=1))
    failed = weigh("callers", None, callers)
    what = f"the second half of {failed['count']:,} callers that fail"
    lines.append(Line(6, what, "bytes more a caller", [failed["each"]], at_most=10))
    lines.append(Line(6, f"{failed['count']:,} callers that fail", "MB in all", [failed["all"]]))
    return lines


def empty() -> float:
    """The least that a Flask app is."""
    from flask import Flask

    app = Flask("empty")
    app.add_url_rule("/", view_func=lambda: "ok")
    app.test_client().get("/")
    return resident()


def worker(store: str) -> float:
    """A panel that has answered each action."""
    from benchmarks import product
    from benchmarks.in_process import Caller

    app = getattr(product, store)()
    for action in ("balance", "services", "services"):
        Caller(app, {"action": action})()
    return resident()


def requests(count: str) -> dict[str, float]:
    """What so many requests leave behind: balance, services, status, and callers with a wrong key."""
    from benchmarks import product
    from benchmarks.in_process import Caller, place

    app = product.in_memory()
    forms = [{"action": "balance"}, {"action": "services"}, {"action": "status", "orders": ",".join(place(app, 10))}]
    calls: list[Callable[[], object]] = [Caller(app, form) for form in forms]
    calls.append(lambda: app.test_client().post("/api/v2", data={"key": "none", "action": "balance"}))

    def send(count: int) -> None:
        for call in islice(cycle(calls), count):
            call()

    send(int(count) // 10)
    before = resident()
    send(int(count))
    after = resident()
    tracemalloc.start()
    few = int(count) // 10
    send(few)  # what is made once
    gc.collect()
    begin, _ = tracemalloc.get_traced_memory()
    send(few)
    gc.collect()
    end, _ = tracemalloc.get_traced_memory()
    return {"resident": after - before, "traced": (end - begin) / few, "count": few}


def callers(count: str, at_most: float = 20.0) -> dict[str, float]:
    """What so many callers that fail cost, all of different addresses; or as many as fail in *at_most* seconds."""
    from flask import Flask

    from flask_smmapi import SmmApi
    from flask_smmapi.errors import TooManyFailedAttempts
    from flask_smmapi.state import current_state
    from flask_smmapi.stores.memory import MemoryStore

    app = Flask("panel")
    SmmApi(app, store=MemoryStore())
    with app.app_context():
        throttle = current_state().throttle
    throttle.fail("10.0.0.1", "first")
    sizes = [resident()]
    step = max(1, int(count) // 20)
    ends = time.monotonic() + at_most
    while len(sizes) <= 20 and time.monotonic() < ends:
        for number in range(len(sizes) * step, (len(sizes) + 1) * step):
            with suppress(TooManyFailedAttempts):  # once memory is full, neighbours are counted together
                throttle.fail(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "bench")
        sizes.append(resident())
    half = len(sizes) // 2
    each = (sizes[-1] - sizes[half]) * MEGABYTE / ((len(sizes) - 1 - half) * step)
    return {"each": each, "all": sizes[-1] - sizes[0], "count": (len(sizes) - 1) * step}


# Row 7


def lines_of_import(rounds: int) -> list[Line]:
    """Row 7."""
    taken = [weigh("imports") for _ in range(rounds)]
    ours, theirs = [each["ours"] for each in taken], [each["flask"] for each in taken]
    return [
        Line(7, "import flask_smmapi", "ms", ours, "before it: flask and flask_limiter", theirs, at_most=1.3),
        Line(7, "modules of other stores in an app in memory", "modules", [weigh("backends")], at_most=0),
    ]


def imports() -> dict[str, float]:
    """Milliseconds. This module imports nothing of either."""
    begun = time.perf_counter()
    import flask_limiter  # noqa: F401 - and flask with it

    between = time.perf_counter()
    import flask_smmapi  # noqa: F401 - importing it is what is timed

    return {"flask": (between - begun) * 1000, "ours": (time.perf_counter() - between) * 1000}


def backends() -> int:
    """How many modules of databases an app on the memory store has imported."""
    from flask import Flask

    from flask_smmapi import SmmApi
    from flask_smmapi.stores.memory import MemoryStore

    app = Flask("panel")
    SmmApi(app, store=MemoryStore())
    app.test_client().post("/api/v2", data={"action": "balance"})
    return len([name for name in sys.modules if name.partition(".")[0] in BACKENDS])


# Row 8


def lines_of_streams(small: str, large: str, entries: tuple[int, int], rows: tuple[int, int]) -> list[Line]:
    """Row 8.

    :param small: the URI of a database with the fewer of *entries*; *large* of the other one.
    :param rows: of two price lists.
    """
    audits = [weigh("audit", None, uri) for uri in (small, large)]
    imported = [weigh("services", None, large, count) for count in rows]
    named = [(f"audit of {entries[1]:,} orders", entries[0], audits)]
    named.append((f"import of {rows[1]:,} services", rows[0], imported))
    return [Line(8, what, "MB at most", [sizes[1]], f"{few:,}:", [sizes[0]], at_most=1.2) for what, few, sizes in named]


def audit(uri: str) -> float:
    """The peak of an audit, which must find nothing."""
    from flask_smmapi.stores.mongo import MongoStore

    store = MongoStore(uri)
    store.balance(1)  # connects
    return peak(lambda: require(not any(store.audit())))


def services(uri: str, count: str) -> float:
    """The peak of the shell's import of so many services; nothing is changed."""
    from flask import Flask

    from benchmarks.data import services, wire
    from flask_smmapi import SmmApi

    os.environ["BENCH_SERVICES"] = count
    app = Flask("panel")
    app.config["SMMAPI_MONGODB_URI"] = uri
    SmmApi(app)
    runner = app.test_cli_runner()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([wire(row) for row in services()], file)
        file.flush()
        command = ["smmapi", "services", "import", file.name, "--dry-run"]
        runner.invoke(args=[*command[:2], "export"])
        return peak(lambda: require(runner.invoke(args=command).exit_code == 0))


def peak(work: Callable[[], object]) -> float:
    """Megabytes of Python's own that *work* had at once."""
    tracemalloc.start()
    work()
    return tracemalloc.get_traced_memory()[1] / MEGABYTE


def require(holds: bool) -> None:
    """:raises RuntimeError: if it does not: then it was no measurement."""
    if not holds:
        raise RuntimeError("What was to be measured has failed.")


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
