"""What the extension relies on when it keeps orders and refills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ..hooks import AccountId, Order, OrderState, OrderStore, Refill, state_reader
from ..ids import new_id
from ..money import MAX_UNITS, from_units
from ..statuses import HIDDEN, OrderStatus, RefillStatus
from .duties import duty
from .host import Contract, Elsewhere, Host, Race
from .races import THREADS

NOW = datetime(2025, 3, 9, 23, 59, 59, 123000, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=1)
LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, 789000, tzinfo=timezone.utc)
DAY = timedelta(days=1)
A_MOMENT = timedelta(milliseconds=1)
ONE = Decimal("1.00000000")
SERVICE = 123

_ANY_TYPE = {"params", "cancelable", "refillable"}  # any mapping will do, and 1 for True
_NOT_VOIDING = [status for status in OrderStatus if status is not OrderStatus.VOIDING]
_QUEUES = ("waiting", "refills_waiting")
_NO_QUEUE = (
    "The order store has not both verbs, waiting and refills_waiting, of flask_smmapi.WorkQueue: the desk can hand out "
    "no orders and no refills, nor say which are stuck. All else works without them."
)
_TEXTS = {
    "link": "https://example.com/ö?a=1&b=2#'\"",
    "comments": "first\nsecond 😀\n\\n is no line end\n100 % {\"$gt\": ''}",
    "username": "null",
}


def draft(account: AccountId, **changes: Any) -> Order:
    """An order of the account whose fields have values of their own, but for *changes*."""
    order = Order(
        id=new_id(),
        account=account,
        service=SERVICE,
        params=_TEXTS,
        rate=Decimal("12.34567891"),
        per=1000,
        count=999_999_999_999,
        charge=from_units(MAX_UNITS),
        currency="EUR",
        cancelable=True,
        refillable=False,
        fingerprint="f" * 64,
        created=NOW,
        remains=999_999_999_998,
        status=OrderStatus.AWAITING,
        start_count=999_999_999_997,
        children=(7, 2**31),
        claim="c" * 24,
        worker="worker 1 of 2, ö",
        due=LATER,
        reason="the link is private 😀",
    )
    return replace(order, **changes)


def state_of(found: Order | OrderState) -> dict[str, Any]:
    """What *found* says of an order's state."""
    state = {field.name: getattr(found, field.name) for field in fields(OrderState)}
    return {**state, "params": dict(found.params)}


def a_key() -> str:
    """A new idempotency key."""
    return f"order {new_id()}"


def of_other_types(found: Order | Refill, stored: Order | Refill) -> list[str]:
    """The fields that came back equal but of another type, as a text is equal to a status, and a float to a Decimal."""
    names = {field.name for field in fields(stored)} - _ANY_TYPE
    return [name for name in sorted(names) if not isinstance(getattr(found, name), type(getattr(stored, name)))]


def numbers(records: Iterable[Order | Refill]) -> list[int]:
    return [record.number for record in records]


def missing_queues(orders: OrderStore) -> list[str]:
    """The verbs of a work queue that the store does not have."""
    return [verb for verb in _QUEUES if not callable(getattr(orders, verb, None))]


