"""What must hold of all the host's parts together: orders and money never part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from .. import actions
from ..actions import Context
from ..desk import ClaimLost, Desk
from ..errors import IncorrectOrderId, NotCancelable, NotEnoughFunds, SmmError
from ..hooks import Account, AccountId, Order, Service
from ..ids import new_id
from ..money import ZERO, price
from ..placement import NotPossible, now
from ..statuses import ENDS, OrderStatus
from .catalog import CatalogContract
from .duties import duty
from .host import Elsewhere, Host, Race, refuse
from .key_lookup import KeyLookupContract
from .orders import LONG_AGO, OrderStoreContract, Work, draft
from .races import THREADS
from .wallet import WalletContract, fill

OLD = timedelta(hours=1)
_UNPAID_SINCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Shop:
    """The host's parts at work for one account, with a service to order."""

    context: Context
    account: Account
    service: Service

    @property
    def quantity(self) -> int:
        """What one order asks for: so many that there are parts of it, if the service allows that."""
        return min(max(10, self.service.min), self.service.max)

    @property
    def charge(self) -> Decimal:
        """Of one order."""
        return price(self.service.rate, self.quantity, 1000)

    def place(self, **params: str) -> Order:
        wanted = {"service": str(self.service.id), "link": "https://example.com/post", "quantity": str(self.quantity)}
        return actions.add(self.context, self.account, {**wanted, **params})

    def cancel(self, order: Order) -> Order:
        return _only(actions.cancel(self.context, self.account, {"order": order.id}))

    def read(self, order: Order) -> Order:
        return _only(actions.Answers(actions.find_orders(self.context, self.account, [order.id]), many=False))

    def move(self, order: Order, status: OrderStatus) -> Order:
        """The order in *status*, as the owner's work puts it there."""
        assert self.context.orders.replace(replace(order, status=status)) is True
        return self.read(order)

    def fill(self, orders: int) -> None:
        """Leave money for so many orders on the account."""
        fill(self.context.wallet, self.account.id, self.charge * orders)

    @property
    def desk(self) -> Desk:
        return Desk(self.context.orders, self.context.placement)

    def claim(self, work: Work, worker: str, **options: Any) -> list[Any]:
        """What the desk hands out of such work: one piece, or none."""
        claim: Any = self.desk.claim_refills if work.is_refills else self.desk.claim
        handed_out: list[Any] = claim(1, worker, **options)
        return handed_out

    def start(self, work: Work, record: Any) -> Any:
        start: Any = self.desk.start_refill if work.is_refills else self.desk.start
        return start(record)

    def reconcile(self) -> None:
        self.context.placement.reconcile(_UNPAID_SINCE)

    @property
    def balance(self) -> Decimal:
        return self.context.wallet.balance(self.account.id)

    def leave(self, **changes: Any) -> Order:
        """An order as a killed process leaves it: stored, an hour old, and no more."""
        fields = {"status": OrderStatus.UNPAID, "remains": 1, "count": 1, "created": now() - OLD}
        ordered = {"service": self.service.id, "charge": self.charge}
        return self.context.orders.add(draft(self.account.id, **{**fields, **ordered, **changes}))

    def stored(self, order: Order) -> list[Order]:
        """The order as it is stored, hidden or not; empty if it is gone."""
        return list(self.context.orders.find(order.account, [order.id]))


def _only(answers: actions.Answers[Order]) -> Order:
    _, record = answers.items[0]
    if isinstance(record, SmmError):
        raise record
    return record


def tried(work: Callable[[], Any]) -> bool:
    """Whether *work* was done, and not refused with one of the protocol's failures, or the desk's."""
    try:
        work()
    except (SmmError, NotPossible):
        return False
    return True


