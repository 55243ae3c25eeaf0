"""The protocol: one function an action, and the table :data:`ACTIONS` that names them.

An action takes the app's :class:`Context`, the account and the cleaned parameters; it returns records or raises an
:class:`~flask_smmapi.errors.SmmError`. What either looks like on the wire is the dialects' business.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from marshmallow import Schema

from .catalog import ServiceList, as_service_list
from .errors import (
    IncorrectOrderId,
    IncorrectParameter,
    IncorrectRequest,
    IncorrectServiceId,
    OrderNotCompleted,
    QuantityTooLarge,
    QuantityTooSmall,
    RefillDisabled,
    RefillNotFound,
    RefillTooEarly,
    SmmError,
    TooManyIds,
)
from .hooks import Account, Catalog, Order, OrderState, OrderStore, Refill, Service, Wallet, state_reader
from .ids import new_id, parse_id, parse_number
from .money import checked, price
from .params import SEPARATORS, Params, split_ids, split_lines
from .placement import Notify, Placement, now
from .service_types import FIELDS, SERVICE_TYPES, build_schemas, load
from .statuses import HIDDEN, REFILL_IN_FLIGHT, REFILLABLE

T = TypeVar("T")
S = TypeVar("S", bound=Order | OrderState)

Find: TypeAlias = Callable[[Any, Sequence[str | int]], Iterable[S]]
"""Reads orders of one account, or their states, by their ids."""

_IDEMPOTENCY_KEY = re.compile(r"[ -~]{8,128}")
_sorted_json = json.JSONEncoder(sort_keys=True).encode
_OF_THE_ORDER = frozenset({"service", "link", *FIELDS})  # all else may differ between a request and its repeat


@dataclass(frozen=True)
class Context:
    """What the actions of one app work with.

    :param currency: of accounts that name none.
    :param max_ids: how many ids one request may name.
    :param refill_interval: how long a refill must wait after the order's end or its last refill.
    :param schemas: for the parameters of each service type.
    :param notify: is told what has happened.
    """

    catalog: Catalog
    wallet: Wallet
    orders: OrderStore
    currency: str = "USD"
    max_ids: int = 100
    refill_interval: timedelta = timedelta(hours=24)
    schemas: Mapping[str, Schema] = field(default_factory=build_schemas)
    notify: Notify = lambda name, **facts: None
    placement: Placement = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "placement", Placement(self.wallet, self.orders, self.notify))

    def currency_of(self, account: Account) -> str:
        """The currency that the account's balance and charges are in."""
        return account.currency or self.currency


class Balance(NamedTuple):
    """What an account has."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)  # a NamedTuple cannot be generic before Python 3.11
class Answers(Generic[T]):
    """One answer for each id asked for, in the order asked.

    :param items: the id as the caller wrote it, and its record or its failure.
    :param many: whether the form for many ids was used, even if for one.
    """

    items: list[tuple[str, T | SmmError]]
    many: bool


class RefillAnswers(NamedTuple):
    """Refills that were asked for. The document's own form (parameter ``refill``) answers 1 in place of an id."""

    answers: Answers[Refill]
    by_document: bool


def services(context: Context, account: Account, params: Params) -> ServiceList:
    """The account's own price list."""
    return as_service_list(context.catalog(account))


def add(context: Context, account: Account, params: Params) -> Order:
    """Place an order; with an idempotency key, place it once."""
    params = _without_idle_dripfeed(params)
    key = params.get("request_id")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise IncorrectParameter("request_id")
    fingerprint = _fingerprint(params)
    # Before validating: the price list may have changed since the order was placed.
    earlier = None if key is None else context.placement.earlier(account.id, key, fingerprint)
    return earlier or context.placement.place(_draft(context, account, params, key, fingerprint))


def quote(context: Context, account: Account, params: Params) -> Decimal:
    """What ``add`` would charge; nothing is placed. It is no action of the protocol, but for the host's own pages."""
    return _draft(context, account, _without_idle_dripfeed(params), key=None, fingerprint="").charge


