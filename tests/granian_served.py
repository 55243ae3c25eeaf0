"""The API on the memory store, served by granian as the demo is, for the tests of what a socket does to a body.

``python -m tests.granian_served 8000``. Its account's key is :data:`KEY`.
"""

from __future__ import annotations

import sys
from decimal import Decimal

from flask import Flask
from granian import Granian
from granian.constants import Interfaces

from flask_smmapi import Account, SmmApi
from flask_smmapi.stores.memory import MemoryStore

from .panel import SERVICES

KEY = "abcd1234.efgh5678-ijkl9012"
THREADS = 4


def create_app() -> Flask:
    app, store = Flask("granian"), MemoryStore(SERVICES)
    store.add_account(Account(1), balance=Decimal(100), key=KEY)
    SmmApi(app, store=store)
    return app


def main(port: str) -> None:
    Granian(
        "tests.granian_served:create_app",
        factory=True,
        interface=Interfaces.WSGI,
        address="127.0.0.1",
        port=int(port),
        blocking_threads=THREADS,
        workers_kill_timeout=3,
        log_enabled=True,
    ).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