class PanelContract(KeyLookupContract, WalletContract, CatalogContract, OrderStoreContract):
    """Everything: each part's own duties, and placing, canceling and reconciling with all of them together."""

    @pytest.fixture
    def shop(self, host: Host, me: AccountId) -> Shop:
        return self.open_shop(host, me)

    @pytest.fixture
    def other_shop(self, host: Host, other: AccountId) -> Shop:
        return self.open_shop(host, other)

    def open_shop(self, host: Host, account_id: AccountId) -> Shop:
        """The host's parts for an account, and the first of its services that this contract can work with."""
        parts = {name: host.part(name) for name in ("catalog", "wallet", "orders")}
        context, account = Context(**parts), host.account(account_id)
        for service in actions.services(context, account, {}):
            if service.type == "Default" and service.cancel and service.rate and service.max:
                return Shop(context, account, service)
        refuse(f"Give account {account_id!r} a service of type Default that costs, with cancel=True.")

    # Placing

    @duty(
        "An order costs its charge, and is there for everybody as soon as it was placed.",
        likely="the wallet and the order store work on two databases, or one of them has not committed.",
    )
    def test_placing_takes_the_charge(self, shop: Shop, elsewhere: Elsewhere) -> None:
        shop.fill(3)
        order = shop.place()
        assert (order.status, order.charge) == (OrderStatus.AWAITING, shop.charge)
        assert elsewhere(lambda: (shop.read(order), shop.balance)) == (order, shop.charge * 2)
        assert [found.id for found in shop.context.orders.list(shop.account.id, limit=1)] == [order.id]

    @duty(
        "An order that cannot be paid leaves nothing behind.",
        likely="drop or void does not do what it should.",
    )
    def test_an_order_without_money_leaves_nothing(self, shop: Shop) -> None:
        shop.fill(0)
        for key in ({}, {"request_id": f"order {new_id()}"}):
            with pytest.raises(NotEnoughFunds):
                shop.place(**key)
            assert not key or shop.context.orders.find_by_key(shop.account.id, key["request_id"]) is None
        assert shop.balance == 0

    @duty(
        "A repeat with its idempotency key is the same order, and is charged once.",
        likely="find_by_key does not find what add has stored.",
    )
    def test_a_repeat_is_the_same_order(self, shop: Shop) -> None:
        shop.fill(2)
        key = f"order {new_id()}"
        assert len({shop.place(request_id=key).id for _ in range(3)}) == 1
        assert shop.balance == shop.charge

    @duty(
        "Eight repeats at once are one order, charged once.",
        likely="the unique index on (account, key) is missing, or debit is not idempotent under a race.",
        races=1,
    )
    def test_racing_repeats_are_one_order(self, shop: Shop, race: Race) -> None:
        shop.fill(2)
        key = f"order {new_id()}"
        placed = race(THREADS, lambda _: shop.place(request_id=key).id)
        assert len(set(placed)) == 1
        assert shop.balance == shop.charge

    @duty(
        "Of eight orders at once with money for three, three are placed.",
        likely="the wallet reads, compares and writes in steps.",
        races=1,
    )
    def test_racing_orders_take_no_more_than_there_is(self, shop: Shop, race: Race) -> None:
        shop.fill(3)
        placed = race(THREADS, lambda _: tried(shop.place))
        assert placed.count(True) == 3
        assert shop.balance == 0

    # Who sees an order

    @duty(
        "Another account cannot see, cancel or be paid for an order.",
        likely="find does not name the account.",
    )
    def test_another_accounts_order(self, shop: Shop, other_shop: Shop) -> None:
        shop.fill(1)
        other_shop.fill(0)
        order = shop.place()
        for verb in (other_shop.read, other_shop.cancel):
            with pytest.raises(IncorrectOrderId):
                verb(order)
        assert shop.read(order) == order
        assert [shop.balance, other_shop.balance] == [0, 0]

    @duty(
        "An order that is not paid does not exist for anybody.",
        likely="its status is not kept as it was stored, or list shows every status.",
    )
    def test_an_unpaid_order_does_not_exist(self, shop: Shop) -> None:
        for status in (OrderStatus.UNPAID, OrderStatus.VOIDING):
            order = shop.leave(status=status)
            for verb in (shop.read, shop.cancel):
                with pytest.raises(IncorrectOrderId):
                    verb(order)
            assert order.id not in {found.id for found in shop.context.orders.list(shop.account.id)}

    # Canceling

    @duty(
        "A cancel pays the whole charge back, once.",
        likely="credit is not idempotent by its reference, or replace does not keep due_back and paid_back.",
    )
    def test_canceling_pays_back_once(self, shop: Shop, elsewhere: Elsewhere) -> None:
        shop.fill(2)
        order = shop.place()
        for _ in range(3):
            assert shop.cancel(order).status is OrderStatus.CANCELED
            assert elsewhere(lambda: shop.balance) == shop.charge * 2
        assert shop.read(order).cost == ZERO

    @duty(
        "Eight cancels at once are all told so, and the order is paid back once.",
        likely="replace does not mind the revision under a race, or credit is not idempotent.",
        races=1,
    )
    def test_racing_cancels_pay_back_once(self, shop: Shop, race: Race) -> None:
        shop.fill(1)
        order = shop.place()
        canceled = race(THREADS, lambda _: shop.cancel(order).status)
        assert canceled == [OrderStatus.CANCELED] * THREADS
        assert shop.balance == shop.charge

    @duty(
        "An order is either canceled and paid back or worked on, never both.",
        likely="replace writes although somebody else has changed the order.",
        races=1,
    )
    def test_canceling_races_the_start_of_the_work(self, shop: Shop, race: Race) -> None:
        shop.fill(1)
        order = shop.move(shop.place(), OrderStatus.PENDING)

        def decide(number: int) -> bool:
            if number % 2:
                return tried(lambda: shop.cancel(order))
            return shop.context.orders.replace(replace(order, status=OrderStatus.PROCESSING))

        done = race(THREADS, decide)
        found = shop.read(order)
        if found.status is OrderStatus.PROCESSING:
            assert (done.count(True), shop.balance) == (1, ZERO)
            with pytest.raises(NotCancelable):
                shop.cancel(order)
        else:
            assert (found.status, shop.balance) == (OrderStatus.CANCELED, shop.charge)
            assert done[::2] == [False] * (THREADS // 2)

    @duty(
        "An order that ends in part, then in a smaller part, then not at all pays back its charge, and no more.",
        likely="credit rounds, or takes two different references for one.",
    )
    def test_ending_in_part_never_pays_back_more_than_the_charge(self, shop: Shop) -> None:
        shop.fill(1)
        order = shop.move(shop.move(shop.place(), OrderStatus.PENDING), OrderStatus.PROCESSING)
        for remains in sorted({order.count // 3, order.count // 2}):
            order = shop.context.placement.close(order, OrderStatus.PARTIAL, remains)
            delivered = price(order.rate, order.count - remains, order.per)
            assert (shop.balance, order.cost) == (shop.charge - delivered, delivered)
        shop.context.placement.close(order, OrderStatus.CANCELED, order.count)
        assert shop.balance == shop.charge

    # The desk

    @duty(
        "Of eight workers who claim at once each is given something else, and all that waits is handed out.",
        likely="the revision is not minded under a race, or claim and due are not written.",
        races=1,
    )
    def test_racing_claims_hand_out_each_once(self, shop: Shop, work: Work, race: Race) -> None:
        work.clear()
        waiting = {work.add(shop.account.id, LONG_AGO).id for _ in range(THREADS)}
        claimed = race(THREADS, lambda number: shop.claim(work, f"worker {number}"))
        given = [record for records in claimed for record in records]
        for _ in range(THREADS - len(given)):  # somebody else was faster each time
            given += shop.claim(work, "a late worker")
        assert sorted(record.id for record in given) == sorted(waiting)
        assert [work.stored(record) for record in given] == [[record] for record in given]

    @duty(
        "What a worker has not started in time is given to another, and the first one is told so.",
        likely="replace does not write the claim, or waiting leaves out what was claimed before.",
    )
    def test_a_claim_that_ran_out_is_lost(self, shop: Shop, work: Work) -> None:
        work.clear()
        waiting = work.add(shop.account.id, LONG_AGO)
        [late] = shop.claim(work, "a dead worker", lease=LONG_AGO - now())
        [claimed] = shop.claim(work, "another")
        assert [late.id, claimed.id, claimed.worker] == [waiting.id, waiting.id, "another"]
        with pytest.raises(ClaimLost):
            shop.start(work, late)
        started = shop.start(work, claimed)
        assert (started.claim, work.stored(started)) == (claimed.claim, [started])

    @duty(
        "The desk pays back what was not delivered, once, and never more than the charge.",
        likely="replace does not write every field, or credit rounds.",
    )
    def test_the_desk_pays_back_what_was_not_delivered(self, shop: Shop) -> None:
        shop.fill(1)
        desk, order = shop.desk, shop.place()
        order = desk.start(desk.take(order, "worker"), 7)
        order = desk.progress(order, order.count - 1)
        assert [shop.read(order), shop.balance] == [order, 0]
        for remains in sorted({order.count // 3, order.count // 2}):
            delivered = price(order.rate, order.count - remains, order.per)
            for _ in range(2):
                order = desk.partial(order, remains)
                assert (shop.balance, order.cost) == (shop.charge - delivered, delivered)
        for _ in range(2):
            assert desk.cancel(order).status is OrderStatus.CANCELED
            assert shop.balance == shop.charge - delivered

    @duty(
        "Of eight verbs at once one outcome is stored, and what it pays back is paid once.",
        likely="replace does not mind the revision under a race, or credit is not idempotent by its reference.",
        races=1,
    )
    def test_racing_verbs_have_one_outcome(self, shop: Shop, race: Race) -> None:
        shop.reconcile()  # what other tests have left
        shop.fill(1)
        desk, order = shop.desk, shop.place()
        order = desk.start(desk.take(order, "worker"))
        verbs: list[Callable[[], Any]] = [
            lambda: desk.start(order, 7),
            lambda: desk.progress(order, order.count // 2),
            lambda: desk.complete(order),
            lambda: desk.partial(order, order.count // 3),
            lambda: desk.partial(order, order.count // 2),
            lambda: desk.cancel(order),
            lambda: desk.fail(order, "the link is private"),
            lambda: shop.cancel(order),
        ]
        assert any(race(THREADS, lambda number: tried(verbs[number])))
        shop.reconcile()  # for a verb that gave up, since others were faster again and again
        found = shop.read(order)
        assert found.status in ENDS
        owed = shop.charge - price(found.rate, found.count - found.remains, found.per)
        assert shop.balance == found.paid_back == found.due_back == owed

    # What a killed process leaves

    @duty(
        "Reconcile undoes an order that was stored and debited but never confirmed, and bars its debit.",
        likely="unsettled does not answer old UNPAID orders, or void does not undo.",
    )
    def test_reconcile_undoes_what_was_never_confirmed(self, shop: Shop) -> None:
        wallet = shop.context.wallet
        shop.reconcile()  # what other tests have left
        shop.fill(2)
        debited, untouched = shop.leave(), shop.leave()
        assert wallet.debit(shop.account.id, shop.charge, debited.id) is True
        for _ in range(2):
            shop.reconcile()
            assert shop.balance == shop.charge * 2
            assert shop.stored(debited) == shop.stored(untouched) == []
        for order in (debited, untouched):
            assert wallet.debit(shop.account.id, shop.charge, order.id) is False

    @duty(
        "Reconcile leaves young orders alone.",
        likely="unsettled compares times without their zone.",
    )
    def test_reconcile_leaves_young_orders_alone(self, shop: Shop) -> None:
        order = shop.leave(created=now())
        shop.reconcile()
        assert shop.stored(order) == [order]
        assert shop.context.orders.replace(replace(order, status=OrderStatus.VOIDING)) is True
        shop.reconcile()
        assert shop.stored(order) == []

    @duty(
        "Reconcile pays back what an order owes, once, however many run at the same time.",
        likely="unsettled does not compare due_back with paid_back, or credit is not idempotent.",
        races=1,
    )
    def test_reconcile_pays_back_once(self, shop: Shop, race: Race) -> None:
        shop.reconcile()  # what other tests have left
        shop.fill(0)
        owed = [
            shop.leave(status=OrderStatus.CANCELED, due_back=shop.charge),
            shop.leave(status=OrderStatus.CANCELED, due_back=shop.charge),
        ]
        shop.context.wallet.credit(shop.account.id, shop.charge, f"{owed[0].id}:back:0")  # killed before it was noted
        race(THREADS, lambda _: shop.reconcile())
        assert shop.balance == shop.charge * 2
        assert [order.paid_back for known in owed for order in shop.stored(known)] == [shop.charge] * 2

    @duty(
        "A repeat that races reconcile ends with an order that is paid, or with none and the money back.",
        likely="replace, void or drop is done in steps that another caller can get between.",
        races=1,
    )
    def test_confirming_races_reconcile(self, shop: Shop, race: Race) -> None:
        shop.reconcile()  # what other tests have left
        shop.fill(1)
        key = f"order {new_id()}"
        order = shop.leave(idempotency_key=key)

        def work(number: int) -> None:
            if number % 2:
                shop.reconcile()
            else:
                tried(lambda: shop.context.placement.earlier(order.account, key, order.fingerprint))

        race(THREADS, work)
        shop.reconcile()
        found = [stored.status for stored in shop.stored(order)]
        assert (found, shop.balance) in [([OrderStatus.AWAITING], 0), ([], shop.charge)]
