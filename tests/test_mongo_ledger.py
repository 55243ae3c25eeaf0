"""The ledger on its odd paths: stale memory, lost answers, stuck writers, queues, documents changed by hand."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, TypeVar

import mongoengine
import pymongo
import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import AutoReconnect

from flask_smmapi import StoreUnavailable
from flask_smmapi.stores.mongo import MongoStore, ledger
from flask_smmapi.stores.mongo.connection import Connection

from .mongo import DATABASE, start_or_skip, with_database
from .panel import at_once
from .steps import Killed

T = TypeVar("T")

ME, OTHER = 7, "seven"
ONE = Decimal(1)
PAYMENT = ("payment", "credit", 3)

PATIENCE = 5.0
"""Seconds that no caller may wait longer than."""

DEADLINE = 60.0
"""Seconds after which a test that hangs is given up."""


@pytest.fixture
def store(mongo_store: MongoStore) -> MongoStore:
    """I have 3, and the store remembers it."""
    mongo_store.credit(ME, Decimal(3), "payment")
    return mongo_store


def entries(store: MongoStore) -> list[tuple[str, str, int]]:
    """Reference, kind and whole amount of each of my entries; they are numbered without a gap, and add up."""
    found = list(store.entries(ME))
    assert [entry["seq"] for entry in found] == list(range(1, len(found) + 1))
    assert [entry["balance"] for entry in found] == list(accumulate(entry["units"] for entry in found))
    return [(entry["_id"]["reference"], entry["kind"], entry["units"] // 10**8) for entry in found]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


Insert = Callable[[Any, Any], Any]
"""Writes the documents to the collection, or does not."""


class Inserting:
    """A collection with something else in the place of its ``insert_many``."""

    def __init__(self, real: Any, insert: Insert) -> None:
        self._real = real
        self._insert = insert

    def insert_many(self, documents: Any) -> Any:
        return self._insert(self._real, documents)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@contextmanager
def inserting(store: MongoStore, insert: Insert) -> Iterator[None]:
    """*insert* writes the movements of *store* meanwhile."""
    opened: dict[str, Any] = store._connection._opened
    real = opened["ledger"]
    opened["ledger"] = Inserting(real, insert)
    try:
        yield
    finally:
        opened["ledger"] = real


class TestAnotherStoreWroteMeanwhile:
    """What is remembered of the newest entry is old."""

    @pytest.fixture
    def other(self, mongo_uri: str, store: MongoStore) -> MongoStore:
        return MongoStore(mongo_uri)

    def test_movements_go_behind_the_others(self, store: MongoStore, other: MongoStore) -> None:
        assert other.debit(ME, ONE, "of the other")
        assert store.debit(ME, ONE, "of ours")
        store.credit(ME, Decimal(5), "payment 2")
        other.void(ME, "of ours")
        assert store.debit(ME, ONE, "of ours 2")
        assert entries(store) == [
            PAYMENT,
            ("of the other", "debit", -1),
            ("of ours", "debit", -1),
            ("payment 2", "credit", 5),
            ("of ours:void", "void", 1),
            ("of ours 2", "debit", -1),
        ]
        assert store.balance(ME) == other.balance(ME) == 6

    def test_what_came_in_there_can_be_spent_here(self, store: MongoStore, other: MongoStore) -> None:
        other.credit(ME, Decimal(4), "payment 2")
        assert store.debit(ME, Decimal(7), "order")
        assert store.balance(ME) == 0

    def test_what_was_spent_there_cannot_be_spent_here(self, store: MongoStore, other: MongoStore) -> None:
        assert other.debit(ME, Decimal("2.00000001"), "order")
        assert not store.debit(ME, ONE, "order 2")
        assert store.debit(ME, Decimal("0.99999999"), "order 3")
        assert store.balance(ME) == 0

    def test_the_debit_that_emptied_the_wallet_there_is_repeated_here(
        self, store: MongoStore, other: MongoStore
    ) -> None:
        assert other.debit(ME, Decimal(3), "order")
        assert store.debit(ME, Decimal(3), "order")
        assert entries(store) == [PAYMENT, ("order", "debit", -3)]

    def test_what_was_voided_there_cannot_be_debited_here(self, store: MongoStore, other: MongoStore) -> None:
        other.void(ME, "order")
        assert not store.debit(ME, ONE, "order")
        assert entries(store) == [PAYMENT, ("order", "bar", 0)]


class TestVoid:
    @pytest.mark.parametrize("amount", [2, 0])
    def test_of_a_debit_gives_it_back_once_under_a_reference_of_its_own(self, store: MongoStore, amount: int) -> None:
        assert store.debit(ME, Decimal(amount), "order")
        for _ in range(3):
            store.void(ME, "order")
            assert not store.debit(ME, Decimal(amount), "order")
        assert entries(store) == [PAYMENT, ("order", "debit", -amount), ("order:void", "void", amount)]

    @pytest.mark.parametrize("refused", [True, False])
    def test_before_the_debit_takes_its_place(self, store: MongoStore, refused: bool) -> None:
        if refused:
            assert not store.debit(ME, Decimal(4), "order")
        for _ in range(3):
            store.void(ME, "order")
            assert not store.debit(ME, ONE, "order")
        assert entries(store) == [PAYMENT, ("order", "bar", 0)]

    def test_of_anything_else_changes_nothing(self, store: MongoStore) -> None:
        store.void(ME, "payment")
        assert entries(store) == [PAYMENT]
        assert store.balance(ME) == 3


def test_forgetting_what_is_in_memory_changes_no_answer(store: MongoStore) -> None:
    """A forked process begins so."""

    def answers() -> list[Any]:
        store.credit(ME, Decimal(3), "payment")
        store.void(ME, "voided")
        debits = [("order", 2), ("too much", 2), ("voided", 0), ("nothing", 0)]
        return [*(store.debit(ME, Decimal(amount), reference) for reference, amount in debits), store.balance(ME)]

    first = answers()
    assert first == [True, False, False, True, 1]
    store.forget()
    assert answers() == first
    assert entries(store) == [PAYMENT, ("voided", "bar", 0), ("order", "debit", -2), ("nothing", "debit", 0)]


def test_more_accounts_than_are_kept_in_memory_stay_exact(
    mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if an account is pushed out while somebody writes its movements."""
    monkeypatch.setattr(ledger, "MAX_ACCOUNTS", 2)
    accounts = range(6)
    for account in accounts:
        mongo_store.credit(account, Decimal(10), "payment")

    def debit_everywhere(thread: int) -> list[int]:
        debits = [(account, f"order {thread}.{number}") for number in range(5) for account in accounts]
        return [account for account, reference in debits if mongo_store.debit(account, ONE, reference)]

    taken = at_once(6, debit_everywhere)
    assert sorted(chain.from_iterable(taken)) == [account for account in accounts for _ in range(10)]
    assert [mongo_store.balance(account) for account in accounts] == [0] * len(accounts)
    assert len(mongo_store._queues._queues) <= 2