def status(context: Context, account: Account, params: Params) -> Answers[Order | OrderState]:
    """What became of one order or many."""
    written, many = _requested(params, "order", "orders", context.max_ids)
    return Answers(_found(state_reader(context.orders), account, written), many)


def cancel(context: Context, account: Account, params: Params) -> Answers[Order]:
    """Cancel one order or many that nobody works on yet."""
    written, many = _requested(params, "order", "orders", context.max_ids)
    return _answers(find_orders(context, account, written), many, context.placement.cancel)


def refill(context: Context, account: Account, params: Params) -> RefillAnswers:
    """Ask for refills. The document names the order ``refill``, the field ``order`` or ``orders``."""
    by_document = "refill" in params and not params.keys() & {"order", "orders"}
    written, many = [params.get("refill", "").strip()], False
    if not by_document:
        written, many = _requested(params, "order", "orders", context.max_ids)
    found = find_orders(context, account, written)
    order_ids = [order.id for _, order in found if isinstance(order, Order)]
    refills = list(context.orders.find_refills(account.id, order_ids)) if order_ids else []
    answers = _answers(found, many, lambda order: _refill(context, order, refills))
    return RefillAnswers(answers, by_document)


def refill_status(context: Context, account: Account, params: Params) -> Answers[Refill]:
    """What became of one refill or many."""
    written, many = _requested(params, "refill", "refills", context.max_ids)
    ids = [parsed for text in written if (parsed := parse_id(text)) is not None]
    found = sorted(context.orders.find_refills(account.id, ids), key=lambda refill: refill.n) if ids else []
    # An order's id stands for its newest refill, but a refill's own id comes first.
    known: dict[str | int | None, Refill] = {refill.order: refill for refill in found}
    known.update({own: refill for refill in found for own in (refill.id, refill.number)})
    items = ((text, known.get(parse_id(text)) or RefillNotFound()) for text in written)
    return _answers(items, many, lambda refill: refill)


def balance(context: Context, account: Account, params: Params) -> Balance:
    """What the account has."""
    return Balance(checked(context.wallet.balance(account.id)), context.currency_of(account))


ACTIONS: dict[str, Callable[[Context, Account, Params], Any]] = {
    "services": services,
    "add": add,
    "status": status,
    "cancel": cancel,
    "refill": refill,
    "refill_status": refill_status,
    "balance": balance,
}


def _requested(params: Params, one: str, many: str, max_ids: int) -> tuple[list[str], bool]:
    """The ids asked for, and whether in the form for many: the parameter *many*, or a comma list in *one*."""
    text = params.get(many) or params.get(one) or ""
    written = split_ids(text)
    if not written:
        raise IncorrectRequest
    if len(written) > max_ids:
        raise TooManyIds(max_ids)
    return written, many in params or "," in text


def find_orders(context: Context, account: Account, written: Iterable[str]) -> list[tuple[str, Order | SmmError]]:
    """Each id as written, with its order; all of them are read at once."""
    return _found(context.orders.find, account, written)


def _found(find: Find[S], account: Account, written: Iterable[str]) -> list[tuple[str, S | SmmError]]:
    """Each id as written, with what *find* gives for it."""
    parsed = {text: parse_id(text) for text in written}
    ids = list({id_: None for id_ in parsed.values() if id_ is not None})
    found = find(account.id, ids) if ids else ()
    known: dict[str | int | None, S] = {}
    for order in found:
        if order.status not in HIDDEN:
            known[order.id] = known[order.number] = order
    return [(text, known.get(parsed[text]) or IncorrectOrderId()) for text in written]


def _answers(found: Iterable[tuple[str, T | SmmError]], many: bool, verb: Callable[[T], Any]) -> Answers[Any]:
    """*verb* of each record found; a failure is raised if one id was asked for, else it is that id's answer."""
    items: list[tuple[str, Any]] = []
    for text, record in found:
        try:
            if isinstance(record, SmmError):
                raise record
            items.append((text, verb(record)))
        except SmmError as failure:
            if not many or failure.status != 400:
                raise
            items.append((text, failure))
    return Answers(items, many)


