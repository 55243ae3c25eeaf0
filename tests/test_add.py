"""The action ``add`` over the wire: what each type of service requires, counts and costs, and in which order it is
complained of. Whatever is refused takes no money and leaves no order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account, OrderStatus, Service
from flask_smmapi.money import ZERO

from .panel import BARE, LINK, Panel, service
from .test_service_types import GOOD, TYPES, accepted, refused, required, taking

ONE = {"service": 1, "link": LINK}

MALFORMED = {
    "link": "ftp://example.com",
    **dict.fromkeys(("quantity", "answer_number", "min", "max", "delay"), "5.0"),
    **dict.fromkeys(("comments", "usernames", "hashtags", "groups", "keywords"), "\n\\n \r\n"),
    **dict.fromkeys(("hashtag", "username", "media", "country", "device", "type_of_traffic"), " "),
}
"""A value that will not do, for each parameter that some type requires."""

REQUIRED = [(type_, name) for type_, row in TYPES.items() for name in row.required.split()]


def selling(*services: Service, balance: str = "100", **given: Any) -> Panel:
    """A panel with these services alone."""
    panel = Panel(balance=balance, **given)
    panel.store.set_services(services)
    return panel


# What is required


@pytest.mark.parametrize("type_", TYPES)
def test_the_required_parameters_are_enough(panel: Panel, type_: str) -> None:
    order = accepted(panel, required(type_))
    assert order.params == {name: GOOD[name] for name in TYPES[type_].required.split()}
    assert panel.balance == 100 - order.charge < 100


@pytest.mark.parametrize("type_", TYPES)
def test_optional_parameters_are_kept(type_: str) -> None:
    names = f"{TYPES[type_].required} {TYPES[type_].optional}".split()
    panel = selling(service(1, type_, dripfeed="runs" in names))
    params = {name: GOOD[name] for name in names}
    assert accepted(panel, {"service": 1, **params}).params == params


@pytest.mark.parametrize(("type_", "name"), REQUIRED)
def test_a_required_parameter_may_not_be_left_out(panel: Panel, type_: str, name: str) -> None:
    params = required(type_)
    del params[name]
    refused(panel, params, f"Incorrect {name}")


@pytest.mark.parametrize(("type_", "name"), REQUIRED)
def test_a_required_parameter_may_not_be_empty_or_malformed(panel: Panel, type_: str, name: str) -> None:
    for value in ("", "null", MALFORMED[name]):
        refused(panel, {**required(type_), name: value}, f"Incorrect {name}")


@pytest.mark.parametrize(("type_", "name"), REQUIRED)
def test_of_several_wrong_parameters_the_first_of_the_table_is_named(panel: Panel, type_: str, name: str) -> None:
    names = TYPES[type_].required.split()
    wrong = names[names.index(name) :]
    good = {key: value for key, value in required(type_).items() if key not in wrong}
    refused(panel, good, f"Incorrect {name}")
    refused(panel, {**{key: MALFORMED[key] for key in reversed(wrong)}, **good}, f"Incorrect {name}")


@pytest.mark.parametrize("quantity", ["", "0", "abc", "-5", "1000000000000", "7"])
@pytest.mark.parametrize("type_", [name for name, row in TYPES.items() if "quantity" not in row.required])
def test_a_quantity_that_the_type_does_not_take_is_ignored(panel: Panel, type_: str, quantity: str) -> None:
    usual = accepted(panel, required(type_))
    order = accepted(panel, {**required(type_), "quantity": quantity})
    assert (order.count, order.charge, order.params) == (usual.count, usual.charge, usual.params)


def test_unknown_parameters_are_ignored(panel: Panel) -> None:
    others = {"comments": " ", "posts": "x", "expiry": "never", "charge": "0", "rate": "0", "status": "COMPLETED"}
    order = accepted(panel, {**ONE, "quantity": 1000, **others})
    assert order.params == {"link": LINK, "quantity": "1000"}
    assert (order.charge, order.status) == (Decimal(1), OrderStatus.AWAITING)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"min": "11", "max": "10"}, "min"),
        ({"min": "11", "max": "10", "delay": "x"}, "min"),
        ({"min": "11", "max": "10", "posts": "x"}, "min"),
        ({"min": "20000", "max": "10001"}, "min"),  # though max is out of bounds as well
        ({"username": " ", "min": "11", "max": "10"}, "username"),
        ({"min": "11", "max": "x"}, "max"),
        ({"min": "0", "max": "x"}, "min"),
    ],
)
def test_the_min_of_a_subscription_is_at_most_its_max(panel: Panel, changes: dict[str, str], name: str) -> None:
    refused(panel, {**required("Subscriptions"), **changes}, f"Incorrect {name}")


def test_the_min_of_a_subscription_may_be_its_max(panel: Panel) -> None:
    assert accepted(panel, {**required("Subscriptions"), "min": "10", "max": "10"}).count == 10


# What it costs

BIG = "999999999999"

CHARGES: list[tuple[str, str, dict[str, str], str]] = [
    ("Default", "1.00", {"quantity": "1000"}, "1.00000000"),
    ("Default", "0.90", {"quantity": "1"}, "0.00090000"),
    ("Default", "1.1", {"quantity": "3"}, "0.00330000"),
    ("Default", "0.33333333", {"quantity": "7"}, "0.00233334"),
    ("Default", "0.00001999", {"quantity": "500"}, "0.00001000"),
    ("Default", "0.00000001", {"quantity": "1"}, "0.00000001"),
    ("Default", "0.00000001", {"quantity": "1000"}, "0.00000001"),
    ("Default", "0.00000001", {"quantity": "1001"}, "0.00000002"),
    ("Default", "0.00000001", {"quantity": BIG}, "10.00000000"),
    ("Default", "0.00012345", {"quantity": BIG}, "123449.99999988"),
    ("Default", "0", {"quantity": BIG}, "0.00000000"),
    ("Default", "12345.67890123", {"quantity": "12345"}, "152407.40603569"),
    ("Default", "1.00", {"quantity": "100", "runs": "5", "interval": "60"}, "0.50000000"),
    ("Default", "0.00000001", {"quantity": "1", "runs": "1000", "interval": "1"}, "0.00000001"),
    ("Package", "2.50", {}, "2.50000000"),
    ("Package", "0.00000001", {"quantity": "1000"}, "0.00000001"),
    ("Custom Comments", "10.00", {"comments": "one"}, "0.01000000"),
    ("Custom Comments", "10.00", {"comments": "one\r\ntwo\nthree\\nfour"}, "0.04000000"),
    ("Custom Comments", "10.00", {"comments": "\n\none\n \n\r\n\\n\\ntwo\n\t\n", "quantity": "9"}, "0.02000000"),
    ("Custom Comments", "10.00", {"comments": "same\nsame"}, "0.02000000"),
    ("Mentions with Hashtags", "3.00", {"quantity": "10", "usernames": "a\nb\nc", "hashtags": "x\ny"}, "0.03000000"),
    ("Mentions Custom List", "3.00", {"usernames": "ann\r\nbob\\n\\n \ncid"}, "0.00900000"),
    ("Mentions Hashtag", "3.00", {"quantity": "10"}, "0.03000000"),
    ("Mentions User Followers", "3.00", {"quantity": "10"}, "0.03000000"),
    ("Mentions Media Likers", "3.00", {"quantity": "10"}, "0.03000000"),
    ("Comment Likes", "3.00", {"quantity": "10"}, "0.03000000"),
    ("Poll", "3.00", {"quantity": "10", "answer_number": "7"}, "0.03000000"),
    ("Comment Replies", "3.00", {"comments": "one\\ntwo\n\r\n\nthree", "quantity": "10"}, "0.00900000"),
    ("Invites from Groups", "3.00", {"quantity": "10", "groups": "a\nb\nc"}, "0.03000000"),
    ("Subscriptions", "1.00", {"min": "10", "max": "1000"}, "1.00000000"),
    ("Subscriptions", "1.00", {"min": "10", "max": "1000", "posts": "0"}, "1.00000000"),
    ("Subscriptions", "1.00", {"min": "10", "max": "1000", "posts": ""}, "1.00000000"),
    ("Subscriptions", "1.00", {"min": "10", "max": "1000", "posts": "1"}, "1.00000000"),
    ("Subscriptions", "1.00", {"min": "10", "max": "1000", "posts": "12", "old_posts": "3"}, "12.00000000"),
    ("Subscriptions", "0.00000001", {"min": "1", "max": "1", "posts": "1001", "quantity": "5"}, "0.00000002"),
    ("Web Traffic", "0.50", {"quantity": "1000"}, "0.50000000"),
    ("Web Traffic", "0.50", {"quantity": "1000", "runs": "3", "interval": "10"}, "1.50000000"),
    ("SEO", "3.00", {"quantity": "10", "keywords": "a\nb\nc"}, "0.03000000"),
    ("Mentions", "3.00", {"quantity": "10", "usernames": "a\nb\nc"}, "0.03000000"),
    ("Custom Comments Package", "4.20", {"comments": "one\ntwo\nthree"}, "4.20000000"),
]
"""A service's type and rate, what is ordered, and the charge."""


