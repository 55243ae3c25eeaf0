"""What every system of the bench starts with: the same accounts, keys, services and money."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

ACCOUNTS = 100
BALANCE = Decimal(10**9)
LINK = "https://example.com/post"
ADD = {"action": "add", "service": "1", "link": LINK, "quantity": "1000"}


def key_of(account: int) -> str:
    """The API key of that account, 1 to ACCOUNTS."""
    return f"{account:08}.Benchmrk-Benchmrk"


def services() -> Iterator[dict[str, Any]]:
    """The price list, as long as ``BENCH_SERVICES`` says."""
    for number in range(1, int(os.environ.get("BENCH_SERVICES", "100")) + 1):
        yield {
            "service": number,
            "name": f"Likes of the kind {number}",
            "type": "Default",
            "category": f"Category {number % 50}",
            "rate": Decimal(1),
            "min": 1,
            "max": 10_000,
            "refill": True,
            "cancel": True,
        }


def wire(service: dict[str, Any]) -> dict[str, Any]:
    """A service as the API answers it."""
    return {**service, "rate": f"{service['rate']:.8f}", "min": str(service["min"]), "max": str(service["max"])}
