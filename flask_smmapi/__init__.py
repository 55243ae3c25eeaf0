"""Flask-SmmApi: the order API for social media services, inside any Flask app."""

from .catalog import ServiceList
from .errors import SmmError
from .extension import SmmApi
from .hooks import (
    Account,
    Catalog,
    KeyLookup,
    Order,
    OrderStore,
    Refill,
    Service,
    StoreUnavailable,
    Wallet,
)
from .statuses import OrderStatus, RefillStatus

__all__ = [
    "Account",
    "Catalog",
    "KeyLookup",
    "Order",
    "OrderStatus",
    "OrderStore",
    "Refill",
    "RefillStatus",
    "Service",
    "ServiceList",
    "SmmApi",
    "SmmError",
    "StoreUnavailable",
    "Wallet",
]
