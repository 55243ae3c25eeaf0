"""The whole API over HTTP, whoever asks for what in whatever order: a model knows each amount, and who sees what.

Three accounts, two of them with ids that look alike, speak both dialects with four keys, in every kind of body; their
owner works orders off, changes prices, books payments, and shuts accounts in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from math import ceil
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from flask_smmapi import Account
from flask_smmapi.keys import digest
from flask_smmapi.money import SCALE, from_units, to_text
from flask_smmapi.placement import NotPossible

from .fuzzing import UNLIMITED, effort, tried
from .panel import LINK, WRONG_KEY, Panel, service
from .test_views import JSON, as_form, as_json, as_multipart

OPENING = 200 * SCALE


class Offer(NamedTuple):
    """A service, as the model knows it; the rate in whole units."""

    type: str
    rate: int
    min: int = 1
    max: int = 10_000
    refill: bool = True
    cancel: bool = True
    dripfeed: bool = False


OFFERS = {
    1: Offer("Default", 33_333_333, dripfeed=True),
    2: Offer("Package", 150_000_001),
    3: Offer("Custom Comments", 1_210_000_000, max=5),
    4: Offer("Default", 0),
    5: Offer("Subscriptions", 1),
    6: Offer("Web Traffic", 270_000_000, dripfeed=True),
    7: Offer("Default", 1_999_999_999, min=10, max=100, refill=False, cancel=False),
    8: Offer("Poll", 10**14),  # nobody can pay a thousand of it
}
PACKAGES = {"Package"}

WORDS = {
    "AWAITING": ("Awaiting", "Pending"),
    "PROCESSING": ("Processing", "Processing"),
    "IN_PROGRESS": ("In progress", "In progress"),
    "COMPLETED": ("Completed", "Completed"),
    "PARTIAL": ("Partial", "Partial"),
    "CANCELED": ("Canceled", "Canceled"),
    "FAIL": ("Fail", "Canceled"),
}
BEGUN = ("PROCESSING", "IN_PROGRESS")


@dataclass
class KnownRefill:
    id: str
    number: int
    order: str
    status: str = "Pending"


@dataclass
class Known:
    """What the model knows of one order, in whole units."""

    account: int | str
    id: str
    number: int
    rate: int
    per: int
    count: int
    currency: str
    offer: Offer
    params: Mapping[str, str]
    request_id: str | None
    status: str = "AWAITING"
    start_count: int = 0
    remains: int = field(init=False)
    cost: int = field(init=False)
    refills: list[KnownRefill] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remains, self.cost = self.count, self.price(self.count)

    def price(self, count: int) -> int:
        return ceil(Fraction(self.rate * count, self.per))

    def shown(self, dialect: str) -> dict[str, str]:
        return {
            "charge": amount(self.cost),
            "start_count": str(self.start_count),
            "status": WORDS[self.status][dialect == "panel"],
            "remains": str(self.remains),
            "currency": self.currency,
        }


@dataclass
class Holder:
    """What the model knows of one account."""

    id: int | str
    currency: str
    balance: int = OPENING
    discount: int = 0
    rates: dict[int, int] = field(default_factory=dict)
    paused: bool = False
    orders: list[Known] = field(default_factory=list)
    used: dict[str, Known] = field(default_factory=dict)

    def rate(self, number: int, listed: int) -> int:
        return self.rates.get(number, ceil(Fraction(listed * (10_000 - self.discount), 10_000)))

    def find(self, written: str) -> Known | None:
        return next((order for order in self.orders if names(written, order)), None)

    def find_refill(self, written: str) -> KnownRefill | None:
        refills = [refill for order in self.orders for refill in order.refills]
        own = [refill for refill in refills if names(written, refill)]
        newest = [refill for refill in refills if written.lower() == refill.order]
        return next(iter(own or newest[-1:]), None)


def names(written: str, record: Known | KnownRefill) -> bool:
    """Whether a client means *record* by that."""
    digits = written.isascii() and written.isdigit() and len(written) <= 18
    return int(written) == record.number if digits else written.lower() == record.id


def amount(units: int) -> str:
    return to_text(from_units(units))


def as_numbers(params: Mapping[str, str]) -> tuple[bytes, str]:
    """JSON as a program writes it, with numbers and arrays."""

    def value(name: str, text: str) -> Any:
        if name in ("orders", "refills"):
            return [value("", entry) for entry in text.split(",")]
        if name == "comments":
            return text.split("\n")
        return int(text) if name != "key" and text.isascii() and text.isdigit() and str(int(text)) == text else text

    return json.dumps({name: value(name, text) for name, text in params.items()}).encode(), JSON


def as_id(text: str) -> str | int:
    """How a row names an order: a number as a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else text


