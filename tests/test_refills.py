"""Asking for refills, by each of the three parameters' names, and asking what became of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_smmapi import Account, Order, OrderStatus, Refill, RefillStatus

from .panel import BARE, DEFAULT, Panel, at_once, service

NOBODYS = "507f1f77bcf86cd799439011"
NO_ORDER = {"error": "Incorrect order ID"}
DISABLED = {"error": "Refill is disabled for this service"}
NOT_COMPLETED = {"error": "The order is not completed"}
TOO_EARLY = {"error": "The order was completed or refill was requested less than 24 hours ago"}
NOT_FOUND = {"error": "Refill not found"}
OTHER_STATUSES = [
    OrderStatus(code) for code in ("AWAITING", "PENDING", "PROCESSING", "IN_PROGRESS", "CANCELED", "FAIL", "ERROR")
]


def ask(panel: Panel, action: str, **params: Any) -> Any:
    """Send JSON with the account's key; the answer's body."""
    return panel.send(json={"key": panel.key, "action": action, **params}).json


def ago(hours: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(hours=hours)


def completed(panel: Panel, *, hours_ago: float = 48, service: int = DEFAULT) -> Order:
    return panel.complete(panel.place(service), hours_ago=hours_ago)


def refills_of(panel: Panel, order: Order) -> list[Refill]:
    """As they are stored, the oldest first."""
    return sorted(panel.store.find_refills(order.account, [order.id]), key=lambda refill: refill.n)


def change(panel: Panel, order: Order, status: RefillStatus, *, hours_ago: float = 0) -> None:
    """Put the order's newest refill into *status*, as if it had been asked for so long ago."""
    newest = refills_of(panel, order)[-1]
    assert panel.store.replace_refill(replace(newest, status=status, created=ago(hours_ago)))


def refilled(panel: Panel, *statuses: RefillStatus) -> tuple[Order, list[Refill]]:
    """An order with a refill in each of *statuses*, the oldest first."""
    order = completed(panel, hours_ago=100)
    for status in statuses:
        panel.smmapi.refill(panel.account, order.id)
        change(panel, order, status, hours_ago=48)
    return order, refills_of(panel, order)


class TestTheParametersNameSelectsTheAnswer:
    @pytest.mark.parametrize("form", ["{0.id}", "{0.number}", "00{0.number}"])
    def test_refill_answers_one(self, panel: Panel, form: str) -> None:
        order = completed(panel)
        assert panel.post("refill", refill=form.format(order)).json == {"refill": 1}
        assert len(refills_of(panel, order)) == 1

    @pytest.mark.parametrize("form", ["{0.id}", "{0.number}", "00{0.number}"])
    def test_order_answers_the_refills_id(self, panel: Panel, form: str) -> None:
        order = completed(panel)
        answer = panel.post("refill", order=form.format(order)).json
        [refill] = refills_of(panel, order)
        assert answer == {"refill": refill.id}

    def test_orders_answers_a_row_for_each_id_asked(self, panel: Panel) -> None:
        first, second = completed(panel), completed(panel)
        asked = [second.number, "abc", first.id.upper(), 9999]
        rows = ask(panel, "refill", orders=asked)
        [[one], [other]] = refills_of(panel, first), refills_of(panel, second)
        assert rows == [
            {"order": second.number, "refill": other.id},
            {"order": "abc", "refill": NO_ORDER},
            {"order": first.id.upper(), "refill": one.id},
            {"order": 9999, "refill": NO_ORDER},
        ]
        assert [list(row) for row in rows] == [["order", "refill"]] * 4

    def test_orders_with_one_id_answers_a_list_too(self, panel: Panel) -> None:
        order = completed(panel)
        answer = panel.post("refill", orders=order.id).json
        assert answer == [{"order": order.id, "refill": refills_of(panel, order)[0].id}]

    def test_a_comma_list_in_order_is_answered_as_orders(self, panel: Panel) -> None:
        first, second = completed(panel), completed(panel)
        answer = panel.post("refill", order=f"{first.id},{second.id}").json
        assert [row["order"] for row in answer] == [first.id, second.id]
        assert [row["refill"] for row in answer] == [refills_of(panel, order)[0].id for order in (first, second)]

    @pytest.mark.parametrize("name", ["refill", "order"])
    def test_a_single_failure_is_400(self, panel: Panel, name: str) -> None:
        for written in (NOBODYS, "9999", "abc"):
            answer = panel.post("refill", **{name: written})
            assert (answer.status, answer.json) == (400, NO_ORDER)


