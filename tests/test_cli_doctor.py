"""``flask smmapi doctor``: each check finds what it is for, says what to do, and keeps no other from speaking."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import mongoengine
import pymongo
import pytest
from click.testing import Result
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_smmapi import Order, OrderStatus, SmmApi
from flask_smmapi.placement import now
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore

from .mongo import DATABASE
from .panel import Panel
from .test_limiter_integration import Plain, RedisServer, host_limiter
from .test_limiter_integration import redis as redis
from .test_mongo_connection import closed_port

CONNECTION = "flask_smmapi.stores.mongo.connection"

IN_MEMORY = (
    "Each process counts failed attempts on its own; more than one worker wants Redis or MongoDB in "
    "RATELIMIT_STORAGE_URI."
)
NO_PROXY = (
    "Callers are known by the address of their connection. Behind a proxy that is the proxy's, and one guesser blocks "
    "everybody: app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1). Without a proxy there is nothing to do."
)


def run(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(args=["smmapi", "doctor", *options])


def examined(app: Flask) -> tuple[list[str], list[str]]:
    """The problems and the advice."""
    result = run(app, "--json")
    answer = json.loads(result.stdout)
    expected = (1, False) if answer["problems"] else (0, True)
    assert (result.exit_code, answer["ok"]) == expected
    return answer["problems"], answer["advice"]


def problem(app: Flask) -> str:
    """The only one."""
    [found], _ = examined(app)
    return found


@pytest.fixture
def on_mongo(mongo_store: MongoStore) -> Panel:
    return Panel(store=mongo_store)


class TestWhatItPrints:
    def test_is_the_advice_first_and_that_all_is_well(self, on_mongo: Panel) -> None:
        result = run(on_mongo.app)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [IN_MEMORY, NO_PROXY, "All is well."]

    def test_is_that_all_is_well_and_nothing_else_where_nothing_is_to_be_thought_of(
        self, mongo_uri: str, redis: RedisServer
    ) -> None:
        panel = Panel(store=MongoStore(mongo_uri), config={"RATELIMIT_STORAGE_URI": redis.uri})
        panel.app.wsgi_app = ProxyFix(panel.app.wsgi_app)  # type: ignore[method-assign]
        result = run(panel.app)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "All is well.\n", "")

    def test_is_every_problem_on_stderr(self) -> None:
        app = Flask("panel")
        app.config["RATELIMIT_STORAGE_URI"] = "reddis://127.0.0.1"
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0)  # type: ignore[method-assign]
        SmmApi(app)
        result = run(app)
        assert (result.exit_code, result.stdout) == (1, "")
        lines = result.stderr.splitlines()
        assert [line.startswith("Error: ") for line in lines] == [True] * 3
        for line, remedy in zip(lines, ("set SMMAPI_MONGODB_URI", "RATELIMIT_STORAGE_URI", "x_for=1"), strict=True):
            assert remedy in line

    def test_in_json_has_problems_and_advice(self, on_mongo: Panel) -> None:
        result = run(on_mongo.app, "--json")
        assert json.loads(result.stdout) == {"ok": True, "problems": [], "advice": [IN_MEMORY, NO_PROXY]}


class TestTheStore:
    def test_that_lacks_an_index_is_named_with_the_command_that_creates_it(self, on_mongo: Panel) -> None:
        with pymongo.MongoClient[dict[str, Any]](on_mongo.store._connection._uri) as client:
            client[DATABASE]["smmapi_ledger"].drop_index("account_seq")
        try:
            assert problem(on_mongo.app) == "Missing indexes: smmapi_ledger.account_seq. Run: flask smmapi init-db"
        finally:
            assert on_mongo.app.test_cli_runner().invoke(args=["smmapi", "init-db"]).exit_code == 0
        assert examined(on_mongo.app)[0] == []

    def test_that_was_never_named_is_told_how_to(self) -> None:
        app = Flask("panel")
        SmmApi(app)
        assert "set SMMAPI_MONGODB_URI" in problem(app)

    def test_that_does_not_answer_is_said_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(f"{CONNECTION}.remaining", lambda seconds: 0.1)
        app = Flask("panel")
        app.config["SMMAPI_MONGODB_URI"] = f"mongodb://127.0.0.1:{closed_port()}"
        SmmApi(app)
        try:
            assert problem(app).startswith("MongoDB did not answer; see whether it runs,")
        finally:
            mongoengine.disconnect_all()

    def test_that_lets_nobody_write_is_named_and_its_clock_is_read_all_the_same(
        self, on_mongo: Panel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: MongoStore) -> None:
            raise PermissionError("not for you")

        monkeypatch.setattr(MongoStore, "check_rights", refuse)
        monkeypatch.setattr(f"{CONNECTION}.now", lambda: now() + timedelta(minutes=1))
        rights, clock = examined(on_mongo.app)[0]
        assert "(PermissionError: not for you)" in rights
        assert "clock" in clock

    def test_in_memory_has_nothing_that_could_be_wrong(self, panel: Panel) -> None:
        problems, advice = examined(panel.app)
        assert problems == []
        assert advice[0].startswith("Nothing here looks into key_lookup, catalog, wallet, orders; ")
        assert "flask_smmapi.testing" in advice[0]

    def test_leaves_the_parts_of_the_host_to_the_contract_kit(self, mongo_store: MongoStore) -> None:
        panel = Panel(store=mongo_store, wallet=MemoryStore())
        problems, advice = examined(panel.app)
        assert problems == []
        assert advice[0].startswith("Nothing here looks into wallet; ")


class TestTheClock:
    """The server's is real; ours is wrong."""

    @pytest.mark.parametrize(("off", "said"), [(3600, "s ahead of"), (-3600, "s behind")])
    def test_that_is_wrong_is_said_with_the_seconds(
        self, off: int, said: str, on_mongo: Panel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(f"{CONNECTION}.now", lambda: now() + timedelta(seconds=off))
        sentence = problem(on_mongo.app)
        assert f"{said} the database's; let NTP set both." in sentence
        assert 3500 < float(sentence.removeprefix("This machine's clock is ").split()[0]) <= 3600

    @pytest.mark.parametrize(("looks", "certain"), [((-900, 900), 0), ((-900, -300), -300), ((300, 900), 300)])
    def test_is_not_blamed_for_the_time_that_the_answer_took(
        self, looks: tuple[int, int], certain: int, mongo_store: MongoStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between two looks at ours the server's was read; what they leave open is not counted."""
        ours = iter([now() + timedelta(seconds=seconds) for seconds in looks])
        monkeypatch.setattr(f"{CONNECTION}.now", lambda: next(ours))
        assert abs(mongo_store.clock_difference() - timedelta(seconds=certain)) < timedelta(seconds=100)


class NotInstalled:
    """Finds no module of that name, whoever has it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(name)


class TestTheLimitersStorage:
    def app(self, uri: str) -> Flask:
        return Panel(config={"RATELIMIT_STORAGE_URI": uri}).app

    def test_that_all_workers_share_needs_no_word(self, redis: RedisServer) -> None:
        problems, advice = examined(self.app(redis.uri))
        assert (problems, [sentence for sentence in advice if "attempts" in sentence]) == ([], [])

    def test_that_is_down_is_a_problem(self, caplog: pytest.LogCaptureFixture) -> None:
        sentence = problem(self.app(f"redis://127.0.0.1:{closed_port()}"))
        assert "ConnectionError" in sentence
        assert "see whether RATELIMIT_STORAGE_URI is right, its server runs" in sentence
        assert caplog.records == []  # one sentence, no stack beside it

    def test_of_an_unknown_kind_is_a_problem_and_its_password_is_not_printed(self) -> None:
        sentence = problem(self.app("reddis://:secret@127.0.0.1:6379"))
        assert "unknown storage scheme : reddis://…@127.0.0.1:6379" in sentence

    def test_without_its_driver_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "meta_path", [NotInstalled("valkey"), *sys.meta_path])
        sentence = problem(self.app("valkey://127.0.0.1"))
        assert "'valkey' prerequisite not available" in sentence
        assert "its driver is installed" in sentence

    def test_that_never_answers_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The host's own Limiter has no time limit, unless the host gives it one."""
        monkeypatch.setattr("flask_smmapi.cli.doctor.PATIENCE", 0.05)
        app = Flask("panel")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            Limiter(get_remote_address, app=app, storage_uri=f"redis://127.0.0.1:{silent.getsockname()[1]}")
            sentence = problem(Panel(app=app).app)
        assert "does not answer within 0.05 seconds" in sentence
        assert "RATELIMIT_STORAGE_OPTIONS" in sentence
        for thread in threading.enumerate():
            if thread.name == "smmapi-doctor":
                thread.join(timeout=30)
                assert not thread.is_alive()

    def test_of_the_hosts_limiter_counts_in_memory_too(self) -> None:
        app = Flask("panel")
        host_limiter(app)
        assert IN_MEMORY in examined(Panel(app=app).app)[1]

    def test_of_a_limiter_that_is_switched_off_is_not_tried(self) -> None:
        app = Flask("panel")
        host_limiter(app, storage_uri=f"redis://127.0.0.1:{closed_port()}", enabled=False)
        problems, advice = examined(Panel(app=app).app)
        assert (problems, IN_MEMORY in advice) == ([], True)

    def test_is_not_guessed_among_several(self) -> None:
        app = Flask("panel")
        host_limiter(app), host_limiter(app)
        assert problem(Panel(app=app).app) == (
            "The app has several Limiters; say whose storage counts failed attempts: SmmApi(limiter=…)."
        )

    def test_that_knows_no_moving_window_is_named(self) -> None:
        app = Flask("panel")
        host_limiter(app, storage_uri=f"{Plain.STORAGE_SCHEME[0]}://")
        problems, advice = examined(Panel(app=app).app)
        assert problems == []
        assert any("on its own, since Plain knows no moving window; " in sentence for sentence in advice)


class Middleware:
    """Passes each request on."""

    def __init__(self, wrapped: Any, name: str) -> None:
        setattr(self, name, wrapped)
        self._wrapped = wrapped

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._wrapped(environ, start_response)
        return answer


class TestProxies:
    @staticmethod
    def about_proxies(panel: Panel, wsgi_app: Any) -> tuple[list[str], list[str]]:
        panel.app.wsgi_app = wsgi_app
        problems, advice = examined(panel.app)
        return problems, [sentence for sentence in advice if "ProxyFix" in sentence]

    def test_that_are_named_need_no_word(self, panel: Panel) -> None:
        assert self.about_proxies(panel, ProxyFix(panel.app.wsgi_app, x_for=1)) == ([], [])

    @pytest.mark.parametrize("name", ["app", "wsgi_app"])
    def test_are_found_inside_other_middleware(self, name: str, panel: Panel) -> None:
        fixed = ProxyFix(panel.app.wsgi_app, x_for=2)
        assert self.about_proxies(panel, Middleware(Middleware(fixed, name), "app")) == ([], [])

    @pytest.mark.parametrize("name", ["app", "hidden"])
    def test_that_are_not_named_are_advice(self, name: str, panel: Panel) -> None:
        assert self.about_proxies(panel, Middleware(panel.app.wsgi_app, name)) == ([], [NO_PROXY])

    def test_are_looked_for_once_where_middleware_has_the_app_itself(self, panel: Panel) -> None:
        middleware = Middleware(panel.app.wsgi_app, "inner")
        middleware.app = panel.app  # type: ignore[attr-defined]
        assert self.about_proxies(panel, middleware) == ([], [NO_PROXY])

    def test_whose_callers_are_not_told_apart_are_a_problem(self, panel: Panel) -> None:
        [sentence], advice = self.about_proxies(panel, ProxyFix(panel.app.wsgi_app, x_for=0, x_proto=1))
        assert "ProxyFix(app.wsgi_app, x_for=1)" in sentence
        assert advice == []


def leave(panel: Panel, status: OrderStatus, since: timedelta, **changes: Any) -> Order:
    """An order that is in *status* for so long."""
    moment = now() - since
    ended = {"ended": moment} if status is OrderStatus.CANCELED else {"created": moment}
    return panel.move(panel.place(), status, **ended, **changes)


LONG, SHORT = timedelta(minutes=6), timedelta(minutes=4)
OWING = {"due_back": Decimal(1)}
UNDONE = [(OrderStatus.UNPAID, {}), (OrderStatus.VOIDING, {}), (OrderStatus.CANCELED, OWING)]


class TestWork:
    @pytest.mark.parametrize(("status", "changes"), UNDONE)
    def test_left_undone_is_a_problem_that_reconcile_mends(
        self, status: OrderStatus, changes: dict[str, Any], panel: Panel
    ) -> None:
        order = leave(panel, status, LONG, **changes)
        sentence = problem(panel.app)
        assert f"five minutes: {order.number}. Run: flask smmapi reconcile" in sentence
        panel.app.test_cli_runner().invoke(args=["smmapi", "reconcile"])
        assert examined(panel.app)[0] == []

    @pytest.mark.parametrize(("status", "changes"), UNDONE)
    def test_that_may_be_on_its_way_is_none(self, status: OrderStatus, changes: dict[str, Any], panel: Panel) -> None:
        leave(panel, status, SHORT, **changes)
        assert examined(panel.app)[0] == []

    def test_of_old_orders_that_owe_since_just_now_is_none(self, panel: Panel) -> None:
        leave(panel, OrderStatus.CANCELED, SHORT, created=now() - timedelta(days=9), **OWING)
        assert examined(panel.app)[0] == []

    def test_is_read_in_part_and_changed_by_nothing(self, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        orders = [leave(panel, OrderStatus.UNPAID, LONG) for _ in range(5)]
        monkeypatch.setattr("flask_smmapi.cli.doctor.READ", 4)
        given: list[Order] = []

        def unsettled(self: MemoryStore, before: datetime) -> Iterator[Order]:
            for order in orders:
                given.append(order)
                yield order

        monkeypatch.setattr(MemoryStore, "unsettled", unsettled)
        one, two, three, *_ = (order.number for order in orders)
        assert f"five minutes: {one}, {two}, {three}, and others. Run:" in problem(panel.app)
        assert given == orders[:4]
        assert [panel.read(order) for order in orders] == orders

    def test_in_mongodb_is_found_too(self, on_mongo: Panel) -> None:
        order = leave(on_mongo, OrderStatus.UNPAID, LONG)
        assert str(order.number) in problem(on_mongo.app)

    @pytest.mark.parametrize("failure", [ConnectionError(), ValueError("no such table: orders.")], ids=repr)
    def test_that_cannot_be_read_is_a_sentence(
        self, failure: Exception, panel: Panel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsettled(self: MemoryStore, before: datetime) -> list[Order]:
            raise failure

        monkeypatch.setattr(MemoryStore, "unsettled", unsettled)
        reason = f"{type(failure).__name__}: {failure}".rstrip(": .")
        assert problem(panel.app) == f"The orders cannot be read ({reason}); see what is wrong with their store."
