"""Signals: who hears of what, when and how often; and that no receiver is in anybody's way."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from flask import Flask, abort

from flask_smmapi import Account, ClaimLost, NotPossible, Order, OrderStatus, SmmApi, StoreUnavailable, signals
from flask_smmapi.errors import NotEnoughFunds
from flask_smmapi.hooks import DIALECT_NAMES
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore

from .panel import BARE, DEFAULT, DRIPFEED, LINK, SERVICES, WRONG_KEY, Panel, at_once, serve

S = OrderStatus

NAMES = (
    "order_placed",
    "order_status_changed",
    "order_canceled",
    "refill_requested",
    "key_refused",
    "caller_blocked",
)
WORKER, OTHER = "worker 1", "worker 2"
ADD = {"service": DEFAULT, "link": LINK, "quantity": 1000}
NO_WAIT = {"SMMAPI_REFILL_INTERVAL": 0}
AT_ANY_AGE = -timedelta(hours=1)
ADDRESS = "192.0.2.7"
FROM = {"environ_base": {"REMOTE_ADDR": ADDRESS}}


class Heard(NamedTuple):
    """One signal, as a receiver got it."""

    name: str
    sender: Any
    facts: dict[str, Any]


@contextmanager
def hearing(*app: Flask, names: tuple[str, ...] = NAMES) -> Iterator[list[Heard]]:
    """What the signals of those *names* told meanwhile, in their order: of *app*, or of every one."""
    heard: list[Heard] = []
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(connected(name, note_into(heard, name), *app))
        yield heard


def note_into(heard: list[Heard], name: str) -> Callable[..., None]:
    return lambda sender, **facts: heard.append(Heard(name, sender, facts))


def connected(name: str, receiver: Callable[..., Any], *app: Flask) -> Any:
    return getattr(signals, name).connected_to(receiver, *app)


@pytest.fixture
def heard(panel: Panel) -> Iterator[list[Heard]]:
    with hearing(panel.app) as heard:
        yield heard


def names(heard: list[Heard]) -> list[str]:
    return [each.name for each in heard]


def moves(heard: list[Heard]) -> list[tuple[OrderStatus, OrderStatus]]:
    """The status before and after, of each move that was told of."""
    return [(each.facts["before"], each.facts["order"].status) for each in heard if each.name == "order_status_changed"]


def begun(panel: Panel, order: Order) -> Order:
    """The order, with its work begun."""
    return panel.smmapi.desk.start(panel.smmapi.desk.take(order, WORKER))


# An order is placed


def test_a_placed_order_is_told_as_it_is_stored(panel: Panel, heard: list[Heard]) -> None:
    placed = panel.post("add", **ADD).json["order"]
    order = panel.smmapi.status(panel.account, placed)
    assert heard == [("order_placed", panel.app, {"order": order})]
    assert (order.status, order.account) == (S.AWAITING, panel.account.id)


@pytest.mark.parametrize(
    "changes",
    [
        {"service": 999},
        {"link": "no link"},
        {"quantity": 0},
        {"request_id": "short"},
    ],
)
def test_a_refused_order_is_not_told(panel: Panel, heard: list[Heard], changes: dict[str, Any]) -> None:
    assert panel.post("add", **{**ADD, **changes}).status == 400
    assert heard == []


def test_an_order_that_the_account_cannot_pay_is_not_told() -> None:
    panel = Panel(balance="0.99999999")
    with hearing(panel.app) as heard:
        assert panel.post("add", **ADD).json == {"error": "Not enough funds on balance"}
        assert panel.post("add", **ADD, request_id="cart-4711").json == {"error": "Not enough funds on balance"}
        with pytest.raises(NotEnoughFunds):
            panel.place()
    assert heard == []


@pytest.mark.parametrize("verb", ["add", "debit", "replace"])
def test_an_order_whose_storage_fails_is_not_told_and_its_repeat_is(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel()

    def fail(*args: Any) -> Any:
        raise StoreUnavailable

    with hearing(panel.app) as heard:
        with monkeypatch.context() as broken:
            broken.setattr(panel.store, verb, fail)
            assert panel.post("add", **ADD, request_id="cart-4711").status == 503
        assert heard == []
        assert panel.post("add", **ADD, request_id="cart-4711").status == 200
    assert names(heard) == ["order_placed"]


def test_an_idempotent_repeat_is_not_told_again(panel: Panel, heard: list[Heard]) -> None:
    answers = [panel.post("add", **ADD, request_id="cart-4711") for _ in range(3)]
    assert len({answer.json["order"] for answer in answers}) == 1
    assert panel.post("add", **{**ADD, "quantity": 7}, request_id="cart-4711").status == 400
    assert names(heard) == ["order_placed"]


def test_of_eight_repeats_at_once_one_is_told(panel: Panel, heard: list[Heard]) -> None:
    answers = at_once(8, lambda _: panel.post("add", **ADD, request_id="cart-4711"))
    assert {answer.status for answer in answers} == {200}
    assert names(heard) == ["order_placed"]
    assert heard[0].facts["order"].id == answers[0].json["order"]


def test_each_of_two_orders_that_are_alike_is_told(panel: Panel, heard: list[Heard]) -> None:
    orders = [panel.post("add", **ADD).json["order"] for _ in range(2)]
    assert [each.facts["order"].id for each in heard] == orders


def test_an_order_from_python_is_told_without_a_request(panel: Panel, heard: list[Heard]) -> None:
    order = panel.smmapi.place(panel.account, ADD, "cart-4711")
    panel.smmapi.place(panel.account, ADD, "cart-4711")
    assert heard == [("order_placed", panel.app, {"order": order})]


def test_a_child_of_a_drip_feed_is_told_like_any_order_once(panel: Panel) -> None:
    parent = begun(panel, panel.place(DRIPFEED, quantity=500, runs=2, interval=60))
    with hearing(panel.app) as heard:
        child = panel.smmapi.desk.place_child(parent, 1, quantity=500)
        panel.smmapi.desk.place_child(parent, 1, quantity=500)
    assert heard == [("order_placed", panel.app, {"order": child})]
    assert child.charge == 0


# An order moves


def test_each_move_by_the_desk_is_told_with_the_status_before(panel: Panel, heard: list[Heard]) -> None:
    desk, order = panel.smmapi.desk, panel.place()
    [claimed] = desk.claim(1, WORKER, rest=-timedelta(seconds=1))
    told = [claimed, desk.start(claimed, 7), desk.progress(claimed, 400), desk.complete(claimed)]
    assert heard[1:] == [
        ("order_status_changed", panel.app, {"order": then, "before": before})
        for before, then in zip((S.AWAITING, S.PENDING, S.PROCESSING, S.IN_PROGRESS), told, strict=True)
    ]
    assert {then.id for then in told} == {order.id}


ENDINGS: dict[str, tuple[Callable[[Panel, Order], Any], list[tuple[OrderStatus, OrderStatus]]]] = {
    "partial": (
        lambda panel, order: panel.smmapi.desk.partial(begun(panel, order), 250),
        [(S.AWAITING, S.PENDING), (S.PENDING, S.PROCESSING), (S.PROCESSING, S.PARTIAL)],
    ),
    "fail": (lambda panel, order: panel.smmapi.desk.fail(order, "no such post"), [(S.AWAITING, S.FAIL)]),
    "the owner's cancel": (lambda panel, order: panel.smmapi.desk.cancel(order), [(S.AWAITING, S.CANCELED)]),
    "the client's cancel": (lambda panel, order: panel.post("cancel", order=order.id), [(S.AWAITING, S.CANCELED)]),
    "a cancel from Python": (
        lambda panel, order: panel.smmapi.cancel(panel.account, order.id),
        [(S.AWAITING, S.CANCELED)],
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_end_is_told_with_the_status_before(panel: Panel, ending: str) -> None:
    end, expected = ENDINGS[ending]
    order = panel.place()
    with hearing(panel.app) as heard:
        end(panel, order)
    assert moves(heard) == expected


def test_a_repeat_is_not_told(panel: Panel, heard: list[Heard]) -> None:
    desk, order = panel.smmapi.desk, panel.place()
    taken = desk.take(order, WORKER)
    for verb in (desk.start, lambda order: desk.progress(order, 400), lambda order: desk.partial(order, 250)):
        verb(taken)
        before = list(heard)
        verb(taken)
        assert heard == before
    desk.cancel(taken)
    before = list(heard)
    desk.cancel(taken)
    assert panel.post("cancel", order=order.id).json == {"cancel": 1}
    assert heard == before


def test_what_leaves_the_status_as_it_was_is_not_told(panel: Panel) -> None:
    desk = panel.smmapi.desk
    taken = desk.take(desk.take(panel.place(), WORKER), OTHER)
    desk.progress(desk.start(taken), 400)
    with hearing(panel.app) as heard:
        desk.progress(taken, 300)
        desk.partial(taken, 250)
        desk.partial(taken, 300)
    assert moves(heard) == [(S.IN_PROGRESS, S.PARTIAL)]


def test_an_order_that_goes_to_another_worker_keeps_its_status_and_is_not_told(panel: Panel) -> None:
    desk = panel.smmapi.desk
    taken = desk.take(panel.place(), WORKER)
    with hearing(panel.app) as heard:
        desk.take(taken, OTHER)
    assert heard == []


def test_a_verb_that_is_refused_is_not_told(panel: Panel) -> None:
    desk = panel.smmapi.desk
    order = desk.take(panel.place(), WORKER)
    desk.take(order, OTHER)
    bare = panel.place(BARE)
    with hearing(panel.app) as heard:
        for verb in (desk.start, desk.cancel, desk.complete):
            with pytest.raises(ClaimLost):
                verb(order)
        with pytest.raises(NotPossible):
            desk.complete(bare)
        assert panel.post("cancel", order=bare.id).status == 400
        assert panel.post("cancel", order=999).status == 400
    assert heard == []


def test_the_moves_that_eight_verbs_at_once_make_are_a_chain(panel: Panel) -> None:
    desk = panel.smmapi.desk
    order = begun(panel, panel.place())
    verbs: list[Callable[[], Any]] = [
        lambda: desk.progress(order, 700),
        lambda: desk.progress(order, 400),
        lambda: desk.complete(order),
        lambda: desk.partial(order, 250),
        lambda: desk.partial(order, 300),
        lambda: desk.cancel(order),
        lambda: desk.fail(order, "no such post"),
        lambda: desk.start(order),
    ]

    def work(number: int) -> None:
        with suppress(NotPossible):
            verbs[number]()

    with hearing(panel.app) as heard:
        at_once(8, work)
    told = sorted(moves_by_revision(heard))
    ends = [(before, after) for _, before, after in told]
    assert ends[0][0] is S.PROCESSING
    assert [after for _, after in ends[:-1]] == [before for before, _ in ends[1:]]
    assert ends[-1][1] is panel.read(order).status
    assert names(heard).count("order_canceled") == (panel.read(order).status is S.CANCELED)


def test_a_move_that_another_follows_while_its_money_is_paid_back_is_told_as_it_was() -> None:
    store = Bank()
    panel = Panel(store=store)
    order = begun(panel, panel.place())
    store.meanwhile = lambda: panel.smmapi.desk.cancel(order)
    with hearing(panel.app, names=("order_status_changed",)) as heard:
        assert panel.smmapi.desk.partial(order, 250).status is S.CANCELED
    assert sorted(moves(heard)) == [(S.PARTIAL, S.CANCELED), (S.PROCESSING, S.PARTIAL)]
    assert panel.balance == Decimal("99.25")


def moves_by_revision(heard: list[Heard]) -> Iterator[tuple[int, OrderStatus, OrderStatus]]:
    for each, (before, after) in zip(
        (each for each in heard if each.name == "order_status_changed"), moves(heard), strict=True
    ):
        yield each.facts["order"].revision, before, after


# An order is canceled


CANCELS: dict[str, Callable[[Panel, Order], Any]] = {
    "client": lambda panel, order: panel.post("cancel", order=order.id),
    "clients, many": lambda panel, order: panel.post("cancel", orders=f"{order.id},{order.id}"),
    "Python": lambda panel, order: panel.smmapi.cancel(panel.account, order.id),
    "owner": lambda panel, order: panel.smmapi.desk.cancel(order),
}
each_cancel = pytest.mark.parametrize("who", CANCELS)


@each_cancel
def test_a_canceled_order_is_told_when_the_money_is_back(panel: Panel, who: str) -> None:
    order = panel.place()
    balances: list[Decimal] = []
    with hearing(panel.app) as heard, connected("order_canceled", lambda *_, **__: balances.append(panel.balance)):
        CANCELS[who](panel, order)
    assert names(heard) == ["order_canceled", "order_status_changed"]
    assert heard[0] == ("order_canceled", panel.app, {"order": panel.read(order)})
    assert (balances, heard[1].facts["order"].paid_back) == ([Decimal(100)], Decimal(1))


@each_cancel
def test_a_repeated_cancel_is_told_once(panel: Panel, who: str) -> None:
    order = panel.place()
    with hearing(panel.app, names=("order_canceled",)) as heard:
        for _ in range(3):
            CANCELS[who](panel, order)
    assert len(heard) == 1


@each_cancel
def test_of_eight_cancels_at_once_one_is_told(panel: Panel, who: str) -> None:
    order = panel.place()
    with hearing(panel.app) as heard:
        at_once(8, lambda _: CANCELS[who](panel, order))
    assert sorted(names(heard)) == ["order_canceled", "order_status_changed"]


def test_a_cancel_after_a_part_is_told_when_the_rest_is_back_too(panel: Panel) -> None:
    desk = panel.smmapi.desk
    order = desk.partial(desk.progress(begun(panel, panel.place()), 400), 400)
    balances: list[Decimal] = []
    with hearing(panel.app) as heard, connected("order_canceled", lambda *_, **__: balances.append(panel.balance)):
        desk.cancel(order)
    assert moves(heard) == [(S.PARTIAL, S.CANCELED)]
    assert names(heard) == ["order_canceled", "order_status_changed"]
    assert balances == [Decimal("99.4")]


def test_a_canceled_order_that_cost_nothing_is_told(panel: Panel) -> None:
    parent = begun(panel, panel.place(DRIPFEED, quantity=500, runs=2, interval=60))
    child = panel.smmapi.desk.place_child(parent, 1, quantity=500)
    with hearing(panel.app) as heard:
        panel.smmapi.desk.cancel(child)
    assert names(heard) == ["order_canceled", "order_status_changed"]


@pytest.mark.parametrize("verb", ["partial", "fail", "complete"])
def test_no_other_end_is_told_as_canceled(panel: Panel, verb: str) -> None:
    more = {"partial": (250,), "fail": ("no such post",), "complete": ()}[verb]
    order = begun(panel, panel.place())
    with hearing(panel.app) as heard:
        getattr(panel.smmapi.desk, verb)(order, *more)
    assert names(heard) == ["order_status_changed"]


class Bank(MemoryStore):
    """Its next credit fails as `failure` says, before or after it is done; `meanwhile` runs ahead of it."""

    failure: Exception | None = None
    stored = False
    meanwhile: Callable[[], Any] | None = None

    def credit(self, account: Any, amount: Decimal, reference: str) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        failure, self.failure = self.failure, None
        if failure is None or self.stored:
            super().credit(account, amount, reference)
        if failure is not None:
            raise failure


FINISHED: dict[str, Callable[[Panel, Order], Any]] = {
    "reconcile": lambda panel, order: panel.smmapi.reconcile(AT_ANY_AGE),
    **CANCELS,
}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("finished_by", FINISHED)
def test_a_cancel_whose_money_was_late_is_told_once_it_is_back(finished_by: str, stored: bool) -> None:
    store = Bank()
    panel = Panel(store=store)
    order = panel.place()
    balances: list[Decimal] = []
    store.failure, store.stored = StoreUnavailable(), stored
    with hearing(panel.app) as heard, connected("order_canceled", lambda *_, **__: balances.append(panel.balance)):
        assert panel.post("cancel", order=order.id).status == 503
        assert names(heard) == ["order_status_changed"]
        FINISHED[finished_by](panel, order)
        panel.smmapi.reconcile(AT_ANY_AGE)
        panel.post("cancel", order=order.id)
    assert names(heard) == ["order_status_changed", "order_canceled"]
    assert heard[1] == ("order_canceled", panel.app, {"order": panel.read(order)})
    assert balances == [Decimal(100)]


@pytest.mark.parametrize("finished_by", FINISHED)
def test_a_cancel_whose_money_two_pay_back_at_once_is_told_once(finished_by: str) -> None:
    store = Bank()
    panel = Panel(store=store)
    order = panel.place()
    store.meanwhile = lambda: FINISHED[finished_by](panel, order)
    with hearing(panel.app, names=("order_canceled",)) as heard:
        assert panel.post("cancel", order=order.id).json == {"cancel": 1}
    assert heard == [("order_canceled", panel.app, {"order": panel.read(order)})]
    assert panel.balance == 100


def test_another_end_whose_money_reconcile_pays_back_is_not_told_as_canceled() -> None:
    store = Bank()
    panel = Panel(store=store)
    order = panel.place()
    store.failure = StoreUnavailable()
    with hearing(panel.app) as heard:
        with pytest.raises(StoreUnavailable):
            panel.smmapi.desk.fail(order, "no such post")
        assert panel.smmapi.reconcile(AT_ANY_AGE).paid_back == 1
    assert names(heard) == ["order_status_changed"]


# A refill is requested


def test_a_refill_is_told_as_it_is_stored(panel: Panel) -> None:
    order = panel.complete(panel.place())
    with hearing(panel.app) as heard:
        assert panel.post("refill", order=order.id).status == 200
    [refill] = panel.store.find_refills(panel.account.id, [order.id])
    assert heard == [("refill_requested", panel.app, {"refill": refill})]


def test_each_of_many_refills_is_told(panel: Panel) -> None:
    orders = [panel.complete(panel.place()) for _ in range(2)]
    with hearing(panel.app) as heard:
        panel.post("refill", orders=",".join([*(order.id for order in orders), "999"]))
    assert [each.facts["refill"].order for each in heard] == [order.id for order in orders]


def test_a_refused_refill_is_not_told(panel: Panel) -> None:
    early, bare = panel.place(), panel.complete(panel.place(BARE))
    fresh = panel.complete(panel.place(), hours_ago=1)
    with hearing(panel.app) as heard:
        for order in (early, bare, fresh):
            assert panel.post("refill", order=order.id).status == 400
    assert heard == []


def test_of_eight_refills_at_once_one_is_told(panel: Panel) -> None:
    order = panel.complete(panel.place())
    with hearing(panel.app) as heard:
        answers = at_once(8, lambda _: panel.post("refill", order=order.id))
    assert sorted(answer.status for answer in answers) == [200] + 7 * [400]
    assert names(heard) == ["refill_requested"]


def test_a_refill_from_python_is_told_and_what_the_desk_makes_of_it_is_no_request(panel: Panel) -> None:
    order = panel.complete(panel.place())
    with hearing(panel.app) as heard:
        refill = panel.smmapi.refill(panel.account, order.id)
        panel.smmapi.desk.complete_refill(panel.smmapi.desk.start_refill(refill))
    assert heard == [("refill_requested", panel.app, {"refill": refill})]


# A key is refused, a caller is blocked


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@pytest.mark.parametrize(
    ("key", "text"),
    [
        (WRONG_KEY, "Invalid API key"),
        ("0123456789abcdef0123456789abcdef", "Invalid API key format"),
        (None, "Invalid API key format"),
    ],
)
def test_a_refused_key_is_told_with_the_answer_and_the_address_but_not_the_key(
    dialect: str, key: str | None, text: str
) -> None:
    panel = Panel(config={"SMMAPI_DIALECT": dialect})
    with hearing(panel.app) as heard:
        form = {"action": "balance"} if key is None else {"action": "balance", "key": key}
        assert panel.send(data=form, **FROM).json == {"error": text}
    assert heard == [("key_refused", panel.app, {"address": ADDRESS, "text": text})]


def test_a_revoked_key_is_told_likewise_and_that_of_an_inactive_account(panel: Panel, heard: list[Heard]) -> None:
    inactive = panel.store.add_account(Account(2), active=False)
    panel.store.revoke_key(panel.key)
    for key in (panel.key, inactive):
        assert panel.post("balance", key=key).status == 401
    assert heard == 2 * [("key_refused", panel.app, {"address": "127.0.0.1", "text": "Invalid API key"})]


def test_a_good_key_from_where_it_may_not_come_is_told(panel: Panel, heard: list[Heard]) -> None:
    key = panel.store.add_account(Account(2, allowed_ips=("198.51.100.7",)))
    assert panel.send(data={"key": key, "action": "balance"}, **FROM).status == 401
    assert heard == [("key_refused", panel.app, {"address": ADDRESS, "text": "Invalid API key"})]


def test_a_good_key_is_not_told_nor_what_has_none_to_refuse(panel: Panel, heard: list[Heard]) -> None:
    assert panel.post("balance").status == 200
    assert panel.post("no action").status == 400
    assert panel.send(method="GET").status == 405
    assert panel.send(data=b"{", content_type="application/json").status == 400
    assert panel.send(data=b"x" * (1024 * 1024 + 1)).status == 413
    assert heard == []


def test_a_lookup_that_fails_has_refused_no_key() -> None:
    def lookup(key: str) -> Account:
        raise StoreUnavailable

    panel = Panel(key_lookup=lookup)
    with hearing(panel.app) as heard:
        assert panel.post("balance").status == 503
    assert heard == []


def test_each_request_of_a_blocked_caller_is_told_with_the_seconds_until_it_may_come_back() -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS": "2 per 15 minutes"})
    with hearing(panel.app) as heard:
        for _ in range(2):
            assert panel.send(data={"key": WRONG_KEY}, **FROM).status == 401
        blocked = [panel.send(data={"key": key, "action": "balance"}, **FROM) for key in (WRONG_KEY, panel.key)]
    assert [answer.status for answer in blocked] == [429, 429]
    assert names(heard) == ["key_refused", "key_refused", "caller_blocked", "caller_blocked"]
    for answer, told in zip(blocked, heard[2:], strict=True):
        seconds = int(answer.headers["Retry-After"])
        assert told == ("caller_blocked", panel.app, {"address": ADDRESS, "retry_after": seconds})


def test_of_guesses_at_once_each_is_told_as_it_was_answered() -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS": "3 per 15 minutes"})
    with hearing(panel.app) as heard:
        statuses = [answer.status for answer in at_once(8, lambda _: panel.post("balance", key=WRONG_KEY))]
    assert (statuses.count(401), statuses.count(429)) == (3, 5)
    assert (names(heard).count("key_refused"), names(heard).count("caller_blocked")) == (3, 5)


# What is told is durable


def test_whoever_hears_of_an_order_finds_it_so_through_another_connection(mongo_store: Any, mongo_uri: str) -> None:
    panel = Panel(store=mongo_store, config=NO_WAIT)
    other = MongoStore(mongo_uri, alias="another")
    told: list[Any] = []
    found: list[Any] = []

    def read_order(sender: Flask, order: Order, **_: Any) -> None:
        told.append(order)
        found.extend(other.find(order.account, [order.id]))

    def read_refill(sender: Flask, refill: Any) -> None:
        told.append(refill)
        found.extend(other.find_refills(refill.account, [refill.id]))

    balances: list[Decimal] = []
    with ExitStack() as stack:
        for name in ("order_placed", "order_status_changed", "order_canceled"):
            stack.enter_context(connected(name, read_order, panel.app))
        stack.enter_context(connected("refill_requested", read_refill, panel.app))
        stack.enter_context(connected("order_canceled", lambda *_, **__: balances.append(other.balance(1)), panel.app))
        first, second = (panel.post("add", **ADD).json["order"] for _ in range(2))
        panel.post("cancel", order=first)
        panel.smmapi.desk.partial(begun(panel, panel.smmapi.status(panel.account, second)), 250)
        assert panel.post("refill", order=second).status == 200
    assert told == found
    assert [record.status.name for record in told] == [
        *("AWAITING", "AWAITING", "CANCELED", "CANCELED", "PENDING", "PROCESSING", "PARTIAL", "PENDING")
    ]
    assert balances == [Decimal(99)]


def test_repeats_at_once_on_a_database_are_told_once(mongo_store: Any) -> None:
    panel = Panel(store=mongo_store)
    with hearing(panel.app) as heard:
        orders = at_once(8, lambda _: panel.post("add", **ADD, request_id="cart-4711").json["order"])
        at_once(8, lambda _: panel.post("cancel", order=orders[0]))
    assert sorted(names(heard)) == ["order_canceled", "order_placed", "order_status_changed"]


# A receiver that raises


def refuse(sender: Flask, **facts: Any) -> None:
    raise RuntimeError("the mail server is down")


def leave(sender: Flask, **facts: Any) -> None:
    abort(418)


def misunderstand(sender: Flask, nothing_of_this_name: Any) -> None:
    """Cannot be called with the facts."""


HAPPEN: dict[str, Callable[[Panel], tuple[int, Any]]] = {
    "order_placed": lambda panel: panel.post("add", **ADD)[:2],
    "order_status_changed": lambda panel: panel.post("cancel", order=panel.place().id)[:2],
    "order_canceled": lambda panel: panel.post("cancel", order=panel.place().id)[:2],
    "refill_requested": lambda panel: panel.post("refill", refill=panel.complete(panel.place()).id)[:2],
    "key_refused": lambda panel: panel.post("balance", key=WRONG_KEY)[:2],
    "caller_blocked": lambda panel: [panel.post("balance", key=WRONG_KEY)[:2] for _ in range(11)][-1],
}
"""What makes each signal be sent; gives the answer."""


@pytest.mark.parametrize("receiver", [refuse, leave, misunderstand])
@pytest.mark.parametrize("name", NAMES)
def test_a_receiver_that_raises_is_logged_and_disturbs_neither_the_request_nor_other_receivers(
    panel: Panel, name: str, receiver: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = HAPPEN[name](Panel())
    heard: list[list[Heard]] = [[], []]
    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        for others in heard:  # one before and one after, whatever the order is that they are called in
            stack.enter_context(connected(name, note_into(others, name), panel.app))
            stack.enter_context(connected(name, lambda *a, **facts: receiver(*a, **facts), panel.app))
        status, answer = HAPPEN[name](panel)
    assert (status, answer.keys()) == (undisturbed[0], undisturbed[1].keys())
    assert "order" in answer or answer == undisturbed[1]
    assert names(heard[0]) == names(heard[1]) == [name]
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == 2 * [
        ("flask_smmapi", "ERROR", f"A receiver of the signal {name} failed.")
    ]
    assert caplog.text.count(" failed.\nTraceback (most recent call last)") == 2


def test_a_receiver_that_raises_stands_in_no_way_of_the_money(panel: Panel) -> None:
    with ExitStack() as stack:
        for name in NAMES:
            stack.enter_context(connected(name, refuse, panel.app))
        order = panel.smmapi.status(panel.account, panel.post("add", **ADD).json["order"])
        assert panel.balance == 99
        assert panel.post("cancel", order=order.id).json == {"cancel": 1}
    assert (panel.balance, panel.read(order).paid_back) == (Decimal(100), Decimal(1))
    assert panel.smmapi.reconcile(AT_ANY_AGE) == (0, 0, 0)


def test_a_receiver_may_use_the_extension_itself(panel: Panel) -> None:
    """A panel that delivers at once what it sells."""

    def deliver(sender: Flask, order: Order) -> None:
        panel.smmapi.desk.complete(begun(panel, order))

    with hearing(panel.app) as heard, connected("order_placed", deliver, panel.app):
        order = panel.post("add", **ADD).json["order"]
    assert panel.post("status", order=order).json[order]["status"] == "Completed"
    assert moves(heard)[-1] == (S.PROCESSING, S.COMPLETED)


def test_a_muted_signal_is_not_heard(panel: Panel, heard: list[Heard]) -> None:
    """As blinker knows it: a host mutes a signal while it imports old orders."""
    with signals.order_placed.muted():
        panel.post("add", **ADD)
    assert heard == []
    panel.post("add", **ADD)
    assert names(heard) == ["order_placed"]


# Which app


@pytest.mark.parametrize("name", NAMES)
def test_a_receiver_for_one_app_hears_nothing_of_another(name: str) -> None:
    mine, other = Panel(), Panel(app=Flask("other"))
    with ExitStack() as stack:
        mine_heard, others_heard, all_heard = (
            stack.enter_context(hearing(*apps, names=(name,))) for apps in ([mine.app], [other.app], [])
        )
        HAPPEN[name](other)
        assert (names(mine_heard), names(others_heard)) == ([], [name])
        HAPPEN[name](mine)
    assert [each.sender for each in mine_heard] == [mine.app]
    assert [each.sender for each in others_heard] == [other.app]
    assert [each.sender for each in all_heard] == [other.app, mine.app]


def test_two_apps_of_one_extension_and_one_store_are_told_apart() -> None:
    store = MemoryStore(SERVICES)
    key = store.add_account(Account(1), balance=Decimal(100))
    apps = [Flask("shop"), Flask("office")]
    smmapi = SmmApi(store=store)
    for app in apps:
        smmapi.init_app(app)
    with hearing(apps[0]) as first, hearing(apps[1]) as second:
        data = {"key": key, "action": "add", **{name: str(value) for name, value in ADD.items()}}
        order = apps[0].test_client().post("/api/v2", data=data).get_json()["order"]
        with apps[1].app_context():
            smmapi.cancel(Account(1), order)
    assert names(first) == ["order_placed"]
    assert names(second) == ["order_canceled", "order_status_changed"]
    assert {each.sender for each in second} == {apps[1]}


def test_a_receiver_that_nobody_keeps_is_forgotten_as_blinker_does(panel: Panel) -> None:
    heard: list[Heard] = []
    receiver = note_into(heard, "order_placed")
    signals.order_placed.connect(receiver, panel.app)
    panel.place()
    del receiver
    panel.place()
    assert names(heard) == ["order_placed"]


# An integration: a panel that writes to its clients


class Message(NamedTuple):
    """An e-mail."""

    to: str
    subject: str
    text: str


class Mail:
    """Writes to a panel's clients and to its owner; what it would send is in `outbox`."""

    def __init__(self, app: Flask, addresses: dict[Any, str], owner: str) -> None:
        self.outbox: list[Message] = []
        self._addresses = addresses
        self._owner = owner
        signals.order_placed.connect(self.thank, app)
        signals.order_status_changed.connect(self.report, app)
        signals.order_canceled.connect(self.confirm_refund, app)
        signals.refill_requested.connect(self.ask_for_work, app)
        signals.key_refused.connect(self.warn, app)

    def thank(self, sender: Flask, order: Order) -> None:
        self._write(order, f"Order {order.number} is placed", f"It costs {order.charge} {order.currency}.")

    def report(self, sender: Flask, order: Order, before: OrderStatus) -> None:
        if order.status is S.PARTIAL:
            text = f"It was {before.value}. {order.remains} of {order.count} were not delivered; {order.due_back} back."
            self._write(order, f"Order {order.number} is over", text)

    def confirm_refund(self, sender: Flask, order: Order) -> None:
        self._write(order, f"Order {order.number} is canceled", f"{order.paid_back} {order.currency} are paid back.")

    def ask_for_work(self, sender: Flask, refill: Any) -> None:
        self.outbox.append(Message(self._owner, "A refill is wanted", f"Refill {refill.n} of order {refill.order}."))

    def warn(self, sender: Flask, address: str, text: str) -> None:
        self.outbox.append(Message(self._owner, f"Refused: {address}", text))

    def _write(self, order: Order, subject: str, text: str) -> None:
        self.outbox.append(Message(self._addresses[order.account], subject, text))


