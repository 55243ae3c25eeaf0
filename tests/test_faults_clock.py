"""The clock of a worker's machine jumps an hour either way: no money is wrong, and nothing is off for longer than that.

What depends on the time of day: the refill interval, leases and rests of the desk, the age at which reconcile takes an
order, the window of failed attempts, and the age of a session in the demo. Deadlines, and how long a price list or a
storage that failed is left alone, are measured by a clock that nobody sets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from example_app import create_app
from flask_smmapi import ClaimLost, desk_of, placement
from flask_smmapi.stores.mongo import MongoStore

from .guessing import redis_site
from .panel import LINK, Panel
from .test_limiter_integration import BLOCKED_AFTER_TEN, RedisServer, redis
from .test_mongo_connection import UNAVAILABLE
from .test_throttle import guess, guesses

__all__ = ["redis"]

HOUR, MINUTE = 3600.0, 60.0
WINDOW = 15 * MINUTE
EITHER_WAY = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"])


class SetClock:
    """A time of day that goes on as it does, and can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds ahead of the right time."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """In the place of what is asked for the time of day."""
    clock, real = SetClock(), time.time

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=clock.ahead)

    monkeypatch.setattr(placement, "datetime", Moved)
    monkeypatch.setattr(time, "time", lambda: real() + clock.ahead)
    return clock


@EITHER_WAY
def test_the_ledger_is_in_the_order_in_which_it_was_written(
    jump: float, clock: SetClock, mongo_store: MongoStore
) -> None:
    """Whatever the moments in it say."""
    panel = Panel(store=mongo_store)
    before = panel.place()
    clock.ahead = jump
    panel.smmapi.cancel(panel.account, before.id)
    after = panel.place()
    clock.ahead = 0
    panel.place()
    assert [line.balance for line in mongo_store.statement(1)] == [100, 99, 100, 99, 98]
    assert list(mongo_store.audit(older_than=timedelta(hours=-2))) == []
    assert (panel.read(after).number or 0) > (panel.read(before).number or 0)
    assert panel.smmapi.reconcile(timedelta(hours=-2)) == (0, 0, 0)


@EITHER_WAY
def test_a_refill_is_possible_an_hour_early_or_late(jump: float, clock: SetClock) -> None:
    panel = Panel(config={"SMMAPI_REFILL_INTERVAL": int(HOUR)})
    order = panel.complete(panel.place(), hours_ago=0.1)
    too_early = panel.post("refill", refill=order.id)
    assert too_early.status == 400
    clock.ahead = jump
    answer = panel.post("refill", refill=order.id)
    if jump > 0:
        assert answer.status == 200
    else:
        assert answer[:2] == too_early[:2]
        clock.ahead = HOUR
        assert panel.post("refill", refill=order.id).status == 200


def test_a_lease_that_ends_early_gives_the_order_to_one_worker_more_and_the_first_cannot_begin(clock: SetClock) -> None:
    panel = Panel()
    desk, order = desk_of(panel.app), panel.place()
    [first] = desk.claim(1, "first", lease=timedelta(minutes=30))
    clock.ahead = HOUR
    [second] = desk.claim(1, "second", lease=timedelta(minutes=30))
    with pytest.raises(ClaimLost):
        desk.start(first)
    assert (first.id, desk.start(second).id) == (order.id, order.id)


def test_what_was_ordered_while_the_clock_was_ahead_is_handed_out_when_it_has_caught_up(clock: SetClock) -> None:
    panel = Panel()
    desk = desk_of(panel.app)
    clock.ahead = HOUR
    order = panel.place()
    clock.ahead = 0
    assert desk.claim(1, "worker") == []
    clock.ahead = HOUR + 1
    assert [claimed.id for claimed in desk.claim(1, "worker")] == [order.id]


def test_an_order_on_its_way_that_looks_old_is_abandoned_and_costs_nothing(
    clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel()
    debit: Callable[..., bool] = panel.store.debit

    def jump_and_debit(*args: Any) -> bool:
        clock.ahead = HOUR
        assert panel.smmapi.reconcile() == (1, 0, 0)
        return debit(*args)

    monkeypatch.setattr(panel.store, "debit", jump_and_debit)
    assert panel.post("add", service=1, link=LINK, quantity=1000)[:2] == UNAVAILABLE
    monkeypatch.undo()
    assert panel.balance == 100
    assert not panel.store.list(1)


def test_an_order_that_looks_young_waits_for_reconcile_an_hour_longer(
    clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel()
    with monkeypatch.context() as killed:
        killed.setattr(panel.store, "debit", lambda *_: 1 / 0)
        killed.setattr(panel.store, "replace", lambda *_: 1 / 0)
        assert panel.post("add", service=1, link=LINK, quantity=1000).status == 500
    clock.ahead = -HOUR
    assert panel.smmapi.reconcile() == (0, 0, 0)
    clock.ahead = 2 * MINUTE
    assert panel.smmapi.reconcile() == (1, 0, 0)
    assert panel.balance == 100


@pytest.mark.parametrize("storage", ["memory", "redis"])
def test_a_blocked_caller_is_blocked_for_an_hour_more_or_not_at_all(
    storage: str, clock: SetClock, request: pytest.FixtureRequest
) -> None:
    if storage == "memory":
        panel = Panel()
    else:
        server: RedisServer = request.getfixturevalue("redis")
        panel = redis_site(server.uri).set_up()
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    clock.ahead = -HOUR
    refused = guess(panel, key=panel.key)
    assert refused.status == 429
    assert WINDOW <= int(refused.headers["Retry-After"]) <= HOUR + WINDOW + 1
    clock.ahead = HOUR
    assert guess(panel, key=panel.key).status == 200


def test_a_session_of_the_demo_from_the_future_has_to_sign_in_again(
    clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_STORE", "memory")
    visitor = create_app({"WTF_CSRF_ENABLED": False}).test_client()
    assert visitor.post("/sign-in", data={"user": "owner"}).status_code == 302
    signed_in = visitor.get("/").headers.get("Location")
    assert signed_in
    clock.ahead = -HOUR
    assert "Location" not in visitor.get("/").headers
    assert visitor.post("/sign-in", data={"user": "owner"}).status_code == 302
    assert visitor.get("/").headers["Location"] == signed_in
