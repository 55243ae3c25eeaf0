"""What a client may do otherwise than others and still be understood, over real sockets, in both dialects."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from example_app.demo import PANEL_KEY, STANDARD_KEY

from ..panel import LINK
from ..test_example_app import Demo
from .contract import UNKNOWN

FORM, JSON, JSON_UTF8 = "application/x-www-form-urlencoded", "application/json", "application/json; charset=utf-8"

LIKES = {"action": "add", "service": "123", "link": LINK, "quantity": "1000"}
VIEWS = {"action": "add", "service": "18", "link": LINK, "quantity": "100"}
COMMENTS = {"action": "add", "service": "3", "link": LINK, "comments": "One\nTwo\nThree"}
AUTO_LIKES = {"action": "add", "service": "13", "username": "someone", "min": "100", "max": "200", "delay": "0"}

TIMEOUT = 30.0
"""Seconds that an answer may take."""


class Answer(NamedTuple):
    status: int
    json: Any


class Caller:
    """Speaks to the demo with one of its keys."""

    def __init__(self, demo: Demo, key: str) -> None:
        self.port = demo.port
        self.key = key
        self.orders = demo.orders if key == STANDARD_KEY else demo.panel_orders

    def form(self, params: Mapping[str, str], **more: Any) -> Answer:
        return self.send(urlencode({"key": self.key, **params}).encode(), FORM, **more)

    def json(self, params: Mapping[str, Any], content_type: str = JSON, **more: Any) -> Answer:
        return self.send(json.dumps({"key": self.key, **params}).encode(), content_type, **more)

    def send(self, body: bytes, content_type: str, *, url: str = "/api/v2", **headers: str) -> Answer:
        """Send it with these headers and no other; http.client follows no redirect."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", url, body, {"Content-Type": content_type, **named})
            response = connection.getresponse()
            return Answer(response.status, json.load(response))

    def order(self, params: Mapping[str, str]) -> Any:
        """The new order's id."""
        status, answer = self.form(params)
        assert (status, list(answer)) == (200, ["order"])
        return answer["order"]

    def remains(self, order: Any) -> str:
        """How many pieces of a new order are still to come: all that were charged."""
        remains: str = self.form({"action": "status", "orders": order}).json[str(order)]["remains"]
        return remains


@pytest.fixture(params=[STANDARD_KEY, PANEL_KEY], ids=["standard", "panel"])
def caller(demo: Demo, request: pytest.FixtureRequest) -> Caller:
    return Caller(demo, request.param)


def assert_same_order(first: Answer, second: Answer) -> None:
    """That the second request, which repeated the first one's ``request_id``, meant the same.

    Had it meant another order it would have been refused (see :func:`test_a_request_id_tells_two_orders_apart`).
    """
    assert (first.status, list(first.json)) == (200, ["order"])
    assert second == first


def new_request_id() -> dict[str, str]:
    return {"request_id": uuid4().hex}


@pytest.mark.parametrize(
    ("params", "changed"),
    [
        (LIKES, {"quantity": "1001"}),
        ({**VIEWS, "runs": "2", "interval": "30"}, {"runs": "3"}),
        (COMMENTS, {"comments": "One\nTwo"}),
        (AUTO_LIKES, {"posts": "0"}),
    ],
)
def test_a_request_id_tells_two_orders_apart(caller: Caller, params: dict[str, str], changed: dict[str, str]) -> None:
    first = {**params, **new_request_id()}
    caller.order(first)
    assert caller.form({**first, **changed}).json == {"error": "Idempotency key was used for another order"}


# Below HTTP's own rules


def read_answer(connection: socket.socket) -> tuple[HTTPResponse, Any]:
    with closing(HTTPResponse(connection, method="POST")) as response:
        response.begin()
        return response, json.load(response)


@pytest.mark.parametrize("url", ["/api/v2", "/api/v2/"])
def test_http_1_0_without_a_host_is_answered(caller: Caller, url: str) -> None:
    body = urlencode({"key": caller.key, "action": "balance"})
    head = f"POST {url} HTTP/1.0\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", caller.port), timeout=TIMEOUT) as connection:
        connection.sendall((head + body).encode())
        response, answer = read_answer(connection)
        assert connection.recv(1) == b""  # and hangs up, as that version's clients wait for
    assert (response.version, response.status, answer["currency"]) == (10, 200, "USD")
    assert response.headers["Content-Type"] == "application/json"
    assert int(response.headers["Content-Length"]) > 0


def test_a_client_that_waits_for_100_continue_gets_it_before_it_sends_the_body(caller: Caller) -> None:
    body = urlencode({"key": caller.key, **COMMENTS, "comments": "A comment\n" * 1000}).encode()
    head = (
        f"POST /api/v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", caller.port), timeout=TIMEOUT) as connection:
        connection.sendall(head.encode())
        heard = b""
        while not heard.endswith(b"\r\n\r\n"):
            received = connection.recv(1)
            assert received, heard
            heard += received
        assert heard.startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        response, answer = read_answer(connection)
    assert response.status == 200
    assert caller.remains(answer["order"]) == "1000"


@pytest.mark.parametrize(
    "user_agent", ["Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)", "Mozilla/5.0 (compatible)", ""]
)
def test_any_user_agent_is_answered(caller: Caller, user_agent: str) -> None:
    assert caller.form({"action": "balance"}, User_Agent=user_agent).json["currency"] == "USD"


def test_both_urls_answer_directly(caller: Caller) -> None:
    for url in ("/api/v2", "/api/v2/"):
        status, answer = caller.form(LIKES, url=url)
        assert (status, list(answer)) == (200, ["order"])


# What counts as absent