@dataclass(frozen=True)
class Work:
    """The orders, or the refills, of a store that says which of them wait.

    What tests add is due in :data:`LONG_AGO`'s days, before all that others leave in the store.

    :param again: the same store, through another connection if the host gives one.
    :param draft: gives an order of an account.
    """

    store: Any
    again: Any
    draft: Callable[..., Order]
    is_refills: bool

    @property
    def statuses(self) -> Sequence[Any]:
        """All that the desk may ask for: first those of what it hands out."""
        if self.is_refills:
            return [*RefillStatus]
        return [status for status in OrderStatus if status not in HIDDEN]

    def clear(self) -> None:
        """Let nothing wait in those days that another test, or an earlier run, has left."""
        for record in list(self.waiting(LONG_AGO + 999 * DAY, self.statuses, limit=1000)):
            self.replace(replace(record, due=None))

    def add(self, account: AccountId, due: datetime | None, status: Any = None) -> Any:
        """An order, or a refill, that is due then; it waits to be handed out unless *status* says otherwise."""
        status = status or self.statuses[0]
        if not self.is_refills:
            return self.store.add(self.draft(account, status=status, due=due, claim=None, worker=None))
        order = self.store.add(self.draft(account))
        refill = self.store.add_refill(Refill(new_id(), account, order.id, 1, NOW, status, due=due))
        assert refill is not None
        return refill

    def waiting(self, before: datetime, statuses: Sequence[Any] = (), *, limit: int = 100) -> list[Any]:
        """What waits in one of the *statuses*; in those of what is handed out if none are given."""
        ask = self.store.refills_waiting if self.is_refills else self.store.waiting
        return list(ask(statuses or self.statuses[:2], before, limit=limit))

    def replace(self, record: Any, *, again: bool = False) -> Any:
        store = self.again if again else self.store
        return store.replace_refill(record) if self.is_refills else store.replace(record)

    def stored(self, record: Any) -> list[Any]:
        find = self.store.find_refills if self.is_refills else self.store.find
        return list(find(record.account, [record.id]))


