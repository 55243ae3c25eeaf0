"""Whatever happens in whatever order, the money is what a model of it in whole units says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from flask_smmapi import OrderStatus
from flask_smmapi.money import SCALE, from_units, parse, price, to_text, to_units
from flask_smmapi.placement import Placement

from .panel import LINK, Panel, service

units = st.integers(0, 10**16)
counts = st.integers(0, 10**12)
pers = st.sampled_from([1, 1000])


@given(units, counts, pers)
def test_a_price_is_the_exact_one_or_less_than_a_unit_above_it(rate: int, count: int, per: int) -> None:
    exact = Fraction(rate * count, per)
    assert exact <= to_units(price(from_units(rate), count, per)) < exact + 1


@given(units, counts, counts)
def test_what_is_paid_back_never_exceeds_the_price_of_what_was_not_delivered(rate: int, one: int, other: int) -> None:
    delivered, count = sorted((one, other))
    whole, part, rest = (to_units(price(from_units(rate), n, 1000)) for n in (count, delivered, count - delivered))
    assert 0 <= whole - part <= rest


@given(st.integers(-(2**80), 2**80))
def test_an_amount_survives_its_text(amount: int) -> None:
    text = to_text(from_units(amount))
    assert to_units(parse(text)) == amount
    assert Fraction(text) == Fraction(amount, SCALE)


RATES = ("0", "0.00000001", "0.33333333", "1.1", "19.99999999")


@dataclass
class Known:
    """What the model knows of one order, in whole units."""

    number: int
    rate: int
    count: int
    status: str = "Awaiting"
    remains: int = 0
    cost: int = 0


class MoneyMachine(RuleBasedStateMachine):
    """A reseller, his owner, and reconcile take turns on one account."""

    orders: Bundle[Known] = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.panel = Panel(balance="500")
        self.panel.store.set_services(
            [service(number, rate=Decimal(rate), dripfeed=True) for number, rate in enumerate(RATES, 1)]
        )
        self.placement = Placement(self.panel.store, self.panel.store)
        self.balance = 500 * SCALE
        self.payments = 0
        self.known: dict[str, Known] = {}

    @rule(amount=st.integers(0, 10**11))
    def top_up(self, amount: int) -> None:
        self.payments += 1
        for _ in range(2):  # a payment that is reported twice counts once
            self.panel.store.credit(self.panel.account.id, from_units(amount), f"payment-{self.payments}")
        self.balance += amount

    @rule(target=orders, number=st.integers(1, len(RATES)), quantity=st.integers(1, 10_000), runs=st.integers(1, 3))
    def add(self, number: int, quantity: int, runs: int) -> Any:
        count = quantity * runs
        rate = to_units(Decimal(RATES[number - 1]))
        charge = ceil(Fraction(rate * count, 1000))
        answer = self.panel.post("add", service=number, link=LINK, quantity=quantity, runs=runs, interval=1).json
        if charge > self.balance:
            assert answer == {"error": "Not enough funds on balance"}
            return multiple()
        self.balance -= charge
        [order] = self.panel.store.find(self.panel.account.id, [answer["order"]])
        known = self.known[answer["order"]] = Known(order.number, rate, count, remains=count, cost=charge)
        return known

    @rule(order=orders)
    def cancel(self, order: Known) -> None:
        answer = self.panel.post("cancel", order=order.number).json
        if order.status == "Awaiting":
            assert answer == {"cancel": 1}
            self.pay_back(order, "Canceled", order.count)
        elif order.status == "Canceled":
            assert answer == {"cancel": 1}
        else:
            assert answer == {"error": "Order not eligible for cancellation"}

    @rule(order=orders)
    def start(self, order: Known) -> None:
        if order.status == "Awaiting":
            for status in (OrderStatus.PENDING, OrderStatus.PROCESSING):
                self.panel.move(self.stored(order), status)
            order.status = "Processing"

    @rule(order=orders, share=st.integers(0, 100), twice=st.booleans())
    def deliver_in_part(self, order: Known, share: int, twice: bool) -> None:
        remains = order.count * share // 100
        if order.status == "Processing" or (order.status == "Partial" and remains > order.remains):
            for _ in range(1 + twice):
                self.placement.close(self.stored(order), OrderStatus.PARTIAL, remains)
            self.pay_back(order, "Partial", remains)

    @rule(order=orders, share=st.integers(0, 100))
    def fail(self, order: Known, share: int) -> None:
        if order.status == "Processing":
            remains = order.count * share // 100
            self.placement.close(self.stored(order), OrderStatus.FAIL, remains)
            self.pay_back(order, "Fail", remains)

    @rule()
    def reconcile(self) -> None:
        assert self.panel.smmapi.reconcile() == (0, 0, 0)

    @invariant()
    def the_balance_is_what_the_model_says(self) -> None:
        assert self.panel.post("balance").json["balance"] == to_text(from_units(self.balance))

    @precondition(lambda self: self.known)
    @invariant()
    def each_order_is_what_the_model_says(self) -> None:
        answers = self.panel.post("status", orders=",".join(list(self.known)[-100:])).json
        for id_, answer in answers.items():
            known = self.known[id_]
            assert answer["charge"] == to_text(from_units(known.cost))
            assert (answer["status"], answer["remains"]) == (known.status, str(known.remains))

    def stored(self, order: Known) -> Any:
        [found] = self.panel.store.find(self.panel.account.id, [order.number])
        return found

    def pay_back(self, order: Known, status: str, remains: int) -> None:
        cost = ceil(Fraction(order.rate * (order.count - remains), 1000))
        self.balance += order.cost - cost
        order.status, order.remains, order.cost = status, remains, cost


MoneyMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestMoney = MoneyMachine.TestCase
