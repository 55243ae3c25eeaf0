"""A regression of speed is seen by what it does, not by a clock: the function calls of a request, in process.

The round trips of each action are in ``test_mongo_queries.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from flask import Flask, Response

from .panel import LINK, WRONG_KEY, Panel

CALLS = {
    "balance": 405,
    "services": 440,
    "status of 1": 474,
    "status of 100": 2157,
    "add": 718,
    "add with a key": 780,
    "cancel": 599,
    "refill": 529,
    "refused key": 475,
}
"""How many functions a request calls, Python's and C's, beyond those of an empty view of Flask. The versions of Python
from 3.10 to 3.13 differ by at most two in a hundred.

To record them anew, after a change that is meant: ``python -m tests.test_costs`` prints them.
"""

TOLERANCE = 0.1


def count_calls(request: Callable[[], object]) -> int:
    """The functions that *request* calls in this thread."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        request()
    finally:
        sys.setprofile(before)
    return count


def empty_view() -> Callable[[], object]:
    """A request of the same form to a view that does nothing."""
    app = Flask("empty")
    app.add_url_rule("/api/v2", view_func=lambda: Response(b"{}", mimetype="application/json"), methods=["POST"])
    return lambda: app.test_client().post("/api/v2", data={"key": WRONG_KEY, "action": "balance"})


def requests() -> dict[str, Callable[[], object]]:
    """Each may be made again and again, and does the same work."""
    panel = Panel(balance="100000")
    many = ",".join(panel.place().id for _ in range(100))
    place = {"service": 123, "link": LINK, "quantity": 1000}
    open_orders = iter([panel.place() for _ in range(9)])
    done = iter([panel.complete(panel.place()) for _ in range(9)])
    keys = iter([f"order-{number:04}" for number in range(9)])
    return {
        "balance": lambda: panel.post("balance"),
        "services": lambda: panel.post("services"),
        "status of 1": lambda: panel.post("status", order=many[:24]),
        "status of 100": lambda: panel.post("status", orders=many),
        "add": lambda: panel.post("add", **place),
        "add with a key": lambda: panel.post("add", **place, request_id=next(keys)),
        "cancel": lambda: panel.post("cancel", order=next(open_orders).id),
        "refill": lambda: panel.post("refill", order=next(done).id),
        "refused key": lambda: panel.post("balance", key=WRONG_KEY),
    }


def count_all() -> dict[str, int]:
    """What each request costs in a warm process: the least of a few, since the first of anything may be more."""
    floor = least(empty_view())
    return {name: least(request) - floor for name, request in requests().items()}


def least(request: Callable[[], object]) -> int:
    return min(count_calls(request) for _ in range(4))


def test_no_request_calls_more_functions_than_recorded() -> None:
    counted = count_all()
    far = {
        name: (counted[name], figure)
        for name, figure in CALLS.items()
        if abs(counted[name] - figure) > TOLERANCE * figure
    }
    assert far == {}, "By request: what was counted, what is recorded. If the change is meant, record the figures anew."


if __name__ == "__main__":
    print("\n".join(f"{name}: {count}" for name, count in count_all().items()))
