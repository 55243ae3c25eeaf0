"""What somebody with bad intentions could try; docs/security.md names each attempt, and these tests or others.

Others are where their matter is: guessing in test_throttle.py and test_limiter_processes.py, keys in the log in
test_journal.py, scripts on the demo's pages in test_panel_pages.py, formulas in test_cli_services.py.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import logging
import pickle
import re
import socket
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pymongo
import pytest
from flask import Blueprint, Flask
from jinja2 import FileSystemBytecodeCache

import example_app
import flask_smmapi
from example_app import existing_panel
from example_app.existing_panel.models import Base, Service
from flask_smmapi import Account, SmmApi, service_types, views
from flask_smmapi.actions import ACTIONS
from flask_smmapi.keys import digest
from flask_smmapi.price_lists import write
from flask_smmapi.reference import PARAMETERS
from flask_smmapi.stores.memory import MemoryStore

from .fuzzing import UNLIMITED, check_failure
from .panel import DEFAULT, DRIPFEED, LINK, WRONG_KEY, Panel, service
from .test_cli_services import read
from .test_journal import MESSAGES, PLACES, failing
from .test_panel_pages import OWNER_PAGES, RESELLER_PAGES, Visitor, build
from .test_throttle import guess

FORM = "application/x-www-form-urlencoded"
ADD = {"service": DEFAULT, "link": LINK, "quantity": 1000}
READ = [
    *(("key", action) for action in ACTIONS),
    ("action", "status"),
    *itertools.product(("order", "orders"), ("status", "cancel", "refill")),
    *itertools.product(("refill", "refills"), ("refill", "refill_status")),
    *((name, "add") for name in ("service", "request_id", *PARAMETERS)),
]
"""Every parameter that there is, and the actions that read it."""


@pytest.fixture(params=["memory", "MongoDB"])
def store(request: pytest.FixtureRequest) -> Any:
    return MemoryStore() if request.param == "memory" else request.getfixturevalue("mongo_store")


# Guessing


FORGED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "Via")


def test_who_changes_all_that_he_can_change_has_no_more_guesses_than_an_address_has(panel: Panel) -> None:
    """Another User-Agent, another address of his /64, other headers, and another key, each time."""

    def attempt(n: int) -> int:
        forged = dict.fromkeys(FORGED, f"203.0.113.{n}")
        key = f"aaaaaaaa.bbbbbbbb-{n:08}"
        return guess(panel, address=f"2001:db8:1:2::{n:x}", agent=f"agent {n}", key=key, **forged).status

    assert [attempt(n) for n in range(1, 121)] == [401] * 100 + [429] * 20
    assert guess(panel, address="2001:db8:1:3::1", agent="an honest one", key=panel.key).status == 200


def test_a_wrong_key_and_an_inactive_accounts_and_a_revoked_one_are_told_alike(store: Any) -> None:
    """Nobody learns that a key once was good, nor that it is good elsewhere."""
    panel = Panel(store=store, config=UNLIMITED)
    inactive = store.add_account(Account(2), active=False)
    elsewhere = store.add_account(Account(3, allowed_ips=("192.0.2.1",)))
    revoked = store.add_account(Account(4))
    store.revoke_key(revoked)
    got = [panel.post("balance", key=key) for key in (WRONG_KEY, inactive, elsewhere, revoked)]
    assert {(answer.status, answer.json["error"]) for answer in got} == {(401, "Invalid API key")}
    assert len({tuple(sorted(answer.headers)) for answer in got}) == 1


# Operators of MongoDB


OPERATORS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "name[$ne]": lambda name, good: {"data": urlencode({f"{name}[$ne]": "x"}), "content_type": FORM},
    "name[$gt]": lambda name, good: {"data": urlencode({f"{name}[$gt]": ""}), "content_type": FORM},
    "name[]": lambda name, good: {"data": urlencode({f"{name}[]": good}), "content_type": FORM},
    "an object": lambda name, good: {"json": {name: {"$gt": ""}}},
    "an object in an array": lambda name, good: {"json": {name: [{"$ne": None}]}},
    "an object as text": lambda name, good: {"json": {name: '{"$gt": ""}'}},
    "an operator": lambda name, good: {"json": {name: "$where"}},
    "an expression": lambda name, good: {"json": {name: "1; return true"}},
    "a quote": lambda name, good: {"json": {name: f"{good}' || '1'=='1"}},
    "a pattern": lambda name, good: {"json": {name: ".*"}},
}


def with_others(sent: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """The request, and the parameters that are as they should be."""
    if "json" in sent:
        return {"json": {**others, **sent["json"]}}
    return {**sent, "data": f"{urlencode(others)}&{sent['data']}"}


def test_no_parameter_is_an_operator_for_mongodb(mongo_store: Any) -> None:
    """Also where keys may have any form: nobody gets in, nobody gets what is another's, and no money moves."""
    panel = Panel(store=mongo_store, config={**UNLIMITED, "SMMAPI_KEY_PATTERN": None})
    mine = panel.complete(panel.place(request_id="cart-0001"))
    refill = panel.smmapi.refill(panel.account, mine.id)
    stranger = mongo_store.add_account(Account(2))
    before = mongo_store.balance(1)
    for (name, action), (form, make) in itertools.product(READ, OPERATORS.items()):
        good = {"key": stranger, "action": action, **ADD, "order": mine.id, "refill": refill.id}
        others = {other: value for other, value in good.items() if other != name}
        got = panel.send(**with_others(make(name, str(good.get(name, "1"))), others))
        check_failure(got.status, got.json)
        assert "error" in str(got.json), (form, name, action)  # he has neither money nor orders
        assert "charge" not in str(got.json), (form, name, action)
    for header in ('{"$ne": null}', "$where: 1 == 1", "[$gt]=cart", ".*......"):
        got = panel.post("add", key=stranger, **ADD, headers={"Idempotency-Key": header})
        assert got.json == {"error": "Not enough funds on balance"}  # it is no order that is there
    assert (mongo_store.balance(1), mongo_store.balance(2)) == (before, 0)
    assert panel.read(mine) == mine
    assert list(mongo_store.list(2)) == []