@pytest.mark.parametrize(("type_", "rate", "params", "charge"), CHARGES)
def test_the_charge(type_: str, rate: str, params: dict[str, str], charge: str) -> None:
    dripfeed = "runs" in TYPES[type_].optional
    panel = selling(service(1, type_, rate=Decimal(rate), max=10**12, dripfeed=dripfeed), balance="1000000")
    order = accepted(panel, {**required(type_), **params, "service": 1})
    assert panel.post("status", order=order.id).json[order.id]["charge"] == charge
    assert panel.post("balance").json["balance"] == f"{1_000_000 - Decimal(charge):.8f}"


def test_the_table_of_charges_has_every_type() -> None:
    assert {type_ for type_, *_ in CHARGES} == set(TYPES)


def test_an_order_keeps_its_price_when_the_service_changes(panel: Panel) -> None:
    order = accepted(panel, {**ONE, "quantity": 1000})
    panel.store.set_services([service(1, rate=Decimal("5.00"))])
    assert panel.post("status", order=order.id).json[order.id]["charge"] == "1.00000000"


# Bounds

BOUNDED = {name: row.counts for name, row in TYPES.items() if row.counts}


def counting(type_: str, count: int) -> dict[str, str]:
    """Good parameters that order *count* pieces of the panel's only service."""
    counted = BOUNDED[type_]
    value = "\n".join(["x"] * count) if counted in ("comments", "usernames") else str(count)
    return {**required(type_), "service": "1", "min": "1", str(counted): value}


