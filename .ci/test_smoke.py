"""The contract kit of the installed wheel, in an integrator's eight lines."""

from decimal import Decimal

import pytest

from flask_smmapi import Account, Service
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.testing import Host, PanelContract

LIKES = Service(1, "Likes", "Default", "Tests", Decimal("1.00"), min=1, max=10_000, cancel=True)


class TestWheel(PanelContract):
    @pytest.fixture
    def host(self) -> Host:
        store = MemoryStore([LIKES])
        keys = {store.add_account(Account(1)): 1}
        parts = {"key_lookup": store.key_lookup, "catalog": store.catalog, "wallet": store, "orders": store}
        return Host(accounts=(1, 2), keys=keys, **parts)
