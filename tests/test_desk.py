"""The desk: each order goes to one worker, moves along, and is paid back once, whatever happens meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from example_app.existing_panel.database import Database
from example_app.existing_panel.orders import Orders
from flask_smmapi import ClaimLost, Desk, NotPossible, Order, OrderStatus, Refill, RefillStatus, SmmError, desk_of
from flask_smmapi.errors import NotCancelable, NotEnoughFunds, ServiceUnavailable
from flask_smmapi.money import from_units, to_units
from flask_smmapi.placement import Placement, now
from flask_smmapi.service_types import SERVICE_TYPES
from flask_smmapi.statuses import BEGUN, ENDS
from flask_smmapi.stores.memory import MemoryStore

from .existing import ExistingStore
from .panel import DEFAULT, DRIPFEED, LINK, Panel, at_once, service
from .steps import KILLS, Broken, Kill, Killed, Killing, TakingTurns, Turns, every_order
from .test_placement import ACCOUNT, add, assert_exact, everything, new_store, read, reconcile

S = OrderStatus

WORKER, OTHER = "worker 1", "worker 2"
REASON = "the supplier's balance was empty"
SUBSCRIPTION = list(SERVICE_TYPES).index("Subscriptions") + 1
RUNS = {"quantity": 500, "runs": 2, "interval": 60}
"""A drip-feed of 1,000 pieces for 1.00."""

EAGER = -timedelta(seconds=1)
"""A rest that takes even orders of this very millisecond."""


def desk_over(parts: Any) -> Desk:
    return Desk(parts, Placement(parts, parts))


class Clock:
    """The time that orders are placed, claimed and moved along at: a millisecond later at each look."""

    def __init__(self) -> None:
        self._moment = now()

    def __call__(self) -> datetime:
        self._moment += timedelta(milliseconds=1)
        return self._moment

    def forward(self, **time: float) -> None:
        self._moment += timedelta(**time)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("actions", "desk", "placement"):
        monkeypatch.setattr(f"flask_smmapi.{module}.now", clock)
    return clock


@pytest.fixture
def desk(panel: Panel) -> Desk:
    return panel.smmapi.desk


def ids(records: Any) -> list[str]:
    return [record.id for record in records]


# Which verb may follow which status, and what becomes of an order of 1,000 pieces for 1.00

TO: dict[OrderStatus, Callable[[Desk, Order], Order]] = {
    S.AWAITING: lambda desk, order: order,
    S.PENDING: lambda desk, order: desk.take(order, WORKER),
    S.PROCESSING: lambda desk, order: desk.start(TO[S.PENDING](desk, order)),
    S.IN_PROGRESS: lambda desk, order: desk.progress(TO[S.PROCESSING](desk, order), 600),
    S.COMPLETED: lambda desk, order: desk.complete(TO[S.PROCESSING](desk, order)),
    S.PARTIAL: lambda desk, order: desk.partial(TO[S.PROCESSING](desk, order), 250),
    S.CANCELED: lambda desk, order: desk.cancel(TO[S.PENDING](desk, order)),
    S.FAIL: lambda desk, order: desk.fail(TO[S.PENDING](desk, order), REASON),
}
"""How an order that waits comes into each status."""

VERBS: dict[str, Callable[[Desk, Order], Order]] = {
    "take": lambda desk, order: desk.take(order, OTHER),
    "start": lambda desk, order: desk.start(order, 7),
    "progress": lambda desk, order: desk.progress(order, 400),
    "complete": lambda desk, order: desk.complete(order),
    "partial": lambda desk, order: desk.partial(order, 300),
    "cancel": lambda desk, order: desk.cancel(order),
    "fail": lambda desk, order: desk.fail(order, REASON),
    "place_child": lambda desk, order: desk.place_child(order, 1, quantity=500),
}

EFFECTS = {
    ("take", S.AWAITING): (S.PENDING, 1000, "0"),
    ("take", S.PENDING): (S.PENDING, 1000, "0"),
    ("start", S.PENDING): (S.PROCESSING, 1000, "0"),
    ("progress", S.PROCESSING): (S.IN_PROGRESS, 400, "0"),
    ("progress", S.IN_PROGRESS): (S.IN_PROGRESS, 400, "0"),
    ("complete", S.PROCESSING): (S.COMPLETED, 0, "0"),
    ("complete", S.IN_PROGRESS): (S.COMPLETED, 0, "0"),
    ("partial", S.PROCESSING): (S.PARTIAL, 300, "0.3"),
    ("partial", S.IN_PROGRESS): (S.PARTIAL, 300, "0.3"),
    ("partial", S.PARTIAL): (S.PARTIAL, 300, "0.3"),
    ("cancel", S.AWAITING): (S.CANCELED, 1000, "1"),
    ("cancel", S.PENDING): (S.CANCELED, 1000, "1"),
    ("cancel", S.PROCESSING): (S.CANCELED, 1000, "1"),
    ("cancel", S.IN_PROGRESS): (S.CANCELED, 600, "0.6"),
    ("cancel", S.PARTIAL): (S.CANCELED, 250, "0.25"),
    ("fail", S.AWAITING): (S.FAIL, 1000, "1"),
    ("fail", S.PENDING): (S.FAIL, 1000, "1"),
    ("fail", S.PROCESSING): (S.FAIL, 1000, "1"),
    ("fail", S.IN_PROGRESS): (S.FAIL, 600, "0.6"),
    ("place_child", S.PROCESSING): (S.PROCESSING, 1000, "0"),
    ("place_child", S.IN_PROGRESS): (S.IN_PROGRESS, 600, "0"),
}
"""What may be done in which status: the status then, what remains then, and what is paid back in all."""

REPEATS = {("complete", S.COMPLETED), ("cancel", S.CANCELED), ("fail", S.FAIL)}
ILLEGAL = [pair for pair in itertools.product(VERBS, OrderStatus) if pair not in EFFECTS and pair not in REPEATS]
REPEATABLE = {pair: effect for pair, effect in EFFECTS.items() if pair[0] != "take"}
"""Whoever takes an order twice gets a new claim."""


def name(pair: Any) -> str:
    verb, status = pair
    return f"{verb}-{status.value}"


def each(pairs: Any) -> Any:
    return pytest.mark.parametrize(("verb", "status"), list(pairs), ids=[name(pair) for pair in pairs])


def in_status(panel: Panel, status: OrderStatus) -> Order:
    """A drip-feed of 1,000 pieces for 1.00 in *status*, as its worker knows it."""
    order = panel.place(DRIPFEED, **RUNS)
    return TO[status](panel.smmapi.desk, order) if status in TO else panel.move(order, status)


def outcome(order: Order) -> tuple[OrderStatus, int, Decimal]:
    assert order.paid_back == order.due_back
    return order.status, order.remains, order.paid_back


def effect_of(verb: str, status: OrderStatus) -> tuple[OrderStatus, int, Decimal]:
    after, remains, paid_back = EFFECTS[verb, status]
    return after, remains, Decimal(paid_back)


class TestVerbsAndStatuses:
    @each(EFFECTS)
    def test_what_is_allowed_moves_the_order_and_pays_back(
        self, panel: Panel, desk: Desk, verb: str, status: OrderStatus
    ) -> None:
        order = in_status(panel, status)
        VERBS[verb](desk, order)
        assert outcome(panel.read(order)) == effect_of(verb, status)
        assert panel.balance == 99 + panel.read(order).paid_back

    @each(EFFECTS)
    def test_the_record_given_is_the_order_as_it_is_stored(
        self, panel: Panel, desk: Desk, verb: str, status: OrderStatus
    ) -> None:
        given = VERBS[verb](desk, in_status(panel, status))
        assert given == panel.read(given)

    @each(REPEATABLE)
    def test_a_repeat_changes_nothing_and_pays_nothing(
        self, panel: Panel, desk: Desk, verb: str, status: OrderStatus
    ) -> None:
        """Whether it is repeated with the record of before or with the one of then."""
        order = in_status(panel, status)
        given = VERBS[verb](desk, order)
        before, movements = panel.read(order), panel.store.movements(1)
        assert VERBS[verb](desk, order) == given
        assert VERBS[verb](desk, before) == given
        assert (panel.read(order), panel.store.movements(1)) == (before, movements)

    @each(ILLEGAL)
    def test_what_is_not_allowed_says_why_and_changes_nothing(
        self, panel: Panel, desk: Desk, verb: str, status: OrderStatus
    ) -> None:
        order = in_status(panel, status)
        before, movements = panel.read(order), panel.store.movements(1)
        says = "is not there" if status in (S.UNPAID, S.VOIDING) else f"is {status.value}; .*"
        with pytest.raises(NotPossible, match=rf"^Order {order.id} {says}\.$"):
            VERBS[verb](desk, order)
        assert (panel.read(order), panel.store.movements(1)) == (before, movements)
        assert len(panel.store.find(1, range(1, 10))) == 1

    @pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "take"])
    @pytest.mark.parametrize("status", [S.PENDING, S.PROCESSING, S.IN_PROGRESS, S.PARTIAL, S.COMPLETED, S.CANCELED])
    def test_a_worker_that_comes_back_late_has_lost_the_order(
        self, panel: Panel, desk: Desk, verb: str, status: OrderStatus
    ) -> None:
        """Whatever the other one has made of it: even what would be a repeat is not his."""
        late = desk.take(panel.place(DRIPFEED, **RUNS), "the late one")
        TO[status](desk, late)
        before, movements = panel.read(late), panel.store.movements(1)
        with pytest.raises(ClaimLost, match=rf"^Order {late.id} was given to another worker \(worker 1\)\.$"):
            VERBS[verb](desk, late)
        assert (panel.read(late), panel.store.movements(1)) == (before, movements)
        assert len(panel.store.list(1)) == 1

    @pytest.mark.parametrize("verb", VERBS)
    def test_an_order_that_is_gone_is_not_there(self, panel: Panel, desk: Desk, verb: str) -> None:
        order = panel.move(panel.place(), S.VOIDING)
        panel.store.drop(order)
        with pytest.raises(NotPossible, match=f"Order {order.id} is not there"):
            VERBS[verb](desk, order)

    @pytest.mark.parametrize(
        ("says", "verb"),
        [
            ("start_count is -1", lambda desk, order: desk.start(order, -1)),
            (f"start_count is {2**63}", lambda desk, order: desk.start(order, 2**63)),
            ("remains is -1", lambda desk, order: desk.progress(order, -1)),
            ("remains is 1001", lambda desk, order: desk.progress(order, 1001)),
            ("remains is -1", lambda desk, order: desk.partial(order, -1)),
            (
                "remains is 1001; it must be a whole number from 0 to 1000",
                lambda desk, order: desk.partial(order, 1001),
            ),
            ("remains is 2.5; it must be a whole number", lambda desk, order: desk.partial(order, 2.5)),
            ("remains is True; it must be a whole number", lambda desk, order: desk.progress(order, True)),
            ("n is 0; it must be a whole", lambda desk, order: desk.place_child(order, 0, quantity=500)),
            (
                "quantity is 0; it must be a whole number from 1",
                lambda desk, order: desk.place_child(order, 1, quantity=0),
            ),
        ],
    )
    def test_a_number_that_cannot_be_is_refused(self, panel: Panel, desk: Desk, says: str, verb: Any) -> None:
        order = in_status(panel, S.PROCESSING)
        with pytest.raises(NotPossible, match=says):
            verb(desk, order)
        assert panel.read(order) == order
        assert ids(panel.store.list(1)) == [order.id]


class TestClaim:
    def test_the_longest_waiting_come_first_and_no_more_than_asked_for(
        self, panel: Panel, desk: Desk, clock: Clock
    ) -> None:
        placed = [panel.place() for _ in range(5)]
        assert ids(desk.claim(2, WORKER)) == ids(placed[:2])
        assert ids(desk.claim(2, OTHER)) == ids(placed[2:4])
        assert ids(desk.claim(2, WORKER)) == ids(placed[4:])
        assert desk.claim(2, OTHER) == []

    def test_it_says_who_has_the_order_and_until_when(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        before = panel.place(), panel.place()
        one, other = desk.claim(2, WORKER, lease=timedelta(minutes=3))
        for claimed, order in zip((one, other), before, strict=True):
            assert claimed == panel.read(order)
            assert (claimed.status, claimed.worker) == (S.PENDING, WORKER)
            assert claimed.due is not None
            assert timedelta(0) < clock() - (claimed.due - timedelta(minutes=3)) < timedelta(seconds=1)
        assert one.claim
        assert other.claim
        assert one.claim != other.claim

    def test_the_orders_of_all_accounts_are_handed_out(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        mine = panel.place()
        another = type(panel.account)(id="another")
        panel.store.add_account(another, balance=Decimal(1))
        others = panel.smmapi.place(another, {"service": DEFAULT, "link": LINK, "quantity": 1000})
        assert ids(desk.claim(10, WORKER)) == [mine.id, others.id]

    def test_a_new_order_may_rest_first(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        order = panel.place()
        rest = timedelta(seconds=30)
        clock.forward(seconds=29)
        assert desk.claim(10, WORKER, rest=rest) == []
        clock.forward(seconds=2)
        assert ids(desk.claim(10, WORKER, rest=rest)) == [order.id]

    def test_it_is_handed_out_again_after_its_lease_and_not_before(
        self, panel: Panel, desk: Desk, clock: Clock
    ) -> None:
        panel.place()
        [first] = desk.claim(1, WORKER)
        clock.forward(minutes=4, seconds=59)
        assert desk.claim(1, OTHER) == []
        clock.forward(seconds=1)
        [again] = desk.claim(1, OTHER)
        assert (again.id, again.worker) == (first.id, OTHER)
        assert again.claim != first.claim
        with pytest.raises(ClaimLost):
            desk.start(first)
        assert desk.start(again).status is S.PROCESSING

    def test_the_lease_is_a_matter_of_each_claim(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        short, long = panel.place(), panel.place()
        assert ids(desk.claim(1, WORKER, lease=timedelta(seconds=10))) == [short.id]
        assert ids(desk.claim(1, WORKER, lease=timedelta(hours=1))) == [long.id]
        clock.forward(seconds=11)
        assert ids(desk.claim(10, OTHER)) == [short.id]

    def test_a_worker_whose_lease_is_over_may_still_start_if_nobody_has_the_order(
        self, panel: Panel, desk: Desk, clock: Clock
    ) -> None:
        panel.place()
        [claimed] = desk.claim(1, WORKER)
        clock.forward(hours=1)
        assert desk.start(claimed).status is S.PROCESSING

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status not in (S.AWAITING, S.PENDING)])
    def test_nothing_else_is_ever_handed_out(self, panel: Panel, desk: Desk, clock: Clock, status: OrderStatus) -> None:
        order = in_status(panel, status)
        before = panel.read(order)
        clock.forward(days=30)
        assert desk.claim(10, WORKER) == []
        assert panel.read(order) == before

    @pytest.mark.parametrize(("worker", "shown"), [(4711, "4711"), ("x" * 101, "'x")])
    def test_a_worker_has_a_name(self, panel: Panel, desk: Desk, worker: Any, shown: str) -> None:
        order = panel.place()
        with pytest.raises(NotPossible, match=f"^worker is {shown}.*; it must be a text of at most 100 characters"):
            desk.claim(1, worker)
        with pytest.raises(NotPossible, match=r"^reason is 404; it must be a text"):
            desk.fail(order, 404)
        assert panel.read(order) == order

    @pytest.mark.parametrize("limit", [0, -1])
    def test_who_wants_none_gets_none(self, panel: Panel, desk: Desk, limit: int) -> None:
        order = panel.place()
        for verb in (desk.claim, desk.claim_refills):
            assert verb(limit, WORKER) == []
        for listing in (desk.stuck, desk.stuck_refills):
            assert listing(limit=limit) == []
        assert panel.read(order) == order

    def test_what_waits_can_be_looked_at(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        held, placed = panel.place(), panel.place()
        desk.take(held, WORKER)
        assert (ids(desk.waiting()), desk.waiting(timedelta(minutes=1))) == ([placed.id], [])
        clock.forward(minutes=6)
        assert ids(desk.waiting(limit=5)) == [placed.id, held.id]
        assert [panel.read(order).status for order in (held, placed)] == [S.PENDING, S.AWAITING]

    def test_what_a_dead_worker_held_need_not_rest(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        order = panel.place()
        assert ids(desk.claim(1, WORKER, lease=timedelta(seconds=10))) == [order.id]
        clock.forward(seconds=11)
        assert ids(desk.claim(1, OTHER, rest=timedelta(hours=1))) == [order.id]

    @pytest.mark.parametrize("dies_at", range(1, 5))
    def test_a_worker_that_dies_while_it_claims_loses_no_order(
        self, panel: Panel, desk: Desk, clock: Clock, dies_at: int
    ) -> None:
        placed = [panel.place() for _ in range(4)]
        with pytest.raises(Killed):
            desk_over(Killing(panel.store, Kill(dies_at + 1, True, Killed))).claim(4, WORKER)
        assert len(desk.claim(10, OTHER)) == 4 - dies_at
        clock.forward(minutes=6)
        assert sorted(ids(desk.claim(10, OTHER))) == sorted(ids(placed))

    def test_whoever_is_overtaken_gets_what_is_left(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        placed = [panel.place() for _ in range(4)]

        class Overtaken(Killing):
            """Another worker takes the first two between the look and the claim."""

            def waiting(self, statuses: Any, *args: Any, **kwargs: Any) -> Any:
                page = panel.store.waiting(statuses, *args, **kwargs)
                for order in placed[:2] if statuses == [S.AWAITING] else ():
                    desk.take(order, OTHER)
                return page

        parts = Overtaken(panel.store, Kill(-1, False, Broken))
        assert ids(desk_over(parts).claim(2, WORKER)) == ids(placed[2:])


class TestTake:
    def test_one_order_is_handed_out_whoever_had_it(self, panel: Panel, desk: Desk) -> None:
        order = panel.place()
        first = desk.take(order, WORKER)
        second = desk.take(order, OTHER)
        assert (first.status, first.worker) == (S.PENDING, WORKER)
        assert (second.status, second.worker) == (S.PENDING, OTHER)
        assert first.claim != second.claim
        with pytest.raises(ClaimLost):
            desk.start(first)
        desk.start(second)

    def test_it_has_a_lease_too(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        order = desk.take(panel.place(), WORKER, lease=timedelta(hours=1))
        clock.forward(minutes=59)
        assert desk.claim(1, OTHER) == []
        clock.forward(minutes=1)
        assert ids(desk.claim(1, OTHER)) == [order.id]


class TestStart:
    def test_it_keeps_what_the_counter_stood_at(self, panel: Panel, desk: Desk) -> None:
        order = desk.start(in_status(panel, S.PENDING), 1234)
        assert panel.post("status", order=order.id).json[order.id] == {
            "charge": "1.00000000",
            "start_count": "1234",
            "status": "Processing",
            "remains": "1000",
            "currency": "USD",
        }

    def test_the_counter_cannot_be_changed_by_another_start(self, panel: Panel, desk: Desk) -> None:
        order = desk.start(in_status(panel, S.PENDING), 1234)
        with pytest.raises(NotPossible, match="is PROCESSING; only a PENDING one can be started"):
            desk.start(order, 1235)
        assert panel.read(order) == order

    def test_a_repeat_after_the_work_went_on_is_a_repeat(self, panel: Panel, desk: Desk) -> None:
        claimed = in_status(panel, S.PENDING)
        went_on = desk.progress(desk.start(claimed, 7), 600)
        assert desk.start(claimed, 7) == went_on

    def test_a_client_cancels_before_it_but_not_after(self, panel: Panel, desk: Desk) -> None:
        early, late = in_status(panel, S.PENDING), in_status(panel, S.PENDING)
        assert panel.post("cancel", order=early.id).json == {"cancel": 1}
        with pytest.raises(NotPossible, match="is CANCELED; only a PENDING one can be started"):
            desk.start(early)
        desk.start(late)
        assert panel.post("cancel", order=late.id).json == {"error": "Order not eligible for cancellation"}
        assert outcome(panel.read(early)) == (S.CANCELED, 1000, 1)
        assert outcome(panel.read(late)) == (S.PROCESSING, 1000, 0)
        assert panel.balance == 99


class TestPayingBack:
    def test_in_part_again_with_more_and_cancel_pay_the_difference_and_never_more_than_the_charge(
        self, panel: Panel, desk: Desk
    ) -> None:
        order = in_status(panel, S.PROCESSING)
        balances = []
        for remains in (333, 333, 334, 1000, 1000):
            order = desk.partial(order, remains)
            balances.append(str(panel.balance))
        order = desk.cancel(order)
        balances.append(str(panel.balance))
        assert balances == ["99.33300000", "99.33300000", "99.33400000", *["100.00000000"] * 3]
        assert outcome(order) == (S.CANCELED, 1000, order.charge)

    def test_in_part_again_with_less_is_refused(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PARTIAL)
        with pytest.raises(NotPossible, match=rf"^Order {order.id} was paid back for 250 remaining; that never falls"):
            desk.partial(order, 249)
        assert panel.read(order) == order
        assert panel.balance == Decimal("99.25")

    def test_the_client_sees_what_the_order_costs_then(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PARTIAL)
        answer = panel.post("status", order=order.id).json[order.id]
        assert (answer["status"], answer["remains"], answer["charge"]) == ("Partial", "250", "0.75000000")

    def test_a_package_is_paid_back_whole(self, panel: Panel, desk: Desk) -> None:
        order = desk.start(desk.take(panel.place(2), WORKER))
        assert (order.remains, panel.balance) == (1, 99)
        assert outcome(desk.cancel(order)) == (S.CANCELED, 1, 1)
        assert panel.balance == 100

    @pytest.mark.parametrize("verb", ["complete", "partial", "cancel", "fail"])
    def test_the_end_has_a_time(self, panel: Panel, desk: Desk, clock: Clock, verb: str) -> None:
        """Refills count from it."""
        ended = VERBS[verb](desk, in_status(panel, S.IN_PROGRESS)).ended
        assert ended is not None
        assert timedelta(0) < clock() - ended < timedelta(seconds=1)

    def test_a_client_who_canceled_is_not_paid_again_by_the_owner(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PENDING)
        panel.smmapi.cancel(panel.account, order.id)
        assert outcome(desk.cancel(order)) == (S.CANCELED, 1000, 1)
        assert panel.balance == 100

    def test_the_owner_may_cancel_what_a_client_may_not(self, panel: Panel, desk: Desk) -> None:
        order = panel.place(19)
        assert not order.cancelable
        assert outcome(desk.cancel(order)) == (S.CANCELED, 1000, 1)


@pytest.mark.parametrize("dialect", ["standard", "panel"])
def test_why_it_failed_is_kept_for_the_owner_and_shown_to_no_client(dialect: str) -> None:
    panel = Panel(dialect=dialect)
    desk = panel.smmapi.desk
    order = desk.fail(in_status(panel, S.IN_PROGRESS), REASON)
    assert panel.read(order).reason == REASON
    answers = [
        panel.post(action, **{form: order.id})
        for action, form in itertools.product(
            ("status", "cancel", "refill", "refill_status"), ("order", "orders", "refill", "refills")
        )
    ]
    assert REASON not in str(answers)
    word = {"standard": "Fail", "panel": "Canceled"}[dialect]
    assert f"'status': '{word}'" in str(answers)


class TestStuck:
    def test_begun_and_not_moved_on_for_so_long(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        begun, moved_on, ended = (in_status(panel, S.PROCESSING) for _ in range(3))
        in_status(panel, S.PENDING)
        panel.place()
        clock.forward(hours=23)
        assert desk.stuck() == []
        desk.progress(moved_on, 600)
        desk.complete(ended)
        clock.forward(hours=2)
        assert desk.stuck() == [panel.read(begun)]
        assert ids(desk.stuck(timedelta(hours=1))) == [begun.id, moved_on.id]

    def test_those_that_wait_for_longest_come_first_and_no_more_than_asked_for(
        self, panel: Panel, desk: Desk, clock: Clock
    ) -> None:
        orders = [in_status(panel, S.PROCESSING) for _ in range(3)]
        clock.forward(days=2)
        assert ids(desk.stuck(limit=2)) == ids(orders[:2])

    def test_what_counts_is_when_the_work_began(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        claimed, refill = in_status(panel, S.PENDING), asked(panel)
        clock.forward(days=2)
        desk.start(claimed)
        desk.start_refill(refill)
        clock.forward(hours=23)
        assert (desk.stuck(), desk.stuck_refills()) == ([], [])

    def test_whoever_finds_one_can_end_it(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        """Nobody else can be given it, so the record that is stored is enough."""
        in_status(panel, S.IN_PROGRESS)
        clock.forward(days=2)
        [stuck] = desk.stuck()
        assert outcome(desk.cancel(stuck)) == (S.CANCELED, 600, Decimal("0.6"))
        assert desk.stuck() == []


# Children


def subscription(panel: Panel, **params: Any) -> Order:
    """Without an end, if nothing else is said, of 50 to 100 pieces a post, whose work has begun."""
    asked = {"username": "someone", "min": 50, "max": 100, "delay": 0, **params}
    return TO[S.PROCESSING](panel.smmapi.desk, panel.place(SUBSCRIPTION, **asked))


class TestChildren:
    def test_a_run_is_an_order_of_its_own_that_costs_nothing_more(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        order = in_status(panel, S.PROCESSING)
        children = [desk.place_child(order, n, quantity=500) for n in (1, 2)]
        assert panel.read(order).children == tuple(child.number for child in children)
        for child in children:
            assert (child.status, child.count, child.remains, child.charge) == (S.AWAITING, 500, 500, 0)
            assert (child.account, child.service, child.params["link"]) == (order.account, order.service, LINK)
        assert panel.balance == 99
        assert ids(desk.claim(10, WORKER)) == ids(children)

    def test_a_child_that_costs_nothing_pays_nothing_back(self, panel: Panel, desk: Desk) -> None:
        child = desk.place_child(in_status(panel, S.PROCESSING), 1, quantity=500)
        desk.partial(TO[S.PROCESSING](desk, child), 250)
        assert panel.balance == 99

    @pytest.mark.parametrize("params", [{}, {"posts": 0}])
    def test_without_an_end_a_further_post_is_charged_at_the_parents_price(
        self, panel: Panel, desk: Desk, params: dict[str, int]
    ) -> None:
        order = subscription(panel, **params)
        panel.store.set_services([service(SUBSCRIPTION, "Subscriptions", rate=Decimal(50))])
        assert panel.balance == Decimal("99.9")
        links = [f"{LINK}/{n}" for n in (1, 2)]
        costs = [desk.place_child(order, n, quantity=80, link=link).charge for n, link in enumerate(links, 1)]
        assert costs == [0, Decimal("0.08")]
        assert panel.balance == Decimal("99.82")
        found = panel.store.find(1, list(panel.read(order).children))
        assert [child.params["link"] for child in found] == links

    def test_a_further_post_that_was_not_delivered_is_paid_back(self, panel: Panel, desk: Desk) -> None:
        child = desk.place_child(subscription(panel), 2, quantity=80, link=LINK)
        assert outcome(desk.cancel(child)) == (S.CANCELED, 80, Decimal("0.08"))
        assert panel.balance == Decimal("99.9")

    def test_a_further_post_that_cannot_be_paid_is_not_placed(self, panel: Panel, desk: Desk) -> None:
        order = subscription(panel)
        assert panel.store.debit(1, panel.balance, "another order")
        with pytest.raises(NotEnoughFunds):
            desk.place_child(order, 2, quantity=80, link=LINK)
        assert panel.read(order) == order
        assert ids(panel.store.list(1)) == [order.id]
        panel.store.credit(1, Decimal(1), "payment")
        assert desk.place_child(order, 2, quantity=80, link=LINK).charge == Decimal("0.08")

    @pytest.mark.parametrize("n", [1, 2], ids=["paid by the parent", "charged"])
    def test_each_n_is_placed_once(self, panel: Panel, desk: Desk, n: int) -> None:
        order = subscription(panel)
        child = desk.place_child(order, n, quantity=80, link=LINK)
        balance = panel.balance
        assert desk.place_child(order, n, quantity=80, link=LINK) == child
        for other in ({"quantity": 81, "link": LINK}, {"quantity": 80, "link": f"{LINK}/other"}):
            with pytest.raises(NotPossible, match=f"has another child {n} already"):
                desk.place_child(order, n, **other)
        assert panel.read(order).children == (child.number,)
        assert ids(panel.store.list(1)) == [child.id, order.id]
        assert panel.balance == balance

    def test_an_end_is_an_end(self, panel: Panel, desk: Desk) -> None:
        for order in (subscription(panel, posts=2), in_status(panel, S.PROCESSING)):
            assert [desk.place_child(order, n, quantity=80, link=LINK).charge for n in (1, 2)] == [0, 0]
            with pytest.raises(NotPossible, match="is of 2; it has no child 3"):
                desk.place_child(order, 3, quantity=80, link=LINK)

    def test_an_order_that_is_neither_has_none(self, panel: Panel, desk: Desk) -> None:
        order = TO[S.PROCESSING](desk, panel.place())
        with pytest.raises(NotPossible, match="is no drip-feed and no subscription; it has no children"):
            desk.place_child(order, 1, quantity=10)

    def test_a_child_has_no_more_than_a_run_or_a_post(self, panel: Panel, desk: Desk) -> None:
        for order, most in ((in_status(panel, S.PROCESSING), 500), (subscription(panel), 100)):
            with pytest.raises(NotPossible, match=f"must be a whole number from 1 to {most}"):
                desk.place_child(order, 1, quantity=most + 1)

    @pytest.mark.parametrize("n", [1, 2], ids=["paid by the parent", "charged"])
    def test_a_parent_that_ends_meanwhile_takes_the_child_along(self, panel: Panel, desk: Desk, n: int) -> None:
        order = subscription(panel)

        class Overtaken(Killing):
            """The owner cancels the parent when the child has just been placed."""

            def replace(self, record: Order) -> bool:
                done = panel.store.replace(record)
                if record.idempotency_key and record.status is S.AWAITING:
                    desk.cancel(panel.read(order))
                return done

        with pytest.raises(NotPossible, match="is CANCELED; its work must have begun"):
            desk_over(Overtaken(panel.store, Kill(-1, False, Broken))).place_child(order, n, quantity=80, link=LINK)
        assert [found.status for found in panel.store.list(1)] == [S.CANCELED, S.CANCELED]
        assert panel.balance == 100

    def test_a_repeat_gives_the_child_as_it_is_by_then(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PROCESSING)
        child = desk.complete(TO[S.PROCESSING](desk, desk.place_child(order, 1, quantity=500)))
        assert desk.place_child(order, 1, quantity=500) == child

    def test_a_repeat_after_the_parents_end_leaves_the_child_as_it_is(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PROCESSING)
        child = desk.place_child(order, 1, quantity=500)
        desk.complete(order)
        assert desk.place_child(order, 1, quantity=500) == child == panel.read(child)

    def test_no_other_may_take_its_place(self, panel: Panel, desk: Desk) -> None:
        """A client knows the id of the parent, and might use it for an idempotency key."""
        order = in_status(panel, S.PROCESSING)
        squatter = panel.post("add", service=1, link=LINK, quantity=1, request_id=f"{order.id}:1").json["order"]
        assert desk.place_child(order, 1, quantity=500).id != squatter
        assert panel.post("add", service=1, link=LINK, quantity=1, request_id=f"{order.id}\n2").status == 400

    def test_it_has_what_its_type_needs(self, panel: Panel, desk: Desk) -> None:
        panel.store.set_services([service(14, "Web Traffic", dripfeed=True)])
        needs = {"country": "DE", "device": "1", "type_of_traffic": "2", "google_keyword": "cats"}
        order = TO[S.PROCESSING](desk, panel.place(14, quantity=10, runs=2, interval=60, **needs))
        assert desk.place_child(order, 1, quantity=10).params == {"link": LINK, "quantity": "10", **needs}

    @pytest.mark.parametrize("verb", ["cancel", "fail"])
    def test_a_parent_that_is_paid_back_is_not_delivered(self, panel: Panel, desk: Desk, verb: str) -> None:
        order = in_status(panel, S.PROCESSING)
        begun = TO[S.PROCESSING](desk, desk.place_child(order, 1, quantity=500))
        waiting = desk.place_child(order, 2, quantity=500)
        for _ in range(2):
            VERBS[verb](desk, order)
        assert panel.balance == 100
        assert (panel.read(begun).status, panel.read(waiting).status) == (S.PROCESSING, S.CANCELED)
        assert desk.claim(10, WORKER) == []

    def test_a_wrong_argument_touches_no_child(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PROCESSING)
        child = desk.place_child(order, 1, quantity=500)
        for wrong in (501, 0, "500"):
            with pytest.raises(NotPossible, match="quantity is"):
                desk.place_child(order, 1, quantity=wrong)
        assert panel.read(child) == child
        desk.complete(order)
        with pytest.raises(NotPossible, match="is COMPLETED"):
            desk.place_child(order, 1, quantity=499)

    def test_a_child_that_was_begun_meanwhile_is_not_canceled(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PROCESSING)

        class Overtaken(Killing):
            """The parent is completed, and the child begun, when it has just been placed."""

            def replace(self, record: Order) -> bool:
                done = panel.store.replace(record)
                if record.idempotency_key and record.status is S.AWAITING:
                    desk.complete(panel.read(order))
                    TO[S.PROCESSING](desk, panel.read(record))
                return done

        with pytest.raises(NotPossible, match="is COMPLETED"):
            desk_over(Overtaken(panel.store, Kill(-1, False, Broken))).place_child(order, 1, quantity=500)
        assert [found.status for found in panel.store.list(1)] == [S.PROCESSING, S.COMPLETED]

    def test_placing_one_is_moving_on(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        order = in_status(panel, S.PROCESSING)
        clock.forward(days=2)
        desk.place_child(order, 1, quantity=500)
        assert desk.stuck() == []

    def test_a_client_cannot_cancel_a_child(self, panel: Panel, desk: Desk) -> None:
        child = desk.place_child(in_status(panel, S.PROCESSING), 1, quantity=500)
        assert panel.post("cancel", order=child.id).json == {"error": "Order not eligible for cancellation"}
        assert panel.read(child) == child

    def test_one_service_may_have_refills_of_its_runs(self, panel: Panel, desk: Desk) -> None:
        child = desk.place_child(in_status(panel, S.PROCESSING), 1, quantity=500)
        panel.complete(child)
        assert panel.post("refill", refill=child.id).json == {"refill": 1}

    def test_clients_of_the_panel_dialect_see_how_far_it_is(self) -> None:
        panel = Panel(dialect="panel")
        desk = panel.smmapi.desk
        run, posts = in_status(panel, S.PROCESSING), subscription(panel, expiry="31/12/2030")
        assert "orders" not in panel.post("status", order=run.number).json
        first, second = (desk.place_child(run, n, quantity=500).number for n in (1, 2))
        post = desk.place_child(posts, 1, quantity=80, link=LINK).number
        drip_feed = panel.post("status", order=run.number).json
        assert (drip_feed["runs"], drip_feed["orders"]) == ("2", [first, second])
        answer = panel.post("status", order=posts.number).json
        assert (answer["posts"], answer["expiry"], answer["orders"]) == ("1", "31/12/2030", [post])
        assert panel.post("status", order=post).json["remains"] == "80"

    def test_clients_of_the_document_see_nothing_of_it(self, panel: Panel, desk: Desk) -> None:
        order = in_status(panel, S.PROCESSING)
        before = panel.post("status", order=order.id).json
        desk.place_child(order, 1, quantity=500)
        assert panel.post("status", order=order.id).json == before


# Refills

R = RefillStatus

REFILL_TO: dict[RefillStatus, Callable[[Desk, Refill], Refill]] = {
    R.PENDING: lambda desk, refill: refill,
    R.IN_PROGRESS: lambda desk, refill: desk.start_refill(refill),
    R.COMPLETED: lambda desk, refill: desk.complete_refill(desk.start_refill(refill)),
    R.REJECTED: lambda desk, refill: desk.reject_refill(desk.start_refill(refill)),
}
REFILL_VERBS: dict[str, Callable[[Desk, Refill], Refill]] = {
    "start": lambda desk, refill: desk.start_refill(refill),
    "complete": lambda desk, refill: desk.complete_refill(refill),
    "reject": lambda desk, refill: desk.reject_refill(refill),
}
REFILL_EFFECTS = {
    ("start", R.PENDING): R.IN_PROGRESS,
    ("complete", R.PENDING): R.COMPLETED,
    ("complete", R.IN_PROGRESS): R.COMPLETED,
    ("reject", R.PENDING): R.REJECTED,
    ("reject", R.IN_PROGRESS): R.REJECTED,
}
REFILL_REPEATS = {("start", R.IN_PROGRESS), ("complete", R.COMPLETED), ("reject", R.REJECTED)}
REFILL_ILLEGAL = [
    pair
    for pair in itertools.product(REFILL_VERBS, RefillStatus)
    if pair not in REFILL_EFFECTS and pair not in REFILL_REPEATS
]


def asked(panel: Panel) -> Refill:
    """A refill that a client has asked for."""
    return panel.smmapi.refill(panel.account, panel.complete(panel.place()).id)


def stored(panel: Panel, refill: Refill) -> Refill:
    [found] = panel.store.find_refills(refill.account, [refill.id])
    assert isinstance(found, Refill)
    return found


class TestRefills:
    def test_they_are_handed_out_like_orders(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        refills = [asked(panel) for _ in range(3)]
        claimed = desk.claim_refills(2, WORKER)
        assert ids(claimed) == ids(refills[:2])
        assert ids(desk.claim_refills(2, OTHER)) == ids(refills[2:])
        assert desk.claim_refills(2, WORKER) == []
        for refill in claimed:
            assert refill == stored(panel, refill)
            assert (refill.status, refill.worker) == (R.PENDING, WORKER)
        assert len({refill.claim for refill in claimed} | {None}) == 3

    def test_again_after_the_lease_and_not_before(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        asked(panel)
        [late] = desk.claim_refills(1, WORKER)
        clock.forward(minutes=4, seconds=59)
        assert desk.claim_refills(1, OTHER) == []
        clock.forward(seconds=1)
        [again] = desk.claim_refills(1, OTHER)
        for verb in REFILL_VERBS.values():
            with pytest.raises(ClaimLost, match=rf"^Refill {late.id} was given to another worker \(worker 2\)\.$"):
                verb(desk, late)
        assert stored(panel, late) == again
        assert desk.start_refill(again).status is R.IN_PROGRESS

    @pytest.mark.parametrize("status", [R.IN_PROGRESS, R.COMPLETED, R.REJECTED])
    def test_a_started_one_never(self, panel: Panel, desk: Desk, clock: Clock, status: RefillStatus) -> None:
        REFILL_TO[status](desk, asked(panel))
        clock.forward(days=30)
        assert desk.claim_refills(10, WORKER) == []

    @each(REFILL_EFFECTS)
    def test_what_is_allowed_moves_it_and_a_repeat_changes_nothing(
        self, panel: Panel, desk: Desk, verb: str, status: RefillStatus
    ) -> None:
        refill = REFILL_TO[status](desk, asked(panel))
        given = REFILL_VERBS[verb](desk, refill)
        assert given.status is REFILL_EFFECTS[verb, status]
        assert REFILL_VERBS[verb](desk, refill) == REFILL_VERBS[verb](desk, given) == given == stored(panel, refill)

    @each(REFILL_ILLEGAL)
    def test_what_is_not_allowed_says_why_and_changes_nothing(
        self, panel: Panel, desk: Desk, verb: str, status: RefillStatus
    ) -> None:
        refill = REFILL_TO[status](desk, asked(panel))
        with pytest.raises(NotPossible, match=rf"^Refill {refill.id} is {status.value}; it cannot become .*\.$"):
            REFILL_VERBS[verb](desk, refill)
        assert stored(panel, refill) == refill

    def test_the_client_sees_each_step_and_may_ask_again_after_the_end(self, panel: Panel, desk: Desk) -> None:
        refill = asked(panel)
        seen = []
        for step in ("start", "complete"):
            seen.append(panel.post("refill_status", refill=refill.id).json["status"])
            refill = REFILL_VERBS[step](desk, refill)
        seen.append(panel.post("refill_status", refill=refill.id).json["status"])
        assert seen == ["Pending", "In progress", "Completed"]

    def test_stuck_ones_are_listed(self, panel: Panel, desk: Desk, clock: Clock) -> None:
        begun, other = (desk.start_refill(asked(panel)) for _ in range(2))
        asked(panel)
        clock.forward(hours=23)
        assert desk.stuck_refills() == []
        clock.forward(hours=2)
        assert desk.stuck_refills() == [begun, other]
        assert desk.stuck_refills(limit=1) == [begun]
        desk.complete_refill(begun)
        assert desk.stuck_refills() == [other]

    def test_they_move_no_money(self, panel: Panel, desk: Desk) -> None:
        movements = []
        for verb in ("complete", "reject"):
            refill = asked(panel)
            movements.append(panel.store.movements(1))
            REFILL_VERBS[verb](desk, desk.start_refill(refill))
            assert panel.store.movements(1) == movements[-1]


# Where the desk is found, and over what


class TestTheDeskOfAnApp:
    def test_it_is_one_inside_and_outside_of_a_request(self, panel: Panel) -> None:
        assert panel.smmapi.desk is desk_of(panel.app)

    def test_an_app_without_the_extension_has_none(self) -> None:
        with pytest.raises(RuntimeError, match="SmmApi"):
            desk_of(Flask("bare"))

    def test_orders_and_money_may_be_two_objects(self, clock: Clock) -> None:
        orders = MemoryStore()
        panel = Panel(orders=orders)
        panel.place()
        desk = desk_of(panel.app)
        [order] = desk.claim(1, WORKER)
        order = desk.partial(desk.start(order), 250)
        assert list(orders.find(1, [order.id])) == [order]
        assert panel.store.find(1, [order.id]) == []
        assert (panel.balance, orders.balance(1)) == (Decimal("99.25"), 0)


class WithoutQueue:
    """An order store that has the verbs of OrderStore and no more."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, verb: str) -> Any:
        if verb in ("waiting", "refills_waiting"):
            raise AttributeError(verb)
        return getattr(self._store, verb)


