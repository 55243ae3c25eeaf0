"""The API on MongoDB, served by a real HTTP server in a process of its own, for the tests that kill it."""

from __future__ import annotations

import os
import signal
import sys
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_smmapi import SmmApi
from flask_smmapi.hooks import AccountId
from flask_smmapi.stores.mongo import MongoStore


class Dying(MongoStore):
    """Kills its own process when it is to give money; *stored* says whether the money is given by then."""

    def __init__(self, uri: str, *, stored: bool) -> None:
        super().__init__(uri)
        self._stored = stored

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        if self._stored:
            super().credit(account, amount, reference)
        os.kill(os.getpid(), signal.SIGKILL)


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, *args: Any) -> None: ...


def create_app(uri: str, die_at_credit: str) -> Flask:
    app = Flask("served")
    SmmApi(app, store=Dying(uri, stored=die_at_credit == "after") if die_at_credit else MongoStore(uri))
    return app


def serve(uri: str, told: Connection, log: Path, die_at_credit: str) -> None:
    """Serve on any port that is free, and send it when that listens.

    :param log: takes what the process writes to its standard error.
    :param die_at_credit: has it kill itself at the first credit, ``before`` or ``after`` that is stored; else empty.
    """
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    server = make_server("127.0.0.1", 0, create_app(uri, die_at_credit), threaded=True, request_handler=Quiet)
    told.send(server.server_port)
    server.serve_forever()
