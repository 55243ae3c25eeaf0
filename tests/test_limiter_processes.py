"""Failed attempts are counted by all processes together, and by each alone while the storage is down; real servers."""

from __future__ import annotations

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import chain
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode, urlsplit

import pymongo
import pytest
from limits.storage import (
    MemoryStorage,
    MongoDBStorage,
    RedisClusterStorage,
    RedisSentinelStorage,
    RedisStorage,
    Storage,
)
from redis import Redis
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_smmapi import throttle

from .guessing import (
    DEADLINE,
    PROCESSES,
    SIMULTANEOUS,
    THREADS,
    Site,
    enlist,
    guess_together,
    mongodb_site,
    redis_site,
)
from .mongo import Mongod, start_or_skip
from .panel import WRONG_KEY, Panel, at_once, serve
from .test_limiter_integration import (
    BLOCKED_AFTER_TEN,
    RedisServer,
    app_with_page,
    entries,
    host_limiter,
    look_again,
    patience,
    redis,
)
from .test_throttle import STRICT, Clock, guess, guesses
from .uncounted import new_processes_uncounted

__all__ = ["patience", "redis"]

# Processes that count together


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A server that nobody else uses."""
    server = start_or_skip(tmp_path_factory.mktemp("mongodb"))
    yield server
    server.release()


@pytest.fixture
def in_redis(redis: RedisServer) -> Site:
    return redis_site(redis.uri)


@pytest.fixture
def in_mongodb(own_mongod: Mongod) -> Site:
    with pymongo.MongoClient(own_mongod.uri) as client:
        client.drop_database("limits")
    return mongodb_site(own_mongod.uri)


@pytest.fixture(params=["in_redis", "in_redis with a Limiter", "in_mongodb"])
def site(request: pytest.FixtureRequest) -> Site:
    """A server whose storage has counted nothing yet."""
    storage, *limiter = request.param.split()
    site: Site = request.getfixturevalue(storage)
    return site._replace(limiter=bool(limiter))


Race: TypeAlias = Callable[[Site, Mapping[str, Any], int], list[list[int]]]
"""Sends wrong keys from so many callers, one after the other, and gives what each of them heard, in order.

All threads of all processes send them at once; a caller has passed the check in each before one of them is counted.
"""


@pytest.fixture(scope="module")
def race(own_mongod: Mongod) -> Iterator[Race]:
    """The server is there until the processes have hung up."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(SIMULTANEOUS)
    with new_processes_uncounted(), ProcessPoolExecutor(PROCESSES, context, enlist, (together,)) as pool:

        def run(site: Site, config: Mapping[str, Any], callers: int) -> list[list[int]]:
            together.reset()
            running = [pool.submit(guess_together, site, config, range(callers)) for _ in range(PROCESSES)]
            heard = [future.result(DEADLINE) for future in running]
            return [sorted(chain(*parts)) for parts in zip(*heard, strict=True)]

        yield run


def test_the_processes_let_exactly_ten_simultaneous_guesses_pass(site: Site, race: Race) -> None:
    assert race(site, {}, 10) == [[401] * 10 + [429] * (SIMULTANEOUS - 10)] * 10


def test_no_guess_is_refused_that_is_allowed(site: Site, race: Race) -> None:
    """Nor if it loses the race for a caller's first entry."""
    as_many = {"SMMAPI_FAILED_ATTEMPTS": f"{SIMULTANEOUS} per 15 minutes"}
    assert race(site, as_many, 10) == [[401] * SIMULTANEOUS] * 10


# Redis is killed


