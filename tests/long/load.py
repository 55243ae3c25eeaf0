"""Real load on real processes, while the servers behind them are restarted: no answer is lost, and no money.

200 connections ask four workers for five minutes, as fast as they are answered. A tenth of the requests has a wrong
key, and a tenth a bad body. MongoDB is stopped and started after a third of the time, Redis is killed and started after
two thirds. ``SECONDS_OF_LOAD`` changes the time.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import mongoengine
from flask import Flask

from example_app.mongod import Mongod
from flask_smmapi import Account, Order, OrderStatus, SmmApi
from flask_smmapi.placement import Placement, Reconciled, now
from flask_smmapi.stores.mongo import MongoStore

from ..mongo import with_database
from ..panel import LINK, service
from ..test_limiter_integration import RedisServer
from ..uncounted import uncounted
from . import Seen
from .load_clients import LARGEST_QUANTITY, MAX_BODY, RATES, Add, Book, Client, Record

ROOT = Path(__file__).parents[2]

THREADS = 8
"""That each worker has for requests."""

FOR_EACH = 5
"""Connections for each account."""

POOR_ONES = 10
"""One account of so many soon has no money left."""

RICH, POOR = 10**14, 10**10
"""Units on an account at first."""

COMPLETED = 5
"""Orders of each account that can be refilled."""

PAGE = 500
"""Orders that are read at once in the end."""

DEADLINE = 60.0
"""Seconds after which a server that does not come is given up."""

SAMPLE_EVERY = 5.0
WARM_UP = 30.0
"""Seconds. What a worker has then is compared with what it has in the end; a run of twice that says nothing of it."""

GRACE = 5.0
"""Seconds after MongoDB is back in which requests are answered that waited for it."""

RSS_BOUND = 16 * 2**20
"""Bytes that a worker may have more in the end than after the warm-up."""

FILES_BOUND = 20
"""Open file descriptors that it may have more; connections move between workers when they are made anew."""

ANY_AGE = -timedelta(hours=1)

OUTAGE = (
    "A store could not be reached.",
    "could not be abandoned; reconcile will.",
    "The limiter's storage cannot be used",
)
"""What the workers log while a server is away."""


def run() -> Seen:
    """What a run of the whole length has seen."""
    program = shutil.which("redis-server")
    if program is None:
        return Seen("It was not run.", ["redis-server is missing."])
    seconds = float(os.environ.get("SECONDS_OF_LOAD", "300"))
    with tempfile.TemporaryDirectory() as folder:
        mongod, redis = Mongod(Path(folder, "mongodb")), RedisServer(program)
        try:
            mongod.acquire()
            return load(mongod, redis, Path(folder), seconds=seconds, connections=200, workers=4, away=5)
        finally:
            mongod.release()
            redis.kill()


def load(
    mongod: Mongod, redis: RedisServer, folder: Path, *, seconds: float, connections: int, workers: int, away: float
) -> Seen:
    """Serve, load, restart what is behind, and compare what was told with what is stored.

    :param folder: for what the server writes.
    :param away: how many seconds MongoDB and Redis are away at least.
    """
    try:
        shop = Shop(with_database(mongod.uri, "load"), connections // FOR_EACH)
        with serving(shop.uri, redis.uri, folder, workers) as server:
            storm = Storm(shop, server, seconds, connections)
            asyncio.run(storm.blow(mongod, redis, away))
        log = (folder / "log").read_text("utf-8", "replace")
        return Report(shop, server, storm, log).seen()
    finally:
        mongoengine.disconnect("load")


class Shop:
    """The accounts in the database, the price list, and some orders that can be refilled; and what all were told."""

    def __init__(self, uri: str, accounts: int) -> None:
        self.uri = uri
        self.record = Record()
        self.store = MongoStore(uri, alias="load")
        self.store.create_indexes()
        self.store.set_services(
            [
                service(1, rate=_amount(RATES[1]), max=LARGEST_QUANTITY),
                service(2, "Package", rate=_amount(RATES[2])),
                service(3, "Custom Comments", rate=_amount(RATES[3])),
            ]
        )
        smmapi = SmmApi(Flask("shop"), store=self.store)
        self.books = {number: self._open(smmapi, number) for number in range(1, accounts + 1)}

    def _open(self, smmapi: SmmApi, number: int) -> Book:
        account, opening = Account(number), POOR if number % POOR_ONES == 1 else RICH
        book = Book(self.store.add_account(account, balance=_amount(opening)), opening, f"192.0.2.{number}")
        for n in range(COMPLETED):
            link = f"{LINK}/completed/{number}/{n}"
            order = smmapi.place(account, {"service": 1, "link": link, "quantity": 1000})
            ended = now() - timedelta(days=2)
            done = replace(order, status=OrderStatus.COMPLETED, due=None, remains=0, created=ended, ended=ended)
            assert self.store.replace(done)
            book.completed.append(order.id)
            book.adds[link] = Add({}, RATES[1], None, order.id)
            book.asked += RATES[1]
            book.accepted += RATES[1]
        return book

    def orders(self, account: int) -> Iterator[Order]:
        """All of them, the newest first."""
        before = None
        while page := self.store.list(account, limit=PAGE, before=before):
            yield from page
            before = page[-1].number


def _amount(units: int) -> Decimal:
    return Decimal(units).scaleb(-8)


# The server


class Sample(NamedTuple):
    """What a process has just now.

    :param rss: bytes.
    :param files: open file descriptors.
    """

    rss: int
    files: int


class Server(NamedTuple):
    """The workers, by process id."""

    port: int
    workers: list[int]

    def sample(self) -> dict[int, Sample]:
        """Of each worker that lives."""
        samples = {}
        for worker in self.workers:
            with suppress(OSError):
                pages = int(Path(f"/proc/{worker}/statm").read_text().split()[1])
                files = len(os.listdir(f"/proc/{worker}/fd"))
                samples[worker] = Sample(pages * resource.getpagesize(), files)
        return samples


@contextmanager
def serving(uri: str, limiter: str, folder: Path, workers: int) -> Iterator[Server]:
    """Serve until the end; all that the processes write is in the file ``log`` then."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "workers").mkdir()
    command = [sys.executable, "-m", "tests.long.load_server", str(port), str(workers), str(THREADS)]
    settings = {
        "FLASK_SMMAPI_MONGODB_URI": uri,
        "FLASK_SMMAPI_MAX_CONTENT_LENGTH": str(MAX_BODY),
        "FLASK_RATELIMIT_STORAGE_URI": limiter,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(folder / "workers")], stdout=log, stderr=log, cwd=ROOT, env={**uncounted(), **settings}
        )
    try:
        yield Server(port, _wait_for_workers(process, folder / "workers", workers, port))
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _wait_for_workers(process: subprocess.Popen[bytes], folder: Path, count: int, port: int) -> list[int]:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until and process.poll() is None:
        there = sorted(int(path.name) for path in folder.iterdir())
        with suppress(OSError):
            if len(there) == count:
                socket.create_connection(("127.0.0.1", port)).close()
                return there
        time.sleep(0.05)  # between two looks
    raise AssertionError(f"The server did not come; see {folder.parent / 'log'}.")