class TestAStoreThatCannotSayWhatWaits:
    @pytest.mark.parametrize(
        "verb",
        [
            lambda desk: desk.claim(1, WORKER),
            lambda desk: desk.waiting(),
            lambda desk: desk.stuck(),
            lambda desk: desk.claim_refills(1, WORKER),
            lambda desk: desk.waiting_refills(),
            lambda desk: desk.stuck_refills(),
        ],
    )
    def test_it_hears_what_to_give_it(self, panel: Panel, verb: Any) -> None:
        with pytest.raises(
            RuntimeError,
            match=r"^The order store \(WithoutQueue\) cannot say which work waits; give it the verbs waiting and "
            r"refills_waiting of flask_smmapi.WorkQueue\.$",
        ):
            verb(desk_over(WithoutQueue(panel.store)))

    def test_all_else_works(self, panel: Panel) -> None:
        desk = desk_over(WithoutQueue(panel.store))
        assert outcome(TO[S.PARTIAL](desk, panel.place())) == (S.PARTIAL, 250, Decimal("0.25"))
        assert desk.complete_refill(desk.start_refill(asked(panel))).status is R.COMPLETED


# Killed at every step


def drip_feed(store: MemoryStore, status: OrderStatus, **params: Any) -> Order:
    """1,000 pieces for 1.00, of 10.00."""
    return TO[status](desk_over(store), add(store, **(params or {"service": DRIPFEED, **RUNS})))


