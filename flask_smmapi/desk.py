"""The owner's side of orders: hands them to workers, moves them along, and pays back what was not delivered.

Each verb looks at the order as it is stored, writes once, and may be repeated; a repeat changes nothing. Whoever works
on an order presents the record that :meth:`Desk.claim` gave him: its token tells a worker that comes back late that
somebody else has the order by now.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from .errors import IdempotencyKeyReused, ServiceUnavailable
from .hooks import Order, OrderStore, Refill, WorkQueue
from .ids import new_id
from .money import ZERO, price
from .placement import NotPossible, Placement, now
from .statuses import BEGUN, CANCELABLE, HIDDEN, REFILL_NEXT, OrderStatus, RefillStatus

Record = TypeVar("Record", Order, Refill)

LEASE = timedelta(minutes=5)
"""How long a worker may hold an order before he must have begun with it."""

_ROUNDS = 5
"""How often a step is tried when others are faster again and again."""

_SPARE = 16
"""How many more are looked at than are wanted, since other workers may take the first ones at the same time."""


class ClaimLost(NotPossible):
    """Somebody else has the order by now. Whoever hears this leaves it alone."""


class Desk:
    """What an owner does with orders and refills. It works over any order store and any wallet.

    Each verb raises :class:`NotPossible` with a sentence that says why it cannot be done, :class:`ClaimLost` if the
    record's claim is not the order's any more; nothing is changed then. The records that verbs give are the orders as
    they are stored then. :class:`~flask_smmapi.errors.ServiceUnavailable` says that others have changed the order again
    and again; repeat the verb.
    """

    def __init__(self, orders: OrderStore, placement: Placement) -> None:
        self._orders = orders
        self._placement = placement

    # Handing out

    def claim(
        self, limit: int, worker: str, *, lease: timedelta = LEASE, rest: timedelta = timedelta(0)
    ) -> list[Order]:
        """Hand out waiting orders, those that wait for longest first, each to one worker: AWAITING becomes PENDING.

        An order that was claimed and not started within its lease is handed out again; a started one never. While
        many workers claim at once, one may be given fewer than there are; he asks again.

        :param limit: how many at most.
        :param worker: a name for the owner to read, of at most 100 characters.
        :param lease: how long the worker may take to :meth:`start`.
        :param rest: how long a new order is left alone first, so that its client may still cancel it.
        :raises RuntimeError: if the order store has no queue.
        """
        waiting, moment = self._queue.waiting, now()
        given_back = _page(waiting, [OrderStatus.PENDING], moment, limit, _SPARE)
        new = _page(waiting, [OrderStatus.AWAITING], moment - rest, limit, _SPARE)
        claimed: list[Order] = []
        for order in sorted(given_back + new, key=lambda order: order.due or order.created):
            if len(claimed) < limit:
                claimed += filter(None, [self._take(order, worker, lease)])
        return claimed

    def take(self, order: Order, worker: str, *, lease: timedelta = LEASE) -> Order:
        """Hand out this one order, whoever had claimed it."""
        current = self._read(order)
        if current.status not in CANCELABLE:
            raise NotPossible(f"Order {order.id} is {current.status.value}; it is handed out before the work begins.")
        taken = self._take(current, worker, lease)
        if taken is None:
            raise ClaimLost(f"Order {order.id} was changed by somebody else just now.")
        return taken

    def waiting(self, older_than: timedelta = timedelta(0), *, limit: int = 100) -> list[Order]:
        """Orders that :meth:`claim` would hand out, and that have waited for so long; it changes nothing."""
        return _page(self._queue.waiting, sorted(CANCELABLE), now() - older_than, limit)

    def stuck(self, older_than: timedelta = timedelta(days=1), *, limit: int = 100) -> list[Order]:
        """Orders whose work has begun, and that were not moved on for so long; those that wait for longest first."""
        return _page(self._queue.waiting, sorted(BEGUN), now() - older_than, limit)

    # Moving along

    def start(self, order: Order, start_count: int = 0) -> Order:
        """The work begins: PENDING becomes PROCESSING. **Do nothing outside before this was given back.**

        Until then the client may cancel, and another worker may be given the order.

        :param start_count: what the counter that the order raises stood at.
        """
        _require_whole("start_count", start_count)

        def next_step(current: Order) -> Order | None:
            _check_claim(order, current)
            if current.status in BEGUN and current.start_count == start_count:
                return current
            if current.status is not OrderStatus.PENDING:
                raise NotPossible(f"Order {order.id} is {current.status.value}; only a PENDING one can be started.")
            return self._placement.write(current, status=OrderStatus.PROCESSING, start_count=start_count, due=now())

        return self._placement.until_decided(self._read(order), next_step)

    def progress(self, order: Order, remains: int) -> Order:
        """The work goes on: IN_PROGRESS, with *remains* pieces not delivered yet."""
        _require_whole("remains", remains, most=order.count)

        def next_step(current: Order) -> Order | None:
            self._check_begun(order, current)
            if (current.status, current.remains) == (OrderStatus.IN_PROGRESS, remains):
                return current
            return self._placement.write(current, status=OrderStatus.IN_PROGRESS, remains=remains, due=now())

        return self._placement.until_decided(self._read(order), next_step)

    def complete(self, order: Order) -> Order:
        """All was delivered."""
        return self._close(order, OrderStatus.COMPLETED, 0)

    def partial(self, order: Order, remains: int) -> Order:
        """The work is over, and *remains* pieces will not be delivered: what they cost is paid back.

        Once more with more remaining pays back the difference.
        """
        _require_whole("remains", remains, most=order.count)
        return self._close(order, OrderStatus.PARTIAL, remains)

    def cancel(self, order: Order) -> Order:
        """Cancel whatever state the order is in before its end, or after a part: what remains is paid back.

        Children that nobody has begun with are canceled too.
        """
        return self._cancel_children(self._close(order, OrderStatus.CANCELED))

    def fail(self, order: Order, reason: str) -> Order:
        """It cannot be done: what remains is paid back. Children that nobody has begun with are canceled.

        :param reason: for the owner; a client never sees it. At most 1,000 characters.
        """
        _require_text("reason", reason, 1_000)
        return self._cancel_children(self._close(order, OrderStatus.FAIL, reason=reason))

    def place_child(self, order: Order, n: int, *, quantity: int, link: str | None = None) -> Order:
        """Place the order for the *n*-th run of a drip-feed, or the *n*-th post of a subscription, and give it.

        The parent has paid for its runs, or posts, and those cost nothing more. A subscription without an end has paid
        for one post; further ones are charged at its price. Children are handed out like other orders; a client cannot
        cancel them.

        :param n: 1, 2, 3, …; the same *n* is placed once.
        :param quantity: at most what one run, or one post, has.
        :param link: None for the parent's.
        :raises NotEnoughFunds: if a further post cannot be paid.
        """
        current = self._read(order)
        draft = _child(order, n, quantity, link)
        _check_claim(order, current)
        if current.status not in BEGUN:
            return self._placed_before(current, draft)
        try:
            child = self._placement.place(draft)
        except IdempotencyKeyReused:
            raise _another_child(order, n) from None
        try:
            self._placement.until_decided(current, lambda current: self._adopt(order, current, child.number))
        except ClaimLost:  # the child is the other worker's now
            raise
        except NotPossible:  # the parent has ended meanwhile
            self._cancel_before_start(child)
            raise
        return child

    # Refills

    def claim_refills(
        self, limit: int, worker: str, *, lease: timedelta = LEASE, rest: timedelta = timedelta(0)
    ) -> list[Refill]:
        """Hand out refills that wait, like :meth:`claim`; they stay PENDING until they are started.

        :param rest: how long one is left alone first, after it was asked for or its claim has run out.
        """
        claimed: list[Refill] = []
        for refill in _page(self._queue.refills_waiting, [RefillStatus.PENDING], now() - rest, limit, _SPARE):
            if len(claimed) < limit:
                claimed += filter(None, [self._write_refill(refill, **_claim(worker, lease))])
        return claimed

    def waiting_refills(self, older_than: timedelta = timedelta(0), *, limit: int = 100) -> list[Refill]:
        """Refills that :meth:`claim_refills` would hand out, and that have waited for so long; it changes nothing."""
        return _page(self._queue.refills_waiting, [RefillStatus.PENDING], now() - older_than, limit)

    def start_refill(self, refill: Refill) -> Refill:
        """The work begins: PENDING becomes IN_PROGRESS. Do nothing outside before this was given back."""
        return self._move_refill(refill, RefillStatus.IN_PROGRESS)

    def complete_refill(self, refill: Refill) -> Refill:
        """What was lost is delivered again."""
        return self._move_refill(refill, RefillStatus.COMPLETED)

    def reject_refill(self, refill: Refill) -> Refill:
        """Nothing is delivered again."""
        return self._move_refill(refill, RefillStatus.REJECTED)

    def stuck_refills(self, older_than: timedelta = timedelta(days=1), *, limit: int = 100) -> list[Refill]:
        """Refills whose work has begun, and that were not moved on for so long."""
        return _page(self._queue.refills_waiting, [RefillStatus.IN_PROGRESS], now() - older_than, limit)

    @property
    def _queue(self) -> WorkQueue:
        orders: Any = self._orders
        if not (callable(getattr(orders, "waiting", None)) and callable(getattr(orders, "refills_waiting", None))):
            raise RuntimeError(
                f"The order store ({type(orders).__name__}) cannot say which work waits; give it the verbs waiting and "
                "refills_waiting of flask_smmapi.WorkQueue."
            )
        queue: WorkQueue = orders
        return queue

    def _read(self, order: Order) -> Order:
        found = next(iter(self._orders.find(order.account, [order.id])), None)
        if found is None or found.status in HIDDEN:
            raise NotPossible(f"Order {order.id} is not there.")
        return found

    def _take(self, order: Order, worker: str, lease: timedelta) -> Order | None:
        taken = self._placement.write(order, status=OrderStatus.PENDING, **_claim(worker, lease))
        if taken is not None:
            self._placement.tell(order, taken)
        return taken

    def _check_begun(self, order: Order, current: Order) -> None:
        _check_claim(order, current)
        if current.status not in BEGUN:
            raise NotPossible(f"Order {order.id} is {current.status.value}; its work must have begun for this.")

    def _adopt(self, order: Order, current: Order, child: int) -> Order | None:
        """Write the child's number into its parent, once."""
        if child in current.children:
            return current
        self._check_begun(order, current)
        return self._placement.write(current, children=(*current.children, child), due=now())

    def _placed_before(self, parent: Order, draft: Order) -> Order:
        """The child of a parent that has ended, for a repeat.

        :raises NotPossible: if there was none; one that the parent has not heard of is canceled.
        """
        child = self._orders.find_by_key(draft.account, draft.idempotency_key or "")
        if child is not None and child.number not in parent.children:
            self._cancel_before_start(child)
        elif child is not None and child.fingerprint == draft.fingerprint:
            return child
        raise NotPossible(f"Order {parent.id} is {parent.status.value}; its work must have begun for this.")

    def _cancel_children(self, parent: Order) -> Order:
        """Cancel the children that nobody has begun with: a parent that is paid back must not be delivered."""
        if parent.children:
            for child in self._orders.find(parent.account, list(parent.children)):
                self._cancel_before_start(child)
        return parent

    def _cancel_before_start(self, order: Order) -> None:
        def check(current: Order) -> None:
            if current.status not in CANCELABLE:
                raise NotPossible

        with suppress(NotPossible):
            self._placement.close(order, OrderStatus.CANCELED, check=check)

    def _close(self, order: Order, status: OrderStatus, remains: int | None = None, **changes: Any) -> Order:
        return self._placement.close(
            self._read(order), status, remains, check=lambda current: _check_claim(order, current), **changes
        )

    def _move_refill(self, refill: Refill, status: RefillStatus) -> Refill:
        for _ in range(_ROUNDS):
            current = self._read_refill(refill)
            _check_claim(refill, current)
            if current.status is status:
                return current
            if status not in REFILL_NEXT[current.status]:
                raise NotPossible(f"Refill {refill.id} is {current.status.value}; it cannot become {status.value}.")
            written = self._write_refill(current, status=status, due=now())
            if written is not None:
                return written
        raise ServiceUnavailable

    def _read_refill(self, refill: Refill) -> Refill:
        for found in self._orders.find_refills(refill.account, [refill.id]):
            if found.id == refill.id:
                return found
        raise NotPossible(f"Refill {refill.id} is not there.")

    def _write_refill(self, refill: Refill, **changes: Any) -> Refill | None:
        changed = replace(refill, **changes)
        return replace(changed, revision=refill.revision + 1) if self._orders.replace_refill(changed) else None


