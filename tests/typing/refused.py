"""What no host may write: a type checker must refuse each line that carries a ``type: ignore``, for the reason named.

A line that is accepted after all has an ignore too many, and ``mypy --strict`` reports that. Nothing here is ever run,
so its verbs have no bodies.
"""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from flask import Flask

from flask_smmapi import (
    Account,
    Order,
    OrderStatus,
    Refill,
    RefillStatus,
    Service,
    ServiceList,
    SmmApi,
    SmmError,
    Wallet,
)
from flask_smmapi.hooks import AccountId
from flask_smmapi.money import price, to_units
from flask_smmapi.testing import Host, WalletContract

NOW = datetime.now(timezone.utc)


@dataclass
class User:
    """What a panel has already, and may be tempted to give."""

    id: int | None
    balance: Decimal


# Key lookups


def answers_a_user(key: str) -> User | None:
    return None


def answers_an_id(key: str) -> int | None:
    return None


def answers_a_bool(key: str) -> bool:
    return False


def takes_no_key() -> Account | None:
    return None


def takes_a_number(key: int) -> Account | None:
    return None


def takes_two(key: str, address: str) -> Account | None:
    return None


def takes_a_named_key(*, key: str) -> Account | None:
    return None


async def answers_later(key: str) -> Account | None:
    return None


class Keys:
    def find(self, key: str) -> Account | None:
        return None


SmmApi(key_lookup=answers_a_user)  # type: ignore[arg-type]
SmmApi(key_lookup=answers_an_id)  # type: ignore[arg-type]
SmmApi(key_lookup=answers_a_bool)  # type: ignore[arg-type]
SmmApi(key_lookup=takes_no_key)  # type: ignore[arg-type]
SmmApi(key_lookup=takes_a_number)  # type: ignore[arg-type]
SmmApi(key_lookup=takes_two)  # type: ignore[arg-type]
SmmApi(key_lookup=takes_a_named_key)  # type: ignore[arg-type]
SmmApi(key_lookup=answers_later)  # type: ignore[arg-type]
SmmApi(key_lookup=lambda key: User(1, Decimal(1)))  # type: ignore[arg-type]
SmmApi(key_lookup=Keys())  # type: ignore[arg-type]
SmmApi(key_lookup=Keys)  # type: ignore[arg-type]
SmmApi(key_lookup=Keys.find)  # type: ignore[arg-type]
SmmApi(key_lookup={"key of user 1": Account(1)})  # type: ignore[arg-type]


# Catalogs


def answers_dicts(account: Account) -> list[dict[str, object]]:
    return [{"service": 1, "rate": "1.00"}]


def answers_users(account: Account) -> Iterator[User]:
    yield User(1, Decimal(1))


def answers_a_table(account: Account) -> dict[int, Service]:
    return {}


def may_answer_none(account: Account) -> list[Service] | None:
    return None


def takes_an_id(account: int) -> list[Service]:
    return []


def takes_nobody() -> list[Service]:
    return []


async def answers_a_list_later(account: Account) -> list[Service]:
    return []


async def answers_one_by_one(account: Account) -> AsyncIterator[Service]:
    yield Service(1, "Likes", "Default", "YouTube", Decimal(1), 10, 1000)


SmmApi(catalog=answers_dicts)  # type: ignore[arg-type]
SmmApi(catalog=answers_users)  # type: ignore[arg-type]
SmmApi(catalog=answers_a_table)  # type: ignore[arg-type]
SmmApi(catalog=may_answer_none)  # type: ignore[arg-type]
SmmApi(catalog=takes_an_id)  # type: ignore[arg-type]
SmmApi(catalog=takes_nobody)  # type: ignore[arg-type]
SmmApi(catalog=answers_a_list_later)  # type: ignore[arg-type]
SmmApi(catalog=answers_one_by_one)  # type: ignore[arg-type]
SmmApi(catalog=lambda account: None)  # type: ignore[arg-type]
SmmApi(catalog=ServiceList([]))  # type: ignore[arg-type]
SmmApi(catalog=[Service(1, "Likes", "Default", "YouTube", Decimal(1), 10, 1000)])  # type: ignore[arg-type]


