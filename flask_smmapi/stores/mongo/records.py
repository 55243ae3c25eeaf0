"""Documents to records of the seam and back. Nothing that was changed by hand into nonsense becomes an amount."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar

from bson.int64 import Int64
from bson.objectid import ObjectId

from ...hooks import Account, AccountId, Order, OrderState, Refill, Service
from ...money import from_units, to_units
from ...owner import KEY_ID, LIST_PRICES, KeyInfo, Prices, StatementLine
from ...statuses import HIDDEN, OrderStatus, RefillStatus

R = TypeVar("R")
Doc = Mapping[str, Any]


class Corrupt(RuntimeError):
    """A document that cannot be what we wrote; the sentence names it."""

    def __init__(self, doc: Doc, reason: object) -> None:
        super().__init__(f"The document with _id {doc.get('_id')!r} cannot be read: {reason}.")


def whole(doc: Doc | None, name: str) -> int:
    """The whole number in the field *name*.

    :raises Corrupt: if it is none; a double was never written by us.
    """
    doc = doc or {}
    value = doc.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Corrupt(doc, f"{name} is {value!r}, no whole number")
    return int(value)


def _wholes(doc: Doc, name: str) -> tuple[int, ...]:
    """The whole numbers in the list *name*; none if it is not there, as in documents that are older than the field."""
    return tuple(whole({**doc, name: value}, name) for value in doc.get(name, ()))


def field(doc: Doc, name: str, kind: type[R]) -> R:
    """The value of the field *name*.

    :raises Corrupt: if it is not of that kind.
    """
    value = doc.get(name)
    if not isinstance(value, kind):
        raise Corrupt(doc, f"{name} is {value!r}, no {kind.__name__}")
    return value


def optional(doc: Doc, name: str) -> str | None:
    """The text in the field *name*, if there is one.

    :raises Corrupt: if it is anything else.
    """
    return None if doc.get(name) is None else field(doc, name, str)


def _reader(read: Callable[[Doc], R]) -> Callable[[Doc], R]:
    """*read*, with every failure to do so named as the document's."""

    @wraps(read)
    def reading(doc: Doc) -> R:
        try:
            return read(doc)
        except Corrupt:
            raise
        except (KeyError, TypeError, ValueError) as reason:
            raise Corrupt(doc, f"{type(reason).__name__} {reason}") from reason

    return reading


@_reader
def to_account(doc: Doc) -> Account:
    return Account(
        id=doc["_id"],
        currency=optional(doc, "currency"),
        allowed_ips=tuple(field(doc, "allowed_ips", list)),
        dialect=optional(doc, "dialect"),
    )


@_reader
def to_prices(doc: Doc) -> Prices:
    rows = [{**doc, **rate} for rate in doc.get("rates", ())]
    rates: dict[int, Decimal | None] = {whole(row, "service"): from_units(whole(row, "rate")) for row in rows}
    discount = Decimal(f"{whole(doc, 'discount')}E-2") if "discount" in doc else None
    return LIST_PRICES.changed(discount, rates)


def from_prices(prices: Prices) -> dict[str, Any]:
    return {
        "discount": Int64(prices.hundredths),
        "rates": [{"service": Int64(service), "rate": Int64(units)} for service, units in prices.rates],
    }


@_reader
def to_key_info(doc: Doc) -> KeyInfo:
    return KeyInfo(
        key_id=field(doc, "_id", str)[:KEY_ID],
        prefix=field(doc, "prefix", str),
        label=field(doc, "label", str),
        dialect=optional(doc, "dialect"),
        active=field(doc, "active", bool),
        created=field(doc, "created", datetime),
        last_used=None if doc.get("last_used") is None else field(doc, "last_used", datetime),
    )


@_reader
def to_statement_line(doc: Doc) -> StatementLine:
    return StatementLine(
        when=field(doc, "at", datetime),
        reference=doc["_id"]["reference"],
        kind=field(doc, "kind", str),
        amount=from_units(whole(doc, "units")),
        balance=from_units(whole(doc, "balance")),
        note=optional(doc, "note"),
    )


@_reader
def to_service(doc: Doc) -> Service:
    return Service(
        id=whole(doc, "number"),
        name=field(doc, "name", str),
        type=field(doc, "type", str),
        category=field(doc, "category", str),
        rate=from_units(whole(doc, "rate")),
        min=whole(doc, "min"),
        max=whole(doc, "max"),
        refill=field(doc, "refill", bool),
        cancel=field(doc, "cancel", bool),
        dripfeed=field(doc, "dripfeed", bool),
        desc=optional(doc, "desc"),
        average_time=optional(doc, "average_time"),
    )


def from_service(service: Service, edition: int, position: int) -> dict[str, Any]:
    return {
        "edition": Int64(edition),
        "position": Int64(position),
        "number": Int64(service.id),
        "name": service.name,
        "type": service.type,
        "category": service.category,
        "rate": Int64(to_units(service.rate)),
        "min": Int64(service.min),
        "max": Int64(service.max),
        "refill": service.refill,
        "cancel": service.cancel,
        "dripfeed": service.dripfeed,
        "desc": service.desc,
        "average_time": service.average_time,
    }


