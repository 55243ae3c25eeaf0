"""The only place where money and orders meet: placing, abandoning, paying back, and putting right what a kill left.

Each step below is one verb of a hook, durable when it returns, and safe to repeat. Whoever is killed between two steps
leaves an order that says what is missing; :meth:`Placement.reconcile` finds it.

* Placing: the intent is stored (UNPAID), the wallet debited under the order's id, the order confirmed (AWAITING).
* Abandoning: the order is claimed (UNPAID -> VOIDING), its debit undone and barred for ever, the order dropped.
* Paying back: one write says what the order owes (`due_back`), the wallet is credited, the order says so (`paid_back`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, TypeAlias

from .errors import IdempotencyKeyReused, NotCancelable, NotEnoughFunds, ServiceUnavailable
from .hooks import Order, OrderStore, Wallet
from .money import MAX_UNITS, is_chargeable, price, subtract, to_units
from .statuses import CANCELABLE, ENDS, HIDDEN, OrderStatus, is_allowed

log = logging.getLogger("flask_smmapi")

Notify: TypeAlias = Callable[..., None]
"""Tells whoever wants to know what has happened: the name of a signal, and its facts by name. It never raises."""

_TRIES = 5
"""How often a step is tried on a fresh record when others keep changing the order; then the client hears 503."""


def now() -> datetime:
    """The time in UTC, saying so, and to the millisecond, which is what every database keeps."""
    moment = datetime.now(timezone.utc)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class NotPossible(ValueError):
    """The owner's verb cannot be done with that order; the sentence says why. Nothing was changed."""


class Reconciled(NamedTuple):
    """What one run of :meth:`Placement.reconcile` did."""

    abandoned: int
    paid_back: int
    failed: int


