"""Money and orders stay exact when processes and threads race for them; on a real server."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import accumulate, chain
from typing import Any, NamedTuple, TypeVar

import mongoengine
import pytest
from flask import Flask

from flask_smmapi import Account, Order, OrderStatus, SmmApi
from flask_smmapi.hooks import AccountId
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.testing.orders import draft

from .panel import DEFAULT, LINK, SERVICES, Panel, at_once
from .uncounted import new_processes_uncounted

T = TypeVar("T")

PROCESSES, THREADS = 4, 8
ADDS = 15
"""Orders that each thread asks for."""

PATIENCE = 5.0
"""Seconds that no caller may wait longer than."""

DEADLINE = 60.0
"""Seconds after which a test that hangs is given up."""

ME = 1
ONE = Decimal(1)
KEY = "order-0001"
ORDER = {"service": DEFAULT, "link": LINK, "quantity": 1000}
"""It costs 1.00."""

NOT_ENOUGH = {"error": "Not enough funds on balance"}


def flat(lists: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(lists))


# What runs in the other processes


class Signals(NamedTuple):
    """What the processes tell each other."""

    together: Any
    """A barrier for the racing ones."""
    reconciling: Any
    over: Any


_signals: Signals


def _enlist(*signals: Any) -> None:
    global _signals
    _signals = Signals(*signals)


def _race(work: Callable[..., T], uri: str, process: int, args: Sequence[Any]) -> T:
    """*work* with a store of this process, when all are ready."""
    store = MongoStore(uri)
    store.balance(ME)  # connects
    try:
        _signals.together.wait(DEADLINE)
        return work(store, process, *args)
    except BaseException:
        _signals.together.abort()  # nobody must wait for us
        raise
    finally:
        mongoengine.disconnect_all()


def _reconcile(uri: str) -> tuple[int, int]:
    """Abandon unpaid orders, however young, in two threads until the race is over; how many were, how many failed."""
    smmapi = SmmApi(Flask("reconcile"), store=MongoStore(uri))

    def reconcile(_: int) -> tuple[int, int]:
        abandoned = failed = 0
        while not _signals.over.is_set():
            done = smmapi.reconcile(older_than=-timedelta(seconds=1))
            abandoned, failed = abandoned + done.abandoned, failed + done.failed
            _signals.reconciling.set()
        return abandoned, failed

    abandoned, failed = map(sum, zip(*at_once(2, reconcile), strict=True))
    mongoengine.disconnect_all()
    return abandoned, failed


class Racers:
    """Four processes that begin together, and one for reconcile."""

    def __init__(self, pool: ProcessPoolExecutor, signals: Signals) -> None:
        self._pool = pool
        self._signals = signals

    def race(self, uri: str, work: Callable[..., T], *args: Any) -> list[T]:
        """*work*, of a store, the process's number and *args*, in each process; their results."""
        self._signals.together.reset()
        running = [self._pool.submit(_race, work, uri, process, args) for process in range(PROCESSES)]
        return [future.result(DEADLINE) for future in running]

    @contextmanager
    def reconciling(self, uri: str) -> Iterator[None]:
        """Reconcile runs in a loop meanwhile, meets unpaid orders, and fails with none."""
        self._signals.over.clear()
        self._signals.reconciling.clear()
        running = self._pool.submit(_reconcile, uri)
        try:
            assert self._signals.reconciling.wait(DEADLINE)
            yield
        finally:
            self._signals.over.set()
        abandoned, failed = running.result(DEADLINE)
        assert abandoned > 0
        assert failed == 0


@pytest.fixture(scope="module")
def racers() -> Iterator[Racers]:
    context = multiprocessing.get_context("spawn")
    signals = Signals(context.Barrier(PROCESSES), context.Event(), context.Event())
    with new_processes_uncounted(), ProcessPoolExecutor(PROCESSES + 1, context, _enlist, signals) as pool:
        yield Racers(pool, signals)


# What must hold in the end


def assert_no_gap(store: MongoStore, account: AccountId = ME) -> None:
    """Each entry is numbered after the one before it, and its balance is that one's and the movement."""
    entries = list(store.entries(account))
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry["balance"] for entry in entries] == list(accumulate(entry["units"] for entry in entries))
    assert all(entry["balance"] >= 0 for entry in entries)


