"""The demo's worker: orders come alive, each to its end, and the books add up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from example_app.demo import SERVICES
from example_app.fulfilment import fulfil
from flask_smmapi import OrderStatus, RefillStatus

from .panel import LINK, Panel
from .test_example_app import free_port, running, start

AT_ONCE = -timedelta(seconds=1)


@pytest.fixture
def panel() -> Panel:
    panel = Panel(dialect="panel", config={"SMMAPI_REFILL_INTERVAL": 0})
    panel.store.set_services(SERVICES)
    return panel


def work(panel: Panel, rounds: int) -> None:
    for _ in range(rounds):
        fulfil(panel.smmapi.desk, "worker 1", rest=AT_ONCE, step=AT_ONCE)


def status(panel: Panel, order: int) -> tuple[str, str, str]:
    answer = panel.post("status", order=order).json
    return answer["status"], answer["remains"], answer["charge"]


def test_an_order_goes_along_in_quarters(panel: Panel) -> None:
    order = panel.place(123)
    seen = []
    for _ in range(5):
        work(panel, 1)
        seen.append(status(panel, order.number)[:2])
    assert seen == [
        ("In progress", "750"),
        ("In progress", "500"),
        ("In progress", "250"),
        ("Completed", "0"),
        ("Completed", "0"),
    ]


def test_every_fifth_ends_in_part_and_is_paid_back(panel: Panel) -> None:
    orders = [panel.place(123) for _ in range(5)]
    work(panel, 6)
    ends = [status(panel, order.number) for order in orders]
    assert ends == [("Completed", "0", "1.00000000")] * 4 + [("Partial", "100", "0.90000000")]
    assert panel.balance == Decimal("95.1")


@pytest.mark.parametrize(
    ("params", "children"),
    [
        ({"service": 18, "link": LINK, "quantity": 100, "runs": 3, "interval": 60}, 3),
        ({"service": 13, "username": "somebody", "min": 10, "max": 20, "delay": 0, "posts": 2}, 2),
        ({"service": 13, "username": "somebody", "min": 10, "max": 20, "delay": 0}, 1),
    ],
)
def test_runs_and_posts_are_orders_of_their_own(panel: Panel, params: dict[str, object], children: int) -> None:
    order = panel.smmapi.place(panel.account, params)
    paid = panel.balance
    work(panel, 10)
    answer = panel.post("status", order=order.number).json
    assert (answer["status"], answer["remains"], len(answer["orders"])) == ("Completed", "0", children)
    assert [status(panel, child)[0] for child in answer["orders"]] in (
        ["Completed"] * children,
        ["Completed"] * (children - 1) + ["Partial"],
    )
    assert panel.balance == paid


def test_a_package_is_one_piece(panel: Panel) -> None:
    order = panel.place(2)
    work(panel, 2)
    assert status(panel, order.number)[0] == "Completed"


def test_a_refill_is_begun_and_completed(panel: Panel) -> None:
    order = panel.complete(panel.place(123))
    refill = panel.smmapi.refill(panel.account, order.id)
    work(panel, 2)
    [found] = panel.store.find_refills(1, [refill.id])
    assert found.status is RefillStatus.COMPLETED


def test_a_new_order_is_left_alone_for_half_a_minute(panel: Panel) -> None:
    order = panel.place(123)
    fulfil(panel.smmapi.desk, "worker 1")
    assert panel.read(order).status is OrderStatus.AWAITING
    panel.move(order, OrderStatus.AWAITING, due=order.created - timedelta(seconds=31))
    fulfil(panel.smmapi.desk, "worker 1")
    assert panel.read(order).status is OrderStatus.PROCESSING


def test_an_order_that_its_client_has_canceled_meanwhile_is_left_alone(panel: Panel) -> None:
    order = panel.place(123)
    assert [claimed.id for claimed in panel.smmapi.desk.claim(1, "worker 2")] == [order.id]
    panel.post("cancel", order=order.number)
    work(panel, 3)
    assert status(panel, order.number) == ("Canceled", "1000", "0.00000000")
    assert panel.balance == 100


@pytest.mark.parametrize(("value", "told"), [("on", True), ("off", False)])
def test_the_demo_says_whether_it_works_them_off(value: str, told: bool) -> None:
    with running(EXAMPLE_STORE="memory", EXAMPLE_FULFIL=value) as demo:
        assert ("New orders are worked off" in demo.printed) is told


def test_a_value_that_is_neither_is_a_sentence() -> None:
    process = start(free_port(), EXAMPLE_STORE="memory", EXAMPLE_FULFIL="maybe")
    printed, _ = process.communicate(timeout=20)
    assert (process.returncode, printed) == (1, "EXAMPLE_FULFIL is 'maybe'; it must be on or off.\n")
