"""What a request costs in MongoDB: how many commands, and that each finds what it wants by an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mongoengine
import pymongo
import pytest

from flask_smmapi.stores.mongo import MongoStore, catalog
from flask_smmapi.stores.mongo.documents import INDEXES

from .mongo import DATABASE
from .panel import LINK, Panel
from .test_mongo_connection import Commands

ADD = {"service": 123, "link": LINK, "quantity": 1000}


@pytest.fixture
def commands(mongo_uri: str) -> Commands:
    """The commands of a host's connection, which is the one that is used."""
    commands = Commands()
    mongoengine.connect(host=mongo_uri, uuidRepresentation="standard", event_listeners=[commands])
    return commands


@pytest.fixture
def panel(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Panel:
    """A warm process: it has the indexes checked, a price list, a block of numbers, and orders of many ages."""
    monkeypatch.setattr(catalog, "FRESH_FOR", 3600.0)
    panel = Panel(store=MongoStore(), balance="100000")
    for number in range(30):
        order = panel.place()
        if number % 3 == 0:
            panel.complete(order)
            panel.post("refill", order=order.id)
    for action in ("services", "balance"):
        assert panel.post(action).status == 200
    return panel


def sent(panel: Panel, commands: Commands, action: str, **params: Any) -> list[Any]:
    commands.sent.clear()
    assert panel.post(action, **params).status == 200
    return [command for command in commands.sent if next(iter(command)) != "getMore"]


def refused(panel: Panel, commands: Commands) -> list[Any]:
    """The commands of an add that nobody can pay."""
    commands.sent.clear()
    assert panel.post("add", service=13, username="somebody", min=1, max=10_000, delay=0, posts=10**6).status == 400
    return list(commands.sent)


def names(commands: list[Any]) -> list[str]:
    return [next(iter(command)) for command in commands]


def test_round_trips_of_each_action(panel: Panel, commands: Commands) -> None:
    order = panel.place()
    done = panel.complete(panel.place())
    key = ["aggregate"]  # the key and its account in one
    assert names(sent(panel, commands, "services")) == key
    assert names(sent(panel, commands, "balance")) == [*key, "find"]
    assert names(sent(panel, commands, "status", order=order.id)) == [*key, "find"]
    assert names(sent(panel, commands, "add", **ADD)) == [*key, "insert", "insert", "update"]
    keyed = names(sent(panel, commands, "add", **ADD, request_id="order-0001"))
    assert keyed == [*key, "find", "insert", "insert", "update"]
    assert names(sent(panel, commands, "add", **ADD, request_id="order-0001")) == [*key, "find"]
    assert names(sent(panel, commands, "cancel", order=order.id)) == [*key, "find", "update", "insert", "update"]
    assert names(sent(panel, commands, "refill", order=done.id)) == [*key, "find", "find", "insert"]
    assert names(sent(panel, commands, "refill_status", refill=done.id)) == [*key, "find"]


@pytest.mark.parametrize("form", ["id", "number"])
def test_a_hundred_ids_cost_no_more_than_one(panel: Panel, commands: Commands, form: str) -> None:
    orders = [panel.place() for _ in range(100)]
    ids = ",".join(str(getattr(order, form)) for order in orders)
    assert names(sent(panel, commands, "status", orders=ids)) == ["aggregate", "find"]


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(panel: Panel, commands: Commands, mongo_uri: str) -> None:
    for _ in range(3):
        assert "update" not in names(sent(panel, commands, "balance"))
    with pymongo.MongoClient(mongo_uri, tz_aware=True) as client:
        keys = client[DATABASE]["smmapi_keys"]
        [before] = keys.find()
        keys.update_one({}, {"$set": {"last_used": before["created"].replace(year=2020)}})
        assert names(sent(panel, commands, "services")) == ["aggregate", "update"]
        assert names(sent(panel, commands, "services")) == ["aggregate"]
        [after] = keys.find()
    assert after["last_used"] >= before["last_used"]


def stages(plan: Any) -> Iterator[str]:
    """The names of all stages anywhere in an explained plan, but for those of plans that lost."""
    if isinstance(plan, dict):
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for name, part in plan.items():
            if name != "rejectedPlans":
                yield from stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from stages(part)


WRITES = {"update": "updates", "delete": "deletes"}


def explained(client: Any, command: Any) -> list[str]:
    """The stages by which the server finds what *command* wants."""
    name = next(iter(command))
    wanted = {
        key: value
        for key, value in command.items()
        if not key.startswith(("$", "lsid", "txn", "maxTimeMS", "writeConcern", "readConcern"))
    }
    if name == "aggregate":
        wanted.setdefault("cursor", {})
    plan = client[DATABASE].command("explain", wanted, verbosity="queryPlanner")
    return list(stages(plan))


def test_every_query_of_the_hot_path_goes_by_an_index(panel: Panel, commands: Commands, mongo_uri: str) -> None:
    order = panel.place()
    done = panel.complete(panel.place())
    requests: list[tuple[str, dict[str, Any]]] = [
        ("services", {}),
        ("balance", {}),
        ("add", ADD),
        ("add", {**ADD, "request_id": "order-0001"}),
        ("status", {"order": order.id}),
        ("status", {"order": order.number}),
        ("status", {"orders": f"{order.id},{done.number},{'0' * 24},7"}),
        ("refill", {"order": done.id}),
        ("refill_status", {"refill": done.id}),
        ("cancel", {"order": order.number}),
    ]
    queries = [
        command
        for action, params in requests
        for command in sent(panel, commands, action, **params)
        if next(iter(command)) != "insert"
    ]
    queries += [command for command in refused(panel, commands) if next(iter(command)) != "insert"]
    commands.sent.clear()
    panel.store.list(panel.account.id, limit=5, before=20)
    panel.smmapi.reconcile()
    panel.store.find_refills(panel.account.id, [1, 2, done.id])
    queries += commands.sent
    assert len(queries) > 20
    with pymongo.MongoClient(mongo_uri) as client:
        for query in queries:
            found = explained(client, query)
            assert {"IXSCAN", "IDHACK", "EQ_LOOKUP"} & set(found), f"{query} goes by {found}"
            assert "COLLSCAN" not in found, f"{query} goes by {found}"


def test_orders_refills_and_ledger_can_be_sharded_by_account(panel: Panel, commands: Commands) -> None:
    """Every unique index begins with the account or is an _id; every query and write of a request names the account."""
    for collection in ("smmapi_orders", "smmapi_refills", "smmapi_ledger"):
        for index in INDEXES[collection]:
            assert not index.options.get("unique") or index.keys[0][0] == "account"
    order = panel.place()
    queries = [
        *sent(panel, commands, "status", order=order.number),
        *sent(panel, commands, "add", **ADD, request_id="order-0002"),
        *sent(panel, commands, "cancel", order=order.id),
        *sent(panel, commands, "balance"),
        *refused(panel, commands),
    ]
    for query in queries:
        name = next(iter(query))
        if query[name] in ("smmapi_orders", "smmapi_refills", "smmapi_ledger"):
            inner = [part["q"] for part in query[WRITES[name]]] if name in WRITES else query.get("documents", [query])
            for part in inner:
                conditions = part.get("filter", part)
                assert all("account" in each for each in conditions.get("$or", [conditions])), query
