"""What the processes of one server do in tests/test_limiter_processes.py: guess keys, all of their threads at once.

``python -m tests.guessing mongodb://…`` guesses once, and ends while the app that it did it with is garbage.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from .panel import Panel, at_once
from .test_throttle import guess

PROCESSES, THREADS = 4, 8
SIMULTANEOUS = PROCESSES * THREADS

DEADLINE = 60.0
"""Seconds after which a test that hangs is given up."""


class Site(NamedTuple):
    """The app of one server; each of its processes sets it up for itself.

    :param uri: of the limiter's storage.
    :param options: of that storage.
    :param limiter: whether the app has a ``Limiter`` of its own.
    """

    uri: str
    options: Mapping[str, Any]
    limiter: bool = False

    def set_up(self, *, config: Mapping[str, Any] | None = None, **given: Any) -> Panel:
        app = Flask("panel")
        app.config.update(RATELIMIT_STORAGE_URI=self.uri, RATELIMIT_STORAGE_OPTIONS=self.options)
        if self.limiter:
            Limiter(get_remote_address, app=app)
        return Panel(app=app, config=config, **given)


def redis_site(uri: str, seconds: float = 20) -> Site:
    """A site that counts in Redis; patient by default, so that a slow machine is no outage."""
    return Site(uri, {"socket_timeout": seconds, "socket_connect_timeout": seconds})


def mongodb_site(uri: str, seconds: float = 20) -> Site:
    """A site that counts in MongoDB."""
    return Site(uri, {"timeoutMS": int(seconds * 1000), "connectTimeoutMS": int(seconds * 1000)})


_together: Any
"""A barrier for all threads of all processes."""


def enlist(together: Any) -> None:
    global _together
    _together = together


def _meet(key: str) -> None:
    """A key lookup that knows no key and waits for all: each has passed the check by then, and none is counted."""
    _together.wait(DEADLINE)


def guess_together(site: Site, config: Mapping[str, Any], callers: range) -> list[list[int]]:
    """For each of *callers*, one after the other, what the threads of this process heard, which guess all at once."""
    panel = site.set_up(config=config, key_lookup=_meet)

    def guess_for_each(_: int) -> list[int]:
        return [guess(panel, address=f"198.51.100.{n}", agent=f"caller {n}").status for n in callers]

    return [list(heard) for heard in zip(*at_once(THREADS, guess_for_each), strict=True)]


if __name__ == "__main__":
    gc.disable()
    print(guess(mongodb_site(sys.argv[1]).set_up()).status)
