"""A panel that was there first, with users, prices and money of its own; then SmmApi is installed into it.

``models``, ``database`` and ``pages`` are the panel. ``hooks`` and ``orders`` are what the order API needs of it.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from flask_smmapi import SmmApi

from .. import find_server
from .database import Database
from .hooks import Wallet, catalog, key_lookup
from .pages import add_pages
from .seed import seed_command

ORDERS = ("sql", "mongodb")
"""Where orders and refills may be kept: in the panel's own database, or in the extension's."""


def create_app(database_url: str | None = None, *, orders: str | None = None) -> Flask:
    """The panel with the order API in it; ``flask seed`` fills it.

    :param database_url: of SQLite or PostgreSQL; else ``DATABASE_URL``, else a file in the instance folder.
    :param orders: one of :data:`ORDERS`; else ``PANEL_ORDERS``, else the panel's own database.
    :raises ValueError: if either cannot be used.
    """
    orders = orders or os.environ.get("PANEL_ORDERS", ORDERS[0])
    if orders not in ORDERS:
        raise ValueError(f"PANEL_ORDERS is {orders!r}; the panel keeps orders in {' or '.join(ORDERS)}.")
    app = create_panel(database_url)
    install_api(app, orders)
    return app


def create_panel(database_url: str | None) -> Flask:
    """The panel as it was before."""
    app = Flask(__name__)
    app.config.from_prefixed_env()  # FLASK_SMMAPI_DIALECT=panel, for instance
    app.extensions["panel"] = Database(database_url or os.environ.get("DATABASE_URL") or default_url(app))
    app.cli.add_command(seed_command)
    add_pages(app)
    return app


def default_url(app: Flask) -> str:
    folder = Path(app.instance_path)
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'panel.db'}"


def install_api(app: Flask, orders: str) -> None:
    """Serve the order API to the panel's users, at its prices, for its money."""
    database: Database = app.extensions["panel"]
    app.config["SMMAPI_KEY_PATTERN"] = "[0-9a-f]{32}"
    parts: dict[str, Any] = {
        "key_lookup": partial(key_lookup, database),
        "catalog": partial(catalog, database),
        "wallet": Wallet(database),
    }
    if orders == "sql":
        from .orders import Orders  # and its tables, which the other variant does without

        SmmApi(app, **parts, orders=Orders(database))
    else:
        app.config["SMMAPI_MONGODB_URI"] = find_server()
        SmmApi(app, **parts).store.create_indexes()
    database.create_tables()