_AMOUNTS = ("charge", "due_back", "paid_back", "count", "remains")


def _amounts(doc: Doc) -> tuple[int, int, int, int, int]:
    """What an order costs and counts."""
    charge, due_back, paid_back, count, remains = (whole(doc, name) for name in _AMOUNTS)
    if not 0 <= paid_back <= due_back <= charge or not 0 <= remains <= count:
        raise Corrupt(doc, "0 <= paid_back <= due_back <= charge and 0 <= remains <= count do not hold")
    return charge, due_back, paid_back, count, remains


OF_ITS_STATE = ("number", "status", "params", "currency", "start_count", "children", *_AMOUNTS)
"""The fields that :func:`to_order_state` reads."""


@_reader
def to_order_state(doc: Doc) -> OrderState:
    charge, due_back, _, _, remains = _amounts(doc)
    return OrderState(
        id=str(doc["_id"]),
        number=whole(doc, "number"),
        status=OrderStatus(doc["status"]),
        params=field(doc, "params", dict),
        charge=from_units(charge),
        due_back=from_units(due_back),
        currency=field(doc, "currency", str),
        start_count=whole(doc, "start_count"),
        remains=remains,
        children=_wholes(doc, "children"),
    )


@_reader
def to_order(doc: Doc) -> Order:
    charge, due_back, paid_back, count, remains = _amounts(doc)
    return Order(
        id=str(doc["_id"]),
        account=doc["account"],
        service=whole(doc, "service"),
        params=field(doc, "params", dict),
        rate=from_units(whole(doc, "rate")),
        per=whole(doc, "per"),
        count=count,
        charge=from_units(charge),
        currency=field(doc, "currency", str),
        cancelable=field(doc, "cancelable", bool),
        refillable=field(doc, "refillable", bool),
        fingerprint=field(doc, "fingerprint", str),
        created=field(doc, "created", datetime),
        remains=remains,
        idempotency_key=optional(doc, "idempotency_key"),
        status=OrderStatus(doc["status"]),
        ended=None if doc["ended"] is None else field(doc, "ended", datetime),
        start_count=whole(doc, "start_count"),
        due_back=from_units(due_back),
        paid_back=from_units(paid_back),
        number=whole(doc, "number"),
        revision=whole(doc, "revision"),
        children=_wholes(doc, "children"),
        claim=optional(doc, "claim"),
        worker=optional(doc, "worker"),
        due=None if doc.get("due") is None else field(doc, "due", datetime),
        reason=optional(doc, "reason"),
    )


def from_order(order: Order) -> dict[str, Any]:
    doc = {
        "_id": ObjectId(order.id),
        "account": order.account,
        "number": Int64(order.number),
        "service": Int64(order.service),
        "params": dict(order.params),
        "rate": Int64(to_units(order.rate)),
        "per": Int64(order.per),
        "count": Int64(order.count),
        "charge": Int64(to_units(order.charge)),
        "currency": order.currency,
        "cancelable": order.cancelable,
        "refillable": order.refillable,
        "fingerprint": order.fingerprint,
        "created": order.created,
        "remains": Int64(order.remains),
        "status": order.status.value,
        "ended": order.ended,
        "start_count": Int64(order.start_count),
        "due_back": Int64(to_units(order.due_back)),
        "paid_back": Int64(to_units(order.paid_back)),
        "revision": Int64(order.revision),
        "children": [Int64(number) for number in order.children],
        "claim": order.claim,
        "worker": order.worker,
        "due": order.due,
        "reason": order.reason,
        "unsettled": order.status in HIDDEN or order.paid_back != order.due_back,
    }
    if order.idempotency_key is not None:
        doc["idempotency_key"] = order.idempotency_key
    return doc


@_reader
def to_refill(doc: Doc) -> Refill:
    return Refill(
        id=str(doc["_id"]),
        account=doc["account"],
        order=str(doc["order"]),
        n=whole(doc, "n"),
        created=field(doc, "created", datetime),
        status=RefillStatus(doc["status"]),
        number=whole(doc, "number"),
        revision=whole(doc, "revision"),
        claim=optional(doc, "claim"),
        worker=optional(doc, "worker"),
        due=None if doc.get("due") is None else field(doc, "due", datetime),
    )


def entry_id(account: AccountId, reference: str) -> dict[str, Any]:
    """The ``_id`` of a ledger entry: a document, so that neither part can run into the other."""
    return {"account": account, "reference": reference}


def from_refill(refill: Refill) -> dict[str, Any]:
    return {
        "_id": ObjectId(refill.id),
        "account": refill.account,
        "number": Int64(refill.number),
        "order": ObjectId(refill.order),
        "n": refill.n,
        "created": refill.created,
        "status": refill.status.value,
        "revision": Int64(refill.revision),
        "claim": refill.claim,
        "worker": refill.worker,
        "due": refill.due,
    }