# Scripts


SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_no_script_comes_into_the_reference_from_an_address_or_a_header() -> None:
    app, parent = Flask("panel"), Blueprint("shop", __name__, url_prefix="/<tenant>")
    SmmApi(app, store=MemoryStore([service(1, name=SCRIPT, category=SCRIPT, desc=SCRIPT)]), parent=parent)
    app.register_blueprint(parent)
    headers = dict.fromkeys(("X-Forwarded-Host", "X-Forwarded-Prefix", "Referer", "User-Agent", "Origin"), SCRIPT)
    tenants = ("anna", quote(SCRIPT.replace("/", "")), "a&lt;b'c")  # what a URL may hold as it is
    for tenant, host in itertools.product(tenants, ("shop.example", f"shop.example{SCRIPT}")):
        client = app.test_client()
        page = client.get(f"/{tenant}/api/v2/docs", headers={**headers, "Host": host}, query_string={"q": SCRIPT})
        assert page.status_code == 200
        assert not re.search(r"<script>|<img|\"'>|a&lt;|b'c", page.text)


def test_a_service_named_like_a_script_is_text_in_each_answer(panel: Panel) -> None:
    """The reference's own form shows answers by textContent; nothing in its script makes HTML of them."""
    panel.store.set_services([service(1, name=SCRIPT, category=SCRIPT, desc=SCRIPT)])
    for action, params in (("services", {}), ("status", {"orders": f"{SCRIPT},1"}), ("add", {**ADD, "link": SCRIPT})):
        answer = panel.post(action, **params)
        assert answer.headers["Content-Type"] == "application/json"
    script = (Path(views.__file__).parent / "static" / "docs.js").read_text("utf-8")
    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|\.href\s*=", script)


def test_a_service_named_like_a_script_is_text_on_the_existing_panels_page(tmp_path: Path) -> None:
    app = existing_panel.create_app(f"sqlite:///{tmp_path / 'panel.db'}")
    database = app.extensions["panel"]
    with database.transaction() as session:
        Base.metadata.create_all(session.connection())
        session.add(Service(id=1, name=SCRIPT, type="Default", category=SCRIPT, rate=Decimal(1), minimum=1, maximum=9))
    page = app.test_client().get("/").text
    database.close()
    assert "&lt;script&gt;" in page
    assert not re.search(r"<script>|<img", page)


# Links


INSIDE = ("http://127.0.0.1:1/admin", "http://169.254.169.254/latest/meta-data", "http://[::1]:27017/", "localhost")


