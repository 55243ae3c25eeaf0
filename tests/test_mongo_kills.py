"""Real processes are killed under load: every order that a client was told of is there and paid, and no money is lost.

``SMMAPI_LONG_TESTS=1`` kills three times as often.
"""

from __future__ import annotations

import http.client
import itertools
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import mongoengine
import pymongo
import pytest
from pymongo.write_concern import WriteConcern

from example_app.mongod import Mongod, NoMongod, _options, find_mongod
from flask_smmapi import Account, Order, OrderStatus
from flask_smmapi.hooks import AccountId
from flask_smmapi.placement import Placement, Reconciled, now
from flask_smmapi.stores.mongo import MongoStore

from . import served
from .mongo import DATABASE, start_or_skip, with_database
from .panel import LINK, Answer, at_once, service
from .uncounted import new_processes_uncounted

OFTEN = 3 if os.environ.get("SMMAPI_LONG_TESTS") == "1" else 1
WORKER_KILLS, MONGOD_KILLS, PRIMARY_KILLS = 20 * OFTEN, 5 * OFTEN, OFTEN

AT_MOST = 5.0
"""Seconds that a request may take, whatever is down."""

PATIENCE = 60.0
"""Seconds after which something that does not happen is a failure."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([served.__name__])

APP_NAME = "worker"
"""How MongoDB knows a worker's connections."""

ANY_AGE = -timedelta(hours=1)
SERVICE = service(123, rate=Decimal("1.23456789"))
OPENINGS: dict[AccountId, Decimal] = {1: Decimal(1_000_000), "seven": Decimal(1_000_000), 3: Decimal(3)}
"""What each account has at first; the last one's money is always short."""


class Gone(Exception):
    """The server hung up, or is not there."""


class Told:
    """What all clients were told."""

    def __init__(self) -> None:
        self.orders: set[str] = set()
        self.canceled: set[str] = set()
        self.by_key: defaultdict[str, set[str]] = defaultdict(set)
        self.undocumented: list[Answer] = []
        self.done = self.unavailable = self.unanswered = 0
        self.slowest = 0.0
        self._changed = threading.Condition()

    def note(self, answer: Answer | None, seconds: float) -> None:
        """Count an answer, or that there was none."""
        with self._changed:
            self.slowest = max(self.slowest, seconds)
            if answer is None:
                self.unanswered += 1
            elif answer.status == 200:
                self.done += 1
            elif (answer.status, answer.json) == (503, {"error": "Service unavailable"}):
                assert int(answer.headers["Retry-After"]) > 0
                self.unavailable += 1
            elif (answer.status, answer.json) != (400, {"error": "Not enough funds on balance"}):
                self.undocumented.append(answer)
            self._changed.notify_all()

    def wait_until_done(self, more: int) -> None:
        """Wait until so many more requests have succeeded."""
        enough = self.done + more
        self._wait_for(lambda: self.done >= enough)

    def wait_until_unavailable(self) -> None:
        """Wait until another client hears 503."""
        before = self.unavailable
        self._wait_for(lambda: self.unavailable > before)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            happened = self._changed.wait_for(condition, PATIENCE)
            assert happened, (self.done, self.unavailable, self.unanswered, self.undocumented)


