"""What README.md shows is run here, block by block, in the order that a reader meets it."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_smmapi import cli
from flask_smmapi.config import SETTINGS
from flask_smmapi.stores.mongo import documents

from .panel import LINK, at_once

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
INSTALL, FILL, HOOKS = re.findall(r"^```python\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)

Post = Callable[..., Any]


def client_of(app: Flask, key: str) -> Post:
    return lambda **params: app.test_client().post("/api/v2", data={"key": key, **params}).get_json()


@pytest.fixture
def database(tmp_path: Path) -> Callable[[], sqlite3.Connection]:
    """Opens the database that the README speaks of: one user with 100.00, one service."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "panel.db", isolation_level=None, timeout=30)

    with closing(connect()) as db:
        db.executescript("""
            CREATE TABLE users (id INTEGER PRIMARY KEY, api_key TEXT UNIQUE, active BOOLEAN);
            CREATE TABLE services (id INTEGER, name, type, category, rate TEXT, min INTEGER, max INTEGER);
            CREATE TABLE movements (account INTEGER, reference TEXT, units INTEGER, voided BOOLEAN,
                                    PRIMARY KEY (account, reference));
            INSERT INTO users VALUES (7, 'abcd1234.efgh5678-ijkl9012', 1), (8, 'abcd1234.efgh5678-inactive', 0);
            INSERT INTO services VALUES (123, 'YouTube Likes', 'Default', 'YouTube', '1.00', 10, 100000);
            INSERT INTO movements VALUES (7, 'payment-1', 10000000000, 0);
        """)
    return connect


def run(*blocks: str, **names: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "readme", **names}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    return namespace


def with_server(block: str, uri: str) -> str:
    """The block, with the tests' server in it."""
    named = "mongodb://127.0.0.1:27017/panel"
    assert named in block
    return block.replace(named, uri)


@pytest.fixture
def install(mongo_uri: str) -> str:
    """The five lines, with the tests' server in them."""
    return with_server(INSTALL, mongo_uri)


def test_five_lines_install_it(install: str) -> None:
    assert len(INSTALL.splitlines()) == 5
    app = run(install)["app"]
    assert client_of(app, "none")(action="balance") == {"error": "Invalid API key format"}


@pytest.mark.parametrize("store", ["MongoDB", "MemoryStore()"])
def test_a_service_an_account_and_money_open_it(install: str, store: str) -> None:
    in_memory = "from flask_smmapi.stores.memory import MemoryStore\nsmmapi = SmmApi(app, store=MemoryStore())"
    assert "SmmApi(app, store=MemoryStore())" in README
    names = run(install if store == "MongoDB" else INSTALL.replace("smmapi = SmmApi(app)", in_memory), FILL)
    post = client_of(names["app"], names["key"])
    assert post(action="add", service="123", link=LINK, quantity="1000").keys() == {"order"}
    assert post(action="balance") == {"balance": "99.00000000", "currency": "USD"}


def test_the_hooks_work(install: str, mongo_uri: str, database: Any) -> None:
    app = run(install, FILL, with_server(HOOKS, mongo_uri), connect=database)["app"]
    post = client_of(app, "abcd1234.efgh5678-ijkl9012")
    assert [row["service"] for row in post(action="services")] == [123]
    order = post(action="add", service="123", link=LINK, quantity="1000")["order"]
    assert post(action="balance")["balance"] == "99.00000000"
    assert post(action="status", order=order)[order]["charge"] == "1.00000000"
    assert post(action="add", service="123", link=LINK, quantity="99001") == {"error": "Not enough funds on balance"}
    assert post(action="balance")["balance"] == "99.00000000"
    assert client_of(app, "abcd1234.efgh5678-inactive")(action="balance") == {"error": "Invalid API key"}


def test_the_wallet_keeps_its_duties(install: str, mongo_uri: str, database: Any) -> None:
    wallet = run(install, FILL, with_server(HOOKS, mongo_uri), connect=database)["Wallet"]()
    assert sum(at_once(8, lambda n: wallet.debit(7, Decimal(30), f"order-{n}"))) == 3
    assert wallet.balance(7) == 10
    assert at_once(8, lambda n: wallet.debit(7, Decimal(10), "the last")) == [True] * 8
    assert wallet.balance(7) == 0
    wallet.void(7, "the last")
    assert wallet.debit(7, Decimal(10), "the last") is False
    wallet.void(7, "never debited")
    assert wallet.debit(7, Decimal(1), "never debited") is False
    at_once(8, lambda n: wallet.credit(7, Decimal("0.00000001"), "back"))
    assert wallet.balance(7) == Decimal("10.00000001")
    with pytest.raises(ValueError, match="another amount"):
        wallet.credit(7, Decimal(2), "back")


def test_every_config_key_is_listed_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(SMMAPI_\w+)` \| `(.+?)` \|", README, re.MULTILINE))
    assert listed.pop("SMMAPI_KEY_PATTERN") == "XXXXXXXX.XXXXXXXX-XXXXXXXX"
    assert re.fullmatch(SETTINGS["SMMAPI_KEY_PATTERN"].default, "XXXXXXXX.XXXXXXXX-XXXXXXXX")
    assert {name: ast.literal_eval(value) for name, value in listed.items()} == {
        name: setting.default for name, setting in SETTINGS.items() if name != "SMMAPI_KEY_PATTERN"
    }


def test_make_knows_the_commands() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = set(re.findall(r"^make (\w+)", README + (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE))
    assert commands == {"demo", "test", "lint"}
    assert all(re.search(rf"^{command}:", makefile, re.MULTILINE) for command in commands)


def test_the_shell_knows_the_commands() -> None:
    pages = README + "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    commands = set(re.findall(r"flask smmapi\s+([a-z-]+)", pages))
    assert commands == set(cli.group.commands)


def test_the_documents_that_are_named_for_queries_are_there() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert set(re.findall(r"`(Smm[A-Z]\w+)`", page)) == {
        "SmmAccount",
        "SmmKey",
        "SmmService",
        "SmmOrder",
        "SmmRefill",
        "SmmEntry",
    }
    assert all(hasattr(documents, name) for name in re.findall(r"`(Smm[A-Z]\w+)`", page))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/protocol.md", "docs/operations.md"])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []
