"""What an owner does to accounts and keys is seen by the next request, costs it nothing, and survives races and kills.

What both stores have in common is in ``contracts.OwnersSideContract``; here is what takes requests or a real MongoDB.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import mongoengine
import pymongo
import pytest

from flask_smmapi import Account, ServiceList, owner
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore, catalog, ledger
from flask_smmapi.stores.mongo.records import Corrupt

from .mongo import DATABASE
from .panel import LINK, Panel, at_once, service
from .test_mongo_connection import Commands

ME = 1
INVALID = (401, {"error": "Invalid API key"})


@pytest.fixture(params=["memory", "mongo"])
def panel(request: pytest.FixtureRequest) -> Panel:
    """A panel whose account has 100."""
    store = MemoryStore() if request.param == "memory" else request.getfixturevalue("mongo_store")
    return Panel(store=store)


class TestTheNextRequest:
    def answer(self, panel: Panel, key: str) -> tuple[int, Any]:
        answer = panel.post("balance", key=key)
        return answer.status, answer.json

    def test_is_refused_with_the_old_key_after_a_rotation(self, panel: Panel) -> None:
        assert panel.post("balance").status == 200
        [info] = panel.store.keys(ME)
        new = panel.store.rotate_key(ME, info.key_id)
        assert self.answer(panel, panel.key) == INVALID
        assert self.answer(panel, new)[0] == 200

    def test_is_refused_after_the_key_was_revoked(self, panel: Panel) -> None:
        other = panel.store.create_key(ME)
        panel.store.revoke_key_by_id(ME, panel.store.keys(ME)[0].key_id)
        panel.store.revoke_key_by_id(ME, panel.store.keys(ME)[1].key_id)
        assert self.answer(panel, panel.key) == self.answer(panel, other) == INVALID

    def test_is_refused_while_the_account_is_paused(self, panel: Panel) -> None:
        panel.store.pause_account(ME)
        assert self.answer(panel, panel.key)[0] == 401
        panel.store.resume_account(ME)
        assert self.answer(panel, panel.key)[0] == 200

    def test_shows_and_charges_the_new_price(self, panel: Panel) -> None:
        panel.store.set_prices(ME, discount=Decimal("12.5"), rates={2: Decimal("0.3")})
        rates = {row["service"]: row["rate"] for row in panel.post("services").json}
        assert (rates[1], rates[2], rates[123]) == ("0.87500000", "0.30000000", "0.87500000")
        for service_id in (1, 2):
            assert panel.post("add", service=service_id, link=LINK, quantity=1000).status == 200
        assert panel.balance == Decimal(100) - Decimal("0.875") - Decimal("0.3")

    def test_keeps_what_was_placed_at_its_price(self, panel: Panel) -> None:
        order = panel.place()
        panel.store.set_prices(ME, discount=Decimal(50))
        assert panel.post("cancel", order=order.id).status == 200
        assert panel.balance == 100

    def test_shows_what_was_paid_in(self, panel: Panel) -> None:
        panel.store.top_up(ME, Decimal("2.5"), "P-1")
        panel.store.adjust(ME, Decimal(-1), "A fee")
        assert panel.post("balance").json["balance"] == "101.50000000"


def test_python_pays_the_accounts_price_too(panel: Panel) -> None:
    """Though it names the account without a key."""
    panel.store.set_prices(ME, discount=Decimal(25))
    assert panel.place().charge == Decimal("0.75")


class TestPricesInMongoDB:
    @pytest.fixture
    def commands(self, mongo_uri: str) -> Commands:
        commands = Commands()
        mongoengine.connect(host=mongo_uri, uuidRepresentation="standard", event_listeners=[commands])
        return commands

    def test_a_request_costs_no_more_with_prices_of_its_own(
        self, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalog, "FRESH_FOR", 3600.0)
        panel = Panel(store=MongoStore())
        panel.store.set_prices(ME, discount=Decimal(5), rates={number: Decimal(1) for number in range(5000)})
        panel.post("services")
        panel.place()  # now it is a warm process
        commands.sent.clear()
        panel.post("services")
        panel.post("add", service=123, link=LINK, quantity=1000)
        assert [next(iter(command)) for command in commands.sent] == [
            *("aggregate", "aggregate"),
            *("insert", "insert", "update"),
        ]

    def test_another_process_sees_it_at_the_next_request_with_a_key(self, mongo_uri: str) -> None:
        one, other = MongoStore(mongo_uri), MongoStore(mongo_uri)
        one.set_services([service(2)])
        key = one.add_account(Account(ME))
        seen = []
        for discount in (0, 10, 20):
            one.set_prices(ME, discount=Decimal(discount))
            account = other.key_lookup(key)
            assert account is not None
            seen += [row.rate for row in other.catalog(account)]
        assert seen == [1, Decimal("0.9"), Decimal("0.8")]

    def test_another_process_sees_it_without_a_key_after_a_while(
        self, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = 1000.0
        monkeypatch.setattr(catalog, "time", SimpleNamespace(monotonic=lambda: clock))
        one, other = MongoStore(mongo_uri), MongoStore(mongo_uri)
        one.set_services([service(2)])
        one.add_account(Account(ME))
        seen = [row.rate for row in other.catalog(Account(ME))]
        one.set_prices(ME, discount=Decimal(10))
        seen += [row.rate for row in other.catalog(Account(ME))]
        clock += catalog.FRESH_FOR
        seen += [row.rate for row in other.catalog(Account(ME))]
        assert seen == [1, 1, Decimal("0.9")]

    def test_what_is_remembered_is_bounded(self, mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(catalog, "MAX_ACCOUNTS", 2)
        for id_ in range(5):
            mongo_store.add_account(Account(id_))
            mongo_store.set_prices(id_, discount=Decimal(id_))
            assert mongo_store.catalog.prices(id_).discount == id_
        assert len(mongo_store.catalog.prices._known) == 2

    def test_two_who_set_different_prices_at_once_both_have_theirs(self, mongo_store: MongoStore) -> None:
        mongo_store.add_account(Account(ME))
        changes: list[dict[str, Any]] = [{"discount": Decimal(5)}, {"rates": {2: Decimal(3)}}]
        at_once(8, lambda number: mongo_store.set_prices(ME, **changes[number % 2]))
        info = mongo_store.account_info(ME)
        assert info is not None
        assert (info.discount, info.rates) == (5, {2: 3})


def test_the_lists_of_few_prices_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "MAX_LISTS", 2)
    base, lists = ServiceList([service(2)]), owner.PricedLists()
    prices = [owner.LIST_PRICES.changed(Decimal(percent), {}) for percent in (1, 2, 3)]
    first, second = (lists(base, price) for price in prices[:2])
    assert lists(base, prices[0]) is first  # now the second is the one that was not used for longest
    lists(base, prices[2])
    assert lists(base, prices[0]) is first
    assert lists(base, prices[1]) is not second


class TestMoneyInMongoDB:
    def test_a_payment_that_two_processes_book_counts_once(self, mongo_uri: str) -> None:
        stores = [MongoStore(mongo_uri), MongoStore(mongo_uri, "another connection")]
        stores[0].add_account(Account(ME))
        for payment in ("P-1", "P-2", "P-3"):
            booked = at_once(8, lambda number, name=payment: stores[number % 2].top_up(ME, Decimal(5), name))
            assert sorted(booked) == [False] * 7 + [True]
        assert stores[0].balance(ME) == 15
        assert list(stores[0].audit()) == []

    def test_takers_at_once_take_no_more_than_there_is(self, mongo_uri: str) -> None:
        stores = [MongoStore(mongo_uri), MongoStore(mongo_uri, "another connection")]
        stores[0].add_account(Account(ME), balance=Decimal(3))
        taken = at_once(8, lambda number: stores[number % 2].adjust(ME, Decimal(-1), "A fee"))
        assert sorted(taken) == [False] * 5 + [True] * 3
        assert [line.balance for line in stores[0].statement(ME)] == [3, 2, 1, 0]

    @pytest.mark.parametrize("give", [lambda s, a: s.top_up(ME, a, "P"), lambda s, a: s.adjust(ME, a, "A gift")])
    def test_no_more_is_given_than_a_balance_holds(self, mongo_store: MongoStore, give: Callable[..., bool]) -> None:
        mongo_store.add_account(Account(ME), balance=Decimal(9 * 10**10))
        with pytest.raises(ValueError, match="would not fit into 64 bits"):
            give(mongo_store, Decimal(9 * 10**10))
        assert mongo_store.balance(ME) == 9 * 10**10

    def test_a_statement_reads_a_page_when_it_is_asked_for(
        self, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So what it holds does not grow, and no cursor waits for a slow reader."""
        commands = Commands()
        mongoengine.connect(host=mongo_uri, uuidRepresentation="standard", event_listeners=[commands])
        monkeypatch.setattr(ledger, "PAGE", 2)
        store = MongoStore()
        for number in range(5):
            store.credit(ME, Decimal(1), f"movement {number}")
        commands.sent.clear()
        lines = store.statement(ME)
        assert next(lines).balance == 1
        assert [(next(iter(command)), command["limit"]) for command in commands.sent] == [("find", 2)]
        store.credit(ME, Decimal(1), "meanwhile")
        assert [line.balance for line in lines] == [2, 3, 4, 5, 6]
        assert [line.balance for line in store.statement(ME, limit=3)] == [4, 5, 6]

    def test_entries_that_are_older_than_the_note_are_read(self, mongo_store: MongoStore, mongo_uri: str) -> None:
        mongo_store.add_account(Account(ME), balance=Decimal(1))
        mongo_store.adjust(ME, Decimal(1), "A gift")
        with pymongo.MongoClient(mongo_uri) as client:
            stored = client[DATABASE]["smmapi_ledger"]
            assert ["note" in entry for entry in stored.find().sort("seq", 1)] == [False, True]
            stored.update_one({"seq": 2}, {"$set": {"note": 5}})
            assert list(mongo_store.audit()) == []
            with pytest.raises(Corrupt, match="note is 5, no str"):
                list(mongo_store.statement(ME))
            stored.update_one({"seq": 2}, {"$unset": {"note": 1}})
        assert [line.note for line in mongo_store.statement(ME)] == [None, None]


