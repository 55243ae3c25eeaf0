"""What the protocol and the store write, as people read it; and amounts as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from flask import Flask
from markupsafe import Markup, escape

from flask_smmapi import OrderStatus
from flask_smmapi.money import parse, to_text
from flask_smmapi.owner import StatementLine
from flask_smmapi.statuses import BEGUN, CANCELABLE, ENDS, ORDER_STATUSES

_AMOUNT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,8})?")
_ORDER = re.compile(r"([0-9a-f]{24})(:back:[0-9]+|:void)?")


def add_filters(app: Flask) -> None:
    app.add_template_filter(money)
    app.add_template_filter(moment)
    app.add_template_filter(status_word)
    app.add_template_filter(status_kind)
    app.add_template_filter(about)
    app.add_template_filter(to_text, "protocol")


def money(amount: Decimal) -> str:
    """*amount* exactly, without the zeros that say nothing, and with commas between the thousands."""
    whole, _, fraction = to_text(amount.copy_abs()).partition(".")
    sign = "-" if amount < 0 else ""
    return f"{sign}{int(whole):,}.{fraction.rstrip('0').ljust(2, '0')}"


def to_amount(text: str) -> Decimal:
    """The amount that somebody has typed.

    :raises ValueError: if it is none; the sentence says what would be.
    """
    text = text.strip()
    if not _AMOUNT.fullmatch(text):
        raise ValueError(
            f"{text[:40]!r} is no amount; write one such as 25 or 12.50, with at most eight decimal places."
        )
    return parse(text)


def in_short(wrong: Exception) -> str:
    """The sentence, cut where it repeats what is too long: a message travels in a cookie, which holds 4 kB."""
    return str(wrong)[:300]


def moment(when: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(
        when.isoformat(timespec="seconds"), when.strftime("%Y-%m-%d %H:%M")
    )


def status_word(status: OrderStatus) -> str:
    """The word that clients of the document's dialect read."""
    return ORDER_STATUSES[status].word


_KINDS: Mapping[str, frozenset[OrderStatus]] = {
    "waits": CANCELABLE,
    "runs": BEGUN,
    "done": frozenset({OrderStatus.COMPLETED}),
    "part": frozenset({OrderStatus.PARTIAL}),
    "over": ENDS,
}


def status_kind(status: OrderStatus) -> str:
    """The class that colours it."""
    return next((kind for kind, statuses in _KINDS.items() if status in statuses), "over")


def orders_in(lines: Iterable[StatementLine]) -> list[str]:
    """The ids of the orders that the movements were for."""
    return [order[1] for line in lines if (order := _ORDER.fullmatch(line.reference))]


_KINDS_OF_REFERENCES = {"opening": "Opening balance", "demo": "A gift: the demo's first orders"}


def about(line: StatementLine, numbers: Mapping[str, int]) -> Markup:
    """What a movement of money was for.

    :param numbers: of orders, by their ids.
    """
    kind, _, rest = line.reference.partition(":")
    order = _ORDER.fullmatch(line.reference)
    if order:
        words = "Paid back for order" if order[2] else "Order"
        number = numbers.get(order[1])  # an order that could not be paid is gone
        return Markup("{} {}").format(words, number or Markup("<code>{}</code>").format(order[1]))
    if kind == "payment":
        return Markup("Payment {}").format(rest)
    if kind == "adjust":
        return Markup("Adjustment: {}").format(line.note or rest)
    return escape(_KINDS_OF_REFERENCES.get(kind, line.reference))