@pytest.mark.parametrize("type_", BOUNDED)
def test_what_is_counted_must_be_within_the_services_bounds(type_: str) -> None:
    panel = selling(service(1, type_, min=3, max=4))
    refused(panel, counting(type_, 2), "Quantity less than minimal 3")
    refused(panel, counting(type_, 5), "Quantity more than maximum 4")
    assert [accepted(panel, counting(type_, count)).count for count in (3, 4)] == [3, 4]


@pytest.mark.parametrize("type_", ["Package", "Custom Comments Package"])
def test_packages_are_not_bounded(type_: str) -> None:
    panel = selling(service(1, type_, min=50, max=60))
    assert accepted(panel, {**required(type_), "service": "1"}).count == 1


def test_blank_lines_do_not_reach_the_minimum() -> None:
    panel = selling(service(1, "Custom Comments", min=3, max=4))
    refused(panel, {**ONE, "comments": "one\n\n \r\n\\ntwo\\n"}, "Quantity less than minimal 3")


def test_runs_and_posts_are_not_bounded() -> None:
    panel = selling(service(1, dripfeed=True, max=10), service(2, "Subscriptions", max=10))
    assert accepted(panel, {**ONE, "quantity": 10, "runs": 7, "interval": 5}).count == 70
    assert accepted(panel, {**required("Subscriptions"), "service": "2", "max": "10", "posts": "7"}).count == 70


def test_zero_is_no_quantity_even_if_the_service_has_no_minimum() -> None:
    refused(selling(service(1, min=0)), {**ONE, "quantity": "0"}, "Incorrect quantity")


# Drip-feed


@pytest.mark.parametrize("type_", TYPES)
def test_a_service_without_drip_feed_takes_no_runs_and_no_interval(panel: Panel, type_: str) -> None:
    refused(panel, {**required(type_), "runs": "2"}, "Incorrect runs")
    refused(panel, {**required(type_), "interval": "10"}, "Incorrect interval")
    refused(panel, {**required(type_), "interval": "10", "runs": "2"}, "Incorrect runs")


