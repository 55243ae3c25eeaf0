"""Which MongoDB is used, on which terms, and what is said where there is none."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mongoengine
import pymongo
import pytest
from bson.int64 import Int64
from flask import Flask
from pymongo import monitoring

from flask_smmapi import Account, SmmApi, StoreUnavailable, deadline
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.documents import INDEXES, SmmAccount

from .mongo import DATABASE, Mongod, start_or_skip, with_database
from .panel import LINK, Panel

ACCOUNT = Account(id=1)
ONE = Decimal(1)
UNAVAILABLE = (503, {"error": "Service unavailable"})


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def ask(app: Flask, key: str = "abcd1234.efgh5678-ijkl9012") -> tuple[int, Any]:
    response = app.test_client().post("/api/v2", data={"key": key, "action": "balance"})
    return response.status_code, response.get_json()


@pytest.fixture
def unregistered() -> Iterator[None]:
    """No mongoengine connection, before and after."""
    mongoengine.disconnect_all()
    yield
    mongoengine.disconnect_all()


class TestWhichServer:
    def test_the_uri_of_the_config(self, mongo_uri: str) -> None:
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = mongo_uri
        key = SmmApi(app).store.add_account(ACCOUNT, balance=ONE)
        assert ask(app, key) == (200, {"balance": "1.00000000", "currency": "USD"})

    def test_the_hosts_own_connection_if_it_has_one(self, mongo_uri: str) -> None:
        mongoengine.connect(host=mongo_uri, tz_aware=False, uuidRepresentation="standard")
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = f"mongodb://127.0.0.1:{closed_port()}"
        store = SmmApi(app).store
        key = store.add_account(ACCOUNT, balance=ONE)
        assert ask(app, key)[0] == 200
        assert SmmAccount.objects.get(id=1).active

    def test_an_alias_beside_the_hosts_default_connection(self, mongo_uri: str) -> None:
        mongoengine.connect(host=f"mongodb://127.0.0.1:{closed_port()}", uuidRepresentation="standard")
        mongoengine.connect(host=mongo_uri, alias="smm", uuidRepresentation="standard")
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_ALIAS"] = "smm"
        key = SmmApi(app).store.add_account(ACCOUNT, balance=ONE)
        assert ask(app, key)[0] == 200

    def test_a_uri_without_a_database_means_the_database_smmapi(self, mongod: str) -> None:
        store = MongoStore(mongod, alias="nameless")
        try:
            store.create_indexes()
            with pymongo.MongoClient(mongod) as client:
                assert "smmapi_ledger" in client["smmapi"].list_collection_names()
                client.drop_database("smmapi")
        finally:
            mongoengine.disconnect("nameless")

    def test_two_apps_have_their_own_if_each_has_an_alias(self, mongo_uri: str, mongod: str) -> None:
        first, second = MongoStore(mongo_uri), MongoStore(with_database(mongod, "second"), alias="second")
        second.create_indexes()
        for store, amount in ((first, 1), (second, 2)):
            store.credit(1, Decimal(amount), "payment")
        assert [store.balance(1) for store in (first, second)] == [1, 2]
        with pymongo.MongoClient(mongod) as client:
            client.drop_database("second")

    def test_two_apps_with_one_alias_and_two_uris_are_told_apart(self, mongo_uri: str, mongod: str) -> None:
        """Else the second one's money would be in the first one's database."""
        MongoStore(mongo_uri).balance(1)
        with pytest.raises(StoreUnavailable, match="SMMAPI_MONGODB_ALIAS"):
            MongoStore(with_database(mongod, "second")).balance(1)

    def test_the_uri_can_change_when_the_connection_was_closed(self, mongo_uri: str, mongod: str) -> None:
        MongoStore(with_database(mongod, "second")).missing_indexes()
        mongoengine.disconnect()
        assert MongoStore(mongo_uri).balance(1) == 0


def test_a_connection_that_the_host_closed_and_opened_again_is_found_again(mongo_uri: str) -> None:
    mongoengine.connect(host=mongo_uri, uuidRepresentation="standard")
    app = Flask("panel")
    key = SmmApi(app).store.add_account(ACCOUNT, balance=ONE)
    mongoengine.disconnect()
    mongoengine.connect(host=mongo_uri, uuidRepresentation="standard")
    assert [ask(app, key)[0] for _ in range(2)] == [503, 200]


class TestTimeIsUp:
    """A request has a deadline, however many verbs it needs, and however many requests wait before it."""

    def test_no_verb_begins_behind_it(self, mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch) -> None:
        panel = Panel(store=mongo_store)
        orders = ",".join(panel.place().id for _ in range(5))
        monkeypatch.setattr(deadline, "REQUEST_TIMEOUT", 0.0)
        assert panel.post("cancel", orders=orders)[:2] == UNAVAILABLE
        monkeypatch.undo()
        assert panel.post("cancel", orders=orders).status == 200
        assert panel.balance == 100

    def test_a_bulk_that_takes_too_long_is_503_and_can_be_repeated(
        self, mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        panel = Panel(store=mongo_store)
        orders = ",".join(panel.place().id for _ in range(5))
        credit, moment = mongo_store.credit, time.monotonic()

        def slow_credit(*args: Any) -> None:
            nonlocal moment
            credit(*args)
            moment += 2  # as if it had taken so long

        monkeypatch.setattr(mongo_store, "credit", slow_credit)
        monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: moment))
        answers = [panel.post("cancel", orders=orders).status for _ in range(8)]
        assert answers[0] == 503
        assert answers[-1] == 200
        assert panel.balance == 100
        assert list(mongo_store.audit(older_than=timedelta(hours=-1))) == []

    def test_those_who_wait_for_the_first_price_list_give_up(self, mongo_store: MongoStore) -> None:
        with mongo_store.catalog._lock, pytest.raises(StoreUnavailable, match="price list"):
            mongo_store.catalog(ACCOUNT)


@pytest.mark.usefixtures("unregistered")
class TestNoServer:
    def test_none_named_is_503_and_the_log_says_what_to_set(self, caplog: pytest.LogCaptureFixture) -> None:
        app = Flask("panel")
        SmmApi(app)
        assert ask(app) == UNAVAILABLE
        assert "set SMMAPI_MONGODB_URI, or connect with mongoengine under the alias 'default'" in caplog.text

    def test_none_there_is_503_in_time_and_heals_by_itself(
        self, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        server = start_or_skip(tmp_path)
        uri = with_database(server.uri, "panel")
        store = MongoStore(uri)
        store.create_indexes()
        key = store.add_account(ACCOUNT, balance=ONE)
        mongoengine.disconnect()
        server.release()

        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = uri
        SmmApi(app)
        assert ask(app) == UNAVAILABLE
        assert "MongoDB did not answer" in caplog.text
        server = Mongod(tmp_path)
        server.acquire()
        assert server.uri in uri.replace("/panel", "/")
        assert ask(app, key) == (200, {"balance": "1.00000000", "currency": "USD"})
        mongoengine.disconnect()
        server.release()

    @pytest.mark.parametrize("uri", ["http://127.0.0.1", "127.0.0.1:27017", 27017, ""])
    def test_what_is_no_uri_stops_the_start_up(self, uri: Any) -> None:
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = uri
        with pytest.raises(RuntimeError, match=r"SMMAPI_MONGODB_URI.*mongodb://"):
            SmmApi(app)

    @pytest.mark.parametrize(
        "uri",
        [
            "mongodb://",
            "mongodb://host:port",
            "mongodb://u:hunter2@b@c",
            "mongodb://h/db?w=-1",
            "mongodb://h/?tlsCAFile=/nowhere.pem",
        ],
    )
    def test_a_broken_uri_stops_the_start_up(self, uri: str) -> None:
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = uri
        with pytest.raises(RuntimeError, match=r"SMMAPI_MONGODB_URI cannot be used: .*mongodb://host:27017/database"):
            SmmApi(app)

    def test_starting_up_connects_to_nothing(self) -> None:
        """So nothing is open when a server forks its workers."""
        threads = set(threading.enumerate())
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = f"mongodb://127.0.0.1:{closed_port()}"
        SmmApi(app)
        assert set(threading.enumerate()) <= threads  # those of other tests may end meanwhile
        assert mongoengine.connection._connections == {}


class TestIndexes:
    @pytest.fixture
    def bare(self, mongod: str) -> Iterator[MongoStore]:
        """A store in a database without anything."""
        yield MongoStore(with_database(mongod, "bare"), alias="bare")
        mongoengine.disconnect("bare")
        with pymongo.MongoClient(mongod) as client:
            client.drop_database("bare")

    def test_a_missing_one_is_named_at_the_first_request(
        self, bare: MongoStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = Flask("panel")
        SmmApi(app, store=bare)
        assert ask(app) == UNAVAILABLE
        assert "smmapi_ledger.account_seq" in caplog.text
        assert "Run: flask smmapi init-db" in caplog.text

    def test_creating_them_heals_a_running_worker_and_may_be_repeated(self, bare: MongoStore) -> None:
        app = Flask("panel")
        SmmApi(app, store=bare)
        assert ask(app) == UNAVAILABLE
        for _ in range(2):
            bare.create_indexes()
        assert ask(app) == (401, {"error": "Invalid API key"})

    @pytest.mark.parametrize("schema", [None, Int64(0)])
    def test_are_built_for_a_schema_and_an_older_one_wants_init_db(
        self, bare: MongoStore, mongod: str, schema: Int64 | None
    ) -> None:
        bare.create_indexes()
        with pymongo.MongoClient(mongod) as client:
            meta = client["bare"]["smmapi_meta"]
            meta.delete_one({"_id": "schema"})
            if schema is not None:
                meta.insert_one({"_id": "schema", "value": schema})
        with pytest.raises(StoreUnavailable, match=r"older release \(schema 0; this one needs 1\)\. Run: .*init-db"):
            bare.balance(1)
        assert "older release" in self.run(bare, "doctor").stderr
        assert self.run(bare, "init-db").exit_code == 0
        assert bare.balance(1) == 0

    def test_a_newer_schema_is_left_alone(
        self, bare: MongoStore, mongod: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pymongo.MongoClient(mongod) as client:
            client["bare"]["smmapi_meta"].insert_one({"_id": "schema", "value": Int64(2)})
            result = self.run(bare, "init-db")
            assert (result.exit_code, "A newer release" in result.stderr) == (1, True)
            assert client["bare"].list_collection_names() == ["smmapi_meta"]
            for name, indexes in INDEXES.items():
                for index in indexes:
                    client["bare"][name].create_index(index.keys, **index.options)
            app = Flask("panel")
            SmmApi(app, store=bare)
            assert ask(app) == UNAVAILABLE
            assert "Install that release" in caplog.text
            assert client["bare"]["smmapi_meta"].find_one({"_id": "schema"})["value"] == 2

    def test_one_that_should_be_unique_and_is_not_is_missing(self, bare: MongoStore, mongod: str) -> None:
        bare.create_indexes()
        assert bare.missing_indexes() == []
        with pymongo.MongoClient(mongod) as client:
            ledger = client["bare"]["smmapi_ledger"]
            ledger.drop_index("account_seq")
            ledger.create_index([("account", 1), ("seq", 1)], name="account_seq")
        assert bare.missing_indexes() == ["smmapi_ledger.account_seq"]

    def test_one_of_that_name_over_other_fields_is_missing(self, bare: MongoStore, mongod: str) -> None:
        bare.create_indexes()
        with pymongo.MongoClient(mongod) as client:
            ledger = client["bare"]["smmapi_ledger"]
            ledger.drop_index("account_seq")
            ledger.create_index([("_id", 1), ("seq", 1)], name="account_seq", unique=True)
        assert bare.missing_indexes() == ["smmapi_ledger.account_seq"]
        with pytest.raises(RuntimeError, match=r"ledger\.account_seq cannot be built; remove what is in its way"):
            bare.create_indexes()

    def test_one_that_is_being_built_is_missing(self, bare: MongoStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """It holds for no document yet, so two writers could take one place."""
        bare.create_indexes()
        database = bare._connection._database()
        real = database.command({"listIndexes": "smmapi_ledger", "includeBuildUUIDs": True})
        building = [
            {"spec": index, "buildUUID": "…"} if index["name"] == "account_seq" else index
            for index in real["cursor"]["firstBatch"]
        ]
        answer = {**real, "cursor": {**real["cursor"], "firstBatch": building}}
        command = type(database).command

        def listing(self: Any, asked: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(asked, dict) and asked.get("listIndexes") == "smmapi_ledger":
                return answer
            return command(self, asked, *args, **kwargs)

        monkeypatch.setattr(type(database), "command", listing)
        assert bare.missing_indexes() == ["smmapi_ledger.account_seq"]

    def test_duplicates_in_the_way_of_one_are_a_sentence(self, bare: MongoStore, mongod: str) -> None:
        with pymongo.MongoClient(mongod) as client:
            client["bare"]["smmapi_ledger"].insert_many([{"account": 1, "seq": 1}, {"account": 1, "seq": 1}])
        result = self.run(bare, "init-db")
        assert result.exit_code == 1
        assert "The index smmapi_ledger.account_seq cannot be built; remove what is in its way" in result.output

    def run(self, store: MongoStore, *command: str) -> Any:
        app = Flask("panel")
        SmmApi(app, store=store)
        return app.test_cli_runner().invoke(args=["smmapi", *command])

    def test_what_must_be_unique_is(self, mongo_store: MongoStore, mongo_uri: str) -> None:
        with pymongo.MongoClient(mongo_uri) as client:
            database = client[DATABASE]
            unique = {
                (name, tuple(field for field, _ in index["key"]))
                for name in database.list_collection_names()
                for index in database[name].index_information().values()
                if index.get("unique")
            }
        assert unique == {
            ("smmapi_ledger", ("account", "seq")),
            ("smmapi_orders", ("account", "number")),
            ("smmapi_orders", ("account", "idempotency_key")),
            ("smmapi_refills", ("account", "order", "n")),
            ("smmapi_refills", ("account", "number")),
            ("smmapi_services", ("edition", "position")),
        }


class Commands(monitoring.CommandListener):
    """Keeps the commands that a client sends."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_reads_writes_and_times_are_on_our_terms_whatever_the_hosts_uri_says(mongo_uri: str) -> None:
    commands = Commands()
    terms = "readPreference=secondaryPreferred&w=1&journal=false&readConcernLevel=available"
    mongoengine.connect(
        host=f"{mongo_uri}&{terms}", tz_aware=False, uuidRepresentation="standard", event_listeners=[commands]
    )
    panel = Panel(store=MongoStore())
    order = panel.smmapi.place(panel.account, {"service": 123, "link": LINK, "quantity": 1000})
    assert panel.read(order).created.utcoffset() is not None
    panel.smmapi.cancel(panel.account, order.id)

    ours = [command for command in commands.sent if str(next(iter(command.values()))).startswith("smmapi_")]
    writes = [command for command in ours if next(iter(command)) in ("insert", "update", "delete", "findAndModify")]
    reads = [command for command in ours if next(iter(command)) in ("find", "aggregate")]
    assert writes
    assert reads
    for write in writes:
        assert (write["writeConcern"]["w"], write["writeConcern"]["j"]) == ("majority", True)
    for read in reads:
        assert "level" not in read.get("readConcern", {})
        assert read.get("$readPreference", {"mode": "primary"})["mode"] != "secondaryPreferred"