# Queues


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine it takes its time until all who are to wait in a queue have come."""
    monkeypatch.setattr(ledger, "VERB_TIMEOUT", DEADLINE)


def queued(store: MongoStore, count: int, move: Callable[[int], T]) -> list[T]:
    """*move* of 0, 1, … in threads that all wait in my queue before the first movement is written."""
    queue = store._queues[ME]
    queue.writing = True

    def finish_when_all_wait() -> None:
        try:
            wait_until(lambda: len(queue.waiting) == count)
        finally:
            queue.finish([])

    with ThreadPoolExecutor(1) as pool:
        pool.submit(finish_when_all_wait)
        return at_once(count, move)


@pytest.mark.usefixtures("patient")
class TestAQueue:
    """Movements that came while another was being written."""

    def test_longer_than_a_batch_is_written_whole(self, store: MongoStore) -> None:
        count = 2 * ledger.MAX_BATCH + 50
        store.credit(ME, Decimal(count - 3), "payment 2")
        assert queued(store, count, lambda number: store.debit(ME, ONE, str(number))) == [True] * count
        assert sorted(entries(store)[2:]) == sorted((str(number), "debit", -1) for number in range(count))
        assert store.balance(ME) == 0

    def test_refuses_those_alone_that_cannot_be_paid(self, store: MongoStore) -> None:
        amounts = [Decimal("0.5"), Decimal(100), Decimal("0.1"), Decimal("3.00000001")] * 5
        taken = queued(store, 20, lambda number: store.debit(ME, amounts[number], str(number)))
        assert taken == [True, False] * 10
        assert store.balance(ME) == 0

    def test_pays_with_what_comes_in_along_with_it(self, mongo_store: MongoStore) -> None:
        """Whichever of the two is first in the queue."""

        def move(number: int) -> Any:
            verb: Callable[..., Any] = mongo_store.credit if number % 2 else mongo_store.debit
            return verb(ME, ONE, str(number))

        assert queued(mongo_store, 20, move) == [True, None] * 10
        assert sum(amount for _, _, amount in entries(mongo_store)) == mongo_store.balance(ME) == 0

    def test_takes_a_reference_once_that_is_in_it_several_times(self, store: MongoStore) -> None:
        taken = queued(store, 20, lambda number: store.debit(ME, ONE, str(number % 2)))
        assert taken == [True] * 20
        assert sorted(entries(store)) == [("0", "debit", -1), ("1", "debit", -1), PAYMENT]

    def test_lets_the_others_through_if_one_is_wrong(self, store: MongoStore) -> None:
        """It bears the reference of a movement of another amount, or nobody could have so much money."""
        store.credit(ME, ONE, "payment 2")
        too_much = Decimal(2**63 - 1).scaleb(-8)

        def move(number: int) -> Any:
            try:
                if number == 1:
                    store.credit(ME, too_much, "too much")
                return store.debit(ME, ONE, "payment" if number == 0 else str(number))
            except (ValueError, OverflowError):
                return "wrong"

        assert queued(store, 5, move) == ["wrong", "wrong", True, True, True]
        assert store.balance(ME) == 1


# Lost answers


def lost_before(real: Any, documents: Any) -> None:
    raise AutoReconnect("connection closed")


def lost_half_way(real: Any, documents: Any) -> None:
    real.insert_many(documents[: len(documents) // 2])
    raise AutoReconnect("connection closed")


def lost_after(real: Any, documents: Any) -> None:
    real.insert_many(documents)
    raise AutoReconnect("connection closed")


def killed_half_way(real: Any, documents: Any) -> None:
    real.insert_many(documents[: len(documents) // 2])
    raise Killed


class TestAnAnswerIsLost:
    """So it is unknown whether the movement was written."""

    @pytest.fixture(params=[lost_before, lost_after])
    def lost(self, request: pytest.FixtureRequest) -> Insert:
        insert: Insert = request.param
        return insert

    def test_a_repeated_debit_takes_once(self, store: MongoStore, lost: Insert) -> None:
        with inserting(store, lost), pytest.raises(StoreUnavailable):
            store.debit(ME, Decimal(3), "order")
        assert store._queues[ME].newest is None
        assert [store.debit(ME, Decimal(3), "order") for _ in range(2)] == [True, True]
        assert not store.debit(ME, ONE, "order 2")
        assert entries(store) == [PAYMENT, ("order", "debit", -3)]

    def test_a_repeated_credit_gives_once(self, store: MongoStore, lost: Insert) -> None:
        with inserting(store, lost), pytest.raises(StoreUnavailable):
            store.credit(ME, ONE, "payment 2")
        store.credit(ME, ONE, "payment 2")
        assert entries(store) == [PAYMENT, ("payment 2", "credit", 1)]

    @pytest.mark.parametrize("debited", [True, False])
    def test_a_repeated_void_undoes_once(self, store: MongoStore, lost: Insert, debited: bool) -> None:
        if debited:
            assert store.debit(ME, Decimal(2), "order")
        with inserting(store, lost), pytest.raises(StoreUnavailable):
            store.void(ME, "order")
        store.void(ME, "order")
        assert not store.debit(ME, Decimal(2), "order")
        undone = [("order", "debit", -2), ("order:void", "void", 2)]
        assert entries(store) == [PAYMENT, *(undone if debited else [("order", "bar", 0)])]

    def test_a_debit_can_be_voided_whatever_became_of_it(self, store: MongoStore, lost: Insert) -> None:
        with inserting(store, lost), pytest.raises(StoreUnavailable):
            store.debit(ME, ONE, "order")
        store.void(ME, "order")
        assert not store.debit(ME, ONE, "order")
        assert sum(amount for _, _, amount in entries(store)) == store.balance(ME) == 3

    @pytest.mark.usefixtures("patient")
    @pytest.mark.parametrize("insert", [lost_before, lost_half_way, killed_half_way, lost_after])
    def test_all_who_wait_for_it_hear_so(self, store: MongoStore, insert: Insert) -> None:
        def debit(number: int) -> Any:
            try:
                return store.debit(ME, ONE, f"order {number}")
            except (StoreUnavailable, Killed) as failure:
                return type(failure)

        with inserting(store, insert):
            answers = queued(store, 3, debit)
        writer = Killed if insert is killed_half_way else StoreUnavailable
        assert sorted(answers, key=repr) == sorted([writer, StoreUnavailable, StoreUnavailable], key=repr)
        assert at_once(3, debit) == [True] * 3
        assert sorted(entries(store)) == [*((f"order {number}", "debit", -1) for number in range(3)), PAYMENT]


# Stuck writers


class Gate:
    """Lets through each insert of my movements when it is told to."""

    def __init__(self) -> None:
        self._come, self._go = threading.Semaphore(0), threading.Semaphore(0)

    def insert(self, real: Any, documents: Any) -> Any:
        if documents[0]["account"] == ME:
            self._come.release()
            assert self._go.acquire(timeout=DEADLINE)
        return real.insert_many(documents)

    def wait(self) -> None:
        """Until somebody stands before it."""
        assert self._come.acquire(timeout=DEADLINE)

    def open(self, times: int = 1) -> None:
        self._go.release(times)


class TestAWriterIsStuck:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The writer may take as long as it likes; those who wait for it give up sooner."""
        verb = Connection.verb
        monkeypatch.setattr(Connection, "verb", lambda connection: verb(connection, DEADLINE))
        monkeypatch.setattr(ledger, "VERB_TIMEOUT", 1)

    @pytest.fixture
    def threads(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor() as threads:
            yield threads

    @pytest.fixture
    def gate(self, store: MongoStore, threads: ThreadPoolExecutor) -> Iterator[Gate]:
        gate = Gate()
        with inserting(store, gate.insert):
            yield gate
            gate.open(100)

    def test_those_who_wait_give_up_and_their_movements_are_never_written(
        self, store: MongoStore, gate: Gate, threads: ThreadPoolExecutor
    ) -> None:
        verbs: list[Callable[[], Any]] = [
            lambda: store.debit(ME, ONE, "order"),
            lambda: store.credit(ME, ONE, "payment 2"),
            lambda: store.void(ME, "order 2"),
        ]

        def give_up(number: int) -> None:
            with pytest.raises(StoreUnavailable):
                verbs[number]()

        stuck = threads.submit(store.debit, ME, ONE, "stuck")
        gate.wait()
        at_once(3, give_up)
        assert not stuck.done()
        gate.open(100)
        assert stuck.result(DEADLINE) is True
        assert store.debit(ME, ONE, "order 2")
        assert entries(store) == [PAYMENT, ("stuck", "debit", -1), ("order 2", "debit", -1)]

    def test_those_whose_movements_it_took_along_hear_what_became_of_them(
        self, store: MongoStore, gate: Gate, threads: ThreadPoolExecutor
    ) -> None:
        """However long it takes: it is not known before."""
        first = threads.submit(store.debit, ME, ONE, "first")
        gate.wait()
        taken_along = [threads.submit(store.debit, ME, ONE, f"order {number}") for number in range(2)]
        wait_until(lambda: len(store._queues[ME].waiting) == 2)
        gate.open()
        gate.wait()
        with pytest.raises(StoreUnavailable):
            store.debit(ME, ONE, "too late")
        assert [future.done() for future in (first, *taken_along)] == [True, False, False]
        gate.open(100)
        assert [future.result(DEADLINE) for future in (first, *taken_along)] == [True, True, True]
        assert store.balance(ME) == 0

    def test_other_accounts_go_on(self, store: MongoStore, gate: Gate, threads: ThreadPoolExecutor) -> None:
        stuck = threads.submit(store.debit, ME, ONE, "stuck")
        gate.wait()
        store.credit(OTHER, ONE, "payment")
        assert store.debit(OTHER, ONE, "order")
        assert not stuck.done()

    def test_the_balance_is_told(self, store: MongoStore, gate: Gate, threads: ThreadPoolExecutor) -> None:
        threads.submit(store.debit, ME, ONE, "stuck")
        gate.wait()
        assert store.balance(ME) == 3


class TestAServerThatStandsStill:
    """It keeps its connections and answers nothing; what it received it may still do when it goes on."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[tuple[MongoStore, int]]:
        """A store on a server of its own, and the server's process."""
        server = start_or_skip(tmp_path)
        assert server._process
        store = MongoStore(with_database(server.uri, "panel"), alias="still")
        store.create_indexes()
        store.credit(ME, Decimal(8), "payment")
        yield store, server._process.pid
        mongoengine.disconnect("still")
        server.release()

    def test_all_who_move_money_hear_so_in_time_and_a_repeat_takes_once(self, server: tuple[MongoStore, int]) -> None:
        store, process = server

        def give_up(number: int) -> float:
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable):
                store.debit(ME, ONE, f"order {number}")
            return time.monotonic() - begun

        def repeat(number: int) -> bool:
            for _ in range(20):
                try:
                    return store.debit(ME, ONE, f"order {number}")
                except StoreUnavailable:  # it comes to itself
                    continue
            return False

        os.kill(process, signal.SIGSTOP)
        try:
            assert max(at_once(8, give_up)) < PATIENCE
        finally:
            os.kill(process, signal.SIGCONT)
        assert at_once(8, repeat) == [True] * 8
        assert store.balance(ME) == 0
        assert sorted(entries(store)) == [
            *((f"order {number}", "debit", -1) for number in range(8)),
            ("payment", "credit", 8),
        ]


