"""What a host may write, in each of the forms that it may take.

A type checker must accept all of it, and so must the start-up: tests/test_typing.py gives it to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from tempfile import TemporaryDirectory

import pytest
from flask import Blueprint, Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from typing_extensions import assert_type  # which every mypy brings

from flask_smmapi import (
    Account,
    Catalog,
    KeyLookup,
    Order,
    OrderStatus,
    OrderStore,
    Refill,
    RefillStatus,
    Service,
    ServiceList,
    SmmApi,
    SmmError,
    StoreUnavailable,
    Wallet,
)
from flask_smmapi.errors import NotEnoughFunds
from flask_smmapi.hooks import AccountId
from flask_smmapi.money import from_units, price
from flask_smmapi.placement import Reconciled
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.testing import CatalogContract, Host, KeyLookupContract, PanelContract, WalletContract

STORE = MemoryStore()

# Records

MINE = Account(7)
YOURS = Account("0b5c", currency="EUR", allowed_ips=("192.0.2.7", "2001:db8::/32"), dialect="panel")
OTHERS = Account(id=8, currency=None, allowed_ips=())

LIKES = Service(1, "Likes", "Default", "YouTube", Decimal("1.00"), 10, 1000)
VIEWS = Service(
    id=2,
    name="Views",
    type="Default",
    category="YouTube",
    rate=price(Decimal(2), 9_000, 10_000),
    min=10,
    max=1000,
    refill=True,
    cancel=True,
    dripfeed=False,
)


def order_of(row: Mapping[str, str]) -> Order:
    """As an order store makes one of what it has kept."""
    order = Order(
        id=row["id"],
        account=int(row["account"]),
        service=int(row["service"]),
        params={"link": row["link"]},
        rate=Decimal(row["rate"]),
        per=1000,
        count=int(row["count"]),
        charge=from_units(int(row["charge"])),
        currency="USD",
        cancelable=True,
        refillable=False,
        fingerprint=row["fingerprint"],
        created=datetime.now(timezone.utc),
        remains=int(row["remains"]),
        status=OrderStatus(row["status"]),
    )
    return replace(order, number=int(row["number"]), revision=order.revision + 1)


def refill_of(order: Order) -> Refill:
    return Refill("f" * 24, order.account, order.id, n=1, created=order.created, status=RefillStatus.PENDING)


def fields(account: Account, service: Service, order: Order, refill: Refill) -> None:
    """None of them is Any."""
    assert_type(account.id, AccountId)
    assert_type(account.id, str | int)
    assert_type(account.allowed_ips, tuple[str, ...])
    assert_type(service.rate, Decimal)
    assert_type(order.account, AccountId)
    assert_type(order.params, Mapping[str, str])
    assert_type(order.charge, Decimal)
    assert_type(order.cost, Decimal)
    assert_type(order.status, OrderStatus)
    assert_type(order.ended, datetime | None)
    assert_type(refill.status, RefillStatus)
    assert_type(hash(account), int)


def is_over(order: Order) -> bool:
    """Statuses are compared like those of any Enum, and like the texts that a database keeps of them."""
    if order.status is OrderStatus.COMPLETED or order.status == OrderStatus.PARTIAL:
        return True
    return order.status in {OrderStatus.FAIL, OrderStatus.ERROR} or order.status == "CANCELED"


# Key lookups


def find_account(key: str) -> Account | None:
    return MINE if key == "abcd1234.efgh5678-ijkl9012" else None


def only_mine(key: str) -> Account:
    """That it never answers None is no fault."""
    return MINE


def find_in(table: Mapping[str, Account], key: str, currency: str = "USD") -> Account | None:
    return table.get(key)


def out_of_order(key: str) -> Account | None:
    raise StoreUnavailable("The users' database cannot be reached.")


@dataclass
class Keys:
    accounts: dict[str, Account] = field(default_factory=dict)

    def __call__(self, presented: str) -> Account | None:
        return self.accounts.get(presented)

    def find(self, api_key: str) -> Account | None:
        return self.accounts.get(api_key)


ACCOUNTS = {"abcd1234.efgh5678-ijkl9012": MINE}

SmmApi(Flask("panel"), store=STORE, key_lookup=find_account)
SmmApi(Flask("panel"), store=STORE, key_lookup=only_mine)
SmmApi(Flask("panel"), store=STORE, key_lookup=out_of_order)
SmmApi(Flask("panel"), store=STORE, key_lookup=partial(find_in, ACCOUNTS))
SmmApi(Flask("panel"), store=STORE, key_lookup=partial(find_in, ACCOUNTS, currency="EUR"))
SmmApi(Flask("panel"), store=STORE, key_lookup=lambda key: ACCOUNTS.get(key))
SmmApi(Flask("panel"), store=STORE, key_lookup=Keys().find)
SmmApi(Flask("panel"), store=STORE, key_lookup=Keys())
SmmApi(Flask("panel"), store=STORE, key_lookup=STORE.key_lookup)


# Catalogs


def a_list(account: Account) -> list[Service]:
    return [LIKES, VIEWS]


def a_tuple(account: Account) -> tuple[Service, ...]:
    return LIKES, VIEWS


def a_generator(account: Account) -> Iterator[Service]:
    for service in (LIKES, VIEWS):
        yield replace(service, rate=price(service.rate, 95, 100))


def a_kept_list(account: Account, kept: ServiceList = ServiceList([LIKES, VIEWS])) -> ServiceList:  # noqa: B008 - kept on purpose
    return kept


@dataclass
class PriceList:
    rows: Sequence[Service] = (LIKES, VIEWS)

    def __call__(self, who: Account) -> Sequence[Service]:
        return self.rows

    def of(self, who: Account) -> Iterable[Service]:
        return (row for row in self.rows if row.category == "YouTube")


SmmApi(Flask("panel"), store=STORE, catalog=a_list)
SmmApi(Flask("panel"), store=STORE, catalog=a_tuple)
SmmApi(Flask("panel"), store=STORE, catalog=a_generator)
SmmApi(Flask("panel"), store=STORE, catalog=a_kept_list)
SmmApi(Flask("panel"), store=STORE, catalog=lambda account: [LIKES] if account.id == 7 else ())
SmmApi(Flask("panel"), store=STORE, catalog=PriceList())
SmmApi(Flask("panel"), store=STORE, catalog=PriceList().of)
SmmApi(Flask("panel"), store=STORE, catalog=STORE.catalog)


# Wallets: no base class, and names of the host's own, since the extension gives every argument by its position


class Purse:
    def balance(self, user_id: AccountId) -> Decimal:
        raise NotImplementedError

    def debit(self, user_id: AccountId, price: Decimal, ref: str) -> bool:
        raise NotImplementedError

    def credit(self, user_id: AccountId, price: Decimal, ref: str) -> None:
        raise NotImplementedError

    def void(self, user_id: AccountId, ref: str) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class WidePurse:
    """It takes more than it is given, and can do more than it must."""

    database: str = "panel.db"

    def balance(self, account: object) -> Decimal:
        raise NotImplementedError

    def debit(self, account: object, amount: Decimal | int, reference: object, note: str = "") -> bool:
        raise NotImplementedError

    def credit(self, *movement: object) -> None:
        raise NotImplementedError

    def void(self, *movement: object, **options: object) -> None:
        raise NotImplementedError

    def transfer(self, sender: int, receiver: int) -> None:
        raise NotImplementedError


class DeclaredPurse(Wallet):
    """Whoever names the Protocol is told in the class what is wrong with it, not where an object of it is given."""

    def balance(self, user_id: AccountId) -> Decimal:
        raise NotImplementedError

    def debit(self, user_id: AccountId, price: Decimal, ref: str) -> bool:
        raise NotImplementedError

    def credit(self, user_id: AccountId, price: Decimal, ref: str) -> None:
        raise NotImplementedError

    def void(self, user_id: AccountId, ref: str) -> None:
        raise NotImplementedError


class NumberedPurse:
    """Of a host whose ids are all integers. It gets back what its key lookup gave."""

    def balance(self, user_id: int) -> Decimal:
        raise NotImplementedError

    def debit(self, user_id: int, price: Decimal, ref: str) -> bool:
        raise NotImplementedError

    def credit(self, user_id: int, price: Decimal, ref: str) -> None:
        raise NotImplementedError

    def void(self, user_id: int, ref: str) -> None:
        raise NotImplementedError


def numbered() -> Wallet[int]:
    return NumberedPurse()


SmmApi(Flask("panel"), store=STORE, wallet=Purse())
SmmApi(Flask("panel"), store=STORE, wallet=WidePurse("money.db"))
SmmApi(Flask("panel"), store=STORE, wallet=DeclaredPurse())
SmmApi(Flask("panel"), store=STORE, wallet=NumberedPurse())
SmmApi(Flask("panel"), store=STORE, wallet=STORE)


# Order stores: only the options of `list` are given by name


class Orders:
    def add(self, new: Order) -> Order:
        raise NotImplementedError

    def find(self, user_id: AccountId, wanted: Sequence[str | int]) -> Iterator[Order]:
        raise NotImplementedError

    def find_by_key(self, user_id: AccountId, repeat_key: str) -> Order | None:
        raise NotImplementedError

    def replace(self, changed: Order) -> bool:
        raise NotImplementedError

    def drop(self, gone: Order) -> None:
        raise NotImplementedError

    def list(self, user_id: AccountId, limit: int = 50, before: int | None = None) -> tuple[Order, ...]:
        raise NotImplementedError

    def add_refill(self, new: Refill) -> Refill | None:
        raise NotImplementedError

    def find_refills(self, user_id: AccountId, wanted: Iterable[str | int]) -> set[Refill]:
        raise NotImplementedError

    def replace_refill(self, changed: Refill) -> bool:
        raise NotImplementedError

    def unsettled(self, moment: datetime) -> Sequence[Order]:
        raise NotImplementedError


class Panel(Orders, Purse):
    """One object for every part."""

    def key_lookup(self, key: str) -> Account | None:
        return ACCOUNTS.get(key)

    def catalog(self, account: Account) -> Iterable[Service]:
        return [LIKES]


PANEL = Panel()

SmmApi(Flask("panel"), store=STORE, orders=Orders())
SmmApi(Flask("panel"), store=STORE, orders=STORE)
SmmApi(Flask("panel"), store=STORE, wallet=PANEL, orders=PANEL)
SmmApi(Flask("panel"), key_lookup=PANEL.key_lookup, catalog=PANEL.catalog, wallet=PANEL, orders=PANEL)
SmmApi(Flask("panel"), store=PANEL)


def parts_by_their_names() -> tuple[KeyLookup, Catalog, Wallet, OrderStore]:
    """Any of them may be annotated with its Protocol."""
    return find_account, a_list, PANEL, PANEL


def parts_in_mongodb(store: MongoStore) -> tuple[KeyLookup, Catalog, Wallet, OrderStore]:
    return store.key_lookup, store.catalog, store, store


# The extension


def create_app() -> Flask:
    smmapi = SmmApi(store=MemoryStore([LIKES]))
    app = Flask("panel")
    assert_type(smmapi.init_app(app), None)
    return app


def create_app_on_mongodb(uri: str) -> SmmApi:
    app = Flask("panel")
    app.config["SMMAPI_MONGODB_URI"] = uri
    return SmmApi(app)


def create_app_with_everything() -> SmmApi:
    app = Flask("panel")
    api = Blueprint("api", "panel")
    smmapi = SmmApi(
        app,
        store=STORE,
        key_lookup=None,
        limiter=Limiter(get_remote_address, app=app, storage_uri="memory://"),
        check_link=lambda link: link.startswith("https://"),
        parent=api,
    )
    app.register_blueprint(api)
    return smmapi


SmmApi()
create_app()
create_app_with_everything()


def verbs(smmapi: SmmApi, account: Account, order: Order) -> None:
    params: dict[str, str | int] = {"service": 1, "link": "https://example.com/post", "quantity": 1000}
    assert_type(smmapi.place(account, params), Order)
    assert_type(smmapi.place(account, {"service": "1"}, "invoice 5"), Order)
    assert_type(smmapi.place(account, {"service": "1"}, idempotency_key=None), Order)
    assert_type(smmapi.cancel(account, order.id), Order)
    assert_type(smmapi.refill(account, order.number), Refill)
    assert_type(smmapi.status(account, "507f1f77bcf86cd799439011"), Order)
    assert_type(smmapi.balance(account), Decimal)
    assert_type(smmapi.services(account), ServiceList)
    assert_type(list(smmapi.services(account)), list[Service])
    assert_type(smmapi.services(account).get(1), Service | None)
    assert_type(len(smmapi.services(account)), int)
    assert_type(smmapi.reconcile(), Reconciled)
    assert_type(smmapi.reconcile(older_than=timedelta(minutes=5)).failed, int)


def tell_what_failed(smmapi: SmmApi, account: Account) -> str:
    try:
        return smmapi.place(account, {"service": 1}).id
    except NotEnoughFunds:
        return "Please pay first."
    except SmmError as failure:
        assert_type(failure.text, str)
        assert_type(failure.status, int)
        assert_type(failure.headers, dict[str, str])
        return str(failure)


# The contract kit


class TestMyPanel(PanelContract):
    @pytest.fixture
    def host(self) -> Host:
        return Host(create_app(), accounts=(1, 2), keys={"key of user 1": 1, "revoked key": None})


class TestMyMoney(WalletContract, CatalogContract):
    @pytest.fixture(params=["plain", "sharded"])
    def host(self, request: pytest.FixtureRequest) -> Host:
        return Host(
            accounts=(1, "two"),
            rates={1: {1: Decimal("0.90")}},
            wallet=Purse(),
            catalog=a_list,
            again=Host(accounts=(1, "two"), wallet=Purse()),
        )


class TestMyKeys(KeyLookupContract):
    KEYS: Mapping[str, int | None] = {"key of user 1": 1}

    @pytest.fixture
    def host(self) -> Iterator[Host]:
        """It may clean up."""
        with TemporaryDirectory() as folder:
            yield Host(Flask("panel", folder), accounts=(1, 2), keys=self.KEYS, key_lookup=find_account)