# The load


class Away(NamedTuple):
    """When a server was stopped, and when it was there again."""

    stopped: float
    back: float


class Storm:
    """All connections ask, until the time is over.

    :ivar began: when; likewise :ivar ended: for the last answer.
    :ivar samples: when, and what the workers had.
    """

    def __init__(self, shop: Shop, server: Server, seconds: float, connections: int) -> None:
        self._shop = shop
        self._server = server
        self._seconds = seconds
        books = list(shop.books.values())
        self.clients = [
            Client(server.port, books[number % len(books)], shop.record, number) for number in range(connections)
        ]
        self.samples: list[tuple[float, dict[int, Sample]]] = []
        self.began = self.ended = 0.0
        self.own_seconds = 0.0  # of the processor, which the clients had

    async def blow(self, mongod: Mongod, redis: RedisServer, away: float) -> None:
        over = asyncio.Event()
        self.began, spent = time.monotonic(), time.process_time()
        running = [asyncio.create_task(client.run(over)) for client in self.clients]
        looking = asyncio.create_task(self._look(over))
        restarting = asyncio.create_task(self._restart(mongod, redis, away))
        await asyncio.sleep(self._seconds)
        await restarting
        over.set()
        await looking
        await asyncio.gather(*running)
        self.ended, self.own_seconds = time.monotonic(), time.process_time() - spent
        await self._settle()

    async def _restart(self, mongod: Mongod, redis: RedisServer, away: float) -> None:
        await self._sleep_until(self._seconds / 3)
        stopped = time.monotonic()
        await asyncio.to_thread(mongod.release)
        await asyncio.wait_for(self._shop.record.first_unavailable.wait(), DEADLINE)
        await asyncio.sleep(stopped + away - time.monotonic())
        await asyncio.to_thread(mongod.acquire)
        self.mongodb = Away(stopped, time.monotonic())

        await self._sleep_until(self._seconds * 2 / 3)
        stopped = time.monotonic()
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(away)
        await asyncio.to_thread(redis.start)
        self.redis = Away(stopped, time.monotonic())

    async def _sleep_until(self, second: float) -> None:
        await asyncio.sleep(self.began + second - time.monotonic())

    async def _look(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self.samples.append((time.monotonic(), self._server.sample()))
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(over.wait(), SAMPLE_EVERY)
        self.samples.append((time.monotonic(), self._server.sample()))  # while the last requests are at work

    async def _settle(self) -> None:
        """Put right what was left undone, and ask for each balance once more."""
        store = self._shop.store
        self.reconciled: Reconciled = await asyncio.to_thread(Placement(store, store).reconcile, ANY_AGE)
        last = Record()
        self.balances = {
            number: await Client(self._server.port, book, last, 0).ask_balance()
            for number, book in self._shop.books.items()
        }
        self._shop.record.wrong.update(last.wrong)


# What was seen


class Report:
    """Compares, and says it in Markdown."""

    def __init__(self, shop: Shop, server: Server, storm: Storm, log: str) -> None:
        self._shop = shop
        self._record = shop.record
        self._server = server
        self._storm = storm
        self._log = log
        self._wrong: list[str] = []
        self._found: Counter[str] = Counter()

    def seen(self) -> Seen:
        for sentence, count in self._record.wrong.items():
            self._wrong.append(f"{sentence} ({count} times)" if count > 1 else sentence)
        for number, book in self._shop.books.items():
            self._compare(number, book)
        differences = [f"{where}: {what}" for where, what in self._shop.store.audit(older_than=ANY_AGE)]
        self._wrong += [f"The audit: {difference}." for difference in differences[:10]]
        self._found["differences"] = len(differences)
        if self._storm.reconciled.failed:
            self._wrong.append(f"{self._storm.reconciled.failed} orders could not be reconciled.")
        self._judge_guesses()
        self._judge_workers()
        logged = self._judge_log()
        parts = [self._setting(), self._speed(), self._money(), self._memory(), logged, self._answers()]
        return Seen("\n\n".join(parts), self._wrong)

    def _setting(self) -> str:
        storm = self._storm
        seconds = storm.ended - storm.began
        return _fill(
            f"granian with {len(self._server.workers)} workers of {THREADS} threads each, MongoDB and Redis on the",
            f"same machine; {len(storm.clients)} connections for {len(self._shop.books)} accounts, each of which asks",
            f"again as soon as it is answered, for {seconds:.0f} seconds. The clients are one process on the same",
            f"cores, and took {storm.own_seconds / seconds:.0%} of one core. So the latencies are those of a machine",
            "that has more to do than it can.",
        )

    def _speed(self) -> str:
        storm, record = self._storm, self._record
        every = [took for _, took in record.seconds]
        calm = [took for at, took in record.seconds if not self._is_in(at, storm.mongodb)]
        at_once = len(every) / (storm.ended - storm.began)
        connected = sum(client.connected for client in storm.clients)
        first, last = (self._at(choose(record.unavailable or [storm.began])) for choose in (min, max))
        return "\n".join(
            [
                f"- {len(every):,} requests, {at_once:.0f} a second, over {connected:,} connections in all.",
                f"- {_latency(every)}. But for the restart of MongoDB: {_latency(calm)}.",
                f"- MongoDB was stopped at {self._at(storm.mongodb.stopped)}, back at {self._at(storm.mongodb.back)}. "
                f"{len(record.unavailable):,} requests were answered 503, from {first} to {last}; {self._busy()}",
                f"- Redis was killed at {self._at(storm.redis.stopped)} and back at {self._at(storm.redis.back)}. "
                f"{self._guessing()}",
            ]
        )

    def _busy(self) -> str:
        """Nobody waits for ever: what a machine that has too much to do does not get done in time is 503, too."""
        busy = sum(not self._is_in(at, self._storm.mongodb) for at in self._record.unavailable)
        return f"{busy:,} of them while MongoDB was there, but did not answer in a request's time."

    def _guessing(self) -> str:
        killed = self._storm.redis.stopped
        before = [sum(at < killed for at, _ in answers) for answers in self._record.guesses.values()]
        allowed = [[status for _, status in answers].count(401) for answers in self._record.guesses.values()]
        return (
            f"Until then {sum(count > 10 for count in before)} addresses had guessed more than ten times; "
            f"{self._found['blocked']} of them had heard 401 ten times, then 429. In the end, each worker having "
            f"counted alone and Redis having forgotten, one heard 401 at most {max(allowed, default=0)} times."
        )

    def _answers(self) -> str:
        rows = ["| request | status | text | answers |", "|---|---|---|---|"]
        for (what, status, text), count in sorted(self._record.heard.items()):
            rows.append(f"| {what} | {status} | {text} | {count:,} |")
        return "\n".join(rows)

    def _money(self) -> str:
        done, found = self._storm.reconciled, self._found
        return _fill(
            f"{self._record.sent_adds:,} adds were sent. {found['told']:,} orders were told of and are there once;",
            f"{found['keys']:,} idempotency keys have one order each; {found['canceled']:,} orders are canceled and",
            f"paid back. Of {found['unknown']:,} adds that heard nothing but 503, {found['whole']:,} are orders, paid",
            f"for, and {found['unknown'] - found['whole']:,} are not there and cost nothing. `reconcile` abandoned",
            f"{done.abandoned}, paid back {done.paid_back}, and failed with {done.failed}. Then the audit found",
            f"{found['differences']} differences in {found['orders']:,} orders, and {found['balances']} of",
            f"{len(self._shop.books)} balances, as the workers answer them, were those of the clients' own books.",
        )

    def _memory(self) -> str:
        looks = self._looks()
        rows = [
            _fill(
                f"RSS in MiB and open file descriptors of each worker, looked at every {SAMPLE_EVERY:.0f} seconds.",
                f"Flat means here: at most {RSS_BOUND / 2**20:.0f} MiB and {FILES_BOUND} descriptors more in the end",
                "than after the warm-up. The second and the fourth look are the last before MongoDB and Redis went.",
            ),
            "",
            f"| worker | {' | '.join(self._at(moment) for moment, _ in looks)} | greatest |",
            f"|---|{'---|' * len(looks)}---|",
        ]
        for name, worker in enumerate(self._server.workers, 1):
            cells = [sample.get(worker) for _, sample in looks]
            every = [sample[worker] for _, sample in self._storm.samples if worker in sample]
            greatest = Sample(max(one.rss for one in every), max(one.files for one in every))
            rows.append(f"| {name} | {' | '.join(_cell(cell) for cell in [*cells, greatest])} |")
        return "\n".join(rows)

    # What must be

    def _compare(self, number: int, book: Book) -> None:
        """The orders of an account with what its clients know, and its balance."""
        stored: defaultdict[str, list[Order]] = defaultdict(list)
        for order in self._shop.orders(number):
            stored[order.params["link"]].append(order)
        if stored.keys() - book.adds.keys():
            self._blame(number, "orders that nobody has placed")
        balance = book.opening
        for link, add in book.adds.items():
            balance -= self._compare_add(number, book, add, stored[link])
        for order, refills in book.refills.items():
            kept = {refill.id for refill in self._shop.store.find_refills(number, [order])}
            if kept != refills:  # one that was answered 503 may be there; the next one asked is told that it is early
                self._found["refills not told"] += len(kept - refills)
                if refills - kept or len(kept) > 1:
                    self._blame(number, "refills that were told of and are not there, or several of one order")
        if balance == self._storm.balances[number]:
            self._found["balances"] += 1
        else:
            self._blame(number, f"{self._storm.balances[number]} units; {balance} were due")

    def _compare_add(self, number: int, book: Book, add: Add, orders: list[Order]) -> int:
        """What it costs in the end."""
        self._found["orders"] += len(orders)
        if len(orders) > 1:
            self._blame(number, "an add that has become several orders")
        if not orders:
            if add.order is not None:
                self._blame(number, "no order where an id was told")
            self._found["unknown"] += not add.refused
            return 0
        [order] = orders[:1]
        if add.order is None:
            self._found["unknown"] += 1
            self._found["whole"] += 1
            if add.refused:
                self._blame(number, "an order that was refused")
        elif add.order != order.id:
            self._blame(number, "another id than was told")
        else:
            self._found["told"] += order.id not in book.completed
        if (order.charge, order.idempotency_key) != (_amount(add.charge), add.key):
            self._blame(number, f"an order that costs {order.charge}; {_amount(add.charge)} were due")
        self._found["keys"] += add.key is not None and add.order is not None
        return self._compare_cancel(number, book, order, add.charge)

    def _compare_cancel(self, number: int, book: Book, order: Order, charge: int) -> int:
        if order.status is OrderStatus.CANCELED:
            self._found["canceled"] += 1
            if order.id not in book.canceling or order.paid_back != order.charge:
                self._blame(number, "an order that nobody has canceled, or that was not paid back")
            return 0
        expected = OrderStatus.COMPLETED if order.id in book.completed else OrderStatus.AWAITING
        if order.status is not expected or order.paid_back or order.id in book.canceled:
            self._blame(number, f"an order that is {order.status.value}, with {order.paid_back} paid back")
        return charge

    def _blame(self, account: int, what: str) -> None:
        self._wrong.append(f"Account {account} has {what}.")

    def _judge_guesses(self) -> None:
        """Ten failed attempts of a caller, of all workers together, until Redis forgot them."""
        for address, answers in self._record.guesses.items():
            before = [status for at, status in answers if at < self._storm.redis.stopped]
            failed = before.count(401)
            if len(before) > 10 and failed == 10:
                self._found["blocked"] += 1
            if failed != min(len(before), 10):
                self._wrong.append(f"{address} had {failed} failed attempts of {len(before)} before Redis was killed.")

    def _judge_workers(self) -> None:
        first, *_, last = self._looks()
        if last[1].keys() != set(self._server.workers):
            self._wrong.append("A worker has ended.")
        if self._storm.ended - self._storm.began < 2 * WARM_UP:
            return
        for worker in last[1].keys() & first[1].keys():
            grown = [end - begin for end, begin in zip(last[1][worker], first[1][worker], strict=True)]
            if grown[0] > RSS_BOUND or grown[1] > FILES_BOUND:
                self._wrong.append(f"A worker has {grown[0] / 2**20:.1f} MiB and {grown[1]} descriptors more.")

    def _judge_log(self) -> str:
        """What the workers have logged, and how often."""
        lines = re.findall(r"^(?:WARNING|ERROR|CRITICAL):[\w.]+:(.*)$", self._log, re.MULTILINE)
        counted = Counter(next((known for known in OUTAGE if known in line), line) for line in lines)
        strange = [line for line in counted if line not in OUTAGE]
        strange += re.findall(r"^Exception (?:in thread|ignored).*$", self._log, re.MULTILINE)
        self._wrong += [f"The workers have logged: {line}" for line in strange[:10]]
        known = "; ".join(f"“{line}” {counted[line]:,} times" for line in OUTAGE if counted[line])
        return f"The workers have logged: {known or 'nothing'}."

    def _looks(self) -> list[tuple[float, dict[int, Sample]]]:
        """After the warm-up, before MongoDB goes, in the middle, before Redis goes, and in the end."""
        storm = self._storm
        moments = [
            storm.began + WARM_UP,
            storm.mongodb.stopped,
            (storm.began + storm.ended) / 2,
            storm.redis.stopped,
        ]
        looks = [[sample for sample in storm.samples if sample[0] <= moment][-1] for moment in moments]
        return [*looks, storm.samples[-1]]

    def _is_in(self, moment: float, away: Away) -> bool:
        return away.stopped <= moment <= away.back + GRACE

    def _at(self, moment: float) -> str:
        return f"{moment - self._storm.began:.0f} s"


def _cell(sample: Sample | None) -> str:
    return "–" if sample is None else f"{sample.rss / 2**20:.1f}, {sample.files}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _fill(*lines: str) -> str:
    return textwrap.fill(" ".join(lines), 120)


def _latency(seconds: list[float]) -> str:
    p99 = sorted(seconds)[len(seconds) * 99 // 100]
    return f"Median {_ms(statistics.median(seconds))}, p99 {_ms(p99)}, slowest {_ms(max(seconds))}"