def test_a_panel_writes_to_its_clients_and_its_owner_what_happens() -> None:
    panel = Panel(config=NO_WAIT)
    client, owner = "client@example.com", "owner@example.com"
    mail = Mail(panel.app, {panel.account.id: client}, owner)

    with serve(panel.app) as url:

        def post(action: str, **params: Any) -> Any:
            data = urlencode({"key": panel.key, "action": action, **params}).encode()
            with urlopen(url, data, timeout=10) as response:
                return json.load(response)

        first, second = (post("add", **ADD, request_id=f"cart-000{n}")["order"] for n in (1, 2))
        assert post("add", **ADD, request_id="cart-0001") == {"order": first}
        assert post("cancel", order=first) == post("cancel", order=first) == {"cancel": 1}
        [claimed] = panel.smmapi.desk.claim(10, WORKER, rest=-timedelta(seconds=1))
        panel.smmapi.desk.progress(panel.smmapi.desk.start(claimed), 600)
        panel.smmapi.desk.partial(claimed, 250)
        panel.smmapi.desk.partial(claimed, 250)
        assert post("refill", refill=second) == {"refill": 1}
        assert post("balance")["balance"] == "99.25000000"

    assert mail.outbox == [
        (client, "Order 1 is placed", "It costs 1.00000000 USD."),
        (client, "Order 2 is placed", "It costs 1.00000000 USD."),
        (client, "Order 1 is canceled", "1.00000000 USD are paid back."),
        (client, "Order 2 is over", "It was IN_PROGRESS. 250 of 1000 were not delivered; 0.25000000 back."),
        (owner, "A refill is wanted", f"Refill 1 of order {second}."),
    ]
