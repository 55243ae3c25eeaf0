"""MongoDB is slow, full or takes no writes: 503 in time, a line in the log, and all is well as soon as it is.

Away at the start: test_mongo_connection.py. Killed, also under load, and an election: test_mongo_kills.py.
"""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from typing import Any

import mongoengine
import pymongo
import pytest
from pymongo.errors import AutoReconnect

from example_app import mongod
from example_app.mongod import Mongod
from flask_smmapi import StoreUnavailable
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.connection import Connection

from .faults import HANGS, PATIENCE, LoneMongod, Proxy, wait_until
from .mongo import DATABASE, start_or_skip, with_database
from .panel import DEFAULT, LINK, Answer, Panel, at_once
from .test_mongo_connection import UNAVAILABLE
from .test_throttle import guess

ANY_AGE = -timedelta(hours=1)


def add(panel: Panel, key: str | None = None) -> Answer:
    """Order 1,000 pieces for 1.00; it must not hang, whatever comes of it."""
    headers = {} if key is None else {"Idempotency-Key": key}
    began = time.monotonic()
    answer = panel.post("add", headers=headers, service=DEFAULT, link=LINK, quantity=1000)
    assert time.monotonic() - began < HANGS
    return answer


def assert_exact(panel: Panel, orders: int) -> None:
    """After a reconcile the account has so many orders, has paid them, and no others."""
    panel.smmapi.reconcile(ANY_AGE)
    assert len(panel.store.list(1)) == orders
    assert panel.balance == 100 - orders
    assert list(panel.store.audit(older_than=ANY_AGE)) == []


# Slow


@pytest.fixture
def proxied(mongo_uri: str) -> Iterator[Callable[[str], tuple[Panel, Proxy]]]:
    """Makes a panel of an account of its own behind a proxy of its own."""
    address = pymongo.uri_parser.parse_uri(mongo_uri)["nodelist"][0]
    with ExitStack() as proxies:

        def make(alias: str) -> tuple[Panel, Proxy]:
            proxy = proxies.enter_context(Proxy(address[1]))
            direct = f"mongodb://127.0.0.1:{proxy.port}/{DATABASE}?directConnection=true"
            return Panel(store=MongoStore(direct, alias)), proxy

        yield make
        mongoengine.disconnect_all()


def test_a_server_that_is_slow_from_any_command_on_costs_no_money(
    proxied: Callable[[str], tuple[Panel, Proxy]], caplog: pytest.LogCaptureFixture
) -> None:
    """Each of these adds is served quickly up to another command; what comes after may be carried out, late."""
    panels = [proxied(f"slow after {n}") for n in range(8)]
    assert [add(panel).status for panel, _ in panels] == [200] * 8

    def slow_add(n: int) -> Answer:
        panel, proxy = panels[n]
        proxy.slow_after, proxy.delay = proxy.passed + n, 2.0
        return add(panel, key=f"slow after {n}")

    heard = at_once(len(panels), slow_add)
    assert UNAVAILABLE in [answer[:2] for answer in heard]
    assert {answer.status for answer in heard} <= {200, 503}
    assert "MongoDB did not answer" in caplog.text
    for _, proxy in panels:
        proxy.delay = 0.0
    again = [add(panel, key=f"slow after {n}") for n, (panel, _) in enumerate(panels)]
    assert [answer.status for answer in again] == [200] * 8
    for first, second in zip(heard, again, strict=True):
        assert first.status == 503 or first.json == second.json
    assert_exact(panels[0][0], orders=16)


# It takes no writes


@contextmanager
def locked(server: str) -> Iterator[None]:
    """Writes wait, as while a backup copies its files."""
    with pymongo.MongoClient[Any](server) as client:
        client.admin.command("fsync", lock=True)
        try:
            yield
        finally:
            client.admin.command("fsyncUnlock")


