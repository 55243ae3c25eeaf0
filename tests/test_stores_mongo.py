"""MongoDB keeps what the seam promises of a wallet and of an order store; on a real server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flask_smmapi import Account, OrderStore, Wallet
from flask_smmapi.stores.mongo import MongoStore, catalog

from .contracts import OrderStoreContract, OwnersSideContract, WalletContract
from .panel import service


class TestMongoWallet(WalletContract):
    @pytest.fixture
    def wallet(self, mongo_store: MongoStore) -> Wallet:
        return mongo_store


class TestMongoOrderStore(OrderStoreContract):
    @pytest.fixture
    def orders(self, mongo_store: MongoStore) -> OrderStore:
        return mongo_store


class TestMongoOwnersSide(OwnersSideContract):
    @pytest.fixture
    def store(self, mongo_store: MongoStore) -> MongoStore:
        return mongo_store


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
