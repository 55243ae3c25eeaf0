"""A small panel around Flask-SmmApi: ``make demo``. It uses the extension's public names alone."""

from __future__ import annotations

import atexit
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from flask_smmapi import SmmApi

from . import secret
from .demo import seed
from .panel import add_panel

STORES = ("mongodb", "memory")

INSTANCE = Path(__file__).parent.parent / "instance"
"""Where the demo keeps its data, and the key of its sessions; ``EXAMPLE_INSTANCE`` changes it."""


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The panel, with the demo's accounts, services and orders in it.

    The environment chooses the store: ``EXAMPLE_STORE`` is ``mongodb`` or ``memory``; ``SMMAPI_MONGODB_URI`` names a
    server; without it the demo starts one of its own, and keeps the data in ``instance/``. Every other setting may
    come from there too: ``FLASK_SMMAPI_DIALECT=panel``.

    :param config: takes the place of the demo's own settings.
    :raises example_app.mongod.NoMongod: if there is no MongoDB to start.
    """
    app = Flask(__name__)
    app.config["SMMAPI_REFILL_INTERVAL"] = 0  # so that a refill can be tried at once
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"  # FLASK_SESSION_COOKIE_SECURE=true is for a demo behind https
    app.config.from_prefixed_env()
    app.config.update(config or {})
    app.secret_key = secret_key(app)
    if store_name() == "memory":
        from flask_smmapi.stores.memory import MemoryStore

        smmapi = SmmApi(app, store=MemoryStore())
    else:
        if not app.config.get("SMMAPI_MONGODB_URI"):
            app.config["SMMAPI_MONGODB_URI"] = find_server()
        smmapi = SmmApi(app)
        smmapi.store.create_indexes()
    app.extensions["demo"] = seed(smmapi)
    add_panel(app)
    return app


def secret_key(app: Flask) -> str | bytes:
    """The one that was given, else one that lives as long as the data."""
    given = app.config["SECRET_KEY"]
    if given is not None:
        return given if isinstance(given, bytes) else str(given)  # Flask reads digits as a number
    return secrets.token_hex(32) if store_name() == "memory" else secret.kept_in(instance())


def instance() -> Path:
    """Where the demo keeps what outlives it."""
    return Path(os.environ.get("EXAMPLE_INSTANCE", INSTANCE))


def store_name() -> str:
    """The store that ``EXAMPLE_STORE`` names.

    :raises ValueError: if it names none that the demo has.
    """
    name = os.environ.get("EXAMPLE_STORE", STORES[0])
    if name not in STORES:
        raise ValueError(f"EXAMPLE_STORE is {name!r}; the demo knows the stores {' and '.join(STORES)}.")
    return name


def find_server() -> str:
    """The URI of the MongoDB that the environment names, else of the demo's own, kept running until this process ends.

    :raises example_app.mongod.NoMongod: if there is none to start.
    """
    uri = os.environ.get("SMMAPI_MONGODB_URI")
    if uri:
        return uri
    from .mongod import Mongod  # the memory store does without, and so does whoever names a server

    server = Mongod(instance() / "mongodb")
    atexit.register(server.release)
    uri = server.acquire()
    threading.Thread(target=server.watch, daemon=True).start()
    return uri
