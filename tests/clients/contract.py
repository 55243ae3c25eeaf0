"""What every client of the field does, whatever it is written in: a class of tests to inherit.

Its client has the methods of the example that panels print on their API page. It looks into the body, not at the HTTP
status, and hands the ids that it got to the next call.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from example_app.demo import NO_MONEY_KEY, PANEL_KEY, SERVICES

from ..panel import LINK, WRONG_KEY, Panel
from ..test_example_app import Demo
from .programs import Client, Program

UNKNOWN = 999_999
"""Nobody's order and nobody's refill."""

TOO_EARLY = "The order was completed or refill was requested less than 24 hours ago"

LIKES = {"service": 123, "link": LINK, "quantity": 1000}

ORDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "default": (LIKES, "1000", "1.00000000"),
    "default-in-strings": ({"service": "123", "link": LINK, "quantity": "1000"}, "1000", "1.00000000"),
    "default-without-a-value": ({**LIKES, "runs": None, "interval": ""}, "1000", "1.00000000"),
    "comments": ({"service": 3, "link": LINK, "comments": "Good\nVery good\r\n\nשלום & 100%"}, "3", "0.03600000"),
    "package": ({"service": 2, "link": LINK}, "1", "4.90000000"),
    "drip-feed": ({"service": 18, "link": LINK, "quantity": 100, "runs": 5, "interval": 30}, "500", "0.60000000"),
    "subscription": (
        {"service": 13, "username": "someone", "min": 100, "max": 200, "posts": 3, "delay": 5, "expiry": "31/12/2030"},
        "600",
        "0.20000000",  # 600 at 0.33333333, rounded up
    ),
    "web-traffic": (
        {
            "service": 14,
            "link": LINK,
            "quantity": 1000,
            "country": "US",
            "device": 1,
            "type_of_traffic": 1,
            "google_keyword": "order & delivery",
        },
        "1000",
        "0.15000000",
    ),
}
"""What is ordered, what remains to be delivered at first, and what it costs."""

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-service": ({**LIKES, "service": UNKNOWN}, "Incorrect service ID"),
    "no-link": ({"service": 123, "quantity": 1000}, "Incorrect link"),
    "too-few": ({**LIKES, "quantity": 9}, "Quantity less than minimal 10"),
    "too-many": ({**LIKES, "quantity": 100_001}, "Quantity more than maximum 100000"),
    "too-dear": (
        {"service": 18, "link": LINK, "quantity": 10_000, "runs": 100_000, "interval": 1},
        "Not enough funds on balance",
    ),
}


def url_of(demo: Demo) -> str:
    return f"http://127.0.0.1:{demo.port}/api/v2"


class ClientContract:
    """Inherit from it with a fixture ``program``: the running client."""

    @pytest.fixture
    def client(self, program: Program, demo: Demo) -> Client:
        return Client(program, url_of(demo), PANEL_KEY)

    @pytest.mark.parametrize(("order", "remains", "charge"), ORDERS.values(), ids=ORDERS)
    def test_it_orders(self, client: Client, order: dict[str, Any], remains: str, charge: str) -> None:
        before = Decimal(client("balance")["balance"])
        placed = client("order", order)
        assert list(placed) == ["order"]
        assert type(placed["order"]) is int
        assert client("status", placed["order"]) == {
            "charge": charge,
            "start_count": "0",
            "status": "Pending",
            "remains": remains,
            "currency": "USD",
        }
        assert before - Decimal(client("balance")["balance"]) == Decimal(charge)

    def test_it_orders_a_thousand_comments_at_once(self, client: Client) -> None:
        comments = "\n".join(f"A comment that says a little more than the others, number {n}" for n in range(1000))
        placed = client("order", {"service": 3, "link": LINK, "comments": comments})
        assert client("status", placed["order"])["remains"] == "1000"

    @pytest.mark.parametrize(("order", "text"), REFUSED.values(), ids=REFUSED)
    def test_it_hears_why_an_order_is_refused(self, client: Client, order: dict[str, Any], text: str) -> None:
        before = client("balance")
        assert client("order", order) == {"error": text}
        assert client("balance") == before

    def test_it_reads_the_price_list(self, client: Client) -> None:
        services = client("services")
        assert services[0] == {
            "service": 1,
            "name": "Instagram Followers",
            "type": "Default",
            "category": "Instagram",
            "rate": "0.00100000",
            "min": "100",
            "max": "10000",
            "refill": True,
            "cancel": True,
            "dripfeed": False,
        }
        assert [row["service"] for row in services] == [service.id for service in SERVICES]
        assert [row["service"] for row in services if row["dripfeed"]] == [14, 18]

    def test_it_reads_what_became_of_orders(self, client: Client, demo: Demo) -> None:
        completed, processing = int(demo.panel_orders["COMPLETED"]), int(demo.panel_orders["PROCESSING"])
        progress = {"charge": "1.00000000", "currency": "USD"}
        done = {**progress, "start_count": "100", "status": "Completed", "remains": "0"}
        at_work = {**progress, "start_count": "250", "status": "Processing", "remains": "1000"}
        assert client("status", completed) == done
        assert client("multiStatus", [completed, UNKNOWN, processing]) == {
            str(completed): done,
            str(UNKNOWN): {"error": "Incorrect order ID"},
            str(processing): at_work,
        }
        assert client("status", UNKNOWN) == {"error": "Incorrect order ID"}

    def test_it_cancels_what_nobody_works_on_yet(self, client: Client, demo: Demo) -> None:
        before = client("balance")
        order, processing = client("order", LIKES)["order"], int(demo.panel_orders["PROCESSING"])
        assert client("cancel", [order, UNKNOWN, processing]) == [
            {"order": order, "cancel": 1},
            {"order": UNKNOWN, "cancel": {"error": "Incorrect order ID"}},
            {"order": processing, "cancel": {"error": "Order not eligible for cancellation"}},
        ]
        assert client("status", order)["status"] == "Canceled"
        assert client("balance") == before

    def test_it_asks_for_a_refill_and_what_became_of_it(self, program: Program, fresh_demo: Demo) -> None:
        client = Client(program, url_of(fresh_demo), PANEL_KEY)
        completed = int(fresh_demo.panel_orders["COMPLETED"])
        asked = client("refill", completed)
        assert list(asked) == ["refill"]
        assert asked["refill"].isdecimal()
        assert client("refillStatus", asked["refill"]) == {"status": "Pending"}
        assert client("refill", completed) == {"error": TOO_EARLY}

    def test_it_asks_for_refills_and_what_became_of_them(self, program: Program, fresh_demo: Demo) -> None:
        client = Client(program, url_of(fresh_demo), PANEL_KEY)
        completed, processing = (int(fresh_demo.panel_orders[status]) for status in ("COMPLETED", "PROCESSING"))
        asked, *others = client("multiRefill", [completed, UNKNOWN, processing])
        assert (asked["order"], type(asked["refill"])) == (completed, int)
        assert others == [
            {"order": UNKNOWN, "refill": {"error": "Incorrect order ID"}},
            {"order": processing, "refill": {"error": "The order is not completed"}},
        ]
        assert client("multiRefillStatus", [asked["refill"], UNKNOWN]) == [
            {"refill": asked["refill"], "status": "Pending"},
            {"refill": UNKNOWN, "status": {"error": "Refill not found"}},
        ]

    def test_it_hears_why_there_is_no_refill(self, client: Client, demo: Demo) -> None:
        assert client("refill", int(demo.panel_orders["PROCESSING"])) == {"error": "The order is not completed"}
        assert client("refill", UNKNOWN) == {"error": "Incorrect order ID"}
        assert client("refillStatus", UNKNOWN) == {"error": "Refill not found"}

    def test_it_hears_of_its_key_also_where_the_status_says_so_too(self, client: Client) -> None:
        assert replace(client, key=WRONG_KEY)("balance") == {"error": "Invalid API key"}
        assert replace(client, key="0123456789abcdef")("balance") == {"error": "Invalid API key format"}
        assert replace(client, key="")("services") == {"error": "Invalid API key format"}

    def test_it_hears_of_its_key_in_an_app_whose_own_dialect_it_is(
        self, program: Program, panel: Panel, panel_url: str
    ) -> None:
        client = Client(program, panel_url, panel.key)
        assert client("balance") == {"balance": "100.00000000", "currency": "USD"}
        assert replace(client, key=WRONG_KEY)("balance") == {"error": "Invalid API key"}
        assert replace(client, key="0123456789abcdef")("balance") == {"error": "Invalid API key format"}

    def test_it_hears_of_its_balance_also_in_the_other_dialect(self, client: Client) -> None:
        poor = replace(client, key=NO_MONEY_KEY)
        assert poor("order", LIKES) == {"error": "Not enough funds on balance"}
        assert poor("balance") == {"balance": "0.00000000", "currency": "USD"}
