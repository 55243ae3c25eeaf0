"""The status codes of orders: which are final, and which may follow which."""

from __future__ import annotations

import pytest

from flask_smmapi import NotPossible, OrderStatus
from flask_smmapi.placement import Placement
from flask_smmapi.statuses import ENDS, HIDDEN, ORDER_STATUSES, is_allowed

from .panel import Panel

STOPPED = ("CANCELED", "FAIL", "ERROR")
FOLLOWING = {
    # while it is being placed
    "UNPAID": {"AWAITING", "VOIDING"},
    "VOIDING": set(),
    # AWAITING → PENDING → PROCESSING / IN_PROGRESS → COMPLETED | PARTIAL | CANCELED | FAIL | ERROR
    "AWAITING": {"PENDING", *STOPPED},
    "PENDING": {"PROCESSING", "IN_PROGRESS", "AWAITING", *STOPPED},  # back, when a worker's claim runs out
    "PROCESSING": {"IN_PROGRESS", "COMPLETED", "PARTIAL", *STOPPED},
    "IN_PROGRESS": {"PROCESSING", "COMPLETED", "PARTIAL", *STOPPED},
    # PARTIAL may become PARTIAL with more remaining, or CANCELED
    "PARTIAL": {"PARTIAL", "CANCELED"},
    # final
    "COMPLETED": set(),
    "CANCELED": set(),
    "FAIL": set(),
    "ERROR": set(),
}
"""What the protocol says of each status."""

VISIBLE = [status for status in OrderStatus if status not in HIDDEN]


@pytest.mark.parametrize("current", OrderStatus)
@pytest.mark.parametrize("following", OrderStatus)
def test_what_may_follow(current: OrderStatus, following: OrderStatus) -> None:
    assert is_allowed(current, following) == (following.value in FOLLOWING[current.value])


def test_every_status_has_its_row() -> None:
    assert set(ORDER_STATUSES) == set(OrderStatus)


def test_only_what_is_being_placed_is_hidden() -> None:
    assert {status.value for status in HIDDEN} == {"UNPAID", "VOIDING"}


@pytest.mark.parametrize("final", ["COMPLETED", "CANCELED", "FAIL", "ERROR"])
def test_a_final_status_has_no_exit(final: str) -> None:
    assert not any(is_allowed(OrderStatus(final), following) for following in OrderStatus)


def test_no_paid_order_is_hidden_again() -> None:
    assert not any(is_allowed(current, hidden) for current in VISIBLE for hidden in HIDDEN)


def test_every_status_can_be_reached() -> None:
    reached = {OrderStatus.UNPAID}
    for _ in OrderStatus:
        reached |= {following for current in reached for following in OrderStatus if is_allowed(current, following)}
    assert reached == set(OrderStatus)


@pytest.mark.parametrize("current", VISIBLE)
@pytest.mark.parametrize("end", sorted(ENDS))
def test_an_order_ends_where_the_table_allows_it_and_nowhere_else(
    panel: Panel, current: OrderStatus, end: OrderStatus
) -> None:
    order = panel.move(panel.place(), current, remains=400)
    placement = Placement(panel.store, panel.store)
    remains = 0 if end is OrderStatus.COMPLETED else 500
    if end.value in FOLLOWING[current.value]:
        assert placement.close(order, end, remains).status is panel.read(order).status is end
    else:
        with pytest.raises(NotPossible, match=f"is {current.value}; it cannot become {end.value}"):
            placement.close(order, end, remains)
        assert panel.read(order) == order
        assert panel.balance == 99
