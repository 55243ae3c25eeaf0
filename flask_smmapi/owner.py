"""What a store of ours tells its owner of accounts, keys and money, and the prices of one account.

Both stores answer these records and make the same references of what they are given.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from .catalog import ServiceList
from .hooks import AccountId, Service
from .ids import new_id
from .money import from_units, is_chargeable, price, to_text, to_units

MAX_REFERENCE = 100
"""Characters of a reference of the ledger."""

MAX_REASON = 500
"""Characters of the reason of an adjustment."""

MAX_LABEL = 200
"""Characters of the label of a key."""

MAX_LISTS = 64
"""Price lists of accounts that are kept in memory."""

KEY_ID = 12
"""Hexadecimal characters of a key's digest by which the owner names the key."""

_REFERENCE = re.compile(r"[ -~]+")
_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID}}}")

_WHOLE = 100_00
"""Hundredths of a percent in the whole."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account, as its owner sees it.

    :param created: timezone-aware UTC.
    :param discount: in percent, with two places.
    :param rates: by the service's number; each beats the discount.
    """

    id: AccountId
    currency: str | None
    dialect: str | None
    allowed_ips: tuple[str, ...]
    active: bool
    created: datetime
    balance: Decimal
    discount: Decimal
    rates: Mapping[int, Decimal]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be shown of a key: never the key.

    :param key_id: names it for ``rotate_key`` and ``revoke_key_by_id``; unique within the account.
    :param prefix: its first four characters.
    :param dialect: of this key alone; None for the account's.
    :param created: timezone-aware UTC; likewise
    :param last_used: to the minute or better; None if it never was.
    """

    key_id: str
    prefix: str
    label: str
    dialect: str | None
    active: bool
    created: datetime
    last_used: datetime | None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A movement of an account's money.

    :param when: timezone-aware UTC.
    :param kind: ``credit``, ``debit``, ``void`` (undoes a debit) or ``bar`` (0; forbids the debit of its reference).
    :param amount: given (positive) or taken (negative).
    :param balance: after it.
    :param note: the reason of an adjustment.
    """

    when: datetime
    reference: str
    kind: str
    amount: Decimal
    balance: Decimal
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """What one account pays instead of the prices of the list.

    :param hundredths: of a percent that are taken off.
    :param rates: the numbers of services, growing, and what each costs in 10⁻⁸ units instead.
    """

    hundredths: int = 0
    rates: tuple[tuple[int, int], ...] = ()

    def __hash__(self) -> int:
        return hash((self.hundredths, len(self.rates)))  # the rates may be thousands, and each request asks

    def changed(self, discount: Decimal | None, rates: Mapping[int, Decimal | None]) -> Prices:
        """These prices with another discount in percent, None for the same, and with some other rates, None for none.

        :raises ValueError: if one cannot be; the sentence says which.
        :raises TypeError: if an amount is no ``Decimal``.
        """
        merged = {**dict(self.rates), **{service: _rate_units(service, rate) for service, rate in rates.items()}}
        return Prices(
            self.hundredths if discount is None else _hundredths(discount),
            tuple(sorted((service, units) for service, units in merged.items() if units is not None)),
        )

    @property
    def discount(self) -> Decimal:
        """What is taken off, in percent."""
        return Decimal(f"{self.hundredths}E-2")

    def by_service(self) -> dict[int, Decimal]:
        """The rates by the service's number."""
        return {service: from_units(units) for service, units in self.rates}


LIST_PRICES = Prices()
"""Those of an account that pays what the list says."""


def _hundredths(discount: Decimal) -> int:
    units = to_units(discount)
    hundredths, rest = divmod(units, to_units(Decimal("0.01")))
    if rest or not 0 <= hundredths <= _WHOLE:
        raise ValueError(f"The discount {discount} must be of 0 to 100 percent, with at most two places.")
    return hundredths


def _rate_units(service: int, rate: Decimal | None) -> int | None:
    if isinstance(service, bool) or not isinstance(service, int) or not 0 <= service < 10**18:
        raise ValueError(f"{service!r} is not the number of a service.")
    if rate is None:
        return None
    units = to_units(rate)
    if units < 0 or not is_chargeable(rate):
        raise ValueError(f"The rate {rate} of service {service} must be 0 or more and fit into 64 bits.")
    return units


