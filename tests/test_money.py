"""Amounts of money are exact: whole units of 10^-8, no float, one rounding, and that one upwards."""

from __future__ import annotations

import itertools
import tracemalloc
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from flask_smmapi.money import (
    MAX_UNITS,
    SCALE,
    ZERO,
    from_units,
    is_chargeable,
    parse,
    price,
    subtract,
    to_text,
    to_units,
)

NO_AMOUNT = r"is not an amount of money|more than eight decimal places"

AMOUNTS = [
    ("0", 0),
    ("0.00000000", 0),
    ("-0", 0),
    ("0.00000001", 1),
    ("-0.00000001", -1),
    ("1", 100_000_000),
    ("1.5", 150_000_000),
    ("-1.5", -150_000_000),
    ("100.00000000", 10_000_000_000),
    ("1E+3", 100_000_000_000),
    ("12E-8", 12),
    ("0.1000000000000", 10_000_000),  # more digits, but none of them says anything
    ("92233720368.54775807", MAX_UNITS),
    ("92233720368.54775808", MAX_UNITS + 1),
    ("123456789012345678901234567890.12345678", 12345678901234567890123456789012345678),
]
"""An amount, and the 10^-8 units that it makes."""

NOT_FINITE = ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity"]
TOO_PRECISE = ["0.000000001", "-0.000000001", "1.123456789", "1E-9", "1E-40"]
ENORMOUS = ["1E+1000000", "-1E+1000000", "1E+999999999999", "1E-1000000", "-1E-1000000"]


@pytest.mark.parametrize(("amount", "units"), AMOUNTS)
def test_an_amount_is_a_whole_number_of_units(amount: str, units: int) -> None:
    assert to_units(Decimal(amount)) == units


@pytest.mark.parametrize(("amount", "units"), AMOUNTS)
def test_units_become_the_same_amount_with_eight_places(amount: str, units: int) -> None:
    made = from_units(units)
    assert made == Decimal(amount)
    assert made.as_tuple().exponent == -8


@pytest.mark.parametrize(("amount", "units"), AMOUNTS)
def test_amounts_do_not_depend_on_the_precision_that_the_host_has_set(amount: str, units: int) -> None:
    with localcontext() as context:
        context.prec = 3
        assert to_units(from_units(units)) == to_units(parse(amount)) == units


@pytest.mark.parametrize("amount", NOT_FINITE + TOO_PRECISE)
def test_what_units_cannot_express_is_refused_not_rounded(amount: str) -> None:
    with pytest.raises(ValueError, match=NO_AMOUNT):
        to_units(Decimal(amount))


@pytest.mark.parametrize("amount", [0.1, 1.0, 1, True, "1", None])
def test_only_a_decimal_has_units(amount: Any) -> None:
    with pytest.raises(TypeError, match="must be a Decimal, not"):
        to_units(amount)


def test_an_amount_may_be_far_above_any_balance() -> None:
    assert to_units(Decimal("9E+40")) == 9 * 10**48
    with pytest.raises(ValueError, match=NO_AMOUNT):
        to_units(Decimal("1E+41"))


@pytest.mark.parametrize("amount", ENORMOUS)
def test_an_enormous_exponent_is_refused_before_it_becomes_a_million_digits(amount: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=NO_AMOUNT):
            parse(amount)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("1", "1.00000000"),
        ("1.5", "1.50000000"),
        ("-2.25", "-2.25000000"),
        ("0.00000001", "0.00000001"),
        ("1e3", "1000.00000000"),
        ("1E-8", "0.00000001"),
        (0, "0.00000000"),
        (7, "7.00000000"),
        (-7, "-7.00000000"),
        (10**20, "100000000000000000000.00000000"),
        (Decimal("3.10"), "3.10000000"),
        (Decimal("5E+2"), "500.00000000"),
    ],
)
def test_text_whole_numbers_and_decimals_are_read_with_eight_places(value: str | int | Decimal, amount: str) -> None:
    parsed = parse(value)
    assert parsed == Decimal(amount)
    assert parsed.as_tuple().exponent == -8


@pytest.mark.parametrize(
    "text", ["", " ", "abc", "1,5", "1.2.3", "0x10", "$5", "5 USD", "--5", *NOT_FINITE, *TOO_PRECISE]
)
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=NO_AMOUNT):
        parse(text)


@pytest.mark.parametrize("value", [0.5, 1.0, float("nan"), True, False, None, b"1", [1], Fraction(1, 2), 1j])
def test_a_value_that_may_be_inexact_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"must be a str, an int or a Decimal, not {type(value).__name__}"):
        parse(value)


