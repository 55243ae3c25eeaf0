"""What a client hears of its orders, its price list and its balance, and what becomes of an order that it cancels."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from werkzeug.local import LocalProxy

from flask_smmapi import Account, Order, OrderState, OrderStatus, Service
from flask_smmapi.placement import Placement
from flask_smmapi.stores.memory import MemoryStore

from .panel import BARE, DEFAULT, DRIPFEED, LINK, Panel, at_once, service

NOBODYS = "507f1f77bcf86cd799439011"
NO_ORDER = {"error": "Incorrect order ID"}
NOT_ELIGIBLE = {"error": "Order not eligible for cancellation"}
TOO_LATE = [OrderStatus(code) for code in ("PROCESSING", "IN_PROGRESS", "COMPLETED", "PARTIAL", "FAIL", "ERROR")]


def ask(panel: Panel, action: str, **params: Any) -> Any:
    """Send JSON with the account's key; the answer's body."""
    return panel.send(json={"key": panel.key, "action": action, **params}).json


def ask_for_services(panel: Panel, accept: str = "") -> Any:
    """The answer as it came."""
    headers = {"Accept-Encoding": accept} if accept else {}
    return panel.app.test_client().post("/api/v2", data={"key": panel.key, "action": "services"}, headers=headers)


def other_account(panel: Panel, **fields: Any) -> str:
    """The key of a second account."""
    return panel.store.add_account(Account(id=2, **fields), balance=Decimal(50))


def close(panel: Panel, order: Order, status: OrderStatus, remains: int) -> Order:
    """End the order as its owner does, money included."""
    return Placement(panel.store, panel.store).close(order, status, remains)


class TestStatus:
    def test_a_new_order(self, panel: Panel) -> None:
        order = panel.post("add", service=DEFAULT, link=LINK, quantity=1000).json["order"]
        assert panel.post("status", order=order).json == {
            order: {
                "charge": "1.00000000",
                "start_count": "0",
                "status": "Awaiting",
                "remains": "1000",
                "currency": "USD",
            }
        }

    @pytest.mark.parametrize(
        ("status", "word"),
        [
            ("AWAITING", "Awaiting"),
            ("PENDING", "Pending"),
            ("IN_PROGRESS", "In progress"),
            ("COMPLETED", "Completed"),
            ("PARTIAL", "Partial"),
            ("CANCELED", "Canceled"),
            ("PROCESSING", "Processing"),
            ("FAIL", "Fail"),
            ("ERROR", "Error"),
        ],
    )
    def test_the_word_of_each_status(self, panel: Panel, status: str, word: str) -> None:
        order = panel.move(panel.place(), OrderStatus(status))
        assert panel.post("status", order=order.id).json[order.id]["status"] == word

    def test_start_count_and_remains_are_strings_of_digits(self, panel: Panel) -> None:
        order = panel.move(panel.place(), OrderStatus.IN_PROGRESS, start_count=1_234_567, remains=400)
        answer = panel.post("status", order=order.id).json[order.id]
        assert (answer["start_count"], answer["remains"]) == ("1234567", "400")

    @pytest.mark.parametrize(
        ("status", "remains", "charge"),
        [
            (OrderStatus.COMPLETED, 0, "1.00000000"),
            (OrderStatus.PARTIAL, 250, "0.75000000"),
            (OrderStatus.CANCELED, 1000, "0.00000000"),
            (OrderStatus.FAIL, 999, "0.00100000"),
            (OrderStatus.ERROR, 1000, "0.00000000"),
        ],
    )
    def test_charge_is_what_the_order_costs_now(
        self, panel: Panel, status: OrderStatus, remains: int, charge: str
    ) -> None:
        order = close(panel, panel.move(panel.place(), OrderStatus.PROCESSING), status, remains)
        assert panel.post("status", order=order.id).json[order.id]["charge"] == charge
        assert panel.balance == 100 - Decimal(charge)

    def test_an_unknown_order_is_no_failed_request(self, panel: Panel) -> None:
        for name in ("order", "orders"):
            answer = panel.post("status", **{name: NOBODYS})
            assert (answer.status, answer.json) == (200, {NOBODYS: NO_ORDER})

    def test_no_answer_has_an_error_of_its_own_unless_an_order_of_that_name_was_asked_for(self, panel: Panel) -> None:
        assert panel.post("status", order="error").json == {"error": NO_ORDER}

    @pytest.mark.parametrize("name", ["order", "orders"])
    @pytest.mark.parametrize("form", ["{0.id}", "{0.number}", "00{0.number}"])
    def test_the_map_is_keyed_by_the_id_as_the_caller_wrote_it(self, panel: Panel, form: str, name: str) -> None:
        written = form.format(panel.place())
        [(key, answer)] = panel.post("status", **{name: written}).json.items()
        assert (key, answer["status"]) == (written, "Awaiting")

    def test_an_object_id_may_be_in_upper_case_and_is_given_back_so(self, panel: Panel) -> None:
        order = panel.place()
        assert panel.post("status", order=order.id.upper()).json[order.id.upper()]["status"] == "Awaiting"

    def test_maps_come_in_the_order_asked_with_each_id_once(self, panel: Panel) -> None:
        first, second = panel.place(), panel.place()
        asked = [second.id, "abc", str(first.number), second.id, first.id, "abc"]
        answer = panel.post("status", orders=",".join(asked)).json
        assert list(answer) == [second.id, "abc", str(first.number), first.id]
        assert [key for key, row in answer.items() if row == NO_ORDER] == ["abc"]

    @pytest.mark.parametrize("name", ["order", "orders"])
    def test_a_comma_list_may_have_blanks_around_its_ids_and_nothing_between_two_commas(
        self, panel: Panel, name: str
    ) -> None:
        first, second = panel.place(), panel.place()
        answer = panel.post("status", **{name: f" {first.id} ,, {second.number},"})
        assert list(answer.json) == [first.id, str(second.number)]

    def test_numbers_in_json_may_be_numbers_or_strings(self, panel: Panel) -> None:
        first, second = panel.place(), panel.place()
        assert list(ask(panel, "status", order=first.number)) == [str(first.number)]
        many = ask(panel, "status", orders=[first.number, str(second.number)])
        assert [row["status"] for row in many.values()] == ["Awaiting", "Awaiting"]

    @pytest.mark.parametrize("zeros", [18, 23, 40])
    def test_more_than_eighteen_digits_are_no_number(self, panel: Panel, zeros: int) -> None:
        """24 of them are an ObjectId."""
        written = f"{'0' * zeros}{panel.place().number}"
        assert panel.post("status", orders=written).json == {written: NO_ORDER}
        assert panel.post("cancel", orders=written).json == [{"order": written, "cancel": NO_ORDER}]

    @pytest.mark.parametrize("malformed", ["-1", "+1", "1.0", "1e0", "0x1", "1_", "1 1", "#1", "١", "１", "²"])
    def test_a_number_is_ascii_digits_and_nothing_else(self, panel: Panel, malformed: str) -> None:
        assert panel.place().number == 1
        assert ask(panel, "status", order=malformed) == {malformed: NO_ORDER}
        assert ask(panel, "cancel", orders=[malformed]) == [{"order": malformed, "cancel": NO_ORDER}]

    def test_eighteen_digits_are_a_number(self, panel: Panel) -> None:
        written = f"{panel.place().number:018d}"
        assert panel.post("status", order=written).json[written]["status"] == "Awaiting"

    def test_an_object_id_is_24_hexadecimal_characters(self, panel: Panel) -> None:
        id_ = panel.place().id
        spoiled = [f"{id_}0", f"0{id_}", id_[:-1], f"{id_[:-1]}g"]
        assert panel.post("status", orders=",".join(spoiled)).json == dict.fromkeys(spoiled, NO_ORDER)


@pytest.mark.parametrize("action", ["status", "cancel", "refill"])
class TestWhichOrdersAreMeant:
    def test_order_and_orders_together_mean_orders(self, panel: Panel, action: str) -> None:
        first, second = panel.place(), panel.place()
        answer = panel.post(action, order=first.id, orders=second.id)
        assert answer.status == 200
        assert second.id in json.dumps(answer.json)
        assert first.id not in json.dumps(answer.json)

    @pytest.mark.parametrize(
        "params", [{}, {"order": ""}, {"order": "null", "orders": "undefined"}, {"orders": ","}, {"order": " "}]
    )
    def test_without_an_id_the_request_is_incorrect(self, panel: Panel, action: str, params: dict[str, str]) -> None:
        answer = panel.post(action, **params)
        assert (answer.status, answer.json) == (400, {"error": "Incorrect request"})

    def test_an_empty_array_counts_as_absent(self, panel: Panel, action: str) -> None:
        assert ask(panel, action, orders=[]) == {"error": "Incorrect request"}

    @pytest.mark.parametrize("name", ["order", "orders"])
    def test_more_than_a_hundred_are_refused_and_none_is_touched(self, panel: Panel, action: str, name: str) -> None:
        order = panel.place()
        ids = [order.id, *(str(number) for number in range(1000, 1100))]
        answer = panel.post(action, **{name: ",".join(ids)})
        assert (answer.status, answer.json) == (400, {"error": "Maximum 100 orders per request"})
        assert panel.read(order) == order

    def test_a_hundred_are_answered(self, panel: Panel, action: str) -> None:
        answer = panel.post(action, orders=",".join(str(number) for number in range(1000, 1100)))
        assert (answer.status, len(answer.json)) == (200, 100)

    def test_the_maximum_is_the_panels_to_set(self, action: str) -> None:
        panel = Panel(config={"SMMAPI_MAX_IDS": 2})
        assert panel.post(action, orders="1,2").status == 200
        assert panel.post(action, orders="1,2,3").json == {"error": "Maximum 2 orders per request"}


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("status", "order"),
        ("status", "orders"),
        ("cancel", "order"),
        ("cancel", "orders"),
        ("refill", "refill"),
        ("refill", "order"),
        ("refill", "orders"),
    ],
)
class TestOrdersThatDoNotExistForTheCaller:
    """The answer is the one for an id that nobody has, and nothing happens to the order."""

    def assert_unknown(self, panel: Panel, order: Order, action: str, name: str, key: str) -> None:
        for written, unknown in ((order.id, NOBODYS), (str(order.number), "987654")):
            answer = panel.post(action, key=key, **{name: written})
            expected = panel.post(action, key=key, **{name: unknown})
            assert answer.status == expected.status
            assert json.dumps(answer.json).replace(written, unknown) == json.dumps(expected.json)
            assert "Incorrect order ID" in json.dumps(answer.json)
        assert panel.read(order) == order
        assert panel.store.find_refills(order.account, [order.id]) == []

    def test_another_accounts_order(self, panel: Panel, action: str, name: str) -> None:
        order = panel.complete(panel.place()) if action == "refill" else panel.place()
        self.assert_unknown(panel, order, action, name, key=other_account(panel))

    @pytest.mark.parametrize("status", [OrderStatus.UNPAID, OrderStatus.VOIDING])
    def test_an_order_that_is_not_paid(self, panel: Panel, action: str, name: str, status: OrderStatus) -> None:
        self.assert_unknown(panel, panel.move(panel.place(), status), action, name, key=panel.key)


class TestCancel:
    @pytest.mark.parametrize("status", [OrderStatus.AWAITING, OrderStatus.PENDING])
    def test_it_pays_the_whole_charge_back(self, panel: Panel, status: OrderStatus) -> None:
        order = panel.move(panel.place(DRIPFEED, quantity=100, runs=7, interval=5), status)
        assert panel.balance == Decimal("99.3")
        assert panel.post("cancel", order=order.id).json == {"cancel": 1}
        assert panel.balance == 100
        answer = panel.post("status", order=order.id).json[order.id]
        assert (answer["status"], answer["charge"], answer["remains"]) == ("Canceled", "0.00000000", "700")

    def test_a_repeat_answers_the_same_and_pays_nothing(self, panel: Panel) -> None:
        order = panel.place()
        answers = [panel.post("cancel", order=order.id).json for _ in range(3)]
        assert answers == [{"cancel": 1}] * 3
        assert panel.balance == 100

    def test_sixteen_at_once_are_all_told_so_and_paid_once(self, panel: Panel) -> None:
        order = panel.place()
        answers = at_once(16, lambda _: panel.post("cancel", order=order.id).json)
        assert answers == [{"cancel": 1}] * 16
        assert panel.balance == 100

    def test_an_order_that_its_owner_canceled_pays_nothing_more(self, panel: Panel) -> None:
        order = close(panel, panel.move(panel.place(), OrderStatus.PROCESSING), OrderStatus.CANCELED, 400)
        assert panel.post("cancel", order=order.id).json == {"cancel": 1}
        assert panel.balance == Decimal("99.4")

    @pytest.mark.parametrize(
        ("service", "status"),
        [
            *((DEFAULT, status) for status in TOO_LATE),
            *((BARE, status) for status in (OrderStatus.AWAITING, OrderStatus.PENDING, *TOO_LATE)),
            (BARE, OrderStatus.CANCELED),
        ],
    )
    def test_any_other_order_is_not_eligible(self, panel: Panel, service: int, status: OrderStatus) -> None:
        order = panel.move(panel.place(service), status)
        single, many = panel.post("cancel", order=order.id), panel.post("cancel", orders=order.id)
        assert (single.status, single.json) == (400, NOT_ELIGIBLE)
        assert (many.status, many.json) == (200, [{"order": order.id, "cancel": NOT_ELIGIBLE}])
        assert panel.read(order) == order
        assert panel.balance == 99

    def test_an_unknown_order(self, panel: Panel) -> None:
        answer = panel.post("cancel", order=NOBODYS)
        assert (answer.status, answer.json) == (400, NO_ORDER)

    def test_a_list_has_a_row_for_each_id_asked(self, panel: Panel) -> None:
        good, bare = panel.place(), panel.place(BARE)
        asked = [9999, good.id.upper(), "abc", str(bare.number), f"00{good.number}", good.id, good.id]
        assert ask(panel, "cancel", orders=asked) == [
            {"order": 9999, "cancel": NO_ORDER},
            {"order": good.id.upper(), "cancel": 1},
            {"order": "abc", "cancel": NO_ORDER},
            {"order": bare.number, "cancel": NOT_ELIGIBLE},
            {"order": good.number, "cancel": 1},
            {"order": good.id, "cancel": 1},
            {"order": good.id, "cancel": 1},
        ]
        assert panel.balance == 99

    def test_a_row_names_the_order_first(self, panel: Panel) -> None:
        rows = panel.post("cancel", orders=f"{panel.place().id},abc").json
        assert [list(row) for row in rows] == [["order", "cancel"]] * 2

    def test_a_comma_list_in_order_is_a_list_too(self, panel: Panel) -> None:
        first, second = panel.place(), panel.place()
        answer = panel.post("cancel", order=f"{first.number},{second.number}").json
        assert answer == [{"order": first.number, "cancel": 1}, {"order": second.number, "cancel": 1}]

    def test_what_counts_is_whether_the_service_had_cancel_when_the_order_was_placed(self, panel: Panel) -> None:
        panel.store.set_services([service(DEFAULT, refill=False), service(BARE, cancel=False)])
        order, bare = panel.place(), panel.place(BARE)
        panel.store.set_services([service(DEFAULT, cancel=False), service(BARE)])
        assert panel.post("cancel", order=order.id).json == {"cancel": 1}
        assert panel.post("cancel", order=bare.id).json == NOT_ELIGIBLE


class States(MemoryStore):
    """Says of every state that the counter stood at 0."""

    def find_states(self, account: Any, ids: Any) -> list[Order]:
        return [replace(order, start_count=0) for order in MemoryStore.find(self, account, ids)]


class CountedStates(States):
    """A host's own store, which knows better."""

    def find(self, account: Any, ids: Any) -> list[Order]:
        return [replace(order, start_count=777) for order in super().find(account, ids)]


