"""Orders and refills in the panel's own database, so that the extension needs no other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from flask_smmapi import Order, OrderStatus, Refill, RefillStatus
from flask_smmapi.hooks import AccountId
from flask_smmapi.statuses import HIDDEN

from .database import Database
from .order_tables import UNSETTLED, OrderRow, Record, RefillRow, Row, to_record, to_values

INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""Each database's ``INSERT … ON CONFLICT``, which standard SQL does not know."""


class Orders:
    """The order store. Each verb is one transaction of its own, and the database decides every race."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, order: Order) -> Order:
        while True:
            stored = self._insert(OrderRow, order, unique=("account", "idempotency_key"))
            found = stored or self.find_by_key(order.account, order.idempotency_key or "")
            if found is not None:
                return found  # else the other one was dropped meanwhile, and its key is free

    def find(self, account: AccountId, ids: Sequence[str | int]) -> Sequence[Order]:
        is_wanted = _is_among(ids, OrderRow.number, OrderRow.id)
        return self._select(Order, sa.select(OrderRow).where(OrderRow.account == account, is_wanted))

    def find_by_key(self, account: AccountId, idempotency_key: str) -> Order | None:
        is_wanted = OrderRow.idempotency_key == idempotency_key
        found = self._select(Order, sa.select(OrderRow).where(OrderRow.account == account, is_wanted))
        return found[0] if found else None

    def replace(self, order: Order) -> bool:
        return self._update(OrderRow, order)

    def drop(self, order: Order) -> None:
        is_meant = (OrderRow.account == order.account, OrderRow.id == order.id)
        with self._database.transaction() as session:
            session.execute(sa.delete(OrderRow).where(*is_meant, OrderRow.status == OrderStatus.VOIDING))

    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Sequence[Order]:
        query = sa.select(OrderRow).where(OrderRow.account == account, OrderRow.status.not_in(HIDDEN))
        if before is not None:
            query = query.where(OrderRow.number < before)
        return self._select(Order, query.order_by(OrderRow.number.desc()).limit(limit))

    def unsettled(self, before: datetime) -> Sequence[Order]:
        is_old = sa.or_(OrderRow.status != OrderStatus.UNPAID, OrderRow.created < before)
        return self._select(Order, sa.select(OrderRow).where(UNSETTLED, is_old))

    def waiting(self, statuses: Sequence[OrderStatus], before: datetime, *, limit: int) -> Sequence[Order]:
        return self._select(Order, _longest_waiting(OrderRow, statuses, before, limit))

    def refills_waiting(self, statuses: Sequence[RefillStatus], before: datetime, *, limit: int) -> Sequence[Refill]:
        return self._select(Refill, _longest_waiting(RefillRow, statuses, before, limit))

    def add_refill(self, refill: Refill) -> Refill | None:
        return self._insert(RefillRow, refill, unique=("account", "order", "n"))

    def find_refills(self, account: AccountId, ids: Sequence[str | int]) -> Sequence[Refill]:
        is_wanted = _is_among(ids, RefillRow.number, RefillRow.id, RefillRow.order)
        return self._select(Refill, sa.select(RefillRow).where(RefillRow.account == account, is_wanted))

    def replace_refill(self, refill: Refill) -> bool:
        return self._update(RefillRow, refill)

    def _select(self, kind: type[Record], query: sa.Select[Any]) -> Sequence[Record]:
        with self._database.transaction(writing=False) as session:
            return [to_record(kind, row) for row in session.scalars(query)]

    def _insert(self, row: type[Row], record: Record, unique: Sequence[str]) -> Record | None:
        """The record with its new number; None if another row has the same *unique* values."""
        with self._database.transaction() as session:
            insert = INSERT[session.get_bind().dialect.name](row).values(to_values(record))
            number = session.scalar(insert.on_conflict_do_nothing(index_elements=unique).returning(row.number))
        return None if number is None else replace(record, number=number)

    def _update(self, row: type[Row], record: Order | Refill) -> bool:
        is_meant = (row.account == record.account, row.id == record.id, row.revision == record.revision)
        update = sa.update(row).where(*is_meant).values({**to_values(record), "revision": record.revision + 1})
        with self._database.transaction() as session:
            return session.scalar(update.returning(row.number)) is not None


def _longest_waiting(row: type[Row], statuses: Sequence[Any], before: datetime, limit: int) -> sa.Select[Any]:
    is_due = (row.status.in_(statuses), row.due < before)
    return sa.select(row).where(*is_due).order_by(row.due, row.number).limit(limit)


def _is_among(ids: Sequence[str | int], number: Any, *texts: Any) -> sa.ColumnElement[bool]:
    """Whether one of the columns has one of the *ids*. Each alternative has an index; an empty one would spoil that."""
    numbers = [id_ for id_ in ids if isinstance(id_, int)]
    names = [id_ for id_ in ids if isinstance(id_, str)]
    alternatives = [number.in_(numbers)] if numbers else []
    alternatives += [column.in_(names) for column in texts if names]
    return sa.or_(sa.false(), *alternatives)
