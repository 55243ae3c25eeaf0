"""The demo, as a new user meets it: started with its command, spoken to over HTTP, ended with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from example_app import create_app
from example_app.demo import INACTIVE_KEY, NO_MONEY_KEY, PANEL_KEY, STANDARD_KEY
from flask_smmapi.service_types import SERVICE_TYPES

from .document import in_order
from .panel import LINK

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def start(port: int, **environment: str) -> subprocess.Popen[str]:
    """The demo's own command, in a process group of its own as a terminal would give it."""
    return subprocess.Popen(
        [sys.executable, "-m", "example_app"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(port), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


class Demo:
    """A running demo and what it printed."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = start(self.port)
        self.printed = self._read_until("COMPLETED")
        self.orders = {status: id_ for id_, status in re.findall(r"([0-9a-f]{24})  (\w+)", self.printed)}

    def post(self, key: str = STANDARD_KEY, **params: str) -> Any:
        body = urllib.parse.urlencode({"key": key, **params}).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2", body) as response:
                return json.load(response)
        except urllib.error.HTTPError as failure:
            with failure:
                return json.load(failure)

    def stop(self) -> int:
        """Ctrl-C; gives the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.communicate(timeout=20)
        return self.process.returncode

    def _read_until(self, word: str) -> str:
        assert self.process.stdout is not None
        printed = ""
        for line in self.process.stdout:
            printed += line
            if word in line:
                break
        return printed


@pytest.fixture
def demo() -> Iterator[Demo]:
    running = Demo()
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def test_each_action_in_the_documents_order(demo: Demo) -> None:
    first = demo.post(action="services")[0]
    documented = (
        '{"service":1,"name":"Instagram Followers","type":"Default","category":"Instagram","rate":"0.00100000",'
        '"min":"100","max":"10000","refill":true,"cancel":true}'
    )
    assert in_order(json.dumps(first)) == in_order(documented)

    order = demo.post(action="add", service="123", link=LINK, quantity="1000")["order"]
    assert re.fullmatch("[0-9a-f]{24}", order)

    processing = demo.orders["PROCESSING"]
    assert demo.post(action="status", order=processing) == {
        processing: {
            "charge": "1.00000000",
            "start_count": "250",
            "status": "Processing",
            "remains": "1000",
            "currency": "USD",
        }
    }
    both = f"{demo.orders['COMPLETED']},{'0' * 24}"
    assert demo.post(action="status", orders=both) == {
        demo.orders["COMPLETED"]: {
            "charge": "1.00000000",
            "start_count": "100",
            "status": "Completed",
            "remains": "0",
            "currency": "USD",
        },
        "0" * 24: {"error": "Incorrect order ID"},
    }

    assert demo.post(action="balance") == {"balance": "999999.00000000", "currency": "USD"}
    assert demo.post(action="cancel", order=demo.orders["PENDING"]) == {"cancel": 1}
    assert demo.post(action="cancel", order=order) == {"cancel": 1}
    assert demo.post(action="cancel", order=processing) == {"error": "Order not eligible for cancellation"}
    assert demo.post(action="balance") == {"balance": "1000001.00000000", "currency": "USD"}

    assert demo.post(action="refill_status", refill=demo.orders["COMPLETED"]) == {"status": "Completed"}
    assert demo.post(action="refill", refill=demo.orders["COMPLETED"]) == {"refill": 1}
    assert demo.post(action="refill_status", refill=demo.orders["COMPLETED"]) == {"status": "Pending"}


def test_the_printed_line_works_when_pasted_and_ctrl_c_ends_it(demo: Demo) -> None:
    [line] = re.findall(r"^  (curl .+)$", demo.printed, re.MULTILINE)
    pasted = subprocess.run(line.split(), capture_output=True, check=True)
    assert json.loads(pasted.stdout) == {"balance": "1000000.00000000", "currency": "USD"}
    assert demo.stop() == 0


def test_a_taken_port_is_a_sentence(demo: Demo) -> None:
    second = start(demo.port)
    printed, _ = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "choose another with HOST and PORT" in printed
    assert "Traceback" not in printed


def test_an_unknown_store_is_a_sentence() -> None:
    process = start(free_port(), EXAMPLE_STORE="paper")
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert printed == "EXAMPLE_STORE is 'paper'; the demo knows the store 'memory' only.\n"


class TestDemoData:
    """Docs and checks rely on it."""

    def post(self, key: str, **params: str) -> Any:
        return create_app().test_client().post("/api/v2", data={"key": key, **params}).get_json()

    @pytest.mark.parametrize(
        ("key", "answer"),
        [
            (STANDARD_KEY, {"balance": "1000000.00000000", "currency": "USD"}),
            (PANEL_KEY, {"balance": "1000000.00000000", "currency": "USD"}),
            (INACTIVE_KEY, {"error": "Invalid API key"}),
            (NO_MONEY_KEY, {"balance": "0.00000000", "currency": "USD"}),
        ],
    )
    def test_accounts(self, key: str, answer: Any) -> None:
        assert self.post(key, action="balance") == answer

    def test_services(self) -> None:
        rows = {row["service"]: row for row in self.post(STANDARD_KEY, action="services")}
        assert [rows[number]["type"] for number in range(1, 18)] == list(SERVICE_TYPES)
        assert rows.keys() == {*range(1, 20), 123}
        assert (rows[123]["type"], rows[123]["rate"]) == ("Default", "1.00000000")
        assert (rows[19]["refill"], rows[19]["cancel"]) == (False, False)

    def test_drip_feed(self) -> None:
        params = {"action": "add", "link": LINK, "quantity": "1000", "runs": "2", "interval": "60"}
        assert self.post(STANDARD_KEY, service="18", **params).keys() == {"order"}
        assert self.post(STANDARD_KEY, service="123", **params) == {"error": "Incorrect runs"}

    def test_orders(self) -> None:
        app = create_app()
        orders = app.extensions["demo"]
        assert list(orders) == ["PENDING", "PROCESSING", "COMPLETED"]
        assert {order.charge for order in orders.values()} == {Decimal("1.00000000")}
        assert app.config["SMMAPI_REFILL_INTERVAL"] == 0