# Wallets: each is wrong in one verb, and right in the others


class Reads:
    def balance(self, account: AccountId) -> Decimal: ...


class Debits:
    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool: ...


class Credits:
    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None: ...


class Voids:
    def void(self, account: AccountId, reference: str) -> None: ...


class Purse(Reads, Debits, Credits, Voids):
    """Nothing is wrong with this one."""


class LacksBalance(Debits, Credits, Voids):
    pass


class LacksDebit(Reads, Credits, Voids):
    pass


class LacksCredit(Reads, Debits, Voids):
    pass


class LacksVoid(Reads, Debits, Credits):
    pass


class BalanceIsAFloat(LacksBalance):
    def balance(self, account: AccountId) -> float: ...


class BalanceIsInUnits(LacksBalance):
    def balance(self, account: AccountId) -> int: ...


class BalanceIsAText(LacksBalance):
    def balance(self, account: AccountId) -> str: ...


class BalanceMayBeNothing(LacksBalance):
    def balance(self, account: AccountId) -> Decimal | None: ...


class BalanceIsAProperty(LacksBalance):
    @property
    def balance(self) -> Decimal: ...


class BalanceAnswersLater(LacksBalance):
    async def balance(self, account: AccountId) -> Decimal: ...


class DebitAnswersNothing(LacksDebit):
    def debit(self, account: AccountId, amount: Decimal, reference: str) -> None: ...


class DebitAnswersTheBalance(LacksDebit):
    def debit(self, account: AccountId, amount: Decimal, reference: str) -> Decimal: ...


class DebitMayAnswerNothing(LacksDebit):
    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool | None: ...


class DebitTakesNoReference(LacksDebit):
    def debit(self, account: AccountId, amount: Decimal) -> bool: ...


class DebitTakesANamedReference(LacksDebit):
    def debit(self, account: AccountId, amount: Decimal, *, reference: str) -> bool: ...


class DebitTakesMore(LacksDebit):
    def debit(self, account: AccountId, amount: Decimal, reference: str, note: str) -> bool: ...


class DebitTakesAFloat(LacksDebit):
    def debit(self, account: AccountId, amount: float, reference: str) -> bool: ...


class DebitTakesAnotherOrder(LacksDebit):
    def debit(self, amount: Decimal, account: AccountId, reference: str) -> bool: ...


class DebitTakesAUser(LacksDebit):
    def debit(self, account: User, amount: Decimal, reference: str) -> bool: ...


class DebitTakesAnAccount(LacksDebit):
    def debit(self, account: Account, amount: Decimal, reference: str) -> bool: ...


class DebitTakesIntegersAlone(LacksDebit):
    def debit(self, account: int, amount: Decimal, reference: str) -> bool: ...


class CreditTakesTextsAlone(DebitTakesIntegersAlone):
    """A host may have integers for ids, or texts, but both verbs get the same ones."""

    def credit(self, account: str, amount: Decimal, reference: str) -> None: ...  # type: ignore[override]


class DebitAnswersLater(LacksDebit):
    """The coroutine would pass for true."""

    async def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool: ...


class CreditAnswersLater(LacksCredit):
    """Nobody would ever await it."""

    async def credit(self, account: AccountId, amount: Decimal, reference: str) -> None: ...


class VoidAnswersLater(LacksVoid):
    async def void(self, account: AccountId, reference: str) -> None: ...


class VoidTakesNoReference(LacksVoid):
    def void(self, account: AccountId) -> None: ...


class DeclaredPurse(Wallet):
    """What it lacks, it inherits from the Protocol, where it does nothing."""

    def balance(self, account: AccountId) -> float: ...  # type: ignore[override]

    def debit(self, account: AccountId, amount: Decimal) -> bool: ...  # type: ignore[override]

    def void(self, account: AccountId, reference: str) -> None: ...