class TestKeysInMongoDB:
    def test_the_database_has_no_key(self, mongo_store: MongoStore, mongo_uri: str) -> None:
        keys = [mongo_store.add_account(Account(ME)), mongo_store.create_key(ME, "The shop")]
        keys.append(mongo_store.rotate_key(ME, mongo_store.keys(ME)[0].key_id))
        with pymongo.MongoClient(mongo_uri) as client:
            stored = repr([list(client[DATABASE][name].find()) for name in client[DATABASE].list_collection_names()])
        assert not any(key in stored or key[4:] in stored for key in keys)

    def test_a_rotation_that_is_killed_leaves_the_old_key(
        self, mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class KilledError(BaseException):
            pass

        def killed(*_: Any) -> None:
            raise KilledError

        key = mongo_store.add_account(Account(ME))
        [info] = mongo_store.keys(ME)
        for step in ("create_key", "_retire"):
            with monkeypatch.context() as patched:
                patched.setattr(mongo_store, step, killed)
                with pytest.raises(KilledError):
                    mongo_store.rotate_key(ME, info.key_id)
            assert mongo_store.key_lookup(key) == Account(ME)
        new = mongo_store.rotate_key(ME, info.key_id)
        assert (mongo_store.key_lookup(key), mongo_store.key_lookup(new)) == (None, Account(ME))