class Placement:
    """Moves orders of one order store against money of one wallet."""

    def __init__(self, wallet: Wallet, orders: OrderStore, notify: Notify = lambda name, **facts: None) -> None:
        self._wallet = wallet
        self._orders = orders
        self._notify = notify

    def place(self, draft: Order) -> Order:
        """Store, debit and confirm *draft*; give the order that the client may be told of.

        If another caller placed an order with the same idempotency key meanwhile, that one is finished and given.

        :raises NotEnoughFunds: if the wallet refused; the order is gone again.
        :raises IdempotencyKeyReused: if the other order was made of other parameters.
        :raises ServiceUnavailable: if somebody else abandoned the order meanwhile. It costs nothing.
        """
        if not is_chargeable(draft.charge) or draft.count > MAX_UNITS:  # a store keeps either in 64 bits
            raise NotEnoughFunds
        for _ in range(_TRIES):
            stored = self._orders.add(draft)
            order = self._pay(stored) if stored.id == draft.id else self._resume(stored, draft.fingerprint)
            if order is not None:
                return order
        raise ServiceUnavailable

    def earlier(self, account: str | int, idempotency_key: str, fingerprint: str) -> Order | None:
        """The order that was placed with that key before, finished if it was not; None if there is none.

        :raises IdempotencyKeyReused: if it was made of other parameters.
        """
        order = self._orders.find_by_key(account, idempotency_key)
        return order and self._resume(order, fingerprint)

    def _resume(self, order: Order, fingerprint: str) -> Order | None:
        """Finish what an earlier caller began; None if that was abandoned, so that the key is free again."""
        if order.status is OrderStatus.VOIDING:
            self._abandon(order)
            return None
        if order.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return self._pay(order) if order.status is OrderStatus.UNPAID else order

    def _pay(self, order: Order) -> Order:
        try:
            debited = self._wallet.debit(order.account, order.charge, order.id)
            if not isinstance(debited, bool):  # not to guess whether money was taken
                raise TypeError(f"The wallet's debit must answer True or False, not {type(debited).__name__}.")
            if debited:
                return self._confirm(order)
        except Exception:  # whether the money was taken is unknown, whatever it is; it is raised again
            self._try_to_abandon(order)
            raise
        # Nobody else can have debited an order without a key, so there is nothing to undo.
        if self._abandon(order, void=order.idempotency_key is not None):
            raise NotEnoughFunds
        return self._reread(order)

    def _confirm(self, order: Order) -> Order:
        confirmed = self.write(order, status=OrderStatus.AWAITING)
        if confirmed is None:
            return self._reread(order)
        self._notify("order_placed", order=confirmed)
        return confirmed

    def _reread(self, order: Order) -> Order:
        """Somebody else decided about *order*: the order as it is if it lives."""
        found = self._find(order)
        if found is None or found.status in HIDDEN:
            raise ServiceUnavailable
        return found

    def _try_to_abandon(self, order: Order) -> None:
        try:
            self._abandon(order)
        except Exception:  # whatever it is, the step's own exception is the one to report, and reconcile comes back
            log.warning("Order %s could not be abandoned; reconcile will.", order.id, exc_info=True)

    def _abandon(self, order: Order, *, void: bool = True) -> bool:
        """Make an unpaid order disappear; False if it was somebody else's to decide, and nothing was done."""
        voiding = order if order.status is OrderStatus.VOIDING else self.write(order, status=OrderStatus.VOIDING)
        if voiding is None:
            return False
        if void:
            self._wallet.void(voiding.account, voiding.id)
        self._orders.drop(voiding)
        return True

    def cancel(self, order: Order) -> Order:
        """Cancel an order that nobody works on yet, and pay its whole charge back, once.

        :raises NotCancelable: if its service knows no cancel, or the work has begun.
        """

        def next_step(current: Order) -> Order | None:
            if current.cancelable and current.status is OrderStatus.CANCELED:
                return current
            if not current.cancelable or current.status not in CANCELABLE:
                raise NotCancelable
            return self._end(current, OrderStatus.CANCELED, current.count)

        return self.until_decided(order, next_step)

    def close(
        self,
        order: Order,
        status: OrderStatus,
        remains: int | None = None,
        *,
        check: Callable[[Order], None] = lambda current: None,
        **changes: Any,
    ) -> Order:
        """End *order* in *status* with *remains* pieces undelivered, and pay back what those cost.

        Repeating it changes nothing.

        :param status: one of :data:`flask_smmapi.statuses.ENDS`.
        :param remains: None for what remains by then.
        :param check: is shown the order as it is before each try, and may raise.
        :param changes: of other fields, written with the status.
        :raises NotPossible: if the order may not go there, or so many pieces cannot remain.
        """
        if status not in ENDS or not 0 <= (remains or 0) <= order.count:
            raise NotPossible(f"An order of {order.count} cannot end as {status.value} with {remains} remaining.")

        def next_step(current: Order) -> Order | None:
            check(current)
            left = current.remains if remains is None else remains
            if (current.status, current.remains) == (status, left):
                return current
            if not is_allowed(current.status, status):
                raise NotPossible(f"Order {order.id} is {current.status.value}; it cannot become {status.value}.")
            if current.status is OrderStatus.PARTIAL and left < current.remains:
                raise NotPossible(f"Order {order.id} was paid back for {current.remains} remaining; that never falls.")
            return self._end(current, status, left, **changes)

        return self.until_decided(order, next_step)

    def until_decided(self, order: Order, next_step: Callable[[Order], Order | None]) -> Order:
        """Take *next_step* on fresh records until one is not overtaken; pay back before and after.

        :param next_step: gives the order as it has written it; None if somebody was faster.
        :raises ServiceUnavailable: if others are faster again and again, or the order is gone.
        """
        current: Order | None = order
        for _ in range(_TRIES):
            if current is None:
                break
            before = self._settle(current)
            moved = next_step(before)
            if moved is not None:
                return self._finish_move(before, moved)
            current = self._find(order)
        raise ServiceUnavailable

    def _finish_move(self, before: Order, moved: Order) -> Order:
        """Pay back what *moved* owes, and tell of the move, in this order: whoever is told may take his time."""
        if moved.due_back == moved.paid_back and before.status is not moved.status:
            self._tell_of_cancel(moved)
        told = moved
        try:
            done = self._settle(moved)
            if done.status is moved.status:  # else another move has followed, which its own caller tells of
                told = done
            return done
        finally:
            self.tell(before, told)

    def _end(self, order: Order, status: OrderStatus, remains: int, **changes: Any) -> Order | None:
        """The one write that says both what became of *order* and what it owes; None if somebody was faster."""
        due_back = subtract(order.charge, price(order.rate, order.count - remains, order.per))
        moment = now()
        ended = {"remains": remains, "due_back": due_back, "ended": moment, "due": moment}
        return self.write(order, status=status, **ended, **changes)

    def _settle(self, order: Order) -> Order:
        """Pay back what *order* owes; give it as it is then."""
        for _ in range(_TRIES):
            if order.paid_back == order.due_back:
                return order
            reference = f"{order.id}:back:{to_units(order.paid_back)}"
            self._wallet.credit(order.account, subtract(order.due_back, order.paid_back), reference)
            settled = self.write(order, paid_back=order.due_back)
            if settled is not None:
                self._tell_of_cancel(settled)  # whoever writes it, of many that pay back
            order = settled or self._reread(order)
        raise ServiceUnavailable

    def reconcile(self, older_than: timedelta = timedelta(minutes=1)) -> Reconciled:
        """Finish what was left undone: abandon unpaid orders, pay back what is owed. It never confirms.

        Several at once are safe, and so is one that meets a slow caller: the age is a courtesy. An order that cannot
        be put right is logged and left for the next run.

        :param older_than: how old an unpaid order must be.
        """
        abandoned = paid_back = failed = 0
        for order in self._orders.unsettled(now() - older_than):
            try:
                if order.status in HIDDEN:
                    abandoned += self._abandon(order)
                else:
                    self._settle(order)
                    paid_back += 1
            except Exception:  # one order that is beyond help must not keep the others waiting
                log.exception("Order %s could not be reconciled.", order.id)
                failed += 1
        return Reconciled(abandoned, paid_back, failed)

    def tell(self, before: Order, order: Order) -> None:
        """Tell of *order* if its status was another one *before*."""
        if before.status is not order.status:
            self._notify("order_status_changed", order=order, before=before.status)

    def _tell_of_cancel(self, order: Order) -> None:
        if order.status is OrderStatus.CANCELED:
            self._notify("order_canceled", order=order)

    def write(self, order: Order, **changes: Any) -> Order | None:
        """*order* with these changes, as it is stored then; None if somebody else has changed it meanwhile."""
        changed = order.changed(**changes)
        return changed.changed(revision=order.revision + 1) if self._orders.replace(changed) else None

    def _find(self, order: Order) -> Order | None:
        return next(iter(self._orders.find(order.account, [order.id])), None)