class Client:
    """Asks without a pause, and repeats what it got no answer to."""

    def __init__(self, name: str, account: Account, api_key: str, told: Told) -> None:
        self.account = account
        self.port = 0
        self._name = name
        self._api_key = api_key
        self._told = told
        self._numbers = itertools.count(1)
        self._to_cancel: list[str] = []
        self._quantities: dict[str, int] = {}  # by idempotency key
        self._open_key: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop, or until the server is gone."""
        with suppress(Gone):
            while not stop.is_set():
                self.add_with_key()
                self.add()
                self.cancel()

    def add(self) -> None:
        self._add(next(self._numbers))

    def add_with_key(self) -> None:
        """A new key, unless it is not known what became of the last one."""
        key = self._open_key
        if key is None:
            number = next(self._numbers)
            key = self._open_key = f"{self._name}-{number:06}"
            self._quantities[key] = number
        if self._add_again(key).status != 503:
            self._open_key = None

    def repeat_all_keys(self) -> None:
        for key in self._quantities:
            self._add_again(key)

    def cancel(self) -> None:
        """Cancel one of two orders."""
        if len(self._to_cancel) < 2:
            return
        order = self._to_cancel[-1]
        if self._post("cancel", order=order).json == {"cancel": 1}:
            self._told.canceled.add(order)
            del self._to_cancel[-2:]

    def _add(self, quantity: int, **headers: str) -> Answer:
        answer = self._post("add", headers, service=SERVICE.id, link=LINK, quantity=quantity)
        order = answer.json.get("order")
        if order is not None and order not in self._told.orders:
            self._told.orders.add(order)
            self._to_cancel.append(order)
        return answer

    def _add_again(self, key: str) -> Answer:
        answer = self._add(self._quantities[key], **{"Idempotency-Key": key})
        if "order" in answer.json:
            self._told.by_key[key].add(answer.json["order"])
        return answer

    def _post(self, action: str, headers: Mapping[str, str] | None = None, **params: Any) -> Answer:
        body = urllib.parse.urlencode({"key": self._api_key, "action": action, **params})
        began = time.monotonic()
        try:
            answer = self._send(body, {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})
        except (ConnectionError, http.client.HTTPException) as failure:
            self._told.note(None, time.monotonic() - began)
            raise Gone from failure
        self._told.note(answer, time.monotonic() - began)
        return answer

    def _send(self, body: str, headers: Mapping[str, str]) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("POST", "/api/v2", body, headers)
            with connection.getresponse() as response:
                assert response.headers.get_content_type() == "application/json"
                return Answer(response.status, json.load(response), dict(response.headers))


class Shop:
    """Accounts and a price list in a database, two clients for each account, and what these were told."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.told = Told()
        self.store = MongoStore(uri)
        self.store.create_indexes()
        self.store.set_services([SERVICE])
        self.clients = []
        for id_, opening in OPENINGS.items():
            account = Account(id_)
            key = self.store.add_account(account, balance=opening)
            self.clients += [Client(f"client-{id_}-{n}", account, key, self.told) for n in (1, 2)]

    @contextmanager
    def load(self, port: int) -> Iterator[None]:
        """All clients ask the server on *port*."""
        stop = threading.Event()
        for client in self.clients:
            client.port = port
        with ThreadPoolExecutor(len(self.clients)) as pool:
            running = [pool.submit(client.run, stop) for client in self.clients]
            try:
                yield
            finally:
                stop.set()
        for client_run in running:
            client_run.result()

    def repeat_all_keys(self, port: int) -> None:
        """Each client repeats each of its adds that had a key."""
        for client in self.clients:
            client.port = port
        at_once(len(self.clients), lambda number: self.clients[number].repeat_all_keys())

    def put_right(self) -> Reconciled:
        """Do what the host's scheduler does every minute, once all workers are dead; then the statement holds."""
        self._wait_until_nothing_is_on_its_way()
        result = reconcile(self.store)
        self.assert_exact()
        return result

    def _wait_until_nothing_is_on_its_way(self) -> None:
        """A command that a killed worker has sent is done after its death; then the server drops the connection."""
        connections: list[dict[str, Any]] = [
            {"$currentOp": {"idleConnections": True}},
            {"$match": {"appName": APP_NAME}},
        ]
        deadline = time.monotonic() + PATIENCE
        client: pymongo.MongoClient[Any]
        with pymongo.MongoClient(self.uri) as client:
            while list(client.admin.aggregate(connections)):
                assert time.monotonic() < deadline

    @property
    def orders(self) -> list[Order]:
        """All that are not hidden."""
        return [order for account in OPENINGS for order in self.store.list(account, limit=1_000_000)]

    def findings(self) -> list[Any]:
        """What the audit reports, of orders of any age."""
        return list(self.store.audit(older_than=ANY_AGE))

    def assert_exact(self) -> None:
        """The statement of this file, about orders of which none is on its way."""
        orders = {order.id: order for order in self.orders}
        assert self.told.orders <= orders.keys()
        assert self.told.undocumented == []
        assert all(orders[id_].status is OrderStatus.CANCELED for id_ in self.told.canceled)
        assert all(len(ids) == 1 for ids in self.told.by_key.values())
        assert {key: {order.id} for order in orders.values() if (key := order.idempotency_key) in self.told.by_key} == (
            self.told.by_key
        )

        assert list(self.store.unsettled(now() - ANY_AGE)) == []
        assert all(order.paid_back == order.due_back for order in orders.values())
        for account, opening in OPENINGS.items():
            own = [order for order in orders.values() if order.account == account]
            assert paid_orders(self.store, account) == {order.id: order.charge for order in own}
            charges, paid_back = sum(order.charge for order in own), sum(order.paid_back for order in own)
            assert self.store.balance(account) == opening - charges + paid_back >= 0
        assert self.findings() == []


def paid_orders(store: MongoStore, account: AccountId) -> dict[str, Decimal]:
    """What the account was debited, by order, and was not given back because the order was abandoned."""
    entries = {entry["_id"]["reference"]: entry for entry in store.entries(account)}
    return {
        reference: Decimal(-entry["units"]).scaleb(-8)
        for reference, entry in entries.items()
        if entry["kind"] == "debit" and f"{reference}:void" not in entries
    }