@contextmanager
def stepped_down(server: str) -> Iterator[None]:
    """Nobody is primary."""
    with pymongo.MongoClient[Any](server) as client:
        client.admin.command("replSetStepDown", 60, force=True)
        try:
            yield
        finally:
            client.admin.command("replSetFreeze", 0)
            wait_until(lambda: client.admin.command("hello")["isWritablePrimary"])


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A server that nobody else needs."""
    server = start_or_skip(tmp_path_factory.mktemp("faults"))
    yield server
    server.release()


@pytest.mark.parametrize("fault", [locked, stepped_down], ids=lambda fault: fault.__name__)
def test_a_server_that_takes_no_writes_is_unavailable_until_it_does(
    fault: Callable[[str], Any], own_server: Mongod, caplog: pytest.LogCaptureFixture
) -> None:
    store = MongoStore(with_database(own_server.uri, fault.__name__), fault.__name__)
    store.create_indexes()
    panel = Panel(store=store)
    assert add(panel).status == 200
    with fault(own_server.uri):
        assert add(panel)[:2] == UNAVAILABLE
        assert "MongoDB did not answer" in caplog.text
    assert add(panel).status == 200
    assert_exact(panel, orders=2)
    mongoengine.disconnect_all()


def test_what_is_logged_of_an_outage_is_short_however_often_the_driver_has_tried() -> None:
    """It raises the same failure at each retry, thousands of times where a lone server is no primary."""
    failure = AutoReconnect("not primary")

    def try_often() -> None:
        with Connection(None, "nobody").verb():
            for _ in range(100):
                with suppress(AutoReconnect):
                    try_once()
            try_once()

    def try_once() -> None:
        raise failure

    with pytest.raises(StoreUnavailable, match=r"MongoDB did not answer.*not primary") as raised:
        try_often()
    lines = "".join(traceback.format_exception(raised.value)).splitlines()
    assert len(lines) < 50
    assert "pymongo.errors.AutoReconnect: not primary" in lines


# A server with users and few places


MOST = 20
"""Connections that it takes."""


@pytest.fixture(scope="module")
def strict_server(own_server: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneMongod]:
    """It runs beside the other one, without which the tests are skipped."""
    with LoneMongod(tmp_path_factory.mktemp("strict"), "--auth", "--maxConns", str(MOST)) as server:
        with pymongo.MongoClient[Any](server.uri) as client:
            client.admin.command("createUser", "owner", pwd="owner", roles=["root"])
        yield server
    mongoengine.disconnect_all()


@pytest.fixture
def owner(strict_server: LoneMongod) -> Iterator[Any]:
    with pymongo.MongoClient[Any](strict_server.uri, username="owner", password="owner") as client:
        yield client


def users_store(server: LoneMongod, owner: Any, name: str) -> MongoStore:
    """A store in the database of that name, with a user of that name."""
    owner[name].command("createUser", name, pwd="secret", roles=["readWrite", "dbAdmin"])
    store = MongoStore(f"mongodb://{name}:secret@127.0.0.1:{server.port}/{name}", name)
    store.create_indexes()
    return store


def test_a_user_who_may_only_read_is_named_in_the_log_until_he_may_write(
    strict_server: LoneMongod, owner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    panel = Panel(store=users_store(strict_server, owner, "reader"))
    assert add(panel).status == 200
    owner["reader"].command("updateUser", "reader", roles=["read"])
    assert add(panel)[:2] == UNAVAILABLE
    assert "MongoDB does not let us in, or not write; give the user of the URI readWrite" in caplog.text
    owner["reader"].command("updateUser", "reader", roles=["readWrite", "dbAdmin"])
    assert add(panel).status == 200
    assert_exact(panel, orders=2)


def test_a_server_full_of_connections_is_unavailable_to_new_ones_until_there_is_room(
    strict_server: LoneMongod, owner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    panel = Panel(store=users_store(strict_server, owner, "late"))
    panel.store.forget()  # as a worker that has just started
    mongoengine.disconnect("late")
    with ExitStack() as others:
        for _ in range(MOST):
            others.enter_context(closing(socket.create_connection(("127.0.0.1", strict_server.port))))
        assert guess(panel, key=panel.key)[:2] == UNAVAILABLE
        assert "MongoDB did not answer" in caplog.text
    wait_until(lambda: add(panel).status == 200)
    assert_exact(panel, orders=1)


# The demo's own server


def test_a_server_that_the_demo_holds_is_started_again_whenever_it_ends(
    own_server: Mongod, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if that fails at first, as it does while the disk is full; then its thread ends with the demo."""
    monkeypatch.setattr(mongod, "WATCH_EVERY", 0.05)
    watch = threading.Thread(target=own_server.watch)
    watch.start()
    with pymongo.MongoClient[Any](own_server.uri) as client:
        client["kept"]["all"].insert_one({"_id": 1})
        with monkeypatch.context() as full:
            full.setenv("MONGOD", "/nowhere/mongod")
            assert own_server._process is not None
            own_server._process.kill()
            wait_until(lambda: "No /nowhere/mongod was found" in caplog.text)
        assert "mongod has gone; the end of " in caplog.text
        assert client["kept"]["all"].find_one() == {"_id": 1}
    own_server.release()
    watch.join(PATIENCE)
    assert not watch.is_alive()
