"""Rows 2 to 4: requests a second through a real server, in memory and on MongoDB, with one worker and with more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import pymongo

from benchmarks.data import ADD, key_of
from benchmarks.load import Outcome, answer, load
from benchmarks.report import OURS, Line, alternate, spread
from benchmarks.systems import (
    CLIENT,
    EXPRESS,
    FASTAPI,
    IN_MEMORY,
    ON_MONGODB,
    SERVER,
    USUAL,
    USUAL_ON_MONGODB,
    Server,
    databases,
    flask_on_granian,
    pin,
    serving,
)

IDS = 100
CONNECTIONS = 16

Forms = list[dict[str, str]]


def adds(accounts: int) -> Forms:
    """An order of each of so many accounts."""
    return [{"key": key_of(account), **ADD} for account in range(1, accounts + 1)]


class Rounds(NamedTuple):
    """What the client saw of one system, round by round."""

    outcomes: list[Outcome]

    def per_second(self) -> list[float]:
        return [outcome.per_second for outcome in self.outcomes]

    def p99(self) -> list[float]:
        return [outcome.p99 for outcome in self.outcomes]

    def tail(self) -> list[float]:
        """How many medians the p99 is."""
        return [outcome.p99 / outcome.median for outcome in self.outcomes]

    def busy(self) -> float:
        return max(outcome.busy for outcome in self.outcomes)


def measure(
    servers: Mapping[str, Server], forms: Mapping[str, Forms] | Forms, connections: int, rounds: int, seconds: float
) -> dict[str, Rounds]:
    """Rounds of all of them, taking turns, after one that does not count.

    :param forms: to send to all, or to each.
    """

    def job(name: str, server: Server) -> Callable[[], Outcome]:
        sent = forms[name] if isinstance(forms, Mapping) else forms
        return partial(load, server.port, sent, connections, seconds)

    jobs = {name: job(name, server) for name, server in servers.items()}
    alternate(jobs, 1)
    return {name: Rounds(outcomes) for name, outcomes in alternate(jobs, rounds).items()}


def compare(row: int, what: str, measured: Mapping[str, Rounds], limits: Mapping[str, float | None]) -> list[Line]:
    """A line for each peer: requests a second."""
    return [
        Line(row, what, "a second", measured[OURS].per_second(), peer, found.per_second(), at_least=limits.get(peer))
        for peer, found in measured.items()
        if peer != OURS
    ]


def in_memory(rounds: int, seconds: float) -> tuple[list[Line], dict[str, float]]:
    """Row 2, and how busy the client was."""
    with serving(IN_MEMORY, {}) as servers:
        measured = measure(servers, adds(100), CONNECTIONS, rounds, seconds)
    lines = compare(2, "add in memory", measured, {EXPRESS: 1.3, FASTAPI: 1.3, USUAL: 1.8})
    return lines, {name: found.busy() for name, found in measured.items()}


def on_mongodb(uri: str, rounds: int, seconds: float) -> list[Line]:
    """Row 3."""
    lines = []
    with databases(uri, *ON_MONGODB) as uris, serving(ON_MONGODB, uris) as servers:
        for accounts in (1, 100):
            for connections in (1, CONNECTIONS):
                what = f"add, {plural(accounts, 'account')}, {plural(connections, 'connection')}"
                measured = measure(servers, adds(accounts), connections, rounds, seconds)
                lines += compare(3, what, measured, {USUAL_ON_MONGODB: 1.5, EXPRESS: 1.2})
                if connections > 1:
                    tail = measured[OURS].tail()
                    lines.append(Line(3, f"{what}: p99", "of the median", tail, at_most=3))
        asked = {name: [status_of(server)] for name, server in servers.items()}
        for connections in (1, CONNECTIONS):
            what = f"status of {IDS}, {plural(connections, 'connection')}"
            measured = measure(servers, asked, connections, rounds, seconds)
            lines += compare(3, what, measured, {USUAL_ON_MONGODB: 3})
    return lines


def status_of(server: Server) -> dict[str, str]:
    """The form that asks for a hundred orders of account 1, which are placed for it."""
    [form] = adds(1)
    ids = [answer(server.port, form)["order"] for _ in range(IDS)]
    return {"key": form["key"], "action": "status", "orders": ",".join(ids)}


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"


# Workers


class Contention(NamedTuple):
    """One hot account, and so many workers.

    :param retries: of its writes, for each add.
    """

    system: str
    workers: int
    per_second: list[float]
    p99: list[float]
    retries: float


def with_workers(uri: str, rounds: int, seconds: float) -> tuple[list[Line], list[Contention]]:
    """Row 4. Everybody has both cores here: workers, client and MongoDB."""
    ours, usual = "benchmarks.product:on_mongodb", "benchmarks.peers.flask_limiter_mongoengine:create_app"
    systems = {
        f"{name} × {workers}": (name, workers, flask_on_granian(target, workers))
        for name, target in ((OURS, ours), (USUAL_ON_MONGODB, usual))
        for workers in (1, 2, 4)
    }
    commands = {key: command for key, (_, _, command) in systems.items()}
    with both_cores(uri), databases(uri, *systems) as uris, serving(commands, uris, (*SERVER, *CLIENT)) as servers:
        one, four = f"{OURS} × 1", f"{OURS} × 4"
        spread_out = measure({key: servers[key] for key in (one, four)}, adds(50), CONNECTIONS, rounds, seconds)
        fast, slow = spread_out[four].per_second(), spread_out[one].per_second()
        line = Line(4, "add, 50 accounts, 4 workers", "a second", fast, "1 worker", slow, at_least=1.6)
        before = {key: Counts.read(uris[key]) for key in systems}
        measured = measure(servers, adds(1), CONNECTIONS, rounds, seconds)
        after = {key: Counts.read(uris[key]) for key in systems}
    hot = [
        Contention(name, workers, measured[key].per_second(), measured[key].p99(), after[key].retries(before[key]))
        for key, (name, workers, _) in systems.items()
    ]
    return [line], hot


class Counts(NamedTuple):
    """What MongoDB has counted in a database.

    :param collisions: of writers of one account in our ledger; each costs two reads, and an add has no others.
    """

    orders: int
    collisions: float

    @classmethod
    def read(cls, uri: str) -> Counts:
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            database = client.get_default_database()
            names = set(database.list_collection_names())
            orders = database["smmapi_orders" if "smmapi_orders" in names else "orders"]
            collisions = 0.0
            if "smmapi_ledger" in names:
                [stats] = database["smmapi_ledger"].aggregate([{"$collStats": {"latencyStats": {}}}])
                collisions = stats["latencyStats"]["reads"]["ops"] / 2
            return cls(orders.estimated_document_count(), collisions)

    def retries(self, before: Counts) -> float:
        """For each order that was placed since; none where the server decides between the writers."""
        return (self.collisions - before.collisions) / max(1, self.orders - before.orders)


@contextmanager
def both_cores(uri: str) -> Iterator[None]:
    """Let MongoDB and this process, with the client that it starts, use both cores meanwhile."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        pids = (int(client.admin.command("serverStatus")["pid"]), os.getpid())
    for pid in pids:
        pin(pid, (*SERVER, *CLIENT))
    yield
    for pid in pids:
        pin(pid, CLIENT)


def contention_table(rows: list[Contention]) -> str:
    """A Markdown table."""
    head = ["one hot account", "workers", "adds a second", "p99, ms", "retries per add"]
    cells = [
        [row.system, str(row.workers), spread(row.per_second), spread(row.p99), f"{row.retries:.2f}"] for row in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *cells])