def reconcile(store: MongoStore) -> Reconciled:
    result = Placement(store, store).reconcile(ANY_AGE)
    assert result.failed == 0
    return result


@pytest.fixture(scope="module", autouse=True)
def _forks_are_not_counted() -> Iterator[None]:
    """The first worker starts the process that all are forked from, and it inherits this environment."""
    with new_processes_uncounted():
        yield


class Worker:
    """A process that serves the API. It is forked from one that has imported everything, and done nothing else.

    :param folder: for what it logs.
    """

    def __init__(self, uri: str, folder: Path, die_at_credit: str = "") -> None:
        self._port, told = FORKS.Pipe(duplex=False)
        arguments = (f"{uri}&appName={APP_NAME}", told, folder / "worker.log", die_at_credit)
        self._process = FORKS.Process(target=served.serve, args=arguments)
        self._process.start()
        told.close()  # so that its end is noticed if it never listens

    def wait_until_it_listens(self) -> int:
        """Its port."""
        port: int = self._port.recv()
        return port

    def wait_until_it_ends(self) -> int | None:
        """Its exit code, which is negative for a signal."""
        self._process.join(PATIENCE)
        return self._process.exitcode

    def kill(self) -> None:
        """Kill it, if it is not dead already."""
        self._process.kill()
        self._process.join()
        self._port.close()


@contextmanager
def serving(uri: str, folder: Path, die_at_credit: str = "") -> Iterator[tuple[Worker, int]]:
    """A worker and its port; it is killed at the end at the latest."""
    worker = Worker(uri, folder, die_at_credit)
    try:
        yield worker, worker.wait_until_it_listens()
    finally:
        worker.kill()


def assert_that_keys_are_kept(shop: Shop, folder: Path) -> None:
    """Whoever repeats an add with its key gets the order that he has, and pays nothing."""
    with serving(shop.uri, folder) as (_, port):
        shop.repeat_all_keys(port)
    shop.put_right()


def test_a_worker_is_killed_under_load(mongo_uri: str, tmp_path: Path) -> None:
    shop = Shop(mongo_uri)
    left_undone = 0
    for number in range(WORKER_KILLS):
        with serving(mongo_uri, tmp_path) as (worker, port), shop.load(port):
            shop.told.wait_until_done(10 + 3 * number % 17)
            worker.kill()
        if number % 2:  # in the other rounds the clients go on, and repeat their keys, before anything is put right
            left_undone += sum(shop.put_right())
    assert left_undone > 0, "no kill met an order on its way"
    assert shop.told.unavailable == 0
    assert_that_keys_are_kept(shop, tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mongod]:
    """A server of its own, to be killed."""
    server = start_or_skip(tmp_path)
    yield server
    mongoengine.disconnect_all()
    server.release()