def _without_idle_dripfeed(params: Params) -> Params:
    """*params* without runs and interval if both are 0, which clients with a column of integers send for none."""
    if params.get("runs") == params.get("interval") == "0":
        return {name: text for name, text in params.items() if name not in ("runs", "interval")}
    return params


def _fingerprint(params: Params) -> str:
    order = {name: _plain(name, text) for name, text in params.items() if name in _OF_THE_ORDER}
    return hashlib.sha256(_sorted_json(order).encode()).hexdigest()


def _plain(name: str, text: str) -> str:
    """*text*, the same for every way to write the lines of a list."""
    return "\n".join(split_lines(text)) if SEPARATORS.get(name) == "\n" else text


def _draft(context: Context, account: Account, params: Params, key: str | None, fingerprint: str) -> Order:
    """The order that *params* describe, checked and priced, not stored yet."""
    service = _service(context, account, params)
    row = SERVICE_TYPES[service.type]
    values = _values(context.schemas[service.type], row.required, service, params)
    count = row.count(values) * row.repeats(values)
    moment = now()
    return Order(
        id=new_id(),
        account=account.id,
        service=service.id,
        params={name: _as_text(value) for name, value in values.items()},
        rate=service.rate,
        per=row.per,
        count=count,
        charge=price(service.rate, count, row.per),
        currency=context.currency_of(account),
        cancelable=service.cancel,
        refillable=service.refill,
        fingerprint=fingerprint,
        idempotency_key=key,
        created=moment,
        remains=count,
        due=moment,
    )


def _service(context: Context, account: Account, params: Params) -> Service:
    number = parse_number(params.get("service", ""))
    service = None if number is None else services(context, account, params).get(number)
    if service is None:
        raise IncorrectServiceId
    return service


def _values(schema: Schema, required: tuple[str, ...], service: Service, params: Params) -> Mapping[str, Any]:
    """The parameters as values: first the required ones are checked, then the count, then the optional ones."""
    values, wrong = load(schema, params)
    _complain(wrong, required)
    _check_bounds(service, values)
    _check_dripfeed(service, params)
    _complain(wrong, schema.fields)
    return values


def _complain(wrong: set[str], names: Iterable[str]) -> None:
    """The first of *names* that is wrong is the one that the client hears of."""
    for name in names:
        if name in wrong:
            raise IncorrectParameter(name)


def _check_bounds(service: Service, values: Mapping[str, Any]) -> None:
    row = SERVICE_TYPES[service.type]
    if row.counts is None:
        return
    count = row.count(values)
    if count < service.min:
        raise QuantityTooSmall(service.min)
    if count > service.max:
        raise QuantityTooLarge(service.max)


def _check_dripfeed(service: Service, params: Params) -> None:
    """``runs`` and ``interval`` go together, and with a service that knows drip-feed."""
    given = [name for name in ("runs", "interval") if name in params]
    if given and not service.dripfeed:
        raise IncorrectParameter(given[0])
    if len(given) == 1:
        raise IncorrectParameter("interval" if given == ["runs"] else "runs")


def _as_text(value: Any) -> str:
    return "\n".join(value) if isinstance(value, tuple) else str(value)


def _refill(context: Context, order: Order, refills: Iterable[Refill]) -> Refill:
    """A new refill of *order*, whose earlier ones are among *refills*."""
    if not order.refillable:
        raise RefillDisabled
    if order.status not in REFILLABLE:
        raise OrderNotCompleted
    earlier = [refill for refill in refills if refill.order == order.id]
    last = max(earlier, key=lambda refill: refill.n, default=None)
    if last and last.status in REFILL_IN_FLIGHT:
        raise RefillTooEarly
    moments = (order.ended, last.created if last else None)
    wait = context.refill_interval  # without one, nothing is too early, whatever another host's clock says
    if wait and any(moment and now() - moment < wait for moment in moments):
        raise RefillTooEarly
    n = last.n + 1 if last else 1
    moment = now()
    asked = Refill(id=new_id(), account=order.account, order=order.id, n=n, created=moment, due=moment)
    added = context.orders.add_refill(asked)
    if added is None:  # another caller was faster, so one is in flight
        raise RefillTooEarly
    context.notify("refill_requested", refill=added)
    return added
