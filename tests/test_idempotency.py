"""An add with an idempotency key places one order, however often and from wherever it is repeated."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account, SmmError

from .panel import DEFAULT, LINK, WRONG_KEY, Answer, Panel, at_once, service

KEY = "order-0001"
ORDER: dict[str, Any] = {"service": DEFAULT, "link": LINK, "quantity": 1000}
OTHER_ORDER = {"error": "Idempotency key was used for another order"}
MALFORMED = {"error": "Incorrect request_id"}


def add(panel: Panel, *, header: str | None = None, **changes: Any) -> Answer:
    """Order 1,000 pieces for 1.00, but for *changes*."""
    return panel.post("add", headers={"Idempotency-Key": header} if header else None, **{**ORDER, **changes})


def add_json(panel: Panel, **changes: Any) -> Answer:
    return panel.send(json={"key": panel.key, "action": "add", "request_id": KEY, **ORDER, **changes})


def assert_one_order(panel: Panel, *answers: Answer) -> None:
    """All were answered with the same order, and it was charged once."""
    [order] = panel.store.list(panel.account.id)
    assert [(answer.status, answer.json) for answer in answers] == [(200, {"order": order.id})] * len(answers)
    assert panel.balance == 99


class TestARepeatIsTheSameOrder:
    def test_by_header(self, panel: Panel) -> None:
        assert_one_order(panel, *(add(panel, header=KEY) for _ in range(3)))

    def test_by_parameter(self, panel: Panel) -> None:
        assert_one_order(panel, *(add(panel, request_id=KEY) for _ in range(3)))

    def test_once_by_header_and_once_by_parameter(self, panel: Panel) -> None:
        assert_one_order(panel, add(panel, header=KEY), add(panel, request_id=KEY), add_json(panel))

    def test_sixteen_at_once(self, panel: Panel) -> None:
        assert_one_order(panel, *at_once(16, lambda _: add(panel, header=KEY)))

    def test_sixteen_at_once_with_money_for_one(self) -> None:
        panel = Panel(balance="1")
        answers = at_once(16, lambda _: add(panel, header=KEY))
        [order] = panel.store.list(panel.account.id)
        assert [answer.json for answer in answers] == [{"order": order.id}] * 16
        assert panel.balance == 0

    def test_with_the_accounts_other_key(self, panel: Panel) -> None:
        panel.store.add_key(panel.account.id, WRONG_KEY)
        assert_one_order(panel, add(panel, request_id=KEY), add(panel, request_id=KEY, key=WRONG_KEY))

    def test_whatever_its_request_id_if_the_header_is_the_same(self, panel: Panel) -> None:
        answers = [add(panel, header=KEY, request_id=request_id) for request_id in ("another-1", "another-2", None)]
        assert_one_order(panel, *answers)

    def test_from_python(self, panel: Panel) -> None:
        order = panel.smmapi.place(panel.account, ORDER, idempotency_key=KEY)
        assert add(panel, request_id=KEY).json == {"order": order.id}
        assert panel.balance == 99

    def test_in_json_with_numbers_and_in_a_form(self, panel: Panel) -> None:
        as_text = {name: str(value) for name, value in ORDER.items()}
        assert_one_order(panel, add_json(panel), add_json(panel, **as_text), add(panel, request_id=KEY))

    def test_with_its_parameters_in_another_order(self, panel: Panel) -> None:
        turned = {name: str(ORDER[name]) for name in reversed(ORDER)}
        again = panel.send(data={**turned, "request_id": KEY, "action": "add", "key": panel.key})
        assert_one_order(panel, add(panel, request_id=KEY), again)

    def test_with_absent_parameters_spelt_out(self, panel: Panel) -> None:
        assert_one_order(panel, add(panel, request_id=KEY), add_json(panel, runs=None, interval=""))

    @pytest.mark.parametrize(
        ("first", "again"),
        [
            ({"service": 1, "quantity": 10}, {"service": 1, "quantity": 10, "time": 1}),
            ({"service": 3, "comments": "a\nb"}, {"service": 3, "comments": "a\r\n\r\nb\r\n"}),
            ({"service": 3, "comments": "a\nb"}, {"service": 3, "comments": ["a", "b"]}),
        ],
    )
    def test_with_what_makes_no_other_order(self, panel: Panel, first: Any, again: Any) -> None:
        """Unknown parameters are ignored, and lines are lines however they end."""
        common = {"key": panel.key, "action": "add", "request_id": "order-0001", "link": LINK}
        answers = [panel.send(json={**common, **params}).json for params in (first, again)]
        assert answers[0].keys() == {"order"}
        assert answers[0] == answers[1]


@pytest.mark.parametrize("key", ["", "None", "null", "seven77", 5])
def test_from_python_a_key_that_is_none_is_an_error_and_no_second_order(panel: Panel, key: Any) -> None:
    with pytest.raises(SmmError, match=r"\AIncorrect request_id\Z"):
        panel.smmapi.place(panel.account, {"service": 1, "link": LINK, "quantity": 10}, idempotency_key=key)
    assert panel.balance == 100


class TestARepeatAfterThingsChanged:
    @pytest.mark.parametrize(
        "services",
        [
            [],
            [service(DEFAULT, rate=Decimal(500))],
            [service(DEFAULT, min=2000)],
            [service(DEFAULT, max=10)],
            [service(DEFAULT, "Poll")],
        ],
        ids=["gone", "dearer", "more at least", "less at most", "of another type"],
    )
    def test_of_the_service(self, panel: Panel, services: list[Any]) -> None:
        first = add(panel, header=KEY)
        panel.store.set_services(services)
        assert_one_order(panel, first, add(panel, header=KEY))

    def test_when_the_order_took_the_last_money(self) -> None:
        panel = Panel(balance="1")
        assert add(panel, header=KEY).json == add(panel, header=KEY).json
        assert panel.balance == 0

    def test_of_a_canceled_order(self, panel: Panel) -> None:
        order = add(panel, header=KEY).json["order"]
        panel.post("cancel", order=order)
        assert add(panel, header=KEY).json == {"order": order}
        assert panel.post("status", order=order).json[order]["status"] == "Canceled"
        assert panel.balance == 100

    def test_of_a_completed_order(self, panel: Panel) -> None:
        first = add(panel, header=KEY)
        panel.complete(panel.store.list(panel.account.id)[0])
        assert_one_order(panel, first, add(panel, header=KEY))


class TestAnotherOrder:
    def test_without_a_key_each_add_is_one(self, panel: Panel) -> None:
        assert add(panel).json != add(panel).json
        assert panel.balance == 98

    @pytest.mark.parametrize("absent", ["", "undefined", "null", "None"])
    def test_an_absent_key_is_no_key(self, panel: Panel, absent: str) -> None:
        answers = [add(panel, request_id=absent), add(panel, request_id=absent), add_json(panel, request_id=None)]
        assert [answer.status for answer in answers] == [200] * 3
        assert panel.balance == 97

    def test_with_another_key(self, panel: Panel) -> None:
        answers = [add(panel, header=KEY), add(panel, header=KEY.upper()), add(panel, header=f"{KEY} ".rjust(20))]
        assert len({answer.json["order"] for answer in answers}) == 3
        assert panel.balance == 97

    def test_of_another_account_with_the_same_key(self, panel: Panel) -> None:
        other = panel.store.add_account(Account(id=2), balance=Decimal(50))
        assert add(panel, header=KEY).json != add(panel, header=KEY, key=other).json
        assert panel.balance == 99
        assert panel.store.balance(2) == 49

    @pytest.mark.parametrize(
        "changes",
        [
            {"quantity": 1001},
            {"link": f"{LINK}/2"},
            {"service": 123},
            {"service": 18, "runs": 2, "interval": 5},
            {"quantity": "abc"},
            {"service": 9999},
        ],
    )
    def test_other_parameters_with_the_same_key_are_refused(self, panel: Panel, changes: dict[str, Any]) -> None:
        first = add(panel, header=KEY)
        refused = add(panel, header=KEY, **changes)
        assert (refused.status, refused.json) == (400, OTHER_ORDER)
        assert_one_order(panel, first, add(panel, header=KEY))

    def test_of_two_orders_that_race_for_one_key_one_is_placed(self, panel: Panel) -> None:
        answers = at_once(16, lambda number: add(panel, header=KEY, quantity=1000 + number % 2))
        [order] = panel.store.list(panel.account.id)
        placed = order.count % 2
        assert [answer.json for answer in answers[placed::2]] == [{"order": order.id}] * 8
        assert [answer.json for answer in answers[1 - placed :: 2]] == [OTHER_ORDER] * 8
        assert panel.balance == 100 - order.charge


class TestTheKeyItself:
    @pytest.mark.parametrize("key", ["12345678", "x" * 128, "~ !\"#$%&'()/", "undefined-"])
    def test_8_to_128_printable_ascii_characters(self, panel: Panel, key: str) -> None:
        assert_one_order(panel, add(panel, request_id=key), add(panel, header=key))

    @pytest.mark.parametrize(
        "key", ["1234567", "x" * 129, "order-0001\t", "order\x00-0001", "order\x7f-0001", "ordér-0001"]
    )
    def test_any_other_is_malformed_and_takes_no_money(self, panel: Panel, key: str) -> None:
        for answer in (add(panel, request_id=key), add(panel, header=key), add_json(panel, request_id=key)):
            assert (answer.status, answer.json) == (400, MALFORMED)
        assert panel.balance == 100

    @pytest.mark.parametrize("key", ["order-٠٠٠١", "order-0001\n", "😀" * 8])
    def test_what_no_header_can_hold_is_malformed_too(self, panel: Panel, key: str) -> None:
        for answer in (add(panel, request_id=key), add_json(panel, request_id=key)):
            assert (answer.status, answer.json) == (400, MALFORMED)

    def test_the_header_beats_the_parameter(self, panel: Panel) -> None:
        first = add(panel, header=KEY)
        assert add(panel, header="order-0002", request_id=KEY).json != first.json
        assert add(panel, header=KEY, request_id="short").json == first.json
        assert add(panel, header="short", request_id=KEY).json == MALFORMED

    def test_an_empty_header_is_absent(self, panel: Panel) -> None:
        answers = [panel.post("add", headers={"Idempotency-Key": ""}, request_id=KEY, **ORDER) for _ in range(2)]
        assert_one_order(panel, *answers)

    def test_a_number_in_json_is_its_digits(self, panel: Panel) -> None:
        assert_one_order(panel, add_json(panel, request_id=12345678), add(panel, header="12345678"))


class TestARefusedAddFreesItsKey:
    def test_for_the_same_order(self) -> None:
        panel = Panel(balance="0.5")
        assert add(panel, header=KEY).json == {"error": "Not enough funds on balance"}
        panel.store.credit(panel.account.id, Decimal("99.5"), "deposit")
        assert_one_order(panel, add(panel, header=KEY), add(panel, header=KEY))

    def test_for_another_order(self) -> None:
        panel = Panel(balance="0.5")
        assert add(panel, header=KEY).json == {"error": "Not enough funds on balance"}
        answers = [add(panel, header=KEY, quantity=500) for _ in range(2)]
        assert answers[0].status == 200
        assert answers[0].json == answers[1].json
        assert panel.balance == 0

    @pytest.mark.parametrize("changes", [{"quantity": 0}, {"link": "javascript:alert(1)"}, {"service": 9999}])
    def test_whatever_it_was_refused_for(self, panel: Panel, changes: dict[str, Any]) -> None:
        assert add(panel, header=KEY, **changes).status == 400
        assert_one_order(panel, add(panel, header=KEY), add(panel, header=KEY))
