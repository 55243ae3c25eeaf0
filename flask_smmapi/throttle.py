"""Counts failed attempts, on Flask-Limiter's storage: 10 for each caller in 15 minutes, and a cap for each address.

Not by Flask-Limiter's decorator, which counts after the response, so that concurrent guesses slip through: here one
``test`` comes before the key lookup and one ``hit`` after a failure, and the answer of ``hit`` decides. A caller is an
address and a User-Agent (api-documentation.md, Rate Limiting); since anybody can vary the User-Agent, an address alone
has a cap too.
"""

from __future__ import annotations

import atexit
import hashlib
import ipaddress
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from flask import Flask
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, MongoDBStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from .errors import TooManyFailedAttempts

log = logging.getLogger("flask_smmapi")

Limits: TypeAlias = Sequence[RateLimitItem]

RETRY_STORAGE_AFTER = 5.0
"""Seconds of counting in memory before somebody looks whether a storage that failed is back."""

LOG_EVERY = 60.0
"""Seconds between two log entries about one outage of a storage."""

MOST_IN_MEMORY = 10_000
"""Windows that are kept in memory, two for a caller with an address of its own. Further callers share theirs."""

LOOK_FOR_ROOM_AFTER = 5.0
"""Seconds until it is looked again whether the time of some of them is over."""

LOOKER = "smmapi-limiter-storage"
"""The name of the thread that looks."""

# The strategy belongs into the key: the same key under another strategy is a type error in Redis.
_NAMESPACE = ("smmapi", "failed", "moving-window")
_OURS = "/".join(_NAMESPACE)

# What a look asks for. A hit, since a server that takes no writes may still answer a ping; and one that is far from its
# limit, since nothing is written when it is refused.
_LOOK = (RateLimitItemPerSecond(1000), *_NAMESPACE, "look")

# A storage that hangs holds a request up for half a second at most. So no retries, but for MongoDB's, which are within
# its timeout for a whole operation; the others are for what its driver does by itself, such as hanging up. That for
# connecting is longer, since a driver that hears of a failure before its time is up waits for half a second more.
_REDIS_TIMEOUTS = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "retry": None}
_SENTINEL_TIMEOUTS = {**_REDIS_TIMEOUTS, "sentinel_kwargs": _REDIS_TIMEOUTS}
_MONGODB_TIMEOUTS = {
    **dict.fromkeys(("timeoutMS", "serverSelectionTimeoutMS", "socketTimeoutMS"), 300),
    "connectTimeoutMS": 450,
}
_TIMEOUTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("redis", "rediss", "redis+unix", "redis+cluster"), _REDIS_TIMEOUTS),
    **dict.fromkeys(("valkey", "valkeys", "valkey+unix", "valkey+cluster"), _REDIS_TIMEOUTS),
    **dict.fromkeys(("redis+sentinel", "valkey+sentinel"), _SENTINEL_TIMEOUTS),
    **dict.fromkeys(("mongodb", "mongodb+srv"), _MONGODB_TIMEOUTS),
}


class Counting(NamedTuple):
    """Where failed attempts are counted.

    :param together: in a storage that all processes share; else each counts on its own, in memory.
    :param unfit: the storage that was to be used, but knows no moving window; None if there is none.
    """

    together: bool
    unfit: str | None


