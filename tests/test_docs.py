"""Every Python example of README.md and docs/ is run here, and what the pages say of the code is compared with it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import sqlalchemy as sa
from blinker import Signal
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from sqlalchemy import make_url

from docs import conformance
from example_app import existing_panel
from example_app.existing_panel import hooks, seed
from example_app.existing_panel.models import Base, User
from flask_smmapi import Account, Desk, Order, OrderStatus, SmmApi, cli, signals
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import documents
from flask_smmapi.testing import Host, KeyLookupContract, WalletContract

from .panel import DEFAULT, DRIPFEED, LINK, SERVICES, WRONG_KEY, Panel, serve
from .postgres import new_database

ROOT = Path(__file__).parent.parent
FILES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in FILES}
SERVER = "mongodb://127.0.0.1:27017/panel"


def blocks(page: str, language: str = "python") -> list[str]:
    """The page's examples in that language, in the order that a reader meets them."""
    fenced = re.findall(r"^```(\w*)\n(.+?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    return [source for named, source in fenced if named == language]


INSTALL, FILL, HOOKS, KIT = blocks("README.md")
PANEL, VERBS, KEPT = blocks("docs/quickstart.md")
[CONFIG] = blocks("docs/configuration.md")
PROXY, STORAGE, LIMITER, LOG, METRICS, TRACES, RECONCILE = blocks("docs/operations.md")
WORKER, BY_HAND, CHILD, RECEIVER = blocks("docs/fulfilment.md")
COLUMN, TRANSACTION, FLASK_SQLALCHEMY, TIMEOUTS, *EXCERPTS = blocks("docs/your-own-storage.md")


def test_every_page_with_examples_is_run() -> None:
    assert {page for page in PAGES if blocks(page)} == {
        "README.md",
        "docs/configuration.md",
        "docs/fulfilment.md",
        "docs/operations.md",
        "docs/quickstart.md",
        "docs/reference-pages.md",
        "docs/your-own-storage.md",
    }


def run(*sources: str, **names: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "example", **names}
    for source in sources:
        exec(compile(source, "docs", "exec"), namespace)
    return namespace


def at(uri: str, source: str) -> str:
    """The example, with the tests' server in it."""
    assert SERVER in source
    return source.replace(SERVER, uri)


def client_of(app: Flask, key: str) -> Callable[..., Any]:
    return lambda **params: app.test_client().post("/api/v2", data={"key": key, **params}).get_json()


class TestReadme:
    def test_five_lines_install_it(self, mongo_uri: str) -> None:
        assert len(INSTALL.splitlines()) == 5
        app = run(at(mongo_uri, INSTALL))["app"]
        assert client_of(app, "none")(action="balance") == {"error": "Invalid API key format"}

    @pytest.mark.parametrize("store", ["MongoDB", "MemoryStore()"])
    def test_a_service_an_account_and_money_open_it(self, mongo_uri: str, store: str) -> None:
        in_memory = "from flask_smmapi.stores.memory import MemoryStore\nsmmapi = SmmApi(app, store=MemoryStore())"
        assert "SmmApi(app, store=MemoryStore())" in PAGES["README.md"]
        install = at(mongo_uri, INSTALL)
        names = run(install if store == "MongoDB" else install.replace("smmapi = SmmApi(app)", in_memory), FILL)
        post = client_of(names["app"], names["key"])
        assert post(action="add", service="123", link=LINK, quantity="1000").keys() == {"order"}
        assert post(action="balance") == {"balance": "99.00000000", "currency": "USD"}

    def test_three_parts_are_the_panels_own_and_the_orders_are_ours(self, mongo_uri: str) -> None:
        own, account, app = MemoryStore(SERVICES), Account(id=1), Flask("panel")
        key = own.add_account(account, balance=Decimal(5))
        app.config["SMMAPI_MONGODB_URI"] = mongo_uri
        parts = {"find_account": own.key_lookup, "price_list": own.catalog, "Wallet": lambda: own}
        smmapi = run(HOOKS, SmmApi=SmmApi, app=app, **parts)["smmapi"]
        order = client_of(app, key)(action="add", service="123", link=LINK, quantity="1000")["order"]
        assert own.balance(1) == 4
        assert [found.id for found in smmapi.store.list(1)] == [order]
        assert list(own.list(1)) == []

    def test_the_kit_takes_a_fixture_and_a_class_line(self, tmp_path: Path) -> None:
        factory = """
from flask import Flask
from flask_smmapi import Account, SmmApi
from flask_smmapi.stores.memory import MemoryStore
from tests.panel import SERVICES

TEST_DATABASE = "for tests"

def create_app(database):
    store, app = MemoryStore(SERVICES), Flask(database)
    app.config["SMMAPI_KEY_PATTERN"] = None
    store.add_account(Account(1), key="key of user 1")
    SmmApi(app, store=store)
    return app
"""
        (tmp_path / "test_my_panel.py").write_text(factory + KIT)
        options = ["-q", "-p", "no:cacheprovider", "-k", "key or placing"]
        command = [sys.executable, "-m", "pytest", *options, str(tmp_path / "test_my_panel.py")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert re.search(r"\d{2} passed", done.stdout)


class TestQuickstart:
    def test_the_panel_answers_as_the_page_says(self) -> None:
        [script], answers = blocks("docs/quickstart.md", "sh"), blocks("docs/quickstart.md", "")[2]
        with serve(run(PANEL)["app"]) as url:
            script = script.replace("http://127.0.0.1:5000/api/v2", url)
            done = subprocess.run(["bash", "-ec", script.replace("curl ", "curl -sS -w '\\n' ")], capture_output=True)
        got = [json.loads(line) for line in done.stdout.splitlines()]
        services, order, balance = (json.loads(line) for line in answers.splitlines())
        assert got == [services, {"order": got[1]["order"]}, balance]
        assert len(got[1]["order"]) == len(order["order"])

    def test_the_verbs_work_from_python(self, capsys: pytest.CaptureFixture[str]) -> None:
        smmapi = run(PANEL, VERBS)["smmapi"]
        placed, refused = capsys.readouterr().out.splitlines()
        assert placed.endswith("1.00000000 AWAITING")
        assert f"# {refused}\n" in VERBS
        assert smmapi.balance(Account(id=1)) == 100

    def test_it_is_kept_in_mongodb(self, mongo_uri: str) -> None:
        smmapi = run(at(mongo_uri, KEPT))["smmapi"]
        assert smmapi.store.missing_indexes() == []


class TestConfiguration:
    def test_the_page_is_what_the_code_says(self) -> None:
        """``make docs`` writes it anew."""
        script = [sys.executable, str(ROOT / "docs" / "configuration.py")]
        assert (
            subprocess.run(script, capture_output=True, text=True, check=True).stdout == PAGES["docs/configuration.md"]
        )

    def test_a_setting_may_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        app = Flask("panel")
        monkeypatch.setenv("FLASK_SMMAPI_MAX_IDS", "7")
        run(CONFIG, app=app)
        panel = Panel(app=app)
        assert panel.post("balance").json["currency"] == "EUR"
        assert panel.post("status", orders=",".join("12345678")).json == {"error": "Maximum 7 orders per request"}


def test_the_conformance_page_is_what_the_server_says() -> None:
    """``make docs`` writes it anew."""
    assert conformance.page() == PAGES["docs/conformance.md"]


class TestOperations:
    def test_behind_a_proxy_its_clients_are_the_callers(self) -> None:
        panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS": "1 per hour"})
        run(PROXY, app=panel.app)
        callers = ("203.0.113.1", "203.0.113.1", "203.0.113.2")
        got = [panel.post("balance", key="none", headers={"X-Forwarded-For": caller}) for caller in callers]
        assert [answer.status for answer in got] == [401, 429, 401]

    def test_the_limiters_storage_is_set(self) -> None:
        app = Flask("panel")
        names = run(STORAGE, LIMITER, app=app)
        assert app.config["RATELIMIT_STORAGE_URI"] == "redis://127.0.0.1:6379/1"
        pool = names["limiter"].storage.storage.connection_pool
        assert pool.connection_kwargs["socket_timeout"] == 0.25

    def test_each_request_is_a_line_of_the_log(self, panel: Panel, caplog: pytest.LogCaptureFixture) -> None:
        run(LOG)
        panel.post("add", service=DEFAULT, link=LINK, quantity=1000)
        panel.post("balance", key=WRONG_KEY)
        logging.getLogger("flask_smmapi").setLevel(logging.NOTSET)
        [shown] = re.findall("^action=.*\naction=.*$", PAGES["docs/operations.md"], re.MULTILINE)
        assert [plain(line) for line in caplog.messages] == [plain(line) for line in shown.splitlines()]

    @pytest.fixture
    def _log_is_restored(self) -> Iterator[None]:
        log = logging.getLogger("flask_smmapi")
        handlers = list(log.handlers)
        log.setLevel(logging.INFO)
        yield
        log.setLevel(logging.NOTSET)
        log.handlers[:] = handlers

    @pytest.mark.usefixtures("_log_is_restored")
    def test_prometheus_counts_answers_and_events(self, panel: Panel) -> None:
        names = run(METRICS, app=panel.app)
        panel.post("add", service=DEFAULT, link=LINK, quantity=1000)
        panel.post("balance", key=WRONG_KEY)
        read = REGISTRY.get_sample_value
        assert read("smmapi_answer_seconds_count", {"action": "add", "status": "200"}) == 1
        assert read("smmapi_answer_seconds_count", {"action": "balance", "status": "401"}) == 1
        assert read("smmapi_events_total", {"event": "order placed"}) == 1
        assert read("smmapi_events_total", {"event": "Invalid API key"}) == 1
        assert names["count_order"]
        assert names["count_refusal"]

    def test_an_order_is_an_event_of_the_requests_span(self, panel: Panel) -> None:
        spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        names = run(TRACES, app=panel.app)
        with provider.get_tracer("tests").start_as_current_span("request"):
            order = panel.place()
        assert names["trace_order"]
        [span] = spans.get_finished_spans()
        assert [(event.name, event.attributes["order"]) for event in span.events] == [("order placed", order.id)]

    def test_reconcile_says_what_it_did(self, panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
        run(RECONCILE, smmapi=panel.smmapi)
        assert capsys.readouterr().out == "0 0 0\n"

    def test_the_documents_that_are_named_for_queries_are_there(self) -> None:
        named = set(re.findall(r"`(Smm[A-Z]\w+)`", PAGES["docs/operations.md"])) - {"SmmApi"}
        assert named == {"SmmAccount", "SmmKey", "SmmService", "SmmOrder", "SmmRefill", "SmmEntry"}
        assert all(hasattr(documents, name) for name in named)


def plain(line: str) -> str:
    """Without what differs each time."""
    return re.sub(r"[0-9a-f]{24}", "an id", re.sub(r"[0-9]+\.[0-9]+", "some", line))


class TestFulfilment:
    def test_a_worker_begins_with_what_has_waited(self, panel: Panel) -> None:
        bought: list[Order] = []
        work = run(WORKER, count_now=len, buy=bought.append)["work"]
        old, young = panel.place(), panel.place()
        panel.move(old, OrderStatus.AWAITING, due=old.created - timedelta(minutes=1))
        work(panel.smmapi.desk, "worker 1")
        assert [(order.id, order.status, order.start_count) for order in bought] == [
            (old.id, OrderStatus.PROCESSING, len(LINK))
        ]
        assert panel.read(young).status is OrderStatus.AWAITING

    def test_the_verbs_by_hand(self, panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
        run(BY_HAND, desk=panel.smmapi.desk, order=panel.place())
        assert f"# {capsys.readouterr().out}" in BY_HAND

    def test_a_child(self, panel: Panel) -> None:
        desk = panel.smmapi.desk
        parent = desk.start(desk.take(panel.place(DRIPFEED, quantity=100, runs=10, interval=60), "me"))
        child = run(CHILD, desk=desk, parent=parent)["child"]
        assert panel.read(parent).children == (child.number,)

    def test_a_receiver_hears_of_a_cancel(self, panel: Panel) -> None:
        outbox: list[str] = []
        names = run(RECEIVER, app=panel.app, outbox=outbox)
        assert names["tell_client"]
        order = panel.place()
        panel.smmapi.cancel(panel.account, order.id)
        assert outbox == [f"Order {order.number} was canceled; 1.00000000 came back."]

    def test_every_verb_and_every_signal_is_named(self) -> None:
        page = PAGES["docs/fulfilment.md"]
        verbs = [name for name, verb in vars(Desk).items() if callable(verb) and name[0] != "_"]
        names = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
        assert [name for name in verbs + names if not re.search(rf"\b{name}\b", page)] == []


class TestYourOwnStorage:
    @pytest.mark.parametrize("excerpt", [COLUMN, TRANSACTION, *EXCERPTS])
    def test_what_is_shown_is_what_the_existing_panel_runs(self, excerpt: str) -> None:
        files = (ROOT / "example_app" / "existing_panel").glob("*.py")
        assert excerpt == KIT or any(excerpt in path.read_text("utf-8") for path in files)

    def test_the_query_finds_a_wrong_balance_and_nothing_else(self, app: Flask) -> None:
        _, _, query = blocks("docs/your-own-storage.md", "sql")
        with app.extensions["panel"].transaction() as session:
            assert session.execute(sa.text(query)).all() == []
            session.get_one(User, 1).balance += 1
            session.flush()
            assert [row.id for row in session.execute(sa.text(query))] == [1]

    def test_the_column_is_added_to_a_table_that_was_there_first(self, postgres_url: str) -> None:
        added, _, _ = blocks("docs/your-own-storage.md", "sql")
        with psycopg.connect(postgres_url) as connection:
            connection.execute("CREATE TABLE transactions (id SERIAL, user_id INTEGER, amount NUMERIC(20, 8))")
            connection.execute(added)
            row = "INSERT INTO transactions (user_id, amount, reference) VALUES (1, 1, NULL), (1, 1, NULL), (1, 1, 'a')"
            connection.execute(row)
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute(row)

    def test_numbers_begin_behind_those_of_before(self, app: Flask) -> None:
        _, restart, _ = blocks("docs/your-own-storage.md", "sql")
        with app.extensions["panel"].transaction() as session:
            session.execute(sa.text(restart))
        params = {"action": "add", "service": "123", "link": LINK, "quantity": "1000"}
        assert client_of(app, seed.PANEL_KEY)(**params) == {"order": 500_001}

    @pytest.fixture
    def app(self, postgres_url: str) -> Iterator[Flask]:
        app = existing_panel.create_app(postgres_url)
        seed.seed(app)
        yield app
        app.extensions["panel"].close()


@pytest.fixture(scope="class")
def on_flask_sqlalchemy(postgres: str) -> Iterator[Host]:
    """The same hooks, over the transaction that the page shows for Flask-SQLAlchemy."""
    app, db = Flask("panel"), SQLAlchemy()
    run(TIMEOUTS, app=app)
    with new_database(postgres) as url:
        app.config["SQLALCHEMY_DATABASE_URI"] = make_url(url).set(drivername="postgresql+psycopg")
        db.init_app(app)
        database = app.extensions["panel"] = run(FLASK_SQLALCHEMY)["Database"](db)
        wallet, key_lookup = hooks.Wallet(database), partial(hooks.key_lookup, database)
        app.config["SMMAPI_KEY_PATTERN"] = "[0-9a-f]{32}"
        SmmApi(app, store=MemoryStore(), wallet=wallet, key_lookup=key_lookup)
        with app.app_context():
            Base.metadata.create_all(db.engine)
            seed.seed(app)
        yield Host(app, accounts=(1, 2), keys={seed.KEY_1: 1, seed.KEY_OF_INACTIVE: None})
        with app.app_context():
            db.engine.dispose()


class TestOnFlaskSqlalchemy(KeyLookupContract, WalletContract):
    @pytest.fixture
    def host(self, on_flask_sqlalchemy: Host) -> Host:
        return on_flask_sqlalchemy


def test_make_knows_the_commands() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = "".join(PAGES.values())
    commands = set(
        re.findall(r"^make ([\w-]+)", pages, re.MULTILINE) + re.findall(r"`(?:\w+=\w+ )?make ([\w-]+)`", pages)
    )
    assert commands == {
        *("demo", "demo-existing", "test", "long", "lint", "lock", "docs", "screenshots", "bench", "bench-growth")
    }
    assert all(re.search(rf"^{command}:", makefile, re.MULTILINE) for command in commands)


def test_the_shell_knows_the_commands() -> None:
    """A command of a sub-group is named after it: ``smmapi orders list``."""
    pages = "".join(PAGES.values())
    groups = {name: command for name, command in cli.group.commands.items() if isinstance(command, click.Group)}
    commands = set(re.findall(r"flask (?:--app \w+ )?smmapi\s+([a-z-]+)", pages))
    assert commands - set(groups) == set(cli.group.commands) - set(groups)
    for name, group in groups.items():
        assert set(re.findall(rf"smmapi {name} ([a-z-]+)", pages)) == set(group.commands)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To a file, and to a heading if one is named."""
    for target, heading in re.findall(r"\]\((?!https?://)([^)#\s]*)(#[^)]*)?\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not heading or heading[1:] in anchors(path.read_text("utf-8")), heading


def test_each_picture_is_shown_and_small() -> None:
    shown = {path for page in PAGES.values() for path in re.findall(r"images/[\w-]+\.png", page)}
    sizes = {f"images/{path.name}": path.stat().st_size for path in (ROOT / "docs" / "images").iterdir()}
    assert sizes.keys() == shown
    assert max(sizes.values()) < 120_000


def anchors(page: str) -> set[str]:
    """The headings, as links name them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
