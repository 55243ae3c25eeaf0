"""Flask-SmmApi: the order API for social media services, inside any Flask app."""

from .catalog import ServiceList
from .desk import ClaimLost, Desk
from .errors import SmmError
from .extension import SmmApi, desk_of
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
    WorkQueue,
)
from .placement import NotPossible
from .statuses import OrderStatus, RefillStatus

__all__ = [
    "Account",
    "Catalog",
    "ClaimLost",
    "Desk",
    "KeyLookup",
    "NotPossible",
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
    "WorkQueue",
    "desk_of",
]