def _page(
    waiting: Callable[..., Iterable[Record]], statuses: Any, moment: datetime, limit: int, spare: int = 0
) -> list[Record]:
    """At most *limit* records that are due at *moment*, and some to *spare*; none for a limit of 0.

    Databases read a limit of 0 as none at all; and times have whole milliseconds.
    """
    before = moment + timedelta(milliseconds=1)
    return list(waiting(statuses, before, limit=limit + spare)) if limit > 0 else []


def _claim(worker: str, lease: timedelta) -> dict[str, Any]:
    _require_text("worker", worker, 100)
    return {"claim": secrets.token_hex(12), "worker": worker, "due": now() + lease}


def _check_claim(presented: Record, current: Record) -> None:
    if presented.claim != current.claim:
        raise ClaimLost(f"{type(current).__name__} {current.id} was given to another worker ({current.worker}).")


def _require_whole(name: str, value: int, least: int = 0, most: int = 2**63 - 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise NotPossible(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")


def _require_text(name: str, value: str, most: int) -> None:
    if not isinstance(value, str) or len(value) > most:
        raise NotPossible(f"{name} is {value!r}; it must be a text of at most {most} characters.")


def _another_child(order: Order, n: int) -> NotPossible:
    return NotPossible(f"Order {order.id} has another child {n} already.")


def _child(order: Order, n: int, quantity: int, link: str | None) -> Order:
    is_dripfeed, is_subscription = "runs" in order.params, "delay" in order.params
    if not is_dripfeed and not is_subscription:
        raise NotPossible(f"Order {order.id} is no drip-feed and no subscription; it has no children.")
    _require_whole("n", n, 1)
    _require_whole("quantity", quantity, 1, int(order.params["quantity" if is_dripfeed else "max"]))
    most = int(order.params.get("runs" if is_dripfeed else "posts", 0))  # without posts, or with 0, there is no end
    if most and n > most:
        raise NotPossible(f"Order {order.id} is of {most}; it has no child {n}.")
    rate = ZERO if n <= (most or 1) else order.rate
    link = link or order.params.get("link", "")
    own = {name: text for name, text in order.params.items() if is_dripfeed and name not in ("runs", "interval")}
    moment = now()
    return Order(
        id=new_id(),
        account=order.account,
        service=order.service,
        params={**own, "link": link, "quantity": str(quantity)},
        rate=rate,
        per=order.per,
        count=quantity,
        charge=price(rate, quantity, order.per),
        currency=order.currency,
        cancelable=False,
        refillable=order.refillable,
        fingerprint=_fingerprint(["child", order.id, n, quantity, link]),
        created=moment,
        remains=quantity,
        idempotency_key=_child_key(order, n),
        due=moment,
    )


def _child_key(order: Order, n: int) -> str:
    """With a line end in it, which no client can send: else one could take the place of a child."""
    return f"{order.id}\n{n}"


def _fingerprint(values: Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()
