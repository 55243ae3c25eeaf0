"""The panel as it was before: users with their money, API keys, services. Installing the order API adds one column."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Dialect, ForeignKey, Numeric, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from flask_smmapi.money import PLACES, ZERO, from_units, to_units


class Exact(TypeDecorator[Decimal]):
    """A decimal number: ``NUMERIC``, and whole units of 10⁻⁸ on SQLite, which knows no decimals but only doubles."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(
            BigInteger() if dialect.name == "sqlite" else Numeric(self.precision, self.scale)
        )

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        if value is None:
            return None
        units = to_units(value)
        if units % 10 ** (PLACES - self.scale):  # PostgreSQL would round it away in silence
            raise ValueError(f"{value} has more than {self.scale} decimal places.")
        return units if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return from_units(value) if dialect.name == "sqlite" and value is not None else value


class Moment(TypeDecorator[datetime]):
    """A point in time, timezone-aware and in UTC whatever the database makes of it: SQLite drops the offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {Decimal: Exact(20, 8), datetime: Moment}


class User(Base):
    """Who orders and pays.

    :param balance: the sum of the user's transactions.
    :param discount: percent off every price.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    balance: Mapped[Decimal] = mapped_column(default=ZERO)
    discount: Mapped[Decimal] = mapped_column(Exact(5, 2), default=ZERO)
    active: Mapped[bool] = mapped_column(default=True)


class ApiKey(Base):
    """32 lower-case hexadecimal characters that open a user's account; only their SHA-256 is kept.

    :param dialect: of the software that has the key, ``standard`` or ``panel``; None for the app's.
    """

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("dialect IN ('standard', 'panel')"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    revoked: Mapped[bool] = mapped_column(default=False)
    dialect: Mapped[str | None] = mapped_column(String(20))


class Service(Base):
    """A row of the price list; the rate is the price of 1,000, before discounts."""

    __tablename__ = "services"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(50))
    category: Mapped[str] = mapped_column(String(100))
    rate: Mapped[Decimal]
    minimum: Mapped[int]
    maximum: Mapped[int]
    refill: Mapped[bool] = mapped_column(default=False)
    cancel: Mapped[bool] = mapped_column(default=False)
    dripfeed: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)


class Transaction(Base):
    """Money given to a user (positive) or taken (negative); never changed, never deleted.

    :param reference: the column that the order API needs: what the movement is for, once per user. Old rows have none.
    """

    __tablename__ = "transactions"
    __table_args__ = (UniqueConstraint("user_id", "reference"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    amount: Mapped[Decimal]
    created: Mapped[datetime] = mapped_column(default=lambda: datetime.now(timezone.utc))
    reference: Mapped[str | None] = mapped_column(String(120))
