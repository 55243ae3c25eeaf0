"""A strictly typed reader, such as one in C# or Go: an amount is a text, an id a number, a flag a boolean.

``msgspec`` reads strictly: a number where a text is due fails, and so does a field that is not there.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
from dataclasses import replace
from typing import Any, Literal, TypeVar

import msgspec
import pytest

from example_app.demo import PANEL_KEY, SERVICES, STANDARD_KEY
from flask_smmapi import OrderStatus

from ..panel import LINK, Panel
from ..panel import service as a_service
from ..test_example_app import Demo
from .contract import UNKNOWN, url_of

T = TypeVar("T")


class Failure(msgspec.Struct):
    error: str


class Service(msgspec.Struct):
    service: int
    name: str
    type: str
    category: str
    rate: str
    min: str
    max: str
    refill: bool
    cancel: bool
    dripfeed: bool
    desc: str | msgspec.UnsetType = msgspec.UNSET
    average_time: str | msgspec.UnsetType = msgspec.UNSET


class Added(msgspec.Struct):
    order: int


class Progress(msgspec.Struct):
    charge: str
    start_count: str
    status: Literal["Pending", "In progress", "Completed", "Partial", "Canceled", "Processing"]
    remains: str
    currency: str


class DripFeedProgress(Progress):
    runs: str
    orders: list[int]


class SubscriptionProgress(Progress):
    posts: str
    expiry: str
    orders: list[int]


class Canceled(msgspec.Struct):
    order: int
    cancel: Literal[1] | Failure


class Refill(msgspec.Struct):
    refill: str


class RefillOfMany(msgspec.Struct):
    order: int
    refill: int | Failure


class RefillProgress(msgspec.Struct):
    status: Literal["Pending", "In progress", "Completed", "Rejected"]


class RefillProgressOfMany(msgspec.Struct):
    refill: int
    status: Literal["Pending", "In progress", "Completed", "Rejected"] | Failure


class Balance(msgspec.Struct):
    balance: str
    currency: str


def read(type_: type[T], body: bytes) -> T:
    """What *body* says; fails if a field of *type_* is missing, or of another type."""
    return msgspec.json.decode(body, type=type_, strict=True)


def ask(demo: Demo, type_: Any, key: str = PANEL_KEY, **params: Any) -> Any:
    """The answer as a *type_*; urllib raises for an error's status."""
    body = urllib.parse.urlencode({"key": key, **params}).encode()
    with urllib.request.urlopen(url_of(demo), body) as response:
        return read(type_, response.read())


