"""Failed attempts are counted in the host's limiter storage, also across its outage; the host's rules stay apart."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar, TypeAlias

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse_many
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter

from flask_smmapi import throttle
from flask_smmapi.errors import TooManyFailedAttempts

from .panel import WRONG_KEY, Panel, at_once
from .test_throttle import MINUTE, STRICT, Clock, MeetingLookup, guess, guesses

BLOCKED_AFTER_TEN = [401] * 10 + [429]


def host_limiter(app: Flask | None = None, **settings: Any) -> Limiter:
    return Limiter(get_remote_address, **{"app": app, "storage_uri": "memory://", **settings})


def app_with_page() -> Flask:
    """An app with a page of its own at /page."""
    app = Flask("panel")
    app.add_url_rule("/page", "page", lambda: "page", methods=["GET", "POST"])
    return app


def page_statuses(panel: Panel, count: int) -> list[int]:
    client = panel.app.test_client()
    return [client.get("/page").status_code for _ in range(count)]


def entries(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the extension has logged from warnings on."""
    return [entry for entry in caplog.records if entry.name == "flask_smmapi" and entry.levelno >= logging.WARNING]


# Whose storage counts


SetUp: TypeAlias = Callable[[Flask], tuple[Limiter, Panel]]


def limiter_before(app: Flask, **given: Any) -> tuple[Limiter, Panel]:
    return host_limiter(app), Panel(app=app, **given)


def limiter_after(app: Flask) -> tuple[Limiter, Panel]:
    panel = Panel(app=app)
    return host_limiter(app), panel


def limiter_given(app: Flask) -> tuple[Limiter, Panel]:
    limiter = host_limiter(app)
    return limiter, Panel(app=app, limiter=limiter)


def limiter_given_and_set_up_later(app: Flask) -> tuple[Limiter, Panel]:
    limiter = host_limiter()
    panel = Panel(app=app, limiter=limiter)
    limiter.init_app(app)
    return limiter, panel


SET_UPS = (limiter_before, limiter_after, limiter_given, limiter_given_and_set_up_later)
EVERY_ORDER = pytest.mark.parametrize("set_up", SET_UPS)


@EVERY_ORDER
def test_the_storage_of_the_hosts_limiter_counts(set_up: SetUp) -> None:
    """When the host empties it, a blocked caller is free again."""
    limiter, panel = set_up(app_with_page())
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    limiter.reset()
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN


def test_our_entries_in_the_hosts_storage_bear_our_name_and_no_secret() -> None:
    limiter, panel = limiter_before(app_with_page())
    guess(panel, agent="Bot/1.0")
    assert isinstance(limiter.storage, MemoryStorage)
    assert limiter.storage.events
    for name in limiter.storage.events:
        assert "/smmapi/" in name
        assert WRONG_KEY not in name
        assert "Bot" not in name


def test_two_apps_with_one_limiter_share_the_count() -> None:
    limiter = host_limiter(app_with_page())
    one, other = (Panel(app=app_with_page(), limiter=limiter, config=STRICT) for _ in range(2))
    assert [guess(one).status, guess(other).status] == [401, 429]


def test_of_two_limiters_the_one_given_counts_and_the_limits_of_neither_hit_the_api() -> None:
    app = app_with_page()
    first, second = (host_limiter(app, default_limits=["1 per hour"]) for _ in range(2))
    panel = Panel(app=app, limiter=second, config=STRICT)
    assert guesses(panel, 2) == [401, 429]
    first.reset()
    assert guesses(panel, 1) == [429]
    second.reset()
    assert guesses(panel, 1) == [401]


def test_two_limiters_without_an_argument_are_an_error_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    """The owner reads it in the log; the clients are served, and counted in memory."""
    app = app_with_page()
    host_limiter(app), host_limiter(app)
    panel = Panel(app=app)
    assert guess(panel, key=panel.key).status == 200
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    assert "SmmApi(limiter=" in caplog.text


def test_of_two_limiters_one_that_is_switched_off_is_no_choice() -> None:
    app = app_with_page()
    host_limiter(app).enabled = False
    used, panel = limiter_before(app, config=STRICT)
    assert guesses(panel, 2) == [401, 429]
    used.reset()
    assert guesses(panel, 1) == [401]


