"""Servers fail in every way under load: what clients hear, how long they wait, what the log says, and how it heals.

The app is that of tests/faults.py: granian with two workers, in processes of its own. MongoDB and Redis are real, and
stand behind proxies of ours. tests/test_mongo_kills.py has the clients, and the statement about orders and money that
must hold after each fault.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import mongoengine
import pymongo
from redis import Redis

from example_app.demo import STANDARD_KEY
from example_app.mongod import Mongod
from flask_smmapi.stores.mongo import MongoStore

from ..faults import AT_MOST, PATIENCE, Proxy, free_port, listens, wait_until
from ..mongo import DATABASE
from ..panel import LINK, WRONG_KEY, Answer
from ..test_mongo_kills import Shop, Told, reconcile
from . import Seen

ROOT = Path(__file__).parents[2]

LASTS = 8.0
"""Seconds that a fault lasts, under load."""

FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
"""Moves the clock of a process (Debian: libfaketime)."""

SLOWER = 0.2
"""Seconds by which MongoDB is slower while the demo is told to end."""

DISK = 160
"""MiB of the disk that is filled."""


class Heard(Told):
    """Counts the texts that clients heard, too, and how many have had an order lately."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: Counter[str] = Counter()
        self.last_good = 0.0

    def note(self, answer: Answer | None, seconds: float) -> None:
        with self._changed:
            self.texts[_text(answer)] += 1
            if answer is not None and answer.status == 200:
                self.last_good = time.monotonic()
        if answer is not None:  # granian writes its headers in small letters
            answer = answer._replace(headers={name.title(): value for name, value in answer.headers.items()})
        super().note(answer, seconds)

    def begin(self) -> None:
        with self._changed:
            self.texts, self.slowest = Counter(), 0.0


