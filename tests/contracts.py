"""What a store of ours offers to its owner, beyond the seam: a class with a fixture of its own runs it over a store."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account
from flask_smmapi.owner import AccountInfo
from flask_smmapi.service_types import SERVICE_TYPES

from .panel import at_once, service

ME, OTHER = 7, "seven"

NOBODY = r"\AThere is no account 'nobody' in this store; add it with add_account first\. "


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
        store.add_account(Account(id=OTHER))
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
        at_once(8, lambda _: store.add_account(Account(id=ME), balance=Decimal(5), key=new[0]))
        at_once(8, lambda _: [store.add_key(ME, key) for key in new])
        assert [store.key_lookup(key) for key in new] == [Account(id=ME)] * 20
        assert store.balance(ME) == 5

    def test_an_inactive_account_has_no_way_in_until_it_is_active_again(self, store: Any) -> None:
        key = store.add_account(Account(id=ME), active=False)
        assert store.key_lookup(key) is None
        store.resume_account(ME)
        assert store.key_lookup(key) == Account(id=ME)

    def test_the_opening_balance_is_given_once_and_no_other_one(self, store: Any) -> None:
        for balance in (0, 5, 5):
            store.add_account(Account(id=ME), balance=Decimal(balance))
        with pytest.raises(ValueError, match="another amount"):
            store.add_account(Account(id=ME, currency="EUR"), balance=Decimal(6))
        assert store.balance(ME) == 5
        assert store.key_lookup(store.add_account(Account(id=ME))) == Account(id=ME)

    def test_a_key_needs_an_account(self, store: Any) -> None:
        for add in (lambda: store.add_key("nobody", "an old key"), lambda: store.create_key("nobody")):
            with pytest.raises(ValueError, match=NOBODY):
                add()
        assert store.key_lookup("an old key") is None

    def test_a_key_is_shown_once_and_told_of_afterwards(self, store: Any) -> None:
        store.add_account(Account(ME), key="an old key")
        key = store.create_key(ME, "The shop", "panel")
        assert store.key_lookup(key) == Account(ME, dialect="panel")
        opening, created = sorted(store.keys(ME), key=lambda info: str(info.label))
        assert (opening.prefix, opening.label, opening.dialect, opening.active) == ("an o", "", None, True)
        assert (created.prefix, created.label, created.dialect, created.active) == (key[:4], "The shop", "panel", True)
        assert opening.last_used is None
        now = datetime.now(timezone.utc)
        assert now - timedelta(minutes=1) < created.created <= created.last_used <= now
        assert key not in repr(store.keys(ME))
        assert len({opening.key_id, created.key_id}) == 2
        assert store.keys("nobody") == []
        with pytest.raises(FrozenInstanceError):
            created.label = "Another"

    def test_a_rotated_key_is_refused_and_its_successor_has_its_label_and_dialect(self, store: Any) -> None:
        store.add_account(Account(ME))
        old = store.create_key(ME, "The shop", "panel")
        [before] = [info for info in store.keys(ME) if info.label]
        new = store.rotate_key(ME, before.key_id)
        assert (store.key_lookup(old), store.key_lookup(new)) == (None, Account(ME, dialect="panel"))
        shop = {info.prefix: (info.active, info.label) for info in store.keys(ME) if info.label}
        assert shop == {old[:4]: (False, "The shop"), new[:4]: (True, "The shop")}
        with pytest.raises(ValueError, match=rf"Account 7 has no key '{before.key_id}' that is in use\."):
            store.rotate_key(ME, before.key_id)

    def test_a_key_that_many_rotate_at_once_has_one_successor(self, store: Any) -> None:
        store.add_account(Account(ME))
        [info] = store.keys(ME)

        def rotate(_: int) -> str | None:
            try:
                return str(store.rotate_key(ME, info.key_id))
            except ValueError:
                return None

        [new] = [key for key in at_once(8, rotate) if key is not None]
        assert store.key_lookup(new) == Account(ME)
        assert [other.prefix for other in store.keys(ME) if other.active] == [new[:4]]

    def test_a_key_is_revoked_by_its_id_and_by_its_owner_alone(self, store: Any) -> None:
        key = store.add_account(Account(ME))
        store.add_account(Account(OTHER))
        [info] = store.keys(ME)
        for account, key_id in ((OTHER, info.key_id), (ME, "0" * 12), (ME, ""), (ME, info.key_id[:4]), (ME, ".*")):
            for verb in (store.revoke_key_by_id, store.rotate_key):
                with pytest.raises(ValueError, match=r"has no key|is no key id"):
                    verb(account, key_id)
        with pytest.raises(ValueError, match="is no key id") as refusal:
            store.rotate_key(ME, key)
        assert key not in str(refusal.value)
        assert store.key_lookup(key) == Account(ME)
        for _ in range(2):
            store.revoke_key_by_id(ME, info.key_id)
        assert store.key_lookup(key) is None
        assert [key.active for key in store.keys(ME)] == [False]

    def test_adding_an_account_again_brings_no_key_back(self, store: Any) -> None:
        """The workers of a panel do so at each start."""
        key = store.add_account(Account(ME))
        store.revoke_key(key)
        store.add_account(Account(ME), key=key)
        assert store.key_lookup(key) is None
        store.add_key(ME, key)
        assert store.key_lookup(key) == Account(ME)

    def test_a_paused_account_is_refused_until_it_is_resumed(self, store: Any) -> None:
        key = store.add_account(Account(ME))
        store.pause_account(ME)
        assert store.key_lookup(key) is None
        store.add_account(Account(ME, currency="EUR"), key=key)  # as the workers of a panel do at each start
        assert store.key_lookup(key) is None
        assert (store.account_info(ME).active, store.account_info(ME).currency) == (False, "EUR")
        store.resume_account(ME)
        assert store.key_lookup(key) == Account(ME, currency="EUR")
        store.add_account(Account(ME), active=False)
        assert store.key_lookup(key) is None
        for verb in (store.pause_account, store.resume_account):
            with pytest.raises(ValueError, match=NOBODY):
                verb("nobody")

    def test_an_account_is_told_of(self, store: Any) -> None:
        store.add_account(
            Account(ME, currency="EUR", allowed_ips=("192.0.2.7",), dialect="panel"), balance=Decimal("12.5")
        )
        store.set_prices(ME, discount=Decimal("7.5"), rates={2: Decimal(1)})
        info = store.account_info(ME)
        now = datetime.now(timezone.utc)
        assert now - timedelta(minutes=1) < info.created <= now
        assert info == AccountInfo(
            id=ME,
            currency="EUR",
            dialect="panel",
            allowed_ips=("192.0.2.7",),
            active=True,
            created=info.created,
            balance=Decimal("12.50000000"),
            discount=Decimal("7.50"),
            rates={2: Decimal(1)},
        )
        store.add_account(Account(ME))  # again
        assert store.account_info(ME) == replace(info, currency=None, dialect=None, allowed_ips=())
        assert store.account_info("nobody") is None

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_accounts_are_listed_in_pages(self, store: Any, limit: int) -> None:
        for id_ in ("b", 3, "10", 20, "a"):
            store.add_account(Account(id_), balance=Decimal(1), active=id_ != 3)
        found, after = [], None
        while page := store.accounts(after, limit=limit):
            assert len(page) <= limit
            found += page
            after = page[-1].id
        assert [info.id for info in found] == [3, 20, "10", "a", "b"]
        assert [info.active for info in found] == [False, True, True, True, True]
        assert {info.balance for info in found} == {1}

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

    def test_a_payment_counts_once(self, store: Any) -> None:
        store.add_account(Account(ME))
        store.add_account(Account(OTHER))
        assert sorted(at_once(8, lambda _: store.top_up(ME, Decimal(5), "P-1"))) == [False] * 7 + [True]
        assert store.top_up(ME, Decimal(5), "P-2")
        assert store.top_up(OTHER, Decimal(5), "P-1")
        assert (store.balance(ME), store.balance(OTHER)) == (10, 5)
        with pytest.raises(ValueError, match=r"'payment:P-1' was used with another amount before"):
            store.top_up(ME, Decimal(6), "P-1")
        assert store.balance(ME) == 10

    @pytest.mark.parametrize("amount", [Decimal(0), Decimal(-1), Decimal("1E-9"), Decimal("NaN"), 0.5])
    def test_what_is_paid_in_is_more_than_nothing(self, store: Any, amount: Any) -> None:
        store.add_account(Account(ME))
        with pytest.raises((ValueError, TypeError), match=r"above 0|decimal places|not an amount|not float"):
            store.top_up(ME, amount, "P-1")
        assert list(store.statement(ME)) == []

    @pytest.mark.parametrize("payment", ["", " ", "P" * 93, "Überweisung", "P\n1", "P-1 ", 1042])
    def test_a_payment_has_a_name_that_makes_a_reference(self, store: Any, payment: str) -> None:
        store.add_account(Account(ME))
        with pytest.raises(ValueError, match="makes no reference; give 1 to 92 printable ASCII characters"):
            store.top_up(ME, Decimal(1), payment)
        assert store.top_up(ME, Decimal(1), "P" * 92)
        assert [len(line.reference) for line in store.statement(ME)] == [100]

    def test_money_is_for_accounts_that_there_are(self, store: Any) -> None:
        for move in (
            lambda: store.top_up("nobody", Decimal(1), "P-1"),
            lambda: store.adjust("nobody", Decimal(1), "A gift"),
            lambda: store.set_prices("nobody", discount=Decimal(5)),
        ):
            with pytest.raises(ValueError, match=NOBODY):
                move()
        assert store.balance("nobody") == 0

    def test_an_adjustment_gives_or_takes_and_says_why(self, store: Any) -> None:
        store.add_account(Account(ME), balance=Decimal(1))
        assert store.adjust(ME, Decimal(2), "A gift")
        assert store.adjust(ME, Decimal(2), "A gift")  # another one
        assert not store.adjust(ME, Decimal(-6), "Too much")
        assert store.adjust(ME, Decimal(-5), "Charged back")
        assert not store.adjust(ME, Decimal("-0.00000001"), "Nothing is left")
        assert [(line.kind, line.amount, line.balance, line.note) for line in store.statement(ME)] == [
            ("credit", 1, 1, None),
            ("credit", 2, 3, "A gift"),
            ("credit", 2, 5, "A gift"),
            ("debit", -5, 0, "Charged back"),
        ]

    @pytest.mark.parametrize("amount", [Decimal(2), Decimal(-2)])
    def test_an_adjustment_with_a_reference_counts_once(self, store: Any, amount: Decimal) -> None:
        store.add_account(Account(ME), balance=Decimal(2))
        assert at_once(8, lambda _: store.adjust(ME, amount, "Ticket 17", reference="17")) == [True] * 8
        assert store.balance(ME) == 2 + amount
        with pytest.raises(ValueError, match="another amount"):
            store.adjust(ME, -amount, "Ticket 17", reference="17")

    def test_an_adjustment_that_was_refused_may_be_made_later(self, store: Any) -> None:
        store.add_account(Account(ME))
        assert not store.adjust(ME, Decimal(-2), "Ticket 17", reference="17")
        store.top_up(ME, Decimal(3), "P-1")
        assert store.adjust(ME, Decimal(-2), "Ticket 17", reference="17")
        assert store.balance(ME) == 1

    @pytest.mark.parametrize(
        ("amount", "reason", "reference"),
        [("0", "A gift", None), ("1", " ", None), ("1", "R" * 501, None), ("1", "A gift", ""), ("1", "A gift", "é")],
    )
    def test_an_adjustment_needs_an_amount_and_a_reason(
        self, store: Any, amount: str, reason: str, reference: str | None
    ) -> None:
        store.add_account(Account(ME))
        with pytest.raises(ValueError, match=r"changes nothing|needs a reason|makes no reference"):
            store.adjust(ME, Decimal(amount), reason, reference=reference)
        assert list(store.statement(ME)) == []

    def test_a_statement_lists_every_movement_oldest_first(self, store: Any) -> None:
        store.add_account(Account(ME))
        store.top_up(ME, Decimal(3), "P-1")
        store.debit(ME, Decimal(2), "order")
        store.debit(ME, Decimal(9), "refused")
        store.void(ME, "order")
        store.void(ME, "never debited")
        lines = list(store.statement(ME))
        assert [(line.reference, line.kind, line.amount, line.balance) for line in lines] == [
            ("payment:P-1", "credit", 3, 3),
            ("order", "debit", -2, 1),
            ("order:void", "void", 2, 3),
            ("never debited", "bar", 0, 3),
        ]
        now = datetime.now(timezone.utc)
        assert all(now - timedelta(minutes=1) < line.when <= now for line in lines)
        for limit in (0, 1, 3, 4, 100):
            assert list(store.statement(ME, limit=limit)) == lines[max(4 - limit, 0) :]
        assert list(store.statement("nobody")) == []
        with pytest.raises(FrozenInstanceError):
            lines[0].note = "changed"

    def test_an_account_sees_what_it_is_charged(self, store: Any) -> None:
        store.set_services([service(2, rate=Decimal("99.99999999")), service(7, rate=Decimal(8)), service(9)])
        for id_ in (ME, OTHER):
            store.add_account(Account(id_))
        store.set_prices(ME, discount=Decimal("12.25"), rates={7: Decimal("9.5"), 1000: Decimal(1)})
        mine, others = store.catalog(Account(ME)), store.catalog(Account(OTHER))
        assert [row.rate for row in mine] == [Decimal("87.75000000"), Decimal("9.5"), Decimal("0.8775")]  # rounded up
        assert [mine.get(row.id) for row in mine] == list(mine)
        assert [replace(row, rate=Decimal(1)) for row in mine] == [replace(row, rate=Decimal(1)) for row in others]
        assert [row.rate for row in others] == [Decimal("99.99999999"), 8, 1]
        assert len(mine) == 3
        assert mine.get(1000) is None
        assert store.catalog(Account("nobody")) is others

    def test_prices_change_one_by_one(self, store: Any) -> None:
        store.set_services([service(2), service(7)])
        store.add_account(Account(ME))

        def rates() -> list[Decimal]:
            return [row.rate for row in store.catalog(Account(ME))]

        store.set_prices(ME, rates={7: Decimal(3)})
        assert rates() == [1, 3]
        store.set_prices(ME, discount=Decimal(50))
        assert rates() == [Decimal("0.5"), 3]
        store.set_prices(ME, rates={2: Decimal(0)})
        assert rates() == [0, 3]
        store.set_prices(ME)
        assert rates() == [0, 3]
        store.set_prices(ME, discount=Decimal(100), rates={7: None, 1000: None})
        assert rates() == [0, 0]
        store.set_prices(ME, discount=Decimal(0), rates={2: None})
        assert rates() == [1, 1]

    def test_prices_that_many_set_at_once_are_all_set(self, store: Any) -> None:
        store.add_account(Account(ME))
        at_once(8, lambda number: store.set_prices(ME, rates={number: Decimal(number)}))
        assert store.account_info(ME).rates == {number: number for number in range(8)}

    def test_a_change_leaves_what_is_not_named(self, store: Any) -> None:
        key = store.add_account(Account(ME, currency="EUR", allowed_ips=("192.0.2.7",)))
        store.change_account(ME, dialect="panel")
        store.change_account(ME, allowed_ips=())
        assert store.key_lookup(key) == Account(ME, currency="EUR", dialect="panel")
        with pytest.raises(ValueError, match="unknown dialect"):
            store.change_account(ME, currency="USD", dialect="document")
        with pytest.raises(TypeError):
            store.change_account(ME, owner="nobody")
        with pytest.raises(ValueError, match=NOBODY):
            store.change_account("nobody", currency="USD")
        assert store.key_lookup(key) == Account(ME, currency="EUR", dialect="panel")

    def test_an_account_that_must_be_new_is_added_by_one(self, store: Any) -> None:
        def add(number: int) -> str | None:
            try:
                return str(store.add_account(Account(ME, currency=f"C{number}"), balance=Decimal(5), must_be_new=True))
            except ValueError:
                return None

        [key] = filter(None, at_once(8, add))
        assert store.key_lookup(key).currency == store.account_info(ME).currency
        assert (store.balance(ME), len(store.keys(ME))) == (5, 1)

    def test_a_key_of_another_account_adds_none(self, store: Any) -> None:
        key = store.add_account(Account(ME))
        with pytest.raises(ValueError, match="This key is another account's"):
            store.add_account(Account(OTHER), balance=Decimal(5), key=key)
        assert (store.account_info(OTHER), store.balance(OTHER)) == (None, 0)

    @pytest.mark.parametrize("label", [None, 5, "two\nlines", "L" * 201])
    def test_a_label_is_a_text_in_one_line(self, store: Any, label: Any) -> None:
        store.add_account(Account(ME))
        with pytest.raises(ValueError, match="is no label"):
            store.create_key(ME, label)
        assert len(store.keys(ME)) == 1

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_page_has_a_row_or_more(self, store: Any, limit: int) -> None:
        with pytest.raises(ValueError, match="1 row or more"):
            store.accounts(limit=limit)

    def test_the_list_of_an_account_is_one_object_until_it_changes(self, store: Any) -> None:
        store.set_services([service(2)])
        for id_ in (ME, OTHER):
            store.add_account(Account(id_))
            store.set_prices(id_, discount=Decimal(5))
        before = store.catalog(Account(ME))
        assert store.catalog(Account(ME)) is before
        assert store.catalog(Account(OTHER)) is before  # which pays the same
        store.set_prices(OTHER, discount=Decimal(6))
        assert store.catalog(Account(ME)) is before
        store.set_services([service(7)])
        after = store.catalog(Account(ME))
        assert ([row.id for row in after], after.get(2)) == ([7], None)
        assert store.catalog(Account(ME)) is after

    @pytest.mark.parametrize(
        "prices",
        [
            {"discount": Decimal("0.001")},
            {"discount": Decimal("100.01")},
            {"discount": Decimal(-1)},
            {"discount": Decimal("NaN")},
            {"discount": 5.0},
            {"rates": {2: Decimal(-1)}},
            {"rates": {2: Decimal("1E-9")}},
            {"rates": {2: Decimal(10**12)}},
            {"rates": {2: 0.5}},
            {"rates": {"2": Decimal(1)}},
            {"rates": {-1: Decimal(1)}},
            {"rates": {10**18: None}},
            {"discount": Decimal(5), "rates": {True: Decimal(1)}},
        ],
        ids=repr,
    )
    def test_a_price_that_cannot_be_is_refused(self, store: Any, prices: dict[str, Any]) -> None:
        store.add_account(Account(ME))
        with pytest.raises((ValueError, TypeError)):
            store.set_prices(ME, **prices)
        assert (store.account_info(ME).discount, store.account_info(ME).rates) == (0, {})

    @pytest.mark.parametrize("type_", SERVICE_TYPES)
    def test_services_of_every_type_have_their_price(self, store: Any, type_: str) -> None:
        store.set_services([service(2, type_, rate=Decimal(10))])
        store.add_account(Account(ME))
        store.set_prices(ME, discount=Decimal(10))
        assert list(store.catalog(Account(ME))) == [service(2, type_, rate=Decimal(9))]
