"""The demo, as a new user meets it: started with its command, spoken to over HTTP, ended, and started again."""

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
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from example_app import create_app
from example_app.demo import INACTIVE_KEY, NO_MONEY_KEY, PANEL_KEY, SERVICES, STANDARD_KEY, seed
from flask_smmapi import Account
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

    def __init__(self, **environment: str) -> None:
        self.port = int(environment.pop("PORT", free_port()))
        self.process = start(self.port, **environment)
        self.printed = self._read_orders() + self._read_orders()
        self.orders = {
            status: id_ for id_, status in re.findall(r"^  ([0-9a-f]{24})  (\w+)", self.printed, re.MULTILINE)
        }
        self.panel_orders = {
            status: number for number, status in re.findall(r"^  ([0-9]{1,9})  (\w+)", self.printed, re.MULTILINE)
        }

    def post(self, key: str = STANDARD_KEY, **params: str) -> Any:
        body = urllib.parse.urlencode({"key": key, **params}).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2", body) as response:
                return json.load(response)
        except urllib.error.HTTPError as failure:
            with failure:
                return json.load(failure)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C, or worse; gives the exit code."""
        os.killpg(self.process.pid, how)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def _read_orders(self) -> str:
        """What is printed up to an account's last order."""
        assert self.process.stdout is not None
        printed = ""
        for line in self.process.stdout:
            printed += line
            if "COMPLETED" in line:
                break
        return printed


@contextmanager
def running(**environment: str) -> Iterator[Demo]:
    demo = Demo(**environment)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.stop()


@pytest.fixture
def demo() -> Iterator[Demo]:
    """On the memory store."""
    with running(EXAMPLE_STORE="memory") as demo:
        yield demo


@pytest.fixture
def own_mongodb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongod: str) -> Path:
    """Lets the demo start a MongoDB of its own; gives the folder of its data."""
    monkeypatch.delenv("SMMAPI_MONGODB_URI", raising=False)
    monkeypatch.delenv("EXAMPLE_STORE", raising=False)
    monkeypatch.setenv("EXAMPLE_INSTANCE", str(tmp_path))
    return tmp_path / "mongodb"


def mongod_of(folder: Path) -> int | None:
    """The process id of the server that has *folder* open, if one has."""
    with suppress(FileNotFoundError, ValueError):
        pid = int((folder / "data" / "mongod.lock").read_text())
        os.kill(pid, 0)
        return pid
    return None


@pytest.mark.parametrize("store", ["memory", "mongodb"])
def test_each_action_in_the_documents_order(store: str, own_mongodb: Path) -> None:
    with running(EXAMPLE_STORE=store) as demo:
        play_each_action(demo)


def play_each_action(demo: Demo) -> None:
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


def test_the_printed_lines_work_when_pasted_and_ctrl_c_ends_it(demo: Demo) -> None:
    balance, added, status = (
        json.loads(subprocess.run(line.split(), capture_output=True, check=True).stdout)
        for line in re.findall(r"^  (curl .+)$", demo.printed, re.MULTILINE)
    )
    assert balance == {"balance": "1000000.00000000", "currency": "USD"}
    assert list(added) == ["order"]
    assert (status["status"], status["charge"]) == ("Pending", "1.00000000")
    assert demo.stop() == 0


def test_a_taken_port_is_a_sentence(demo: Demo) -> None:
    second = start(demo.port, EXAMPLE_STORE="memory")
    printed, _ = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "choose another with HOST and PORT" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "abc"), ("PORT", "80000"), ("PORT", "0"), ("HOST", "localhost"), ("HOST", ""), ("WORKERS", "many")],
)
def test_a_setting_that_cannot_be_is_a_sentence(name: str, value: str) -> None:
    process = start(free_port(), **{"EXAMPLE_STORE": "memory", name: value})
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert printed.startswith(f"{name} is {value!r}; it must be")
    assert len(printed.splitlines()) == 1


def test_an_unknown_store_is_a_sentence() -> None:
    process = start(free_port(), EXAMPLE_STORE="paper")
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert printed == "EXAMPLE_STORE is 'paper'; the demo knows the stores mongodb and memory.\n"


