"""The seam between the extension and its host: four small Protocols and the frozen records they exchange.

A hook is one atomic business fact with a plain answer. When a verb returns, its effect is committed. A hook never
raises our errors: it answers ``False`` or ``None``; a storage that cannot be reached is :class:`StoreUnavailable` (or
the builtin ``ConnectionError`` or ``TimeoutError``), which the client sees as 503; anything else it sees as 500.

Nothing has to inherit a Protocol. A class that does, and forgets a verb, cannot be made an object of: the verb would
answer None, and a credit of None is money lost.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Protocol, TypeAlias

from typing_extensions import TypeVar

from .money import ZERO, is_chargeable, subtract, to_units
from .service_types import SERVICE_TYPES
from .statuses import OrderStatus, RefillStatus

AccountId: TypeAlias = str | int
"""The host's own id of an account. It is handed back as it came and never shown to a client."""

Id = TypeVar("Id", bound=AccountId, default=AccountId, contravariant=True)
"""The kind of id that a host's part takes: an integer, a string, or, as ours do, either."""

UNAVAILABLE = (ConnectionError, TimeoutError)
"""What a hook raises when its storage cannot be reached."""


DIALECT_NAMES = ("standard", "panel")
"""What an account may have for its dialect. :data:`flask_smmapi.dialects.DIALECTS` says what each looks like."""


class StoreUnavailable(ConnectionError):
    """For a hook to raise when its storage cannot be reached just now. The client gets 503 and may repeat."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays: the answer of a key lookup.

    :param id: the host's own id, an integer or a string.
    :param currency: ISO code of the balance; None for the app's ``SMMAPI_CURRENCY``.
    :param allowed_ips: addresses or networks (``192.0.2.7``, ``2001:db8::/32``) that may use the key; empty for any.
    :param dialect: how the answers look: ``standard`` or ``panel``; None for the app's ``SMMAPI_DIALECT``. A lookup may
        give the same account another one for each of its keys.
    :raises ValueError: if a value cannot be; the sentence says which, and what would do.
    """

    id: AccountId
    _: KW_ONLY
    currency: str | None = None
    allowed_ips: tuple[str, ...] = ()
    dialect: str | None = None

    def __post_init__(self) -> None:
        if not _is_a(self.id, int) and not isinstance(self.id, str):
            raise ValueError(f"Account {self.id!r} has an id that is neither an integer nor a string.")
        try:
            if isinstance(self.allowed_ips, str):
                raise ValueError("a text")
            for entry in self.allowed_ips:
                as_network(entry)
        except (TypeError, ValueError) as wrong:
            raise ValueError(
                f"Account {self.id!r} has the allowed_ips {self.allowed_ips!r} ({wrong}); give a tuple of addresses "
                "and networks, such as ('192.0.2.7', '2001:db8::/32')."
            ) from None
        if self.dialect is not None and self.dialect not in DIALECT_NAMES:
            known = ", ".join(DIALECT_NAMES)
            raise ValueError(
                f"Account {self.id!r} has the unknown dialect {self.dialect!r}; the dialects are: {known}."
            )


