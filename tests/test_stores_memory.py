"""The memory store keeps what the seam promises of a wallet and of an order store, and has an owner's side."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flask_smmapi import OrderStore, Wallet
from flask_smmapi.stores.memory import MemoryStore

from .contracts import ME, ONE, OrderStoreContract, OwnersSideContract, WalletContract


class TestMemoryWallet(WalletContract):
    @pytest.fixture
    def wallet(self) -> Wallet:
        return MemoryStore()


class TestMemoryOrderStore(OrderStoreContract):
    @pytest.fixture
    def orders(self) -> OrderStore:
        return MemoryStore()


class TestMemoryOwnersSide(OwnersSideContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


def test_the_ledger_lists_every_movement() -> None:
    store = MemoryStore()
    store.credit(ME, Decimal(2), "deposit")
    store.debit(ME, ONE, "order")
    store.debit(ME, Decimal(9), "refused")
    store.void(ME, "order")
    movements = [(movement.reference, movement.units) for movement in store.movements(ME)]
    assert movements == [("deposit", 2 * 10**8), ("order", -(10**8)), ("order:void", 10**8)]
