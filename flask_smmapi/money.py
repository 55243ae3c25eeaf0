"""Amounts of money: ``Decimal`` with eight places outside, whole units of 10⁻⁸ inside.

Every rounding of the package happens here, in :func:`price`, and it rounds up. No float is ever taken
(api-documentation.md, Technical Notes: "Monetary values use 8 decimal places").
"""

from __future__ import annotations

from decimal import Decimal

PLACES = 8

SCALE: int = 10**PLACES
"""Units in one whole unit of currency."""

MAX_UNITS = 2**63 - 1
"""The largest number of units that a 64-bit column holds; nothing may cost more."""

ZERO = Decimal("0.00000000")

_LARGEST_EXPONENT = 40  # far above any balance; keeps Decimal("1E+1000000") from becoming a million digits


def to_units(amount: Decimal) -> int:
    """*amount* as a whole number of 10⁻⁸ units, exactly.

    :raises ValueError: if the amount is not finite or has more than eight places.
    :raises TypeError: if it is not a ``Decimal``; a float has lost its exactness already.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"An amount of money must be a Decimal, not {type(amount).__name__} {amount!r}.")
    if not amount.is_finite() or amount.adjusted() > _LARGEST_EXPONENT:
        raise ValueError(f"{amount} is not an amount of money.")
    if amount and amount.adjusted() < -PLACES:
        raise ValueError(f"{amount} has more than eight decimal places.")
    numerator, denominator = amount.as_integer_ratio()
    units, rest = divmod(numerator * SCALE, denominator)
    if rest:
        raise ValueError(f"{amount} has more than eight decimal places.")
    return units


def from_units(units: int) -> Decimal:
    """The amount that *units* of 10⁻⁸ make, exactly and with eight places."""
    return Decimal(f"{units}E-8")


def checked(amount: Decimal) -> Decimal:
    """*amount*, which a host gave, with eight places.

    :raises TypeError: if it is no ``Decimal``.
    :raises ValueError: if eight places do not hold it.
    """
    return from_units(to_units(amount))


def parse(value: str | int | Decimal) -> Decimal:
    """*value* as an amount with eight places.

    :raises ValueError: if it is no number, not finite, or has more than eight places.
    :raises TypeError: if it is a float, or anything else that cannot be exact.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(f"An amount of money must be a str, an int or a Decimal, not {type(value).__name__}.")
    try:
        return checked(Decimal(value))
    except ArithmeticError:
        raise ValueError(f"{value!r} is not an amount of money.") from None


def price(rate: Decimal, count: int, per: int) -> Decimal:
    """What *count* pieces cost when *per* of them cost *rate*, rounded up to the next 10⁻⁸.

    Up, so that nothing that costs is ever free, and so that what is paid back (the charge less the price of what
    was delivered) never exceeds what was not delivered.
    """
    return from_units(-(-to_units(rate) * count // per))


def subtract(amount: Decimal, other: Decimal) -> Decimal:
    """*amount* less *other*, exactly, whatever precision the host has set for ``Decimal``."""
    return from_units(to_units(amount) - to_units(other))


def is_chargeable(amount: Decimal) -> bool:
    """Whether *amount* fits into 64 bits; a larger charge is refused as if the balance were too small."""
    return to_units(amount) <= MAX_UNITS


def to_text(amount: Decimal) -> str:
    """*amount* as the protocol writes it: exactly eight decimals, never an exponent."""
    if isinstance(amount, Decimal) and amount.same_quantum(ZERO) and not amount.is_signed():
        return f"{amount:f}"  # it has its eight places
    units = to_units(amount)
    whole, fraction = divmod(abs(units), SCALE)
    return f"{'-' if units < 0 else ''}{whole}.{fraction:08d}"
