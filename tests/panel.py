"""A panel to test with: an app that has the extension, one account with a key, and ways to speak to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.serving import make_server

from flask_smmapi import Account, Order, OrderStatus, Service, SmmApi
from flask_smmapi.service_types import SERVICE_TYPES
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.testing import Host
from flask_smmapi.testing.races import ROUNDS
from flask_smmapi.testing.races import at_once as at_once

ROUNDS_ON_SERVERS = ROUNDS if os.environ.get("SMMAPI_LONG_TESTS") == "1" else ROUNDS // 2
"""How often the contract kit's races are run where each waits for a database; elsewhere, as often as the kit does."""

LINK = "https://example.com/post"
WRONG_KEY = "aaaaaaaa.bbbbbbbb-cccccccc"
"""Of the right format, but nobody's."""


def service(number: int, type_: str = "Default", **changes: Any) -> Service:
    """A service at 1.00 that takes 1 to 10,000 and has refill and cancel, but for *changes*."""
    row = Service(number, f"Service {number}", type_, "Tests", Decimal("1.00"), 1, 10_000, refill=True, cancel=True)
    return replace(row, **changes)


SERVICES = (
    *(service(number, type_) for number, type_ in enumerate(SERVICE_TYPES, 1)),
    service(18, dripfeed=True),
    service(19, refill=False, cancel=False),
    service(20, "Web Traffic", dripfeed=True),
    service(123),
)
"""1 to 17: one of each type, in the order of the table."""

DEFAULT, PACKAGE, DRIPFEED, BARE = 1, 2, 18, 19
"""Services by what is special about them; BARE has neither refill nor cancel."""


class Answer(NamedTuple):
    """What a client got."""

    status: int
    json: Any
    headers: Mapping[str, str]


class Panel:
    """One app, its store, one account and its key.

    :param balance: of the account.
    :param dialect: of the account; None for the app's.
    :param config: of the app.
    :param given: further arguments of ``SmmApi``: parts, a store.
    """

    def __init__(
        self,
        *,
        balance: str = "100",
        dialect: str | None = None,
        config: Mapping[str, Any] | None = None,
        app: Flask | None = None,
        **given: Any,
    ) -> None:
        self.store: Any = given.setdefault("store", MemoryStore())
        self.store.set_services(SERVICES)
        self.account = Account(id=1, dialect=dialect)
        self.key = self.store.add_account(self.account, balance=Decimal(balance))
        self.app = app or Flask("panel")
        self.app.config.update(config or {})
        self.smmapi = SmmApi(self.app, **given)

    def post(self, action: str | None = None, *, headers: Mapping[str, str] | None = None, **params: Any) -> Answer:
        """Send a form with the account's key in it, over WSGI; ``key=`` sends another."""
        form = {"key": self.key, "action": action, **params}
        data = {name: str(value) for name, value in form.items() if value is not None}
        return self.send(data=data, headers=headers)

    def send(self, **request: Any) -> Answer:
        """Send anything; the arguments are those of the test client's ``open``."""
        response = self.app.test_client().open("/api/v2", **{"method": "POST", **request})
        assert response.mimetype == "application/json"
        return Answer(response.status_code, response.get_json(), response.headers)

    def place(self, service: int = DEFAULT, **params: Any) -> Order:
        """An order of 1,000 pieces for 1.00, as the store has it."""
        filled = {"service": service, "link": LINK, "quantity": 1000, **params}
        return self.smmapi.place(self.account, filled)

    def read(self, order: Order) -> Order:
        """The order as it is stored now."""
        [found] = self.store.find(order.account, [order.id])
        return found

    def move(self, order: Order, status: OrderStatus, **changes: Any) -> Order:
        """Put the order into *status*, as an owner's fulfilment would."""
        assert self.store.replace(replace(self.read(order), status=status, **changes))
        return self.read(order)

    def complete(self, order: Order, *, hours_ago: float = 48) -> Order:
        """Complete the order, so long ago."""
        ended = datetime.now(timezone.utc) - timedelta(hours=hours_ago)
        return self.move(order, OrderStatus.COMPLETED, remains=0, ended=ended)

    @property
    def balance(self) -> Decimal:
        """What the account has now."""
        return self.store.balance(self.account.id)


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """Serve *app* over HTTP on a free port, with a thread a request; gives the URL of the API."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # seconds until it sees a shutdown
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v2"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def host_of(store: Any, again: Any = None) -> Host:
    """A store of ours as the contract kit takes it.

    :param again: the same storage through another connection.
    """
    store.set_services(SERVICES)
    accounts = (7, "seven")
    keys = {store.add_account(Account(id_)): id_ for id_ in accounts}
    keys[store.add_account(Account("inactive"), active=False)] = None
    revoked = store.add_account(Account(accounts[0]))
    store.revoke_key(revoked)
    keys[revoked] = None
    other = None if again is None else Host(accounts=accounts, **_parts(again))
    return Host(accounts=accounts, keys=keys, again=other, **_parts(store))


def _parts(store: Any) -> dict[str, Any]:
    return {"key_lookup": store.key_lookup, "catalog": store.catalog, "wallet": store, "orders": store}