def refusals(panel: Panel, order: Order) -> list[Any]:
    """What each form of asking for one refill answers if there is none to be had."""
    forms = [panel.post("refill", **{name: order.id}) for name in ("refill", "order", "orders")]
    assert [answer.status for answer in forms] == [400, 400, 200]
    refill, single, [row] = (answer.json for answer in forms)
    return [refill, single, row["refill"]]


class TestWhichOrdersCanBeRefilled:
    def test_none_of_a_service_without_refill(self, panel: Panel) -> None:
        """Its status does not matter: the service is complained of first."""
        for order in (completed(panel, service=BARE), panel.place(BARE)):
            assert refusals(panel, order) == [DISABLED] * 3
            assert refills_of(panel, order) == []

    def test_what_counts_is_whether_the_service_had_refill_when_the_order_was_placed(self, panel: Panel) -> None:
        panel.store.set_services([service(DEFAULT, cancel=False), service(BARE, refill=False)])
        order, bare = completed(panel), completed(panel, service=BARE)
        panel.store.set_services([service(DEFAULT, refill=False), service(BARE)])
        assert panel.post("refill", refill=order.id).json == {"refill": 1}
        assert panel.post("refill", refill=bare.id).json == DISABLED

    @pytest.mark.parametrize("status", OTHER_STATUSES)
    def test_none_that_is_not_completed(self, panel: Panel, status: OrderStatus) -> None:
        order = panel.move(panel.place(), status, ended=ago(48))
        assert refusals(panel, order) == [NOT_COMPLETED] * 3
        assert refills_of(panel, order) == []

    @pytest.mark.parametrize("status", [OrderStatus.COMPLETED, OrderStatus.PARTIAL])
    def test_completed_and_partial_ones(self, panel: Panel, status: OrderStatus) -> None:
        order = panel.move(panel.place(), status, ended=ago(48), remains=100)
        assert panel.post("refill", refill=order.id).json == {"refill": 1}

    def test_a_refill_costs_nothing(self, panel: Panel) -> None:
        order = completed(panel)
        panel.post("refill", refill=order.id)
        assert panel.balance == 99
        assert panel.read(order) == order


class TestTheInterval:
    def test_it_runs_from_the_orders_end(self, panel: Panel) -> None:
        early, late = completed(panel, hours_ago=23), completed(panel, hours_ago=25)
        assert refusals(panel, early) == [TOO_EARLY] * 3
        assert refills_of(panel, early) == []
        assert panel.post("refill", refill=late.id).json == {"refill": 1}

    def test_it_runs_from_the_end_of_a_partial_order_too(self, panel: Panel) -> None:
        order = panel.move(panel.place(), OrderStatus.PARTIAL, ended=ago(23), remains=100)
        assert panel.post("refill", refill=order.id).json == TOO_EARLY

    @pytest.mark.parametrize("status", [RefillStatus.COMPLETED, RefillStatus.REJECTED])
    @pytest.mark.parametrize(("hours_ago", "answer"), [(23, TOO_EARLY), (25, {"refill": 1})])
    def test_it_runs_from_the_last_refill(
        self, panel: Panel, status: RefillStatus, hours_ago: float, answer: dict[str, Any]
    ) -> None:
        order, _ = refilled(panel, RefillStatus.COMPLETED, status)
        change(panel, order, status, hours_ago=hours_ago)
        assert panel.post("refill", refill=order.id).json == answer

    @pytest.mark.parametrize(("hours_ago", "answer"), [(1.9, TOO_EARLY), (2.1, {"refill": 1})])
    def test_it_is_the_panels_to_set_and_the_text_stays(self, hours_ago: float, answer: dict[str, Any]) -> None:
        panel = Panel(config={"SMMAPI_REFILL_INTERVAL": 7200})
        assert panel.post("refill", refill=completed(panel, hours_ago=hours_ago).id).json == answer

    def test_none_at_all(self) -> None:
        panel = Panel(config={"SMMAPI_REFILL_INTERVAL": 0})
        order = completed(panel, hours_ago=0)
        for _ in range(2):
            assert panel.post("refill", refill=order.id).json == {"refill": 1}
            change(panel, order, RefillStatus.COMPLETED)
        assert len(refills_of(panel, order)) == 2