def killed_at_every_step(
    verb: Callable[[Desk, Order], Any], status: OrderStatus, **params: Any
) -> Iterator[tuple[Any, Order]]:
    """The store, and the order as its worker knew it, once for each step and each way to fail there."""
    for stored_, failure in KILLS:
        for step in itertools.count():
            store = new_store()
            order = drip_feed(store, status, **params)
            parts = Killing(store, Kill(step, stored_, failure))
            try:
                verb(desk_over(parts), order)
            except (Killed, Broken):
                yield store, order
            else:
                assert not parts.killed
                assert step >= 2, "the verb made too few steps to mean anything"
                break


@each(REPEATABLE)
class TestKilledAtEveryStep:
    def test_reconcile_makes_the_books_add_up(self, verb: str, status: OrderStatus) -> None:
        """The order is as it was, or as the verb makes it; there is nothing between."""
        for store, order in killed_at_every_step(VERBS[verb], status):
            reconcile(store)
            assert_exact(store)
            assert outcome(read(store, order)) in (outcome(order), effect_of(verb, status))

    def test_a_repeat_ends_where_it_would_have_ended(self, verb: str, status: OrderStatus) -> None:
        for store, order in killed_at_every_step(VERBS[verb], status):
            VERBS[verb](desk_over(store), order)
            assert_exact(store)
            assert outcome(read(store, order)) == effect_of(verb, status)

    def test_so_does_a_repeat_after_reconcile(self, verb: str, status: OrderStatus) -> None:
        for store, order in killed_at_every_step(VERBS[verb], status):
            reconcile(store)
            VERBS[verb](desk_over(store), order)
            assert_exact(store)
            assert outcome(read(store, order)) == effect_of(verb, status)


