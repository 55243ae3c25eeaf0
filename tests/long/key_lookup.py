"""How long the stores take to look a key up, right or wrong: whether a caller could tell one from another by a clock.

All kinds take turns, in another order each round, so that a noisy machine slows them alike. What is compared are the
medians; the spread beside them is that of the middle half. Nothing is asserted of time, only that answers are alike.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from example_app.mongod import Mongod
from flask_smmapi import Account
from flask_smmapi.keys import generate
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore
from tests.fuzzing import UNLIMITED
from tests.mongo import with_database
from tests.panel import WRONG_KEY, Panel

from . import Seen

OTHERS = 1_000
"""Keys of other accounts, which are in the store as well."""
ROUNDS = {"memory": 50_000, "MongoDB": 5_000}

Kinds = dict[str, Callable[[], str]]


class Times(NamedTuple):
    """Of one kind of key, in µs."""

    median: float
    spread: float


def run() -> Seen:
    """Both stores, one after the other."""
    texts, wrong = [], []
    with tempfile.TemporaryDirectory() as folder:
        server = Mongod(Path(folder))
        server.acquire()
        try:
            mongo = MongoStore(with_database(server.uri, "keys"))
            mongo.create_indexes()
            for name, store in (("memory", MemoryStore()), ("MongoDB", mongo)):
                kinds, panel = fill(store)
                wrong += [f"{name}: {sentence}" for sentence in told_apart(panel, kinds)]
                texts.append(table(name, measured(store, kinds, ROUNDS[name])))
        finally:
            server.release()
    return Seen("\n\n".join(texts), wrong)


def fill(store: Any) -> tuple[Kinds, Panel]:
    """A store with some keys, and how to make one of each kind; what is wrong is another one each time."""
    panel = Panel(store=store, config=UNLIMITED)
    for number in range(2, OTHERS + 2):
        store.add_account(Account(number))
    revoked = store.create_key(1)
    store.revoke_key(revoked)
    paused = store.add_account(Account("paused"), active=False)
    right = panel.key
    last = [char for char in "abcdefghijklmnopqrstuvwxyz" if char != right[-1]]
    kinds: Kinds = {
        "nobody's": generate,
        "nobody's, and always the same": lambda: WRONG_KEY,
        "the first 8 characters are a key's": lambda: right[:8] + generate()[8:],
        "all but the last are": lambda: right[:-1] + random.choice(last),
        "revoked": lambda: revoked,
        "of a paused account": lambda: paused,
        "right": lambda: right,
    }
    return kinds, panel


def told_apart(panel: Panel, kinds: Kinds) -> Iterable[str]:
    """A sentence for each kind of wrong key that is answered otherwise than nobody's."""
    answers = {name: panel.post("balance", key=make()) for name, make in kinds.items()}
    if answers["right"].status != 200:
        yield "The right key was refused."
    expected = shown(answers["nobody's"])
    for name, answer in answers.items():
        if name != "right" and shown(answer) != expected:
            yield f"A key that is “{name}” was answered with {shown(answer)}, nobody's with {expected}."


def shown(answer: Any) -> tuple[Any, ...]:
    return answer.status, answer.json, sorted(answer.headers.items())


def measured(store: Any, kinds: Kinds, rounds: int) -> dict[str, Times]:
    """Look each kind up so many times, and a tenth as often before, to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    gc.disable()
    try:
        for number in range(-rounds // 10, rounds):
            keys = [(name, f"{make()} "[:-1]) for name, make in kinds.items()]  # texts of their own, as of requests
            random.shuffle(keys)
            for name, key in keys:
                begun = time.perf_counter_ns()
                store.key_lookup(key)
                if number >= 0:
                    taken[name].append((time.perf_counter_ns() - begun) / 1000)
    finally:
        gc.enable()
    return {name: times(values) for name, values in taken.items()}


def times(values: list[float]) -> Times:
    first, median, third = statistics.quantiles(values, n=4)
    return Times(median, third - first)


def table(store: str, seen: dict[str, Times]) -> str:
    """Each kind beside a key that is nobody's."""
    base = seen["nobody's"]
    heading = [
        f"The {store} store, {OTHERS:,} keys, {ROUNDS[store]:,} rounds:",
        "",
        "| the key is | median | spread | beside nobody's | as a share of the spread |",
        "|---|---|---|---|---|",
    ]
    rows = [
        f"| {name} | {one.median:.2f} µs | {one.spread:.2f} µs | {one.median - base.median:+.2f} µs | "
        f"{(one.median - base.median) / (base.spread or 1):+.2f} |"
        for name, one in seen.items()
    ]
    return "\n".join([*heading, *rows])
