"""The panel dialect on the wire, who speaks which dialect, and that a dialect changes nothing but the wire."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_smmapi import Account, Order, OrderStatus, StoreUnavailable
from flask_smmapi.dialects import DIALECTS
from flask_smmapi.hooks import DIALECT_NAMES
from flask_smmapi.placement import Placement
from flask_smmapi.statuses import HIDDEN
from flask_smmapi.stores.memory import MemoryStore

from .document import in_order
from .exchanges import EXCHANGES, KEY, RAW, TIGHT, Exchange, Raw, open_panel, params_of
from .panel import DEFAULT, DRIPFEED, LINK, WRONG_KEY, Panel, service

UNKNOWN = "987654"
NO_ORDER = {"error": "Incorrect order ID"}


@pytest.fixture
def panel() -> Panel:
    """Whose account speaks the panel dialect; the app's own is the standard."""
    return Panel(dialect="panel")


def add(panel: Panel, **params: Any) -> Any:
    """The order's id as the client gets it."""
    return panel.post("add", **{"service": DEFAULT, "link": LINK, "quantity": 1000, **params}).json["order"]


class TestOrders:
    def test_an_order_has_a_number(self, panel: Panel) -> None:
        answer = panel.post("add", service=DEFAULT, link=LINK, quantity=1000)
        [order] = panel.store.list(panel.account.id)
        assert (answer.status, answer.json) == (200, {"order": order.number})

    def test_the_status_of_one_order_is_flat(self, panel: Panel) -> None:
        answer = panel.send(data={"key": panel.key, "action": "status", "order": add(panel)})
        documented = '{"charge":"1.00000000","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}'
        assert in_order(json.dumps(answer.json)) == in_order(documented)

    def test_the_status_of_an_unknown_order_is_an_error(self, panel: Panel) -> None:
        answer = panel.post("status", order=UNKNOWN)
        assert (answer.status, answer.json) == (200, NO_ORDER)

    @pytest.mark.parametrize("name", ["order", "orders"])
    def test_the_status_of_many_is_a_map(self, panel: Panel, name: str) -> None:
        first, second = add(panel), add(panel)
        answer = panel.post("status", **{name: f"{second},{UNKNOWN},{first}"}).json
        assert list(answer) == [str(second), UNKNOWN, str(first)]
        assert answer[UNKNOWN] == NO_ORDER
        assert answer[str(first)]["status"] == "Pending"

    def test_the_form_for_many_is_a_map_even_for_one(self, panel: Panel) -> None:
        order = str(add(panel))
        assert panel.post("status", orders=order).json.keys() == {order}
        assert panel.post("cancel", orders=order).json == [{"order": int(order), "cancel": 1}]

    @pytest.mark.parametrize("action", ["status", "cancel"])
    def test_an_order_may_be_named_by_its_object_id(self, panel: Panel, action: str) -> None:
        order = panel.place()
        by_number = panel.post(action, order=order.number)
        assert panel.post(action, order=order.id).json == by_number.json

    def test_cancel_answers_as_in_the_standard_dialect(self, panel: Panel) -> None:
        order = add(panel)
        assert panel.post("cancel", order=order).json == {"cancel": 1}
        assert panel.post("cancel", orders=f"{UNKNOWN},{order}").json == [
            {"order": int(UNKNOWN), "cancel": NO_ORDER},
            {"order": order, "cancel": 1},
        ]