ENDLESS = {"service": SUBSCRIPTION, "username": "someone", "min": 500, "max": 1000, "delay": 0}


def further_post(desk: Desk, order: Order) -> Order:
    """One that is charged."""
    return desk.place_child(order, 2, quantity=500, link=LINK)


@pytest.mark.parametrize("comes_first", ["reconcile", "the repeat"])
def test_a_further_post_is_charged_and_listed_once_however_it_is_killed(comes_first: str) -> None:
    for store, order in killed_at_every_step(further_post, S.PROCESSING, **ENDLESS):
        if comes_first == "reconcile":
            reconcile(store)
            assert_exact(store)
        child = further_post(desk_over(store), order)
        assert_exact(store)
        assert store.balance(ACCOUNT.id) == Decimal("8.5")
        assert read(store, order).children == (child.number,)
        assert len(everything(store)) == 2


def test_an_order_can_be_moved_on_before_reconcile_comes() -> None:
    """What is owed from before is paid first."""
    for store, order in killed_at_every_step(VERBS["partial"], S.PROCESSING):
        desk_over(store).partial(order, 400)
        desk_over(store).cancel(order)
        assert_exact(store)
        assert outcome(read(store, order)) == (S.CANCELED, 400, Decimal("0.4"))


# Two callers at every step

