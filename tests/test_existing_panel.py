"""The existing panel at work: golden tests, many at once, kills, outages, money; on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from example_app.existing_panel import create_app, database, default_url
from example_app.existing_panel.database import Database
from example_app.existing_panel.hooks import Wallet
from example_app.existing_panel.models import ApiKey, Transaction
from example_app.existing_panel.orders import Orders
from example_app.existing_panel.seed import KEY_1, KEY_2, OPENING, PANEL_KEY, demo_users, seed
from flask_smmapi.ids import new_id
from flask_smmapi.placement import now

from .existing import ExistingStore, differences, post, process
from .panel import LINK, Panel, at_once, serve
from .postgres import postgres_or_skip
from .test_document import (
    test_example,
    test_ten_failed_attempts,
    test_the_documents_own_key_has_the_right_format,
)

__all__ = [
    "test_example",
    "test_ten_failed_attempts",
    "test_the_documents_own_key_has_the_right_format",
]
"""The document's golden tests run here once more, on the fixture ``panel`` below."""

Create: TypeAlias = Callable[..., Flask]

A_HUNDRED = {"service": 123, "link": LINK, "quantity": 100_000}
"""An order for 100.00 at user 2's prices; he has money for ten."""

NO_MONEY = (400, {"error": "Not enough funds on balance"})
UNAVAILABLE = (503, {"error": "Service unavailable"})
ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'panel.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def create(url: str) -> Iterator[Create]:
    """Makes the panel's app, with the demo's users in it, and closes its connections at the end."""
    with ExitStack() as stack:

        def create(database_url: str = url, **options: Any) -> Flask:
            app = create_app(database_url, **options)
            stack.callback(app.extensions["panel"].close)
            seed(app)
            return app

        yield create


@pytest.fixture
def app(create: Create) -> Flask:
    return create()


@pytest.fixture
def other_database(url: str) -> Iterator[Database]:
    """The same database through connections of its own."""
    other = Database(url)
    yield other
    other.close()


@pytest.fixture(params=["sql", "mongodb"])
def panel(request: pytest.FixtureRequest, other_database: Database) -> Panel:
    """The one that the golden tests are played on, with its orders in either place."""
    other_database.create_tables()
    in_sql = request.param == "sql"
    orders = Orders(other_database) if in_sql else request.getfixturevalue("mongo_store")
    return Panel(store=ExistingStore(other_database, orders))


def order_a_hundred(api: str) -> tuple[int, Any]:
    """Status and JSON of the answer; 200 and None for an order, whose id is not known before."""
    answer = post(api, "add", **A_HUNDRED)
    return (200, None) if answer.json.keys() == {"order"} else (answer.status, answer.json)


def balance(app: Flask) -> Decimal:
    """User 2's."""
    return Wallet(app.extensions["panel"]).balance(2)


def reconcile(app: Flask) -> str:
    return app.test_cli_runner().invoke(args=["smmapi", "reconcile", "--older-than", "0"]).output


class TestManyAtOnce:
    def test_of_sixteen_orders_those_are_placed_that_can_be_paid(self, app: Flask) -> None:
        assert Wallet(app.extensions["panel"]).debit(2, OPENING / 2, "what leaves money for five")
        with serve(app) as api:
            heard = at_once(16, lambda _: order_a_hundred(api))
        assert sorted(heard, key=str) == [(200, None)] * 5 + [NO_MONEY] * 11
        assert len(Orders(app.extensions["panel"]).list(2)) == 5
        assert (balance(app), differences(app)) == (0, [])

    def test_two_processes_take_no_more_than_there_is(self, app: Flask, url: str) -> None:
        with process(url) as one, process(url) as other:
            heard = at_once(16, lambda number: order_a_hundred((one, other)[number % 2].api))
        assert sorted(heard, key=str) == [(200, None)] * 10 + [NO_MONEY] * 6
        assert (balance(app), differences(app)) == (0, [])

    def test_repeats_and_cancels_in_two_processes_count_once(self, app: Flask, url: str) -> None:
        key = {"Idempotency-Key": "order 0001"}
        with process(url) as one, process(url) as other:
            apis = itertools.cycle([one.api, other.api])
            placed = at_once(8, lambda _: post(next(apis), "add", headers=key, **A_HUNDRED).json["order"])
            assert (len(set(placed)), balance(app)) == (1, OPENING - 100)
            canceled = at_once(8, lambda _: post(next(apis), "cancel", order=placed[0]).json)
        assert canceled == [{"cancel": 1}] * 8
        assert (balance(app), differences(app)) == (OPENING, [])


