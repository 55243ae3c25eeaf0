"""A fulfilment worker, as an owner writes one: it takes orders from the desk, moves them along, and refills.

The desk is all that it knows. It keeps nothing in mind, so it may be killed at any time, and many may run at once.
The work itself is the passing of time here: an order gets a quarter of its pieces every five seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from flask_smmapi import Desk, NotPossible, Order, Refill, SmmError

Record = TypeVar("Record", Order, Refill)

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two rounds."""

REST = timedelta(seconds=30)
"""How long a new order, or a refill, is left alone, so that one can cancel it by hand."""

STEP = timedelta(seconds=5)
"""How long a part of the work takes."""

AT_ONCE = 10
"""How many orders a worker takes in one round."""


def fulfil_forever(desk: Desk, worker: str) -> None:
    wait = threading.Event()
    while not wait.wait(EVERY):
        try:
            fulfil(desk, worker)
        except Exception:  # the store is away, for instance; the next round comes
            log.exception("A round of the fulfilment failed; the next one comes.")


def fulfil(desk: Desk, worker: str, *, rest: timedelta = REST, step: timedelta = STEP) -> None:
    """One round: begin with what waits, and move along what is due for its next part."""
    for order in desk.claim(AT_ONCE, worker, rest=rest):
        attempt(order, lambda order: desk.start(order, start_count=250))
    for order in desk.stuck(step):
        attempt(order, lambda order: move_along(desk, order))
    for refill in desk.claim_refills(AT_ONCE, worker, rest=rest):
        attempt(refill, desk.start_refill)
    for refill in desk.stuck_refills(step):
        attempt(refill, desk.complete_refill)


def attempt(record: Record, verb: Callable[[Record], object]) -> None:
    """Do it, unless somebody was faster: a client who cancels, or another worker."""
    try:
        verb(record)
    except (NotPossible, SmmError) as reason:
        log.info("%s", reason)


def move_along(desk: Desk, order: Order) -> None:
    """Deliver the next part of *order*; every fifth one ends with a tenth that cannot be delivered.

    Parents and their children are delivered in full here: what a child lacks is paid back through its parent.
    """
    part = next_child(desk, order) or -(-order.count // 4)
    remains = max(order.remains - part, 0)
    lost = order.count // 10 if order.number % 5 == 0 and is_alone(order) else 0
    if remains > lost:
        desk.progress(order, remains)
    elif lost:
        desk.partial(order, lost)
    else:
        desk.complete(order)


def is_alone(order: Order) -> bool:
    """Whether *order* is neither a parent nor a child that its parent has paid for."""
    return bool(order.charge) and "runs" not in order.params and "delay" not in order.params


def next_child(desk: Desk, order: Order) -> int:
    """Place the order for the next run of a drip-feed, or the next post of a subscription; gives its pieces, else 0."""
    params = order.params
    if "runs" not in params and "delay" not in params:
        return 0
    quantity = int(params["quantity" if "runs" in params else "max"])
    n = (order.count - order.remains) // quantity + 1  # the same again, if this was killed before it was written down
    link = params.get("link") or f"https://example.com/{params['username']}/{n}"
    return desk.place_child(order, n, quantity=quantity, link=link).count