def assert_nothing_left_undone(store: MongoStore) -> None:
    """Nor does the audit find anything, be it as young as it may."""
    assert list(store.unsettled(datetime.now(timezone.utc) + timedelta(hours=1))) == []
    assert list(store.audit(older_than=-timedelta(minutes=1))) == []


def orders_of(store: MongoStore, account: AccountId) -> list[Order]:
    """All that clients may see, and there are fewer than 1,000."""
    return list(store.list(account, limit=1000))


# Orders


class Add(NamedTuple):
    """One request, and what became of it."""

    account: int
    status: int
    json: Any
    seconds: float


def add_orders(store: MongoStore, process: int, keys: Sequence[str]) -> list[Add]:
    """Every thread asks for orders of one account after the other."""
    app = Flask("worker")
    SmmApi(app, store=store)

    def add(number: int) -> Add:
        account = number % len(keys)
        begun = time.monotonic()
        response = app.test_client().post("/api/v2", data={**ORDER, "action": "add", "key": keys[account]})
        return Add(account, response.status_code, response.get_json(), time.monotonic() - begun)

    def add_some(thread: int) -> list[Add]:
        first = (process * THREADS + thread) * ADDS
        return [add(number) for number in range(first, first + ADDS)]

    return flat(at_once(THREADS, add_some))


@pytest.mark.parametrize(("accounts", "affordable"), [(1, 240), (50, 5)], ids=["on one account", "on 50 accounts"])
class TestProcessesPlaceOrders:
    """480 orders, with money for about half of them."""

    @pytest.fixture
    def keys(self, mongo_store: MongoStore, accounts: int, affordable: int) -> list[str]:
        mongo_store.set_services(SERVICES)
        return [mongo_store.add_account(Account(id=id_), balance=Decimal(affordable)) for id_ in range(accounts)]

    def test_exactly_those_that_can_be_paid(
        self, racers: Racers, mongo_store: MongoStore, mongo_uri: str, keys: list[str], affordable: int
    ) -> None:
        adds = flat(racers.race(mongo_uri, add_orders, keys))
        for account in range(len(keys)):
            assert mongo_store.balance(account) == 0
            assert len(orders_of(mongo_store, account)) == affordable
            self.assert_live(mongo_store, account, adds)
        assert {add.status: add.json for add in adds if add.status != 200} == {400: NOT_ENOUGH}
        assert max(add.seconds for add in adds) < PATIENCE
        assert_nothing_left_undone(mongo_store)

    def test_no_id_is_given_for_an_order_that_reconcile_abandoned(
        self, racers: Racers, mongo_store: MongoStore, mongo_uri: str, keys: list[str], affordable: int
    ) -> None:
        with racers.reconciling(mongo_uri):
            adds = flat(racers.race(mongo_uri, add_orders, keys))
        for account in range(len(keys)):
            assert mongo_store.balance(account) == affordable - len(orders_of(mongo_store, account))
            self.assert_live(mongo_store, account, adds)
        assert {200} <= {add.status for add in adds} <= {200, 400, 503}
        assert max(add.seconds for add in adds) < PATIENCE
        assert_nothing_left_undone(mongo_store)

    @staticmethod
    def assert_live(store: MongoStore, account: int, adds: list[Add]) -> None:
        """The account's orders are those whose ids were given, and each is confirmed."""
        given = {add.json["order"] for add in adds if add.account == account and add.status == 200}
        orders = orders_of(store, account)
        assert {order.id for order in orders} == given
        assert {order.status for order in orders} == {OrderStatus.AWAITING}
        assert_no_gap(store, account)


def add_with_one_key(store: MongoStore, process: int, keys: Sequence[str]) -> list[list[tuple[int, Any]]]:
    """For each account, what four threads of each process are answered to the same request at once."""
    app = Flask("worker")
    SmmApi(app, store=store)

    def add_for(key: str) -> list[tuple[int, Any]]:
        _signals.together.wait(DEADLINE)
        return at_once(4, lambda _: add_once(app, key))

    return [add_for(key) for key in keys]


