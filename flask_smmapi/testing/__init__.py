"""The contract kit: proves that a host's own storage keeps the duties of the hooks. It needs pytest.

A fixture and a class line are a test of everything::

    class TestMyPanel(PanelContract):
        @pytest.fixture
        def host(self):
            return Host(create_app(TEST_DATABASE), accounts=(1, 2), keys={"key of user 1": 1, "revoked key": None})

Give it a database for tests: it orders, pays and cancels on the two accounts. One for all tests will do.
"""

try:
    import pytest
except ImportError as missing:
    raise ImportError("flask_smmapi.testing runs on pytest, which is not installed: pip install pytest.") from missing

# Before they are imported, else whoever uses them sees a bare AssertionError.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("catalog", "duties", "host", "key_lookup", "orders", "panel", "wallet"))
)

from .catalog import CatalogContract  # noqa: E402
from .host import Host  # noqa: E402
from .key_lookup import KeyLookupContract  # noqa: E402
from .orders import OrderStoreContract  # noqa: E402
from .panel import PanelContract  # noqa: E402
from .wallet import WalletContract  # noqa: E402

__all__ = [
    "CatalogContract",
    "Host",
    "KeyLookupContract",
    "OrderStoreContract",
    "PanelContract",
    "WalletContract",
]
