"""Results and errors to JSON: one class a dialect, one method an action, named like the action.

A dialect is about the wire alone; it never touches money, storage or rules. An account speaks the one that its key
lookup names, else the app's ``SMMAPI_DIALECT``; nothing is ever guessed from a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .actions import Answers, Balance, RefillAnswers
from .catalog import ServiceList
from .errors import SmmError, UnreadableBody
from .hooks import Order, OrderState, Refill, Service
from .ids import parse_number
from .money import to_text
from .statuses import ORDER_STATUSES

_encode = json.JSONEncoder(separators=(",", ":")).encode


def dumps(value: Any) -> bytes:
    """*value* as compact JSON, its keys in the order given."""
    return _encode(value).encode()


class Standard:
    """The dialect of api-documentation.md."""

    name = "standard"

    def error(self, failure: SmmError) -> tuple[bytes, int]:
        """The body and the HTTP status of a failed request."""
        return dumps(_error(failure)), failure.status

    def services(self, result: ServiceList) -> bytes:
        """Made once for each price list."""
        if self.name not in result.json:
            rows = (_encode(self._service(service)) for service in result)  # each on its own: a list is long
            result.json[self.name] = f"[{','.join(rows)}]".encode()
        return result.json[self.name]

    def add(self, result: Order) -> bytes:
        return dumps({"order": result.id})

    def status(self, result: Answers[Order | OrderState]) -> bytes:
        """A map in both forms, so an unknown order is no failed request."""
        return dumps({written: _answer(order, self._order) for written, order in result.items})

    def cancel(self, result: Answers[Order]) -> bytes:
        if result.many:
            return dumps(_rows(result.items, "order", lambda order: {"cancel": 1}, "cancel"))
        return dumps({"cancel": 1})

    def refill(self, result: RefillAnswers) -> bytes:
        """1 for the document's form, else the refill's id."""
        answers = result.answers
        if answers.many:
            return dumps(_rows(answers.items, "order", lambda refill: {"refill": refill.id}, "refill"))
        return dumps({"refill": 1 if result.by_document else _only(answers).id})

    def refill_status(self, result: Answers[Refill]) -> bytes:
        if result.many:
            return dumps(_rows(result.items, "refill", self._refill, "status"))
        return dumps(self._refill(_only(result)))

    def balance(self, result: Balance) -> bytes:
        return dumps({"balance": to_text(result.amount), "currency": result.currency})

    def _service(self, service: Service) -> dict[str, Any]:
        return {
            "service": service.id,
            "name": service.name,
            "type": service.type,
            "category": service.category,
            "rate": to_text(service.rate),
            "min": str(service.min),
            "max": str(service.max),
            "refill": service.refill,
            "cancel": service.cancel,
        }

    def _order(self, order: Order | OrderState) -> dict[str, Any]:
        return {
            "charge": to_text(order.cost),
            "start_count": str(order.start_count),
            "status": ORDER_STATUSES[order.status].word,
            "remains": str(order.remains),
            "currency": order.currency,
        }

    def _refill(self, refill: Refill) -> dict[str, str]:
        return {"status": refill.status.value}


class Panel(Standard):
    """The common dialect of this field's panels ("API v2"): what differs from the document.

    Its clients read numbers for ids, look into the body instead of at the HTTP status, and know six status words.
    """

    name = "panel"

    def error(self, failure: SmmError) -> tuple[bytes, int]:
        """200 for what a client could mend in a request that could be read."""
        body, status = super().error(failure)
        return body, 200 if status in (400, 401) and not isinstance(failure, UnreadableBody) else status

    def add(self, result: Order) -> bytes:
        return dumps({"order": result.number})

    def status(self, result: Answers[Order | OrderState]) -> bytes:
        """Flat for one order, known or not; a map in the form for many."""
        return super().status(result) if result.many else dumps(_answer(_only(result), self._order))

    def refill(self, result: RefillAnswers) -> bytes:
        """1 for the document's form, else the refill's number: as text for one order, in a row as a number."""
        answers = result.answers
        if answers.many:
            return dumps(_rows(answers.items, "order", lambda refill: {"refill": refill.number}, "refill"))
        return dumps({"refill": 1 if result.by_document else str(_only(answers).number)})

    def _service(self, service: Service) -> dict[str, Any]:
        more = {"dripfeed": service.dripfeed, "desc": service.desc, "average_time": service.average_time}
        return {**super()._service(service), **{name: value for name, value in more.items() if value is not None}}

    def _order(self, order: Order | OrderState) -> dict[str, Any]:
        word = ORDER_STATUSES[order.status].panel_word
        return {**super()._order(order), "status": word, **_progress(order)}


DIALECTS: dict[str, Standard] = {dialect.name: dialect for dialect in (Standard(), Panel())}


def _progress(order: Order | OrderState) -> dict[str, Any]:
    """How far a drip-feed or a subscription is, once an order was placed for one of its runs or posts."""
    if not order.children:
        return {}
    done, orders = str(len(order.children)), list(order.children)
    if "runs" in order.params:
        return {"runs": done, "orders": orders}
    if "delay" in order.params:  # which is required for a subscription, and for no other type
        return {"posts": done, "expiry": order.params.get("expiry", ""), "orders": orders}
    return {}


def _error(failure: SmmError) -> dict[str, str]:
    return {"error": str(failure)}


def _answer(record: Any, render: Any) -> dict[str, Any]:
    answer: dict[str, Any] = _error(record) if isinstance(record, SmmError) else render(record)
    return answer


def _rows(items: Iterable[tuple[str, Any]], id_name: str, render: Any, failure_name: str) -> list[dict[str, Any]]:
    """A row an id, in the order asked; an id that is a number comes back as a JSON number."""
    return [
        {
            id_name: _as_number(written),
            **({failure_name: _error(record)} if isinstance(record, SmmError) else render(record)),
        }
        for written, record in items
    ]


def _as_number(written: str) -> str | int:
    number = parse_number(written)
    return written if number is None else number


def _only(answers: Answers[Any]) -> Any:
    return answers.items[0][1]