@pytest.mark.parametrize(
    ("rate", "count", "per", "expected"),
    [
        ("1.00", 1000, 1000, "1.00000000"),
        ("0.90", 1, 1000, "0.00090000"),
        ("1.1", 3, 1000, "0.00330000"),  # 0.0033000000000000004 in floats, which would round up to …01
        ("0.29", 100, 1, "29.00000000"),  # 28.999999999999996 in floats
        ("0.33333333", 7, 1000, "0.00233334"),
        ("0.00000001", 1, 1000, "0.00000001"),
        ("0.00000001", 1000, 1000, "0.00000001"),
        ("0.00000001", 1001, 1000, "0.00000002"),
        ("0.00000001", 999_999_999_999, 1000, "10.00000000"),
        ("0.00012345", 999_999_999_999, 1000, "123449.99999988"),
        ("12345678901.12345678", 999_999_999_999, 1, "12345678901111111101098.87654322"),
        ("2.5", 1, 1, "2.50000000"),
        ("0", 10**12, 1000, "0.00000000"),
        ("5", 0, 1000, "0.00000000"),
    ],
)
def test_the_price_is_rounded_up_to_the_next_unit(rate: str, count: int, per: int, expected: str) -> None:
    assert to_text(price(Decimal(rate), count, per)) == expected


RATES = [
    Decimal(rate) for rate in ("0", "0.00000001", "0.00000999", "0.1", "0.33333333", "1", "7.77777777", "9999.99999999")
]
COUNTS = [0, 1, 2, 3, 7, 999, 1000, 1001, 123_456_789, 999_999_999_999]


@pytest.mark.parametrize(("rate", "count"), list(itertools.product(RATES, COUNTS)))
def test_a_price_is_never_too_low_and_less_than_one_unit_too_high(rate: Decimal, count: int) -> None:
    exact = Fraction(rate) * count / 1000
    assert exact <= Fraction(price(rate, count, 1000)) < exact + Fraction(1, SCALE)


@pytest.mark.parametrize(("rate", "count"), list(itertools.product(RATES, COUNTS)))
def test_what_is_left_of_a_charge_never_exceeds_what_was_not_delivered(rate: Decimal, count: int) -> None:
    """Pay-backs are the charge less the price of what was delivered, so rounding must not create money."""
    for delivered in {0, count // 3, count // 2, max(count - 1, 0), count}:
        left = price(rate, count, 1000) - price(rate, delivered, 1000)
        assert 0 <= left <= price(rate, count - delivered, 1000)


@pytest.mark.parametrize("rate", [1, 0.5, "1", None])
def test_a_rate_is_a_decimal(rate: Any) -> None:
    with pytest.raises(TypeError, match="must be a Decimal, not"):
        price(rate, 1000, 1000)


@pytest.mark.parametrize(("units", "expected"), [(0, True), (1, True), (MAX_UNITS, True), (MAX_UNITS + 1, False)])
def test_nothing_may_cost_more_than_64_bits_of_units(units: int, expected: bool) -> None:
    assert is_chargeable(from_units(units)) is expected


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00000000"),
        ("-0", "0.00000000"),
        ("0E-8", "0.00000000"),
        ("-0E-8", "0.00000000"),
        ("1", "1.00000000"),
        ("-1", "-1.00000000"),
        ("0.5", "0.50000000"),
        ("-0.5", "-0.50000000"),
        ("1E-8", "0.00000001"),  # str() and Flask's JSON would write 1E-8
        ("-1E-8", "-0.00000001"),
        ("1E+3", "1000.00000000"),
        ("100.10", "100.10000000"),
        ("-12.00000034", "-12.00000034"),
        ("123456789012345678901234567890.12345678", "123456789012345678901234567890.12345678"),
    ],
)
def test_text_has_eight_decimals_and_no_exponent(amount: str, text: str) -> None:
    assert to_text(Decimal(amount)) == text


@pytest.mark.parametrize("amount", NOT_FINITE + TOO_PRECISE)
def test_text_is_never_rounded(amount: str) -> None:
    with pytest.raises(ValueError, match=NO_AMOUNT):
        to_text(Decimal(amount))


def test_a_float_has_no_text() -> None:
    amount: Any = 0.1
    with pytest.raises(TypeError, match=r"must be a Decimal, not float 0\.1"):
        to_text(amount)


@pytest.mark.parametrize("units", [0, 1, -1, 99, SCALE - 1, SCALE, SCALE + 1, -SCALE - 1, MAX_UNITS, -MAX_UNITS])
def test_text_is_read_back_as_it_was_written(units: int) -> None:
    assert to_units(parse(to_text(from_units(units)))) == units


def test_zero_has_eight_places() -> None:
    assert to_text(ZERO) == "0.00000000"
    assert ZERO.as_tuple().exponent == -8


def test_a_difference_is_exact_whatever_precision_the_host_has_set() -> None:
    with localcontext() as context:
        context.prec = 3
        assert str(subtract(Decimal("123456.00000001"), Decimal("0.00000002"))) == "123455.99999999"
