"""Status codes of orders and refills: their words on the wire and the moves that are allowed, as one table each.

The codes are those of api-documentation.md, Order Status Codes; two more exist only while an order is being placed.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class OrderStatus(str, Enum):
    """The state of an order."""

    __hash__ = str.__hash__  # Enum's own is written in Python, and each look into a table or a set below calls it

    UNPAID = "UNPAID"
    VOIDING = "VOIDING"
    AWAITING = "AWAITING"
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    CANCELED = "CANCELED"
    FAIL = "FAIL"
    ERROR = "ERROR"


class RefillStatus(str, Enum):
    """The state of a refill; the value is its word on the wire."""

    PENDING = "Pending"
    IN_PROGRESS = "In progress"
    COMPLETED = "Completed"
    REJECTED = "Rejected"


class Row(NamedTuple):
    """One status.

    :param word: what clients see of it.
    :param panel_word: what clients of the panel dialect see: the words that resellers' scripts know.
    :param next: the statuses that may follow it.
    """

    word: str
    panel_word: str
    next: frozenset[OrderStatus]


_S = OrderStatus
_STOPS = frozenset({_S.CANCELED, _S.FAIL, _S.ERROR})  # may come at any time before the end
_FINAL: frozenset[OrderStatus] = frozenset()

ORDER_STATUSES: dict[OrderStatus, Row] = {
    _S.UNPAID: Row("", "", frozenset({_S.AWAITING, _S.VOIDING})),  # the intent is stored, the money not yet taken
    _S.VOIDING: Row("", "", _FINAL),  # being abandoned; the next step drops it
    _S.AWAITING: Row("Awaiting", "Pending", _STOPS | {_S.PENDING}),
    _S.PENDING: Row("Pending", "Pending", _STOPS | {_S.AWAITING, _S.PROCESSING, _S.IN_PROGRESS}),
    _S.PROCESSING: Row("Processing", "Processing", _STOPS | {_S.IN_PROGRESS, _S.COMPLETED, _S.PARTIAL}),
    _S.IN_PROGRESS: Row("In progress", "In progress", _STOPS | {_S.PROCESSING, _S.COMPLETED, _S.PARTIAL}),
    _S.PARTIAL: Row("Partial", "Partial", frozenset({_S.PARTIAL, _S.CANCELED})),
    _S.COMPLETED: Row("Completed", "Completed", _FINAL),
    _S.CANCELED: Row("Canceled", "Canceled", _FINAL),
    _S.FAIL: Row("Fail", "Canceled", _FINAL),
    _S.ERROR: Row("Error", "Canceled", _FINAL),
}

HIDDEN = frozenset({_S.UNPAID, _S.VOIDING})
"""No answer and no fulfilment ever sees an order in one of these."""

CANCELABLE = frozenset({_S.AWAITING, _S.PENDING})
"""A client may cancel until the work has begun."""

ENDS = frozenset({_S.COMPLETED, _S.PARTIAL, _S.CANCELED, _S.FAIL, _S.ERROR})
"""The work is over; what was not delivered is paid back."""

BEGUN = frozenset({_S.PROCESSING, _S.IN_PROGRESS})
"""Somebody works on it; it is never handed out again."""

REFILLABLE = frozenset({_S.COMPLETED, _S.PARTIAL})
"""Only what was delivered can be refilled."""

_DONE = frozenset({RefillStatus.COMPLETED, RefillStatus.REJECTED})

REFILL_NEXT: dict[RefillStatus, frozenset[RefillStatus]] = {
    RefillStatus.PENDING: _DONE | {RefillStatus.IN_PROGRESS},
    RefillStatus.IN_PROGRESS: _DONE,
    RefillStatus.COMPLETED: frozenset(),
    RefillStatus.REJECTED: frozenset(),
}
"""The statuses that may follow each of a refill."""

REFILL_IN_FLIGHT = frozenset({RefillStatus.PENDING, RefillStatus.IN_PROGRESS})
"""An order has one refill in one of these at a time."""


def is_allowed(current: OrderStatus, following: OrderStatus) -> bool:
    """Whether an order may go from *current* to *following*."""
    return following in ORDER_STATUSES[current].next
