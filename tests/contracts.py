"""What the seam promises of a wallet and of an order store: a class with a fixture of its own runs it over a store.

They speak to the Protocols alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account, Order, OrderStatus, OrderStore, Refill, RefillStatus, Wallet
from flask_smmapi.ids import new_id

from .panel import at_once, service

ME, OTHER = 7, "seven"
NOW = datetime(2025, 3, 9, 23, 59, 59, 123000, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=1)
ONE = Decimal("1.00000000")


class WalletContract:
    @pytest.fixture
    def wallet(self) -> Wallet:
        raise NotImplementedError

    @pytest.fixture
    def rich(self, wallet: Wallet) -> Wallet:
        """Both accounts have 3."""
        for account in (ME, OTHER):
            wallet.credit(account, Decimal(3), "opening")
        return wallet

    def test_credit_gives_and_debit_takes_exactly(self, wallet: Wallet) -> None:
        wallet.credit(ME, Decimal("0.1"), "one")
        wallet.credit(ME, Decimal("0.20000001"), "two")
        assert wallet.debit(ME, Decimal("0.00000001"), "order")
        assert wallet.balance(ME) == Decimal("0.3")
        assert isinstance(wallet.balance(ME), Decimal)

    def test_amounts_fill_64_bits(self, wallet: Wallet) -> None:
        largest = Decimal(2**63 - 1).scaleb(-8)
        wallet.credit(ME, largest, "opening")
        assert wallet.balance(ME) == largest
        assert wallet.debit(ME, largest, "order")
        assert wallet.balance(ME) == 0

    def test_accounts_are_apart_and_so_are_their_references(self, rich: Wallet) -> None:
        assert rich.debit(ME, ONE, "order")
        assert rich.debit(OTHER, Decimal(2), "order")
        rich.void(OTHER, "order")
        assert [rich.balance(account) for account in (ME, OTHER)] == [2, 3]

    def test_nobody_spends_what_he_has_not(self, rich: Wallet) -> None:
        assert not rich.debit(ME, Decimal("3.00000001"), "order")
        assert rich.balance(ME) == 3

    def test_a_repeated_debit_takes_once_and_answers_the_same(self, rich: Wallet) -> None:
        assert [rich.debit(ME, ONE, "order") for _ in range(3)] == [True] * 3
        assert rich.balance(ME) == 2

    def test_a_repeat_of_the_debit_that_emptied_the_wallet_is_true(self, rich: Wallet) -> None:
        assert [rich.debit(ME, Decimal(3), "order") for _ in range(2)] == [True] * 2
        assert rich.balance(ME) == 0

    def test_a_repeated_credit_gives_once(self, rich: Wallet) -> None:
        for _ in range(3):
            rich.credit(ME, ONE, "order:back:0")
        assert rich.balance(ME) == 4

    def test_a_reference_has_one_amount(self, rich: Wallet) -> None:
        assert rich.debit(ME, ONE, "order")
        rich.credit(ME, ONE, "order:back:0")
        for verb, reference in ((rich.debit, "order"), (rich.credit, "order:back:0")):
            for amount in (Decimal(2), Decimal(0), Decimal(1000)):
                with pytest.raises(ValueError, match=reference):
                    verb(ME, amount, reference)
        assert rich.balance(ME) == 3

    def test_a_debit_of_nothing_is_legal(self, wallet: Wallet) -> None:
        assert [wallet.debit(ME, Decimal(0), "free") for _ in range(2)] == [True] * 2
        wallet.void(ME, "free")
        assert not wallet.debit(ME, Decimal(0), "free")

    def test_void_undoes_a_debit_once_and_bars_it_for_ever(self, rich: Wallet) -> None:
        assert rich.debit(ME, ONE, "order")
        for _ in range(3):
            rich.void(ME, "order")
            assert rich.balance(ME) == 3
            assert not rich.debit(ME, ONE, "order")
        assert rich.debit(ME, ONE, "another order")

    def test_void_of_what_was_not_debited_bars_it_for_ever(self, rich: Wallet) -> None:
        for _ in range(3):
            rich.void(ME, "order")
            assert not rich.debit(ME, ONE, "order")
        assert rich.balance(ME) == 3
        assert rich.debit(OTHER, ONE, "order")

    def test_a_debit_that_was_refused_can_be_voided(self, rich: Wallet) -> None:
        assert not rich.debit(ME, Decimal(4), "order")
        rich.void(ME, "order")
        rich.credit(ME, Decimal(4), "deposit")
        assert not rich.debit(ME, Decimal(4), "order")
        assert rich.balance(ME) == 7

    def test_racing_debits_take_no_more_than_there_is(self, rich: Wallet) -> None:
        taken = at_once(8, lambda number: rich.debit(ME, ONE, f"order {number}"))
        assert sorted(taken) == [False] * 5 + [True] * 3
        assert rich.balance(ME) == 0

    def test_racing_repeats_of_a_debit_take_once(self, rich: Wallet) -> None:
        assert at_once(8, lambda _: rich.debit(ME, Decimal(3), "order")) == [True] * 8
        assert rich.balance(ME) == 0

    def test_racing_credits_all_arrive_and_racing_repeats_once(self, rich: Wallet) -> None:
        at_once(8, lambda number: rich.credit(ME, ONE, f"deposit {number // 2}"))
        assert rich.balance(ME) == 7

    def test_a_debit_that_races_its_void_is_undone(self, rich: Wallet) -> None:
        def move(number: int) -> None:
            if number % 2:
                rich.void(ME, "order")
            else:
                rich.debit(ME, ONE, "order")

        at_once(8, move)
        assert rich.balance(ME) == 3
        assert not rich.debit(ME, ONE, "order")


def draft(**changes: Any) -> Order:
    """An order whose every field has a value of its own."""
    order = Order(
        id=new_id(),
        account=ME,
        service=123,
        params={"link": "https://example.com/ö?a=1&b=2", "comments": "first\nsecond 😀"},
        rate=Decimal("12.34567891"),
        per=1000,
        count=999_999_999_999,
        charge=Decimal(2**63 - 1).scaleb(-8),
        currency="EUR",
        cancelable=True,
        refillable=False,
        fingerprint="f" * 64,
        created=NOW,
        remains=5,
        status=OrderStatus.AWAITING,
        ended=LATER,
        start_count=7,
    )
    return replace(order, **changes)


class OrderStoreContract:
    @pytest.fixture
    def orders(self) -> OrderStore:
        raise NotImplementedError

    # Adding and finding

    @pytest.mark.parametrize("account", [ME, OTHER])
    def test_every_field_is_kept_but_the_number(self, orders: OrderStore, account: int | str) -> None:
        order = draft(account=account, idempotency_key="order 0001", due_back=ONE, paid_back=Decimal("0.5"))
        added = orders.add(order)
        assert replace(added, number=0) == order
        assert list(orders.find(account, [order.id])) == [added]

    def test_numbers_grow_and_are_unique_across_accounts(self, orders: OrderStore) -> None:
        numbers = [orders.add(draft(account=account)).number for account in (ME, OTHER, ME, OTHER)]
        assert numbers == sorted(set(numbers))
        assert 0 < numbers[0] < numbers[-1] < 2**31

    def test_many_are_found_by_id_and_number_in_any_status(self, orders: OrderStore) -> None:
        added = [orders.add(draft(status=status)) for status in OrderStatus]
        ids = [order.id if order.number % 2 else order.number for order in added]
        found = list(orders.find(ME, [*ids, new_id(), 10**17]))
        assert sorted(found, key=lambda order: order.number) == added
        assert list(orders.find(ME, [])) == []

    def test_another_accounts_orders_do_not_exist(self, orders: OrderStore) -> None:
        order = orders.add(draft(idempotency_key="order 0001"))
        assert list(orders.find(OTHER, [order.id, order.number])) == []
        assert orders.find_by_key(OTHER, "order 0001") is None
        assert list(orders.list(OTHER)) == []

    @pytest.mark.parametrize("status", OrderStatus)
    def test_an_idempotency_key_finds_its_order_in_any_status(self, orders: OrderStore, status: OrderStatus) -> None:
        order = orders.add(draft(idempotency_key="order 0001", status=status))
        assert orders.find_by_key(ME, "order 0001") == order
        assert orders.find_by_key(ME, "order 0002") is None

    def test_an_idempotency_key_is_taken_once_in_an_account(self, orders: OrderStore) -> None:
        first, second = draft(idempotency_key="order 0001"), draft(idempotency_key="order 0001")
        stored = orders.add(first)
        assert orders.add(second) == stored
        assert list(orders.find(ME, [second.id])) == []
        other = draft(account=OTHER, idempotency_key="order 0001")
        assert orders.add(other).id == other.id

    def test_racing_adds_with_one_key_store_one(self, orders: OrderStore) -> None:
        drafts = [draft(idempotency_key="order 0001") for _ in range(8)]
        [added] = {order.id for order in at_once(8, lambda number: orders.add(drafts[number]))}
        [found] = orders.find(ME, [order.id for order in drafts])
        assert added == found.id

    def test_racing_adds_get_a_number_each(self, orders: OrderStore) -> None:
        added = at_once(8, lambda _: orders.add(draft()))
        assert len({order.number for order in added}) == 8

    # Replacing and dropping

    def test_replace_writes_and_raises_the_revision(self, orders: OrderStore) -> None:
        order = orders.add(draft())
        changed = replace(order, status=OrderStatus.PARTIAL, remains=2, due_back=ONE, ended=None)
        assert orders.replace(changed) is True
        assert list(orders.find(ME, [order.number])) == [replace(changed, revision=order.revision + 1)]

    def test_replace_of_what_was_changed_meanwhile_writes_nothing(self, orders: OrderStore) -> None:
        """Even if the status came back to what it was."""
        order = orders.add(draft())
        assert orders.replace(replace(order, status=OrderStatus.PENDING))
        assert orders.replace(replace(order, revision=order.revision + 1))
        stored = list(orders.find(ME, [order.id]))
        assert orders.replace(replace(order, status=OrderStatus.CANCELED)) is False
        assert orders.replace(replace(order, revision=order.revision + 9)) is False
        assert list(orders.find(ME, [order.id])) == stored

    def test_replace_stores_no_order_anew(self, orders: OrderStore) -> None:
        order = draft(number=1)
        assert orders.replace(order) is False
        assert list(orders.find(ME, [order.id])) == []

    def test_of_racing_replaces_one_wins(self, orders: OrderStore) -> None:
        order = orders.add(draft())
        won = at_once(8, lambda number: orders.replace(replace(order, remains=number)))
        [found] = orders.find(ME, [order.id])
        assert [number for number, answer in enumerate(won) if answer] == [found.remains]
        assert found.revision == order.revision + 1

    def test_drop_deletes_an_order_that_is_voiding_and_frees_its_key(self, orders: OrderStore) -> None:
        order = orders.add(draft(status=OrderStatus.VOIDING, idempotency_key="order 0001"))
        for _ in range(2):
            orders.drop(order)
            assert list(orders.find(ME, [order.id, order.number])) == []
        again = draft(idempotency_key="order 0001")
        assert orders.add(again).id == again.id
        orders.drop(order)
        assert orders.find_by_key(ME, "order 0001") is not None

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.VOIDING])
    def test_drop_minds_what_is_stored_whatever_the_record_says(self, orders: OrderStore, status: OrderStatus) -> None:
        order = orders.add(draft(status=status))
        orders.drop(replace(order, status=OrderStatus.VOIDING))
        assert list(orders.find(ME, [order.id])) == [order]

    # Listing

    def test_pages_come_newest_first_and_miss_none(self, orders: OrderStore) -> None:
        added = [orders.add(draft(account=account)) for account in (ME, OTHER, ME, ME, OTHER, ME, ME)]
        mine = [order for order in reversed(added) if order.account == ME]
        assert list(orders.list(ME)) == mine
        assert list(orders.list(ME, limit=2)) == mine[:2]
        assert list(orders.list(ME, limit=2, before=mine[1].number)) == mine[2:4]
        assert list(orders.list(ME, limit=2, before=mine[3].number)) == mine[4:]
        assert list(orders.list(ME, before=mine[4].number)) == []

    def test_a_page_has_fifty_orders_unless_said(self, orders: OrderStore) -> None:
        assert [orders.add(draft()).id for _ in range(51)][:0:-1] == [order.id for order in orders.list(ME)]

    def test_pages_hide_unpaid_orders_and_are_full_for_all_that(self, orders: OrderStore) -> None:
        paid = [orders.add(draft(status=status)) for status in OrderStatus]
        shown = [order for order in reversed(paid) if order.status.value not in ("UNPAID", "VOIDING")]
        orders.add(draft(status=OrderStatus.UNPAID))
        assert list(orders.list(ME)) == shown
        assert list(orders.list(ME, limit=3)) == shown[:3]

    def test_unsettled_orders_are_those_of_all_accounts_that_reconcile_must_see(self, orders: OrderStore) -> None:
        wanted = [
            draft(status=OrderStatus.UNPAID),
            draft(status=OrderStatus.UNPAID, account=OTHER, idempotency_key="order 0001"),
            draft(status=OrderStatus.VOIDING),
            draft(status=OrderStatus.VOIDING, created=LATER, account=OTHER),
            draft(status=OrderStatus.CANCELED, due_back=ONE),
            draft(status=OrderStatus.PARTIAL, due_back=ONE, paid_back=Decimal("0.99999999"), created=LATER),
        ]
        others = [
            draft(status=OrderStatus.UNPAID, created=LATER),
            draft(status=OrderStatus.CANCELED, due_back=ONE, paid_back=ONE),
            *(draft(status=status) for status in OrderStatus if status.value not in ("UNPAID", "VOIDING")),
        ]
        for order in (*others, *wanted):
            orders.add(order)
        assert {order.id for order in orders.unsettled(LATER)} == {order.id for order in wanted}

    # Refills

    @pytest.mark.parametrize("account", [ME, OTHER])
    def test_every_field_of_a_refill_is_kept_but_the_number(self, orders: OrderStore, account: int | str) -> None:
        refill = Refill(new_id(), account, new_id(), 3, NOW, RefillStatus.REJECTED)
        added = orders.add_refill(refill)
        assert added is not None
        assert 0 < added.number < 2**31
        assert replace(added, number=0) == refill
        assert list(orders.find_refills(account, [refill.id])) == [added]

    def test_a_refills_place_is_taken_once(self, orders: OrderStore) -> None:
        def new(order: str, n: int, account: int | str = ME) -> Refill | None:
            return orders.add_refill(Refill(new_id(), account, order, n, NOW))

        one, other = new_id(), new_id()
        assert [new(one, 1) is None, new(one, 1) is None, new(one, 2) is None, new(one, 2) is None] == [False, True] * 2
        assert None not in (new(other, 1), new(one, 1, OTHER))
        assert len(list(orders.find_refills(ME, [one, other]))) == 3

    def test_of_racing_refills_one_is_stored(self, orders: OrderStore) -> None:
        order = new_id()
        added = at_once(8, lambda _: orders.add_refill(Refill(new_id(), ME, order, 1, NOW)))
        assert [refill for refill in added if refill is not None] == list(orders.find_refills(ME, [order]))
        assert added.count(None) == 7

    def test_refills_are_found_by_id_number_and_order_once_each(self, orders: OrderStore) -> None:
        order = orders.add(draft())
        one, two, _ = (
            orders.add_refill(Refill(new_id(), ME, id_, n, NOW))
            for id_, n in ((order.id, 1), (order.id, 2), (new_id(), 1))
        )
        assert one
        assert two
        both, every_name = [one, two], [order.id, one.id, two.number]
        for ids, found in (([one.id], [one]), ([two.number], [two]), ([order.id], both), (every_name, both)):
            assert sorted(orders.find_refills(ME, ids), key=lambda refill: refill.n) == found
        assert list(orders.find_refills(OTHER, every_name)) == []
        assert list(orders.find_refills(ME, [new_id(), 10**17])) == list(orders.find_refills(ME, [])) == []

    def test_replace_refill_minds_the_revision(self, orders: OrderStore) -> None:
        refill = orders.add_refill(Refill(new_id(), ME, new_id(), 1, NOW))
        assert refill is not None
        done = replace(refill, status=RefillStatus.COMPLETED)
        assert [orders.replace_refill(done), orders.replace_refill(done)] == [True, False]
        assert list(orders.find_refills(ME, [refill.id])) == [replace(done, revision=refill.revision + 1)]
        assert orders.replace_refill(replace(refill, id=new_id())) is False


class OwnersSideContract:
    """Beyond the seam: what a store of ours offers to its owner."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError

    def test_a_key_opens_its_account_until_it_is_revoked(self, store: Any) -> None:
        account = Account(id=ME, currency="EUR", allowed_ips=("192.0.2.7",))
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
        dear, cheap = service(2, rate=Decimal("99.99999999")), service(7, "Poll", rate=Decimal("0.00000001"))
        for services in ([dear, cheap], [], [cheap]):
            store.set_services(services)
            assert list(store.catalog(account)) == services
            assert store.catalog(account) is store.catalog(account)  # it is indexed once