class Standalone:
    """A server that is no member of a replica set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"mongodb://127.0.0.1:{self._port}/?directConnection=true"
        self._process: subprocess.Popen[bytes] | None = None

    def acquire(self) -> None:
        """Start it, on the data that it has."""
        options = [option for option in _options(self._folder) if option not in ("--replSet", "rs0")]
        with (self._folder / "log").open("ab") as log:
            command = [find_mongod(), "--port", str(self._port), *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=int(PATIENCE * 1000)) as client:
            assert "setName" not in client.admin.command("hello")


@pytest.fixture
def standalone(tmp_path: Path, mongod: str) -> Iterator[Standalone]:
    folder = tmp_path / "standalone"
    folder.mkdir()
    server = Standalone(folder)
    server.acquire()
    yield server
    mongoengine.disconnect_all()
    kill(server)


def kill(server: Mongod | Standalone) -> None:
    """Kill it, and let go of it, as if its user was killed too."""
    assert server._process is not None
    server._process.kill()
    server._process.wait()


def test_mongod_is_killed_under_load(server: Mongod, tmp_path: Path) -> None:
    kill_under_load(server, MONGOD_KILLS, tmp_path)


def test_a_standalone_mongod_is_killed_under_load(standalone: Standalone, tmp_path: Path) -> None:
    """Nothing needs a replica set, and every write waits for the journal."""
    kill_under_load(standalone, 2, tmp_path)


def kill_under_load(server: Mongod | Standalone, times: int, tmp_path: Path) -> None:
    shop = Shop(with_database(server.uri, DATABASE))
    with serving(shop.uri, tmp_path) as (_, port):
        for _ in range(times):
            with shop.load(port):
                shop.told.wait_until_done(25)
                kill(server)
                shop.told.wait_until_unavailable()
                server.acquire()
                shop.told.wait_until_done(25)
    shop.put_right()
    assert_that_keys_are_kept(shop, tmp_path)
    assert shop.told.unanswered == 0
    assert shop.told.slowest <= AT_MOST


class ReplicaSet:
    """Three servers of one replica set on this machine."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self._folder = folder
        self._ports = ports
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.uri = f"mongodb://{','.join(f'127.0.0.1:{port}' for port in ports)}/{DATABASE}?replicaSet=rs0"

    def start(self, port: int) -> None:
        """Start the server of *port*, on the data that it has."""
        data = self._folder / str(port)
        data.mkdir(exist_ok=True)
        with (self._folder / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen(
                [find_mongod(), "--port", str(port), *_options(data)], stdout=log, stderr=log
            )

    def start_all(self) -> None:
        for port in self._ports:
            self.start(port)
        for port in self._ports:
            with self._client(port) as client:
                client.admin.command("ping")
        members = [{"_id": n, "host": f"127.0.0.1:{port}"} for n, port in enumerate(self._ports)]
        # Without a primary for longer than a verb of the store waits; else nobody would need to hear 503.
        settings = {"electionTimeoutMillis": 2500, "heartbeatIntervalMillis": 500}
        with self._client(self._ports[0]) as client:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members, "settings": settings})
        self.wait_until_all_follow()

    def kill_primary(self) -> int:
        """Its port."""
        with self._all() as client:
            client.admin.command("ping")
            assert client.primary is not None
            _, port = client.primary
        self._end(port)
        return port

    def wait_until_all_follow(self) -> None:
        """Wait until all three have what was written last."""
        everywhere = WriteConcern(w=len(self._ports), wtimeout=int(PATIENCE * 1000))
        with self._all() as client:
            client["all"].get_collection("written", write_concern=everywhere).insert_one({})

    def end_all(self) -> None:
        for port in self._processes:
            self._end(port)

    def _end(self, port: int) -> None:
        self._processes[port].kill()
        self._processes[port].wait()

    def _client(self, port: int) -> pymongo.MongoClient[Any]:
        return self._connect(f"mongodb://127.0.0.1:{port}/?directConnection=true")

    def _all(self) -> pymongo.MongoClient[Any]:
        return self._connect(self.uri)

    def _connect(self, uri: str) -> pymongo.MongoClient[Any]:
        return pymongo.MongoClient(uri, serverSelectionTimeoutMS=int(PATIENCE * 1000))


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    try:
        find_mongod()
    except NoMongod:
        start_or_skip(tmp_path)  # which finds none either, and says so
    servers = ReplicaSet(tmp_path, free_ports(3))
    with ExitStack() as at_the_end:
        at_the_end.callback(servers.end_all)
        at_the_end.callback(mongoengine.disconnect_all)
        servers.start_all()
        yield servers


def test_the_primary_of_three_is_killed_under_load(replica_set: ReplicaSet, tmp_path: Path) -> None:
    shop = Shop(replica_set.uri)
    with serving(shop.uri, tmp_path) as (_, port):
        for _ in range(PRIMARY_KILLS):
            with shop.load(port):
                shop.told.wait_until_done(25)
                killed = replica_set.kill_primary()
                shop.told.wait_until_unavailable()
                shop.told.wait_until_done(25)
                replica_set.start(killed)
                replica_set.wait_until_all_follow()
                shop.told.wait_until_done(25)
    shop.put_right()
    assert_that_keys_are_kept(shop, tmp_path)
    assert shop.told.unanswered == 0
    assert shop.told.slowest <= AT_MOST


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_cancel_killed_around_its_credit_is_paid_once_however_many_reconcile(
    moment: str, mongo_uri: str, tmp_path: Path
) -> None:
    shop = Shop(mongo_uri)
    client = shop.clients[0]
    with serving(mongo_uri, tmp_path, moment) as (worker, client.port):
        client.add()
        client.add()
        with pytest.raises(Gone):
            client.cancel()
        assert worker.wait_until_it_ends() == -signal.SIGKILL
    killed, _ = shop.orders
    assert (killed.status, killed.due_back, killed.paid_back) == (OrderStatus.CANCELED, killed.charge, 0)
    assert len(shop.findings()) == (1 if moment == "before" else 0)

    stores = [MongoStore(mongo_uri) for _ in range(4)]
    at_once(len(stores), lambda number: reconcile(stores[number]))
    shop.assert_exact()
    assert [order.paid_back for order in shop.orders] == [killed.charge, 0]
    credits = [entry for entry in shop.store.entries(client.account.id) if entry["kind"] == "credit"]
    assert [entry["_id"]["reference"] for entry in credits] == ["opening:1", f"{killed.id}:back:0"]