def answer(panel: Panel, type_: Any, **params: Any) -> Any:
    """The answer over WSGI as a *type_*."""
    body = urllib.parse.urlencode({"key": panel.key, **params})
    response = panel.app.test_client().post("/api/v2", data=body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200
    return read(type_, response.data)


def test_the_price_list(demo: Demo) -> None:
    services = ask(demo, list[Service], action="services")
    assert [row.service for row in services] == [service.id for service in SERVICES]
    assert {row.type for row in services} == {service.type for service in SERVICES}
    assert [row.dripfeed for row in services] == [service.dripfeed for service in SERVICES]


def test_the_balance(demo: Demo) -> None:
    assert ask(demo, Balance, action="balance") == Balance("1000000.00000000", "USD")


def test_an_order_and_what_becomes_of_it(demo: Demo) -> None:
    added = ask(demo, Added, action="add", service=123, link=LINK, quantity=1000)
    assert ask(demo, Progress, action="status", order=added.order).status == "Pending"
    assert ask(demo, list[Canceled], action="cancel", orders=f"{added.order},{UNKNOWN}") == [
        Canceled(added.order, 1),
        Canceled(UNKNOWN, Failure("Incorrect order ID")),
    ]
    assert ask(demo, Progress, action="status", order=added.order).status == "Canceled"


def test_many_orders(demo: Demo) -> None:
    ids = [*demo.panel_orders.values(), str(UNKNOWN)]
    *known, unknown = ask(demo, dict[str, msgspec.Raw], action="status", orders=",".join(ids)).values()
    assert [read(Progress, bytes(raw)).status for raw in known] == ["Pending", "Processing", "Completed"]
    assert read(Failure, bytes(unknown)) == Failure("Incorrect order ID")


def test_a_refill(fresh_demo: Demo) -> None:
    asked = ask(fresh_demo, Refill, action="refill", order=fresh_demo.panel_orders["COMPLETED"])
    assert ask(fresh_demo, RefillProgress, action="refill_status", refill=asked.refill) == RefillProgress("Pending")


def test_many_refills(fresh_demo: Demo) -> None:
    ids = f"{fresh_demo.panel_orders['COMPLETED']},{UNKNOWN}"
    asked, unknown = ask(fresh_demo, list[RefillOfMany], action="refill", orders=ids)
    assert unknown == RefillOfMany(UNKNOWN, Failure("Incorrect order ID"))
    ids = f"{asked.refill},{UNKNOWN}"
    assert ask(fresh_demo, list[RefillProgressOfMany], action="refill_status", refills=ids) == [
        RefillProgressOfMany(asked.refill, "Pending"),
        RefillProgressOfMany(UNKNOWN, Failure("Refill not found")),
    ]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"action": "add", "service": UNKNOWN}, "Incorrect service ID"),
        ({"action": "status", "order": UNKNOWN}, "Incorrect order ID"),
        ({"action": "refill_status", "refill": UNKNOWN}, "Refill not found"),
        ({"action": "cancel"}, "Incorrect request"),
        ({"action": "mass_order"}, "Incorrect request"),
    ],
)
def test_a_failure(demo: Demo, params: dict[str, Any], text: str) -> None:
    assert ask(demo, Failure, **params) == Failure(text)


def test_the_other_dialect_is_not_for_such_a_reader(demo: Demo) -> None:
    completed = demo.orders["COMPLETED"]
    for type_, params in (
        (list[Service], {"action": "services"}),
        (Added, {"action": "add", "service": 123, "link": LINK, "quantity": 1000}),
        (Progress, {"action": "status", "order": completed}),
        (list[Canceled], {"action": "cancel", "orders": completed}),
    ):
        with pytest.raises(msgspec.ValidationError):
            ask(demo, type_, STANDARD_KEY, **params)


# What the demo has no example of


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (OrderStatus.AWAITING, "Pending"),
        (OrderStatus.PENDING, "Pending"),
        (OrderStatus.PROCESSING, "Processing"),
        (OrderStatus.IN_PROGRESS, "In progress"),
        (OrderStatus.COMPLETED, "Completed"),
        (OrderStatus.PARTIAL, "Partial"),
        (OrderStatus.CANCELED, "Canceled"),
        (OrderStatus.FAIL, "Canceled"),
        (OrderStatus.ERROR, "Canceled"),
    ],
)
def test_each_status_is_a_word_of_the_fields(panel: Panel, status: OrderStatus, word: str) -> None:
    order = panel.move(panel.place(), status)
    assert answer(panel, Progress, action="status", order=order.number).status == word


def test_the_progress_of_a_drip_feed_and_of_a_subscription(panel: Panel) -> None:
    child = panel.place().number
    drip_feed = panel.place(18, runs=5, interval=30)
    panel.move(drip_feed, OrderStatus.IN_PROGRESS, children=(child,))
    progress = answer(panel, DripFeedProgress, action="status", order=drip_feed.number)
    assert (progress.runs, progress.orders) == ("1", [child])

    subscription = panel.place(13, username="someone", min=1, max=2, delay=0)
    panel.move(subscription, OrderStatus.IN_PROGRESS, children=(child,))
    progress = answer(panel, SubscriptionProgress, action="status", order=subscription.number)
    assert (progress.posts, progress.expiry, progress.orders) == ("1", "", [child])


def test_a_service_that_has_a_description(panel: Panel) -> None:
    panel.store.set_services([replace(a_service(1), dripfeed=True, desc="From real people", average_time="2 hours")])
    [row] = answer(panel, list[Service], action="services")
    assert (row.dripfeed, row.desc, row.average_time) == (True, "From real people", "2 hours")
