"""The audit finds what does not add up, changes nothing, and leaves alone what is on its way; so does the shell say."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pymongo
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from flask_smmapi import OrderStatus, SmmApi
from flask_smmapi.placement import Placement
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.records import entry_id

from .mongo import DATABASE
from .panel import Panel
from .steps import Kill, Killed, Killing

Db = Database[dict[str, Any]]


@pytest.fixture
def panel(mongo_store: MongoStore) -> Panel:
    """A panel on MongoDB with orders in every state that money can be in."""
    panel = Panel(store=mongo_store)
    placement = Placement(mongo_store, mongo_store)
    panel.place()
    panel.smmapi.cancel(panel.account, panel.place().id)
    begun = panel.move(panel.place(), OrderStatus.PROCESSING)
    for remains in (100, 250, 400):
        begun = placement.close(begun, OrderStatus.PARTIAL, remains)
    placement.close(panel.move(panel.place(), OrderStatus.PROCESSING), OrderStatus.COMPLETED, 0)
    with pytest.raises(Killed):  # an order that is paid for and never confirmed, and abandoned later
        panel_with(panel, Kill(1, True, Killed)).place()
    placement.reconcile(-timedelta(hours=1))
    return panel


def panel_with(panel: Panel, kill: Kill) -> Panel:
    """The same store, whose wallet and orders fail at one step."""
    killing: Any = Killing(panel.store, kill)
    other = copy(panel)
    other.smmapi = SmmApi(Flask("other"), store=panel.store, wallet=killing, orders=killing)
    return other


@pytest.fixture
def db(mongo_uri: str) -> Any:
    with pymongo.MongoClient(mongo_uri) as client:
        yield client[DATABASE]


def findings(panel: Panel, older_than: timedelta = -timedelta(hours=1)) -> list[str]:
    """What the audit says; unless told otherwise, of orders of any age."""
    return [f"{difference.where}: {difference.what}" for difference in panel.store.audit(older_than=older_than)]


def test_what_adds_up_is_clean(panel: Panel) -> None:
    assert findings(panel) == []


def live(db: Db) -> ObjectId:
    """An order that costs 1.00."""
    found = db["smmapi_orders"].find_one({"status": "AWAITING"})
    assert found is not None
    order: ObjectId = found["_id"]
    return order


def partly(db: Db) -> ObjectId:
    """An order of which 0.40 was paid back, in three parts."""
    found = db["smmapi_orders"].find_one({"status": "PARTIAL"})
    assert found is not None
    order: ObjectId = found["_id"]
    return order


def drop_order(db: Db) -> str:
    order = live(db)
    db["smmapi_orders"].delete_one({"_id": order})
    return rf"order {order}: 100000000 units were taken, and there is no such order"


def drop_debit(db: Db) -> str:
    order = live(db)
    db["smmapi_ledger"].delete_one({"_id": entry_id(1, str(order))})
    return rf"order {order}: it was never paid"


def void_debit(db: Db) -> str:
    order = live(db)
    newest = db["smmapi_ledger"].find_one(sort=[("seq", -1)])
    assert newest is not None
    db["smmapi_ledger"].insert_one(
        {
            **newest,
            "_id": entry_id(1, f"{order}:void"),
            "seq": newest["seq"] + 1,
            "kind": "void",
            "units": Int64(10**8),
            "balance": Int64(newest["balance"] + 10**8),
        }
    )
    return rf"order {order}: it was never paid"


def raise_charge(db: Db) -> str:
    order = live(db)
    db["smmapi_orders"].update_one({"_id": order}, {"$inc": {"charge": Int64(1)}})
    return rf"order {order}: it costs 100000001 units; 100000000 were taken"


def raise_due_back(db: Db) -> str:
    order = partly(db)
    db["smmapi_orders"].update_one({"_id": order}, {"$inc": {"due_back": Int64(5)}})
    return rf"order {order}: 40000005 units are due back; 40000000 were given"


def leave_unpaid(db: Db) -> str:
    order = live(db)
    db["smmapi_orders"].update_one({"_id": order}, {"$set": {"status": "UNPAID"}})
    return rf"order {order}: it is UNPAID for more than two minutes; reconcile abandons it"


def spoil_order(db: Db) -> str:
    order = live(db)
    db["smmapi_orders"].update_one({"_id": order}, {"$set": {"charge": "1.00"}})
    return rf"order {order}: .*charge is '1\.00', no whole number"


def drop_entry(db: Db) -> str:
    db["smmapi_ledger"].delete_one({"account": 1, "seq": 1})
    return r"account 1, entry .*: its number is 2; 1 was due"


def change_units(db: Db) -> str:
    db["smmapi_ledger"].update_one({"account": 1, "seq": 1}, {"$inc": {"units": Int64(7)}})
    return r"account 1, entry .*: its balance is 10000000000 units; 0 and 10000000007 make 10000000007"


def change_balance(db: Db) -> str:
    db["smmapi_ledger"].update_one({"account": 1, "seq": 1}, {"$set": {"balance": Int64(-1)}})
    return r"account 1, entry .*: its balance is -1 units, below zero"


def spoil_entry(db: Db) -> str:
    db["smmapi_ledger"].update_one({"account": 1, "seq": 1}, {"$set": {"units": 1.5}})
    return r"account 1, entry .*: .*units is 1\.5, no whole number"


def lose_number(db: Db) -> str:
    """The entry before it would count as the newest."""
    newest = db["smmapi_ledger"].find_one(sort=[("seq", -1)])
    assert newest is not None
    db["smmapi_ledger"].update_one({"_id": newest["_id"]}, {"$unset": {"seq": 1}})
    return r"account 1, entry .*: .*seq is None, no whole number"


def misplace_entry(db: Db) -> str:
    [entry] = db["smmapi_ledger"].find({"account": 1, "seq": 1})
    db["smmapi_ledger"].delete_one({"_id": entry["_id"]})
    db["smmapi_ledger"].insert_one({**entry, "_id": entry_id(2, "opening:1")})
    return r"account 1, entry .*: its _id is another account's"


def spoil_debit(db: Db) -> str:
    order = live(db)
    db["smmapi_ledger"].update_one({"_id": entry_id(1, str(order))}, {"$set": {"units": "x"}})
    return rf"order {order}: .*units is 'x', no whole number"


def spoil_credit(db: Db) -> str:
    order = partly(db)
    db["smmapi_ledger"].update_one({"_id": entry_id(1, f"{order}:back:0")}, {"$set": {"units": 1.0}})
    return rf"order {order}: .*units is 1\.0, no whole number"


def lose_kind(db: Db) -> str:
    order = live(db)
    db["smmapi_ledger"].update_one({"_id": entry_id(1, str(order))}, {"$unset": {"kind": 1}})
    return r"account 1, entry .*: .*kind is None, no str"


def lose_account(db: Db) -> str:
    db["smmapi_ledger"].update_one({"account": 1, "seq": 1}, {"$unset": {"account": 1}})
    return r"entry .*: .*its _id is another account's"


def plain_id(db: Db) -> str:
    db["smmapi_ledger"].insert_one({"_id": ObjectId(), "account": 5, "seq": Int64(1)})
    return r"account 5, entry .*: .*_id is ObjectId\(.*\), no dict"


def order_without_account(db: Db) -> str:
    order = live(db)
    db["smmapi_orders"].update_one({"_id": order}, {"$unset": {"account": 1}})
    return rf"order {order}: .*account"


def order_without_date(db: Db) -> str:
    order = live(db)
    db["smmapi_orders"].update_one({"_id": order}, {"$set": {"created": "yesterday"}})
    return rf"order {order}: .*created is 'yesterday', no datetime"


def append(db: Db, reference: str, kind: str, units: int) -> None:
    """An entry that is in order but for its purpose."""
    newest = db["smmapi_ledger"].find_one({"account": 1}, sort=[("seq", -1)])
    assert newest is not None
    changes = {"_id": entry_id(1, reference), "seq": Int64(newest["seq"] + 1), "kind": kind, "units": Int64(units)}
    db["smmapi_ledger"].insert_one({**newest, **changes, "balance": Int64(newest["balance"] + units)})


def pay_back_nobody(db: Db) -> str:
    append(db, f"{'0' * 24}:back:0", "credit", 5)
    return rf"order {'0' * 24}: 5 units were given back that no order owes"


def pay_back_too_much(db: Db) -> str:
    order = live(db)
    append(db, f"{order}:back:0", "credit", 5)
    return rf"order {order}: 5 units were given back that no order owes"


def pay_back_beside_the_chain(db: Db) -> str:
    order = partly(db)
    append(db, f"{order}:back:77", "credit", 5)
    return rf"order {order}: 40000000 units are due back; 40000005 were given"


def undo_nothing(db: Db) -> str:
    append(db, f"{'0' * 24}:void", "void", 5)
    return rf"order {'0' * 24}: 5 units were given to undo a debit that is not there"


SPOILERS = (
    spoil_debit,
    spoil_credit,
    lose_kind,
    lose_account,
    plain_id,
    order_without_account,
    order_without_date,
    pay_back_nobody,
    pay_back_too_much,
    pay_back_beside_the_chain,
    undo_nothing,
    drop_order,
    drop_debit,
    void_debit,
    raise_charge,
    raise_due_back,
    leave_unpaid,
    spoil_order,
    drop_entry,
    change_units,
    change_balance,
    spoil_entry,
    lose_number,
    misplace_entry,
)


@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_does_not_add_up_is_named(panel: Panel, db: Db, spoil: Callable[[Db], str]) -> None:
    expected = spoil(db)
    found = findings(panel)
    assert any(re.search(expected, finding) for finding in found), found


def test_it_changes_nothing(panel: Panel, db: Db) -> None:
    raise_charge(db)
    before = {name: list(db[name].find().sort("_id", 1)) for name in sorted(db.list_collection_names())}
    assert findings(panel)
    assert {name: list(db[name].find().sort("_id", 1)) for name in before} == before


def test_it_leaves_out_what_is_on_its_way(panel: Panel, db: Db) -> None:
    leave_unpaid(db)
    assert findings(panel, older_than=timedelta(minutes=2)) == []


def test_it_tells_how_far_it_is(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_smmapi.stores.mongo.auditing.PROGRESS_EVERY", 3)
    told: list[int] = []
    assert list(panel.store.audit(told.append)) == []
    assert told == list(range(3, told[-1] + 1, 3))
    assert len(told) > 2


class TestFromTheShell:
    def run(self, panel: Panel, *command: str) -> Result:
        return panel.app.test_cli_runner().invoke(args=["smmapi", *command])

    def test_audit_exits_with_0_when_all_is_well(self, panel: Panel) -> None:
        result = self.run(panel, "audit")
        assert (result.exit_code, result.stdout) == (0, "0 differences.\n")

    def test_audit_exits_with_1_and_says_what_differs(self, panel: Panel, db: Db) -> None:
        raise_charge(db)
        db["smmapi_orders"].update_many({}, {"$set": {"created": datetime(2025, 1, 1, tzinfo=timezone.utc)}})
        result = self.run(panel, "audit")
        assert result.exit_code == 1
        assert "it costs 100000001 units; 100000000 were taken.\n1 differences." in result.stdout

    def test_reconcile_says_what_it_did(self, panel: Panel, db: Db) -> None:
        leave_unpaid(db)
        db["smmapi_orders"].update_many({"status": "UNPAID"}, {"$set": {"unsettled": True}})
        assert self.run(panel, "reconcile", "--older-than", "3600").stdout == (
            "0 orders abandoned, 0 paid back, 0 failed.\n"
        )
        result = self.run(panel, "reconcile", "--older-than", "0")
        assert (result.exit_code, result.stdout) == (0, "1 orders abandoned, 0 paid back, 0 failed.\n")
        assert findings(panel) == []

    def test_reconcile_exits_with_1_when_an_order_is_beyond_help(self, panel: Panel, db: Db) -> None:
        db["smmapi_orders"].update_one({"_id": partly(db)}, {"$set": {"paid_back": Int64(0), "unsettled": True}})
        result = self.run(panel, "reconcile")
        assert (result.exit_code, result.stdout) == (1, "0 orders abandoned, 0 paid back, 1 failed.\n")

    @pytest.mark.parametrize("command", ["init-db", "audit"])
    def test_a_store_that_has_nothing_of_the_kind_is_a_sentence(self, command: str) -> None:
        result = self.run(Panel(), command)
        assert result.exit_code == 1
        assert "This app's store (MemoryStore)" in result.output

    @pytest.mark.parametrize("command", ["init-db", "audit", "doctor", "reconcile"])
    def test_without_a_server_each_command_says_what_to_do(self, command: str) -> None:
        app = Flask("panel")
        SmmApi(app)
        result = app.test_cli_runner().invoke(args=["smmapi", command])
        assert result.exit_code == 1
        assert "set SMMAPI_MONGODB_URI" in result.output