def add_once(app: Flask, key: str) -> tuple[int, Any]:
    form = {**ORDER, "action": "add", "key": key}
    response = app.test_client().post("/api/v2", data=form, headers={"Idempotency-Key": KEY})
    return response.status_code, response.get_json()


class TestOneIdempotencyKeySixteenTimesAtOnce:
    """From sixteen threads, or from four of each of four processes; each time for several accounts."""

    def send(self, store: MongoStore, balance: str, racers: Racers | None, uri: str) -> list[list[tuple[int, Any]]]:
        """For each account, the sixteen answers."""
        store.set_services(SERVICES)
        keys = [store.add_account(Account(id=id_), balance=Decimal(balance)) for id_ in range(10)]
        if racers:
            of_processes = racers.race(uri, add_with_one_key, keys)
            return [flat(answers) for answers in zip(*of_processes, strict=True)]
        app = Flask("panel")
        SmmApi(app, store=store)

        def add_for(key: str) -> list[tuple[int, Any]]:
            return at_once(16, lambda _: add_once(app, key))

        return [add_for(key) for key in keys]

    @pytest.fixture(params=["threads", "processes"])
    def racing(self, request: pytest.FixtureRequest) -> Racers | None:
        racers: Racers | None = request.getfixturevalue("racers") if request.param == "processes" else None
        return racers

    @pytest.mark.parametrize("balance", ["100", "1"], ids=["with money", "with money for one"])
    def test_one_order_one_charge_and_the_same_answer(
        self, mongo_store: MongoStore, mongo_uri: str, balance: str, racing: Racers | None
    ) -> None:
        for account, answers in enumerate(self.send(mongo_store, balance, racing, mongo_uri)):
            [order] = orders_of(mongo_store, account)
            assert answers == [(200, {"order": order.id})] * 16
            assert mongo_store.balance(account) == Decimal(balance) - 1
            assert_no_gap(mongo_store, account)
        assert_nothing_left_undone(mongo_store)

    def test_with_too_little_money_all_are_refused_and_the_key_is_free_again(
        self, mongo_store: MongoStore, mongo_uri: str, racing: Racers | None
    ) -> None:
        smmapi = SmmApi(Flask("panel"), store=mongo_store)
        for account, answers in enumerate(self.send(mongo_store, "0.5", racing, mongo_uri)):
            assert (400, NOT_ENOUGH) in answers
            assert {status for status, _ in answers} <= {400, 503}
            assert mongo_store.balance(account) == Decimal("0.5")
            assert mongo_store.find_by_key(account, KEY) is None
            mongo_store.credit(account, Decimal("0.5"), "payment")
            placed = smmapi.place(Account(id=account), ORDER, idempotency_key=KEY)
            assert orders_of(mongo_store, account) == [placed]
            assert mongo_store.balance(account) == 0
            assert_no_gap(mongo_store, account)
        assert_nothing_left_undone(mongo_store)


def cancel_orders(store: MongoStore, process: int, key: str, ids: Sequence[str]) -> list[list[Any]]:
    """For each order, what a cancel, a cancel in bulk and reconcile answer, all at once."""
    app = Flask("worker")
    smmapi = SmmApi(app, store=store)

    def cancel(**order: str) -> Any:
        return app.test_client().post("/api/v2", data={"key": key, "action": "cancel", **order}).get_json()

    def end(id_: str) -> list[Any]:
        racing: list[Callable[[], Any]] = [
            lambda: cancel(order=id_),
            lambda: cancel(orders=id_),
            lambda: smmapi.reconcile(older_than=timedelta(0)).failed,
        ]
        _signals.together.wait(DEADLINE)
        return at_once(3, lambda number: racing[number]())

    return [end(id_) for id_ in ids]


