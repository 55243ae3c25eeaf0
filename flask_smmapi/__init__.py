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
    OrderState,
    OrderStore,
    Refill,
    Service,
    StateReader,
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
    "OrderState",
    "OrderStatus",
    "OrderStore",
    "Refill",
    "RefillStatus",
    "Service",
    "ServiceList",
    "SmmApi",
    "SmmError",
    "StateReader",
    "StoreUnavailable",
    "Wallet",
    "WorkQueue",
    "desk_of",
]
