"""The memory store keeps every duty of the seam, and has an owner's side."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.testing import Host, PanelContract

from .contracts import ME, OwnersSideContract
from .panel import host_of


class TestMemoryStore(PanelContract):
    @pytest.fixture
    def host(self) -> Host:
        return host_of(MemoryStore())


class TestMemoryOwnersSide(OwnersSideContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


def test_the_ledger_lists_every_movement() -> None:
    store = MemoryStore()
    store.credit(ME, Decimal(2), "deposit")
    store.debit(ME, Decimal(1), "order")
    store.debit(ME, Decimal(9), "refused")
    store.void(ME, "order")
    movements = [(movement.reference, movement.units) for movement in store.movements(ME)]
    assert movements == [("deposit", 2 * 10**8), ("order", -(10**8)), ("order:void", 10**8)]
