"""smmpy, the client on PyPI: a form by requests, and an exception for each error."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from smmpy import smm

from example_app.demo import NO_MONEY_KEY, PANEL_KEY, SERVICES

from ..panel import LINK, WRONG_KEY, Panel
from ..test_example_app import Demo, running
from .contract import TOO_EARLY, UNKNOWN, url_of


@pytest.fixture
def client(demo: Demo) -> smm:
    return smm(url_of(demo), PANEL_KEY)


def refusal(call: Any, *arguments: Any) -> str:
    """The text of the exception that the call raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - it knows no other
        call(*arguments)
    assert type(raised.value) is Exception
    return str(raised.value)


@pytest.mark.parametrize(
    ("order", "remains", "charge"),
    [
        pytest.param({"service": 123, "quantity": 1000}, "1000", "1.00000000", id="default"),
        pytest.param({"service": "123", "quantity": "1000"}, "1000", "1.00000000", id="default-in-strings"),
        pytest.param({"service": 3, "quantity": 7, "comments": "One\nTwo"}, "2", "0.02400000", id="comments"),
        pytest.param({"service": 3, "quantity": None, "comments": "One\r\nTwo"}, "2", "0.02400000", id="no-quantity"),
        pytest.param({"service": 2, "quantity": 50}, "1", "4.90000000", id="package"),
        pytest.param({"service": 18, "quantity": 100, "runs": 5, "interval": 30}, "500", "0.60000000", id="drip-feed"),
    ],
)
def test_it_orders(client: smm, order: dict[str, Any], remains: str, charge: str) -> None:
    before = Decimal(client.get_balance()["balance"])
    placed = client.add_order(link=LINK, **order)
    assert list(placed) == ["order"]
    assert type(placed["order"]) is int
    assert client.get_status(placed["order"]) == {
        "charge": charge,
        "start_count": "0",
        "status": "Pending",
        "remains": remains,
        "currency": "USD",
    }
    assert before - Decimal(client.get_balance()["balance"]) == Decimal(charge)


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ({"service": UNKNOWN, "quantity": 1000}, "Incorrect service ID"),
        ({"service": 123, "quantity": None}, "Incorrect quantity"),
        ({"service": 123, "quantity": 9}, "Quantity less than minimal 10"),
        ({"service": 123, "quantity": 100_001}, "Quantity more than maximum 100000"),
        ({"service": 18, "quantity": 10_000, "runs": 100_000, "interval": 1}, "Not enough funds on balance"),
    ],
)
def test_it_raises_why_an_order_is_refused(client: smm, order: dict[str, Any], text: str) -> None:
    before = client.get_balance()
    assert refusal(lambda: client.add_order(link=LINK, **order)) == text
    assert client.get_balance() == before


def test_it_reads_the_price_list(client: smm) -> None:
    services = client.get_services()
    assert [row["service"] for row in services] == [service.id for service in SERVICES]
    assert (services[0]["rate"], services[0]["min"], services[0]["dripfeed"]) == ("0.00100000", "100", False)


def test_it_reads_what_became_of_orders(client: smm, demo: Demo) -> None:
    completed, pending = demo.panel_orders["COMPLETED"], demo.panel_orders["PENDING"]
    one = client.get_status(completed)
    assert (one["status"], one["remains"], one["start_count"]) == ("Completed", "0", "100")
    many = client.get_multi_status([completed, UNKNOWN, int(pending)])
    assert list(many) == [completed, str(UNKNOWN), pending]
    assert many[completed] == one
    assert many[str(UNKNOWN)] == {"error": "Incorrect order ID"}
    assert many[pending]["status"] == "Pending"
    assert refusal(client.get_status, UNKNOWN) == "Incorrect order ID"


def test_it_cancels_what_nobody_works_on_yet(client: smm, demo: Demo) -> None:
    before = client.get_balance()
    order, processing = client.add_order(123, LINK, 1000)["order"], int(demo.panel_orders["PROCESSING"])
    assert client.cancel_orders([order, UNKNOWN, processing]) == [
        {"order": order, "cancel": 1},
        {"order": UNKNOWN, "cancel": {"error": "Incorrect order ID"}},
        {"order": processing, "cancel": {"error": "Order not eligible for cancellation"}},
    ]
    assert client.get_status(order)["status"] == "Canceled"
    assert client.get_balance() == before


def test_it_asks_for_a_refill_and_what_became_of_it(fresh_demo: Demo) -> None:
    client, completed = smm(url_of(fresh_demo), PANEL_KEY), fresh_demo.panel_orders["COMPLETED"]
    refill = client.create_refill(completed)["refill"]
    assert client.get_refill_status(refill) == {"status": "Pending"}
    assert refusal(client.create_refill, completed) == TOO_EARLY


def test_it_asks_for_refills_and_what_became_of_them(fresh_demo: Demo) -> None:
    client, completed = smm(url_of(fresh_demo), PANEL_KEY), int(fresh_demo.panel_orders["COMPLETED"])
    asked, unknown = client.create_multi_refill([completed, UNKNOWN])
    assert (asked["order"], type(asked["refill"])) == (completed, int)
    assert unknown == {"order": UNKNOWN, "refill": {"error": "Incorrect order ID"}}
    assert client.get_multi_refill_status([asked["refill"], UNKNOWN]) == [
        {"refill": asked["refill"], "status": "Pending"},
        {"refill": UNKNOWN, "status": {"error": "Refill not found"}},
    ]


def test_it_raises_why_there_is_no_refill(client: smm, demo: Demo) -> None:
    assert refusal(client.create_refill, demo.panel_orders["PROCESSING"]) == "The order is not completed"
    assert refusal(client.get_refill_status, UNKNOWN) == "Refill not found"


def test_in_an_app_whose_own_dialect_it_is_it_raises_what_is_wrong_with_its_key(panel: Panel, panel_url: str) -> None:
    assert smm(panel_url, panel.key).get_balance() == {"balance": "100.00000000", "currency": "USD"}
    assert refusal(smm(panel_url, WRONG_KEY).get_balance) == "Invalid API key"
    assert refusal(smm(panel_url, "0123456789abcdef").get_balance) == "Invalid API key format"


def test_a_demo_that_speaks_it_to_all_has_the_text_for_every_key() -> None:
    with running(EXAMPLE_STORE="memory", FLASK_SMMAPI_DIALECT="panel") as demo:
        assert refusal(smm(url_of(demo), WRONG_KEY).get_balance) == "Invalid API key"
        assert refusal(smm(url_of(demo), NO_MONEY_KEY).add_order, 123, LINK, 1000) == "Not enough funds on balance"


def test_elsewhere_it_raises_the_status_and_never_sees_the_text(demo: Demo) -> None:
    """Before the account is known the app's dialect speaks, and smmpy asks for the status first."""
    assert refusal(smm(url_of(demo), WRONG_KEY).get_balance).startswith("401 Client Error")
    poor = smm(url_of(demo), NO_MONEY_KEY)
    assert refusal(poor.add_order, 123, LINK, 1000).startswith("400 Client Error")