class TestOneInFlightAtATime:
    @pytest.mark.parametrize("status", [RefillStatus.PENDING, RefillStatus.IN_PROGRESS])
    def test_the_next_waits_for_its_end_however_long(self, status: RefillStatus) -> None:
        panel = Panel(config={"SMMAPI_REFILL_INTERVAL": 0})
        order, _ = refilled(panel, RefillStatus.COMPLETED, status)
        assert refusals(panel, order) == [TOO_EARLY] * 3
        assert len(refills_of(panel, order)) == 2

    @pytest.mark.parametrize("interval", [0, 86400])
    def test_an_order_asked_twice_in_one_request_is_refilled_once(self, interval: int) -> None:
        panel = Panel(config={"SMMAPI_REFILL_INTERVAL": interval})
        order = completed(panel)
        rows = panel.post("refill", orders=f"{order.id},{order.number},{order.id}").json
        [refill] = refills_of(panel, order)
        assert rows == [
            {"order": order.id, "refill": refill.id},
            {"order": order.number, "refill": TOO_EARLY},
            {"order": order.id, "refill": TOO_EARLY},
        ]

    @pytest.mark.parametrize("earlier", [[], [RefillStatus.REJECTED]])
    def test_sixteen_at_once_make_one_refill(self, earlier: list[RefillStatus]) -> None:
        panel = Panel(config={"SMMAPI_REFILL_INTERVAL": 0})
        order, _ = refilled(panel, *earlier)
        answers = at_once(16, lambda _: panel.post("refill", order=order.id))
        newest = refills_of(panel, order)[-1]
        assert len(refills_of(panel, order)) == len(earlier) + 1
        assert sorted(answer.status for answer in answers) == [200] + [400] * 15
        assert [answer.json for answer in answers if answer.status == 200] == [{"refill": newest.id}]
        assert all(answer.json == TOO_EARLY for answer in answers if answer.status == 400)


