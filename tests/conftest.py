"""Fixtures for every test file."""

from __future__ import annotations

import pytest

from .mongo import mongo_store, mongo_uri, mongod, prepared_database
from .panel import Panel
from .postgres import postgres, postgres_database, postgres_url

__all__ = [
    "mongo_store",
    "mongo_uri",
    "mongod",
    "panel",
    "postgres",
    "postgres_database",
    "postgres_url",
    "prepared_database",
]


@pytest.fixture
def panel() -> Panel:
    """A fresh panel on the memory store; its account has 100.00."""
    return Panel()
