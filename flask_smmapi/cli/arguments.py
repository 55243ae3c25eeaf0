"""How the shell says which account, which order, how long, and how much."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from typing import Any, TypeVar

import click

from ..hooks import AccountId
from ..ids import parse_id, parse_number
from ..owner import KEY_ID
from ..price_lists import parse_decimal

C = TypeVar("C", bound=Callable[..., Any])

ACCOUNT_HELP = (
    "ACCOUNT is the account's id: digits are a number, anything else is text. Write str:42 for a text of digits, "
    "and -- before a negative number."
)

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_TEXT = "str:"
_CURRENCY = re.compile(r"[A-Z]{3,10}")
_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID}}}")

LARGEST = 10**18 - 1
"""The largest number that a client can write, and one that every database holds."""


def printable(value: str) -> str:
    """Text in one line, which every store keeps and every terminal shows."""
    if not value.isprintable():
        raise click.BadParameter(f"{value!r} has characters that cannot be printed.")
    return value


def account_id(value: str) -> AccountId:
    """An id as the store has it, an integer or a text."""
    printable(value)
    if value in ("", _TEXT):
        raise click.BadParameter("an account's id has one character or more.")
    if value.startswith(_TEXT):
        return value.removeprefix(_TEXT)
    if not _INTEGER.fullmatch(value):
        return value
    if not -(2**63) <= (number := int(value[:21])) < 2**63:  # cut, since Python reads no number of 5,000 digits
        raise click.BadParameter(f"{value} is too large for a number; write {_TEXT}{value} if it is text.")
    return number


def account_text(account: AccountId) -> str:
    """*account* as :func:`account_id` reads it."""
    if isinstance(account, str) and (_INTEGER.fullmatch(account) or account.startswith(_TEXT)):
        return _TEXT + account
    return str(account)


def key_id(value: str) -> str:
    """What names a key. Anything else may be the key itself, so it is not shown."""
    if not _KEY_ID.fullmatch(value):
        raise click.BadParameter("that is no key id; flask smmapi keys list shows them.")
    return value


def currency(value: str) -> str:
    """The code of a currency."""
    if not _CURRENCY.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no currency; write its code, such as USD.")
    return value


def network(value: str) -> str:
    """An address or a network, as an allow-list has it."""
    try:
        ip_network(value)
    except ValueError as wrong:  # such as 192.0.2.7/24, which may mean one address or 256
        raise click.BadParameter(f"{wrong}; write 192.0.2.7 or 192.0.2.0/24.") from None
    return value


def record_id(value: str) -> str | int:
    """The id or the number of an order or a refill."""
    parsed = parse_id(value)
    if parsed is None:
        raise click.BadParameter(f"{value!r} is neither a number nor an id of 24 hexadecimal characters.")
    return parsed


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"([0-9]{1,9})([smhd]?)")
_LONGEST = timedelta(days=36_500)


def age(value: str) -> timedelta:
    """A length of time: ``90`` or ``90s``, ``15m``, ``36h``, ``2d``."""
    found = _AGE.fullmatch(value)
    length = timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else None
    if length is None or length > _LONGEST:
        raise click.BadParameter(f"{value!r} is no length of time; write 90s, 15m, 36h or 2d (at most 36500d).")
    return length


def percentage(value: str) -> Decimal:
    """0 or more percent, exactly."""
    try:
        return parse_decimal(value)
    except ValueError as wrong:
        raise click.BadParameter(f"{value!r} is no percentage; {wrong}") from None


def service_rate(value: str) -> tuple[int, Decimal]:
    """The number of a service, and what it costs."""
    number, separator, rate = value.partition("=")
    service = parse_number(number)
    if service is None or not separator or rate.startswith("-"):
        raise click.BadParameter(f"{value!r} is none; write the service's number and its rate: 123=0.80.")
    return service, amount(rate)


def amount(value: str) -> Decimal:
    """An amount of money, exactly; less than 0 takes."""
    try:
        read = parse_decimal(value.removeprefix("-"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no amount; write digits with at most eight places: 12.50.") from None
    return read.copy_negate() if value.startswith("-") else read


ACCOUNT = click.argument("account", type=account_id, metavar="ACCOUNT")
COUNT = click.IntRange(0, LARGEST)
NUMBER = click.IntRange(1, LARGEST)
ORDER = click.argument("order", type=record_id, metavar="ORDER")
REFILL = click.argument("refill", type=record_id, metavar="REFILL")
LIMIT = click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")


def older_than(default: str, help: str) -> Callable[[C], C]:
    """The option ``--older-than``."""
    return click.option("--older-than", type=age, default=default, show_default=True, metavar="AGE", help=help)
