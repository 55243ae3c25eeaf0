"""What each parameter of each service type may be, over the wire; and what a row of a price list may be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from flask_smmapi import Order, Service
from flask_smmapi.service_types import SERVICE_TYPES

from .panel import DRIPFEED, LINK, Answer, Panel, service


class Row(NamedTuple):
    """A row of the protocol's table of types."""

    required: str
    optional: str = ""
    counts: str | None = "quantity"
    times: str | None = None


TYPES = {
    "Default": Row("link quantity", "runs interval", times="runs"),
    "Package": Row("link", counts=None),
    "Custom Comments": Row("link comments", counts="comments"),
    "Mentions with Hashtags": Row("link quantity usernames hashtags"),
    "Mentions Custom List": Row("link usernames", counts="usernames"),
    "Mentions Hashtag": Row("link quantity hashtag"),
    "Mentions User Followers": Row("link quantity username"),
    "Mentions Media Likers": Row("link quantity media"),
    "Comment Likes": Row("link quantity username"),
    "Poll": Row("link quantity answer_number"),
    "Comment Replies": Row("link username comments", counts="comments"),
    "Invites from Groups": Row("link quantity groups"),
    "Subscriptions": Row("username min max delay", "posts old_posts expiry", counts="max", times="posts"),
    "Web Traffic": Row(
        "link quantity country device type_of_traffic", "runs interval google_keyword referring_url", times="runs"
    ),
    "SEO": Row("link quantity keywords"),
    "Mentions": Row("link quantity usernames"),
    "Custom Comments Package": Row("link comments", counts=None),
}

NUMBERS = {name: number for number, name in enumerate(TYPES, 1)}
"""The panel's service of each type."""

GOOD = {
    "link": LINK,
    "quantity": "1000",
    "comments": "Nice!\nWow\nGreat\n👍\n…",
    "usernames": "ann\nbob\ncid\ndan\neve",
    "hashtags": "#a\n#b",
    "hashtag": "#a",
    "username": "ann",
    "media": "https://example.com/p/1",
    "answer_number": "2",
    "groups": "one\ntwo",
    "min": "10",
    "max": "1000",
    "delay": "0",
    "country": "US",
    "device": "5",
    "type_of_traffic": "1",
    "keywords": "shoes\nred shoes",
    "runs": "2",
    "interval": "10",
    "posts": "2",
    "old_posts": "0",
    "expiry": "31/12/2026",
    "google_keyword": "shoes",
    "referring_url": "https://example.com/from",
}
"""A value for each parameter."""


def required(type_: str) -> dict[str, str]:
    """The type's service and good values for what it requires."""
    return {"service": str(NUMBERS[type_]), **{name: GOOD[name] for name in TYPES[type_].required.split()}}


def taking(parameter: str) -> dict[str, str]:
    """A good request with *parameter* in it."""
    if parameter in ("runs", "interval"):
        return {**required("Default"), "service": str(DRIPFEED), "runs": "2", "interval": "10"}
    type_ = next(name for name, row in TYPES.items() if parameter in f"{row.required} {row.optional}".split())
    return {**required(type_), parameter: GOOD[parameter]}


def send(panel: Panel, params: Mapping[str, Any], *, as_json: bool = False) -> Answer:
    if as_json:
        return panel.send(json={"key": panel.key, "action": "add", **params})
    return panel.post("add", **params)


def accepted(panel: Panel, params: Mapping[str, Any], *, as_json: bool = False) -> Order:
    """The order that *params* make; the answer is the documented one."""
    answer = send(panel, params, as_json=as_json)
    assert (answer.status, list(answer.json)) == (200, ["order"]), answer.json
    assert re.fullmatch("[0-9a-f]{24}", answer.json["order"])
    [order] = panel.store.find(panel.account.id, [answer.json["order"]])
    return order


def refused(panel: Panel, params: Mapping[str, Any], text: str, *, as_json: bool = False) -> None:
    """*params* are answered with *text*; no money is taken and no order made."""
    before = panel.balance, panel.store.list(panel.account.id)
    answer = send(panel, params, as_json=as_json)
    assert (answer.status, answer.json) == (400, {"error": text})
    assert (panel.balance, panel.store.list(panel.account.id)) == before


