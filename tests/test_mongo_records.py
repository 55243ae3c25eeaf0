"""A document that was changed by hand into nonsense fails its own request, is named in the log, and is never an amount.

One thread is enough here, so mongomock will do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import mongoengine
import mongomock
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.records import OF_ITS_STATE

from .panel import LINK, Panel

FAILED = (500, {"error": "Internal server error"})


@pytest.fixture
def db() -> Iterator[Any]:
    client = mongoengine.connect("panel", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
    yield client["panel"]
    mongoengine.disconnect_all()


@pytest.fixture
def panel(db: Any) -> Panel:
    store = MongoStore()
    store.create_indexes()
    return Panel(store=store)


def answered(panel: Panel, action: str, **params: Any) -> tuple[int, Any]:
    answer = panel.post(action, **params)
    return answer.status, answer.json


def readers_of(name: str) -> tuple[str, ...]:
    """The actions that read the field *name* of an order."""
    return ("status", "cancel") if name in OF_ITS_STATE else ("cancel",)


@pytest.mark.parametrize(
    "changes",
    [
        {"charge": "1.00000000"},
        {"charge": 1.0},
        {"charge": Int64(-5)},
        {"due_back": Int64(10**8 + 1)},
        {"paid_back": Int64(7)},
        {"remains": Int64(1001)},
        {"remains": Int64(-1)},
        {"count": None},
        {"status": "DONE"},
        {"status": None},
        {"rate": True},
        {"created": "yesterday"},
        {"created": None},
        {"currency": 5},
        {"currency": None},
        {"cancelable": "yes"},
        {"params": ["link"]},
        {"start_count": "many"},
        {"number": 1.0},
        {"children": [Int64(4), "5"]},
        {"children": None},
    ],
    ids=repr,
)
def test_an_order(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]) -> None:
    order, sound = panel.place(), panel.place()
    db["smmapi_orders"].update_one({"_id": ObjectId(order.id)}, {"$set": changes})
    for action in readers_of(*changes):
        caplog.clear()
        assert answered(panel, action, order=order.id) == FAILED
        assert order.id in caplog.text
        assert next(iter(changes)) in caplog.text
    assert panel.post("status", order=sound.id).status == 200
    assert panel.balance == 98


@pytest.mark.parametrize("name", ["charge", "status", "params", "revision", "fingerprint", "cancelable", "created"])
def test_an_order_that_lacks_a_field(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, name: str) -> None:
    order = panel.place()
    db["smmapi_orders"].update_one({"_id": ObjectId(order.id)}, {"$unset": {name: 1}})
    for action in readers_of(name):
        caplog.clear()
        assert answered(panel, action, order=order.id) == FAILED
        assert order.id in caplog.text
        assert name in caplog.text


@pytest.mark.parametrize(
    "changes", [{"balance": "100"}, {"balance": 99.5}, {"balance": Int64(-1)}, {"seq": None}, {"seq": 1.0}], ids=repr
)
def test_the_newest_entry_of_a_ledger(
    panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    db["smmapi_ledger"].update_one({"account": 1}, {"$set": changes})
    panel.store.forget()
    assert answered(panel, "balance") == FAILED
    assert "opening:1" in caplog.text
    assert answered(panel, "add", service=123, link=LINK, quantity=1000) == FAILED
    assert db["smmapi_ledger"].count_documents({"units": {"$ne": 0}}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 0.5},
        {"rate": Int64(-1)},
        {"type": "Unknown"},
        {"min": Int64(9), "max": Int64(3)},
        {"name": None},
        {"desc": 5},
    ],
    ids=repr,
)
def test_a_row_of_the_price_list(
    panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    row = db["smmapi_services"].find_one_and_update({"number": 123}, {"$set": changes})
    panel.store.forget()
    assert answered(panel, "services") == FAILED
    assert str(row["_id"]) in caplog.text
    assert answered(panel, "balance")[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"allowed_ips": "everywhere"},
        {"allowed_ips": ["everywhere"]},
        {"currency": 5},
        {"dialect": "document"},
        {"prices": "many"},
    ],
    ids=repr,
)
def test_an_account(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]) -> None:
    db["smmapi_accounts"].update_one({"_id": 1}, {"$set": changes})
    assert answered(panel, "balance") == FAILED
    assert "The document with _id 1 cannot be read" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"discount": 5.0},
        {"discount": Int64(-1)},
        {"discount": Int64(10_001)},
        {"discount": None},
        {"rates": [{"service": Int64(1), "rate": 0.5}]},
        {"rates": [{"service": Int64(1), "rate": Int64(-1)}]},
        {"rates": [{"service": "1", "rate": Int64(1)}]},
        {"rates": [{"rate": Int64(1)}]},
        {"rates": ["free"]},
        {"rates": None},
    ],
    ids=repr,
)
def test_the_prices_of_an_account(
    panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    panel.store.set_prices(1, discount=Decimal(5))
    db["smmapi_accounts"].update_one({"_id": 1}, {"$set": changes})
    assert answered(panel, "services") == FAILED
    assert "The document with _id 1 cannot be read" in caplog.text
    assert answered(panel, "add", service=123, link=LINK, quantity=1000) == FAILED
    assert answered(panel, "balance")[0] == 200


def test_documents_that_are_older_than_a_field_are_read(panel: Panel, db: Any) -> None:
    order = panel.place()
    panel.store.set_prices(1, discount=Decimal(5))
    for collection, names in {
        "orders": ["children"],
        "services": ["desc", "average_time"],
        "accounts": ["dialect", "discount", "rates", "prices"],
    }.items():
        db[f"smmapi_{collection}"].update_many({}, {"$unset": dict.fromkeys(names, 1)})
    panel.store.forget()
    assert panel.read(order) == order
    assert answered(panel, "services")[0] == answered(panel, "status", order=order.id)[0] == 200


def test_a_key_whose_dialect_there_is_not(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture) -> None:
    db["smmapi_keys"].update_many({}, {"$set": {"dialect": "document"}})
    assert answered(panel, "balance") == FAILED
    assert "the dialects are: standard, panel." in caplog.text


@pytest.mark.parametrize("changes", [{"status": "Done"}, {"n": "first"}, {"created": None}])
def test_a_refill(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]) -> None:
    order = panel.complete(panel.place())
    refill = panel.post("refill", order=order.id).json["refill"]
    db["smmapi_refills"].update_one({}, {"$set": changes})
    assert answered(panel, "refill_status", refill=refill) == FAILED
    assert refill in caplog.text


def test_the_desk_goes_on_with_the_others(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = panel.place(), panel.place()
    db["smmapi_orders"].update_one({"_id": ObjectId(bad.id)}, {"$set": {"charge": None}})
    assert [order.id for order in panel.smmapi.desk.claim(1, "worker")] == [good.id]
    assert bad.id in caplog.text


def test_reconcile_goes_on_with_the_others(panel: Panel, db: Any, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = panel.place(), panel.place()
    for order in (bad, good):
        db["smmapi_orders"].update_one({"_id": ObjectId(order.id)}, {"$set": {"unsettled": True, "status": "VOIDING"}})
    db["smmapi_orders"].update_one({"_id": ObjectId(bad.id)}, {"$set": {"charge": None}})
    with caplog.at_level(logging.ERROR):
        assert panel.smmapi.reconcile().abandoned == 1
    assert bad.id in caplog.text
    assert panel.balance == 99