class TestItsOwnMongoDB:
    """One server for a folder, shared by all who use it, stopped by the last; the data outlive everything."""

    def test_the_data_are_there_after_ctrl_c_and_the_server_is_not(self, own_mongodb: Path) -> None:
        with running(WORKERS="2") as demo:
            order = demo.post(action="add", service="123", link=LINK, quantity="1000")["order"]
            assert demo.post(action="cancel", order=demo.orders["PENDING"]) == {"cancel": 1}
            assert mongod_of(own_mongodb)
        assert demo.process.returncode == 0
        assert mongod_of(own_mongodb) is None
        with running() as again:
            assert again.post(action="status", order=order)[order]["status"] == "Awaiting"
            assert again.post(action="balance") == {"balance": "1000000.00000000", "currency": "USD"}
            assert again.orders == {
                "CANCELED": demo.orders["PENDING"],
                "PROCESSING": demo.orders["PROCESSING"],
                "COMPLETED": demo.orders["COMPLETED"],
            }

    def test_the_data_are_there_after_the_app_was_killed_and_its_server_is_used_again(self, own_mongodb: Path) -> None:
        with running() as demo:
            order = demo.post(action="add", service="123", link=LINK, quantity="1000")["order"]
            demo.stop(signal.SIGKILL)
        orphan = mongod_of(own_mongodb)
        assert orphan is not None
        with running() as again:
            assert mongod_of(own_mongodb) == orphan
            assert again.post(action="status", order=order)[order]["status"] == "Awaiting"
        assert mongod_of(own_mongodb) is None

    def test_the_workers_end_when_their_main_process_was_killed(self, own_mongodb: Path) -> None:
        with running() as demo:
            os.kill(demo.process.pid, signal.SIGKILL)
            demo.process.communicate(timeout=30)  # until the last of them has closed its end of the pipe
        with running(PORT=str(demo.port)) as again:
            assert again.post(action="balance") == {"balance": "1000000.00000000", "currency": "USD"}

    @pytest.mark.parametrize("written", ["", "no number", "1"])
    def test_a_spoilt_note_of_its_port_is_no_obstacle(self, own_mongodb: Path, written: str) -> None:
        own_mongodb.mkdir()
        (own_mongodb / "port").write_text(written)
        with running() as demo:
            assert demo.post(action="balance") == {"balance": "1000000.00000000", "currency": "USD"}

    def test_a_server_that_was_killed_is_started_again_with_the_data(self, own_mongodb: Path) -> None:
        with running() as demo:
            order = demo.post(action="add", service="123", link=LINK, quantity="1000")["order"]
            killed = mongod_of(own_mongodb)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            answer = demo.post(action="status", order=order)
            while answer == {"error": "Service unavailable"}:  # for a second or two; a request waits as long, too
                answer = demo.post(action="status", order=order)
            assert answer[order]["status"] == "Awaiting"
            assert mongod_of(own_mongodb) not in (killed, None)
        assert mongod_of(own_mongodb) is None

    def test_two_demos_share_it_and_the_last_one_stops_it(self, own_mongodb: Path) -> None:
        with running() as one:
            server = mongod_of(own_mongodb)
            with running() as other:
                order = one.post(action="add", service="123", link=LINK, quantity="1000")["order"]
                assert other.post(action="status", order=order)[order]["status"] == "Awaiting"
            assert mongod_of(own_mongodb) == server
            assert one.post(action="status", order=order)[order]["status"] == "Awaiting"
        assert mongod_of(own_mongodb) is None

    def test_without_a_mongod_it_says_how_to_get_one_or_do_without(self, own_mongodb: Path) -> None:
        process = start(free_port(), MONGOD="/nowhere/mongod")
        printed, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "Traceback" not in printed
        assert all(remedy in printed for remedy in ("MONGOD", "SMMAPI_MONGODB_URI", "EXAMPLE_STORE=memory"))


class TestDemoData:
    """Docs and checks rely on it."""

    @pytest.fixture(autouse=True)
    def in_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXAMPLE_STORE", "memory")

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

    def test_what_the_owner_has_changed_stays(self) -> None:
        smmapi = create_app().extensions["demo"].smmapi
        smmapi.store.set_services(SERVICES[:1])
        smmapi.store.resume_account(3)
        seed(smmapi)
        assert list(smmapi.services(Account(id=1))) == list(SERVICES[:1])
        assert smmapi.store.account_info(3).active

    def test_drip_feed(self) -> None:
        params = {"action": "add", "link": LINK, "quantity": "1000", "runs": "2", "interval": "60"}
        assert self.post(STANDARD_KEY, service="18", **params).keys() == {"order"}
        assert self.post(STANDARD_KEY, service="123", **params) == {"error": "Incorrect runs"}

    def test_orders(self) -> None:
        app = create_app()
        orders = app.extensions["demo"].orders
        assert [order.status.value for order in orders] == ["PENDING", "PROCESSING", "COMPLETED"]
        assert {order.charge for order in orders} == {Decimal("1.00000000")}
        assert app.config["SMMAPI_REFILL_INTERVAL"] == 0