@EVERY_ORDER
def test_with_a_disabled_limiter_attempts_count_all_the_same(set_up: SetUp, caplog: pytest.LogCaptureFixture) -> None:
    """A host switches its own limits off, in its tests for instance; that is no outage and nothing to log."""
    app = app_with_page()
    app.config["RATELIMIT_ENABLED"] = False
    _, panel = set_up(app)
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    assert not entries(caplog)


def test_without_a_limiter_the_host_gets_none_of_ours() -> None:
    app = app_with_page()
    settings = set(app.config)
    assert guesses(Panel(app=app), 11) == BLOCKED_AFTER_TEN
    assert "limiter" not in app.extensions
    assert all(name.startswith("SMMAPI_") for name in set(app.config) - settings)


def test_the_window_moves_also_if_the_hosts_strategy_is_a_fixed_window(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    app = app_with_page()
    app.config["RATELIMIT_STRATEGY"] = "fixed-window"
    _, panel = limiter_before(app)
    assert guesses(panel, 1) == [401]
    clock.forward(14 * MINUTE)
    assert guesses(panel, 9) == [401] * 9
    clock.forward(MINUTE + 1)
    assert guesses(panel, 2) == [401, 429]


def test_the_count_in_the_hosts_storage_is_exact() -> None:
    _, panel = limiter_before(app_with_page(), key_lookup=MeetingLookup(50))
    assert sorted(at_once(50, lambda _: guess(panel).status)) == [401] * 10 + [429] * 40


# The host's own limits


@EVERY_ORDER
@pytest.mark.parametrize("kind", ["RATELIMIT_DEFAULT", "RATELIMIT_APPLICATION"])
def test_the_hosts_general_limits_hit_its_pages_but_not_the_api(set_up: SetUp, kind: str) -> None:
    """Nor do requests to the API use them up."""
    app = app_with_page()
    app.config[kind] = "2 per hour"
    _, panel = set_up(app)
    assert [panel.post("balance").status for _ in range(5)] == [200] * 5
    assert page_statuses(panel, 3) == [200, 200, 429]
    assert [panel.post("balance").status, panel.send(method="GET").status] == [200, 405]


def test_a_visitor_barred_from_all_pages_may_still_use_the_api() -> None:
    """A meta limit bars whoever breaches the others too often."""
    app = app_with_page()
    host_limiter(app, default_limits=["1 per hour"], meta_limits=["1 per hour"])
    panel = Panel(app=app)
    assert page_statuses(panel, 3) == [200, 429, 429]
    assert panel.post("balance").status == 200


@EVERY_ORDER
def test_the_hosts_limit_headers_are_on_its_pages_once_and_not_on_our_answers(set_up: SetUp) -> None:
    app = app_with_page()
    app.config.update(RATELIMIT_HEADERS_ENABLED=True, RATELIMIT_DEFAULT="5 per hour")
    _, panel = set_up(app)
    headers = panel.app.test_client().get("/page").headers
    assert headers.getlist("X-RateLimit-Limit") == ["5"]
    assert headers.getlist("X-RateLimit-Remaining") == ["4"]
    answers = [panel.post("balance"), *(panel.post("balance", key=WRONG_KEY) for _ in range(11))]
    assert not [name for answer in answers for name, _ in answer.headers.items() if name.startswith("X-RateLimit")]
    assert [name for name, _ in answers[-1].headers.items()].count("Retry-After") == 1


# Storages that cannot, or cannot now


class Plain(Storage):
    """Knows no moving window, as Memcached; whoever counts in it all the same fails."""

    STORAGE_SCHEME: ClassVar = ["plain"]
    base_exceptions = OSError

    def _refuse(self, *_: object, **__: object) -> int:
        raise AssertionError("A storage without a moving window was used.")

    incr = get = get_expiry = check = reset = clear = _refuse


@contextmanager
def outage(limiter: Limiter, failure: Exception) -> Iterator[None]:
    """The limiter's storage fails at every call."""

    def fail(*_: object, **__: object) -> None:
        raise failure

    with pytest.MonkeyPatch.context() as patch:
        for verb in ("acquire_entry", "get_moving_window"):
            patch.setattr(limiter.storage, verb, fail)
        yield


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which the throttle waits for a storage that is down."""
    clock = Clock()
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=time.time, monotonic=clock))
    return clock


def test_a_storage_without_a_moving_window_is_warned_of_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with_page()
    host_limiter(app, storage_uri="plain://")
    panel = Panel(app=app, key_lookup=MeetingLookup(50))
    assert sorted(at_once(50, lambda _: guess(panel).status)) == [401] * 10 + [429] * 40
    [warning] = entries(caplog)
    assert (warning.levelno, "Plain" in warning.getMessage()) == (logging.WARNING, True)


@pytest.mark.parametrize("failure", [ConnectionError(), TimeoutError(), RuntimeError()], ids=repr)
def test_a_limiters_outage_is_no_outage_of_the_api(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    limiter, panel = limiter_before(app_with_page())
    with outage(limiter, failure):
        assert guess(panel, key=panel.key).status == 200
        assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    assert len(entries(caplog)) == 1


def look_again(patience: Clock, *workers: Panel) -> None:
    """It is time to look after a storage that is down; each has a request, and the threads that they start are done."""
    patience.forward(throttle.RETRY_STORAGE_AFTER + 1)
    for worker in workers:
        guess(worker, key=worker.key)
    for thread in threading.enumerate():
        if thread.name == throttle.LOOKER:
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_a_storage_that_is_back_is_used_again_after_a_while(patience: Clock) -> None:
    limiter, panel = limiter_before(app_with_page())
    with outage(limiter, ConnectionError()):
        assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    assert guesses(panel, 1) == [429]
    look_again(patience, panel)
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    limiter.reset()
    assert guesses(panel, 1) == [401]


def test_a_server_that_never_answers_does_not_hold_up_the_api() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        rescue = threading.Timer(20, silent.close)  # ends the wait, were it endless
        rescue.start()
        try:
            assert guesses(Panel(config={**STRICT, "RATELIMIT_STORAGE_URI": uri}), 2) == [401, 429]
            assert rescue.is_alive()
        finally:
            rescue.cancel()


# A real Redis


class RedisServer:
    """Debian's redis-server on a port of its own; it keeps nothing on disk."""

    def __init__(self, program: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        self.uri = f"redis://127.0.0.1:{port}"
        self._command = [program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert any("Ready to accept connections" in line for line in self._process.stdout)

    def kill(self) -> None:
        with self._process:
            self._process.kill()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("redis-server is missing")
        pytest.skip("redis-server is missing")  # a contributor may do without it, the CI run may not
    server = RedisServer(program)
    yield server
    server.kill()


def worker(redis: RedisServer, *, limiter: bool = False, **given: Any) -> Panel:
    """One of the processes that serve an app; it is patient, so that a slow machine is no outage."""
    app = app_with_page()
    patient = {"socket_timeout": 20, "socket_connect_timeout": 20}
    app.config.update(RATELIMIT_STORAGE_URI=redis.uri, RATELIMIT_STORAGE_OPTIONS=patient)
    if limiter:
        Limiter(get_remote_address, app=app)
    return Panel(app=app, **given)


@pytest.mark.parametrize("limiter", [True, False], ids=["Limiter", "settings alone"])
def test_workers_share_the_count_in_redis(redis: RedisServer, limiter: bool) -> None:
    one, other = worker(redis, limiter=limiter), worker(redis, limiter=limiter)
    assert [guess(panel).status for panel in (one, other) * 6] == [401] * 10 + [429] * 2
    refused = guess(other, key=other.key)
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 900


def test_the_count_in_redis_is_exact_across_workers(redis: RedisServer) -> None:
    lookup = MeetingLookup(50)
    workers = [worker(redis, key_lookup=lookup) for _ in range(2)]
    statuses = at_once(50, lambda n: guess(workers[n % 2]).status)
    assert sorted(statuses) == [401] * 10 + [429] * 40


def test_redis_killed_in_mid_run_and_started_again(
    redis: RedisServer, patience: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = worker(redis), worker(redis)
    guesses(one, 5)
    redis.kill()
    assert guess(one, key=one.key).status == 200
    assert guesses(one, 11) == BLOCKED_AFTER_TEN
    assert len(entries(caplog)) == 1
    redis.start()
    look_again(patience, one)
    assert guesses(one, 10) == [401] * 10
    assert guesses(other, 1) == [429]


# A storage in memory is not filled


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> MemoryStorage:
    """The host's storage, in which there is room for 20 windows of ours: those of ten callers."""
    monkeypatch.setattr(throttle, "MOST_IN_MEMORY", 20)
    monkeypatch.setattr(throttle, "LOOK_FOR_ROOM_AFTER", 0)
    return MemoryStorage()


def counting_in(storage: MemoryStorage) -> throttle.Throttle:
    limits = parse_many("3 per hour"), parse_many("30 per hour")
    return throttle.Throttle(lambda: MovingWindowRateLimiter(storage), *limits)


def is_blocked(counted: throttle.Throttle, address: str, agent: str = "agent") -> bool:
    return not passes(counted.check, address, agent)


def failures(counted: throttle.Throttle, addresses: Iterable[str], agent: str = "agent") -> int:
    """How many of one failed attempt from each of *addresses* are let pass."""
    return sum(passes(counted.fail, address, agent) for address in addresses)


def passes(attempt: Callable[[str, str], None], address: str, agent: str) -> bool:
    try:
        attempt(address, agent)
    except TooManyFailedAttempts:
        return False
    return True


def callers(network: str, count: int) -> list[str]:
    return [f"{network}.{number}" for number in range(count)]


def test_however_many_callers_fail_the_memory_holds_so_many_windows(small: MemoryStorage) -> None:
    counted = counting_in(small)
    for neighbourhood in ("192.0.2", "198.51.100", "203.0.113"):
        failures(counted, callers(neighbourhood, 200))
    assert len(small.events) <= 22 + 3


def test_whoever_has_many_addresses_gains_nothing_by_taking_turns(small: MemoryStorage) -> None:
    """Ten have windows of their own; the others together may fail as often as one address."""
    turns = callers("192.0.2", 40) * 15
    assert failures(counting_in(small), turns) <= 11 * 3 + 30


def test_an_ipv6_provider_is_one_neighbourhood(small: MemoryStorage) -> None:
    counted = counting_in(small)
    turns = [f"2001:db8:0:{number:x}::1" for number in range(40)] * 15
    assert failures(counted, turns) <= 11 * 3 + 30
    assert is_blocked(counted, "2001:db8:ffff::1")
    assert not is_blocked(counted, "2001:db9::1")


def test_where_memory_is_full_another_neighbourhood_is_not_blocked(small: MemoryStorage) -> None:
    counted = counting_in(small)
    failures(counted, callers("192.0.2", 200))
    assert is_blocked(counted, "192.0.2.250")
    assert not is_blocked(counted, "198.51.100.1")
    assert failures(counted, callers("198.51.100", 40)) == 30


def test_a_caller_that_is_blocked_stays_so_however_many_fail(small: MemoryStorage) -> None:
    counted = counting_in(small)
    failures(counted, ["203.0.113.1"] * 3)
    failures(counted, callers("192.0.2", 200))
    assert is_blocked(counted, "203.0.113.1")


def test_where_memory_is_full_another_user_agent_counts_for_its_address(small: MemoryStorage) -> None:
    counted = counting_in(small)
    failures(counted, callers("192.0.2", 200))
    assert sum(failures(counted, ["192.0.2.1"], agent=f"agent {number}") for number in range(40)) == 29


def test_when_their_time_is_over_there_is_room_again(small: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    counted = counting_in(small)
    failures(counted, callers("192.0.2", 200))
    clock.forward(61 * MINUTE)
    assert failures(counted, callers("192.0.2", 5) * 4) == 5 * 3
    assert len(small.events) == 10


def test_what_the_host_counts_in_its_storage_is_left_there(small: MemoryStorage) -> None:
    hosts = MovingWindowRateLimiter(small)
    [limit] = parse_many("1 per hour")
    for number in range(50):
        hosts.hit(limit, f"visitor {number}")
    hosts.hit(limit, *throttle._NAMESPACE)
    failures(counting_in(small), callers("192.0.2", 200))
    assert [number for number in range(50) if hosts.test(limit, f"visitor {number}")] == []
    assert not hosts.test(limit, *throttle._NAMESPACE)
    assert len(small.events) <= 51 + 22 + 1
