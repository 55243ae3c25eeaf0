"""Money and orders stay exact when the flow is killed at any step, and when two callers meet at any step."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from itertools import permutations
from typing import Any, NamedTuple

import pytest

from flask_smmapi import Account, NotPossible, Order, OrderStatus, SmmError
from flask_smmapi.actions import ACTIONS, Context
from flask_smmapi.errors import NotCancelable, NotEnoughFunds, ServiceUnavailable
from flask_smmapi.money import MAX_UNITS
from flask_smmapi.params import clean
from flask_smmapi.placement import Placement, now
from flask_smmapi.service_types import build_schemas
from flask_smmapi.statuses import HIDDEN
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.testing.orders import draft

from .panel import LINK, SERVICES
from .steps import KILLS, Broken, Kill, Killed, Killing, TakingTurns, Turns, every_order

ACCOUNT = Account(id=1)
OPENING = Decimal(10)


def new_store(balance: Decimal = OPENING) -> MemoryStore:
    store = MemoryStore(SERVICES)
    store.add_account(ACCOUNT, balance=balance)
    return store


SCHEMAS = build_schemas()


def act(store: MemoryStore, action: str, parts: Any = None, **params: Any) -> Any:
    """Do as a client asks, over *store*, whose wallet and orders are reached through *parts*."""
    parts = parts or store
    context = Context(catalog=store.catalog, wallet=parts, orders=parts, schemas=SCHEMAS)
    return ACTIONS[action](context, ACCOUNT, clean(params))


def add(store: MemoryStore, parts: Any = None, **params: Any) -> Order:
    """An order of 1,000 pieces for 1.00."""
    order: Order = act(store, "add", parts, **{"service": 123, "link": LINK, "quantity": 1000, **params})
    return order


def move(store: MemoryStore, order: Order, status: OrderStatus) -> Order:
    assert store.replace(replace(order, status=status))
    return read(store, order)


def read(store: MemoryStore, order: Order) -> Order:
    [found] = store.find(order.account, [order.id])
    return found


def everything(store: MemoryStore) -> list[Order]:
    """All orders of the store, the hidden ones too."""
    return store.find(ACCOUNT.id, range(1, 100))


def reconcile(store: MemoryStore, parts: Any = None) -> None:
    parts = parts or store
    result = Placement(parts, parts).reconcile(older_than=-timedelta(hours=1))
    if parts is store:
        assert result.failed == 0


def assert_exact(store: MemoryStore, opening: Decimal = OPENING) -> None:
    """Nothing is left undone, and what is missing from the balance is what the orders cost."""
    orders = everything(store)
    assert not [order for order in orders if order.status in HIDDEN]
    assert all(order.paid_back == order.due_back <= order.charge for order in orders)
    assert store.balance(ACCOUNT.id) == opening - sum(order.cost for order in orders) >= 0


class Scenario(NamedTuple):
    """What was there before, what the killed process did, and what the account has when that was done whole."""

    prepare: Callable[[MemoryStore], Any]
    run: Callable[[MemoryStore, Any, Any], Any]
    balance_after: str
    opening: Decimal = OPENING


def two_orders(store: MemoryStore) -> str:
    return f"{add(store).id},{add(store).id}"


def begun(store: MemoryStore) -> Order:
    return move(store, add(store), OrderStatus.PROCESSING)


def partly_done(store: MemoryStore) -> Order:
    return Placement(store, store).close(begun(store), OrderStatus.PARTIAL, 250)


def close(status: OrderStatus, remains: int) -> Callable[[MemoryStore, Any, Any], Any]:
    return lambda store, parts, order: Placement(parts, parts).close(order, status, remains)


SCENARIOS = {
    "place": Scenario(lambda store: None, lambda store, parts, _: add(store, parts), "9"),
    "place with a key": Scenario(
        lambda store: None, lambda store, parts, _: add(store, parts, request_id="order-0001"), "9"
    ),
    "place the last money": Scenario(lambda store: None, lambda store, parts, _: add(store, parts), "0", Decimal(1)),
    "refuse": Scenario(lambda store: None, lambda store, parts, _: add(store, parts), "0.5", Decimal("0.5")),
    "refuse with a key": Scenario(
        lambda store: None, lambda store, parts, _: add(store, parts, request_id="order-0001"), "0.5", Decimal("0.5")
    ),
    "cancel": Scenario(add, lambda store, parts, order: act(store, "cancel", parts, order=order.id), "10"),
    "bulk cancel": Scenario(two_orders, lambda store, parts, ids: act(store, "cancel", parts, orders=ids), "10"),
    "partial": Scenario(begun, close(OrderStatus.PARTIAL, 250), "9.25"),
    "partial again": Scenario(partly_done, close(OrderStatus.PARTIAL, 400), "9.4"),
    "cancel a partial": Scenario(partly_done, close(OrderStatus.CANCELED, 1000), "10"),
    "fail": Scenario(begun, close(OrderStatus.FAIL, 1000), "10"),
}


def run(scenario: Scenario, store: MemoryStore, prepared: Any, parts: Any) -> None:
    """Do it; a kill and a documented refusal both end it."""
    try:
        scenario.run(store, parts, prepared)
    except (Killed, Broken, SmmError):
        return


def killed_at_every_step(scenario: Scenario) -> Iterator[tuple[MemoryStore, Any]]:
    """The store, and what was there before, once for each step and each way to fail there."""
    for stored, failure in KILLS:
        for step in itertools.count():
            store = new_store(scenario.opening)
            prepared = scenario.prepare(store)
            parts = Killing(store, Kill(step, stored, failure))
            run(scenario, store, prepared, parts)
            if not parts.killed:
                assert step >= 2, "the scenario made too few steps to mean anything"
                break
            yield store, prepared


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
class TestKilledAtEveryStep:
    """A kill is an exception in a hook, before its effect or after it; the process is gone, or it lives on."""

    def test_unharmed_it_does_what_it_should(self, scenario: Scenario) -> None:
        store = new_store(scenario.opening)
        run(scenario, store, scenario.prepare(store), store)
        assert_exact(store, scenario.opening)
        assert store.balance(ACCOUNT.id) == Decimal(scenario.balance_after)

    def test_reconcile_leaves_every_amount_exact(self, scenario: Scenario) -> None:
        for store, _ in killed_at_every_step(scenario):
            reconcile(store)
            assert_exact(store, scenario.opening)

    def test_reconcile_killed_at_every_step_too(self, scenario: Scenario) -> None:
        for (stored, failure), step in itertools.product(KILLS, range(8)):
            for store, _ in killed_at_every_step(scenario):
                parts = Killing(store, Kill(step, stored, failure))
                run(scenario._replace(run=lambda store, parts, _: reconcile(store, parts)), store, None, parts)
                reconcile(store)
                assert_exact(store, scenario.opening)

    def test_repeating_it_ends_where_it_would_have_ended(self, scenario: Scenario) -> None:
        for store, prepared in killed_at_every_step(scenario):
            reconcile(store)
            before = len(everything(store))
            run(scenario, store, prepared, store)
            reconcile(store)
            assert_exact(store, scenario.opening)
            if prepared is not None:  # a repeated add without a key is another order
                assert store.balance(ACCOUNT.id) == Decimal(scenario.balance_after)
                assert len(everything(store)) == before


def test_an_order_with_a_key_is_charged_once_however_often_it_is_killed() -> None:
    for store, _ in killed_at_every_step(SCENARIOS["place with a key"]):
        first, again = (add(store, request_id="order-0001") for _ in range(2))
        assert first.id == again.id
        assert store.balance(ACCOUNT.id) == OPENING - 1
        reconcile(store)
        assert_exact(store)
        assert read(store, first).status is OrderStatus.AWAITING


@pytest.mark.parametrize("failed", ["partial", "partial again"])
def test_an_order_can_be_ended_anew_before_reconcile_comes(failed: str) -> None:
    """What is owed from before is paid first: its reference must not be used for another amount."""
    for store, order in killed_at_every_step(SCENARIOS[failed]):
        Placement(store, store).close(order, OrderStatus.PARTIAL, 500)
        assert_exact(store)
        assert store.balance(ACCOUNT.id) == Decimal("9.5")


def test_a_failing_hook_leaves_no_order_behind() -> None:
    """The exception is reported, and `abandon` tried at once: the client may repeat without a key."""
    for step in range(3):
        for stored in (False, True):
            store = new_store()
            with pytest.raises(Broken):
                add(store, Killing(store, Kill(step, stored, Broken)))
            left = {order.status for order in everything(store)}
            # A failed add is unknown to us; a confirmation that was stored before its hook failed stands.
            expected = {(0, True): {OrderStatus.UNPAID}, (2, True): {OrderStatus.AWAITING}}
            assert left == expected.get((step, stored), set())


def test_an_order_that_cannot_be_abandoned_either_is_in_the_log_with_the_second_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller hears the first failure; whoever reads the log is told of both, and of what happens next."""

    def fail(*args: Any) -> Any:
        raise Broken("void")

    store = new_store()
    monkeypatch.setattr(store, "void", fail)
    with pytest.raises(Broken, match="debit"):
        add(store, Killing(store, Kill(1, True, Broken)))
    [left] = everything(store)
    [record] = caplog.records
    assert record.getMessage() == f"Order {left.id} could not be abandoned; reconcile will."
    assert record.exc_info
    assert str(record.exc_info[1]) == "void"