SmmApi(wallet=Purse())
SmmApi(wallet=LacksBalance())  # type: ignore[arg-type]
SmmApi(wallet=LacksDebit())  # type: ignore[arg-type]
SmmApi(wallet=LacksCredit())  # type: ignore[arg-type]
SmmApi(wallet=LacksVoid())  # type: ignore[arg-type]
SmmApi(wallet=BalanceIsAFloat())  # type: ignore[arg-type]
SmmApi(wallet=BalanceIsInUnits())  # type: ignore[arg-type]
SmmApi(wallet=BalanceIsAText())  # type: ignore[arg-type]
SmmApi(wallet=BalanceMayBeNothing())  # type: ignore[arg-type]
SmmApi(wallet=BalanceIsAProperty())  # type: ignore[arg-type]
SmmApi(wallet=BalanceAnswersLater())  # type: ignore[arg-type]
SmmApi(wallet=DebitAnswersNothing())  # type: ignore[arg-type]
SmmApi(wallet=DebitAnswersTheBalance())  # type: ignore[arg-type]
SmmApi(wallet=DebitMayAnswerNothing())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesNoReference())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesANamedReference())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesMore())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesAFloat())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesAnotherOrder())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesAUser())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesAnAccount())  # type: ignore[arg-type]
SmmApi(wallet=DebitTakesIntegersAlone())
SmmApi(wallet=CreditTakesTextsAlone())  # type: ignore[arg-type]
SmmApi(wallet=DebitAnswersLater())  # type: ignore[arg-type]
SmmApi(wallet=CreditAnswersLater())  # type: ignore[arg-type]
SmmApi(wallet=VoidAnswersLater())  # type: ignore[arg-type]
SmmApi(wallet=VoidTakesNoReference())  # type: ignore[arg-type]
SmmApi(wallet=DeclaredPurse())  # type: ignore[abstract]
SmmApi(wallet=Purse)  # type: ignore[arg-type]
SmmApi(wallet=Purse().debit)  # type: ignore[arg-type]
SmmApi(wallet=Decimal(5))  # type: ignore[arg-type]


# Order stores: likewise


class Adds:
    def add(self, order: Order) -> Order: ...


