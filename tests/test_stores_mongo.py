"""MongoDB keeps what the seam promises of a wallet and of an order store; on a real server."""

from __future__ import annotations

import pytest

from flask_smmapi import OrderStore, Wallet
from flask_smmapi.stores.mongo import MongoStore

from .contracts import OrderStoreContract, WalletContract


class TestMongoWallet(WalletContract):
    @pytest.fixture
    def wallet(self, mongo_store: MongoStore) -> Wallet:
        return mongo_store


class TestMongoOrderStore(OrderStoreContract):
    @pytest.fixture
    def orders(self, mongo_store: MongoStore) -> OrderStore:
        return mongo_store