@pytest.mark.parametrize("type_", ["Default", "Web Traffic"])
def test_runs_and_interval_come_together(type_: str) -> None:
    panel = selling(service(1, type_, dripfeed=True))
    params = {**required(type_), "service": "1"}
    refused(panel, {**params, "runs": "2"}, "Incorrect interval")
    refused(panel, {**params, "interval": "10"}, "Incorrect runs")
    assert accepted(panel, params).count == 1000
    assert accepted(panel, {**params, "runs": "2", "interval": "10"}).count == 2000


@pytest.mark.parametrize("name", ["runs", "interval"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "often", " "])
def test_malformed_runs_or_interval_are_refused(panel: Panel, name: str, value: str) -> None:
    refused(panel, {**taking("runs"), name: value}, f"Incorrect {name}")


# The service


@pytest.mark.parametrize(
    "number",
    [None, "", "null", "0", "999", "-1", "+1", " 1", "1 ", "1.0", "1e0", "one", "١", "9" * 18, "9" * 19, "1,2"],
)
def test_a_service_that_is_missing_malformed_or_unknown(panel: Panel, number: str | None) -> None:
    refused(panel, {"service": number, "link": LINK, "quantity": 1000}, "Incorrect service ID")


@pytest.mark.parametrize("number", [1.0, 1.5, True, 999, -1, None])
def test_a_json_service_that_is_malformed_or_unknown(panel: Panel, number: Any) -> None:
    refused(panel, {"service": number, "link": LINK, "quantity": 1000}, "Incorrect service ID", as_json=True)


def test_a_catalog_may_offer_each_account_other_services_and_prices() -> None:
    offers = {1: [service(1)], 2: [service(1, rate=Decimal("2.00")), service(5, "Mentions Custom List")]}
    panel = Panel(catalog=lambda account: offers[account.id])
    key = panel.store.add_account(Account(2), balance=Decimal(10))
    refused(panel, {**required("Mentions Custom List"), "service": 5}, "Incorrect service ID")
    assert panel.post("add", key=key, **required("Mentions Custom List")).status == 200
    for each in (panel.key, key):
        assert panel.post("add", key=each, **ONE, quantity=1000).status == 200
    assert panel.balance == 99
    assert panel.store.balance(2) == Decimal("7.995")


def test_the_checks_come_in_the_documented_order() -> None:
    panel = selling(service(1, "Comment Likes", min=100, max=200), balance="0.05")
    params = {"service": "999", "link": "ftp://x", "quantity": "5", "username": " ", "runs": "2"}
    for name, good, text in [
        ("service", "1", "Incorrect service ID"),
        ("link", LINK, "Incorrect link"),
        ("username", "ann", "Incorrect username"),
        ("quantity", "150", "Quantity less than minimal 100"),
        ("runs", "", "Incorrect runs"),
    ]:
        refused(panel, params, text)
        params[name] = good
    refused(panel, params, "Not enough funds on balance")
    panel.store.credit(1, Decimal("0.10"), "top-up")
    accepted(panel, params)
    assert panel.balance == 0


# Funds


def test_too_small_a_balance_takes_nothing_and_leaves_no_order() -> None:
    panel = Panel(balance="0.99999999")
    refused(panel, {**ONE, "quantity": 1000}, "Not enough funds on balance")
    assert panel.post("balance").json["balance"] == "0.99999999"
    assert panel.post("status", orders="1,2").json == {number: {"error": "Incorrect order ID"} for number in "12"}
    assert len(panel.store.movements(1)) == 1
    assert accepted(panel, {**ONE, "quantity": 999}).charge == Decimal("0.999")


def test_the_balance_can_be_spent_to_the_last_unit_and_what_is_free_ordered_then() -> None:
    panel = selling(service(1), service(2, rate=Decimal(0)), balance="1.00000001")
    accepted(panel, {**ONE, "quantity": 1000})
    refused(panel, {**ONE, "quantity": 1}, "Not enough funds on balance")
    panel.store.debit(1, Decimal("0.00000001"), "fee")
    assert panel.post("balance").json["balance"] == "0.00000000"
    accepted(panel, {**ONE, "service": 2, "quantity": 1000})
    refused(panel, {**ONE, "quantity": 1}, "Not enough funds on balance")


MOST = "92233720368.54775807"  # 2^63 - 1 units


