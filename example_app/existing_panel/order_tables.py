"""The tables of orders and refills: a column for each field of the extension's records, with its name and its type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from flask_smmapi import Order, OrderStatus, Refill, RefillStatus

from .models import Base

Record = TypeVar("Record", Order, Refill)
Row: TypeAlias = "OrderRow | RefillRow"

UNSETTLED = sa.text("(status IN ('UNPAID', 'VOIDING') OR paid_back <> due_back)")
"""The few orders that ``reconcile`` must see: an index has this condition, and serves a query that has it too."""

BIG_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite, whose integers are all of 64 bits, counts up in a column of the type INTEGER alone."""


class Params(sa.types.TypeDecorator[Mapping[str, str]]):
    """What a client sent, as JSON text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(dict(value))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> dict[str, str] | None:
        return None if value is None else dict(json.loads(value))


class Numbers(sa.types.TypeDecorator[tuple[int, ...]]):
    """Numbers of orders, as JSON text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[int, ...] | None:
        return None if value is None else tuple(json.loads(value))


class OrderRow(Base):
    __tablename__ = "api_orders"
    __table_args__ = (
        sa.UniqueConstraint("account", "idempotency_key"),
        sa.Index("api_orders_page", "account", "number"),
        sa.Index("api_orders_waiting", "status", "due"),
        sa.Index("api_orders_unsettled", "created", postgresql_where=UNSETTLED, sqlite_where=UNSETTLED),
        {"sqlite_autoincrement": True},  # else an order gets the number of one that was dropped
    )

    number: Mapped[int] = mapped_column(BIG_NUMBER, primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(24), unique=True)
    account: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    service: Mapped[int] = mapped_column(BIG_NUMBER)
    params: Mapped[Mapping[str, str]] = mapped_column(Params)
    rate: Mapped[Decimal]
    per: Mapped[int]
    count: Mapped[int] = mapped_column(BIG_NUMBER)
    charge: Mapped[Decimal]
    currency: Mapped[str]
    cancelable: Mapped[bool]
    refillable: Mapped[bool]
    fingerprint: Mapped[str]
    created: Mapped[datetime]
    remains: Mapped[int] = mapped_column(BIG_NUMBER)
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(128))
    status: Mapped[OrderStatus] = mapped_column(sa.Enum(OrderStatus, native_enum=False, length=20))
    ended: Mapped[datetime | None]
    start_count: Mapped[int] = mapped_column(BIG_NUMBER)
    due_back: Mapped[Decimal]
    paid_back: Mapped[Decimal]
    revision: Mapped[int]
    children: Mapped[tuple[int, ...]] = mapped_column(Numbers)
    claim: Mapped[str | None] = mapped_column(sa.String(24))
    worker: Mapped[str | None] = mapped_column(sa.String(100))
    due: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(sa.Text)


class RefillRow(Base):
    __tablename__ = "api_refills"
    __table_args__ = (
        sa.UniqueConstraint("account", "order", "n"),
        sa.Index("api_refills_waiting", "status", "due"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(BIG_NUMBER, primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(24), unique=True)
    account: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    order: Mapped[str] = mapped_column(sa.String(24))
    n: Mapped[int]
    created: Mapped[datetime]
    status: Mapped[RefillStatus] = mapped_column(sa.Enum(RefillStatus, native_enum=False, length=20))
    revision: Mapped[int]
    claim: Mapped[str | None] = mapped_column(sa.String(24))
    worker: Mapped[str | None] = mapped_column(sa.String(100))
    due: Mapped[datetime | None]


def to_values(record: Order | Refill) -> dict[str, Any]:
    """What is written of *record*: all but the number, which the database gives."""
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name != "number"}


def to_record(kind: type[Record], row: Row) -> Record:
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})