def test_nothing_of_ours_opens_a_link(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it leads to, and from the first request to the end of an order."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"Somebody connects to {args}.")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    traffic = {"service": 20, "country": "DE", "device": "1", "type_of_traffic": "2", "google_keyword": "x"}
    desk = panel.smmapi.desk
    for link in INSIDE:
        assert panel.post("add", **{**ADD, "link": link}).status == 200
        assert panel.post("add", **{**ADD, **traffic, "link": link, "referring_url": link}).status == 200
        assert panel.post("add", **{**ADD, "service": DRIPFEED, "link": link, "runs": 2, "interval": 1}).status == 200
    orders = panel.store.list(1)
    assert len(orders) == 3 * len(INSIDE)
    for order in orders:
        begun = desk.start(desk.take(order, "worker"))
        if "runs" in order.params:
            desk.place_child(begun, 1, quantity=10, link=INSIDE[0])
        desk.complete(begun)
    asked = panel.post("status", orders=",".join(order.id for order in orders))
    assert {answer["status"] for answer in asked.json.values()} == {"Completed"}


CLIENT = re.compile(
    r"^\s*(?:import|from) (?:urllib\.request|http\.client|urllib3|requests|httpx|aiohttp)\b", re.MULTILINE
)


def test_no_module_of_ours_could_open_one() -> None:
    """None has what it takes, but for the snippet that resellers copy, whose URL is this API's."""
    roots = [Path(package.__file__ or "").parent for package in (flask_smmapi, example_app)]
    files = [path for root in roots for path in root.rglob("*.py")]
    assert len(files) > 60
    assert [path.name for path in files if CLIENT.search(path.read_text("utf-8"))] == ["python.py"]


def test_no_page_of_the_demo_leads_to_a_link_or_loads_it(tmp_path: Path) -> None:
    """It is shown as text: neither the reseller's browser nor the owner's is sent there."""
    app = build(FileSystemBytecodeCache(str(tmp_path)))
    smmapi = app.extensions["demo"].smmapi
    order = smmapi.place(Account(1), {"service": "123", "link": INSIDE[0], "quantity": "1000"})
    reseller, owner = Visitor(app, "standard"), Visitor(app, "owner")
    pages = [reseller.get(path).text for path in RESELLER_PAGES]
    pages += [owner.get(path).text for path in (*OWNER_PAGES, f"/owner/work/order?account=1&order={order.id}")]
    assert sum(INSIDE[0] in page for page in pages) >= 2
    assert not [page for page in pages if re.search(rf"(?:href|src|action)=.?{re.escape(INSIDE[0])}", page)]


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//example.com",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://example.com/x",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/ x",
        "//example.com/x",
        "http:example.com",
    ],
)
def test_a_link_that_is_none_of_http_is_no_link(panel: Panel, link: str) -> None:
    assert panel.post("add", **{**ADD, "link": link}).json == {"error": "Incorrect link"}