class TestWords:
    """The scripts of resellers know six, and stop at others."""

    @pytest.mark.parametrize(
        ("status", "word"),
        [
            ("AWAITING", "Pending"),
            ("PENDING", "Pending"),
            ("PROCESSING", "Processing"),
            ("IN_PROGRESS", "In progress"),
            ("COMPLETED", "Completed"),
            ("PARTIAL", "Partial"),
            ("CANCELED", "Canceled"),
            ("FAIL", "Canceled"),
            ("ERROR", "Canceled"),
        ],
    )
    def test_the_word_of_each_status(self, panel: Panel, status: str, word: str) -> None:
        order = panel.move(panel.place(), OrderStatus(status))
        assert panel.post("status", order=order.number).json["status"] == word
        assert panel.post("status", orders=order.number).json[str(order.number)]["status"] == word

    @pytest.mark.parametrize("status", sorted(set(OrderStatus) - HIDDEN))
    def test_counts_are_digits_and_the_charge_is_what_the_order_costs_now(
        self, panel: Panel, status: OrderStatus
    ) -> None:
        placed = panel.move(panel.place(), status, start_count=0, due_back=Decimal("0.25"), paid_back=Decimal("0.25"))
        answer = panel.post("status", order=placed.number).json
        assert answer["charge"] == "0.75000000"
        assert re.fullmatch("[0-9]+ [0-9]+", f"{answer['start_count']} {answer['remains']}")


class TestRefills:
    def test_one_order_gets_its_refills_number_as_text(self, panel: Panel) -> None:
        order = panel.complete(panel.place())
        refill = panel.post("refill", order=order.number).json["refill"]
        [stored] = panel.store.find_refills(order.account, [order.id])
        assert refill == str(stored.number)
        assert panel.post("refill_status", refill=refill).json == {"status": "Pending"}

    def test_a_list_has_numbers(self, panel: Panel) -> None:
        order, other = panel.complete(panel.place()), panel.place()
        rows = panel.post("refill", orders=f"{order.number},{other.number},{UNKNOWN}").json
        [stored] = panel.store.find_refills(order.account, [order.id])
        assert rows == [
            {"order": order.number, "refill": stored.number},
            {"order": other.number, "refill": {"error": "The order is not completed"}},
            {"order": int(UNKNOWN), "refill": NO_ORDER},
        ]
        assert panel.post("refill_status", refills=f"{stored.number},{UNKNOWN}").json == [
            {"refill": stored.number, "status": "Pending"},
            {"refill": int(UNKNOWN), "status": {"error": "Refill not found"}},
        ]

    def test_the_documents_form_answers_1(self, panel: Panel) -> None:
        order = panel.complete(panel.place())
        assert panel.post("refill", refill=order.number).json == {"refill": 1}


class TestServices:
    def test_a_row_says_whether_there_is_drip_feed_and_what_else_is_known(self, panel: Panel) -> None:
        panel.store.set_services(
            [service(1, desc="Real people", average_time="2 hours"), service(2, dripfeed=True, desc="")]
        )
        first, second = panel.post("services").json
        assert list(first.items())[-3:] == [("dripfeed", False), ("desc", "Real people"), ("average_time", "2 hours")]
        assert list(second.items())[-2:] == [("dripfeed", True), ("desc", "")]

    def test_the_standard_dialect_has_the_documents_nine_fields(self) -> None:
        panel = Panel(dialect="standard")
        panel.store.set_services([service(1, desc="Real people", average_time="2 hours")])
        [row] = panel.post("services").json
        assert list(row) == ["service", "name", "type", "category", "rate", "min", "max", "refill", "cancel"]

    def test_one_price_list_is_shown_in_both_dialects(self, panel: Panel) -> None:
        standard = panel.store.add_account(Account(id=2))
        for key, fields in ((panel.key, 10), (standard, 9), (panel.key, 10)):
            assert {len(row) for row in panel.post("services", key=key).json} == {fields}


