"""What a store of ours offers to its owner, beyond the seam: a class with a fixture of its own runs it over a store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account

from .panel import at_once, service

ME, OTHER = 7, "seven"


class OwnersSideContract:
    """Accounts, keys and the price list."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError

    def test_a_key_opens_its_account_until_it_is_revoked(self, store: Any) -> None:
        account = Account(id=ME, currency="EUR", allowed_ips=("192.0.2.7",), dialect="panel")
        first = store.add_account(account)
        store.add_key(ME, "an old key")
        assert store.key_lookup(first) == store.key_lookup("an old key") == account
        store.revoke_key(first)
        store.revoke_key("never given")
        assert (store.key_lookup(first), store.key_lookup("an old key")) == (None, account)

    def test_a_key_is_one_accounts(self, store: Any) -> None:
        key = store.add_account(Account(id=ME))
        with pytest.raises(ValueError, match=r"\AThis key is another account's\.\Z"):
            store.add_key(OTHER, key)
        assert store.key_lookup(key) == Account(id=ME)
        store.add_key(ME, key)  # which it has already

    def test_a_key_may_have_a_dialect_of_its_own(self, store: Any) -> None:
        first = store.add_account(Account(id=ME, dialect="panel"))
        store.add_key(ME, "another key", dialect="standard")
        store.add_key(ME, "another key")  # which it has already
        assert store.key_lookup(first) == Account(id=ME, dialect="panel")
        assert store.key_lookup("another key") == Account(id=ME, dialect="standard")
        store.add_account(Account(id=ME))
        assert store.key_lookup(first) == Account(id=ME)
        store.revoke_key("another key")
        store.add_key(ME, "another key")
        assert store.key_lookup("another key") == Account(id=ME)
        with pytest.raises(ValueError, match=r"the dialects are: standard, panel\."):
            store.add_key(ME, "a third key", dialect="document")
        assert store.key_lookup("a third key") is None

    def test_an_account_that_many_processes_add_at_once_is_added_once(self, store: Any) -> None:
        """As the workers of a panel do that fill an empty database."""
        new = [f"abcd1234.efgh5678-{number:08d}" for number in range(20)]
        at_once(8, lambda _: [store.add_key(ME, key) for key in new])
        at_once(8, lambda _: store.add_account(Account(id=ME), balance=Decimal(5), key=new[0]))
        assert [store.key_lookup(key) for key in new] == [Account(id=ME)] * 20
        assert store.balance(ME) == 5

    def test_an_inactive_account_has_no_way_in_until_it_is_active_again(self, store: Any) -> None:
        key = store.add_account(Account(id=ME), active=False)
        assert store.key_lookup(key) is None
        store.add_account(Account(id=ME))
        assert store.key_lookup(key) == Account(id=ME)

    def test_the_opening_balance_is_given_once_and_no_other_one(self, store: Any) -> None:
        for balance in (0, 5, 5):
            store.add_account(Account(id=ME), balance=Decimal(balance))
        with pytest.raises(ValueError, match="another amount"):
            store.add_account(Account(id=ME, currency="EUR"), balance=Decimal(6))
        assert store.balance(ME) == 5
        assert store.key_lookup(store.add_account(Account(id=ME))) == Account(id=ME)

    @pytest.mark.parametrize("verb", ["credit", "debit"])
    @pytest.mark.parametrize("amount", [Decimal(-1), Decimal("1E-9"), Decimal("NaN"), Decimal("Infinity"), 0.5])
    def test_money_moves_in_positive_amounts_of_eight_places(self, store: Any, verb: str, amount: Any) -> None:
        with pytest.raises((ValueError, TypeError), match=r"negative|decimal places|not an amount|not float"):
            getattr(store, verb)(ME, amount, "movement")
        assert store.balance(ME) == 0

    def test_a_new_price_list_takes_the_place_of_the_old_one(self, store: Any) -> None:
        account = Account(id=ME)
        assert list(store.catalog(account)) == []
        dear = service(2, rate=Decimal("99.99999999"), desc="Real people", average_time="2 hours")
        cheap = service(7, "Poll", rate=Decimal("0.00000001"), desc="")
        for services in ([dear, cheap], [], [cheap]):
            store.set_services(services)
            assert list(store.catalog(account)) == services
            assert store.catalog(account) is store.catalog(account)  # it is indexed once