def test_the_types_are_those_of_the_protocol() -> None:
    """Order matters too: it decides which of several wrong parameters the client hears of."""
    rows = {
        name: Row(" ".join(row.required), " ".join(row.optional), row.counts, row.times)
        for name, row in SERVICE_TYPES.items()
    }
    assert list(rows.items()) == list(TYPES.items())


def test_a_rate_is_the_price_of_1000_but_of_one_for_the_package_types() -> None:
    assert {name for name, row in SERVICE_TYPES.items() if row.per == 1} == {"Package", "Custom Comments Package"}
    assert {row.per for row in SERVICE_TYPES.values()} == {1, 1000}


# Whole numbers

WHOLE = ["quantity", "answer_number", "min", "max", "delay", "posts", "old_posts", "runs", "interval"]
NOT_WHOLE = [
    *("+5", "-1", "-0", " 5", "5 ", "5\n", "5.0", "5.", "5,0", "5,000", "1e3", "1_000", "0x5", "five", "true", "1/2"),
    *("١٢٣", "５", "²", "1000000000000", "0000000000005"),
]


@pytest.mark.parametrize("value", NOT_WHOLE)
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_number_is_at_most_12_ascii_digits(panel: Panel, name: str, value: str) -> None:
    refused(panel, {**taking(name), name: value}, f"Incorrect {name}")


def test_12_digits_are_a_number(panel: Panel) -> None:
    panel.store.set_services([service(1, max=10**12, rate=Decimal(0))])
    assert accepted(panel, {"service": 1, "link": LINK, "quantity": "999999999999"}).count == 999_999_999_999
    assert accepted(panel, {"service": 1, "link": LINK, "quantity": "000000000005"}).count == 5


@pytest.mark.parametrize("name", ["quantity", "runs", "interval"])
def test_zero_is_no_count(panel: Panel, name: str) -> None:
    refused(panel, {**taking(name), name: "0"}, f"Incorrect {name}")


@pytest.mark.parametrize("name", ["delay", "posts", "old_posts"])
@pytest.mark.parametrize("value", ["0", "1", "1440", "999999999999"])
def test_a_delay_in_minutes_and_numbers_of_posts_may_be_zero(panel: Panel, name: str, value: str) -> None:
    panel.store.set_services([service(13, "Subscriptions", rate=Decimal(0))])
    assert accepted(panel, {**taking(name), name: value}).params[name] == value


@pytest.mark.parametrize(("value", "text"), [(True, "1"), (False, "0")])
def test_a_json_boolean_is_one_or_zero_as_php_writes_it(panel: Panel, value: bool, text: str) -> None:
    order = accepted(panel, {**taking("posts"), "posts": value}, as_json=True)
    assert order.params["posts"] == text


def test_a_json_integer_is_a_whole_number(panel: Panel) -> None:
    assert accepted(panel, {"service": 1, "link": LINK, "quantity": 1000}, as_json=True).count == 1000


@pytest.mark.parametrize(
    "literal", ["12.5", "1000.0", "1e3", "1E3", "-1", "0", "false", "null", "1000000000000", "9" * 5_000]
)
def test_another_json_number_is_none(panel: Panel, literal: str) -> None:
    body = json.dumps({"key": panel.key, "action": "add", "service": 1, "link": LINK})
    answer = panel.send(data=f'{body[:-1]}, "quantity": {literal}}}', content_type="application/json")
    assert (answer.status, answer.json) == (400, {"error": "Incorrect quantity"})
    assert panel.balance == 100


# Links


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com",
        "http://example.com/",
        "HTTPS://EXAMPLE.COM/Path",
        "https://example.com/a/b?c=d&e=%20#f:g",
        "https://example.com:8443/x",
        "https://localhost/x",
        "https://192.0.2.7/x",
        "https://[2001:db8::1]/x",
        "https://münchen.example/straße",
        "https://例え.example/パス/👍",
        "https://example.com/می\u200cخواهم",  # a joiner of Persian words is no blank and no control character
        "https://example.com/" + "ü" * 2_028,
        "@name",
        "name",
        "name_1.2",
        "@имя",
        "12345",
        "example.com",
        "example.com/x",
        "example.com/x:y?z=https://example.org/",
        "example.com?x=1",
        "example.com:8080",
        "example.com:8080/x",
        "192.0.2.7:8080/x",
        "münchen.example",
        "t.example/+AbC",
        "n" * 2_048,
    ],
)
def test_a_link_is_an_http_url_or_a_bare_name(panel: Panel, link: str) -> None:
    assert accepted(panel, {"service": 1, "link": link, "quantity": 10}).params["link"] == link


