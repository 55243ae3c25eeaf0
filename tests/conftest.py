"""Fixtures for every test file."""

from __future__ import annotations

import pytest

from . import fuzzing
from .browser import browser
from .mongo import mongo_store, mongo_uri, mongod, prepared_database
from .panel import Panel
from .postgres import postgres, postgres_database, postgres_url

__all__ = [
    "browser",
    "mongo_store",
    "mongo_uri",
    "mongod",
    "panel",
    "postgres",
    "postgres_database",
    "postgres_url",
    "prepared_database",
]


LONGEST_FIRST = (
    "test_existing_panel",
    "test_mongo_kills",
    "test_example_app",
    "test_desk",
    "test_mongo_races",
    "test_panel_pages",
    "test_stores_mongo",
    "test_hosts",
    "test_placement",
    "test_existing_contract",
    "test_testing",
    "test_limiter_processes",
    "test_cli_services",
    "test_docs_page_browser",
    "test_panel_browser",
    "test_docs",
    "test_walkthrough",
    "test_add",
    "test_dialects",
    "test_openapi",
    "test_views",
    "test_typing",
    "test_cli_orders",
    "test_fuzz_machine",
    "test_fuzz_schema",
)
"""Files that a process of several must not meet last, when the others have nothing left to do: a file is not split."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; all others keep their order."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What ``make fuzz`` has tried."""
    if fuzzing.CASES:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(fuzzing.tried.items()))
        terminalreporter.write_line(f"{fuzzing.tried.total():,} cases: {counts}")


@pytest.fixture
def panel() -> Panel:
    """A fresh panel on the memory store; its account has 100.00."""
    return Panel()