class OrderStoreContract(Contract):
    """Duties of an order store: every field kept, each account on its own, one winner of every race."""

    service = SERVICE
    """What is ordered. A store whose orders refer to services needs one of that number, or another number here."""

    def draft(self, account: AccountId, **changes: Any) -> Order:
        return draft(account, **{"service": self.service, **changes})

    @pytest.fixture
    def orders(self, host: Host) -> OrderStore:
        found: OrderStore = host.part("orders")
        return found

    @pytest.fixture
    def other_orders(self, host: Host) -> OrderStore:
        """The same orders, through another connection if the host gives one."""
        found: OrderStore = (host.again or host).part("orders")
        return found

    @pytest.fixture(params=["orders", "refills"])
    def work(self, request: pytest.FixtureRequest, orders: OrderStore, other_orders: OrderStore) -> Work:
        """Orders, then refills, for what must hold of both; skips if the store does not say which wait."""
        if missing_queues(orders):
            pytest.skip(_NO_QUEUE)
        return Work(orders, other_orders, self.draft, request.param == "refills")

    # Adding and finding

    @duty(
        "Orders are found by id or number, a hundred at once, in any status; unknown ids are left out.",
        likely="find asks for one form of id alone, hides some statuses, or an empty list of ids becomes 'IN ()'.",
    )
    def test_many_are_found_by_id_and_number(self, orders: OrderStore, me: AccountId) -> None:
        added = [orders.add(self.draft(me, status=status)) for status in OrderStatus]
        added += [orders.add(self.draft(me)) for _ in range(100 - len(added))]
        ids: list[str | int] = [order.number if order.number % 2 else order.id for order in added]
        assert sorted(order.id for order in orders.find(me, ids)) == sorted(order.id for order in added)
        assert list(orders.find(me, [])) == []

    @duty(
        "An id that is nobody's finds nothing, and is no error.",
        likely="a number of 18 digits does not fit into the type that the query gives it.",
    )
    def test_unknown_ids_find_nothing(self, orders: OrderStore, me: AccountId) -> None:
        order = orders.add(self.draft(me))
        odd: list[str | int] = [new_id(), "f" * 24, 0, 2**31, 2**53 + 1, 10**18 - 1]
        assert list(orders.find(me, odd)) == []
        assert list(orders.find_refills(me, odd)) == []
        assert [found.id for found in orders.find(me, [*odd, order.number])] == [order.id]

    @duty(
        "Times come back as the same moment, timezone-aware and in UTC.",
        likely="the column keeps no zone, and the time is read back naive or in the server's zone.",
    )
    def test_times_are_aware_and_utc(self, orders: OrderStore, me: AccountId) -> None:
        order = orders.add(self.draft(me, status=OrderStatus.COMPLETED, ended=LATER))
        refill = orders.add_refill(Refill(new_id(), me, order.id, 1, NOW))
        assert refill is not None
        [found] = orders.find(me, [order.id])
        [found_refill] = orders.find_refills(me, [refill.id])
        assert (found.created, found.ended, found_refill.created) == (NOW, LATER, NOW)
        for moment in (found.created, found.ended, found_refill.created):
            assert moment is not None
            assert moment.utcoffset() == timedelta(0)

    @duty(
        "An order comes back with every field as it was stored, but for number and revision, which the store gives.",
        likely="a field has no column, a column cuts or rounds, a fraction became a float, or a status a text; or "
        "orders refer to services, and yours have other numbers: set service = … in your class.",
    )
    def test_every_field_of_an_order_is_kept(self, host: Host, orders: OrderStore) -> None:
        for account in host.accounts:
            back = {"due_back": ONE, "paid_back": Decimal("0.50000001")}
            order = self.draft(account, idempotency_key=a_key(), status=OrderStatus.PARTIAL, ended=LATER, **back)
            added = orders.add(order)
            assert replace(added, number=0, revision=order.revision) == order
            [found] = orders.find(account, [order.id])
            assert found == added
            assert of_other_types(found, order) == of_other_types(added, order) == []

    @duty(
        "What a client sent comes back to the letter, however long.",
        likely="a text column is too short, its encoding knows no emoji, or only some parameters have a column.",
    )
    def test_parameters_are_kept_to_the_letter(self, orders: OrderStore, me: AccountId) -> None:
        comments = "\n".join(f"comment {number} 😀 ¡ö!" for number in range(5_000))
        for params in ({}, _TEXTS, {"comments": comments}, {"quantity": "1000", "a parameter to come": "x"}):
            order = orders.add(self.draft(me, params=params))
            [found] = orders.find(me, [order.id])
            assert dict(found.params) == params

    @duty(
        "Numbers are unique across accounts, grow, and fit into 31 bits.",
        likely="numbers are counted for each account, or made of the time or of randomness.",
    )
    def test_numbers_grow_and_are_unique(self, host: Host, orders: OrderStore) -> None:
        given = [orders.add(self.draft(account)).number for account in host.accounts * 5]
        assert given == sorted(set(given))
        assert 0 < given[0] < given[-1] < 2**31

    @duty(
        "The number of an order that was dropped is not given again.",
        likely="the next number is the largest one plus 1 (as SQLite does without AUTOINCREMENT).",
    )
    def test_numbers_are_not_reused(self, orders: OrderStore, me: AccountId) -> None:
        dropped = orders.add(self.draft(me, status=OrderStatus.VOIDING))
        orders.drop(dropped)
        assert orders.add(self.draft(me)).number > dropped.number

    @duty(
        "Another account's orders do not exist.",
        likely="a query does not name the account: find, find_by_key, list or find_refills.",
    )
    def test_another_accounts_orders_do_not_exist(self, orders: OrderStore, me: AccountId, other: AccountId) -> None:
        order = orders.add(self.draft(me, idempotency_key=a_key()))
        refill = orders.add_refill(Refill(new_id(), me, order.id, 1, NOW))
        assert refill is not None
        assert order.idempotency_key is not None
        assert list(orders.find(other, [order.id, order.number])) == []
        assert orders.find_by_key(other, order.idempotency_key) is None
        assert order.id not in {found.id for found in orders.list(other)}
        assert list(orders.find_refills(other, [refill.id, refill.number, order.id])) == []

    @duty(
        "The states of orders, where a store gives them, are what find gives.",
        likely="find_states does not name the account, knows no numbers, or leaves out what was paid back.",
    )
    def test_states_are_those_of_the_orders(self, orders: OrderStore, me: AccountId, other: AccountId) -> None:
        read = state_reader(orders)
        mine = [orders.add(self.draft(me, status=status, due_back=from_units(7))) for status in OrderStatus]
        ids: list[str | int] = [*(order.id for order in mine[::2]), *(order.number for order in mine[1::2])]
        others = orders.add(self.draft(other))
        states = [state_of(found) for found in read(me, [*ids, others.id, others.number, new_id()])]
        assert sorted(states, key=lambda state: state["number"]) == [state_of(order) for order in mine]

    # Idempotency keys

    @duty(
        "An idempotency key finds its order in any status.",
        likely="find_by_key hides unpaid orders; then a repeat is placed and charged beside them.",
    )
    def test_a_key_finds_its_order_in_any_status(self, orders: OrderStore, me: AccountId) -> None:
        for status in OrderStatus:
            order = orders.add(self.draft(me, idempotency_key=a_key(), status=status))
            assert order.idempotency_key is not None
            assert orders.find_by_key(me, order.idempotency_key) == order
        assert orders.find_by_key(me, a_key()) is None

    @duty(
        "An idempotency key is taken once in an account; add then stores nothing and gives the earlier order.",
        likely="no unique index on (account, key), or one on the key alone; or add raises where it should answer.",
    )
    def test_a_key_is_taken_once_in_an_account(self, orders: OrderStore, me: AccountId, other: AccountId) -> None:
        for status in OrderStatus:
            key = a_key()
            stored = orders.add(self.draft(me, idempotency_key=key, status=status))
            second = self.draft(me, idempotency_key=key)
            assert orders.add(second) == stored
            assert list(orders.find(me, [second.id])) == []
        anothers = self.draft(other, idempotency_key=key)
        assert orders.add(anothers).id == anothers.id
        without = [orders.add(self.draft(me)).id for _ in range(2)]
        assert len(set(without)) == 2

    @duty(
        "Keys of 8 to 128 printable characters are told apart to the letter.",
        likely="the database compares without regard to case or to blanks at the end, or the column is too short.",
    )
    def test_keys_are_told_apart_to_the_letter(self, orders: OrderStore, me: AccountId) -> None:
        start = a_key()
        long = start.ljust(127, "x")
        keys = [start, start.upper(), f"{start} ", f" {start}", f"{start}'\"%_\\", f"{long}a", f"{long}b"]
        added = [orders.add(self.draft(me, idempotency_key=key)) for key in keys]
        assert len({order.id for order in added}) == len(keys)
        assert [orders.find_by_key(me, key) for key in keys] == added

    # Replacing and dropping

    @duty(
        "Replace writes what has changed, raises the revision by one, and answers True.",
        likely="some fields are not written, or the answer is a row count or None.",
    )
    def test_replace_writes_and_raises_the_revision(self, orders: OrderStore, me: AccountId) -> None:
        order = orders.add(self.draft(me, status=OrderStatus.PROCESSING))
        changed = replace(
            order,
            status=OrderStatus.PARTIAL,
            remains=2,
            start_count=9,
            due_back=from_units(MAX_UNITS),
            paid_back=from_units(MAX_UNITS - 1),
            ended=LATER,
            children=(*order.children, 2**31 - 1),
            claim="d" * 24,
            worker="worker 2 of 2",
            due=NOW,
            reason=None,
        )
        assert orders.replace(changed) is True
        assert list(orders.find(me, [order.number])) == [replace(changed, revision=order.revision + 1)]

    @duty(
        "Replace of an order that was changed meanwhile answers False, even if its status came back.",
        likely="the revision is not compared, or the status is compared in its place.",
    )
    def test_replace_minds_the_revision(self, orders: OrderStore, me: AccountId) -> None:
        order = orders.add(self.draft(me))
        assert orders.replace(replace(order, status=OrderStatus.PENDING)) is True
        assert orders.replace(replace(order, revision=order.revision + 1)) is True
        stored = list(orders.find(me, [order.id]))
        assert orders.replace(replace(order, status=OrderStatus.CANCELED)) is False
        assert orders.replace(replace(order, revision=order.revision + 9)) is False
        assert list(orders.find(me, [order.id])) == stored

    @duty(
        "Replace stores no order anew.",
        likely="it is an upsert, which brings a dropped order back.",
    )
    def test_replace_stores_no_order_anew(self, orders: OrderStore, me: AccountId) -> None:
        order = self.draft(me, number=1)
        assert orders.replace(order) is False
        assert list(orders.find(me, [order.id])) == []

    @duty(
        "Drop deletes an order that is VOIDING, and frees its key.",
        likely="drop only marks the order, so that its key stays taken.",
    )
    def test_drop_deletes_an_order_that_is_voiding(self, orders: OrderStore, me: AccountId) -> None:
        key = a_key()
        order = orders.add(self.draft(me, status=OrderStatus.VOIDING, idempotency_key=key))
        for _ in range(2):
            orders.drop(order)
            assert list(orders.find(me, [order.id, order.number])) == []
        again = self.draft(me, idempotency_key=key)
        assert orders.add(again).id == again.id
        orders.drop(order)
        assert orders.find_by_key(me, key) is not None

    @duty(
        "Drop minds the status that is stored, whatever its argument says.",
        likely="drop deletes by the id alone; an order that was confirmed meanwhile would be lost with its money.",
    )
    @pytest.mark.parametrize("status", _NOT_VOIDING)
    def test_drop_minds_what_is_stored(self, orders: OrderStore, me: AccountId, status: OrderStatus) -> None:
        order = orders.add(self.draft(me, status=status))
        orders.drop(replace(order, status=OrderStatus.VOIDING))
        assert list(orders.find(me, [order.id])) == [order]

    # Listing

    @duty(
        "Pages come newest first, and none is missed between them.",
        likely="the page is sorted by time, which is not unique, or 'before' includes the number itself.",
    )
    def test_pages_come_newest_first(self, orders: OrderStore, me: AccountId, other: AccountId) -> None:
        added = [orders.add(self.draft(account)) for account in (me, other, me, me, other, me, me)]
        mine = [order for order in reversed(added) if order.account == me]
        assert list(orders.list(me, limit=5)) == mine
        assert list(orders.list(me, limit=2)) == mine[:2]
        assert list(orders.list(me, limit=2, before=mine[1].number)) == mine[2:4]
        assert list(orders.list(me, limit=1, before=mine[3].number)) == mine[4:]

    @duty("A page has fifty orders unless a limit is given.", likely="the limit has another default.")
    def test_a_page_has_fifty_orders(self, orders: OrderStore, me: AccountId) -> None:
        added = [orders.add(self.draft(me)).id for _ in range(51)]
        assert [order.id for order in orders.list(me)] == added[:0:-1]

    @duty(
        "Unpaid orders are on no page, and pages are full for all that.",
        likely="UNPAID and VOIDING orders are shown, or taken out after the page was cut.",
    )
    def test_pages_hide_unpaid_orders(self, orders: OrderStore, me: AccountId) -> None:
        added = [orders.add(self.draft(me, status=status)) for status in OrderStatus]
        shown = [order for order in reversed(added) if order.status not in HIDDEN]
        orders.add(self.draft(me, status=OrderStatus.UNPAID))
        orders.add(self.draft(me, status=OrderStatus.VOIDING))
        assert list(orders.list(me, limit=len(shown))) == shown
        assert list(orders.list(me, limit=3)) == shown[:3]

    @duty(
        "Unsettled are old UNPAID orders, VOIDING ones, and those not fully paid back, of all accounts.",
        likely="a condition is missing, or 'and' binds it to another; then reconcile never sees those orders.",
    )
    def test_unsettled_orders_of_all_accounts(self, orders: OrderStore, me: AccountId, other: AccountId) -> None:
        wanted = [
            self.draft(me, status=OrderStatus.UNPAID),
            self.draft(other, status=OrderStatus.UNPAID, idempotency_key=a_key()),
            self.draft(me, status=OrderStatus.VOIDING),
            self.draft(other, status=OrderStatus.VOIDING, created=LATER),
            self.draft(me, status=OrderStatus.CANCELED, due_back=ONE),
            self.draft(me, status=OrderStatus.PARTIAL, due_back=ONE, paid_back=Decimal("0.99999999"), created=LATER),
        ]
        others = [
            self.draft(me, status=OrderStatus.UNPAID, created=LATER),
            self.draft(me, status=OrderStatus.CANCELED, due_back=ONE, paid_back=ONE),
            *(self.draft(me, status=status) for status in OrderStatus if status not in HIDDEN),
        ]
        for order in (*others, *wanted):
            orders.add(order)
        found = {order.id for order in orders.unsettled(LATER)}
        assert found & {order.id for order in (*others, *wanted)} == {order.id for order in wanted}

    # Refills

    @duty(
        "Refills are found by their id, their number and their order's id, each once.",
        likely="one of the three is not asked for, or a refill comes twice that is named twice.",
    )
    def test_refills_are_found_by_id_number_and_order(self, orders: OrderStore, me: AccountId) -> None:
        order, another = orders.add(self.draft(me)), orders.add(self.draft(me))
        places = ((order.id, 1), (order.id, 2), (another.id, 1))
        one, two, _ = (orders.add_refill(Refill(new_id(), me, id_, n, NOW)) for id_, n in places)
        assert one is not None
        assert two is not None
        names: list[tuple[list[str | int], list[Refill]]] = [
            ([one.id], [one]),
            ([two.number], [two]),
            ([order.id], [one, two]),
            ([order.id, one.id, two.number], [one, two]),
        ]
        for ids, found in names:
            assert sorted(orders.find_refills(me, ids), key=lambda refill: refill.n) == found
        assert list(orders.find_refills(me, [])) == []

    @duty(
        "A refill comes back with every field as it was stored, but for number and revision, which the store gives.",
        likely="a field has no column, or the status is not read back as a RefillStatus.",
    )
    def test_every_field_of_a_refill_is_kept(self, host: Host, orders: OrderStore) -> None:
        for account in host.accounts:
            order = orders.add(self.draft(account))
            claim: dict[str, Any] = {"claim": "c" * 24, "worker": "worker 1 of 2, ö", "due": LATER}
            refill = Refill(new_id(), account, order.id, 3, NOW, RefillStatus.REJECTED, **claim)
            added = orders.add_refill(refill)
            assert added is not None
            assert 0 < added.number < 2**31
            assert replace(added, number=0, revision=refill.revision) == refill
            [found] = orders.find_refills(account, [refill.id])
            assert found == added
            assert of_other_types(found, refill) == of_other_types(added, refill) == []

    @duty(
        "The n-th refill of an order is stored once; add_refill answers None for a second one.",
        likely="no unique index on (account, order, n), or add_refill raises where it should answer None.",
    )
    def test_a_refills_place_is_taken_once(self, orders: OrderStore, me: AccountId) -> None:
        one, other = orders.add(self.draft(me)).id, orders.add(self.draft(me)).id

        def is_stored(order: str, n: int) -> bool:
            return orders.add_refill(Refill(new_id(), me, order, n, NOW)) is not None

        assert [is_stored(one, n) for n in (1, 1, 2, 2)] == [True, False, True, False]
        assert is_stored(other, 1)
        assert len(list(orders.find_refills(me, [one, other]))) == 3

    @duty(
        "Replacing a refill minds its revision and writes what has changed, as with an order.",
        likely="the revision is not compared, or not raised, or the status alone is written.",
    )
    def test_replace_refill_minds_the_revision(self, orders: OrderStore, me: AccountId) -> None:
        order = orders.add(self.draft(me))
        refill = orders.add_refill(Refill(new_id(), me, order.id, 1, NOW))
        assert refill is not None
        done = replace(refill, status=RefillStatus.COMPLETED, claim="c" * 24, worker="worker 1 of 2", due=LATER)
        assert [orders.replace_refill(done), orders.replace_refill(done)] == [True, False]
        assert list(orders.find_refills(me, [refill.id])) == [replace(done, revision=refill.revision + 1)]
        assert orders.replace_refill(replace(refill, id=new_id())) is False

    # Work that waits

    @duty(
        "A store says both which orders and which refills wait, or neither.",
        likely="waiting or refills_waiting is missing, or has another name; the desk then hands out nothing.",
    )
    def test_a_store_has_both_queues_or_none(self, orders: OrderStore) -> None:
        missing = missing_queues(orders)
        if len(missing) == len(_QUEUES):
            pytest.skip(_NO_QUEUE)
        assert missing == []

    @duty(
        "What waits is found across all accounts, in the asked statuses alone, with every field as it is stored.",
        likely="the query names an account, asks for one status, or takes its statuses for granted.",
    )
    def test_what_waits_is_found_across_accounts(self, work: Work, me: AccountId, other: AccountId) -> None:
        work.clear()
        added = [work.add(account, LONG_AGO, status) for status in work.statuses for account in (me, other)]
        for asked in (work.statuses[:1], work.statuses[:2], work.statuses[2:4]):
            found = work.waiting(LONG_AGO + DAY, asked)
            assert sorted(found, key=lambda one: one.number) == [one for one in added if one.status in asked]

    @duty(
        "What waits is due before the moment: not at it, not later, and not without being due at all.",
        likely="'<=' where '<' is meant, times compared without their zone, 'created' where 'due' is meant, or "
        "NULL counts as due.",
    )
    def test_what_waits_is_due_before_the_moment(self, work: Work, me: AccountId) -> None:
        work.clear()
        moments = (LONG_AGO - A_MOMENT, LONG_AGO, LONG_AGO + A_MOMENT, LONG_AGO + timedelta(hours=1), NOW, None)
        before, at, *_ = [work.add(me, due).id for due in moments]
        assert [found.id for found in work.waiting(LONG_AGO)] == [before]
        assert [found.id for found in work.waiting(LONG_AGO + A_MOMENT)] == [before, at]

    @duty(
        "What has been due for longest comes first, and at most as much as was asked for.",
        likely="it is sorted by age, number or status, or the limit cuts before everything else is decided.",
    )
    def test_what_has_waited_for_longest_comes_first(self, work: Work, me: AccountId, other: AccountId) -> None:
        work.clear()
        for due, status in ((LONG_AGO - DAY, work.statuses[2]), (None, None)):
            work.add(me, due, status)  # neither counts
        places = zip((3, 0, 4, 1, 2), (me, other, me, me, other), (0, 1, 0, 0, 1), strict=True)
        added = [work.add(account, LONG_AGO + day * DAY, work.statuses[status]) for day, account, status in places]
        longest_first = sorted(added, key=lambda one: one.due)
        for limit in (9, 5, 3, 1, 0):
            assert work.waiting(LONG_AGO + 9 * DAY, limit=limit) == longest_first[:limit]

    @duty(
        "What somebody else has claimed waits no more, until it is due again; then it comes as it was written.",
        likely="due is not written, or the answer is kept for a while, or the session still holds what it has read.",
    )
    def test_what_was_claimed_waits_no_more(self, work: Work, me: AccountId, elsewhere: Elsewhere) -> None:
        work.clear()
        record = work.add(me, LONG_AGO)
        assert work.waiting(LONG_AGO + DAY) == [record]
        claimed = replace(record, status=work.statuses[1], claim="d" * 24, worker="another", due=LONG_AGO + DAY)
        assert elsewhere(lambda: work.replace(claimed, again=True)) is True
        assert work.waiting(LONG_AGO + DAY) == []
        assert work.waiting(LONG_AGO + 2 * DAY) == [replace(claimed, revision=record.revision + 1)]

    # Committed when a verb returns

    @duty(
        "What a verb did is committed when it returns: another connection sees it.",
        likely="the verb leaves the commit to the end of the request, or to somebody who never comes.",
    )
    def test_orders_are_committed(
        self, orders: OrderStore, other_orders: OrderStore, me: AccountId, elsewhere: Elsewhere
    ) -> None:
        order = orders.add(self.draft(me, status=OrderStatus.UNPAID))
        assert elsewhere(lambda: list(other_orders.find(me, [order.id]))) == [order]
        assert orders.replace(replace(order, status=OrderStatus.VOIDING)) is True
        [voiding] = elsewhere(lambda: list(other_orders.find(me, [order.id])))
        assert (voiding.status, voiding.revision) == (OrderStatus.VOIDING, order.revision + 1)
        orders.drop(voiding)
        assert elsewhere(lambda: list(other_orders.find(me, [order.id]))) == []
        refill = orders.add_refill(Refill(new_id(), me, orders.add(self.draft(me)).id, 1, NOW))
        assert refill is not None
        assert elsewhere(lambda: list(other_orders.find_refills(me, [refill.id]))) == [refill]
        assert orders.replace_refill(replace(refill, status=RefillStatus.COMPLETED)) is True
        [done] = elsewhere(lambda: list(other_orders.find_refills(me, [refill.id])))
        assert done.status is RefillStatus.COMPLETED

    @duty(
        "A verb decides on the newest state, not on what was read before.",
        likely="the session still holds the row that it has read; read it anew, in a transaction of the verb's own.",
    )
    def test_orders_are_read_anew(
        self, orders: OrderStore, other_orders: OrderStore, me: AccountId, elsewhere: Elsewhere
    ) -> None:
        order = orders.add(self.draft(me))
        assert list(orders.find(me, [order.id])) == [order]
        assert elsewhere(lambda: other_orders.replace(replace(order, remains=1))) is True
        assert [found.remains for found in orders.find(me, [order.id])] == [1]
        assert orders.replace(replace(order, remains=3)) is False

    # Races

    @duty(
        "Of eight adds at once with one key one is stored, and all are given that one.",
        likely="add looks for the key and inserts in two steps; let a unique index decide, and read what won.",
        races=1,
    )
    def test_racing_adds_with_one_key_store_one(self, orders: OrderStore, me: AccountId, race: Race) -> None:
        keys = [a_key() for _ in range(4)]
        drafts = [[self.draft(me, idempotency_key=key) for key in keys] for _ in range(THREADS)]
        added = race(THREADS, lambda number: [orders.add(order) for order in drafts[number]])
        found = {order.id for order in orders.find(me, [order.id for row in drafts for order in row])}
        assert len(found) == len(keys)
        assert {order.id for row in added for order in row} == found

    @duty(
        "Adds at once get a number each.",
        likely="the next number is read and raised in two steps.",
        races=1,
    )
    def test_racing_adds_get_a_number_each(self, orders: OrderStore, me: AccountId, race: Race) -> None:
        added = race(THREADS, lambda _: orders.add(self.draft(me)))
        assert len({order.number for order in added}) == THREADS
        ids = [order.id for order in added]
        assert sorted(numbers(orders.find(me, ids))) == sorted(numbers(added))

    @duty(
        "Of eight replaces at once one wins, and what it wrote is stored.",
        likely="the revision is read and written in two steps; let the UPDATE name the revision.",
        races=1,
    )
    def test_of_racing_replaces_one_wins(self, orders: OrderStore, me: AccountId, race: Race) -> None:
        order = orders.add(self.draft(me))
        won = race(THREADS, lambda number: orders.replace(replace(order, remains=number)))
        [found] = orders.find(me, [order.id])
        assert [number for number, answer in enumerate(won) if answer] == [found.remains]
        assert found.revision == order.revision + 1

    @duty(
        "Of confirming and abandoning at once one wins; an order that was confirmed is not dropped.",
        likely="replace and drop decide on what they have read before.",
        races=1,
    )
    def test_confirming_races_abandoning(self, orders: OrderStore, me: AccountId, race: Race) -> None:
        order = orders.add(self.draft(me, status=OrderStatus.UNPAID))

        def decide(number: int) -> bool:
            status = (OrderStatus.AWAITING, OrderStatus.VOIDING)[number % 2]
            won = orders.replace(replace(order, status=status))
            orders.drop(replace(order, status=OrderStatus.VOIDING))
            return won

        won = race(THREADS, decide)
        assert won.count(True) == 1
        confirmed = won.index(True) % 2 == 0
        found = [order.status for order in orders.find(me, [order.id])]
        assert found == ([OrderStatus.AWAITING] if confirmed else [])

    @duty(
        "Of eight n-th refills of an order at once one is stored.",
        likely="add_refill looks and inserts in two steps; let a unique index decide.",
        races=1,
    )
    def test_of_racing_refills_one_is_stored(self, orders: OrderStore, me: AccountId, race: Race) -> None:
        order = orders.add(self.draft(me)).id
        added = race(THREADS, lambda _: orders.add_refill(Refill(new_id(), me, order, 1, NOW)))
        assert added.count(None) == THREADS - 1
        assert [refill for refill in added if refill is not None] == list(orders.find_refills(me, [order]))