CALLERS: dict[str, Callable[[Any, Order], Any]] = {
    **{verb: lambda parts, order, verb=verb: VERBS[verb](desk_over(parts), order) for verb in VERBS},
    "partial with more": lambda parts, order: desk_over(parts).partial(order, 400),
    "the client's cancel": lambda parts, order: Placement(parts, parts).cancel(order),
    "reconcile": lambda parts, order: reconcile(parts),
}

DONE = "done"
MEETINGS: list[tuple[OrderStatus, str, str, set[tuple[OrderStatus, int, str, str, str]]]] = [
    (
        S.PENDING,
        "start",
        "the client's cancel",
        {(S.PROCESSING, 1000, "0", DONE, "NotCancelable"), (S.CANCELED, 1000, "1", "NotPossible", DONE)},
    ),
    (
        S.PENDING,
        "start",
        "take",
        {
            (S.PENDING, 1000, "0", "ClaimLost", DONE),
            (S.PROCESSING, 1000, "0", DONE, "ClaimLost"),  # between the look and the claim
            (S.PROCESSING, 1000, "0", DONE, "NotPossible"),
        },
    ),
    (
        S.PROCESSING,
        "complete",
        "cancel",
        {(S.COMPLETED, 0, "0", DONE, "NotPossible"), (S.CANCELED, 1000, "1", "NotPossible", DONE)},
    ),
    (
        S.PROCESSING,
        "fail",
        "cancel",
        {(S.FAIL, 1000, "1", DONE, "NotPossible"), (S.CANCELED, 1000, "1", "NotPossible", DONE)},
    ),
    (
        S.PROCESSING,
        "partial",
        "cancel",
        {(S.CANCELED, 300, "0.3", DONE, DONE), (S.CANCELED, 1000, "1", "NotPossible", DONE)},
    ),
    (
        S.PARTIAL,
        "partial",
        "cancel",
        {(S.CANCELED, 300, "0.3", DONE, DONE), (S.CANCELED, 250, "0.25", "NotPossible", DONE)},
    ),
    (S.PROCESSING, "partial", "partial", {(S.PARTIAL, 300, "0.3", DONE, DONE)}),
    (
        S.PROCESSING,
        "partial",
        "partial with more",
        {(S.PARTIAL, 400, "0.4", DONE, DONE), (S.PARTIAL, 400, "0.4", "NotPossible", DONE)},
    ),
    (
        S.PROCESSING,
        "progress",
        "complete",
        {(S.COMPLETED, 0, "0", DONE, DONE), (S.COMPLETED, 0, "0", "NotPossible", DONE)},
    ),
    (
        S.PROCESSING,
        "progress",
        "fail",
        {(S.FAIL, 400, "0.4", DONE, DONE), (S.FAIL, 1000, "1", "NotPossible", DONE)},
    ),
    (S.PARTIAL, "partial", "reconcile", {(S.PARTIAL, 300, "0.3", DONE, DONE)}),
    (S.PROCESSING, "place_child", "place_child", {(S.PROCESSING, 1000, "0", DONE, DONE)}),
    (S.PROCESSING, "place_child", "progress", {(S.IN_PROGRESS, 400, "0", DONE, DONE)}),
]
"""From which status, who meets whom, and all that may come of it: status, remains, paid back, and what each hears."""


