"""The document is law: each of its examples is played over HTTP, each of its tables is compared with ours."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Order, OrderStatus, Refill, RefillStatus
from flask_smmapi.money import price
from flask_smmapi.service_types import SERVICE_TYPES
from flask_smmapi.statuses import HIDDEN

from .document import DOCUMENT, Example, examples, in_order, rows
from .panel import WRONG_KEY, Panel, serve, service

ORDER, OTHER_ORDER = "507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"


def stored(panel: Panel, order_id: str, status: OrderStatus, rate: str = "1.00", **changes: Any) -> Order:
    """An order of 1,000 pieces with the id that the document gives it."""
    order = Order(
        id=order_id,
        account=panel.account.id,
        service=123,
        params={},
        rate=Decimal(rate),
        per=1000,
        count=1000,
        charge=price(Decimal(rate), 1000, 1000),
        currency="USD",
        cancelable=True,
        refillable=True,
        fingerprint="",
        created=datetime.now(timezone.utc) - timedelta(days=3),
        remains=1000,
        status=status,
    )
    return panel.store.add(replace(order, **changes))


def completed(panel: Panel, order_id: str, **changes: Any) -> Order:
    ended = datetime.now(timezone.utc) - timedelta(days=2)
    return stored(panel, order_id, OrderStatus.COMPLETED, remains=0, ended=ended, **changes)


def one_service(panel: Panel) -> None:
    panel.store.set_services(
        [
            service(
                1,
                name="Instagram Followers",
                category="Instagram",
                rate=Decimal("0.001"),
                min=100,
                max=10_000,
            )
        ]
    )


def nothing(panel: Panel) -> None:
    """The panel as it is: service 123 at 1.00, a balance of 100."""


def processing_order(panel: Panel) -> None:
    stored(panel, ORDER, OrderStatus.PROCESSING)


def two_orders(panel: Panel) -> None:
    processing_order(panel)
    completed(panel, OTHER_ORDER, rate="2.50", start_count=100)


def awaiting_order(panel: Panel) -> None:
    stored(panel, ORDER, OrderStatus.AWAITING)


def completed_order(panel: Panel) -> None:
    completed(panel, ORDER)


def completed_refill(panel: Panel) -> None:
    order = completed(panel, OTHER_ORDER)
    refill = Refill(ORDER, order.account, order.id, 1, order.created, RefillStatus.COMPLETED)
    assert panel.store.add_refill(refill) is not None


STATES: dict[tuple[str, str], Callable[[Panel], None]] = {
    ("1. Services List", "Response"): one_service,
    ("2. Add Order", "Response"): nothing,
    ("Single Order Request", "Successful Response"): processing_order,
    ("Single Order Request", "Error Response (Invalid Order ID)"): nothing,
    ("Multiple Orders Request", "Response (Mixed Results)"): two_orders,
    ("Multiple Orders Request", "Response (All Invalid)"): nothing,
    ("4. Cancel Order", "Response"): awaiting_order,
    ("5. Refill Order", "Response"): completed_order,
    ("6. Refill Status", "Response"): completed_refill,
    ("7. Balance", "Response"): nothing,
}
"""What must be so for the document's request to get the document's answer."""


def test_every_example_has_its_state() -> None:
    assert {(example.heading, example.label) for example in examples()} == set(STATES)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("example", list(examples()), ids=lambda example: f"{example.heading}: {example.label}")
def test_example(panel: Panel, example: Example, content_type: str) -> None:
    STATES[example.heading, example.label](panel)
    params = {**example.request, "key": panel.key}
    body = json.dumps(params) if content_type == "application/json" else urllib.parse.urlencode(params)
    with serve(panel.app) as url:
        request = urllib.request.Request(url, body.encode(), {"Content-Type": content_type})
        with urllib.request.urlopen(request) as response:
            text = response.read().decode()
    if example.request["action"] == "add":
        [order] = panel.store.list(panel.account.id)
        text = text.replace(order.id, ORDER)
    assert in_order(text) == example.response


def test_authentication_errors() -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS": "2 per 15 minutes"})
    got = [panel.post("balance", key=key) for key in ("your-api-key", WRONG_KEY, WRONG_KEY)]
    documented = [[int(status), text] for status, text, _ in rows("Authentication Errors")]
    assert [[answer.status, answer.json["error"]] for answer in got] == documented


def test_the_documents_own_key_has_the_right_format(panel: Panel) -> None:
    assert "abcd1234.efgh5678-ijkl9012" in DOCUMENT.read_text("utf-8")
    assert panel.post("balance", key="abcd1234.efgh5678-ijkl9012").json == {"error": "Invalid API key"}


def test_required_parameters_of_each_type() -> None:
    documented = {name: tuple(required.split(", ")) for name, required in rows("Service-Specific Parameters")}
    assert {name: SERVICE_TYPES[name].required for name in documented} == documented


def test_status_codes() -> None:
    assert {code for code, _ in rows("Order Status Codes")} == {status.value for status in set(OrderStatus) - HIDDEN}


def test_ten_failed_attempts(panel: Panel) -> None:
    assert "- 10 failed attempts per IP per 15 minutes" in DOCUMENT.read_text("utf-8")
    got = [panel.post("balance", key=WRONG_KEY) for _ in range(11)]
    assert [answer.status for answer in got] == [401] * 10 + [429]
    assert 14 * 60 < int(got[10].headers["Retry-After"]) <= 15 * 60