class Load:
    """Requests to *workers*, from as many threads as a process has, without a pause: a good key, then wrong ones."""

    PER_CALLER = 12

    def __init__(self, workers: Sequence[Panel]) -> None:
        self._workers = workers
        self._heard: list[list[int]] = [[] for _ in range(THREADS)]
        self._news = threading.Condition()
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Every request that was sent has its answer in the end."""
        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(self._run, number) for number in range(THREADS)]
            try:
                yield
            finally:
                self._over.set()
            for thread in running:
                thread.result()

    def wait_for_more(self) -> None:
        """Each thread has been through as many requests as a caller makes."""
        with self._news:
            wanted = [len(heard) + self.PER_CALLER for heard in self._heard]
            assert self._news.wait_for(lambda: all(map(operator.ge, map(len, self._heard), wanted)), DEADLINE)

    @property
    def heard(self) -> set[int]:
        """Each status that was answered."""
        return set(chain(*self._heard))

    def _run(self, number: int) -> None:
        worker, heard = self._workers[number % len(self._workers)], self._heard[number]
        while not self._over.is_set():
            caller, turn = divmod(len(heard), self.PER_CALLER)
            key = WRONG_KEY if turn else worker.key
            status = guess(worker, address=f"2001:db8:{number:x}:{caller:x}::1", key=key).status
            with self._news:
                heard.append(status)
                self._news.notify_all()


def test_redis_is_killed_under_load_and_started_again(
    redis: RedisServer, in_redis: Site, patience: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    workers = one, other = in_redis.set_up(), in_redis.set_up()
    assert [guess(worker, key=worker.key).status for worker in workers] == [200, 200]  # makes the storages in turn
    load = Load(workers)
    with load.running():
        load.wait_for_more()
        assert not entries(caplog)
        redis.kill()
        load.wait_for_more()
        assert [guesses(worker, 11) for worker in workers] == [BLOCKED_AFTER_TEN] * 2
        assert len(entries(caplog)) == 2  # one of each worker
        for _ in range(12):  # more than a minute
            look_again(patience, one, other)
        load.wait_for_more()
        assert len(entries(caplog)) == 4
        redis.start()
        look_again(patience, one, other)
        assert [guess(worker, agent="later").status for worker in (one, other) * 6] == [401] * 10 + [429] * 2
        load.wait_for_more()
    assert load.heard == {200, 401, 429}
    assert len(entries(caplog)) == 4


# A storage that hangs


class Server(NamedTuple):
    """The server of a site's storage, and its process."""

    site: Site
    process: subprocess.Popen[Any]

    @contextmanager
    def hung(self) -> Iterator[None]:
        """It takes connections meanwhile, but answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)
        rescue = threading.Timer(20, self.process.send_signal, [signal.SIGCONT])  # ends the wait, were it endless
        rescue.start()
        try:
            yield
            assert rescue.is_alive()
        finally:
            rescue.cancel()
            self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def redis_server(in_redis: Site, redis: RedisServer) -> Server:
    return Server(in_redis, redis._process)


@pytest.fixture
def mongodb_server(in_mongodb: Site, own_mongod: Mongod) -> Server:
    assert own_mongod._process is not None
    return Server(in_mongodb, own_mongod._process)


@pytest.fixture(params=["redis_server", "mongodb_server"])
def server(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def touches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the threads that made a storage, or asked one for something: one for each time."""
    names: list[str] = []
    used: set[Any] = set()

    def spy(owner: Any, verb: str) -> None:
        do = getattr(owner, verb)

        def note(*args: Any, **given: Any) -> Any:
            names.append(threading.current_thread().name)
            used.add(args[0])
            return do(*args, **given)

        monkeypatch.setattr(owner, verb, note)

    spy(throttle, "storage_from_string")
    for kind in (RedisStorage, MongoDBStorage):
        for verb in ("acquire_entry", "get_moving_window"):
            spy(kind, verb)
    yield names
    for storage in used:
        if isinstance(storage, Storage):
            storage.storage.close()


