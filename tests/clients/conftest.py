"""The served demo that each client speaks to, and an app whose own dialect is the field's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..panel import Panel, serve
from ..test_example_app import Demo, running

pytest.register_assert_rewrite("tests.clients.contract", "tests.clients.programs")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """One for all tests of a module; they place orders of their own, and leave its first ones as they are."""
    with running(EXAMPLE_STORE="memory") as demo:
        yield demo


@pytest.fixture
def fresh_demo() -> Iterator[Demo]:
    """One for a single test that asks for refills: an order has one in flight at a time."""
    with running(EXAMPLE_STORE="memory") as demo:
        yield demo


@pytest.fixture
def panel() -> Panel:
    """An app that speaks the panel dialect also before it knows the account; its account has 100.00."""
    return Panel(config={"SMMAPI_DIALECT": "panel"})


@pytest.fixture
def panel_url(panel: Panel) -> Iterator[str]:
    """Where it is served."""
    with serve(panel.app) as url:
        yield url