def test_an_order_that_is_gone_is_not_decided_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that deletes orders may do so at any time."""
    store = new_store()
    order = begun(store)
    tries = []

    def too_late(current: Order) -> None:
        tries.append(current)

    monkeypatch.setattr(store, "find", lambda account, numbers: [])
    with pytest.raises(ServiceUnavailable):
        Placement(store, store).until_decided(order, too_late)
    assert tries == [order]


def interleaved(
    prepare: Callable[[MemoryStore], Any],
    *callers: Callable[[MemoryStore, Any, Any], Any],
    opening: Decimal = OPENING,
) -> Iterator[tuple[MemoryStore, list[Any]]]:
    """The store, and each caller's result or failure, for every order in which the two can make their steps."""
    for turns in every_order():
        store = new_store(opening)
        yield store, interleave(store, turns, prepare(store), *callers)


def interleave(
    store: MemoryStore, turns: Turns, prepared: Any, *callers: Callable[[MemoryStore, Any, Any], Any]
) -> list[Any]:
    """Each caller's result or failure."""
    results: list[Any] = [None, None]

    def work(number: int) -> None:
        try:
            results[number] = callers[number](store, TakingTurns(store, turns, number), prepared)
        except SmmError as failure:
            results[number] = failure
        finally:
            turns.finish(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("length", [5, 9])
def test_two_callers_meet_in_every_order_once(length: int) -> None:
    def step_twice(_: MemoryStore, parts: Any, __: Any) -> None:
        parts.balance(ACCOUNT.id)
        parts.balance(ACCOUNT.id)

    def step_thrice(*call: Any) -> None:
        step_twice(*call)
        call[1].balance(ACCOUNT.id)

    orders = []
    for turns in every_order(length):
        interleave(new_store(), turns, None, step_twice, step_thrice)
        orders.append(tuple(turns.taken))
    assert sorted(orders) == sorted({*permutations((0, 0, 1, 1, 1))})


def nothing(store: MemoryStore) -> None:
    """No order yet."""


def plain_add(store: MemoryStore, parts: Any, _: Any) -> Order:
    return add(store, parts)


def keyed_add(store: MemoryStore, parts: Any, _: Any) -> Order:
    return add(store, parts, request_id="order-0001")


def cancel(store: MemoryStore, parts: Any, order: Order) -> Order:
    return Placement(parts, parts).cancel(order)


def reconciling(store: MemoryStore, parts: Any, _: Any) -> None:
    reconcile(store, parts)


def unpaid(store: MemoryStore) -> Order:
    """An order whose process was killed after the debit."""
    with pytest.raises(Killed):
        add(store, Killing(store, Kill(1, True, Killed)))
    return everything(store)[-1]


def voiding(store: MemoryStore) -> Order:
    """An order whose abandoning was killed after it was claimed."""
    order = unpaid(store)
    return move(store, order, OrderStatus.VOIDING)


def owing(store: MemoryStore) -> Order:
    """An order whose cancel was killed before the money was given back."""
    order = add(store)
    with pytest.raises(Killed):
        cancel(store, Killing(store, Kill(0, True, Killed)), order)
    return read(store, order)


class TestTwoCallersAtEveryStep:
    """Whatever the order of their steps, the amounts are exact and both hear the truth."""

    @pytest.mark.parametrize("adding", [plain_add, keyed_add])
    def test_reconcile_with_a_slow_add(self, adding: Any) -> None:
        outcomes = set()
        for store, (result, _) in interleaved(nothing, adding, reconciling):
            alive = [order.id for order in everything(store) if order.status is OrderStatus.AWAITING]
            assert alive == ([result.id] if isinstance(result, Order) else [])
            reconcile(store)
            assert_exact(store)
            outcomes.add(type(result))
        assert outcomes == {Order, ServiceUnavailable}

    def test_two_adds_with_one_key(self) -> None:
        for store, (one, other) in interleaved(nothing, keyed_add, keyed_add):
            assert one.id == other.id
            assert store.balance(ACCOUNT.id) == OPENING - 1
            assert_exact(store)

    def test_two_adds_with_one_key_and_money_for_one(self) -> None:
        for store, (one, other) in interleaved(nothing, keyed_add, keyed_add, opening=Decimal(1)):
            assert one.id == other.id
            assert_exact(store, Decimal(1))

    def test_two_adds_with_one_key_and_too_little_money(self) -> None:
        for store, results in interleaved(nothing, keyed_add, keyed_add, opening=Decimal("0.5")):
            assert {type(result) for result in results} <= {NotEnoughFunds, ServiceUnavailable}
            reconcile(store)
            assert everything(store) == []
            assert_exact(store, Decimal("0.5"))

    def test_two_adds_with_one_key_and_a_top_up_between(self) -> None:
        """One is refused while the other can pay: whoever abandons the order undoes the other's debit."""

        def top_up_and_add(store: MemoryStore, parts: Any, _: Any) -> Order:
            parts.credit(ACCOUNT.id, Decimal(1), "payment-1")
            return keyed_add(store, parts, _)

        for store, results in interleaved(nothing, keyed_add, top_up_and_add, opening=Decimal("0.5")):
            reconcile(store)
            assert_exact(store, Decimal("1.5"))
            alive = {order.id for order in everything(store)}
            assert alive == {result.id for result in results if isinstance(result, Order)}

    def test_two_adds_and_money_for_one(self) -> None:
        for store, results in interleaved(nothing, plain_add, plain_add, opening=Decimal(1)):
            assert {type(result) for result in results} == {Order, NotEnoughFunds}
            assert_exact(store, Decimal(1))

    @pytest.mark.parametrize("before", [add, owing])
    def test_cancel_with_cancel(self, before: Any) -> None:
        for store, (one, other) in interleaved(before, cancel, cancel):
            assert one.status is other.status is OrderStatus.CANCELED
            assert store.balance(ACCOUNT.id) == OPENING
            assert_exact(store)

    def test_cancel_with_the_start_of_the_work(self) -> None:
        def start(store: MemoryStore, parts: Any, order: Order) -> bool:
            return bool(parts.replace(replace(order, status=OrderStatus.PENDING)))

        for store, (canceled, _) in interleaved(add, cancel, start):
            assert canceled.status is OrderStatus.CANCELED
            assert_exact(store)

    def test_cancel_with_an_end_in_part(self) -> None:
        def pending(store: MemoryStore) -> Order:
            return move(store, add(store), OrderStatus.PENDING)

        def fail(store: MemoryStore, parts: Any, order: Order) -> Any:
            try:
                return Placement(parts, parts).close(order, OrderStatus.FAIL, 600)
            except NotPossible as overtaken:
                return overtaken

        outcomes = set()
        for store, (canceled, failed) in interleaved(pending, cancel, fail):
            [order] = everything(store)
            outcomes.add((order.status, type(canceled), type(failed)))
            assert_exact(store)
        assert outcomes == {
            (OrderStatus.CANCELED, Order, NotPossible),
            (OrderStatus.FAIL, NotCancelable, Order),
        }

    @pytest.mark.parametrize("before", [unpaid, voiding, owing])
    @pytest.mark.parametrize("caller", [reconciling, keyed_add, plain_add])
    def test_reconcile_with_another(self, before: Any, caller: Any) -> None:
        for store, _ in interleaved(before, reconciling, caller):
            reconcile(store)
            assert_exact(store)

    def test_a_repeat_of_an_unfinished_add_with_reconcile(self) -> None:
        def killed(store: MemoryStore) -> None:
            with pytest.raises(Killed):
                add(store, Killing(store, Kill(2, True, Killed)), request_id="order-0001")
            [order] = everything(store)
            assert order.status is OrderStatus.UNPAID

        for store, (result, _) in interleaved(killed, keyed_add, reconciling):
            alive = [order.id for order in everything(store) if order.status is OrderStatus.AWAITING]
            assert alive == ([result.id] if isinstance(result, Order) else [])
            reconcile(store)
            assert_exact(store)


class TestPayingBack:
    def test_partial_partial_again_and_cancel_never_exceed_the_charge(self) -> None:
        store = new_store()
        placement = Placement(store, store)
        order = begun(store)
        balances = []
        for status, remains in (
            (OrderStatus.PARTIAL, 333),
            (OrderStatus.PARTIAL, 333),
            (OrderStatus.PARTIAL, 334),
            (OrderStatus.CANCELED, 1000),
            (OrderStatus.CANCELED, 1000),
        ):
            order = placement.close(order, status, remains)
            balances.append(str(store.balance(ACCOUNT.id)))
        assert balances == ["9.33300000", "9.33300000", "9.33400000", "10.00000000", "10.00000000"]

    def test_what_was_delivered_costs_its_price_rounded_up(self) -> None:
        store = MemoryStore([replace(SERVICES[0], rate=Decimal("0.00000001"))])
        store.add_account(ACCOUNT, balance=Decimal(1))
        order = move(store, add(store, service=1, quantity=1), OrderStatus.PROCESSING)
        assert order.charge == Decimal("0.00000001")
        assert Placement(store, store).close(order, OrderStatus.PARTIAL, 0).cost == Decimal("0.00000001")

    @pytest.mark.parametrize(
        ("status", "remains"),
        [(OrderStatus.PENDING, 0), (OrderStatus.PARTIAL, 1001), (OrderStatus.PARTIAL, -1), (OrderStatus.UNPAID, 1)],
    )
    def test_no_order_ends_impossibly(self, status: OrderStatus, remains: int) -> None:
        store = new_store()
        order = begun(store)
        with pytest.raises(NotPossible, match="cannot end"):
            Placement(store, store).close(order, status, remains)
        assert read(store, order) == order

    @pytest.mark.parametrize("remains", [None, 0])
    def test_an_order_of_nothing_can_end(self, remains: int | None) -> None:
        store = new_store()
        order = begun(store)
        empty = replace(order, count=0, remains=0, charge=Decimal(0))
        assert store.replace(empty)
        done = Placement(store, store).close(read(store, empty), OrderStatus.COMPLETED, remains)
        assert (done.status, done.cost) == (OrderStatus.COMPLETED, 0)

    def test_remains_of_a_partial_never_falls(self) -> None:
        store = new_store()
        order = partly_done(store)
        with pytest.raises(NotPossible, match="never falls"):
            Placement(store, store).close(order, OrderStatus.PARTIAL, 249)
        assert_exact(store)

    def test_a_final_order_stays_as_it_is(self) -> None:
        store = new_store()
        order = Placement(store, store).close(begun(store), OrderStatus.COMPLETED, 0)
        with pytest.raises(NotPossible, match="COMPLETED; it cannot become FAIL"):
            Placement(store, store).close(order, OrderStatus.FAIL, 1000)
        assert store.balance(ACCOUNT.id) == OPENING - 1


class TestReconcile:
    def test_it_leaves_young_unpaid_orders_alone(self) -> None:
        store = new_store()
        order = unpaid(store)
        assert Placement(store, store).reconcile() == (0, 0, 0)
        assert read(store, order) == order

    def test_it_counts_what_it_did(self) -> None:
        store = new_store()
        for _ in range(2):
            voiding(store)
            owing(store)
        assert Placement(store, store).reconcile() == (2, 2, 0)
        assert Placement(store, store).reconcile() == (0, 0, 0)

    def test_an_order_that_is_claimed_is_not_claimed_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever claimed it may be at work still: both go on, and neither makes the other's record stale."""
        store = new_store()
        voiding(store)
        monkeypatch.setattr(store, "replace", lambda order: False)  # as if another were always faster
        assert Placement(store, store).reconcile(older_than=-timedelta(hours=1)) == (1, 0, 0)
        assert everything(store) == []

    def test_an_order_beyond_help_keeps_no_other_waiting(self, caplog: pytest.LogCaptureFixture) -> None:
        store = new_store()
        bad, good = owing(store), owing(store)
        parts = Killing(store, Kill(1, False, Broken))  # the first credit; listing what is unsettled came before it
        assert Placement(parts, parts).reconcile() == (0, 1, 1)
        assert read(store, good).paid_back == 1
        assert read(store, bad).paid_back == 0
        assert caplog.messages == [f"Order {bad.id} could not be reconciled."]

    def test_each_order_beyond_help_is_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = new_store()
        owing(store), owing(store)

        def fail(*args: Any) -> None:
            raise Broken("credit")

        monkeypatch.setattr(store, "credit", fail)
        assert Placement(store, store).reconcile() == (0, 0, 2)


@pytest.mark.parametrize("answer", [None, 0, 1, Decimal(9), "insufficient", (False, "no"), -1])
def test_a_debit_that_answers_neither_true_nor_false_is_undone(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wallet that forgot its `return True` has taken the money."""
    store = new_store()
    debit = store.debit
    monkeypatch.setattr(store, "debit", lambda *args: (debit(*args), answer)[1])
    with pytest.raises(TypeError, match=f"must answer True or False, not {type(answer).__name__}"):
        add(store)
    assert everything(store) == []
    assert_exact(store)


def test_a_charge_beyond_64_bits_is_not_affordable() -> None:
    store = MemoryStore([replace(SERVICES[0], rate=Decimal(90_000_000_000), max=10**12)])
    store.add_account(ACCOUNT, balance=Decimal(10**12))
    with pytest.raises(NotEnoughFunds):
        add(store, service=1, quantity=10**9)
    assert everything(store) == []


def test_a_changed_order_is_what_replace_makes_of_it() -> None:
    order = draft(ACCOUNT.id)
    changed = order.changed(status=OrderStatus.PARTIAL, remains=3, children=(5,))
    assert changed == replace(order, status=OrderStatus.PARTIAL, remains=3, children=(5,))
    assert (order.status, order.children) == (OrderStatus.AWAITING, (7, 2**31))
    with pytest.raises(TypeError, match=r"^An order has no colour, state\.$"):
        order.changed(state=OrderStatus.PARTIAL, colour="red")


def test_a_count_is_placed_if_64_bits_hold_it() -> None:
    other = new_store()
    draft = replace(add(other), status=OrderStatus.UNPAID, charge=Decimal(0), count=MAX_UNITS, remains=MAX_UNITS)
    store = new_store()
    assert Placement(store, store).place(draft).status is OrderStatus.AWAITING
    with pytest.raises(NotEnoughFunds):
        Placement(store, store).place(replace(draft, count=MAX_UNITS + 1))


@pytest.mark.parametrize("microsecond", [678_000, 678_999])
def test_a_time_is_cut_to_the_millisecond(microsecond: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5, microsecond, tz)

    monkeypatch.setattr("flask_smmapi.placement.datetime", Clock)
    assert now() == datetime(2026, 1, 2, 3, 4, 5, 678_000, timezone.utc)


@dataclass(frozen=True)
class Noted(Order):
    """A host's own order, with more to it."""

    note: str = ""


def test_an_order_of_a_hosts_own_class_stays_one_when_it_is_changed() -> None:
    values = {field.name: getattr(draft(ACCOUNT.id), field.name) for field in fields(Order)}
    assert Noted(**values, note="x").changed(remains=3) == Noted(**{**values, "remains": 3}, note="x")
    assert Noted(**values).changed(note="y").note == "y"
