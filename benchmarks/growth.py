"""Row 5: how requests slow down as orders pile up in MongoDB. ``make bench-growth`` goes up to a million.

Databases on one server, one with few orders and others with many, take turns; what is printed are medians and their
ratio, so that a noisy machine slows all. Everything runs in this process: the request is made by Flask's test client.
"""

from __future__ import annotations

import argparse
import os
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

from benchmarks.report import Line, alternate, spread
from example_app.mongod import Mongod
from flask_smmapi import Account, Order, OrderStatus, Service, SmmApi
from flask_smmapi.ids import new_id
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.records import entry_id, from_order

LINK = "https://example.com/post"
ACCOUNTS = 10
"""So few that account 1, which asks, has a hundred orders in the smallest database too."""
IDS = 100
UNIT = 10**8
OPENING = 10**6 * UNIT
TEMPLATES = 1_000
REQUESTS = ("status of 100", "balance", "add", "cancel")
LIMIT = 1.2


class Panel:
    """A panel with *count* orders, spread over its accounts; account 1 is the one that asks."""

    def __init__(self, uri: str, count: int) -> None:
        fill(uri, count)
        self.store = MongoStore(uri, alias=f"orders-{count}")
        self.store.create_indexes()
        self.app = Flask("panel")
        self.app.config["SMMAPI_MONGODB_ALIAS"] = f"orders-{count}"
        self.smmapi = SmmApi(self.app, store=self.store)
        self.store.set_services([Service(1, "Likes", "Default", "Tests", Decimal(1), 1, 10_000, cancel=True)])
        self.key = self.store.add_account(Account(id=1))
        self.client = self.app.test_client()
        mine = [order_id(number) for number in range(0, count, ACCOUNTS)]
        self.ids = ",".join(mine[:: len(mine) // IDS][:IDS])

    def post(self, **params: str) -> Any:
        """The answer, and how long it took in milliseconds."""
        begun = time.perf_counter()
        answer = self.client.post("/api/v2", data={"key": self.key, **params})
        took = (time.perf_counter() - begun) * 1000
        assert answer.status_code == 200, answer.get_data()  # noqa: S101 - a failed request is no measurement
        return answer.get_json(), took

    def status(self) -> float:
        return self.post(action="status", orders=self.ids)[1]

    def balance(self) -> float:
        return self.post(action="balance")[1]

    def add(self) -> float:
        return self.post(action="add", service="1", link=LINK, quantity="1000")[1]

    def cancel(self) -> float:
        answer, _ = self.post(action="add", service="1", link=LINK, quantity="1000")
        return self.post(action="cancel", order=answer["order"])[1]

    def round(self, name: str, repeats: int) -> Callable[[], float]:
        """The mean of so many requests, in milliseconds."""
        request = getattr(self, name.partition(" ")[0])
        return lambda: sum(request() for _ in range(repeats)) / repeats


# The server multiplies a thousand orders by itself: a million that come over the wire take minutes.


def fill(uri: str, count: int) -> None:
    """Store *count* completed orders with their debits, as if they had been placed in turn by all accounts."""
    with pymongo.MongoClient[dict[str, Any]](uri, uuidRepresentation="standard") as client:
        database = client.get_default_database()
        template = from_order(an_order())
        database["few"].insert_many([{"_id": number} for number in range(TEMPLATES)])
        numbered = [
            {"$set": {"n": {"$range": [{"$multiply": ["$_id", count // TEMPLATES]}, next_one(count)]}}},
            {"$unwind": "$n"},
            {"$set": {"account": {"$add": [1, {"$mod": ["$n", ACCOUNTS]}]}, "hex": hex_of("$n")}},
        ]
        orders = {
            **{name: {"$literal": value} for name, value in template.items()},
            "_id": {"$toObjectId": "$hex"},
            "account": "$account",
            "number": {"$toLong": {"$add": [10**9, "$n"]}},
        }
        turn = {"$toLong": {"$add": [1, {"$floor": {"$divide": ["$n", ACCOUNTS]}}]}}
        ledger = {
            "_id": {"account": "$account", "reference": "$hex"},
            "account": "$account",
            "seq": {"$add": [turn, Int64(1)]},
            "kind": "debit",
            "units": Int64(-UNIT),
            "balance": {"$subtract": [Int64(OPENING), {"$multiply": [turn, Int64(UNIT)]}]},
            "at": template["created"],
        }
        for collection, fields in (("smmapi_orders", orders), ("smmapi_ledger", ledger)):
            literal = {name: value if is_computed(value) else {"$literal": value} for name, value in fields.items()}
            database["few"].aggregate([*numbered, {"$project": literal}, {"$out": collection}])
        database["smmapi_ledger"].insert_many([opening(account) for account in range(1, ACCOUNTS + 1)])
        database.drop_collection("few")


def next_one(count: int) -> dict[str, Any]:
    """Where the next template's numbers begin."""
    return {"$multiply": [{"$add": ["$_id", 1]}, count // TEMPLATES]}


def is_computed(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, str) and value.startswith("$"))


def hex_of(number: str) -> dict[str, Any]:
    """The server's :func:`order_id`."""
    return {"$concat": ["500000000000000", {"$toString": {"$add": [10**8, number]}}]}


def order_id(number: int) -> str:
    """24 digits, which are hexadecimal ones too."""
    return f"500000000000000{10**8 + number}"


def an_order() -> Order:
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)
    return Order(
        id=new_id(),
        account=1,
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
    )


def opening(account: int) -> dict[str, Any]:
    """The first entry of the account's ledger."""
    return {
        "_id": entry_id(account, f"opening:{account}"),
        "account": account,
        "seq": Int64(1),
        "kind": "credit",
        "units": Int64(OPENING),
        "balance": Int64(OPENING),
        "at": datetime.now(timezone.utc) - timedelta(days=60),
    }


def panels(uri: str, sizes: list[int]) -> dict[int, Panel]:
    """A panel of each size, on one server."""
    base = uri.partition("?")[0]
    return {size: Panel(f"{base}orders_{size}?directConnection=true", size) for size in sizes}


def measure(of_size: dict[int, Panel], rounds: int, repeats: int) -> dict[str, dict[int, list[float]]]:
    """Milliseconds a request, by request and size; a value a round, the panels taking turns."""
    times: dict[str, dict[int, list[float]]] = {}
    for name in REQUESTS:
        requests = {size: panel.round(name, repeats) for size, panel in of_size.items()}
        alternate(requests, 2)  # warm
        times[name] = alternate(requests, rounds)
    return times


def lines(times: dict[str, dict[int, list[float]]]) -> list[Line]:
    """The largest against the smallest."""
    found = []
    for name, by_size in times.items():
        least, most = min(by_size), max(by_size)
        what = f"{name}, {most:,} orders"
        found.append(Line(5, what, "ms", by_size[most], f"{least:,} orders", by_size[least], at_most=LIMIT))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=30, help="requests a round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        server = Mongod(Path(folder))
        uri = server.acquire()
        try:
            of_size = panels(uri, arguments.sizes)
            times = measure(of_size, arguments.rounds, arguments.repeats)
        finally:
            server.release()
    print(f"Median milliseconds a request, of {arguments.rounds} rounds of {arguments.repeats} (least–most)\n")
    print("| request | " + " | ".join(f"{size:,} orders" for size in of_size) + " | last / first |")
    print("|---|" + "---|" * (len(of_size) + 1))
    for line, (name, by_size) in zip(lines(times), times.items(), strict=True):
        print(f"| {name} | {' | '.join(spread(values) for values in by_size.values())} | {line.value:.2f} |")


if __name__ == "__main__":
    main()