@lru_cache(maxsize=1024)
def as_network(entry: str) -> IPv4Network | IPv6Network:
    """The callers that *entry* of an allow-list lets in; ``::ffff:192.0.2.7`` is the IPv4 address in it.

    :raises ValueError: if it is neither an address nor a network.
    """
    network = ip_network(entry, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


@dataclass(frozen=True, slots=True)
class Service:
    """One row of a price list, at the price of the account that it is shown to.

    :param id: the number that clients order by.
    :param type: one of the names in :data:`flask_smmapi.service_types.SERVICE_TYPES`.
    :param rate: price of 1,000 (of one, for the Package types), at most eight places.
    :param min: the least that an order may count, and
    :param max: the most; what is counted depends on the type.
    :param refill: whether a finished order may be refilled.
    :param cancel: whether an order may be canceled before the work begins.
    :param dripfeed: whether ``runs`` and ``interval`` may be given.
    :param desc: what is to be said of it, for the panel dialect's price list; likewise
    :param average_time: how long an order takes, in words, such as ``"2 hours 10 minutes"``.
    :raises ValueError: if a value cannot be; the sentence says which, and what would do.
    """

    id: int
    name: str
    type: str
    category: str
    rate: Decimal
    min: int
    max: int
    refill: bool = False
    cancel: bool = False
    dripfeed: bool = False
    desc: str | None = None
    average_time: str | None = None

    def __post_init__(self) -> None:
        for name, kind in _SERVICE_FIELDS.items():
            value = getattr(self, name)
            if not _is_a(value, kind) and not (value is None and name in _MAY_BE_NONE):
                raise ValueError(f"Service {self.id!r} has the {name} {value!r}; it must be of type {kind.__name__}.")
        if not 0 <= self.id < 10**18:
            raise ValueError(f"Service {self.id} has an id that no client can write; it must be of 1 to 18 digits.")
        if self.type not in SERVICE_TYPES:
            known = ", ".join(SERVICE_TYPES)
            raise ValueError(f"Service {self.id} has the unknown type {self.type!r}; the types are: {known}.")
        if not _is_rate(self.rate):
            raise ValueError(
                f"Service {self.id} has the rate {self.rate}; it must be 0 or more, have at most eight places, and fit "
                "into 64 bits."
            )
        if not 0 <= self.min <= self.max:
            raise ValueError(f"Service {self.id} has min {self.min} and max {self.max}; 0 <= min <= max must hold.")
        if self.dripfeed and SERVICE_TYPES[self.type].times != "runs":
            raise ValueError(f"Service {self.id} is of type {self.type}, which knows no drip-feed; set dripfeed=False.")


def _is_a(value: object, kind: type) -> bool:
    """Whether *value* is of that kind; a bool is no int here, since SQL's booleans come as either."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _is_rate(rate: Decimal) -> bool:
    try:
        return to_units(rate) >= 0 and is_chargeable(rate)
    except ValueError:
        return False


_SERVICE_FIELDS: dict[str, type] = {
    "id": int,
    "name": str,
    "type": str,
    "category": str,
    "rate": Decimal,
    "min": int,
    "max": int,
    "refill": bool,
    "cancel": bool,
    "dripfeed": bool,
    "desc": str,
    "average_time": str,
}
_MAY_BE_NONE = frozenset({"desc", "average_time"})


@dataclass(frozen=True)
class Order:
    """One order. A store keeps every field and gives it back equal, but for `number` and `revision`, which it sets.

    :param id: ObjectId, 24 hexadecimal characters; minted before anything is stored.
    :param account: the id of the account that pays.
    :param service: the number of the service.
    :param params: what the client sent for the service's type, by parameter, as text; lists have a line an entry.
    :param rate: what `per` pieces cost when the order was placed.
    :param count: pieces charged, runs and posts included; 1 for packages.
    :param charge: what was debited. What the order costs now is :attr:`cost`.
    :param cancelable: whether the service allowed cancels when the order was placed; likewise
    :param refillable: for refills.
    :param fingerprint: a hash of what the client sent, to tell a repeat from another order.
    :param created: when it was placed, timezone-aware UTC; likewise
    :param ended: when it was completed, or ended otherwise; None before.
    :param idempotency_key: unique within the account, if there is one.
    :param number: given by the store: unique, growing.
    :param remains: pieces not delivered yet.
    :param due_back: total to be paid back so far; never falls, never exceeds the charge.
    :param paid_back: total paid back so far.
    :param revision: raised by one by the store at each :meth:`OrderStore.replace`.
    :param children: numbers of the orders that were placed for its runs or posts so far, for the same account.
    :param claim: the token of the worker that has it, and
    :param worker: his name; None if nobody does.
    :param due: when the desk may hand it out: a new one at once, a claimed one when the claim runs out. Of one whose
        work has begun, when it was last moved on.
    :param reason: why it failed, for the owner.
    """

    id: str
    account: AccountId
    service: int
    params: Mapping[str, str]
    rate: Decimal
    per: int
    count: int
    charge: Decimal
    currency: str
    cancelable: bool
    refillable: bool
    fingerprint: str
    created: datetime
    remains: int
    idempotency_key: str | None = None
    status: OrderStatus = OrderStatus.UNPAID
    ended: datetime | None = None
    start_count: int = 0
    due_back: Decimal = ZERO
    paid_back: Decimal = ZERO
    number: int = 0
    revision: int = 0
    children: tuple[int, ...] = ()
    claim: str | None = None
    worker: str | None = None
    due: datetime | None = None
    reason: str | None = None

    @property
    def cost(self) -> Decimal:
        """What the order costs now: the charge, less what is paid back."""
        return subtract(self.charge, self.due_back) if self.due_back else self.charge

    def changed(self, **changes: Any) -> Order:
        """The order with *changes* of its fields, as :func:`dataclasses.replace` gives it in ten times the time.

        :raises TypeError: if there is no such field.
        """
        if type(self) is not Order:  # a host's own may have more to it
            return replace(self, **changes)
        if unknown := changes.keys() - Order.__dataclass_fields__.keys():
            raise TypeError(f"An order has no {', '.join(sorted(unknown))}.")
        order = object.__new__(Order)
        order.__dict__.update(self.__dict__, **changes)
        return order


@dataclass(frozen=True, slots=True)
class OrderState:
    """As much of an :class:`Order` as ``status`` answers; the fields are the order's of those names."""

    id: str
    number: int
    status: OrderStatus
    params: Mapping[str, str]
    charge: Decimal
    due_back: Decimal
    currency: str
    start_count: int
    remains: int
    children: tuple[int, ...]

    @property
    def cost(self) -> Decimal:
        """What the order costs now, as :attr:`Order.cost`."""
        return subtract(self.charge, self.due_back) if self.due_back else self.charge


@dataclass(frozen=True, slots=True)
class Refill:
    """One request to refill an order.

    :param id: ObjectId, minted before anything is stored.
    :param account: the id of the account that ordered.
    :param order: the id of the order.
    :param n: 1 for the order's first refill, 2 for the next; unique within the order.
    :param number: given by the store, like an order's.
    :param claim: the token of the worker that has it, and
    :param worker: his name; None if nobody does.
    :param due: when the desk may hand it out, like an order's.
    """

    id: str
    account: AccountId
    order: str
    n: int
    created: datetime
    status: RefillStatus = RefillStatus.PENDING
    number: int = 0
    revision: int = 0
    claim: str | None = None
    worker: str | None = None
    due: datetime | None = None


class KeyLookup(Protocol):
    """Key lookup: who is it that presents this key?"""

    @abstractmethod
    def __call__(self, key: str, /) -> Account | None:
        """The account of the active *key*, or None: no such key, a revoked one, or an inactive account."""


class Catalog(Protocol):
    """Service catalog provider: what may this account order, and at what price?"""

    @abstractmethod
    def __call__(self, account: Account, /) -> Iterable[Service]:
        """The services of *account*, in the order to be shown.

        Give the same :class:`flask_smmapi.ServiceList` as long as nothing changes: it is indexed once.
        """


class Wallet(Protocol[Id]):
    """Balance debit: the host's money. *reference* is at most 100 ASCII characters and unique within an account.

    Repeating a verb with its reference changes nothing and answers the same; the same reference with another amount
    raises ValueError.
    """

    @abstractmethod
    def balance(self, account: Id, /) -> Decimal:
        """What the account has, with at most eight places."""

    @abstractmethod
    def debit(self, account: Id, amount: Decimal, reference: str, /) -> bool:
        """Take *amount* if the balance is large enough, in one atomic step. 0 is legal.

        Before it answers False it looks for its own reference: a debit found there, and not voided, is True.
        """

    @abstractmethod
    def credit(self, account: Id, amount: Decimal, reference: str, /) -> None:
        """Give *amount* to the account."""

    @abstractmethod
    def void(self, account: Id, reference: str, /) -> None:
        """Undo the debit of *reference*, or bar it if there was none. From now on that debit answers False."""


class OrderStore(Protocol[Id]):
    """Orders and refills. Another account's orders do not exist; ids are an ObjectId (str) or a number (int)."""

    @abstractmethod
    def add(self, order: Order, /) -> Order:
        """Store *order* with a new number and give it back so.

        If the account has an order with the same idempotency key already, store nothing and give that one.
        """

    @abstractmethod
    def find(self, account: Id, ids: Sequence[str | int], /) -> Iterable[Order]:
        """The orders of the account with these ids, in any order and in any status; unknown ids are left out."""

    @abstractmethod
    def find_by_key(self, account: Id, idempotency_key: str, /) -> Order | None:
        """The account's order with that idempotency key, in any status."""

    @abstractmethod
    def replace(self, order: Order, /) -> bool:
        """Write *order* and raise its revision, if the stored revision equals the record's; else answer False."""

    @abstractmethod
    def drop(self, order: Order, /) -> None:
        """Delete the order if it is stored as VOIDING; do nothing otherwise."""

    @abstractmethod
    def list(self, account: Id, /, *, limit: int = 50, before: int | None = None) -> Sequence[Order]:
        """A page of the account's paid orders, newest first: at most *limit*, with numbers below *before*."""

    @abstractmethod
    def add_refill(self, refill: Refill, /) -> Refill | None:
        """Store *refill* with a new number and give it back so; None if (account, order, n) is taken."""

    @abstractmethod
    def find_refills(self, account: Id, ids: Sequence[str | int], /) -> Iterable[Refill]:
        """The account's refills whose own id or number, or whose order's id, is among *ids*."""

    @abstractmethod
    def replace_refill(self, refill: Refill, /) -> bool:
        """Like :meth:`replace`, for a refill."""

    @abstractmethod
    def unsettled(self, before: datetime, /) -> Iterable[Order]:
        """Across all accounts: UNPAID orders created before *before*, VOIDING ones, and those not fully paid back."""


class WorkQueue(Protocol):
    """What an order store may do besides: say which work waits. The desk hands nothing out without it."""

    @abstractmethod
    def waiting(self, statuses: Sequence[OrderStatus], before: datetime, /, *, limit: int) -> Iterable[Order]:
        """Across all accounts: at most *limit* orders in one of *statuses* that are due before *before*.

        Those that have been due for longest come first.
        """

    @abstractmethod
    def refills_waiting(self, statuses: Sequence[RefillStatus], before: datetime, /, *, limit: int) -> Iterable[Refill]:
        """Like :meth:`waiting`, for refills."""


class StateReader(Protocol[Id]):
    """What an order store may do besides: read no more than is answered. ``status`` reads whole orders without it."""

    @abstractmethod
    def find_states(self, account: Id, ids: Sequence[str | int], /) -> Iterable[OrderState]:
        """Like :meth:`OrderStore.find`, of each order its state.

        It is not asked where a host has put a ``find`` of its own in front of it: in a class made of the store, in a
        wrapper, or upon the object. What that ``find`` adds or leaves out holds for ``status`` too.
        """


def state_reader(orders: Any) -> Callable[[Any, Sequence[str | int]], Iterable[Order | OrderState]]:
    """What ``status`` reads with: ``find_states`` of *orders* if it goes with its ``find``, else ``find``."""
    read: Callable[[Any, Sequence[str | int]], Iterable[Order | OrderState]] = orders.find
    for names in (getattr(orders, "__dict__", {}), *map(vars, type(orders).__mro__)):
        if "find_states" in names:
            return orders.find_states  # type: ignore[no-any-return]  # Any, since few stores have it
        if "find" in names:
            break
    return read


LinkCheck: TypeAlias = Callable[[str], bool]
"""Whether a client's ``link`` is one that the host can work with."""