def meet(store: MemoryStore, order: Order, turns: Turns, *callers: Callable[[Any, Order], Any]) -> Any:
    """What each of two callers is given, or hears, when they make their steps by *turns*."""

    def call(number: int) -> Any:
        try:
            return callers[number](TakingTurns(store, turns, number), order)
        except (SmmError, NotPossible) as refusal:
            return refusal
        finally:
            turns.finish(number)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(call, (0, 1)))


STEPS = 7
"""One verb takes four at most: find, replace, credit, replace. What the two make after these is left to chance."""


@pytest.mark.parametrize(
    ("status", "one", "other", "expected"),
    MEETINGS,
    ids=[f"{row[1]} and {row[2]} of {row[0].value}" for row in MEETINGS],
)
def test_two_callers_leave_one_outcome(status: OrderStatus, one: str, other: str, expected: Any) -> None:
    outcomes = set()
    for turns in every_order(STEPS):
        store = new_store()
        order = drip_feed(store, status)
        heard = meet(store, order, turns, CALLERS[one], CALLERS[other])
        assert_exact(store)
        found = read(store, order)
        assert len(found.children) == len(everything(store)) - 1
        answers = (type(answer).__name__ if isinstance(answer, Exception) else DONE for answer in heard)
        outcomes.add((*outcome(found)[:2], str(found.paid_back.normalize()), *answers))
    assert outcomes == expected