@pytest.mark.parametrize(
    "link",
    [
        *(
            " ",
            " https://example.com",
            "https://example.com ",
            "https://example.com/a b",
            "https://exam ple.com",
            "a b",
        ),
        *("https://example.com\n", "https://example.com/\r\nx", "a\tb", "name\x00", "name\x1b", "name\x7f", "a\x85b"),
        *("a\xa0b", "a\u2003b", "a\u2028b", "a\u3000b"),
        *("https://", "https:///x", "https://?x", "https://#x", "https:example.com", "http:/example.com"),
        *("javascript:alert(1)", "JavaScript:alert(1)", "javascript:1", "javascript://example.com/%0aalert(1)"),
        *("java\nscript:alert(1)", "x.y:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://example.com/x"),
        *("ftp://example.com/x", "file:///etc/passwd", "mailto:ann@example.com", "tel:5550100", "//example.com/x"),
        *("/x", "?x=1", "#top", ":8080", "example.com:/x", "example.com:x", "example.com:8080x", "."),
        *("n" * 2_049, "https://example.com/" + "x" * 2_029),
    ],
)
def test_anything_else_is_no_link(panel: Panel, link: str) -> None:
    refused(panel, {"service": 1, "link": link, "quantity": 10}, "Incorrect link")


def test_a_host_may_check_links_itself() -> None:
    panel = Panel(check_link=lambda link: link.startswith("id:"))
    assert accepted(panel, {"service": 1, "link": "id:7 of 9", "quantity": 10}).params["link"] == "id:7 of 9"
    refused(panel, {"service": 1, "link": LINK, "quantity": 10}, "Incorrect link")


def test_a_hosts_check_is_not_asked_about_a_missing_link() -> None:
    panel = Panel(check_link=lambda link: True)
    refused(panel, {"service": 1, "quantity": 10}, "Incorrect link")


# Lists, texts and dates

LISTS = ["comments", "usernames", "hashtags", "groups", "keywords"]
TEXTS = ["hashtag", "username", "media", "country", "device", "type_of_traffic", "google_keyword", "referring_url"]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_stored_with_a_line_an_entry(panel: Panel, name: str) -> None:
    order = accepted(panel, {**taking(name), name: "\n a b \r\n\r\nשלום\\n👋\n \n"})
    assert order.params[name] == "a b\nשלום\n👋"


