"""The memory store keeps what the seam promises of a wallet and of an order store, and has an owner's side."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account, OrderStore, Wallet
from flask_smmapi.stores.memory import MemoryStore

from .contracts import ME, ONE, OrderStoreContract, WalletContract


class TestMemoryWallet(WalletContract):
    @pytest.fixture
    def wallet(self) -> Wallet:
        return MemoryStore()


class TestMemoryOrderStore(OrderStoreContract):
    @pytest.fixture
    def orders(self) -> OrderStore:
        return MemoryStore()


class TestTheOwnersSide:
    def test_a_key_opens_its_account_until_it_is_revoked(self) -> None:
        store, account = MemoryStore(), Account(id=ME, currency="EUR", allowed_ips=("192.0.2.7",))
        first = store.add_account(account)
        store.add_key(ME, "an old key")
        assert store.key_lookup(first) == store.key_lookup("an old key") == account
        store.revoke_key(first)
        store.revoke_key("never given")
        assert (store.key_lookup(first), store.key_lookup("an old key")) == (None, account)

    def test_an_inactive_account_has_no_way_in_until_it_is_active_again(self) -> None:
        store = MemoryStore()
        key = store.add_account(Account(id=ME), active=False)
        assert store.key_lookup(key) is None
        store.add_account(Account(id=ME))
        assert store.key_lookup(key) == Account(id=ME)

    def test_the_opening_balance_is_given_once_and_no_other_one(self) -> None:
        store = MemoryStore()
        for balance in (0, 5, 5):
            store.add_account(Account(id=ME), balance=Decimal(balance))
        with pytest.raises(ValueError, match="another amount"):
            store.add_account(Account(id=ME, currency="EUR"), balance=Decimal(6))
        assert store.balance(ME) == 5
        assert store.key_lookup(store.add_account(Account(id=ME))) == Account(id=ME)

    def test_the_ledger_lists_every_movement(self) -> None:
        store = MemoryStore()
        store.credit(ME, Decimal(2), "deposit")
        store.debit(ME, ONE, "order")
        store.debit(ME, Decimal(9), "refused")
        store.void(ME, "order")
        movements = [(movement.reference, movement.units) for movement in store.movements(ME)]
        assert movements == [("deposit", 2 * 10**8), ("order", -(10**8)), ("order:void", 10**8)]

    @pytest.mark.parametrize("verb", ["credit", "debit"])
    @pytest.mark.parametrize("amount", [Decimal(-1), Decimal("1E-9"), Decimal("NaN"), Decimal("Infinity"), 0.5])
    def test_money_moves_in_positive_amounts_of_eight_places(self, verb: str, amount: Any) -> None:
        store = MemoryStore()
        with pytest.raises((ValueError, TypeError), match=r"negative|decimal places|not an amount|not float"):
            getattr(store, verb)(ME, amount, "movement")
        assert store.movements(ME) == []
