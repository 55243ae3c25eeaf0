"""Counts failed attempts, on Flask-Limiter's storage: 10 for each caller in 15 minutes, and a cap for each address.

Not by Flask-Limiter's decorator, which counts after the response, so that concurrent guesses slip through: here one
``test`` comes before the key lookup and one ``hit`` after a failure, and the answer of ``hit`` decides. A caller is an
address and a User-Agent (api-documentation.md, Rate Limiting); since anybody can vary the User-Agent, an address alone
has a cap too.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from flask import Flask
from flask_limiter import Limiter
from limits import RateLimitItem
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from .errors import TooManyFailedAttempts

log = logging.getLogger("flask_smmapi")

Limits: TypeAlias = Sequence[RateLimitItem]

RETRY_STORAGE_AFTER = 5.0
"""Seconds of counting in memory before a storage that failed is tried again."""

LOG_EVERY = 60.0
"""Seconds between two log entries about a storage that is down."""

# The strategy belongs into the key: the same key under another strategy is a type error in Redis.
_NAMESPACE = ("smmapi", "failed", "moving-window")

_REDIS_TIMEOUTS = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}
_MONGODB_TIMEOUTS = {"serverSelectionTimeoutMS": 500, "connectTimeoutMS": 500, "socketTimeoutMS": 500}
_TIMEOUTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("redis", "rediss", "redis+unix", "valkey", "valkeys"), _REDIS_TIMEOUTS),
    **dict.fromkeys(("mongodb", "mongodb+srv"), _MONGODB_TIMEOUTS),
}


class Throttle:
    """The failed attempts of one app.

    :param connect: gives the limiter to count with, at the first request; it may depend on what the host set up since.
    :param per_caller: limits for an (address, User-Agent).
    :param per_address: limits for an address.
    """

    def __init__(self, connect: Callable[[], MovingWindowRateLimiter], per_caller: Limits, per_address: Limits) -> None:
        self._connect = connect
        self._per_caller = per_caller
        self._per_address = per_address
        self._lock = threading.Lock()
        self._limiter: MovingWindowRateLimiter | None = None
        self._memory: MovingWindowRateLimiter | None = None
        self._down_until = 0.0
        self._logged_at = -math.inf

    def check(self, address: str | None, user_agent: str) -> None:
        """Let the caller pass, or not; counts nothing.

        :raises TooManyFailedAttempts: if it is blocked.
        """
        self._run(lambda limiter: self._test(limiter, address, user_agent))

    def fail(self, address: str | None, user_agent: str) -> None:
        """Count a failed attempt of the caller.

        :raises TooManyFailedAttempts: if it was one too many, so that exactly the allowed number is answered 401.
        """
        self._run(lambda limiter: self._hit(limiter, address, user_agent))

    def _test(self, limiter: MovingWindowRateLimiter, address: str | None, user_agent: str) -> None:
        blocked = [limit for limit in self._limits(address, user_agent) if not limiter.test(*limit)]
        self._refuse(limiter, blocked)

    def _hit(self, limiter: MovingWindowRateLimiter, address: str | None, user_agent: str) -> None:
        for limit in self._limits(address, user_agent):
            if not limiter.hit(*limit):
                self._refuse(limiter, [limit])

    def _refuse(self, limiter: MovingWindowRateLimiter, blocked: list[tuple[Any, ...]]) -> None:
        if blocked:
            reset = max(limiter.get_window_stats(*limit).reset_time for limit in blocked)
            raise TooManyFailedAttempts(max(1, math.ceil(reset - time.time())))

    def _limits(self, address: str | None, user_agent: str) -> list[tuple[Any, ...]]:
        """Each limit with what identifies the caller; the narrow ones first, so that a refusal there costs no more."""
        network = _network(address)
        agent = hashlib.sha256(user_agent.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return [
            *((item, *_NAMESPACE, "caller", network, agent) for item in self._per_caller),
            *((item, *_NAMESPACE, "address", network) for item in self._per_address),
        ]

    def _run(self, count: Callable[[MovingWindowRateLimiter], None]) -> None:
        """Count in the storage; in memory while that is down, since a limiter's outage is no outage of the API."""
        if time.monotonic() < self._down_until:
            return count(self._in_memory())
        try:
            return count(self._in_storage())
        except TooManyFailedAttempts:
            raise
        except Exception as failure:  # each storage has exceptions of its own, and none is the client's affair
            self._note_outage(failure)
        return count(self._in_memory())

    def _in_storage(self) -> MovingWindowRateLimiter:
        with self._lock:
            if self._limiter is None:
                self._limiter = self._connect()
            return self._limiter

    def _in_memory(self) -> MovingWindowRateLimiter:
        with self._lock:
            if self._memory is None:
                self._memory = MovingWindowRateLimiter(MemoryStorage())
            return self._memory

    def _note_outage(self, failure: Exception) -> None:
        moment = time.monotonic()
        self._down_until = moment + RETRY_STORAGE_AFTER
        if moment - self._logged_at >= LOG_EVERY:
            self._logged_at = moment
            log.exception(
                "The limiter's storage cannot be used: %s Until it can, each process counts failed attempts itself.",
                failure,
            )


def own_limiter(config: Mapping[str, Any]) -> MovingWindowRateLimiter:
    """A limiter on the storage that ``RATELIMIT_STORAGE_URI`` and ``RATELIMIT_STORAGE_OPTIONS`` name; else memory."""
    uri = config.get("RATELIMIT_STORAGE_URI") or "memory://"
    timeouts = _TIMEOUTS.get(uri.partition(":")[0], {})
    return _moving_window(storage_from_string(uri, **{**timeouts, **config.get("RATELIMIT_STORAGE_OPTIONS", {})}))


def host_limiter(limiter: Limiter) -> MovingWindowRateLimiter:
    """A limiter on the storage of the host's own ``Limiter``; the host's strategy and limits stay its own."""
    return _moving_window(limiter.storage)


def find_limiter(app: Flask, given: Limiter | None) -> Limiter | None:
    """The host's ``Limiter`` whose storage counts: the one *given*, else the app's own; None if it is switched off.

    :raises RuntimeError: if the app has several; none of them is the obvious one.
    """
    candidates = app.extensions.get("limiter", ()) if given is None else (given,)
    enabled = [limiter for limiter in candidates if limiter.enabled]
    if len(enabled) > 1:
        raise RuntimeError("The app has several Limiters; say whose storage counts failed attempts: SmmApi(limiter=…).")
    return enabled[0] if enabled else None


def _moving_window(storage: Any) -> MovingWindowRateLimiter:
    try:
        return MovingWindowRateLimiter(storage)
    except NotImplementedError:
        log.warning(
            "%s knows no moving window; failed attempts are counted in each process on its own. "
            "Set RATELIMIT_STORAGE_URI to Redis or MongoDB to count them together.",
            type(storage).__name__,
        )
        return MovingWindowRateLimiter(MemoryStorage())


def _network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 caller can move in freely."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:  # a Unix socket, or nothing that WSGI tells
        return address or "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))