# Documents that were changed by hand

NO_BALANCE = ["2", 2.0, float("nan"), Decimal128("2"), Int64(-1), True, None, [], ...]
NO_SEQ = ["2", 2.0, Decimal128("2"), True]
"""``...`` stands for a field that is missing."""


class TestADocumentWasChangedByHand:
    """Whoever meets it says which one it is, and writes nothing."""

    @pytest.fixture
    def change(self, store: MongoStore, mongo_uri: str) -> Iterator[Callable[..., None]]:
        """Changes a field of an entry; the store remembers nothing then."""
        with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
            documents = client[DATABASE]["smmapi_ledger"]

            def change(reference: str, field: str, value: Any) -> None:
                update = {"$unset": {field: 1}} if value is ... else {"$set": {field: value}}
                changed = documents.update_one({"_id": {"account": ME, "reference": reference}}, update)
                assert changed.modified_count == 1
                store.forget()

            yield change

    def assert_named(self, store: MongoStore, named: str, *verbs: Callable[[], Any]) -> None:
        before = [entry["_id"] for entry in store.entries(ME)]
        for verb in verbs:
            with pytest.raises(RuntimeError, match=re.escape(f"_id {{'account': 7, 'reference': {named!r}}} cannot")):
                verb()
        assert [entry["_id"] for entry in store.entries(ME)] == before

    def verbs(self, store: MongoStore) -> list[Callable[[], Any]]:
        return [
            lambda: store.balance(ME),
            lambda: store.debit(ME, ONE, "order"),
            lambda: store.debit(ME, ONE, "order 2"),
            lambda: store.debit(ME, Decimal(0), "order 2"),
            lambda: store.credit(ME, ONE, "payment 2"),
            lambda: store.void(ME, "order"),
            lambda: store.void(ME, "order 2"),
        ]

    @pytest.mark.parametrize("value", NO_BALANCE, ids=repr)
    def test_the_balance_of_the_newest(self, store: MongoStore, change: Callable[..., None], value: Any) -> None:
        assert store.debit(ME, ONE, "order")
        change("order", "balance", value)
        self.assert_named(store, "order", *self.verbs(store))

    @pytest.mark.parametrize("value", NO_SEQ, ids=repr)
    def test_the_number_of_the_newest(self, store: MongoStore, change: Callable[..., None], value: Any) -> None:
        assert store.debit(ME, ONE, "order")
        change("order", "seq", value)
        self.assert_named(store, "order", *self.verbs(store))

    @pytest.mark.parametrize("value", [*NO_SEQ, None, ...], ids=repr)
    def test_the_number_of_the_only_one(self, store: MongoStore, change: Callable[..., None], value: Any) -> None:
        change("payment", "seq", value)
        self.assert_named(store, "payment", *self.verbs(store))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("units", value) for value in ("-1", -100000000.0, Decimal128("-1"), True, None, ...)),
            ("units", Int64(10**8)),  # a debit that gives: undoing it would take
            ("kind", ...),
        ],
        ids=repr,
    )
    def test_a_debit_that_is_undone(
        self, store: MongoStore, change: Callable[..., None], field: str, value: Any
    ) -> None:
        assert store.debit(ME, ONE, "order")
        assert store.debit(ME, ONE, "order 2")
        change("order", field, value)
        self.assert_named(store, "order", lambda: store.void(ME, "order"))

    @pytest.mark.parametrize("value", ["-1", -100000000.0, Decimal128("-1"), True, None, ...], ids=repr)
    def test_the_amount_of_what_is_repeated(self, store: MongoStore, change: Callable[..., None], value: Any) -> None:
        assert store.debit(ME, ONE, "order")
        assert store.debit(ME, ONE, "order 2")
        change("order", "units", value)
        change("payment", "units", value)
        self.assert_named(store, "order", lambda: store.debit(ME, ONE, "order"))
        self.assert_named(store, "payment", lambda: store.credit(ME, Decimal(3), "payment"))

    def test_another_accounts_money_is_not_touched_by_it(self, store: MongoStore, change: Callable[..., None]) -> None:
        store.credit(OTHER, ONE, "payment")
        change("payment", "balance", "3")
        assert store.debit(OTHER, ONE, "order")
        assert store.balance(OTHER) == 0
