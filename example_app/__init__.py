"""A small panel around Flask-SmmApi: ``make demo``. It uses the extension's public names alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from flask_smmapi import SmmApi
from flask_smmapi.stores.memory import MemoryStore

from .demo import seed


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The panel, with the demo's accounts, services and orders in it.

    :param config: takes the place of the demo's own settings.
    """
    app = Flask(__name__)
    app.config["SMMAPI_REFILL_INTERVAL"] = 0  # so that a refill can be tried at once
    app.config.update(config or {})
    smmapi = SmmApi(app, store=make_store())
    app.extensions["demo"] = seed(smmapi)
    return app


def make_store() -> MemoryStore:
    """The store that ``EXAMPLE_STORE`` names.

    :raises ValueError: if it names none that the demo has.
    """
    name = os.environ.get("EXAMPLE_STORE", "memory")
    if name != "memory":
        raise ValueError(f"EXAMPLE_STORE is {name!r}; the demo knows the store 'memory' only.")
    return MemoryStore()