class Wrapper:
    """A host's own, in front of a store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store, self._find = store, store.find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find(self, account: Any, ids: Any) -> list[Order]:
        return [replace(order, start_count=777) for order in self._find(account, ids)]


class TestStates:
    """What an order store may have besides, so that it reads less."""

    @pytest.mark.parametrize("dialect", ["standard", "panel"])
    def test_status_is_answered_of_them_alone(self, monkeypatch: pytest.MonkeyPatch, dialect: str) -> None:
        panel = Panel(dialect=dialect)
        canceled, dripfed = panel.place(), panel.place(DRIPFEED, runs=2, interval=5)
        panel.smmapi.cancel(panel.account, canceled.id)
        panel.store.replace(replace(panel.read(dripfed), children=(7, 8), start_count=3))
        asked = {"orders": f"{canceled.id},{dripfed.number},{NOBODYS}"}
        of_orders = panel.post("status", **asked).json
        names = [field.name for field in fields(OrderState)]
        found = panel.store.find(panel.account.id, [canceled.id, dripfed.number])
        states = [OrderState(*[getattr(order, name) for name in names]) for order in found]
        monkeypatch.setattr(panel.store, "find_states", lambda account, ids: states, raising=False)
        monkeypatch.setattr(panel.store, "find", lambda account, ids: [])
        assert panel.post("status", **asked).json == of_orders
        assert of_orders[canceled.id]["charge"] == "0.00000000"

    @pytest.mark.parametrize("put", ["in a class", "in a wrapper", "in a proxy", "upon the object"])
    def test_they_are_not_asked_past_a_find_of_the_hosts(self, monkeypatch: pytest.MonkeyPatch, put: str) -> None:
        store = CountedStates() if put in ("in a class", "in a proxy") else States()
        wrapped = {"in a wrapper": Wrapper(store), "in a proxy": LocalProxy(lambda: store)}
        panel = Panel(store=store, orders=wrapped.get(put, store))
        if put == "upon the object":
            monkeypatch.setattr(store, "find", Wrapper(store).find)
        order = panel.place()
        assert panel.post("status", order=order.id).json[order.id]["start_count"] == "777"

    def test_from_python_an_order_is_whole(self, monkeypatch: pytest.MonkeyPatch, panel: Panel) -> None:
        order = panel.place()
        monkeypatch.setattr(panel.store, "find_states", lambda account, ids: [], raising=False)
        assert panel.smmapi.status(panel.account, order.id) == order


class TestServices:
    def test_a_row_has_exactly_the_nine_fields_of_the_document(self, panel: Panel) -> None:
        panel.store.set_services([service(7, "Poll", name="Опрос", rate=Decimal("0.5"), max=10**9, dripfeed=False)])
        [row] = panel.post("services").json
        assert list(row.items()) == [
            ("service", 7),
            ("name", "Опрос"),
            ("type", "Poll"),
            ("category", "Tests"),
            ("rate", "0.50000000"),
            ("min", "1"),
            ("max", "1000000000"),
            ("refill", True),
            ("cancel", True),
        ]

    @pytest.mark.parametrize(
        ("rate", "text"),
        [("1E-8", "0.00000001"), ("0", "0.00000000"), ("1E+3", "1000.00000000")],
    )
    def test_a_rate_has_eight_decimals(self, panel: Panel, rate: str, text: str) -> None:
        panel.store.set_services([service(1, rate=Decimal(rate))])
        assert panel.post("services").json[0]["rate"] == text

    def test_refill_and_cancel_are_told_apart(self, panel: Panel) -> None:
        panel.store.set_services([service(1, cancel=False), service(2, refill=False)])
        assert [(row["refill"], row["cancel"]) for row in panel.post("services").json] == [(True, False), (False, True)]

    def test_they_come_in_the_catalogs_order(self, panel: Panel) -> None:
        panel.store.set_services(service(number) for number in (30, 4, 100))
        assert [row["service"] for row in panel.post("services").json] == [30, 4, 100]

    def test_an_empty_list(self, panel: Panel) -> None:
        panel.store.set_services([])
        answer = panel.post("services")
        assert (answer.status, answer.json) == (200, [])

    def test_a_list_that_is_asked_for_again_is_packed_for_who_accepts_that(self, panel: Panel) -> None:
        plain = ask_for_services(panel)
        first, again, third = (ask_for_services(panel, "br, gzip;q=0.5") for _ in range(3))
        assert [answer.headers.get("Content-Encoding") for answer in (first, again, third)] == [None, "gzip", "gzip"]
        assert [first.data, gzip.decompress(again.data), gzip.decompress(third.data)] == [plain.data] * 3
        assert again.content_length == len(again.data)
        assert {answer.headers["Vary"] for answer in (plain, first, again)} == {"Accept-Encoding"}

    @pytest.mark.parametrize("accept", ["", "identity", "br", "gzip;q=0", "nonsense;;"])
    def test_nobody_else_gets_it_packed(self, panel: Panel, accept: str) -> None:
        for _ in range(2):
            ask_for_services(panel, "gzip")
        answer = ask_for_services(panel, accept)
        assert "Content-Encoding" not in answer.headers
        assert len(answer.get_json()) == len(panel.store.catalog(panel.account))

    def test_a_host_that_makes_a_list_for_each_request_has_none_packed_in_vain(self) -> None:
        panel = Panel(catalog=lambda account: [service(1)])
        answers = [ask_for_services(panel, "gzip") for _ in range(3)]
        assert [answer.get_json()[0]["service"] for answer in answers] == [1] * 3
        assert len({answer.headers["ETag"] for answer in answers}) == 1

    def test_the_version_changes_with_the_list_and_the_dialect_alone(self, panel: Panel) -> None:
        def version() -> str:
            return ask_for_services(panel, "gzip").headers["ETag"]

        panel.store.set_services([service(1)])
        before = [version() for _ in range(3)]
        panel.store.set_services([service(1, rate=Decimal(2))])
        dearer = version()
        panel.store.set_services([service(1)])
        assert [version(), version()] == before[:2]
        assert len({*before, dearer}) == 2
        panel.store.change_account(panel.account.id, dialect="panel")
        assert version() not in (*before, dearer)

    def test_a_new_price_list_is_seen_at_once(self, panel: Panel) -> None:
        panel.store.set_services([service(1)])
        assert panel.post("services").json[0]["rate"] == "1.00000000"
        panel.store.set_services([service(1, rate=Decimal(2))])
        assert panel.post("services").json[0]["rate"] == "2.00000000"

    def test_each_account_sees_its_own_list_and_prices(self) -> None:
        def catalog(account: Account) -> Iterator[Service]:
            yield service(5, rate=Decimal(account.id))

        panel = Panel(catalog=catalog)
        keys = (panel.key, other_account(panel), panel.key)
        rates = [panel.post("services", key=key).json[0]["rate"] for key in keys]
        assert rates == ["1.00000000", "2.00000000", "1.00000000"]


class TestBalanceAndCurrency:
    def test_the_balance_is_the_callers_own_and_exact(self) -> None:
        panel = Panel(balance="0.30000001")
        answer = panel.post("balance").json
        assert list(answer.items()) == [("balance", "0.30000001"), ("currency", "USD")]
        assert panel.post("balance", key=other_account(panel)).json["balance"] == "50.00000000"

    def test_an_order_lowers_it(self, panel: Panel) -> None:
        panel.place(quantity=1)
        assert panel.post("balance").json["balance"] == "99.99900000"

    @pytest.mark.parametrize(
        ("own", "config", "currency"),
        [
            (None, {}, "USD"),
            (None, {"SMMAPI_CURRENCY": "EUR"}, "EUR"),
            ("INR", {}, "INR"),
            ("INR", {"SMMAPI_CURRENCY": "EUR"}, "INR"),
        ],
    )
    def test_the_accounts_currency_else_the_apps_else_usd(
        self, own: str | None, config: dict[str, str], currency: str
    ) -> None:
        panel = Panel(config=config)
        key = other_account(panel, currency=own)
        order = panel.post("add", key=key, service=DEFAULT, link=LINK, quantity=1).json["order"]
        assert panel.post("balance", key=key).json["currency"] == currency
        assert panel.post("status", key=key, order=order).json[order]["currency"] == currency

    def test_an_order_keeps_the_currency_that_it_was_placed_in(self) -> None:
        store = MemoryStore()
        order = Panel(store=store, config={"SMMAPI_CURRENCY": "EUR"}).place()
        panel = Panel(store=store, config={"SMMAPI_CURRENCY": "GBP"})
        assert panel.post("status", order=order.id).json[order.id]["currency"] == "EUR"
        assert panel.post("balance").json["currency"] == "GBP"


@pytest.mark.parametrize("action", [None, "", "Balance", "list", "error", "__class__", "balance,services"])
def test_anything_else_is_an_incorrect_request(panel: Panel, action: str | None) -> None:
    answer = panel.post(action)
    assert (answer.status, answer.json) == (400, {"error": "Incorrect request"})
