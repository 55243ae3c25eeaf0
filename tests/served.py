"""The API on MongoDB, served by a real HTTP server in a process of its own, for the tests that kill it.

``python -m tests.served mongodb://… 8000``; port 0 takes any that is free. It prints the port when it listens.
With ``DIE_AT_CREDIT`` in its environment it kills itself at the first credit: ``before`` or ``after`` that is stored.
"""

from __future__ import annotations

import os
import signal
import sys
from decimal import Decimal
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


def create_app(uri: str) -> Flask:
    app = Flask("served")
    moment = os.environ.get("DIE_AT_CREDIT")
    SmmApi(app, store=Dying(uri, stored=moment == "after") if moment else MongoStore(uri))
    return app


def main(uri: str, port: str) -> None:
    server = make_server("127.0.0.1", int(port), create_app(uri), threaded=True, request_handler=Quiet)
    print(f"Listening on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