Encode = Callable[[Mapping[str, str]], tuple[bytes, str]]

clients = st.integers(0, 3)
kinds = st.sampled_from([as_form, as_multipart, as_json, as_numbers])
accounts = st.sampled_from([1, 2, "1"])
numbers = st.sampled_from([*OFFERS])
whole = st.integers(0, 300) | st.sampled_from([0, 1, 9, 10, 100, 101, 10_000, 10_001, 10**12 - 1])
request_ids = st.none() | st.sampled_from(["cart-0001", "cart-0002", "cart 0003 ~"])
forms = st.sampled_from(["id", "ID", "number", "00number"])
nonsense = st.sampled_from(
    ["0", "9" * 18, "9" * 19, "x", "1e3", "-1", "1.5", "٣", "f" * 24, "1" * 24, "$ne", "'", "%00"]
)
malformed = st.sampled_from(
    [
        ("link", "not a link"),
        ("link", "javascript:alert(1)"),
        ("quantity", "1e3"),
        ("quantity", "-1"),
        ("quantity", "1.0"),
        ("quantity", "٣"),
        ("quantity", " 5"),
        ("quantity", "9" * 13),
        ("quantity", "NaN"),
    ]
)


class ApiMachine(RuleBasedStateMachine):
    """Clients and their owner take turns."""

    orders: Bundle[Known] = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.offers = dict(OFFERS)
        self.withdrawn: set[int] = set()
        self.payments = 0
        self.turn = 0

    @initialize(wait=st.sampled_from([0, 86_400]))
    def open(self, wait: int) -> None:
        """:param wait: seconds between an order's end and its refill; none, or more than a test has."""
        self.wait = wait
        self.panel = Panel(config={**UNLIMITED, "SMMAPI_REFILL_INTERVAL": wait})
        self.store = self.panel.store
        self.holders: dict[int | str, Holder] = {
            1: Holder(1, "USD"),
            2: Holder(2, "EUR"),
            "1": Holder("1", "USD"),
        }
        self.store.adjust(1, from_units(OPENING - 100 * SCALE), "the opening balance is 200")
        two = self.store.add_account(Account(2, currency="EUR", dialect="panel"), balance=from_units(OPENING))
        text = self.store.add_account(Account("1"), balance=from_units(OPENING))
        other = self.store.create_key(1, dialect="panel")
        self.keys = [(1, "standard", self.panel.key), (1, "panel", other), (2, "panel", two), ("1", "standard", text)]
        self.publish()

    def publish(self) -> None:
        self.store.set_services(
            service(
                number,
                offer.type,
                rate=from_units(offer.rate),
                min=offer.min,
                max=offer.max,
                refill=offer.refill,
                cancel=offer.cancel,
                dripfeed=offer.dripfeed,
            )
            for number, offer in self.offers.items()
            if number not in self.withdrawn
        )

    def ask(self, client: int, kind: Encode, action: str, **params: str) -> tuple[int, Any]:
        tried["requests of the state machine"] += 1
        body, content_type = kind({"key": self.keys[client][2], "action": action, **params})
        return self.panel.send(input_stream=BytesIO(body), content_type=content_type)[:2]

    def holder(self, client: int) -> Holder:
        return self.holders[self.keys[client][0]]

    def expect(self, client: int, got: tuple[int, Any], answer: Any, *, status: int = 200) -> None:
        """The answer is that one; if the account is shut, its refusal."""
        if self.holder(client).paused:
            status, answer = 401, {"error": "Invalid API key"}  # in the app's dialect, before the account is known
        assert got == (status, answer)

    def expect_refusal(self, client: int, got: tuple[int, Any], text: str) -> None:
        status = 200 if self.keys[client][1] == "panel" else 400
        self.expect(client, got, {"error": text}, status=status)

    # What clients do

    @rule(
        target=orders,
        client=clients,
        kind=kinds,
        number=numbers | st.just(99),
        count=whole,
        times=st.none() | st.integers(0, 3),
        request_id=request_ids,
        wrong=st.none() | st.none() | malformed,
    )
    def add(
        self,
        client: int,
        kind: Encode,
        number: int,
        count: int,
        times: int | None,
        request_id: str | None,
        wrong: tuple[str, str] | None,
    ) -> Any:
        params = {"service": str(number), "link": LINK, **self.fill(number, count, times)}
        if wrong is not None and wrong[0] in params:
            params.update([wrong])
        return self.place(client, kind, params, request_id)

    @rule(target=orders, order=orders, client=clients, kind=kinds)
    def repeat(self, order: Known, client: int, kind: Encode) -> Any:
        """What was asked for before, by the same account or by another one, whose keys are its own."""
        return self.place(client, kind, order.params, order.request_id)

    def fill(self, number: int, count: int, times: int | None) -> dict[str, str]:
        """The parameters for so many; they may be wrong."""
        type_ = OFFERS[number].type if number in OFFERS else "Default"
        drip = {} if times is None else {"runs": str(times), "interval": str(times)}
        if type_ == "Custom Comments":
            return {"comments": "\n".join(f"comment {n}" for n in range(count % 8))}
        if type_ == "Subscriptions":
            posts = {} if times is None else {"posts": str(times)}
            return {"username": "someone", "min": "1", "max": str(count), "delay": "0", **posts}
        if type_ == "Web Traffic":
            return {"quantity": str(count), "country": "DE", "device": "1", "type_of_traffic": "1", **drip}
        return {"quantity": str(count), **({"answer_number": "0"} if type_ == "Poll" else {}), **drip}

    def judge(self, holder: Holder, params: Mapping[str, str]) -> str | tuple[int, int, int]:
        """What an order is refused with; else its rate, what that is the price of, and how many are charged."""
        number = int(params["service"])
        offer = self.offers.get(number)
        if offer is None or number in self.withdrawn:
            return "Incorrect service ID"
        counted = {"Custom Comments": "comments", "Subscriptions": "max"}.get(offer.type, "quantity")
        if params["link"] != LINK and offer.type != "Subscriptions":
            return "Incorrect link"
        count = self.count(counted, params)
        if offer.type not in PACKAGES:
            if count == 0:
                return f"Incorrect {counted}"
            if count < offer.min:
                return f"Quantity less than minimal {offer.min}"
            if count > offer.max:
                return f"Quantity more than maximum {offer.max}"
        dripfeed = "runs" in params and params["runs"] != "0"
        if dripfeed and not offer.dripfeed:
            return "Incorrect runs"
        times = int(params.get("posts" if offer.type == "Subscriptions" else "runs", 1)) or 1
        charged, per = (1, 1) if offer.type in PACKAGES else (count * times, 1000)
        rate = holder.rate(number, offer.rate)
        if ceil(Fraction(rate * charged, per)) > holder.balance:
            return "Not enough funds on balance"
        return rate, per, charged

    @staticmethod
    def count(counted: str, params: Mapping[str, str]) -> int:
        text = params.get(counted, "")
        if counted == "comments":
            return len(text.split("\n")) if text else 0
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0

    def place(self, client: int, kind: Encode, params: Mapping[str, str], request_id: str | None) -> Any:
        holder = self.holder(client)
        named = {} if request_id is None else {"request_id": request_id}
        got = self.ask(client, kind, "add", **params, **named)
        if holder.paused:
            self.expect(client, got, None)
            return multiple()
        earlier = holder.used.get(request_id or "")
        if earlier is not None:
            if same(earlier.params, params):
                self.expect(client, got, {"order": self.told(client, earlier)})
            else:
                self.expect_refusal(client, got, "Idempotency key was used for another order")
            return multiple()
        judged = self.judge(holder, params)
        if isinstance(judged, str):
            self.expect_refusal(client, got, judged)
            return multiple()
        rate, per, count = judged
        assert got[0] == 200
        written = str(got[1]["order"])
        [stored] = self.store.find(holder.id, [int(written) if written.isdigit() else written])
        offer = self.offers[int(params["service"])]
        order = Known(
            holder.id, stored.id, stored.number, rate, per, count, holder.currency, offer, dict(params), request_id
        )
        self.expect(client, got, {"order": self.told(client, order)})
        holder.balance -= order.cost
        holder.orders.append(order)
        if request_id is not None:
            holder.used[request_id] = order
        return order

    def told(self, client: int, order: Known | KnownRefill) -> Any:
        return order.number if self.keys[client][1] == "panel" else order.id

    @rule(
        client=clients,
        kind=kinds,
        asked=st.lists(st.tuples(orders, forms), max_size=4),
        more=st.lists(nonsense, max_size=2),
    )
    def status(self, client: int, kind: Encode, asked: list[tuple[Known, str]], more: list[str]) -> None:
        written, dialect = [write(*entry) for entry in asked] + more, self.keys[client][1]
        got = self.ask_for(client, kind, "status", "order", written)
        if not written:
            self.expect_refusal(client, got, "Incorrect request")
            return
        found = {text: self.holder(client).find(text) for text in written}
        answers = {
            text: order.shown(dialect) if order else {"error": "Incorrect order ID"} for text, order in found.items()
        }
        self.expect(client, got, answers[written[0]] if len(written) == 1 and dialect == "panel" else answers)

    @rule(
        client=clients,
        kind=kinds,
        asked=st.lists(st.tuples(orders, forms), max_size=3),
        more=st.lists(nonsense, max_size=1),
    )
    def cancel(self, client: int, kind: Encode, asked: list[tuple[Known, str]], more: list[str]) -> None:
        written = [write(*entry) for entry in asked] + more
        got = self.ask_for(client, kind, "cancel", "order", written)
        self.expect_rows(client, got, "order", "cancel", written, [self.canceled(client, text) for text in written])

    def canceled(self, client: int, text: str) -> Any:
        """1, or the text of the refusal; as the model does it."""
        holder = self.holder(client)
        order = holder.find(text)
        if holder.paused:
            return None
        if order is None:
            return "Incorrect order ID"
        if not order.offer.cancel or order.status not in ("AWAITING", "CANCELED"):
            return "Order not eligible for cancellation"
        if order.status == "AWAITING":
            self.end(order, "CANCELED", order.count)
        return 1

    @rule(
        client=clients,
        kind=kinds,
        asked=st.lists(st.tuples(orders, forms), max_size=3),
        more=st.lists(nonsense, max_size=1),
    )
    def refill(self, client: int, kind: Encode, asked: list[tuple[Known, str]], more: list[str]) -> None:
        written = [write(*entry) for entry in asked] + more
        got = self.ask_for(client, kind, "refill", "order", written)
        answers = [self.refilled(client, text) for text in written]
        if len(written) == 1 and self.keys[client][1] == "panel" and isinstance(answers[0], int):
            answers = [str(answers[0])]
            self.expect(client, got, {"refill": answers[0]})
            return
        self.expect_rows(client, got, "order", "refill", written, answers)

    @rule(client=clients, kind=kinds, order=orders, form=forms)
    def refill_as_the_document_has_it(self, client: int, kind: Encode, order: Known, form: str) -> None:
        written = write(order, form)
        got = self.ask(client, kind, "refill", refill=written)
        answer = self.refilled(client, written)
        if isinstance(answer, str) and " " in answer:
            self.expect_refusal(client, got, answer)
        else:
            self.expect(client, got, {"refill": 1})

    def refilled(self, client: int, text: str) -> Any:
        """The new refill's id or number, or the text of the refusal; the model reads it from the store."""
        holder = self.holder(client)
        order = holder.find(text)
        if holder.paused:
            return None
        if order is None:
            return "Incorrect order ID"
        if not order.offer.refill:
            return "Refill is disabled for this service"
        if order.status not in ("COMPLETED", "PARTIAL"):
            return "The order is not completed"
        in_flight = any(refill.status in ("Pending", "In progress") for refill in order.refills)
        if in_flight or self.wait:
            return "The order was completed or refill was requested less than 24 hours ago"
        known = {refill.id for refill in order.refills}
        [new] = [refill for refill in self.store.find_refills(holder.id, [order.id]) if refill.id not in known]
        order.refills.append(KnownRefill(new.id, new.number, order.id))
        return self.told(client, order.refills[-1])

    @rule(
        client=clients,
        kind=kinds,
        asked=st.lists(st.tuples(orders, forms, st.booleans()), max_size=3),
        more=st.lists(nonsense, max_size=1),
    )
    def refill_status(self, client: int, kind: Encode, asked: list[tuple[Known, str, bool]], more: list[str]) -> None:
        written = [write(order.refills[-1] if own and order.refills else order, form) for order, form, own in asked]
        written += more
        got = self.ask_for(client, kind, "refill_status", "refill", written)
        found = [self.holder(client).find_refill(text) for text in written]
        words = [refill.status if refill else None for refill in found]
        if len(written) == 1 and words[0]:
            self.expect(client, got, {"status": words[0]})
        elif len(written) < 2:
            self.expect_refusal(client, got, "Refill not found" if written else "Incorrect request")
        else:
            failed = {"error": "Refill not found"}
            rows = [
                {"refill": as_id(text), "status": word or failed} for text, word in zip(written, words, strict=True)
            ]
            self.expect(client, got, rows)

    @rule(client=clients, kind=kinds)
    def services(self, client: int, kind: Encode) -> None:
        holder, panel = self.holder(client), self.keys[client][1] == "panel"
        rows = [
            {
                "service": number,
                "name": f"Service {number}",
                "type": offer.type,
                "category": "Tests",
                "rate": amount(holder.rate(number, offer.rate)),
                "min": str(offer.min),
                "max": str(offer.max),
                "refill": offer.refill,
                "cancel": offer.cancel,
                **({"dripfeed": offer.dripfeed} if panel else {}),
            }
            for number, offer in self.offers.items()
            if number not in self.withdrawn
        ]
        self.expect(client, self.ask(client, kind, "services"), rows)

    @rule(
        kind=kinds,
        key=st.sampled_from([WRONG_KEY, "", "' OR 1=1", "$ne", "old"]),
        action=st.sampled_from(["balance", "add"]),
    )
    def guess(self, kind: Encode, key: str, action: str) -> None:
        body, content_type = kind({"key": key, "action": action, "service": "1", "link": LINK, "quantity": "1"})
        status, answer = self.panel.send(input_stream=BytesIO(body), content_type=content_type)[:2]
        text = "Invalid API key" if key == WRONG_KEY else "Invalid API key format"
        assert (status, answer) == (401, {"error": text})

    def ask_for(self, client: int, kind: Encode, action: str, one: str, written: list[str]) -> tuple[int, Any]:
        if not written:
            return self.ask(client, kind, action)
        return self.ask(client, kind, action, **{one if len(written) == 1 else f"{one}s": ",".join(written)})

    def expect_rows(
        self, client: int, got: tuple[int, Any], id_: str, name: str, written: list[str], answers: list[Any]
    ) -> None:
        """What cancel and refill answer for one and for many: an answer is a text if it is a refusal's."""

        def refused(answer: Any) -> bool:
            return isinstance(answer, str) and " " in answer

        if not written:
            self.expect_refusal(client, got, "Incorrect request")
        elif len(written) > 1:
            rows = [
                {id_: as_id(text), name: {"error": answer} if refused(answer) else answer}
                for text, answer in zip(written, answers, strict=True)
            ]
            self.expect(client, got, rows)
        elif refused(answers[0]):
            self.expect_refusal(client, got, answers[0])
        else:
            self.expect(client, got, {name: answers[0]})

    # What the owner does

    @rule(order=orders, start_count=st.integers(0, 10**9))
    def start(self, order: Known, start_count: int) -> None:
        desk = self.panel.smmapi.desk
        if order.status == "AWAITING":
            desk.start(desk.take(self.stored(order), "worker"), start_count)
            order.status, order.start_count = "PROCESSING", start_count
        else:
            self.refused(lambda: desk.take(self.stored(order), "worker"))

    @rule(order=orders, share=st.integers(0, 100))
    def progress(self, order: Known, share: int) -> None:
        remains = order.count * share // 100
        if order.status in BEGUN:
            self.panel.smmapi.desk.progress(self.stored(order), remains)
            order.status, order.remains = "IN_PROGRESS", remains
        else:
            self.refused(lambda: self.panel.smmapi.desk.progress(self.stored(order), remains))

    @rule(
        order=orders,
        verb=st.sampled_from(["complete", "partial", "cancel", "fail"]),
        share=st.integers(0, 100),
        twice=st.booleans(),
    )
    def close(self, order: Known, verb: str, share: int, twice: bool) -> None:
        desk, remains = self.panel.smmapi.desk, order.count * share // 100
        status, left, allowed = {
            "complete": ("COMPLETED", 0, BEGUN),
            "partial": ("PARTIAL", remains, (*BEGUN, "PARTIAL")),
            "cancel": ("CANCELED", order.remains, ("AWAITING", *BEGUN, "PARTIAL")),
            "fail": ("FAIL", order.remains, ("AWAITING", *BEGUN)),
        }[verb]
        more = {"partial": (remains,), "fail": ("it cannot be done",)}.get(verb, ())

        def move() -> None:
            getattr(desk, verb)(self.stored(order), *more)

        fits = order.status in allowed and not (order.status == status and left < order.remains)
        if fits or (order.status, order.remains) == (status, left):
            for _ in range(1 + twice):
                move()
            self.end(order, status, left)
        else:
            self.refused(move)

    @rule(order=orders, verb=st.sampled_from(["start", "complete", "reject"]))
    def move_refill(self, order: Known, verb: str) -> None:
        if not order.refills:
            return
        refill, desk = order.refills[-1], self.panel.smmapi.desk
        [stored] = [found for found in self.store.find_refills(order.account, [order.id]) if found.id == refill.id]
        word = {"start": "In progress", "complete": "Completed", "reject": "Rejected"}[verb]
        if refill.status in ("Pending", "In progress") or refill.status == word:
            getattr(desk, f"{verb}_refill")(stored)
            refill.status = word
        else:
            self.refused(lambda: getattr(desk, f"{verb}_refill")(stored))

    @rule(account=accounts, units=st.integers(1, 10**11), twice=st.booleans())
    def top_up(self, account: int | str, units: int, twice: bool) -> None:
        self.payments += 1
        booked = [self.store.top_up(account, from_units(units), f"payment-{self.payments}") for _ in range(1 + twice)]
        assert booked == [True, False][: len(booked)]
        self.holders[account].balance += units

    @rule(account=accounts, units=st.integers(1, 10**11))
    def take_away(self, account: int | str, units: int) -> None:
        enough = self.holders[account].balance >= units
        assert self.store.adjust(account, from_units(-units), "paid in by mistake") is enough
        self.holders[account].balance -= units if enough else 0

    @rule(number=numbers, rate=st.integers(0, 10**10))
    def reprice(self, number: int, rate: int) -> None:
        self.offers[number] = self.offers[number]._replace(rate=rate)
        self.publish()

    @rule(number=numbers, change=st.sampled_from(["refill", "cancel"]))
    def offer_otherwise(self, number: int, change: str) -> None:
        """Orders that are placed keep what they were placed with."""
        offer = self.offers[number]
        self.offers[number] = offer._replace(**{change: not getattr(offer, change)})
        self.publish()

    @rule(number=numbers)
    def withdraw_or_bring_back(self, number: int) -> None:
        self.withdrawn ^= {number}
        self.publish()

    @rule(account=accounts, discount=st.integers(0, 10_000), number=numbers, own=st.none() | st.integers(0, 10**10))
    def set_prices(self, account: int | str, discount: int, number: int, own: int | None) -> None:
        holder, rates = self.holders[account], {number: None if own is None else from_units(own)}
        self.store.set_prices(account, discount=Decimal(discount) / 100, rates=rates)
        holder.discount = discount
        holder.rates.pop(number, None)
        holder.rates.update({} if own is None else {number: own})

    @rule(account=accounts, paused=st.sampled_from([False, False, False, True]))
    def shut_or_open(self, account: int | str, paused: bool) -> None:
        (self.store.pause_account if paused else self.store.resume_account)(account)
        self.holders[account].paused = paused

    @rule(client=clients)
    def change_key(self, client: int) -> None:
        account, dialect, old = self.keys[client]
        [info] = [info for info in self.store.keys(account) if digest(old).startswith(info.key_id)]
        self.keys[client] = (account, dialect, self.store.rotate_key(account, info.key_id))
        assert self.panel.post("balance", key=old)[:2] == (401, {"error": "Invalid API key"})

    @rule()
    def reconcile(self) -> None:
        assert self.panel.smmapi.reconcile() == (0, 0, 0)

    @invariant()
    def each_balance_is_what_the_model_says(self) -> None:
        for client in range(4):
            holder = self.holder(client)
            got = self.ask(client, as_form, "balance")
            self.expect(client, got, {"balance": amount(holder.balance), "currency": holder.currency})
            assert self.store.balance(holder.id) == from_units(holder.balance)

    @invariant()
    def each_order_is_what_the_model_says(self) -> None:
        self.turn += 1
        client = self.turn % 4
        orders = self.holder(client).orders[-100:]
        if orders:
            got = self.ask(client, as_form, "status", orders=",".join(order.id for order in orders))
            self.expect(client, got, {order.id: order.shown(self.keys[client][1]) for order in orders})

    def stored(self, order: Known) -> Any:
        [found] = self.store.find(order.account, [order.number])
        return found

    def refused(self, move: Callable[[], Any]) -> None:
        """The owner is told that this cannot be."""
        try:
            move()
        except NotPossible:
            return
        raise AssertionError("The desk did what cannot be.")

    def end(self, order: Known, status: str, remains: int) -> None:
        cost = order.price(order.count - remains)
        self.holders[order.account].balance += order.cost - cost
        order.status, order.remains, order.cost = status, remains, cost


def write(record: Known | KnownRefill, form: str) -> str:
    """How a client may name it."""
    return {
        "id": record.id,
        "ID": record.id.upper(),
        "number": str(record.number),
        "00number": f"00{record.number}",
    }[form]


def same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two requests are one: runs and interval that are both 0 are none, and so is what is empty."""

    def plain(params: Mapping[str, str]) -> dict[str, str]:
        idle = params.get("runs") == "0"
        return {name: text for name, text in params.items() if text and not (idle and name in ("runs", "interval"))}

    return plain(one) == plain(other)


ApiMachine.TestCase.settings = effort(usual=25, percent=40, requests=95, stateful_step_count=25)
TestApi = ApiMachine.TestCase