class TestKills:
    def test_a_kill_at_any_step_of_an_order_leaves_books_that_add_up(self, app: Flask, url: str) -> None:
        command = [sys.executable, "-m", "tests.existing", "kill", url]
        kills = int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
        assert kills >= 15
        assert re.fullmatch(r"\d\d? orders abandoned, 0 paid back, 0 failed\.\n", reconcile(app))
        [order] = Orders(app.extensions["panel"]).list(2)
        assert (balance(app), differences(app)) == (OPENING - order.charge, [])

    def test_a_kill_under_load_loses_no_order_and_no_money(self, app: Flask, url: str) -> None:
        told: list[str] = []

        def order_until_the_end(_: int) -> None:
            while True:
                try:
                    told.append(post(server.api, "add", service=123, link=LINK, quantity=1000).json["order"])
                except (ConnectionError, HTTPException, urllib.error.URLError):
                    return
                if len(told) == 20:
                    os.kill(server.pid, signal.SIGKILL)

        with process(url) as server:
            at_once(8, order_until_the_end)
        assert differences(app) == []
        assert reconcile(app).endswith(" 0 failed.\n")
        orders = Orders(app.extensions["panel"])
        placed = orders.list(2, limit=1000)
        assert {order.id for order in placed} >= set(told)
        assert balance(app) == OPENING - sum(order.charge for order in placed)
        assert differences(app) == []


