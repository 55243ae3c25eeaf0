"""Orders and turnover per day, as bars. No float touches the amounts: a bar's height is a whole number of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from flask_smmapi import Order
from flask_smmapi.money import ZERO, to_units

DAYS = 14

WIDTH, HEIGHT, TOP, STEP = 420, 150, 22, 30
"""Of the drawing: its width, the height of the tallest bar, what is above it, and a day's share of the width."""

BAR = 22


class Day(NamedTuple):
    """What was ordered on a day.

    :param turnover: by currency: what the orders cost, less what was paid back of them.
    """

    day: date
    orders: int
    turnover: dict[str, Decimal]


class Bar(NamedTuple):
    """One day of a chart, in the units of the drawing."""

    x: int
    y: int
    height: int
    label: str


class Chart(NamedTuple):
    """:param most: what the tallest bar stands for."""

    title: str
    most: int | Decimal
    bars: list[Bar]


def by_day(orders: Iterable[Order], today: date) -> list[Day]:
    """The last days, oldest first, with those on which nothing happened."""
    days = {day: Day(day, 0, {}) for day in last_days(today)}
    for order in orders:
        day = days.get(order.created.date())
        if day is not None:
            turnover = {**day.turnover, order.currency: day.turnover.get(order.currency, ZERO) + order.cost}
            days[day.day] = day._replace(orders=day.orders + 1, turnover=turnover)
    return list(days.values())


def last_days(today: date) -> list[date]:
    return [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]


def currencies(days: Iterable[Day]) -> list[str]:
    return sorted({currency for day in days for currency in day.turnover})


def charts(days: Sequence[Day]) -> list[Chart]:
    """One of the orders, and one of the turnover in each currency."""
    counts = [day.orders for day in days]
    drawn = [Chart("Orders", max(counts), bars(days, counts))]
    for currency in currencies(days):
        amounts = [day.turnover.get(currency, ZERO) for day in days]
        units = [to_units(amount) for amount in amounts]
        drawn.append(Chart(f"Turnover in {currency}", max(amounts), bars(days, units)))
    return drawn


def bars(days: Sequence[Day], values: Sequence[int]) -> list[Bar]:
    """What is more than nothing can be seen."""
    most = max(*values, 1)
    heights = [max(value * HEIGHT // most, 2) if value else 0 for value in values]
    return [
        Bar(number * STEP + (STEP - BAR) // 2, TOP + HEIGHT - height, height, str(day.day.day))
        for number, (day, height) in enumerate(zip(days, heights, strict=True))
    ]
