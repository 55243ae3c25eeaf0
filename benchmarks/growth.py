"""How requests slow down as orders pile up in MongoDB: ``make bench-growth``.

Two databases on one server, one with few orders and one with many, take turns; what is printed are medians and their
ratio, so that a noisy machine slows both. Everything runs in this process: the request is made by Flask's test client.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymongo
from bson.int64 import Int64
from flask import Flask

from example_app.mongod import Mongod
from flask_smmapi import Account, Order, OrderStatus, Service, SmmApi
from flask_smmapi.ids import new_id
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.records import entry_id, from_order

LINK = "https://example.com/post"
ACCOUNTS = 50
MINE = 5
"""Each so many-th order is account 1's, so that it has a hundred to ask for in the smallest database too."""
CHUNK = 5_000


class Panel:
    """A panel with *count* orders, spread over its accounts; account 1 is the one that asks."""

    def __init__(self, uri: str, count: int) -> None:
        self.store = MongoStore(uri, alias=f"orders-{count}")
        self.store.create_indexes()
        self.app = Flask("panel")
        self.app.config["SMMAPI_MONGODB_ALIAS"] = f"orders-{count}"
        SmmApi(self.app, store=self.store)
        self.store.set_services([Service(1, "Likes", "Default", "Tests", Decimal(1), 1, 10_000, cancel=True)])
        self.key = self.store.add_account(Account(id=1), balance=Decimal(1_000_000))
        self.ids = fill(uri, count)
        self.client = self.app.test_client()

    def post(self, **params: str) -> None:
        answer = self.client.post("/api/v2", data={"key": self.key, **params})
        assert answer.status_code == 200, answer.get_data()  # noqa: S101 - a failed request is no measurement

    def status(self) -> None:
        self.post(action="status", orders=",".join(self.ids))

    def balance(self) -> None:
        self.post(action="balance")

    def add(self) -> None:
        self.post(action="add", service="1", link=LINK, quantity="1000")


def fill(uri: str, count: int) -> list[str]:
    """Store *count* completed orders with their debits; gives a hundred ids of account 1, from all ages."""
    mine: list[str] = []
    with pymongo.MongoClient(uri, uuidRepresentation="standard") as client:
        database = client.get_default_database()
        for first in range(0, count, CHUNK):
            orders = [order(number) for number in range(first, min(first + CHUNK, count))]
            mine += [one.id for one in orders if one.account == 1]
            database["smmapi_orders"].insert_many([from_order(one) for one in orders], ordered=False)
            database["smmapi_ledger"].insert_many([debit(one) for one in orders], ordered=False)
    return mine[:: max(1, len(mine) // 100)][:100]


def order(number: int) -> Order:
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)
    return Order(
        id=new_id(),
        account=1 if number % MINE == 0 else 2 + number % (ACCOUNTS - 1),
        service=1,
        params={"link": LINK, "quantity": "1000"},
        rate=Decimal(1),
        per=1000,
        count=1000,
        charge=Decimal(1),
        currency="USD",
        cancelable=True,
        refillable=False,
        fingerprint="0" * 64,
        created=long_ago,
        remains=0,
        status=OrderStatus.COMPLETED,
        ended=long_ago,
        number=10**9 + number,
    )


def debit(order: Order) -> dict[str, Any]:
    """The entry of its account's ledger, so that the ledger grows with the orders."""
    return {
        "_id": entry_id(order.account, order.id),
        "account": order.account,
        "seq": Int64(order.number),
        "kind": "debit",
        "units": Int64(-(10**8)),
        "balance": Int64(10**6 * 10**8),
        "at": order.created,
    }


def measure(requests: dict[int, Callable[[], None]], rounds: int, repeats: int) -> dict[int, list[float]]:
    """Milliseconds a request, by the size of its panel; a value a round, the panels taking turns."""
    times: dict[int, list[float]] = {size: [] for size in requests}
    for _ in range(rounds):
        for size, request in requests.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                request()
            times[size].append((time.perf_counter() - begun) / repeats * 1000)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 200_000], help="orders in each database")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=30, help="requests a round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Mongod(Path(folder))
        base, _, options = server.acquire().partition("?")
        try:
            panels = {size: Panel(f"{base}orders_{size}?{options}", size) for size in arguments.sizes}
            print(f"Median milliseconds a request, of {arguments.rounds} rounds of {arguments.repeats} (least–most)\n")
            print("| request | " + " | ".join(f"{size:,} orders" for size in panels) + " | last / first |")
            print("|---|" + "---|" * (len(panels) + 1))
            for name in ("status", "balance", "add"):
                requests = {size: getattr(panel, name) for size, panel in panels.items()}
                measure(requests, 2, arguments.repeats)  # warm
                times = measure(requests, arguments.rounds, arguments.repeats)
                print(row("status of 100" if name == "status" else name, list(times.values())))
        finally:
            server.release()


def row(name: str, columns: list[list[float]]) -> str:
    cells = [f"{statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f})" for times in columns]
    ratio = statistics.median(columns[-1]) / statistics.median(columns[0])
    return f"| {name} | {' | '.join(cells)} | {ratio:.2f} |"


if __name__ == "__main__":
    main()