@pytest.mark.parametrize("value", ["\n", " \r\n\\n ", "a\x00b", "a\nb\x1b[0m", "a\x7f"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_an_entry_and_no_control_characters(panel: Panel, name: str, value: str) -> None:
    refused(panel, {**taking(name), name: value}, f"Incorrect {name}")


@pytest.mark.parametrize("name", [*LISTS, "media"])
def test_free_text_has_at_most_5000_lines(panel: Panel, name: str) -> None:
    accepted(panel, {**taking(name), name: "\n".join(["x"] * 5_000)})
    refused(panel, {**taking(name), name: "\n".join(["x"] * 5_001)}, f"Incorrect {name}")


def test_blank_lines_fall_out_before_lines_are_counted(panel: Panel) -> None:
    assert accepted(panel, {**taking("comments"), "comments": "x\r\n\r\n" * 5_000}).count == 5_000


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_stored_as_it_was_sent(panel: Panel, name: str) -> None:
    assert accepted(panel, {**taking(name), name: "@Ünï, 0x_-/.👋"}).params[name] == "@Ünï, 0x_-/.👋"


@pytest.mark.parametrize("value", [" ", "\t\r\n", "\u3000", "a\x00", "\x1b[0m", "a\x7f"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_not_blank_and_has_no_control_characters(panel: Panel, name: str, value: str) -> None:
    refused(panel, {**taking(name), name: value}, f"Incorrect {name}")


@pytest.mark.parametrize("expiry", ["31/12/2026", "1/2/2026", "01/02/2026", "29/02/2028", "31/12/9999"])
def test_an_expiry_is_a_day_a_month_and_a_year(panel: Panel, expiry: str) -> None:
    assert accepted(panel, {**taking("expiry"), "expiry": expiry}).params["expiry"] == expiry


@pytest.mark.parametrize(
    "expiry",
    [
        *("31/02/2026", "29/02/2026", "31/04/2026", "12/31/2026", "0/1/2026", "1/0/2026", "31/12/0000", "32/01/2026"),
        *("2026-12-31", "31.12.2026", "31-12-2026", "31/12/26", "31/12", "31/12/2026 10:00", " 31/12/2026"),
        *(
            "31/12/2026\n",
            "+1/12/2026",
            "٣١/12/2026",
            "31/12/٢٠٢٦",
            " 1/2/2026",
            "tomorrow",
            "1798675200",
            "031/12/2026",
            "31/12/12026",
        ),
    ],
)
def test_any_other_expiry_is_refused(panel: Panel, expiry: str) -> None:
    refused(panel, {**taking("expiry"), "expiry": expiry}, "Incorrect expiry")


# Rows of a price list


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": Decimal(0)},
        {"rate": Decimal("0.00000001")},
        {"rate": Decimal("1E+2")},
        {"rate": Decimal("92233720368.54775807")},
        {"min": 0},
        {"min": 5, "max": 5},
        {"max": 10**15},
        {"type": "Default", "dripfeed": True},
        {"type": "Web Traffic", "dripfeed": True},
    ],
)
def test_a_service_at_the_edge_of_what_can_be(changes: dict[str, Any]) -> None:
    made = service(7, **changes)
    assert {name: getattr(made, name) for name in changes} == changes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"type": "default"}, r"Service 7 has the unknown type 'default'; the types are: Default, Package, .+\."),
        ({"type": ""}, r"Service 7 has the unknown type ''; the types are: .+\."),
        ({"rate": Decimal("-0.01")}, r"Service 7 has the rate -0\.01; it must be 0 or more, .+ 64 bits\."),
        ({"rate": Decimal("92233720368.54775808")}, r"Service 7 has the rate 92233720368\.54775808; .+ 64 bits\."),
        ({"rate": Decimal("0.000000001")}, r"Service 7 has the rate 1E-9; .+ at most eight places, .+\."),
        ({"rate": Decimal("NaN")}, r"Service 7 has the rate NaN; .+\."),
        ({"rate": Decimal("Infinity")}, r"Service 7 has the rate Infinity; .+\."),
        *(
            ({"rate": rate}, rf"Service 7 has the rate {rate!r}; it must be of type Decimal\.")
            for rate in (0.5, 1, "1.00")
        ),
        ({"refill": 1}, r"Service 7 has the refill 1; it must be of type bool\."),
        ({"cancel": None}, r"Service 7 has the cancel None; it must be of type bool\."),
        ({"min": Decimal("10.00")}, r"Service 7 has the min Decimal\('10\.00'\); it must be of type int\."),
        ({"max": None}, r"Service 7 has the max None; it must be of type int\."),
        ({"name": None}, r"Service 7 has the name None; it must be of type str\."),
        ({"min": 11, "max": 10}, r"Service 7 has min 11 and max 10; 0 <= min <= max must hold\."),
        ({"min": -1}, r"Service 7 has min -1 and max 10000; 0 <= min <= max must hold\."),
        ({"type": "Package", "dripfeed": True}, r"Service 7 is of type Package, which knows no drip-feed; set .+\."),
        ({"type": "Subscriptions", "dripfeed": True}, r"Service 7 is of type Subscriptions, which knows no .+\."),
        ({"type": "SEO", "dripfeed": True}, r"Service 7 is of type SEO, which knows no drip-feed; .+\."),
    ],
)
def test_a_service_that_cannot_be_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{sentence}\Z"):
        service(7, **changes)


@pytest.mark.parametrize("number", ["123", True, -1, 10**18, None])
def test_a_service_has_a_number_that_clients_can_write(number: Any) -> None:
    with pytest.raises(ValueError, match=r"Service .+ has .+ id .+ must be"):
        Service(number, "Likes", "Default", "Tests", Decimal(1), 1, 10)