def test_one_request_waits_for_a_storage_that_hangs_and_no_other(
    server: Server, patience: Clock, touches: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A thread tries it now and then."""
    with server.hung():
        panel = server.site._replace(options={}).set_up()
        assert guesses(panel, 1) == [401]
        assert set(touches) == {"MainThread"}
        touches.clear()
        assert guesses(panel, 10) == [401] * 9 + [429]
        assert touches == []
        for _ in range(2):
            look_again(patience, panel)
            assert set(touches) == {throttle.LOOKER}
        assert guesses(panel, 11, agent="another") == BLOCKED_AFTER_TEN
        assert set(touches) == {throttle.LOOKER}
    assert len(entries(caplog)) == 1


@pytest.mark.parametrize(
    ("fixture", "site_of", "limiter"),
    [
        pytest.param("redis_server", redis_site, False, id="Redis"),
        pytest.param("redis_server", redis_site, True, id="Redis of the host's Limiter"),
        pytest.param("mongodb_server", mongodb_site, False, id="MongoDB"),
    ],
)
def test_who_is_in_a_storage_when_it_begins_to_hang_waits_once(
    fixture: str,
    site_of: Callable[[str, float], Site],
    limiter: bool,
    request: pytest.FixtureRequest,
    patience: Clock,
    touches: list[str],
) -> None:
    """As long as the timeouts of the storage say, which may be the host's own."""
    server: Server = request.getfixturevalue(fixture)
    site = site_of(server.site.uri, 2)._replace(limiter=limiter)
    panel, other = site.set_up(), site.set_up()
    guesses(panel, 5)
    with server.hung():
        touches.clear()
        statuses = at_once(THREADS, lambda n: [guess(panel, agent=f"{n}", key=panel.key).status for _ in range(5)])
        assert statuses == [[200] * 5] * THREADS
        assert set(Counter(touches).values()) == {1}
        touches.clear()
        patience.forward(throttle.RETRY_STORAGE_AFTER + 1)
        assert guesses(panel, 11, agent="another") == BLOCKED_AFTER_TEN
    look_again(patience, panel)
    assert touches[0] == throttle.LOOKER
    assert guesses(panel, 5) == [401] * 5
    assert guesses(other, 1) == [429]


def test_redis_is_asked_once_and_not_for_long() -> None:
    limiter = throttle.own_limiter({"RATELIMIT_STORAGE_URI": "redis://127.0.0.1"})
    connection = limiter.storage.storage.connection_pool.make_connection()
    assert connection.socket_connect_timeout + connection.socket_timeout <= 0.5
    assert connection.retry.get_retries() == 0


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each storage of our making, which is in memory instead."""
    made: list[dict[str, Any]] = []

    def make(uri: str, **options: Any) -> Storage:
        made.append(options)
        return MemoryStorage()

    monkeypatch.setattr(throttle, "storage_from_string", make)
    return made


def test_mongodb_is_not_asked_for_long_with_all_retries(made: list[dict[str, Any]]) -> None:
    throttle.own_limiter({"RATELIMIT_STORAGE_URI": "mongodb://127.0.0.1"})
    with pymongo.MongoClient("mongodb://127.0.0.1", connect=False, **made[0]) as client:
        assert client.options.timeout is not None
        assert client.options.timeout <= 0.5


KINDS = (RedisStorage, RedisClusterStorage, RedisSentinelStorage, MongoDBStorage)


@pytest.mark.parametrize("scheme", [scheme for kind in KINDS for scheme in kind.STORAGE_SCHEME or ()])
def test_no_kind_of_storage_is_without_a_timeout_but_the_host_may_set_it(
    scheme: str, made: list[dict[str, Any]]
) -> None:
    name = "timeoutMS" if scheme.startswith("mongodb") else "socket_timeout"
    for options in ({}, {name: 20_000}):
        throttle.own_limiter({"RATELIMIT_STORAGE_URI": f"{scheme}://host", "RATELIMIT_STORAGE_OPTIONS": options})
    ours, hosts = made
    assert 0 < ours[name] < 20_000
    assert hosts == {**ours, name: 20_000}


@pytest.mark.parametrize("scheme", RedisSentinelStorage.STORAGE_SCHEME or ())
def test_the_sentinels_of_redis_are_asked_like_redis_itself(scheme: str, made: list[dict[str, Any]]) -> None:
    """By themselves they are asked four times, with a pause in between."""
    throttle.own_limiter({"RATELIMIT_STORAGE_URI": f"{scheme}://host"})
    [options] = made
    assert options["sentinel_kwargs"] == {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "retry": None}


# Who looks after a storage that is down


def lookers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == throttle.LOOKER]


def restart(redis: RedisServer, panel: Panel, patience: Clock) -> None:
    """Redis was down and is there again; it is time that *panel* looks."""
    redis.kill()
    assert guess(panel, key=panel.key).status == 200
    redis.start()
    patience.forward(throttle.RETRY_STORAGE_AFTER + 1)


def test_one_thread_at_a_time_looks_and_nobody_waits_for_it(
    redis: RedisServer, in_redis: Site, patience: Clock, touches: list[str]
) -> None:
    panel = in_redis.set_up()
    restart(redis, panel, patience)
    with Server(in_redis, redis._process).hung():
        assert guess(panel).status == 401
        patience.forward(throttle.RETRY_STORAGE_AFTER + 1)
        assert at_once(20, lambda n: guess(panel, agent=f"agent {n}").status) == [401] * 20
        assert [looker.daemon for looker in lookers()] == [True]
    look_again(patience, panel)
    assert Counter(touches)[throttle.LOOKER] == 1
    assert guesses(panel, 10) == [401] * 10
    assert guesses(in_redis.set_up(), 1) == [429]


def test_a_storage_that_answers_but_takes_no_writes_is_down(
    redis: RedisServer, in_redis: Site, patience: Clock, touches: list[str]
) -> None:
    """As Redis does when another server has become the primary."""
    panel = in_redis.set_up()
    assert guess(panel, key=panel.key).status == 200
    with closing(Redis.from_url(redis.uri)) as client:
        client.replicaof("127.0.0.1", "1")
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    touches.clear()
    look_again(patience, panel)
    assert guesses(panel, 1) == [429]
    assert touches == [throttle.LOOKER]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("nonsense://127.0.0.1", "unknown storage scheme"),
        ("valkey://127.0.0.1:6379", "'valkey'"),
        ("redis+sentinel://127.0.0.1:26379", "'service_name' not provided"),
    ],
)
def test_a_storage_that_cannot_be_made_is_tried_again_like_one_that_is_down(
    uri: str,
    reason: str,
    in_redis: Site,
    patience: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "valkey", None)  # as if it was not installed
    attempts: list[str] = []
    make = throttle.storage_from_string

    def spy(*args: Any, **options: Any) -> Any:
        attempts.append(threading.current_thread().name)
        return make(*args, **options)

    monkeypatch.setattr(throttle, "storage_from_string", spy)
    panel = in_redis._replace(uri=uri).set_up()
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    look_again(patience, panel)
    assert attempts == ["MainThread", throttle.LOOKER]
    [entry] = entries(caplog)
    assert reason in entry.getMessage()
    panel.app.config["RATELIMIT_STORAGE_URI"] = in_redis.uri
    look_again(patience, panel)
    assert guesses(panel, 10) == [401] * 10
    assert guesses(in_redis.set_up(), 1) == [429]


def test_of_two_limiters_the_one_that_is_left_is_found(patience: Clock) -> None:
    app = app_with_page()
    first, second = host_limiter(app), host_limiter(app)
    panel = Panel(app=app)
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    first.enabled = False
    look_again(patience, panel)
    assert guesses(panel, 11) == BLOCKED_AFTER_TEN
    second.reset()
    assert guesses(panel, 1) == [401]


def test_a_process_that_counts_in_mongodb_ends_when_it_is_done(in_mongodb: Site) -> None:
    """Quietly, and without waiting for the client that the storage leaves open."""
    command = [sys.executable, "-m", "tests.guessing", in_mongodb.uri]
    process = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert (process.stdout, process.stderr) == ("401\n", "")


def guess_in_child(panel: Panel, server: int, results: Any) -> None:
    os.kill(server, signal.SIGCONT)
    results.put(guesses(panel, 11))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("was_down", [False, True], ids=["its first request", "a thread that looks"])
def test_a_process_that_is_forked_while_its_parent_tries_the_storage_waits_for_nobody(
    was_down: bool, redis: RedisServer, in_redis: Site, patience: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = in_redis.set_up()
    if was_down:
        restart(redis, panel, patience)
    hit, trying = RedisStorage.acquire_entry, threading.Event()

    def note(*args: Any, **given: Any) -> bool:
        trying.set()
        return hit(*args, **given)

    monkeypatch.setattr(RedisStorage, "acquire_entry", note)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=guess_in_child, args=(panel, redis._process.pid, results), daemon=True)
    with Server(in_redis, redis._process).hung():
        request = threading.Thread(target=guess, args=(panel,), kwargs={"key": panel.key})
        request.start()
        assert trying.wait(DEADLINE)
        child.start()
        assert results.get(timeout=30) == BLOCKED_AFTER_TEN
    child.join()
    request.join()
    assert guesses(in_redis.set_up(), 1) == [429]


# Behind a proxy


def post(url: str, forwarded_for: str) -> int:
    """The status of a wrong key, sent with such a header."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=DEADLINE)) as connection:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": forwarded_for}
        connection.request("POST", parts.path, urlencode({"key": WRONG_KEY}), headers)
        with connection.getresponse() as response:
            response.read()
            return response.status


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "statuses"),
    [
        pytest.param(0, ["198.51.100.1", "198.51.100.2", "198.51.100.3"], [401, 429, 429], id="none: all is forged"),
        pytest.param(1, ["198.51.100.1", "198.51.100.2", "198.51.100.1"], [401, 401, 429], id="one: its clients"),
        pytest.param(1, [f"192.0.2.{n}, 198.51.100.1" for n in range(3)], [401, 429, 429], id="one: it comes last"),
        pytest.param(1, ["192.0.2.9, 198.51.100.1", "192.0.2.9, 198.51.100.2"], [401, 401], id="one: what comes first"),
        pytest.param(2, [f"192.0.2.{n}, 198.51.100.1, 10.0.0.1" for n in range(3)], [401, 429, 429], id="two"),
        pytest.param(1, ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1"], [401, 429, 401], id="IPv6"),
    ],
)
def test_a_client_cannot_forge_its_address(
    proxies: int, forwarded_for: Sequence[str], statuses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy appends the address that it sees to what the client has sent."""
    panel = Panel(config=STRICT)
    if proxies:
        monkeypatch.setattr(panel.app, "wsgi_app", ProxyFix(panel.app.wsgi_app, x_for=proxies))
    with serve(panel.app) as url:
        assert [post(url, addresses) for addresses in forwarded_for] == statuses