@pytest.mark.parametrize(
    ("type_", "rate", "params"),
    [
        ("Default", MOST, {"quantity": "1001"}),
        ("Default", MOST, {"quantity": BIG, "runs": BIG, "interval": BIG}),
        ("Default", "1.00", {"quantity": BIG, "runs": BIG, "interval": "1"}),
        ("Default", "0.00000001", {"quantity": BIG, "runs": BIG, "interval": "1"}),
        ("Subscriptions", MOST, {"min": BIG, "max": BIG, "posts": BIG}),
        ("Custom Comments", MOST, {"comments": "x\n" * 1_001}),
    ],
)
def test_nobody_has_funds_for_more_than_64_bits_of_units(type_: str, rate: str, params: Mapping[str, str]) -> None:
    row = service(1, type_, rate=Decimal(rate), max=10**12, dripfeed=type_ == "Default")
    panel = selling(row, balance="1" + "0" * 30)
    refused(panel, {**required(type_), **params, "service": "1"}, "Not enough funds on balance")


@pytest.mark.parametrize(("type_", "params"), [("Default", {"quantity": "1000"}), ("Package", {})])
def test_the_largest_charge_is_64_bits_of_units(type_: str, params: dict[str, str]) -> None:
    panel = selling(service(1, type_, rate=Decimal(MOST)), balance=MOST)
    assert accepted(panel, {**ONE, **params}).charge == Decimal(MOST)
    assert panel.balance == 0


# What is stored


def test_an_order_keeps_what_it_was_made_of() -> None:
    panel = selling(service(7, dripfeed=True, rate=Decimal("0.5"), refill=True, cancel=False))
    before = datetime.now(timezone.utc)
    params = {"service": "007", "link": LINK, "quantity": "000100", "runs": "3", "interval": "60", "utm": "x"}
    order = accepted(panel, params)
    assert (order.account, order.service) == (1, 7)
    assert order.params == {"link": LINK, "quantity": "100", "runs": "3", "interval": "60"}
    assert (order.rate, order.per, order.count, order.remains) == (Decimal("0.5"), 1000, 300, 300)
    assert (order.charge, order.due_back, order.paid_back) == (Decimal("0.15"), ZERO, ZERO)
    assert (order.refillable, order.cancelable) == (True, False)
    assert (order.status, order.start_count, order.ended) == (OrderStatus.AWAITING, 0, None)
    assert before <= order.created <= datetime.now(timezone.utc)
    assert order.created.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("type_", "per", "count"),
    [("Package", 1, 1), ("Custom Comments Package", 1, 1), ("Custom Comments", 1000, 5), ("Subscriptions", 1000, 1000)],
)
def test_an_order_begins_with_all_that_was_counted_remaining(panel: Panel, type_: str, per: int, count: int) -> None:
    order = accepted(panel, required(type_))
    assert (order.per, order.count, order.remains) == (per, count, count)
    assert panel.post("status", order=order.id).json[order.id]["remains"] == str(count)


def test_a_service_without_refill_and_cancel_makes_orders_without(panel: Panel) -> None:
    order = accepted(panel, {**ONE, "service": BARE, "quantity": 10})
    assert (order.refillable, order.cancelable) == (False, False)


@pytest.mark.parametrize(
    ("config", "own", "currency"),
    [({}, None, "USD"), ({"SMMAPI_CURRENCY": "EUR"}, None, "EUR"), ({"SMMAPI_CURRENCY": "EUR"}, "TRY", "TRY")],
)
def test_the_currency_is_the_accounts_else_the_apps(config: dict[str, str], own: str | None, currency: str) -> None:
    panel = Panel(config=config)
    account = Account(2, currency=own)
    key = panel.store.add_account(account, balance=Decimal(1))
    order_id = panel.post("add", key=key, **ONE, quantity=10).json["order"]
    assert panel.smmapi.status(account, order_id).currency == currency
    assert panel.post("status", key=key, order=order_id).json[order_id]["currency"] == currency


def test_json_numbers_and_booleans_are_as_good_as_text(panel: Panel) -> None:
    params = {"service": 14, "link": LINK, "quantity": 1000, "country": True, "device": 5, "type_of_traffic": False}
    order = accepted(panel, params, as_json=True)
    texts = {"quantity": "1000", "country": "1", "device": "5", "type_of_traffic": "0"}
    assert order.params == {"link": LINK, **texts}