@pytest.mark.parametrize("value", ["", "undefined", "null", "None"])
@pytest.mark.parametrize("order", [LIKES, VIEWS], ids=["no drip-feed", "drip-feed"])
def test_a_parameter_without_a_value_is_absent(caller: Caller, order: dict[str, str], value: str) -> None:
    params = {**order, **new_request_id()}
    first = caller.form({**params, "runs": value, "interval": value, "comments": value})
    assert_same_order(first, caller.form(params))
    assert caller.remains(first.json["order"]) == order["quantity"]


def test_in_json_null_is_absent_too(caller: Caller) -> None:
    params = {**VIEWS, **new_request_id()}
    assert_same_order(caller.json({**params, "runs": None, "interval": None}), caller.form(params))


@pytest.mark.parametrize("value", ["", "undefined", "null", "None"])
def test_a_required_parameter_without_a_value_is_missing(caller: Caller, value: str) -> None:
    assert caller.form({**LIKES, "quantity": value}).json == {"error": "Incorrect quantity"}


# One id or many


def test_a_comma_list_in_order_is_the_form_for_many(caller: Caller) -> None:
    order, completed = caller.order(LIKES), caller.orders["COMPLETED"]
    ids = f"{order}, {completed},{UNKNOWN}"
    status, found = caller.form({"action": "status", "order": ids})
    assert (status, list(found)) == (200, [str(order), completed, str(UNKNOWN)])
    assert found[str(UNKNOWN)] == {"error": "Incorrect order ID"}
    status, canceled = caller.form({"action": "cancel", "order": ids})
    assert (status, [row["cancel"] for row in canceled]) == (
        200,
        [1, {"error": "Order not eligible for cancellation"}, {"error": "Incorrect order ID"}],
    )
    assert canceled[0]["order"] == order


def test_one_id_in_orders_is_still_answered_as_many(caller: Caller) -> None:
    order = caller.order(LIKES)
    assert list(caller.form({"action": "status", "orders": str(order)}).json) == [str(order)]
    assert caller.form({"action": "cancel", "orders": str(order)}).json == [{"order": order, "cancel": 1}]
    assert caller.form({"action": "status", "orders": str(UNKNOWN)}) == Answer(
        200, {str(UNKNOWN): {"error": "Incorrect order ID"}}
    )


@pytest.mark.parametrize("as_text", [False, True], ids=["as sent", "as text"])
def test_in_json_ids_may_be_an_array(caller: Caller, as_text: bool) -> None:
    order = caller.order(LIKES)
    ids = [str(order) if as_text else order, UNKNOWN]
    assert list(caller.json({"action": "status", "orders": ids}).json) == [str(order), str(UNKNOWN)]
    assert caller.json({"action": "cancel", "orders": ids}).json == [
        {"order": order, "cancel": 1},
        {"order": UNKNOWN, "cancel": {"error": "Incorrect order ID"}},
    ]


# Lines


@pytest.mark.parametrize("quantity", ["", "2", "99999999", "many"])
def test_where_lines_are_counted_a_quantity_is_ignored(caller: Caller, quantity: str) -> None:
    params = {**COMMENTS, **new_request_id()}
    first = caller.form({**params, "quantity": quantity})
    assert first.status == 200
    assert caller.remains(first.json["order"]) == "3"


@pytest.mark.parametrize(
    "comments",
    ["One\nTwo\nThree", "One\r\nTwo\r\nThree\r\n", r"One\nTwo\nThree", "\n\nOne\r\n\nTwo\\n Three \n"],
    ids=["LF", "CR LF", "backslash-n", "mixed, with blank lines"],
)
def test_each_line_end_gives_the_same_order(caller: Caller, comments: str) -> None:
    params = {**COMMENTS, **new_request_id()}
    first = caller.form({**params, "comments": comments})
    assert caller.remains(first.json["order"]) == "3"
    assert_same_order(first, caller.form(params))
    assert_same_order(first, caller.json({**params, "comments": comments}))
    assert_same_order(first, caller.json({**params, "comments": ["One", "Two", "Three"]}))


# Types in JSON


@pytest.mark.parametrize("content_type", [JSON, JSON_UTF8, "Application/JSON;charset=UTF-8"])
def test_numbers_and_texts_may_stand_for_one_another_in_json(caller: Caller, content_type: str) -> None:
    numbers = {name: int(value) if value.isdecimal() else value for name, value in LIKES.items()}
    request_id = new_request_id()
    first = caller.json({**numbers, **request_id}, content_type)
    assert_same_order(first, caller.json({**LIKES, **request_id}, content_type))
    assert_same_order(first, caller.form({**LIKES, **request_id}))
    assert caller.remains(first.json["order"]) == "1000"


def test_a_number_may_stand_for_a_text_in_json(caller: Caller) -> None:
    params = {**AUTO_LIKES, **new_request_id()}
    first = caller.json({**params, "username": 12345})
    assert_same_order(first, caller.form({**params, "username": "12345"}))


@pytest.mark.parametrize(("value", "digits"), [(False, "0"), (True, "1")])
def test_a_boolean_is_a_digit_in_json(caller: Caller, value: bool, digits: str) -> None:
    params = {**AUTO_LIKES, **new_request_id()}
    first = caller.json({**params, "posts": value, "old_posts": value}, JSON_UTF8)
    assert_same_order(first, caller.form({**params, "posts": digits, "old_posts": digits}))
    assert caller.remains(first.json["order"]) == "200"


def test_a_boolean_is_no_id(caller: Caller) -> None:
    assert caller.json({**LIKES, "service": True}).json == {"error": "Incorrect service ID"}
    assert caller.json({"action": "status", "orders": [True]}).json == {"true": {"error": "Incorrect order ID"}}
