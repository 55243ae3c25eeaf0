"""MongoDB keeps every duty of the seam, and has an owner's side; on a real server."""

from __future__ import annotations

from types import SimpleNamespace

import pymongo
import pytest

from flask_smmapi import Account, StoreUnavailable, deadline
from flask_smmapi.stores.mongo import MongoStore, catalog
from flask_smmapi.testing import Host, PanelContract

from .contracts import OwnersSideContract
from .panel import LINK, ROUNDS_ON_SERVERS, Panel, at_once, host_of, service

ADD = {"service": 123, "link": LINK, "quantity": 1000}


class TestMongoStore(PanelContract):
    rounds = ROUNDS_ON_SERVERS

    @pytest.fixture
    def host(self, mongo_store: MongoStore, mongo_uri: str) -> Host:
        return host_of(mongo_store, again=MongoStore(mongo_uri, "another connection"))


class TestMongoOwnersSide(OwnersSideContract):
    @pytest.fixture
    def store(self, mongo_store: MongoStore) -> MongoStore:
        return mongo_store


def test_nobody_sees_half_of_a_price_list(mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the old rows may be deleted while they are read."""
    writer, readers = MongoStore(mongo_uri), [MongoStore(mongo_uri) for _ in range(4)]
    lists = [[service(number) for number in range(1, size)] for size in (100, 300)]
    writer.set_services(lists[0])
    monkeypatch.setattr(catalog, "FRESH_FOR", 0.0)

    def work(number: int) -> set[int]:
        if number == len(readers):
            for turn in range(20):
                writer.set_services(lists[turn % 2])
            return set()
        return {len(readers[number].catalog(Account(id=1))) for _ in range(40)}

    assert set().union(*at_once(len(readers) + 1, work)) <= {99, 299}


def test_numbers_go_on_behind_the_orders_when_their_counter_was_lost(mongo_uri: str) -> None:
    panel = Panel(store=MongoStore(mongo_uri))
    before = [panel.place().number for _ in range(3)]
    with pymongo.MongoClient(mongo_uri) as client:  # type: pymongo.MongoClient[Any]
        client.get_default_database()["smmapi_meta"].delete_one({"_id": "numbers"})
    panel.store.forget()
    after = [panel.place().number, panel.smmapi.place(panel.account, ADD, idempotency_key="order-0001").number]
    assert max(before) < min(after)
    assert len(set(after)) == 2


def test_another_process_sees_a_new_price_list_after_a_while(mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = MongoStore(mongo_uri), MongoStore(mongo_uri)
    account = Account(id=1)
    clock = 1000.0
    monkeypatch.setattr(catalog, "time", SimpleNamespace(monotonic=lambda: clock))
    seen = []
    for number in (1, 2):
        one.set_services([service(number)])
        seen.append([row.id for row in other.catalog(account)])
    clock += catalog.FRESH_FOR
    seen.append([row.id for row in other.catalog(account)])
    assert seen == [[1], [1], [2]]


def test_a_request_without_time_left_is_told_so_and_does_not_wait_for_the_list(
    mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "REQUEST_TIMEOUT", -2.0)
    with deadline.request_deadline(), pytest.raises(StoreUnavailable, match="no time left"):
        mongo_store.catalog(Account(id=1))