def _balance_in_child(store: MongoStore, results: Any) -> None:
    mongoengine.connection._connections.clear()  # the parent's sockets are the parent's
    mongoengine.connection._dbs.clear()
    results.put((store.debit(1, ONE, "child"), store.balance(1), os.getpid()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_forked_process_begins_without_what_its_parent_had_in_memory(mongo_store: MongoStore) -> None:
    """Neither its newest entries, which grow old, nor its locks, which may be held, nor its block of numbers."""
    mongo_store.credit(1, Decimal(3), "payment")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    queue = mongo_store._queues[1]
    with mongo_store._queues._lock, mongo_store._numbers._lock, queue.changed:
        child = context.Process(target=_balance_in_child, args=(mongo_store, results))
        child.start()
    debited, balance, process = results.get(timeout=30)
    child.join()
    assert (debited, balance) == (True, 2)
    assert process != os.getpid()
    assert mongo_store.debit(1, Decimal(2), "parent")
    assert not mongo_store.debit(1, ONE, "too much")


def test_importing_and_using_the_extension_with_another_store_imports_no_mongodb() -> None:
    """Whoever has his own storage pays nothing for ours; tests/test_layers.py has the bare import."""
    import subprocess
    import sys

    code = (
        "import sys; from flask import Flask; from flask_smmapi import SmmApi; "
        "from flask_smmapi.stores.memory import MemoryStore; SmmApi(Flask('x'), store=MemoryStore()); "
        "sys.exit(any(name.partition('.')[0] in ('pymongo', 'mongoengine', 'bson') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_log_of_an_outage_names_no_password(caplog: pytest.LogCaptureFixture, unregistered: None) -> None:
    app = Flask("panel")
    app.config["SMMAPI_MONGODB_URI"] = f"mongodb://owner:hunter2@127.0.0.1:{closed_port()}/panel"
    SmmApi(app)
    with caplog.at_level(logging.DEBUG, logger="flask_smmapi"):
        assert ask(app) == UNAVAILABLE
    ours = [record.getMessage() for record in caplog.records if record.name == "flask_smmapi"]
    assert ours
    assert not [text for text in ours if "hunter2" in text]