class Finds:
    def find(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[Order]: ...


class FindsByKey:
    def find_by_key(self, account: AccountId, idempotency_key: str) -> Order | None: ...


class Replaces:
    def replace(self, order: Order) -> bool: ...


class Drops:
    def drop(self, order: Order) -> None: ...


class Lists:
    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Sequence[Order]: ...


class Sweeps:
    def unsettled(self, before: datetime) -> Iterable[Order]: ...


class AddsRefills:
    def add_refill(self, refill: Refill) -> Refill | None: ...


class FindsRefills:
    def find_refills(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[Refill]: ...


class ReplacesRefills:
    def replace_refill(self, refill: Refill) -> bool: ...


class KeepsOrders(Adds, Finds, FindsByKey, Replaces, Drops, Lists, Sweeps):
    pass


class KeepsRefills(AddsRefills, FindsRefills, ReplacesRefills):
    pass


class Orders(KeepsOrders, KeepsRefills):
    """Nothing is wrong with this one."""


class LacksAdd(Finds, FindsByKey, Replaces, Drops, Lists, Sweeps, KeepsRefills):
    pass


class LacksFind(Adds, FindsByKey, Replaces, Drops, Lists, Sweeps, KeepsRefills):
    pass


class LacksFindByKey(Adds, Finds, Replaces, Drops, Lists, Sweeps, KeepsRefills):
    pass


class LacksReplace(Adds, Finds, FindsByKey, Drops, Lists, Sweeps, KeepsRefills):
    pass


class LacksDrop(Adds, Finds, FindsByKey, Replaces, Lists, Sweeps, KeepsRefills):
    pass


class LacksList(Adds, Finds, FindsByKey, Replaces, Drops, Sweeps, KeepsRefills):
    pass


class LacksUnsettled(Adds, Finds, FindsByKey, Replaces, Drops, Lists, KeepsRefills):
    pass


class LacksAddRefill(KeepsOrders, FindsRefills, ReplacesRefills):
    pass


class LacksFindRefills(KeepsOrders, AddsRefills, ReplacesRefills):
    pass


class LacksReplaceRefill(KeepsOrders, AddsRefills, FindsRefills):
    pass


class AddAnswersNothing(LacksAdd):
    def add(self, order: Order) -> None: ...


class AddMayAnswerNothing(LacksAdd):
    def add(self, order: Order) -> Order | None: ...


class AddAnswersTheNumber(LacksAdd):
    def add(self, order: Order) -> int: ...


class FindTakesOneId(LacksFind):
    def find(self, account: AccountId, ids: str | int) -> Iterable[Order]: ...


class FindTakesTextsAlone(LacksFind):
    def find(self, account: AccountId, ids: Sequence[str]) -> Iterable[Order]: ...


class FindAnswersOne(LacksFind):
    def find(self, account: AccountId, ids: Sequence[str | int]) -> Order | None: ...


class FindAnswersRows(LacksFind):
    def find(self, account: AccountId, ids: Sequence[str | int]) -> Iterable[tuple[str, int]]: ...


class FindByKeyAnswersMany(LacksFindByKey):
    def find_by_key(self, account: AccountId, idempotency_key: str) -> Iterable[Order]: ...


class ReplaceAnswersNothing(LacksReplace):
    def replace(self, order: Order) -> None: ...


class ReplaceAnswersTheOrder(LacksReplace):
    def replace(self, order: Order) -> Order | None: ...


class ReplaceTakesTheRevision(LacksReplace):
    def replace(self, order: Order, revision: int) -> bool: ...


class ReplaceAnswersLater(LacksReplace):
    async def replace(self, order: Order) -> bool: ...


class DropTakesAnId(LacksDrop):
    def drop(self, order: str) -> None: ...


class DropAnswersLater(LacksDrop):
    async def drop(self, order: Order) -> None: ...


class ListTakesNoOptions(LacksList):
    def list(self, account: AccountId) -> Sequence[Order]: ...


class ListNamesItsOptionsOtherwise(LacksList):
    def list(self, account: AccountId, *, size: int = 50, after: int | None = None) -> Sequence[Order]: ...


class ListMustBeGivenALimit(LacksList):
    def list(self, account: AccountId, *, limit: int, before: int | None = None) -> Sequence[Order]: ...


class ListAnswersOnce(LacksList):
    def list(self, account: AccountId, *, limit: int = 50, before: int | None = None) -> Iterator[Order]: ...


class UnsettledTakesATimestamp(LacksUnsettled):
    def unsettled(self, before: float) -> Iterable[Order]: ...


class UnsettledMayAnswerNothing(LacksUnsettled):
    def unsettled(self, before: datetime) -> Iterable[Order] | None: ...


class AddRefillAnswersABool(LacksAddRefill):
    def add_refill(self, refill: Refill) -> bool: ...


class FindRefillsAnswersOne(LacksFindRefills):
    def find_refills(self, account: AccountId, ids: Sequence[str | int]) -> Refill | None: ...


class ReplaceRefillAnswersNothing(LacksReplaceRefill):
    def replace_refill(self, refill: Refill) -> None: ...


SmmApi(orders=Orders())
SmmApi(orders=LacksAdd())  # type: ignore[arg-type]
SmmApi(orders=LacksFind())  # type: ignore[arg-type]
SmmApi(orders=LacksFindByKey())  # type: ignore[arg-type]
SmmApi(orders=LacksReplace())  # type: ignore[arg-type]
SmmApi(orders=LacksDrop())  # type: ignore[arg-type]
SmmApi(orders=LacksList())  # type: ignore[arg-type]
SmmApi(orders=LacksUnsettled())  # type: ignore[arg-type]
SmmApi(orders=LacksAddRefill())  # type: ignore[arg-type]
SmmApi(orders=LacksFindRefills())  # type: ignore[arg-type]
SmmApi(orders=LacksReplaceRefill())  # type: ignore[arg-type]
SmmApi(orders=AddAnswersNothing())  # type: ignore[arg-type]
SmmApi(orders=AddMayAnswerNothing())  # type: ignore[arg-type]
SmmApi(orders=AddAnswersTheNumber())  # type: ignore[arg-type]
SmmApi(orders=FindTakesOneId())  # type: ignore[arg-type]
SmmApi(orders=FindTakesTextsAlone())  # type: ignore[arg-type]
SmmApi(orders=FindAnswersOne())  # type: ignore[arg-type]
SmmApi(orders=FindAnswersRows())  # type: ignore[arg-type]
SmmApi(orders=FindByKeyAnswersMany())  # type: ignore[arg-type]
SmmApi(orders=ReplaceAnswersNothing())  # type: ignore[arg-type]
SmmApi(orders=ReplaceAnswersTheOrder())  # type: ignore[arg-type]
SmmApi(orders=ReplaceTakesTheRevision())  # type: ignore[arg-type]
SmmApi(orders=ReplaceAnswersLater())  # type: ignore[arg-type]
SmmApi(orders=DropTakesAnId())  # type: ignore[arg-type]
SmmApi(orders=DropAnswersLater())  # type: ignore[arg-type]
SmmApi(orders=ListTakesNoOptions())  # type: ignore[arg-type]
SmmApi(orders=ListNamesItsOptionsOtherwise())  # type: ignore[arg-type]
SmmApi(orders=ListMustBeGivenALimit())  # type: ignore[arg-type]
SmmApi(orders=ListAnswersOnce())  # type: ignore[arg-type]
SmmApi(orders=UnsettledTakesATimestamp())  # type: ignore[arg-type]
SmmApi(orders=UnsettledMayAnswerNothing())  # type: ignore[arg-type]
SmmApi(orders=AddRefillAnswersABool())  # type: ignore[arg-type]
SmmApi(orders=FindRefillsAnswersOne())  # type: ignore[arg-type]
SmmApi(orders=ReplaceRefillAnswersNothing())  # type: ignore[arg-type]
SmmApi(orders=Orders)  # type: ignore[arg-type]
SmmApi(orders=Purse())  # type: ignore[arg-type]


# Records


Account(None)  # type: ignore[arg-type]
Account(User(1, Decimal(1)).id)  # type: ignore[arg-type]
Account(1.0)  # type: ignore[arg-type]
Account(b"1")  # type: ignore[arg-type]
Account(1, allowed_ips="192.0.2.7")  # type: ignore[arg-type]
Account(1, allowed_ips=["192.0.2.7"])  # type: ignore[arg-type]
Account(1, balance=Decimal(5))  # type: ignore[call-arg]

Service(1, "Likes", "Default", "YouTube", 1.0, 10, 1000)  # type: ignore[arg-type]
Service(1, "Likes", "Default", "YouTube", 1, 10, 1000)  # type: ignore[arg-type]
Service(1, "Likes", "Default", "YouTube", "1.00", 10, 1000)  # type: ignore[arg-type]
Service("1", "Likes", "Default", "YouTube", Decimal(1), 10, 1000)  # type: ignore[arg-type]
Service(1, "Likes", "Default", "YouTube", Decimal(1), "10", 1000)  # type: ignore[arg-type]
Service(1, "Likes", "Default", "YouTube", Decimal(1), 10, 1000.0)  # type: ignore[arg-type]
Service(1, "Likes", "Default", "YouTube", Decimal(1), 10, 1000, refill="yes")  # type: ignore[arg-type]
Service(1, "Likes", "Default", "YouTube", Decimal(1), 10)  # type: ignore[call-arg]
Service(1, "Likes", "Default", "YouTube", price=Decimal(1), min=10, max=1000)  # type: ignore[call-arg]
ServiceList([Account(1)])  # type: ignore[list-item]

price(0.9, 1000, 1000)  # type: ignore[arg-type]
to_units(1.5)  # type: ignore[arg-type]


def change(account: Account, service: Service, order: Order, refill: Refill) -> None:
    """Records are frozen; `replace` makes another one, of the same types."""
    account.id = 2  # type: ignore[misc]
    service.rate = Decimal(2)  # type: ignore[misc]
    order.status = OrderStatus.COMPLETED  # type: ignore[misc]
    order.params["link"] = "https://example.com"  # type: ignore[index]
    refill.status = RefillStatus.COMPLETED  # type: ignore[misc]
    order.note = "a field of mine"  # type: ignore[attr-defined]
    replace(order, count="5")  # type: ignore[arg-type]
    replace(order, charge=1.0)  # type: ignore[arg-type]
    replace(order, status="COMPLETED")  # type: ignore[arg-type]
    replace(order, status=RefillStatus.COMPLETED)  # type: ignore[arg-type]
    replace(order, created="2025-03-09")  # type: ignore[arg-type]
    replace(order, state=OrderStatus.COMPLETED)  # type: ignore[call-arg]
    Refill("f" * 24, account, order.id, 1, NOW)  # type: ignore[arg-type]
    Refill("f" * 24, order.account, order, 1, NOW)  # type: ignore[arg-type]
    Refill("f" * 24, order.account, order.id, "1", NOW)  # type: ignore[arg-type]


def compare(order: Order, refill: Refill) -> bool:
    """No order is ever in the state of a refill, and there is no state that is not in the table."""
    return (
        order.status is RefillStatus.PENDING  # type: ignore[comparison-overlap]
        or order.status == 3  # type: ignore[comparison-overlap]
        or refill.status == OrderStatus.COMPLETED  # type: ignore[comparison-overlap]
        or order.status is OrderStatus.REFUNDED  # type: ignore[attr-defined]
    )


# The extension


SmmApi("panel")  # type: ignore[arg-type]
PARTS_BY_POSITION: Callable[[Flask, Purse], SmmApi] = SmmApi  # type: ignore[assignment]
SmmApi(money=Purse())  # type: ignore[call-arg]
SmmApi(limiter=Flask("panel"))  # type: ignore[arg-type]
SmmApi(limiter="10 per minute")  # type: ignore[arg-type]
SmmApi(check_link=lambda link, service: True)  # type: ignore[arg-type, misc]
SmmApi(check_link="https://")  # type: ignore[arg-type]
SmmApi(parent=Flask("panel"))  # type: ignore[arg-type]
SmmApi().init_app()  # type: ignore[call-arg]


def call(smmapi: SmmApi, account: Account, order: Order) -> None:
    smmapi.place("key of user 1", {"service": 1})  # type: ignore[arg-type]
    smmapi.place(account.id, {"service": 1})  # type: ignore[arg-type]
    smmapi.place(account, [("service", 1)])  # type: ignore[arg-type]
    smmapi.place(account, {1: "service"})  # type: ignore[dict-item]
    smmapi.place(account, {"service": 1}, 5)  # type: ignore[arg-type]
    smmapi.place(account, {"service": 1}, "invoice 5", "junk")  # type: ignore[call-arg]
    smmapi.place(account, service=1, quantity=1000)  # type: ignore[call-arg]
    smmapi.place(account)  # type: ignore[call-arg]
    smmapi.cancel(order.id)  # type: ignore[call-arg, arg-type]
    smmapi.cancel(account, order)  # type: ignore[arg-type]
    smmapi.status(account, [order.id, order.id])  # type: ignore[arg-type]
    smmapi.refill(account, None)  # type: ignore[arg-type]
    smmapi.services()  # type: ignore[call-arg]
    smmapi.services(account)[0]  # type: ignore[index]
    smmapi.balance(account.id)  # type: ignore[arg-type]
    smmapi.balance(account) + 0.5  # type: ignore[operator]
    smmapi.reconcile(60)  # type: ignore[arg-type]
    smmapi.store = Purse()  # type: ignore[misc]
    smmapi.refund(account, order.id)  # type: ignore[attr-defined]


def handle(failure: SmmError) -> None:
    print(failure.message)  # type: ignore[attr-defined]


# The contract kit


Host(wallet=Purse())  # type: ignore[call-arg]
Host(accounts=(1,))  # type: ignore[arg-type]
Host(accounts=(Account(1), Account(2)))  # type: ignore[arg-type]
Host(accounts=(1, 2), keys=["key of user 1"])  # type: ignore[arg-type]
Host(accounts=(1, 2), keys={"key of user 1": Account(1)})  # type: ignore[dict-item]
Host(accounts=(1, 2), rates={1: {1: 0.9}})  # type: ignore[dict-item]
Host(accounts=(1, 2), wallet=LacksDebit())  # type: ignore[arg-type]
Host(accounts=(1, 2), wallet=Purse)  # type: ignore[arg-type]


class TestMyMoney(WalletContract):
    @pytest.fixture
    def host(self) -> Host:
        return Flask("panel")  # type: ignore[return-value]
