"""Rows 1 and 5: what a request costs in this process, from the WSGI call to the last byte, on the memory store."""

from __future__ import annotations

import gzip
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from benchmarks import product
from benchmarks.data import ADD, key_of
from benchmarks.peers import bare_flask
from benchmarks.report import Line, alternate

IDS = 100
LONG_LIST = 5_000
REPEATS = 200
"""Requests a round, fewer of those that take long."""

PEER = "bare Flask"


class Caller:
    """Sends one form to one app, again and again, as a WSGI server would."""

    def __init__(self, app: Flask, form: dict[str, str], accept: str = "") -> None:
        self._app = app
        self._body = urlencode({"key": key_of(1), **form}).encode()
        self._environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/v2",
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_USER_AGENT": "bench",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(self._body)),
            "wsgi.url_scheme": "http",
            "wsgi.errors": None,
            **({"HTTP_ACCEPT_ENCODING": accept} if accept else {}),
        }
        self.headers: dict[str, str] = {}

    def __call__(self) -> bytes:
        """The body of the answer.

        :raises RuntimeError: if it is none of 200, which is no measurement.
        """
        answer = self._app.wsgi_app({**self._environ, "wsgi.input": BytesIO(self._body)}, self._start)
        body = b"".join(answer)
        answer.close()  # type: ignore[attr-defined] # which WSGI promises only where there is one; Werkzeug's has
        return body

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        if status != "200 OK":
            raise RuntimeError(f"{status} from {self._app.name}")
        self.headers = dict(headers)
        return lambda data: None

    def json(self) -> Any:
        """The answer, unpacked."""
        body = self()
        return json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)


def microseconds(call: Callable[[], object], repeats: int) -> Callable[[], float]:
    """A round: what one call costs, of so many."""

    def measure() -> float:
        begun = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - begun) / repeats * 1e6

    return measure


def place(app: Flask, count: int) -> list[str]:
    """The ids of so many orders of account 1."""
    add = Caller(app, ADD)
    return [add.json()["order"] for _ in range(count)]


@contextmanager
def long_price_list(services: int) -> Iterator[None]:
    """Apps that are made meanwhile have so many services."""
    os.environ["BENCH_SERVICES"] = str(services)
    try:
        yield
    finally:
        del os.environ["BENCH_SERVICES"]


def against_bare_flask(rounds: int, repeats: int = REPEATS, services: int = LONG_LIST) -> list[Line]:
    """Row 1."""
    with long_price_list(services):
        ours, bare = product.in_memory(), bare_flask.create_app()
    forms: list[tuple[str, Callable[[Flask], dict[str, str]], int, float]] = [
        ("balance", lambda app: {"action": "balance"}, repeats, 1.3),
        ("add", lambda app: ADD, repeats, 1.3),
        (f"status of {IDS}", lambda app: {"action": "status", "orders": ",".join(place(app, IDS))}, repeats // 5, 1.5),
    ]
    lines = []
    for name, form, times, limit in forms:
        calls = {app.name: Caller(app, form(app)) for app in (ours, bare)}
        require_same(calls[ours.name], calls[bare.name])
        values = timed(calls, rounds, times)
        lines.append(Line(1, name, "µs", values[ours.name], PEER, values[bare.name], at_most=limit))
    return [*lines, *of_services(ours, rounds, repeats)]


def require_same(ours: Caller, theirs: Caller) -> None:
    """:raises RuntimeError: if the two do not answer with the same fields."""
    shapes = [shape(caller.json()) for caller in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise RuntimeError(f"The answers are not alike: {shapes}")


def shape(answer: Any) -> Any:
    """The fields of an answer, without the ids that are its keys."""
    first = next(iter(answer.values())) if isinstance(answer, dict) else answer[0]
    return (len(answer), list(first)) if isinstance(first, dict) else list(answer)


def of_services(app: Flask, rounds: int, repeats: int) -> list[Line]:
    """The price list, plain and packed, against the balance of the same app."""
    calls = {
        "balance": Caller(app, {"action": "balance"}),
        "services": Caller(app, {"action": "services"}),
        "packed": Caller(app, {"action": "services"}, accept="gzip"),
    }
    count = len(calls["services"].json())
    values = timed(calls, rounds, repeats)
    is_packed = calls["packed"].headers.get("Content-Encoding") == "gzip"
    name = f"services, {count:,} entries"
    return [
        Line(1, name, "µs", values["services"], "own balance", values["balance"], at_most=1.2),
        Line(1, f"{name}, with gzip", "µs", values["packed"], "without", values["services"], at_most=1.05),
        Line(1, f"{name}, with gzip", "answers that are packed", [int(is_packed)], at_least=1),
    ]


def timed(calls: dict[str, Caller], rounds: int, repeats: int) -> dict[str, list[float]]:
    """Rounds of all of them, after one that does not count."""
    rounds_of = {name: microseconds(call, max(1, repeats)) for name, call in calls.items()}
    alternate(rounds_of, 1)
    return alternate(rounds_of, rounds)


def by_ids(rounds: int, repeats: int = REPEATS) -> tuple[list[Line], dict[str, Any]]:
    """Row 5, its second half: what an order adds to a status."""
    app = product.in_memory()
    ids = place(app, IDS)
    asked = {count: Caller(app, {"action": "status", "orders": ",".join(ids[:count])}) for count in (1, 10, IDS)}
    values = timed({str(count): call for count, call in asked.items()}, rounds, repeats // 2)
    one, ten, all_ = (values[str(count)] for count in asked)
    slopes = [(last - first) / (IDS - 1) for first, last in zip(one, all_, strict=True)]
    # On a line through the first and the last, 10 orders would cost this much.
    between = [first + 9 * slope for first, slope in zip(one, slopes, strict=True)]
    lines = [
        Line(5, "status, each further order", "µs", slopes, at_most=5),
        Line(5, "status of 10", "µs", ten, "on a line from 1 to 100", between, at_most=1.2),
    ]
    return lines, {"status by ids": {count: statistics.median(times) for count, times in values.items()}}
