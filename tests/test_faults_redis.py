"""Redis is slow, full or takes no writes: nobody is refused for it, the log says so, and it is used again afterwards.

Killed, hung, and a replica that may only be read: test_limiter_processes.py.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from flask_smmapi import throttle

from .faults import Proxy
from .guessing import Site, redis_site
from .panel import Panel
from .test_limiter_integration import (
    BLOCKED_AFTER_TEN,
    RedisServer,
    entries,
    look_again,
    patience,
    redis,
)
from .test_throttle import Clock, guess, guesses

__all__ = ["patience", "redis"]


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[Proxy]:
    with Proxy(urlsplit(redis.uri).port or 0) as proxy:
        yield proxy


@contextmanager
def away(proxy: Proxy, owner: Any) -> Iterator[None]:
    proxy.go_away()
    yield
    proxy.listen()


@contextmanager
def slow(proxy: Proxy, owner: Any) -> Iterator[None]:
    proxy.delay = 2.0
    yield
    proxy.delay = 0.0


@contextmanager
def full_of_connections(proxy: Proxy, owner: Any) -> Iterator[None]:
    """Whoever is connected may stay; the others hear an error."""
    usual = owner.config_get("maxclients")
    with ExitStack() as others:
        proxy.cut()
        owner.config_set("maxclients", 1)
        others.enter_context(closing(socket.create_connection(("127.0.0.1", proxy.target))))
        yield
    owner.config_set("maxclients", usual["maxclients"])


@contextmanager
def without_enough_replicas(proxy: Proxy, owner: Any) -> Iterator[None]:
    owner.config_set("min-replicas-to-write", 1)
    yield
    owner.config_set("min-replicas-to-write", 0)


@contextmanager
def full_of_data(proxy: Proxy, owner: Any) -> Iterator[None]:
    owner.config_set("maxmemory-policy", "noeviction")
    owner.config_set("maxmemory", 1)
    yield
    owner.config_set("maxmemory", 0)


REASONS = {
    away: "Connection refused",
    slow: "Timeout",
    full_of_connections: "max number of clients reached",
    without_enough_replicas: "NOREPLICAS",
    full_of_data: "maxmemory",
}
"""What the log gives as the reason."""


@pytest.mark.parametrize(
    ("fault", "at_start"),
    [(fault, at_start) for fault in REASONS for at_start in (True, False) if at_start or fault is not away],
    ids=lambda value: {True: "at the start", False: "later"}.get(value) or value.__name__,
)
def test_a_storage_that_cannot_count_refuses_nobody_and_is_used_again_when_it_can(
    fault: Callable[[Proxy, Any], Any],
    at_start: bool,
    proxy: Proxy,
    redis: RedisServer,
    patience: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def worker() -> Panel:
        return Site(f"redis://127.0.0.1:{proxy.port}", {}).set_up()

    panel = worker()
    if not at_start:
        assert guess(panel, key=panel.key).status == 200
    with closing(Redis.from_url(redis.uri)) as owner:
        owner.ping()
        with fault(proxy, owner):
            assert guess(panel, key=panel.key).status == 200
            assert guesses(panel, 11) == BLOCKED_AFTER_TEN
            look_again(patience, panel)
            assert guesses(panel, 1) == [429]
        [entry] = entries(caplog)
        assert "The limiter's storage cannot be used" in entry.getMessage()
        assert REASONS[fault] in entry.getMessage()
    look_again(patience, panel)
    assert guesses(panel, 10) == [401] * 10
    assert guesses(worker(), 1) == [429]
    assert len(entries(caplog)) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == throttle.LOOKER]


def test_an_outage_soon_after_another_is_logged_too(
    redis: RedisServer, patience: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_smmapi")
    panel = redis_site(redis.uri).set_up()
    guess(panel, key=panel.key)
    with closing(Redis.from_url(redis.uri)) as owner:
        for outages in (1, 2):
            owner.config_set("min-replicas-to-write", 1)
            guesses(panel, 2, agent=f"outage {outages}")
            look_again(patience, panel)
            owner.config_set("min-replicas-to-write", 0)
            look_again(patience, panel)
            assert len(entries(caplog)) == outages
            assert caplog.text.count("The limiter's storage is used again.") == outages