class Throttle:
    """The failed attempts of one app.

    :param connect: gives the limiter to count with, at the first request; it may depend on what the host set up since.
    :param per_caller: limits for an (address, User-Agent).
    :param per_address: limits for an address.
    """

    def __init__(self, connect: Callable[[], MovingWindowRateLimiter], per_caller: Limits, per_address: Limits) -> None:
        self._storage = _Storage(connect)
        self._per_caller = per_caller
        self._per_address = per_address
        self._room = _Room(MOST_IN_MEMORY)

    def check(self, address: str | None, user_agent: str) -> None:
        """Let the caller pass, or not; counts nothing.

        :raises TooManyFailedAttempts: if it is blocked.
        """
        self._storage.use(lambda limiter: self._test(limiter, address, user_agent))

    def fail(self, address: str | None, user_agent: str) -> None:
        """Count a failed attempt of the caller.

        :raises TooManyFailedAttempts: if it was one too many, so that exactly the allowed number is answered 401.
        """
        self._storage.use(lambda limiter: self._hit(limiter, address, user_agent))

    def probe(self) -> Counting:
        """Try the storage, in whatever state it was, and say where attempts are counted.

        :raises Exception: whatever a storage raises that cannot be made, or cannot count just now.
        """
        limiter = self._storage.probe()
        unfit = limiter.unfit if isinstance(limiter, _InMemoryInstead) else None
        return Counting(together=not isinstance(limiter.storage, MemoryStorage), unfit=unfit)

    def _test(self, limiter: MovingWindowRateLimiter, address: str | None, user_agent: str) -> None:
        blocked = [limit for limit in self._limits(limiter, address, user_agent) if not limiter.test(*limit)]
        self._refuse(limiter, blocked)

    def _hit(self, limiter: MovingWindowRateLimiter, address: str | None, user_agent: str) -> None:
        for limit in self._limits(limiter, address, user_agent):
            # Twice, since MongoDB's storage also refuses whoever loses the race for the first entry of all.
            if not limiter.hit(*limit) and not limiter.hit(*limit):
                self._refuse(limiter, [limit])

    def _refuse(self, limiter: MovingWindowRateLimiter, blocked: list[tuple[Any, ...]]) -> None:
        if blocked:
            reset = max(limiter.get_window_stats(*limit).reset_time for limit in blocked)
            raise TooManyFailedAttempts(max(1, math.ceil(reset - time.time())))

    def _limits(self, limiter: MovingWindowRateLimiter, address: str | None, user_agent: str) -> list[tuple[Any, ...]]:
        """Each limit with what identifies the caller; the narrow ones first, so that a refusal there costs no more.

        Where memory is full, no window is begun for another caller: all that come from one neighbourhood may then fail
        together as often as one address. To forget windows instead would let whoever has many addresses go on for ever.
        """
        storage, network = limiter.storage, _network(address)
        agent = hashlib.sha256(user_agent.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        callers = [(item, *_NAMESPACE, "caller", network, agent) for item in self._per_caller]
        addresses = [(item, *_NAMESPACE, "address", network) for item in self._per_address]
        if isinstance(storage, MemoryStorage) and self._room.is_full(storage):
            shared = [(item, *_NAMESPACE, "neighbourhood", _neighbourhood(address)) for item in self._per_address]
            callers = [own for own in callers if _is_there(storage, own)]
            addresses = [
                own if _is_there(storage, own) else other for own, other in zip(addresses, shared, strict=True)
            ]
        return [*callers, *addresses]


class _Room:
    """Whether a storage in memory has room for another window of ours. A window is kept until its time is over.

    :param most: windows that there is room for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._full = False
        self._look_at = most
        self._look_again = -math.inf

    def is_full(self, storage: MemoryStorage) -> bool:
        """Look, if there may be other windows by now than there were at the last look; say what was seen then."""
        moment = time.monotonic()
        if len(storage.events) >= self._look_at and moment >= self._look_again:
            kept = _forget_what_is_over(storage)
            self._full = kept >= self._most
            self._look_at = 0 if self._full else len(storage.events) + max(self._most - kept, self._most // 10)
            self._look_again = moment + LOOK_FOR_ROOM_AFTER if self._full else -math.inf
        return self._full


def _forget_what_is_over(storage: MemoryStorage) -> int:
    """Take our windows whose time is over out of *storage*, which keeps them empty; how many are left."""
    ours = [(name, events) for name, events in list(storage.events.items()) if _OURS in name]
    over = [name for name, events in ours if not events or events[0].expiry <= time.time()]  # the newest one is first
    for name in over:
        with storage.locks[name]:  # under which the storage's own timer takes out what is over
            storage.clear(name)
    return len(ours) - len(over)


def _is_there(storage: MemoryStorage, limit: tuple[Any, ...]) -> bool:
    item, *identifiers = limit
    return item.key_for(*identifiers) in storage.events


class _Storage:
    """Where to count: in the limiter's storage, or in this process's memory while that is down.

    A storage that is down may take long to say so, and each request that tries it would wait that long. So the first
    failure is the end of it: from then on no request touches the storage, until a thread that one of them starts, at
    most every RETRY_STORAGE_AFTER seconds, has seen it count again.

    :param connect: as for ``Throttle``.
    """

    def __init__(self, connect: Callable[[], MovingWindowRateLimiter]) -> None:
        self._connect = connect
        self.forget()
        _storages.add(self)

    def forget(self) -> None:
        """Begin anew, as a forked process must: whoever was looking, or holds a lock, is not there.

        What its parent had is put aside and not dropped, since MongoDB's client would say goodbye to its server then.
        """
        self._inherited = dict(vars(self))
        self._lock = threading.RLock()
        self._limiter: MovingWindowRateLimiter | None = None
        self._memory: MovingWindowRateLimiter | None = None
        self._works: bool | None = None  # None before anybody has looked
        self._looker: threading.Thread | None = None
        self._look_at = 0.0
        self._logged_at = -math.inf

    def use(self, count: Callable[[MovingWindowRateLimiter], None]) -> None:
        """Count in the storage; in memory while that is down, since a limiter's outage is no outage of the API."""
        limiter = self._working()
        if limiter is not None:
            try:
                return _count(count, limiter)
            except TooManyFailedAttempts:
                raise
            except Exception as failure:  # each storage has exceptions of its own, and none is the client's affair
                self._note_outage(failure)
        return _count(count, self._in_memory())

    def _working(self) -> MovingWindowRateLimiter | None:
        """The limiter on the storage; None while that is down."""
        with self._lock:
            if self._works is None:
                self._look()  # all wait for the first one, since memory would not be exact
            elif not self._works:
                self._start_looking()
            return self._limiter if self._works else None

    def _start_looking(self) -> None:
        """Let a thread look, if it is time and none does."""
        if time.monotonic() >= self._look_at and not (self._looker and self._looker.is_alive()):
            self._looker = threading.Thread(target=self._look, name=LOOKER, daemon=True)
            try:
                self._looker.start()
            except RuntimeError:  # there are too many threads just now; the next request tries again
                self._looker = None

    def _look(self) -> None:
        """See whether the storage counts."""
        try:
            self.probe()
        except Exception as failure:  # as in use: whatever a storage raises, it cannot count
            self._note_outage(failure)
        else:
            self._note_end_of_outage()

    def _note_end_of_outage(self) -> None:
        with self._lock:
            if self._works is False:
                log.info("The limiter's storage is used again.")
            self._works = True
            self._logged_at = -math.inf  # the next outage is another one

    def probe(self) -> MovingWindowRateLimiter:
        """Make the storage, if there is none yet, and let it count.

        :raises Exception: if it cannot.
        """
        with _one_at_a_time:  # limits takes a driver that another thread is importing for one of version 0
            limiter = self._limiter = self._limiter or self._connect()
        _count(lambda limiter: limiter.hit(*_LOOK), limiter)
        return limiter

    def _in_memory(self) -> MovingWindowRateLimiter:
        with self._lock:
            if self._memory is None:
                self._memory = MovingWindowRateLimiter(MemoryStorage())
            return self._memory

    def _note_outage(self, failure: Exception) -> None:
        with self._lock:
            self._works = False
            moment = time.monotonic()
            self._look_at = moment + RETRY_STORAGE_AFTER
            if moment - self._logged_at < LOG_EVERY:
                return
            self._logged_at = moment
        log.exception(
            "The limiter's storage cannot be used: %s Until it can, each process counts failed attempts itself.",
            failure,
        )


def _count(count: Callable[[MovingWindowRateLimiter], object], limiter: MovingWindowRateLimiter) -> None:
    """Let *count* use *limiter*; one at a time in memory, which starts its timer without a lock and may fail there."""
    with _one_at_a_time if isinstance(limiter.storage, MemoryStorage) else nullcontext():
        count(limiter)


_one_at_a_time = threading.RLock()  # of all apps
_storages: weakref.WeakSet[_Storage] = weakref.WeakSet()


def _forget_all() -> None:
    global _one_at_a_time
    _one_at_a_time = threading.RLock()
    for storage in _storages:
        storage.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def own_limiter(config: Mapping[str, Any]) -> MovingWindowRateLimiter:
    """A limiter on the storage that ``RATELIMIT_STORAGE_URI`` and ``RATELIMIT_STORAGE_OPTIONS`` name; else memory."""
    uri = config.get("RATELIMIT_STORAGE_URI") or "memory://"
    timeouts = _TIMEOUTS.get(uri.partition(":")[0], {})
    storage = storage_from_string(uri, **{**timeouts, **(config.get("RATELIMIT_STORAGE_OPTIONS") or {})})
    if isinstance(storage, MongoDBStorage):
        atexit.register(_hang_up, weakref.ref(storage))
    return _moving_window(storage)


def _hang_up(reference: weakref.ref[MongoDBStorage]) -> None:
    """Close MongoDB's client at exit. The storage would do it itself, but so late that the process may never end."""
    storage = reference()
    if storage is not None:
        storage.storage.close()


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


class _InMemoryInstead(MovingWindowRateLimiter):
    """Counts in memory.

    :param unfit: the name of the storage that cannot count.
    """

    def __init__(self, unfit: str) -> None:
        super().__init__(MemoryStorage())
        self.unfit = unfit


def _moving_window(storage: Any) -> MovingWindowRateLimiter:
    try:
        return MovingWindowRateLimiter(storage)
    except NotImplementedError:  # how limits says that the storage knows no moving window
        log.warning(
            "%s knows no moving window; failed attempts are counted in each process on its own. "
            "Set RATELIMIT_STORAGE_URI to Redis or MongoDB to count them together.",
            type(storage).__name__,
        )
        return _InMemoryInstead(type(storage).__name__)


@lru_cache(maxsize=1024)
def _network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 caller can move in freely."""
    ip = _parse(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
    return str(ip or address or "unknown")


def _neighbourhood(address: str | None) -> str:
    """What counts as one where memory is full: the /16 of an IPv4 address, the /32 of a provider in IPv6."""
    ip = _parse(address)
    if ip is None:
        return address or "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((int(ip), 16), strict=False))
    return str(ipaddress.IPv6Network((int(ip), 32), strict=False))


def _parse(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address; None of a Unix socket, or where WSGI tells none."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip
