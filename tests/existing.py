"""The existing panel under test: as a store for ``Panel``, as a process of its own, and as one that is killed.

``python -m tests.existing serve URL`` serves it over HTTP; ``… kill URL`` kills it at every step of an order.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.event import listen
from werkzeug.serving import make_server

from example_app.existing_panel import create_app, hooks, models
from example_app.existing_panel.database import Database
from example_app.existing_panel.seed import KEY_2
from flask_smmapi import Account, Service, ServiceList
from flask_smmapi import keys as api_keys
from flask_smmapi.hooks import AccountId
from flask_smmapi.money import ZERO

from .panel import LINK, Answer
from .served import Quiet
from .uncounted import uncounted


class ExistingStore(hooks.Wallet):
    """The panel's four parts in one object, and what the tests do as its owner.

    :param orders: keeps the orders; its verbs are this object's too.
    """

    def __init__(self, database: Database, orders: Any) -> None:
        self._database = database
        self._orders = orders

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._orders, verb)

    def key_lookup(self, key: str) -> Account | None:
        return hooks.key_lookup(self._database, key)

    def catalog(self, account: Account) -> ServiceList:
        return hooks.catalog(self._database, account)

    def set_services(self, services: Iterable[Service]) -> None:
        with self._database.transaction() as session:
            session.execute(sa.delete(models.Service))
            for service in services:
                columns = asdict(service)
                assert columns.pop("desc") is columns.pop("average_time") is None  # which this panel does not know
                session.add(models.Service(minimum=columns.pop("min"), maximum=columns.pop("max"), **columns))

    def add_account(
        self, account: Account, *, balance: Decimal = ZERO, active: bool = True, key: str | None = None
    ) -> str:
        with self._database.transaction() as session:
            session.merge(models.User(id=account.id, name="", active=active))
        self.credit(account.id, balance, "opening")
        return self.add_key(account.id, key or api_keys.generate())

    def add_key(self, account: AccountId, key: str) -> str:
        with self._database.transaction() as session:
            session.merge(models.ApiKey(digest=api_keys.digest(key), user_id=account))
        return key


def differences(app: Flask) -> list[Any]:
    """The users who have less than nothing, or another balance than their transactions add up to."""
    user, transaction = models.User, models.Transaction
    total = sa.select(sa.func.coalesce(sa.func.sum(transaction.amount), ZERO)).where(transaction.user_id == user.id)
    is_wrong = sa.or_(user.balance != total.scalar_subquery(), user.balance < ZERO)
    with app.extensions["panel"].transaction(writing=False) as session:
        return list(session.execute(sa.select(user.id, user.balance).where(is_wrong)))


class Process(NamedTuple):
    """The panel in a process of its own.

    :param api: the URL of the API.
    """

    pid: int
    api: str


@contextmanager
def process(url: str) -> Iterator[Process]:
    """Serve the panel of that database; whoever has killed it meanwhile need not say so."""
    command = [sys.executable, "-m", "tests.existing", "serve", url]
    with subprocess.Popen(command, env=uncounted(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Process(server.pid, f"http://127.0.0.1:{int(server.stdout.readline())}/api/v2")
        finally:
            server.terminate()


def post(api: str, action: str, *, headers: Mapping[str, str] | None = None, **params: Any) -> Answer:
    """What user 2 hears over HTTP."""
    form = urllib.parse.urlencode({"key": KEY_2, "action": action, **params}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(api, form, headers or {})) as response:
            return Answer(response.status, json.load(response), response.headers)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, json.load(refusal), refusal.headers)


def serve(url: str) -> None:
    """Serve the panel on a free port, and print that."""
    server = make_server("127.0.0.1", 0, create_app(url), threaded=True, request_handler=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()


def kill(url: str) -> None:
    """Order again and again, each time in a process that is killed one step later; print how many were.

    A step is a statement or a commit. The books must be right after each kill.
    """
    app = create_app(url)
    for step in itertools.count():
        child = os.fork()
        if child == 0:
            die_before(step)
            order(app)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert status == 0
            print(step)
            return
        assert differences(app) == [], step
        app.extensions["panel"].close()  # the next child must not share a connection


def die_before(step: int) -> None:
    """Kill this process before so many more steps are made."""
    steps = itertools.count()

    def count(*args: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    listen(sa.Engine, "before_cursor_execute", count)
    listen(sa.Engine, "commit", count)


def order(app: Flask) -> None:
    data = {"key": KEY_2, "action": "add", "service": 123, "link": LINK, "quantity": 1000}
    answer = app.test_client().post("/api/v2", data=data)
    assert "order" in answer.json, answer.json


if __name__ == "__main__":
    {"serve": serve, "kill": kill}[sys.argv[1]](sys.argv[2])
