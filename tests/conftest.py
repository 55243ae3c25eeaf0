"""Fixtures for every test file."""

from __future__ import annotations

import pytest

from .panel import Panel


@pytest.fixture
def panel() -> Panel:
    """A fresh panel on the memory store; its account has 100.00."""
    return Panel()
