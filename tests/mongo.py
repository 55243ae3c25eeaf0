"""A real MongoDB for the tests: one server for the whole run, emptied for each test that asks for it."""

from __future__ import annotations

import os

import pytest

from example_app.mongod import NoMongod, find_mongod


def require_mongod() -> None:
    """Skip the test where no mongod can be had, with the reason; with ``CI=true`` that is a failure."""
    try:
        find_mongod()
    except NoMongod as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