def test_cancels_and_reconcile_at_once_pay_an_order_back_once(
    racers: Racers, mongo_store: MongoStore, mongo_uri: str
) -> None:
    panel = Panel(store=mongo_store)
    ids = [panel.place().id for _ in range(20)]
    assert panel.balance == 80
    for answers in racers.race(mongo_uri, cancel_orders, panel.key, ids):
        assert answers == [[{"cancel": 1}, [{"order": id_, "cancel": 1}], 0] for id_ in ids]
    assert panel.balance == 100
    for order in mongo_store.find(ME, ids):
        assert (order.status, order.paid_back) == (OrderStatus.CANCELED, ONE)
    assert [entry["kind"] for entry in mongo_store.entries(ME)] == ["credit"] + ["debit"] * 20 + ["credit"] * 20
    assert_no_gap(mongo_store)
    assert_nothing_left_undone(mongo_store)


def add_drafts(store: MongoStore, process: int) -> list[list[int]]:
    return at_once(THREADS, lambda _: [store.add(draft(1)).number for _ in range(30)])


def test_numbers_are_unique_across_processes_and_grow_within_one(racers: Racers, mongo_uri: str) -> None:
    threads = flat(racers.race(mongo_uri, add_drafts))
    numbers = flat(threads)
    assert len(set(numbers)) == len(numbers) == PROCESSES * THREADS * 30
    assert all(of_one == sorted(of_one) for of_one in threads)


# The wallet


def debit_each(store: MongoStore, process: int, references: Sequence[str]) -> list[bool]:
    """All processes debit the same reference at once, one reference after the other."""
    taken = []
    for reference in references:
        _signals.together.wait(DEADLINE)
        taken.append(store.debit(ME, ONE, reference))
    return taken


def debit_or_void_each(store: MongoStore, process: int, references: Sequence[str]) -> None:
    """Half of the processes debit the same reference at once, the others void it."""
    for reference in references:
        _signals.together.wait(DEADLINE)
        if process % 2:
            store.void(ME, reference)
        else:
            store.debit(ME, ONE, reference)


def credit_many(store: MongoStore, process: int) -> None:
    """Every thread gives 1 under five references of its own, and under five that all share."""

    def credit(thread: int) -> None:
        for number in range(5):
            store.credit(ME, ONE, f"payment {process}.{thread}.{number}")
            store.credit(ME, ONE, f"payment {number}")

    at_once(THREADS, credit)


REFERENCES = [f"order {number}" for number in range(20)]


class TestProcessesMoveMoney:
    @pytest.mark.parametrize("left", [10, 0], ids=["with money", "with the last money"])
    def test_a_reference_debited_by_all_at_once_takes_once(
        self, racers: Racers, mongo_store: MongoStore, mongo_uri: str, left: int
    ) -> None:
        mongo_store.credit(ME, Decimal(20 + left), "payment")
        assert racers.race(mongo_uri, debit_each, REFERENCES) == [[True] * 20] * PROCESSES
        assert mongo_store.balance(ME) == left
        assert_no_gap(mongo_store)

    def test_a_debit_that_races_its_void_is_undone_and_barred(
        self, racers: Racers, mongo_store: MongoStore, mongo_uri: str
    ) -> None:
        mongo_store.credit(ME, Decimal(3), "payment")
        racers.race(mongo_uri, debit_or_void_each, REFERENCES)
        assert mongo_store.balance(ME) == 3
        assert not any(mongo_store.debit(ME, ONE, reference) for reference in REFERENCES)
        assert_no_gap(mongo_store)

    def test_credits_all_arrive_and_repeats_once(self, racers: Racers, mongo_store: MongoStore, mongo_uri: str) -> None:
        racers.race(mongo_uri, credit_many)
        assert mongo_store.balance(ME) == PROCESSES * THREADS * 5 + 5
        assert_no_gap(mongo_store)


def test_two_stores_of_one_process_neither_overdraw_nor_leave_a_gap(mongo_uri: str) -> None:
    """They share neither queues nor newest entries."""
    stores = [MongoStore(mongo_uri), MongoStore(mongo_uri)]
    stores[0].credit(ME, Decimal(80), "payment")

    def debit_some(thread: int) -> list[bool]:
        return [stores[thread % 2].debit(ME, ONE, f"order {thread}.{number}") for number in range(10)]

    assert sum(flat(at_once(16, debit_some))) == 80
    assert [store.balance(ME) for store in stores] == [0, 0]
    assert_no_gap(stores[0])