class TestErrors:
    @pytest.mark.parametrize(
        ("action", "params", "text"),
        [
            ("add", {"service": 999}, "Incorrect service ID"),
            ("cancel", {"order": UNKNOWN}, "Incorrect order ID"),
            ("refill_status", {"refill": UNKNOWN}, "Refill not found"),
            ("status", {}, "Incorrect request"),
            ("anything", {}, "Incorrect request"),
            (None, {}, "Incorrect request"),
        ],
    )
    def test_a_request_that_could_be_read_is_200(
        self, panel: Panel, action: str | None, params: dict[str, Any], text: str
    ) -> None:
        answer = panel.post(action, **params)
        assert (answer.status, answer.json) == (200, {"error": text})

    def test_no_money_is_200(self) -> None:
        panel = Panel(dialect="panel", balance="0.5")
        answer = panel.post("add", service=DEFAULT, link=LINK, quantity=1000)
        assert (answer.status, answer.json) == (200, {"error": "Not enough funds on balance"})

    def test_a_wrong_method_is_405(self) -> None:
        answer = Panel(config={"SMMAPI_DIALECT": "panel"}).send(method="GET")
        assert (answer.status, answer.json) == (405, {"error": "Method not allowed"})

    def test_too_large_is_413(self) -> None:
        panel = Panel(config={"SMMAPI_DIALECT": "panel", "SMMAPI_MAX_CONTENT_LENGTH": 100})
        assert panel.post("balance", link="x" * 100).status == 413

    @pytest.mark.parametrize(("failure", "status"), [(StoreUnavailable(), 503), (ValueError(), 500)])
    def test_a_failure_of_the_host_has_its_status(self, failure: Exception, status: int) -> None:
        class Broken(MemoryStore):
            def balance(self, account: Any) -> Decimal:
                raise failure

        assert Panel(dialect="panel", store=Broken()).post("balance").status == status

    def test_wrong_keys_are_200_and_a_block_is_429(self) -> None:
        panel = Panel(config={"SMMAPI_DIALECT": "panel"})
        got = [panel.post("balance", key=WRONG_KEY) for _ in range(12)]
        assert [answer.status for answer in got] == [200] * 10 + [429] * 2
        assert {answer.json["error"] for answer in got[:10]} == {"Invalid API key"}
        assert panel.post("balance").status == 429

    def test_a_key_of_the_wrong_format_is_200(self) -> None:
        answer = Panel(config={"SMMAPI_DIALECT": "panel"}).post("balance", key="short")
        assert (answer.status, answer.json) == (200, {"error": "Invalid API key format"})


class TestWhoSpeaksIt:
    """The key's own, else the account's, else the app's, else the standard."""

    @pytest.mark.parametrize("app", [None, "standard", "panel"])
    @pytest.mark.parametrize("account", [None, "standard", "panel"])
    @pytest.mark.parametrize("key", [None, "standard", "panel"])
    def test_the_nearest_one_counts(self, app: str | None, account: str | None, key: str | None) -> None:
        panel = Panel(dialect=account, config={"SMMAPI_DIALECT": app} if app else {})
        panel.store.add_key(panel.account.id, KEY, dialect=key)
        answer = panel.post("status", key=KEY, order=UNKNOWN).json
        spoken = "panel" if answer == NO_ORDER else "standard"
        assert spoken == (key or account or app or "standard")

    def test_each_account_of_an_app_speaks_its_own(self, panel: Panel) -> None:
        other = panel.store.add_account(Account(id=2))
        for _ in range(2):
            assert panel.post("anything").status == 200
            assert panel.post("anything", key=other).status == 400

    def test_what_fails_before_the_account_is_known_speaks_the_apps(self, panel: Panel) -> None:
        with panel.app.app_context():  # which the requests share
            assert panel.post("anything").status == 200
            assert panel.post("balance", key=WRONG_KEY).status == 401

    def test_an_account_that_is_not_allowed_from_here_is_not_known(self) -> None:
        panel = Panel()
        key = panel.store.add_account(Account(id=2, dialect="panel", allowed_ips=("192.0.2.7",)))
        assert panel.post("balance", key=key).status == 401

    def test_an_unknown_dialect_is_refused_with_those_that_there_are(self) -> None:
        sentence = r"Account 7 has the unknown dialect 'pannel'; the dialects are: standard, panel\."
        with pytest.raises(ValueError, match=sentence):
            Account(id=7, dialect="pannel")
        with pytest.raises(ValueError, match=r"unknown dialect ''; the dialects are"):
            Account(id=7, dialect="")
        store = MemoryStore()
        with pytest.raises(ValueError, match=sentence):
            store.add_key(7, KEY, dialect="pannel")
        assert store.key_lookup(KEY) is None

    def test_each_name_has_its_dialect(self) -> None:
        assert tuple(DIALECTS) == DIALECT_NAMES