def claim(parts: Any, order: Order) -> list[Order]:
    return desk_over(parts).claim(5, WORKER, rest=EAGER)


def test_of_two_claims_one_gets_the_order() -> None:
    for turns in every_order(STEPS):
        store = new_store()
        order = drip_feed(store, S.AWAITING)
        one, other = meet(store, order, turns, claim, claim)
        assert one + other == [read(store, order)]


def test_a_claim_is_no_hindrance_to_the_clients_cancel() -> None:
    given = set()
    for turns in every_order(STEPS):
        store = new_store()
        order = drip_feed(store, S.AWAITING)
        claimed, canceled = meet(store, order, turns, claim, CALLERS["the client's cancel"])
        assert canceled.status is S.CANCELED
        assert outcome(read(store, order)) == (S.CANCELED, 1000, 1)
        assert_exact(store)
        for late in claimed:
            with pytest.raises(NotPossible, match="is CANCELED"):
                desk_over(store).start(late)
        given.add(len(claimed))
    assert given == {0, 1}


# Eight threads, on storage that is not ours alone

THREADS = 8


@pytest.fixture(params=["memory", "mongodb", "an existing panel's postgresql"])
def shared(request: pytest.FixtureRequest) -> Iterator[Panel]:
    """A panel whose orders and money are in the memory, in MongoDB, or in a panel's own database."""
    if request.param == "memory":
        yield Panel()
    elif request.param == "mongodb":
        yield Panel(store=request.getfixturevalue("mongo_store"))
    else:
        database = Database(request.getfixturevalue("postgres_url"))
        database.create_tables()
        yield Panel(store=ExistingStore(database, Orders(database)))
        database.close()