class TestRefillStatus:
    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (RefillStatus.PENDING, "Pending"),
            (RefillStatus.IN_PROGRESS, "In progress"),
            (RefillStatus.COMPLETED, "Completed"),
            (RefillStatus.REJECTED, "Rejected"),
        ],
    )
    def test_the_word_of_each_status(self, panel: Panel, status: RefillStatus, word: str) -> None:
        _, [refill] = refilled(panel, status)
        assert panel.post("refill_status", refill=refill.id).json == {"status": word}

    def test_a_new_refill_is_pending(self, panel: Panel) -> None:
        refill = panel.post("refill", order=completed(panel).id).json["refill"]
        assert panel.post("refill_status", refill=refill).json == {"status": "Pending"}

    @pytest.mark.parametrize("form", ["{0.id}", "{0.number}", "00{0.number}"])
    def test_a_refill_is_named_by_its_id_or_its_number(self, panel: Panel, form: str) -> None:
        _, [first, second] = refilled(panel, RefillStatus.REJECTED, RefillStatus.COMPLETED)
        words = [panel.post("refill_status", refill=form.format(refill)).json for refill in (first, second)]
        assert words == [{"status": "Rejected"}, {"status": "Completed"}]

    def test_ids_may_be_in_upper_case(self, panel: Panel) -> None:
        order, [refill] = refilled(panel, RefillStatus.REJECTED)
        for id_ in (order.id, refill.id):
            assert panel.post("refill_status", refill=id_.upper()).json == {"status": "Rejected"}

    def test_an_orders_id_stands_for_its_newest_refill(self, panel: Panel) -> None:
        order, _ = refilled(panel, RefillStatus.REJECTED, RefillStatus.COMPLETED, RefillStatus.IN_PROGRESS)
        refilled(panel, RefillStatus.PENDING)
        assert panel.post("refill_status", refill=order.id).json == {"status": "In progress"}

    def test_an_orders_number_names_no_refill(self, panel: Panel) -> None:
        order, _ = refilled(panel, RefillStatus.COMPLETED)
        answer = panel.post("refill_status", refill=order.number)
        assert (answer.status, answer.json) == (400, NOT_FOUND)

    def test_a_refills_own_id_comes_before_an_orders(self, panel: Panel) -> None:
        order, _ = refilled(panel, RefillStatus.COMPLETED)
        other = completed(panel)
        namesake = Refill(order.id, other.account, other.id, 1, ago(48), RefillStatus.REJECTED)
        assert panel.store.add_refill(namesake)
        assert panel.post("refill_status", refill=order.id).json == {"status": "Rejected"}

    @pytest.mark.parametrize("written", [NOBODYS, "9999", "abc", "1.0", "0" * 19, "0" * 25])
    def test_an_unknown_refill_is_not_found(self, panel: Panel, written: str) -> None:
        refilled(panel, RefillStatus.COMPLETED)
        single, many = panel.post("refill_status", refill=written), ask(panel, "refill_status", refills=[written])
        assert (single.status, single.json) == (400, NOT_FOUND)
        assert [row["status"] for row in many] == [NOT_FOUND]

    def test_an_order_without_refills_has_none_to_be_found(self, panel: Panel) -> None:
        assert panel.post("refill_status", refill=completed(panel).id).json == NOT_FOUND

    def test_another_accounts_refills_are_not_found(self, panel: Panel) -> None:
        order, [refill] = refilled(panel, RefillStatus.COMPLETED)
        key = panel.store.add_account(Account(id=2), balance=Decimal(50))
        for written in (order.id, refill.id, refill.number):
            answer = panel.post("refill_status", key=key, refill=written)
            assert (answer.status, answer.json) == (400, NOT_FOUND)

    def test_refills_answers_a_row_for_each_id_asked(self, panel: Panel) -> None:
        order, [first, second] = refilled(panel, RefillStatus.REJECTED, RefillStatus.COMPLETED)
        asked = [first.number, 9999, order.id, "abc", first.id.upper(), str(second.number), first.number]
        rows = ask(panel, "refill_status", refills=asked)
        assert rows == [
            {"refill": first.number, "status": "Rejected"},
            {"refill": 9999, "status": NOT_FOUND},
            {"refill": order.id, "status": "Completed"},
            {"refill": "abc", "status": NOT_FOUND},
            {"refill": first.id.upper(), "status": "Rejected"},
            {"refill": second.number, "status": "Completed"},
            {"refill": first.number, "status": "Rejected"},
        ]
        assert [list(row) for row in rows] == [["refill", "status"]] * 7

    @pytest.mark.parametrize("params", [{"refills": "{0.id}"}, {"refills": "{0.id}", "refill": "9999"}])
    def test_refills_answers_a_list_even_for_one(self, panel: Panel, params: dict[str, str]) -> None:
        _, [refill] = refilled(panel, RefillStatus.COMPLETED)
        answer = panel.post("refill_status", **{name: form.format(refill) for name, form in params.items()})
        assert answer.json == [{"refill": refill.id, "status": "Completed"}]

    def test_a_comma_list_in_refill_is_answered_as_refills(self, panel: Panel) -> None:
        _, [refill] = refilled(panel, RefillStatus.COMPLETED)
        answer = panel.post("refill_status", refill=f"{refill.id}, 9999").json
        assert answer == [{"refill": refill.id, "status": "Completed"}, {"refill": 9999, "status": NOT_FOUND}]

    @pytest.mark.parametrize("params", [{}, {"refill": ""}, {"refills": "undefined"}, {"order": NOBODYS}])
    def test_without_an_id_the_request_is_incorrect(self, panel: Panel, params: dict[str, str]) -> None:
        answer = panel.post("refill_status", **params)
        assert (answer.status, answer.json) == (400, {"error": "Incorrect request"})

    def test_a_hundred_refills_at_most(self, panel: Panel) -> None:
        ids = [str(number) for number in range(1000, 1101)]
        assert len(panel.post("refill_status", refills=",".join(ids[:100])).json) == 100
        answer = panel.post("refill_status", refills=",".join(ids))
        assert (answer.status, answer.json) == (400, {"error": "Maximum 100 orders per request"})