class TestKeysThatThePanelHasGivenOut:
    """Many a panel's keys are 32 hexadecimal characters."""

    OLD = "0123456789abcdef0123456789abcdef"

    @pytest.mark.parametrize("pattern", ["[0-9a-f]{32}", None])
    @pytest.mark.parametrize("dialect", DIALECT_NAMES)
    def test_they_open_their_accounts(self, pattern: str | None, dialect: str) -> None:
        panel = Panel(dialect=dialect, config={"SMMAPI_KEY_PATTERN": pattern})
        panel.store.add_key(panel.account.id, self.OLD)
        assert panel.post("balance", key=self.OLD).json == {"balance": "100.00000000", "currency": "USD"}

    def test_others_are_of_the_wrong_format_then(self) -> None:
        panel = Panel(config={"SMMAPI_KEY_PATTERN": "[0-9a-f]{32}", "SMMAPI_DIALECT": "panel"})
        for key, text in (
            (panel.key, "Invalid API key format"),
            (self.OLD.upper(), "Invalid API key format"),
            (f"{self.OLD}0", "Invalid API key format"),
            (self.OLD, "Invalid API key"),
        ):
            assert panel.post("balance", key=key).json == {"error": text}


class TestChildren:
    """Once the owner's fulfilment has placed orders for runs or posts, `status` names them beside the usual fields."""

    USUAL = ("charge", "start_count", "status", "remains", "currency")

    def status(self, panel: Panel, order: Order, *children: int) -> dict[str, Any]:
        panel.move(order, OrderStatus.IN_PROGRESS, children=children)
        answer: dict[str, Any] = panel.post("status", order=order.number).json
        assert tuple(answer)[:5] == self.USUAL
        return {name: value for name, value in answer.items() if name not in self.USUAL}

    def test_a_drip_feed_has_its_runs_so_far(self, panel: Panel) -> None:
        order = panel.place(DRIPFEED, quantity=10, runs=7, interval=60)
        assert self.status(panel, order) == {}
        assert self.status(panel, order, 12) == {"runs": "1", "orders": [12]}
        assert self.status(panel, order, 12, 15) == {"runs": "2", "orders": [12, 15]}

    @pytest.mark.parametrize(("params", "expiry"), [({"expiry": "31/12/2030"}, "31/12/2030"), ({}, "")])
    def test_a_subscription_has_its_posts_so_far(self, panel: Panel, params: dict[str, str], expiry: str) -> None:
        panel.store.set_services([service(13, "Subscriptions")])
        order = panel.place(13, username="somebody", min=10, max=20, delay=0, posts=9, **params)
        assert self.status(panel, order) == {}
        assert self.status(panel, order, 4, 2**31) == {"posts": "2", "expiry": expiry, "orders": [4, 2**31]}

    def test_the_standard_dialect_has_the_documents_fields_alone(self) -> None:
        panel = Panel()
        order = panel.place(DRIPFEED, quantity=10, runs=7, interval=60)
        panel.move(order, OrderStatus.IN_PROGRESS, children=(1, 2))
        assert tuple(panel.post("status", order=order.id).json[order.id]) == self.USUAL

    def test_an_order_that_is_neither_has_the_usual_fields_alone(self, panel: Panel) -> None:
        assert self.status(panel, panel.place(), 12) == {}