class TestOutages:
    def test_postgresql_that_is_away_is_503_until_it_is_back(self) -> None:
        with postgres_or_skip() as server:
            app = create_app(server.url)
            seed(app)
            with serve(app) as api:
                assert order_a_hundred(api) == (200, None)
                server.stop()
                for action in ("balance", "services", "add", "status"):
                    answer = post(api, action, **A_HUNDRED, order=1)
                    assert (answer.status, answer.json) == UNAVAILABLE
                    assert int(answer.headers["Retry-After"]) > 0
                server.start()
                assert order_a_hundred(api) == (200, None)
                server.stop()
                server.start()
                assert order_a_hundred(api) == (200, None)  # a restart that nobody saw
            assert (balance(app), differences(app)) == (OPENING - 300, [])
            app.extensions["panel"].close()

    def test_a_lock_that_is_not_given_back_is_503(
        self, create: Create, other_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """PostgreSQL's row, SQLite's whole file; who only reads does not wait for it."""
        monkeypatch.setattr(database, "PATIENCE", 1)
        app = create()
        engine = sa.create_engine(other_database.reader.url)
        with serve(app) as api:
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE users SET name = 'Locked' WHERE id = 2"))
                assert order_a_hundred(api) == UNAVAILABLE
                assert post(api, "balance").json == {"balance": "1000.00000000", "currency": "USD"}
            engine.dispose()
            assert order_a_hundred(api) == (200, None)
        assert reconcile(app).endswith(" 0 failed.\n")
        assert (balance(app), differences(app)) == (OPENING - 100, [])
        assert len(Orders(app.extensions["panel"]).list(2)) == 1

    def test_a_mistake_is_no_outage(self, app: Flask, url: str, other_database: Database) -> None:
        with other_database.transaction() as session:
            session.execute(sa.text("DROP TABLE services"))
        is_told = sys.version_info >= (3, 11) or not url.startswith("sqlite")  # what kind of failure it is
        with serve(app) as api:
            assert post(api, "services").status == (500 if is_told else 503)


class TestDialects:
    def status(self, app: Flask, key: str) -> Any:
        order = app.test_client().post("/api/v2", data={"key": key, "action": "add", **A_HUNDRED}).get_json()["order"]
        return app.test_client().post("/api/v2", data={"key": key, "action": "status", "order": order}).get_json()

    def test_a_key_has_its_own(self, app: Flask) -> None:
        assert self.status(app, PANEL_KEY)["status"] == "Pending"
        [order] = self.status(app, KEY_1).values()
        assert order["status"] == "Awaiting"

    def test_all_may_speak_another(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLASK_SMMAPI_DIALECT", "panel")
        app = create_app(url, orders="sql")
        seed(app)
        assert self.status(app, KEY_1)["status"] == "Pending"
        app.extensions["panel"].close()

    def test_one_that_there_is_not_does_not_get_into_the_table(self, app: Flask, other_database: Database) -> None:
        with pytest.raises(sa.exc.IntegrityError), other_database.transaction() as session:
            session.execute(sa.update(ApiKey).values(dialect="pannel"))


def test_a_table_that_lacks_a_column_is_a_sentence(app: Flask, url: str, other_database: Database) -> None:
    with other_database.transaction() as session:
        session.execute(sa.text("ALTER TABLE api_orders DROP COLUMN children"))
    with pytest.raises(RuntimeError, match=r"\AThe table api_orders lacks children; add that with ALTER TABLE\.\Z"):
        create_app(url, orders="sql")


class TestMoney:
    def test_a_discount_is_seen_and_charged(self, app: Flask) -> None:
        client = app.test_client()
        answers = {
            key: [
                client.post("/api/v2", data={"key": key, "action": action, **A_HUNDRED, "quantity": 1000}).get_json()
                for action in ("services", "add", "balance")
            ]
            for key in (KEY_1, KEY_2)
        }
        for key, rate, left in ((KEY_1, "0.90000000", "999.10000000"), (KEY_2, "1.00000000", "999.00000000")):
            services, _, rest = answers[key]
            assert {row["service"]: row["rate"] for row in services}[123] == rate
            assert rest["balance"] == left

    def test_the_panels_old_transactions_have_no_reference(self, app: Flask) -> None:
        with app.extensions["panel"].transaction() as session:
            session.add_all([Transaction(user_id=1, amount=Decimal(1)) for _ in range(2)])
        assert [user for user, _ in differences(app)] == [1]

    def test_no_place_of_an_amount_is_rounded_away(self, app: Flask) -> None:
        with pytest.raises(sa.exc.StatementError, match="more than eight decimal places"):
            Wallet(app.extensions["panel"]).credit(2, Decimal("0.000000001"), "too fine")
        assert balance(app) == OPENING


def test_no_query_reads_a_whole_table(tmp_path: Path) -> None:
    panel = Database(f"sqlite:///{tmp_path / 'panel.db'}")
    panel.create_tables()
    asked: list[tuple[str, Any]] = []
    sa.event.listen(panel.reader, "before_cursor_execute", lambda *event: asked.append(event[2:4]))
    orders, ids = Orders(panel), [new_id(), 7]
    orders.find(1, ids)
    orders.find_by_key(1, "order 0001")
    orders.list(1, before=9)
    orders.find_refills(1, ids)
    orders.unsettled(now())
    queries = [(query, values) for query, values in asked if query.startswith("SELECT")]
    assert len(queries) == 5
    with panel.reader.connect() as connection:
        for query, values in queries:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).scalars("detail").all()
            assert all("USING" in step or "OR" in step or step.startswith("INDEX") for step in plan), plan
    panel.close()


class TestThePanelItself:
    def test_its_page_lists_its_prices(self, app: Flask) -> None:
        page = app.test_client().get("/")
        assert (page.status_code, page.mimetype) == (200, "text/html")
        assert "YouTube Likes<td>1.00000000" in page.text

    def test_it_shows_errors_its_own_way(self, app: Flask) -> None:
        client = app.test_client()
        assert "<h1>Not Found</h1>" in client.get("/nothing").text
        refused = client.post("/", headers={"Accept": "application/json"})
        assert (refused.status_code, refused.get_json()) == (405, {"message": "Method Not Allowed"})
        assert client.get("/api/v2").get_json() == {"error": "Method not allowed"}
        assert client.post("/api/v2", data={"key": "x"}).get_json() == {"error": "Invalid API key format"}

    def test_two_panels_in_one_process_are_apart(self, create: Create, tmp_path: Path) -> None:
        one, other = create(), create(f"sqlite:///{tmp_path / 'other.db'}")
        with serve(one) as api:
            assert order_a_hundred(api) == (200, None)
        assert [balance(app) for app in (one, other)] == [OPENING - 100, OPENING]

    def test_seeding_twice_is_seeding_once_and_says_what_to_try(self, create: Create) -> None:
        app = create()
        runs = [app.test_cli_runner().invoke(args=["seed"], env={"FLASK_RUN_PORT": "8000"}) for _ in range(2)]
        assert [run.exit_code for run in runs] == [0, 0]
        assert runs[0].output == runs[1].output
        assert all(key in runs[0].output for key in demo_users())
        assert (balance(app), differences(app)) == (OPENING, [])
        lines = [shlex.split(line) for line in runs[0].output.splitlines() if "curl" in line]
        for program, address, *options in lines:
            assert (program, address) == ("curl", "http://127.0.0.1:8000/api/v2")
            assert set(options[::2]) == {"-d"}
            assert (
                app.test_client().post("/api/v2", data=dict(o.split("=", 1) for o in options[1::2])).status_code == 200
            )
        assert len(lines) == 4

    def test_the_seeds_keys_fit_the_panels_format(self) -> None:
        assert all(re.fullmatch("[0-9a-f]{32}", key) for key in demo_users())


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_debit_that_has_waited_for_its_void_sees_it(create: Create, postgres_url: str, level: str) -> None:
    """Whatever the database's default is: on an older snapshot it would take the money after all."""
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute(f"ALTER DATABASE {owner.info.dbname} SET default_transaction_isolation = '{level}'")
        app, reference = create(postgres_url), new_id()
        wallet = Wallet(app.extensions["panel"])
        with ThreadPoolExecutor() as threads:
            with psycopg.connect(postgres_url) as voiding:
                voiding.execute("SELECT 1 FROM users WHERE id = 2 FOR UPDATE")
                row = [f"{reference}:void"]
                voiding.execute(
                    "INSERT INTO transactions (user_id, amount, created, reference) VALUES (2, 0, now(), %s)", row
                )
                debited = threads.submit(wallet.debit, 2, Decimal(1), reference)
                wait_for_a_waiter(owner)
            assert debited.result() is False
        owner.execute(f"ALTER DATABASE {owner.info.dbname} RESET default_transaction_isolation")
    assert balance(app) == OPENING


def wait_for_a_waiter(connection: psycopg.Connection[Any]) -> None:
    """Until somebody waits for a lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ends = time.monotonic() + 20
    while connection.execute(query).fetchone() is None:
        assert time.monotonic() < ends, "nobody waits"


def test_a_schema_that_the_url_names_is_used(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop")
        app = create_app(f"{postgres_url}?options=-csearch_path%3Dshop")
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'shop'").fetchone()
    app.extensions["panel"].close()
    assert tables == (6,)


class TestSettings:
    @pytest.mark.parametrize("start", ["postgres", "postgresql", "postgresql+psycopg"])
    def test_every_way_to_write_postgresql_is_understood(self, start: str) -> None:
        assert Database(f"{start}://user:secret@127.0.0.1/panel").reader.url.drivername == "postgresql+psycopg"

    @pytest.mark.parametrize("url", ["mysql://user:secret@127.0.0.1/panel", "sqlite://", "sqlite:///:memory:"])
    def test_another_database_is_refused_with_a_sentence(self, url: str) -> None:
        with pytest.raises(
            ValueError, match=r"use postgresql://user:password@host/name or sqlite:///file\."
        ) as refusal:
            create_app(url)
        assert "secret" not in str(refusal.value)

    def test_the_environment_names_the_database_and_where_orders_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'named.db'}")
        create_app().extensions["panel"].close()
        assert (tmp_path / "named.db").exists()
        monkeypatch.setenv("PANEL_ORDERS", "paper")
        with pytest.raises(
            ValueError, match=r"\APANEL_ORDERS is 'paper'; the panel keeps orders in sql or mongodb\.\Z"
        ):
            create_app()

    def test_without_one_it_is_a_file_in_the_instance_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "instance"
        assert default_url(Flask("panel", instance_path=str(folder))) == f"sqlite:///{folder}/panel.db"
        assert folder.is_dir()

    def test_orders_in_sql_need_no_mongodb(self, tmp_path: Path) -> None:
        code = f"""
import sys
from example_app.existing_panel import create_app
from example_app.existing_panel.seed import KEY_1, seed
app = create_app("sqlite:///{tmp_path / "panel.db"}", orders="sql")
seed(app)
order = {{"key": KEY_1, "action": "add", "service": 123, "link": "{LINK}", "quantity": 10}}
assert "order" in app.test_client().post("/api/v2", data=order).json
print(*sys.modules)
"""
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        loaded = set(run.stdout.split())
        assert "example_app.existing_panel.orders" in loaded
        assert loaded.isdisjoint({"mongoengine", "pymongo", "bson", "flask_smmapi.stores.mongo"})
