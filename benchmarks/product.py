"""The panel with Flask-SmmApi, for a server to load: in memory, and on MongoDB."""

from __future__ import annotations

import os

from flask import Flask

from benchmarks.data import ACCOUNTS, BALANCE, key_of, services
from flask_smmapi import Account, Service, SmmApi
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore


def fill(store: MemoryStore | MongoStore) -> None:
    """Put accounts, keys, money and services into *store*."""
    store.set_services([Service(id=row.pop("service"), **row) for row in services()])
    for account in range(1, ACCOUNTS + 1):
        store.add_account(Account(id=account), balance=BALANCE, key=key_of(account))


def in_memory() -> Flask:
    app, store = Flask("panel"), MemoryStore()
    fill(store)
    SmmApi(app, store=store)
    return app


def on_mongodb() -> Flask:
    """Its database was filled by the bench."""
    app = Flask("panel")
    app.config["SMMAPI_MONGODB_URI"] = os.environ["BENCH_MONGODB_URI"]
    SmmApi(app)
    return app