class PricedList(ServiceList):
    """A price list at the prices of some accounts. A row is priced when it is asked for: an order asks for one."""

    def __init__(self, base: ServiceList, prices: Prices) -> None:
        super().__init__(())
        self._base = base
        self._percentage = _WHOLE - prices.hundredths
        self._rates = prices.by_service()

    def __iter__(self) -> Iterator[Service]:
        return map(self._priced, self._base)

    def __len__(self) -> int:
        return len(self._base)

    def get(self, service_id: int) -> Service | None:
        """The service with that number, or None."""
        service = self._base.get(service_id)
        return None if service is None else self._priced(service)

    def _priced(self, service: Service) -> Service:
        own = self._rates.get(service.id)
        return replace(service, rate=price(service.rate, self._percentage, _WHOLE) if own is None else own)


class PricedLists:
    """One price list at the prices that were asked for most recently; accounts that pay the same share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base = ServiceList(())
        self._lists: dict[Prices, PricedList] = {}

    def __call__(self, base: ServiceList, prices: Prices) -> ServiceList:
        """*base* at *prices*: the same object as long as neither changes."""
        if prices == LIST_PRICES:
            return base
        with self._lock:
            if self._base is not base:
                self._base, self._lists = base, {}
            priced = self._lists.pop(prices, None) or PricedList(base, prices)
            self._lists[prices] = priced  # the most recently used is last
            if len(self._lists) > MAX_LISTS:
                del self._lists[next(iter(self._lists))]
            return priced


def payment_reference(payment: str) -> str:
    """The ledger's reference of a payment.

    :raises ValueError: if none can be made of it.
    """
    return _reference("payment", payment)


def adjustment_reference(reference: str | None) -> str:
    """The ledger's reference of an adjustment; one of its own, if it has none.

    :raises ValueError: if none can be made of it.
    """
    return _reference("adjust", new_id() if reference is None else reference)


def _reference(kind: str, text: str) -> str:
    room = MAX_REFERENCE - len(kind) - 1
    if not isinstance(text, str) or not _REFERENCE.fullmatch(text) or len(text) > room or text != text.strip():
        raise ValueError(
            f"{text!r} makes no reference; give 1 to {room} printable ASCII characters, with no blank at either end."
        )
    return f"{kind}:{text}"


def more_than_nothing(amount: Decimal) -> int:
    """The 10⁻⁸ units of an amount that is paid in.

    :raises ValueError: if that is 0 or less.
    """
    units = to_units(amount)
    if units <= 0:
        raise ValueError(f"{to_text(amount)} cannot be paid in; give an amount above 0.")
    return units


def too_much(amount: Decimal) -> ValueError:
    """What is raised for an amount that no balance holds."""
    return ValueError(f"{amount} cannot be given: the balance would not fit into 64 bits.")


def adjustment(amount: Decimal, reason: str) -> int:
    """The 10⁻⁸ units that an adjustment gives or takes.

    :raises ValueError: if that is nothing, or no reason is given.
    """
    if not isinstance(reason, str) or not reason.strip() or len(reason) > MAX_REASON:
        raise ValueError(f"An adjustment needs a reason, of at most {MAX_REASON} characters.")
    units = to_units(amount)
    if not units:
        raise ValueError("An adjustment of 0 changes nothing.")
    return units


def checked_label(label: str) -> str:
    """*label*, which the owner gives a key.

    :raises ValueError: if it is no text, too long, or in more than one line.
    """
    if not isinstance(label, str) or len(label) > MAX_LABEL or not label.isprintable():
        raise ValueError(f"{label!r} is no label; give a text in one line, of at most {MAX_LABEL} characters.")
    return label


def checked_limit(limit: int) -> int:
    """*limit*, the most rows of a page.

    :raises ValueError: if it is less than 1.
    """
    if limit < 1:
        raise ValueError(f"A page has 1 row or more, not {limit}.")
    return limit


def no_account(account: AccountId) -> ValueError:
    """What is raised for an account that is not there."""
    return ValueError(
        f"There is no account {account!r} in this store; add it with add_account first. If your own key lookup has it, "
        "credit gives and debit takes without asking for it."
    )


def account_there(account: AccountId) -> ValueError:
    """What is raised for an account that was to be new."""
    return ValueError(f"There is an account {account!r} already; create_key gives it a key, change_account changes it.")


def key_of_another() -> ValueError:
    """What is raised for a key that opens another account."""
    return ValueError("This key is another account's.")


def no_key(account: AccountId, key_id: str) -> ValueError:
    """What is raised for a key that the account does not have. What is no id may be the key itself: it is not shown."""
    if not _KEY_ID.fullmatch(key_id):
        return ValueError(f"That is no key id of account {account!r}; keys(account) tells them.")
    return ValueError(f"Account {account!r} has no key {key_id!r} that is in use.")