def heard_by(verb: Callable[[], Any]) -> Any:
    """What *verb* gives, or the refusal."""
    try:
        return verb()
    except (SmmError, NotPossible) as refusal:
        return refusal


def are(kind: type | tuple[type, ...], answers: Any) -> bool:
    return all(isinstance(answer, kind) for answer in answers)


class TestEightThreads:
    def test_each_order_of_a_pile_goes_to_exactly_one(self, shared: Panel) -> None:
        placed = [shared.place() for _ in range(30)]
        desk = shared.smmapi.desk

        def work(thread: int) -> list[Order]:
            claimed = []
            while page := desk.claim(3, f"worker {thread}", rest=EAGER):
                assert len(page) <= 3
                assert {order.worker for order in page} == {f"worker {thread}"}
                claimed += page
            return claimed

        claimed = [order for of_one in at_once(THREADS, work) for order in of_one]
        assert sorted(ids(claimed)) == sorted(ids(placed))
        assert all(shared.read(order) == order for order in claimed)

    def test_each_refill_of_a_pile_goes_to_exactly_one(self, shared: Panel, clock: Clock) -> None:
        refills = [asked(shared) for _ in range(10)]
        desk = shared.smmapi.desk

        def work(thread: int) -> list[Refill]:
            claimed = []
            while page := desk.claim_refills(2, f"worker {thread}"):
                claimed += page
            return claimed

        claimed = [refill for of_one in at_once(THREADS, work) for refill in of_one]
        assert sorted(ids(claimed)) == sorted(ids(refills))
        assert all(stored(shared, refill) == refill for refill in claimed)

    def test_whoever_takes_it_from_another_is_the_one_who_starts(self, shared: Panel) -> None:
        desk = shared.smmapi.desk
        for _ in range(3):
            order = shared.place()

            def take_and_start(thread: int, order: Order = order) -> Any:
                return heard_by(lambda: desk.start(desk.take(order, f"worker {thread}")))

            answers = at_once(THREADS, take_and_start)
            [started] = [answer for answer in answers if isinstance(answer, Order)]
            assert shared.read(order) == started
            assert are(NotPossible, [answer for answer in answers if answer is not started])

    def test_the_start_or_the_clients_cancel(self, shared: Panel) -> None:
        """All who start hear the same, and all who cancel the opposite."""
        desk, balance = shared.smmapi.desk, shared.balance
        for _ in range(3):
            order = in_status(shared, S.PENDING)

            def start_or_cancel(thread: int, order: Order = order) -> Any:
                if thread % 2:
                    return heard_by(lambda: desk.start(order, 7))
                return heard_by(lambda: shared.smmapi.cancel(shared.account, order.id))

            answers = at_once(THREADS, start_or_cancel)
            cancels, starts = answers[::2], answers[1::2]
            found = shared.read(order)
            if found.status is S.PROCESSING:
                assert are(Order, starts)
                assert are(NotCancelable, cancels)
            else:
                assert outcome(found) == (S.CANCELED, 1000, 1)
                assert are(NotPossible, starts)
                assert are(Order, cancels)
            balance -= found.cost
            assert shared.balance == balance

    def test_different_verbs_leave_one_outcome_and_exact_money(self, shared: Panel) -> None:
        desk, balance = shared.smmapi.desk, shared.balance
        verbs: list[tuple[OrderStatus, int | None, Callable[[Order], Order]]] = [
            (S.PARTIAL, 100, lambda order: desk.partial(order, 100)),
            (S.PARTIAL, 250, lambda order: desk.partial(order, 250)),
            (S.PARTIAL, 400, lambda order: desk.partial(order, 400)),
            (S.PARTIAL, 400, lambda order: desk.partial(order, 400)),
            (S.IN_PROGRESS, 900, lambda order: desk.progress(order, 900)),
            (S.COMPLETED, 0, lambda order: desk.complete(order)),
            (S.CANCELED, None, lambda order: desk.cancel(order)),
            (S.FAIL, None, lambda order: desk.fail(order, REASON)),
        ]
        for _ in range(4):
            order = in_status(shared, S.PROCESSING)

            def call(thread: int, order: Order = order) -> Any:
                return heard_by(lambda: verbs[thread][2](order))

            answers = at_once(THREADS, call)
            assert are((Order, NotPossible, ServiceUnavailable), answers)
            if any(isinstance(answer, ServiceUnavailable) for answer in answers):  # overtaken too often; it says so
                shared.smmapi.reconcile()
            found = shared.read(order)
            not_refused = [
                (status, remains)
                for (status, remains, _), answer in zip(verbs, answers, strict=True)
                if not isinstance(answer, NotPossible)
            ]
            assert (found.status, found.remains) in not_refused or (found.status, None) in not_refused
            ends = {S.COMPLETED, S.CANCELED, S.FAIL} & {
                answer.status for answer in answers if isinstance(answer, Order)
            }
            assert ends <= {found.status}
            cost = from_units(ceil(Fraction(to_units(order.rate) * (1000 - found.remains), 1000)))
            assert found.cost == cost
            assert found.paid_back == found.due_back <= found.charge
            balance -= cost
            assert shared.balance == balance

    def test_one_run_is_placed_once(self, shared: Panel) -> None:
        desk = shared.smmapi.desk
        order = in_status(shared, S.PROCESSING)
        children = at_once(THREADS, lambda _: desk.place_child(order, 2, quantity=500))
        assert len(set(ids(children))) == 1
        assert shared.read(order).children == (children[0].number,)
        assert shared.balance == 99


# Whatever an owner does

MODELED = sorted(set(VERBS) - {"place_child"})
RATES = ("0", "0.00000001", "0.33333333", "1.1", "19.99999999")


@settings(max_examples=150, deadline=None)
@given(
    rate=st.sampled_from(RATES).map(Decimal),
    count=st.integers(1, 10_000),
    verbs=st.lists(st.tuples(st.sampled_from(MODELED), st.integers(0, 100)), max_size=12),
)
def test_the_money_of_an_order_is_what_a_model_in_whole_units_says(
    rate: Decimal, count: int, verbs: list[tuple[str, int]]
) -> None:
    store = MemoryStore([service(DEFAULT, rate=rate)])
    store.add_account(ACCOUNT, balance=Decimal(1000))
    desk, order = desk_over(store), add(store, service=DEFAULT, quantity=count)
    status, remains = S.AWAITING, count
    for verb, percent in verbs:
        left = count * percent // 100
        answer = heard_by(partial(call_with, desk, order, verb, left))
        changes = (verb, status) in EFFECTS and not (verb == "partial" and status is S.PARTIAL and left < remains)
        repeats = (verb, status) in REPEATS or (verb == "start" and status in BEGUN)
        assert isinstance(answer, Order) == (changes or repeats)
        if changes:
            order, status = answer, EFFECTS[verb, status][0]
            remains = {"progress": left, "partial": left, "complete": 0}.get(verb, remains)
        undelivered = remains if status in ENDS else 0
        cost = ceil(Fraction(to_units(rate) * (count - undelivered), 1000))
        found = read(store, order)
        assert (found.status, found.remains, to_units(found.cost)) == (status, remains, cost)
        assert found.paid_back == found.due_back
        assert to_units(store.balance(ACCOUNT.id)) == to_units(Decimal(1000)) - cost


def call_with(desk: Desk, order: Order, verb: str, remains: int) -> Order:
    """Do that verb, with *remains* if it takes any."""
    if verb == "progress":
        return desk.progress(order, remains)
    return desk.partial(order, remains) if verb == "partial" else VERBS[verb](desk, order)
