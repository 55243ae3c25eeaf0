"""What a client sent becomes plain text: absent values fall out, numbers are their digits, arrays become lists."""

from __future__ import annotations

from typing import Any

import pytest

from flask_smmapi import SmmError
from flask_smmapi.params import clean, split_ids, split_lines

from .panel import LINK, Panel

ABSENT = ["", "undefined", "null", "None", None]
LISTS = ["comments", "usernames", "hashtags", "groups", "keywords"]


@pytest.mark.parametrize("value", ABSENT)
def test_what_clients_send_for_no_value_is_absent(value: str | None) -> None:
    assert clean({"link": value, "quantity": "5"}) == {"quantity": "5"}


@pytest.mark.parametrize("value", ["none", "NULL", "Undefined", " ", "nul", "nan", "0", "false", "[]", "{}"])
def test_nothing_else_is_absent(value: str) -> None:
    assert clean({"link": value}) == {"link": value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (" kept as it is\r\n", " kept as it is\r\n"),
        ("שלום 👋", "שלום 👋"),
        (0, "0"),
        (1000, "1000"),
        (-5, "-5"),
        (10**20, "100000000000000000000"),
        (True, "1"),
        (False, "0"),
    ],
)
def test_a_value_becomes_text(value: Any, text: str) -> None:
    assert clean({"link": value}) == {"link": text}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("kind", [list, tuple])
def test_an_array_becomes_a_list_with_a_line_an_entry(name: str, kind: type) -> None:
    assert clean({name: kind(["one", 2, True, "vier"])}) == {name: "one\n2\n1\nvier"}


@pytest.mark.parametrize("name", ["service", "order", "orders", "refill", "refills"])
@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false")])
def test_a_boolean_is_no_id(name: str, value: bool, text: str) -> None:
    """Else a client's mistake would cancel its first order."""
    assert clean({name: value}) == {name: text}


@pytest.mark.parametrize("name", ["orders", "refills"])
def test_an_array_of_ids_becomes_a_comma_list(name: str) -> None:
    assert clean({name: ["507f1f77bcf86cd799439011", 9, "7"]}) == {name: "507f1f77bcf86cd799439011,9,7"}


@pytest.mark.parametrize("name", [*LISTS, "orders", "refills"])
def test_an_empty_array_is_absent(name: str) -> None:
    assert clean({name: []}) == {}


@pytest.mark.parametrize(
    "name", ["key", "action", "service", "link", "quantity", "order", "refill", "hashtag", "username"]
)
def test_an_array_is_refused_where_no_list_is_expected(name: str) -> None:
    with pytest.raises(SmmError, match=r"\AIncorrect request\Z"):
        clean({name: ["one"]})


@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, [["one"]], [{"a": 1}], [None, ["one"]], 1.5, [1.5], b"bytes", {1, 2}, object()]
)
def test_what_nests_or_is_no_json_text_or_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(SmmError, match=r"\AIncorrect request\Z"):
        clean({"comments": value})


@pytest.mark.parametrize("value", ["\ud800", "x\udfff", ["fine", "\ud83d"]])
def test_half_of_a_surrogate_pair_is_refused(value: Any) -> None:
    with pytest.raises(SmmError, match=r"\AIncorrect request\Z"):
        clean({"comments": value})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", ["one"]),
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        (r"one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\nthree\\nfour", ["one", "two", "three", "four"]),
        ("\n\none\n \n\t\r\n\\n  two  \n", ["one", "two"]),
        ("same\nsame", ["same", "same"]),
        ("with, comma; and\ttab", ["with, comma; and\ttab"]),
        ("a\u2028b\x85c", ["a\u2028b\x85c"]),  # line ends that str.splitlines() knows, and the protocol does not
        ("", []),
        (" \r\n\\n ", []),
    ],
)
def test_lists_are_split_at_line_ends_and_written_ones_and_blank_lines_fall_out(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("1", ["1"]),
        ("1,2,3", ["1", "2", "3"]),
        (" 1 , 2\n,3 ", ["1", "2", "3"]),
        (",1,,2,", ["1", "2"]),
        ("2,1,2", ["2", "1", "2"]),
        ("1 2;3", ["1 2;3"]),
        ("507F1F77bcf86cd799439011,007", ["507F1F77bcf86cd799439011", "007"]),
        (",, ,", []),
        ("", []),
    ],
)
def test_ids_are_split_at_commas_and_stay_as_they_were_written(text: str, ids: list[str]) -> None:
    assert split_ids(text) == ids


@pytest.mark.parametrize("value", ABSENT)
def test_an_absent_value_in_a_json_body_is_a_missing_parameter(panel: Panel, value: str | None) -> None:
    body = {"key": panel.key, "action": "add", "service": 1, "link": value, "quantity": 10}
    assert panel.send(json=body).json == {"error": "Incorrect link"}


@pytest.mark.parametrize("value", ["", "undefined", "null", "None"])
def test_an_absent_value_in_a_form_is_a_missing_parameter(panel: Panel, value: str) -> None:
    assert panel.post("add", service=1, link=value, quantity=10).json == {"error": "Incorrect link"}


@pytest.mark.parametrize("value", ["", "undefined", "null", "None"])
def test_an_absent_optional_parameter_is_not_malformed(panel: Panel, value: str) -> None:
    assert panel.post("add", service=1, link=LINK, quantity=10, runs=value, interval=value).status == 200


def test_nesting_is_an_incorrect_request_and_no_failed_attempt(panel: Panel) -> None:
    body = {"key": panel.key, "action": "add", "service": 1, "link": {"url": LINK}, "quantity": 10}
    for _ in range(15):
        answer = panel.send(json=body)
        assert (answer.status, answer.json) == (400, {"error": "Incorrect request"})
    assert panel.balance == 100


def test_comments_may_be_a_json_array(panel: Panel) -> None:
    comments = ["Nice!", "two\nlines", " ", "", None, "written\\nend"]
    body = {"key": panel.key, "action": "add", "service": 3, "link": LINK, "comments": comments}
    answer = panel.send(json=body)
    order = panel.smmapi.status(panel.account, answer.json["order"])
    assert order.count == 5
    assert order.params["comments"] == "Nice!\ntwo\nlines\nwritten\nend"


def test_from_python_numbers_and_lists_are_as_good_as_text(panel: Panel) -> None:
    number = panel.smmapi.place(panel.account, {"service": 1, "link": LINK, "quantity": 500, "runs": None})
    text = panel.smmapi.place(panel.account, {"service": "1", "link": LINK, "quantity": "500"})
    assert number.params == text.params == {"link": LINK, "quantity": "500"}
    lines = panel.smmapi.place(panel.account, {"service": 3, "link": LINK, "comments": ("a", "b")})
    assert lines.params["comments"] == "a\nb"