def _text(answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    return f"{answer.status} {answer.json['error']}" if answer.status >= 400 else str(answer.status)


class Row(NamedTuple):
    """A line of the table."""

    fault: str
    heard: str
    slowest: float
    logged: str
    healed: float
    money: str


class Site:
    """A MongoDB and a Redis behind proxies, and the app on them. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "app.log"
        self.clock = folder / "clock"
        self.clock.write_text("+0")
        self.port = free_port()
        self.mongod = Mongod(folder / "mongodb")
        self.mongod.acquire()
        self.redis_port = free_port()
        self._redis = [shutil.which("redis-server") or "redis-server", "--bind", "127.0.0.1", "--save", ""]
        self._stack = ExitStack()

    def __enter__(self) -> Site:
        self.start_redis()
        self.mongo = self._stack.enter_context(Proxy(_port(self.mongod.uri)))
        self.redis = self._stack.enter_context(Proxy(self.redis_port))
        self.shop = Shop(f"{self.mongod.uri.partition('?')[0]}{DATABASE}?directConnection=true")
        self.told = Heard()
        self.shop.told = self.told
        for client in self.shop.clients:
            client._told = self.told
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_app()
        self._stack.close()
        self.redis_process.kill()
        self.redis_process.wait()
        mongoengine.disconnect_all()
        self.mongod.release()

    def start_redis(self) -> None:
        self.redis_process = subprocess.Popen([*self._redis, "--port", str(self.redis_port)], stdout=subprocess.DEVNULL)
        wait_until(lambda: listens(self.redis_port))

    def start_app(self, *, movable: bool = False) -> None:
        """Start it; *movable*, so that its clock can be moved."""
        uri = f"mongodb://127.0.0.1:{self.mongo.port}/{DATABASE}?directConnection=true"
        self.process = serve(self.log, self.port, uri, self.redis.port, self.clock if movable else None)

    def stop_app(self) -> None:
        end(self.process)

    def redis_owner(self) -> Any:
        return closing(Redis(port=self.redis_port))


def _port(uri: str) -> int:
    port: int = pymongo.uri_parser.parse_uri(uri)["nodelist"][0][1]
    return port


def serve(
    log: Path, port: int, uri: str, redis_port: int, clock: Path | None = None, **more: str
) -> subprocess.Popen[bytes]:
    """Start the app; it listens then."""
    environment = {
        **os.environ,
        "FLASK_SMMAPI_MONGODB_URI": uri,
        "FLASK_RATELIMIT_STORAGE_URI": f"redis://127.0.0.1:{redis_port}",
        "FLASK_SMMAPI_FAILED_ATTEMPTS_PER_IP": "1000000 per 15 minutes",  # all clients have one address here
        **more,
    }
    if clock is not None:
        environment |= {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults", str(port)], cwd=ROOT, env=environment, stderr=file
        )
    wait_until(lambda: listens(port))
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Guesser(threading.Thread):
    """Sends wrong keys, twelve with each User-Agent: ten of them are answered 401, if the count is exact."""

    def __init__(self, told: Heard, port: int) -> None:
        super().__init__()
        self._told = told
        self._port = port
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.02):  # it is not there for the load
            number += 1
            began = time.monotonic()
            answer = post(self._port, {"key": WRONG_KEY, "action": "balance"}, f"{self.name} {number // 12}")
            with self._told._changed:
                self._told.texts[f"to wrong keys: {_text(answer)}"] += 1
                self._told.slowest = max(self._told.slowest, time.monotonic() - began)


def post(port: int, form: dict[str, Any], agent: str = "") -> Answer | None:
    """What is answered; None if nothing is."""
    try:
        return ask_once(port, form, agent)
    except (OSError, HTTPException):
        return None


def ask_once(port: int, form: dict[str, Any], agent: str = "") -> Answer:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": agent}
        connection.request("POST", "/api/v2", urlencode(form), headers)
        with connection.getresponse() as response:
            return Answer(response.status, json.load(response), dict(response.headers))


Fault = Callable[[Site], Any]
"""A context manager: the fault lasts while it is open."""


@contextmanager
def mongodb_away_at_start(site: Site) -> Iterator[None]:
    site.stop_app()
    site.mongo.go_away()
    site.start_app()
    yield
    site.mongo.listen()


@contextmanager
def mongodb_killed(site: Site) -> Iterator[None]:
    assert site.mongod._process is not None
    site.mongod._process.kill()
    yield
    site.mongod.acquire()


@contextmanager
def mongodb_slow(site: Site) -> Iterator[None]:
    site.mongo.delay = 2.0
    yield
    site.mongo.delay = 0.0


@contextmanager
def mongodb_hung(site: Site) -> Iterator[None]:
    assert site.mongod._process is not None
    site.mongod._process.send_signal(signal.SIGSTOP)
    yield
    site.mongod._process.send_signal(signal.SIGCONT)


@contextmanager
def mongodb_full(site: Site) -> Iterator[None]:
    site.mongo.be_full()
    yield
    site.mongo.have_room()


@contextmanager
def mongodb_locked(site: Site) -> Iterator[None]:
    with pymongo.MongoClient[Any](site.mongod.uri) as client:
        client.admin.command("fsync", lock=True)
        yield
        client.admin.command("fsyncUnlock")


@contextmanager
def mongodb_stepped_down(site: Site) -> Iterator[None]:
    with pymongo.MongoClient[Any](site.mongod.uri) as client:
        client.admin.command("replSetStepDown", 60, force=True)
        yield
        client.admin.command("replSetFreeze", 0)


@contextmanager
def redis_away_at_start(site: Site) -> Iterator[None]:
    site.stop_app()
    site.redis.go_away()
    site.start_app()
    yield
    site.redis.listen()


@contextmanager
def redis_killed(site: Site) -> Iterator[None]:
    site.redis_process.kill()
    site.redis_process.wait()
    yield
    site.start_redis()


@contextmanager
def redis_slow(site: Site) -> Iterator[None]:
    site.redis.delay = 2.0
    yield
    site.redis.delay = 0.0


def redis_setting(name: str, bad: Any, good: Any, *, cut: bool = False) -> Fault:
    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        with site.redis_owner() as owner:
            owner.config_set(name, bad)
            if cut:
                site.redis.cut()
            yield
            owner.config_set(name, good)

    return fault


@contextmanager
def redis_replica(site: Site) -> Iterator[None]:
    with site.redis_owner() as owner:
        owner.replicaof("127.0.0.1", "1")
        yield
        owner.replicaof("NO", "ONE")


def clock_moved(offset: str) -> Fault:
    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        site.clock.write_text(offset)
        yield
        site.clock.write_text("+0")

    return fault


FAULTS: dict[str, Fault] = {
    "MongoDB is away when the workers start": mongodb_away_at_start,
    "MongoDB is killed, and started again": mongodb_killed,
    "MongoDB is slow by 2 s": mongodb_slow,
    "MongoDB hangs (SIGSTOP)": mongodb_hung,
    "MongoDB is full of connections (a proxy hangs up as it would)": mongodb_full,
    "MongoDB is locked for writes (fsyncLock)": mongodb_locked,
    "MongoDB has no primary (replSetStepDown)": mongodb_stepped_down,
    "Redis is away when the workers start": redis_away_at_start,
    "Redis is killed, and started again": redis_killed,
    "Redis is slow by 2 s": redis_slow,
    "Redis is full of connections (maxclients)": redis_setting("maxclients", 1, 10_000, cut=True),
    "Redis lacks replicas (min-replicas-to-write)": redis_setting("min-replicas-to-write", 1, 0),
    "Redis is full of data (maxmemory)": redis_setting("maxmemory", 1, 0),
    "Redis is a replica that may only be read": redis_replica,
}

AT_START = (mongodb_away_at_start, redis_away_at_start)
"""These start the app themselves."""

CLOCK: dict[str, Fault] = {
    "The workers' clock jumps an hour ahead, and back": clock_moved("+3600"),
    "The workers' clock jumps an hour back, and ahead": clock_moved("-3600"),
}


def play(site: Site, name: str, fault: Fault, wrong: list[str]) -> Row:
    """Let *fault* happen under load."""
    told, shop = site.told, site.shop
    guesser = Guesser(told, site.port)
    with ExitStack() as lasting:
        size = site.log.stat().st_size
        if fault in AT_START:
            told.begin()
            lasting.enter_context(fault(site))
        with shop.load(site.port):
            if fault not in AT_START:
                told.wait_until_done(30)
                told.begin()
                size = site.log.stat().st_size
                lasting.enter_context(fault(site))
            guesser.start()
            time.sleep(LASTS)  # the fault's own time; how much is done meanwhile is up to the fault
            lasting.close()
            ended = time.monotonic()
            told.wait_until_done(2 * len(shop.clients))
            healed = told.last_good - ended
            wait_until(lambda: all_well(site.port))
            guesser.over.set()
            guesser.join()
            heard, slowest = told.texts.copy(), told.slowest
            if name.startswith("Redis"):
                wait_until(lambda: counts_together(site))
                healed = time.monotonic() - ended
    logged = log_lines(site.log, size)
    money = money_of(shop)
    if slowest > AT_MOST:
        wrong.append(f"{name}: an answer took {slowest:.1f} s.")
    if money != "exact":
        wrong.append(f"{name}: {money}")
    if heard["no answer"] or heard["to wrong keys: no answer"]:
        wrong.append(f"{name}: there were requests without an answer.")
    if told.undocumented:
        wrong.append(f"{name}: {told.undocumented[:3]}")
    if not logged and ("503" in str(heard) or name.startswith("Redis")):
        wrong.append(f"{name}: nothing was logged.")
    texts = ", ".join(f"{text} × {count:,}" for text, count in sorted(heard.items()))
    return Row(name, texts, slowest, logged or "–", healed, money)


def all_well(port: int) -> bool:
    """Whether twenty requests, of which each worker gets some, find the store there."""
    return all(
        (answer := post(port, {"key": WRONG_KEY, "action": "balance"}, str(n))) and answer.status != 503
        for n in range(20)
    )


def counts_together(site: Site) -> bool:
    """Whether wrong keys of twenty callers, of which each worker gets some, are counted in Redis."""
    callers = 20
    with site.redis_owner() as owner:
        before = owner.dbsize()
        for _ in range(callers):
            post(site.port, {"key": WRONG_KEY, "action": "balance"}, secrets.token_hex(8))
        counted: int = owner.dbsize() - before
        return counted >= callers


def log_lines(log: Path, size: int) -> str:
    """What was logged behind *size* from warnings on, with how often; the reasons that were given, without numbers."""
    text = log.read_bytes()[size:].decode(errors="replace")
    found: Counter[str] = Counter()
    for line in text.splitlines():
        reason = re.match(r"flask_smmapi\.hooks\.StoreUnavailable: ([^:]+)", line)
        storage = re.match(r"\S+ \S+ (?:WARNING|ERROR) \S+ (The limiter's storage cannot .{0,60}|mongod .{0,70})", line)
        found.update(match[1] for match in (reason, storage) if match)
    return "; ".join(f"{_quoted(text)} × {count:,}" for text, count in found.most_common(3))


def _quoted(text: str) -> str:
    return f"“{re.sub(r'/[^ ;]*/', '…/', text).strip()}”"


def money_of(shop: Shop) -> str:
    """Whether the orders and the money are right after a reconcile; a command on its way may come a little later."""
    until = time.monotonic() + 10
    while True:
        try:
            reconcile(shop.store)
            shop.assert_exact()
            return "exact"
        except AssertionError as failure:
            if time.monotonic() > until:
                return f"wrong: {failure}"
            time.sleep(0.5)  # between two looks


# A full disk


def play_full_disk(folder: Path, wrong: list[str]) -> Row | None:
    """On a small disk of its own, with a MongoDB that is kept running as the demo's; None if none can be mounted."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        return None
    try:
        return _play_full_disk(folder, disk, wrong)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def _play_full_disk(folder: Path, disk: Path, wrong: list[str]) -> Row:
    log, port = folder / "disk.log", free_port()
    server = Mongod(disk)
    uri = f"{server.acquire().partition('?')[0]}{DATABASE}?directConnection=true"
    shop = Shop(uri)
    told = Heard()
    shop.told = told
    for client in shop.clients:
        client._told = told
    server.release()
    process = serve(log, port, uri, free_port(), FAULTS_OWN_MONGODB=str(disk))
    ballast = disk / "ballast"
    try:
        with shop.load(port):
            told.wait_until_done(30)
            told.begin()
            size = log.stat().st_size
            with ballast.open("wb") as file, suppress(OSError):
                while True:
                    file.write(bytes(65536))
                    file.flush()
            told.wait_until_unavailable()
            time.sleep(LASTS)  # as the other faults
            ballast.unlink()
            ended = time.monotonic()
            told.wait_until_done(2 * len(shop.clients))
            healed = told.last_good - ended
            heard, slowest = told.texts.copy(), told.slowest
        money, name = money_of(shop), "The disk of the demo's MongoDB is full"
        if money != "exact":
            wrong.append(f"{name}: {money}")
        if slowest > AT_MOST:
            wrong.append(f"{name}: an answer took {slowest:.1f} s.")
        texts = ", ".join(f"{text} × {count:,}" for text, count in sorted(heard.items()))
        return Row(name, texts, slowest, log_lines(log, size), healed, money)
    finally:
        mongoengine.disconnect_all()
        end(process)


# SIGTERM


def play_sigterm(folder: Path, wrong: list[str]) -> str:
    """The demo itself is told to end while eight clients order, and MongoDB is slower than usual.

    Whoever has connected must get an answer. One of 503 leaves open whether the order was placed, as always.
    """
    mongod = Mongod(folder / "sigterm")
    mongod.acquire()
    port = free_port()
    name = f"{DATABASE}?directConnection=true"
    add = {"key": STANDARD_KEY, "action": "add", "service": 123, "link": LINK, "quantity": 10}
    told: set[str] = set()
    heard: Counter[str] = Counter()
    with Proxy(_port(mongod.uri)) as proxy:
        environment = {
            **os.environ,
            "SMMAPI_MONGODB_URI": f"mongodb://127.0.0.1:{proxy.port}/{name}",
            "PORT": str(port),
            "WORKERS": "2",
            "EXAMPLE_FULFIL": "off",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "example_app"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: listens(port))
        for _ in range(30):  # each worker is there when it has answered
            post(port, {**add, "action": "balance"})

        def ask() -> None:
            while True:
                try:
                    answer = ask_once(port, add)
                except ConnectionRefusedError:
                    heard["refused"] += 1
                    return
                except (OSError, HTTPException):
                    heard["no answer"] += 1
                    if process.poll() is not None:
                        return
                    continue
                if answer.status == 200:
                    told.add(answer.json["order"])
                heard[_text(answer)] += 1

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        proxy.delay = SLOWER
        wait_until(lambda: heard.total() >= 24)
        before, began = heard.copy(), time.monotonic()
        process.terminate()
        for client in clients:
            client.join()
        process.wait(PATIENCE)
        seconds = time.monotonic() - began
    store = MongoStore(f"{mongod.uri.partition('?')[0]}{name}", "sigterm")
    first = 3  # which the demo begins with
    untold = len({order.id for order in store.list(1, limit=1_000_000)} - told) - first
    differences = len(list(store.audit()))
    mongoengine.disconnect_all()
    mongod.release()
    unknown = sum(count for text, count in heard.items() if text.startswith("503"))
    if heard["no answer"] or untold > unknown or differences:
        wrong.append(f"SIGTERM: {dict(heard)}, {untold} orders untold, {differences} differences in the audit.")
    after = ", ".join(f"{text} × {count:,}" for text, count in sorted((heard - before).items()))
    return (
        "SIGTERM to the demo (two workers, eight clients without a pause, MongoDB slower by "
        f"{SLOWER} s): from then on the "
        f"clients heard {after}; {untold} orders were placed whose clients heard 503; the audit found "
        f"{differences} differences; the demo had ended after {seconds:.1f} s."
    )


def run() -> Seen:
    wrong: list[str] = []
    notes = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Site(folder) as site:
            site.start_app()
            rows = [_said(play(site, name, fault, wrong)) for name, fault in FAULTS.items()]
            if FAKETIME:
                site.stop_app()
                site.start_app(movable=True)
                rows += [_said(play(site, name, fault, wrong)) for name, fault in CLOCK.items()]
        if not FAKETIME:
            notes.append("The clock was not moved: there is no libfaketime here. tests/test_faults_clock.py moves it.")
        row = play_full_disk(folder, wrong)
        if row is None:
            notes.append("No disk was filled: mounting a small one needs root.")
        else:
            rows.append(_said(row))
        notes.append(play_sigterm(folder, wrong))
        print(notes[-1], flush=True)
    head = "| fault | what clients heard | longest answer | the log | healed after | money |"
    lines = [
        f"| {row.fault} | {row.heard} | {row.slowest:.1f} s | {row.logged} | {row.healed:.1f} s | {row.money} |"
        for row in rows
    ]
    about = (
        "Six clients add, repeat with their keys, and cancel without a pause; one more sends wrong keys, twelve with "
        f"each User-Agent. Two workers of granian. Each fault lasts {LASTS:.0f} s. Healed: from its end until the last "
        "of twelve good answers; for Redis, until both workers count in it again. Money: after a reconcile the audit "
        "finds nothing, each order that a client was told "
        "of is there and paid once, and each balance is what was paid in, less the charges, plus what was paid back."
    )
    text = "\n".join([about, "", head, "|---|---|---|---|---|---|", *lines, "", *(f"- {note}" for note in notes)])
    return Seen(text, wrong)


def _said(row: Row) -> Row:
    print(f"  {row}", flush=True)
    return row