@pytest.mark.parametrize("link", ["a." * 150_000, "a." * 150_000 + "b:99999x", "a" * 300_000 + ":", ":" * 300_000])
def test_no_link_is_looked_at_for_long(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is far longer than one may be: with as many steps as its length squared this would take minutes."""
    monkeypatch.setattr(service_types, "MAX_LINK", len(link))
    assert not service_types.is_link(link)


@pytest.mark.parametrize(("link", "taken"), [(".a.b:80", True), ("..a:80", True), (".a:80", False), ("a.:80", False)])
def test_a_port_is_behind_a_name_with_a_dot_in_it(link: str, taken: bool) -> None:
    assert service_types.is_link(link) is taken


# Lines in the log


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x85", "\u2028"])
def test_nobody_writes_a_line_of_his_own_into_the_log(panel: Panel, caplog: pytest.LogCaptureFixture, end: str) -> None:
    """Whatever a parameter holds; a header cannot hold a line end."""
    forged = f"x{end}action=add account=1 status=200 milliseconds=1.0 order=forged"
    caplog.set_level(logging.DEBUG)
    for name, action in READ:
        params: dict[str, Any] = {"key": panel.key, "action": action, **ADD, "order": "1"}
        panel.send(json={**params, name: forged})
        panel.send(data={**params, name: forged})
    assert len(caplog.records) == len(READ) * 2
    assert not [line for line in caplog.text.splitlines() if "forged" in line]


# Keys


def test_a_database_has_no_key_to_lose(mongo_store: Any, mongo_uri: str) -> None:
    """What is in it opens nothing, but for the beginning of a key that its owner is shown."""
    panel = Panel(store=mongo_store)
    keys = [panel.key, mongo_store.create_key(1, "shop"), mongo_store.rotate_key(1, mongo_store.keys(1)[0].key_id)]
    panel.post("add", **ADD)
    with pymongo.MongoClient(mongo_uri) as client:
        database = client.get_default_database()
        held = repr([list(database[name].find()) for name in database.list_collection_names()])
    assert digest(panel.key) in held
    assert not [key for key in keys if key[:8] in held or key[9:17] in held]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", ["DEBUG", "TESTING"])
def test_no_answer_has_a_key_that_was_not_asked_about(place: str, mode: str) -> None:
    """Only an id that the caller wrote himself comes back to him."""
    panel = Panel(config={**UNLIMITED, mode: True})
    answer = panel.send(**PLACES[place](panel, panel.key))
    headers = "".join(f"{name}: {value}" for name, value in answer.headers.items())
    assert panel.key not in headers
    if place not in ("order", "orders"):
        assert panel.key not in json.dumps(answer.json)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("mode", ["DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS"])
def test_no_answer_has_a_traceback(mode: str, message: str) -> None:
    """Whatever a hook has put into its exception, and though the app shows its own failures to a developer."""
    panel = failing(("debit",), MESSAGES[message])
    panel.app.config[mode] = True
    answer = panel.post("add", **ADD)
    assert (answer.status, answer.json) == (500, {"error": "Internal server error"})
    assert panel.key not in str(answer.headers)


def test_nothing_that_is_shown_or_pickled_has_a_key(panel: Panel) -> None:
    """An order keeps what its client sent, but not the key."""
    panel.post("add", **ADD)
    kept = (panel.account, panel.store.keys(1), panel.store.list(1), panel.store.statement(1))
    shown = repr(kept) + repr(panel.smmapi) + repr(panel.store) + repr(panel.app.extensions["smmapi"])
    assert ADD["link"] in shown
    assert panel.key not in shown
    assert panel.key.encode() not in pickle.dumps(kept[:3])


def test_the_reference_tells_no_other_host_where_its_reader_was(panel: Panel) -> None:
    page = panel.app.test_client().get("/api/v2/docs", query_string={"key": panel.key})
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert panel.key not in page.text


# What is another's


def test_what_is_anothers_is_not_there(store: Any) -> None:
    """His orders, by id and by number; his refills; his idempotency keys; and nothing of it changes."""
    panel = Panel(store=store, config={"SMMAPI_REFILL_INTERVAL": 0})
    done, new = panel.complete(panel.place()), panel.place(request_id="cart-0001")
    refill = panel.smmapi.refill(panel.account, done.id)
    twin = store.add_account(Account("1"))  # whose id looks like that of account 1
    before = [panel.read(done), panel.read(new), store.balance(1)]
    for order in (done, new):
        for written in (order.id, order.id.upper(), str(order.number), f"0{order.number}"):
            unknown = {"error": "Incorrect order ID"}
            assert panel.post("status", key=twin, order=written).json == {written: unknown}
            for action in ("cancel", "refill"):
                assert panel.post(action, key=twin, order=written).json == unknown
                assert [row[action] for row in panel.post(action, key=twin, orders=f"{written},{written}").json] == [
                    unknown
                ] * 2
            assert panel.post("refill", key=twin, refill=written).json == unknown
    for written in (refill.id, str(refill.number), done.id):
        assert panel.post("refill_status", key=twin, refill=written).json == {"error": "Refill not found"}
    repeated = panel.post("add", key=twin, **ADD, request_id="cart-0001")
    assert repeated.json == {"error": "Not enough funds on balance"}  # it is an order of its own
    assert [panel.read(done), panel.read(new), store.balance(1)] == before


# Spreadsheets


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_of_an_export_is_computed_and_what_comes_back_is_the_same(sign: str) -> None:
    """The last four are what an East Asian keyboard writes; some spreadsheets take them for the first four."""
    evil = f'{sign}cmd|" /C calc"!A0'
    rows = [service(1, name=evil, category=f"'{evil}", desc=evil, average_time=evil)]
    text = write(rows, "csv")
    _, cells = csv.reader(io.StringIO(text, newline=""))
    assert [cell[0] for cell in cells if sign in cell] == ["'"] * 4
    assert read(text) == rows


# The page


def test_the_page_names_tests_that_there_are() -> None:
    tests = Path(__file__).parent
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (tests.parent / "docs" / "security.md").read_text("utf-8"))
    assert len(named) > 25
    assert [name for file, name in named if f"def {name}(" not in (tests / file).read_text("utf-8")] == []