class TestNothingButTheWire:
    """The same requests leave the same money, orders and refills behind, whichever dialect is spoken."""

    @pytest.mark.parametrize(
        ("action", "exchange"),
        [
            pytest.param(action, exchange, id=f"{action}: {exchange.form}")
            for action, exchanges in EXCHANGES.items()
            for exchange in exchanges
        ],
    )
    def test_each_request_of_the_conformance_page(self, action: str, exchange: Exchange) -> None:
        panels = {dialect: open_panel(dialect) for dialect in DIALECT_NAMES}
        answers = {
            dialect: panel.post(key=KEY, **params_of(action, exchange, dialect)) for dialect, panel in panels.items()
        }
        assert books(panels["standard"]) == books(panels["panel"])
        assert texts(answers["standard"].json) == texts(answers["panel"].json)

    @pytest.mark.parametrize("request_", RAW, ids=lambda request: request.form)
    def test_each_body_of_the_conformance_page(self, request_: Raw) -> None:
        panels = [open_panel(dialect, **TIGHT) for dialect in DIALECT_NAMES]
        standard, other = (
            [
                panel.send(method=request_.method, data=request_.body, content_type=request_.content_type or None).json
                for _ in range(request_.times)
            ]
            for panel in panels
        )
        assert books(panels[0]) == books(panels[1])
        assert texts(standard) == texts(other)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(["add", "cancel", "refill", "close"]), st.integers(0, 5)), max_size=12))
    def test_random_requests(self, steps: list[tuple[str, int]]) -> None:
        panels = [Panel(dialect=dialect, balance="3") for dialect in DIALECT_NAMES]
        for step, which in steps:
            standard, other = (take(panel, step, which) for panel in panels)
            assert texts(standard) == texts(other)
            assert books(panels[0]) == books(panels[1])


def take(panel: Panel, step: str, which: int) -> Any:
    """One step of a client or, to close an order, of the owner; with the id that the dialect shows."""
    if step == "add":
        return panel.post("add", service=DEFAULT, link=LINK, quantity=250 * which).json
    orders = panel.store.list(panel.account.id)
    if which >= len(orders):
        return panel.post(step, order=UNKNOWN).json if step != "close" else None
    order = orders[which]
    if step == "close":
        if order.status is OrderStatus.AWAITING:
            order = panel.move(order, OrderStatus.PROCESSING)
        if order.status in (OrderStatus.PROCESSING, OrderStatus.PARTIAL):
            remains = order.count // (1 if order.status is OrderStatus.PARTIAL else 2)
            Placement(panel.store, panel.store).close(order, OrderStatus.PARTIAL, remains)
        return None
    return panel.post(step, order=order.number if panel.account.dialect == "panel" else order.id).json


def books(panel: Panel) -> Any:
    """Everything that is stored, with what two runs cannot have in common left out: minted ids and times."""
    orders = panel.store.list(panel.account.id, limit=1000)
    names = {order.id: f"order {order.number}" for order in orders}
    refills = [refill for order in orders for refill in panel.store.find_refills(order.account, [order.id])]
    movements = [
        (re.sub("[0-9a-f]{24}", lambda id_: names.get(id_[0], "a refused order"), reference), units, voided)
        for reference, units, voided in panel.store.movements(panel.account.id)
    ]
    return (
        panel.balance,
        [list(plain(order)) for order in orders],
        [list(plain(replace(refill, order=names[refill.order]))) for refill in refills],
        movements,
    )


def plain(record: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name != "id":
            yield field.name, "a time" if isinstance(value, datetime) else value


def texts(answer: Any) -> list[str]:
    """The error texts anywhere in an answer, in their order."""
    if isinstance(answer, list):
        return [text for entry in answer for text in texts(entry)]
    if isinstance(answer, dict):
        own = [answer["error"]] if isinstance(answer.get("error"), str) else []
        return own + [text for value in answer.values() for text in texts(value)]
    return []
