"""``flask smmapi accounts …``, ``keys …`` and ``statement``: what an owner sees and changes from the shell."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_smmapi import SmmApi, StoreUnavailable
from flask_smmapi.cli import statement
from flask_smmapi.keys import PATTERN
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore

from .panel import Panel

INVALID = (401, {"error": "Invalid API key"})


@pytest.fixture(params=["memory", "mongo"])
def panel(request: pytest.FixtureRequest) -> Panel:
    """A panel on either store of ours; its account 1 has 100."""
    return Panel(store=MongoStore(request.getfixturevalue("mongo_uri")) if request.param == "mongo" else MemoryStore())


def run(panel: Panel, *args: Any, answer: str | None = None) -> Result:
    return panel.app.test_cli_runner().invoke(args=["smmapi", *map(str, args)], input=answer)


def done(panel: Panel, *args: Any, answer: str | None = None) -> str:
    """What the command printed; it must have succeeded."""
    result = run(panel, *args, answer=answer)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(panel: Panel, *args: Any, answer: str | None = None, code: int = 1) -> str:
    """The sentence on stderr; nothing else was printed."""
    result = run(panel, *args, answer=answer)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr.splitlines()[-1].removeprefix("Error: ")


class TestAccounts:
    def test_are_created_with_a_key_that_opens_them(self, panel: Panel) -> None:
        key = done(panel, "accounts", "create", 42, "--currency", "EUR", "--dialect", "panel").strip()
        assert panel.post("balance", key=key).json == {"balance": "0.00000000", "currency": "EUR"}

    def test_are_created_once(self, panel: Panel) -> None:
        sentence = "There is an account 1 already; create_key gives it a key, change_account changes it."
        assert refused(panel, "accounts", "create", 1) == sentence
        assert len(panel.store.keys(1)) == 1

    def test_may_have_an_id_of_text(self, panel: Panel) -> None:
        done(panel, "accounts", "create", "str:42")
        assert panel.store.account_info("42") is not None
        assert panel.store.account_info(42) is None

    def test_are_listed_in_pages_with_their_money(self, panel: Panel) -> None:
        done(panel, "accounts", "create", 2)
        done(panel, "accounts", "create", "str:1")
        lines = [line.split("\t")[:4] for line in done(panel, "accounts", "list").splitlines()]
        assert lines == [
            ["1", "active", "100.00000000", "USD"],
            ["2", "active", "0.00000000", "USD"],
            ["str:1", "active", "0.00000000", "USD"],
        ]
        assert [record["id"] for record in json.loads(done(panel, "accounts", "list", "--json", "--limit", 2))] == [
            1,
            2,
        ]
        assert done(panel, "accounts", "list", "--after", 2).startswith("str:1\t")

    def test_are_shown_with_their_prices(self, panel: Panel) -> None:
        done(panel, "accounts", "set-prices", 1, "--discount", "7.5", "--rate", "2=0.8", "--rate", "3=1")
        shown = json.loads(done(panel, "accounts", "show", 1, "--json"))
        assert shown["discount"] == "7.50"
        assert shown["rates"] == {"2": "0.80000000", "3": "1.00000000"}
        assert "rate.2\t0.80000000\n" in done(panel, "accounts", "show", 1)

    def test_that_are_not_there_are_told_of(self, panel: Panel) -> None:
        sentence = "There is no account 7; flask smmapi accounts create 7 makes it."
        for command in (
            ("accounts", "show", 7),
            ("accounts", "change", 7, "--allow-any-ip"),
            ("accounts", "pause", 7),
            ("accounts", "resume", 7),
            ("accounts", "top-up", 7, "--amount", 1, "--payment", "P-1"),
            ("accounts", "adjust", 7, "--amount", 1, "--reason", "a gift"),
            ("accounts", "set-prices", 7, "--discount", 1),
            ("keys", "list", 7),
            ("keys", "create", 7),
            ("keys", "rotate", 7, "0" * 12),
            ("keys", "revoke", 7, "0" * 12),
        ):
            assert refused(panel, *command) == sentence
        assert panel.store.account_info(7) is None

    def test_are_paused_and_resumed(self, panel: Panel) -> None:
        assert done(panel, "accounts", "pause", 1) == "Account 1 is paused.\n"
        assert panel.post("balance").status == 401
        assert done(panel, "accounts", "resume", 1) == "Account 1 is active.\n"
        assert panel.post("balance").status == 200


class TestChange:
    def test_leaves_what_is_not_named(self, panel: Panel) -> None:
        panel.store.change_account(1, currency="EUR", dialect="panel", allowed_ips=("192.0.2.7",))
        done(panel, "accounts", "change", 1, "--dialect", "standard")
        done(panel, "accounts", "change", 1, "--allow-ip", "127.0.0.1", "--allow-ip", "2001:db8::/32")
        info = panel.store.account_info(1)
        assert (info.currency, info.dialect, info.allowed_ips) == ("EUR", "standard", ("127.0.0.1", "2001:db8::/32"))
        done(panel, "accounts", "change", 1, "--dialect", "app", "--allow-any-ip")
        info = panel.store.account_info(1)
        assert (info.currency, info.dialect, info.allowed_ips) == ("EUR", None, ())
        told = done(panel, "accounts", "change", 1, "--currency", "USDT")
        assert told == "Account 1 has USDT and speaks the dialect app; every address may call.\n"

    def test_is_seen_by_the_next_request(self, panel: Panel) -> None:
        done(panel, "accounts", "change", 1, "--allow-ip", "192.0.2.7")
        assert panel.post("balance").status == 401

    def test_of_what_cannot_be_changes_nothing(self, panel: Panel) -> None:
        assert "'mars' does not appear to be" in refused(panel, "accounts", "change", 1, "--allow-ip", "mars", code=2)
        assert "host bits set" in refused(panel, "accounts", "change", 1, "--allow-ip", "192.0.2.7/24", code=2)
        assert "write its code" in refused(panel, "accounts", "change", 1, "--currency", "dollars", code=2)
        assert refused(panel, "accounts", "change", 1, code=2) == "Say what to change."
        both = refused(panel, "accounts", "change", 1, "--allow-ip", "192.0.2.7", "--allow-any-ip", code=2)
        assert both == "Give --allow-ip or --allow-any-ip, not both."
        assert panel.store.account_info(1).allowed_ips == ()


class TestMoney:
    def test_is_topped_up_once_a_payment(self, panel: Panel) -> None:
        top_up = ("accounts", "top-up", 1, "--amount", "50.00", "--payment", "P-1")
        assert done(panel, *top_up) == "Account 1 has 150.00000000 USD.\n"
        again = "Payment P-1 was booked before; nothing changed. Account 1 has 150.00000000 USD.\n"
        assert done(panel, *top_up) == again
        other = refused(panel, "accounts", "top-up", 1, "--amount", "51", "--payment", "P-1")
        assert other == "The reference 'payment:P-1' was used with another amount before."
        assert panel.balance == 150

    def test_is_adjusted_with_a_reason(self, panel: Panel) -> None:
        take = ("accounts", "adjust", 1, "--amount", "-2.50", "--reason", "paid in twice", "--reference", "N-1")
        told = "Adjustment N-1 is booked, once. Account 1 has 97.50000000 USD.\n"
        assert done(panel, *take) == done(panel, *take) == told
        assert [line.note for line in panel.store.statement(1)] == [None, "paid in twice"]

    def test_is_never_overdrawn(self, panel: Panel) -> None:
        sentence = refused(panel, "accounts", "adjust", 1, "--amount", "-100.00000001", "--reason", "a fine")
        assert sentence == "Account 1 has less than 100.00000001; nothing changed."
        assert panel.balance == 100

    @pytest.mark.parametrize("amount", ["1e400", "1_000", "٣", "0.000000001", "NaN", "--1", "+1", "1,50", ""])
    def test_is_read_digit_by_digit(self, panel: Panel, amount: str) -> None:
        refused(panel, "accounts", "top-up", 1, "--amount", amount, "--payment", "P-1", code=2)
        assert panel.balance == 100

    @pytest.mark.parametrize("amount", ["0", "-1"])
    def test_that_is_paid_in_is_more_than_nothing(self, panel: Panel, amount: str) -> None:
        refused(panel, "accounts", "top-up", 1, "--amount", amount, "--payment", "P-1")
        assert panel.balance == 100


@pytest.mark.parametrize("text", ["two\nlines", "a\x1b[2J", "\ud800"])
def test_what_cannot_be_printed_is_not_taken(panel: Panel, text: str) -> None:
    for command in (
        ("accounts", "create", text),
        ("accounts", "adjust", 1, "--amount", 1, "--reason", text),
        ("keys", "create", 1, "--label", text),
    ):
        assert refused(panel, *command, code=2).endswith("has characters that cannot be printed.")
    assert [info.id for info in panel.store.accounts()] == [1]
    assert (panel.balance, len(panel.store.keys(1))) == (100, 1)


class TestPrices:
    def test_change_one_by_one(self, panel: Panel) -> None:
        done(panel, "accounts", "set-prices", 1, "--rate", "2=0.8", "--rate", "3=0.9")
        done(panel, "accounts", "set-prices", 1, "--discount", "10")
        done(panel, "accounts", "set-prices", 1, "--rate", "123=0.5", "--list-rate", "3")
        info = panel.store.account_info(1)
        assert info.discount == 10
        assert info.rates == {2: Decimal("0.8"), 123: Decimal("0.5")}
        answered = {row["service"]: row["rate"] for row in panel.post("services").json}
        assert (answered[1], answered[2], answered[3]) == ("0.90000000", "0.80000000", "0.90000000")

    def test_are_told_of(self, panel: Panel) -> None:
        told = done(panel, "accounts", "set-prices", 1, "--discount", "7.5", "--rate", "2=0.8")
        assert told == "Account 1 pays 7.50 % less than the list; own rates: 2=0.80000000.\n"
        told = done(panel, "accounts", "set-prices", 1, "--list-rate", "2")
        assert told == "Account 1 pays 7.50 % less than the list; own rates: none.\n"

    def test_are_of_services_that_there_are_and_named_once(self, panel: Panel) -> None:
        sentence = "There is no service 999 in the price list; nothing changed."
        assert refused(panel, "accounts", "set-prices", 1, "--rate", "999=1", "--discount", 5) == sentence
        sentence = "Account 1 has no rate of its own for service 2; nothing changed."
        assert refused(panel, "accounts", "set-prices", 1, "--list-rate", 2, "--discount", 5) == sentence
        for twice in (("--rate", "2=1", "--rate", "2=3"), ("--rate", "2=1", "--list-rate", "2")):
            assert refused(panel, "accounts", "set-prices", 1, *twice, code=2) == "Name each service once."
        assert (panel.store.account_info(1).rates, panel.store.account_info(1).discount) == ({}, 0)

    @pytest.mark.parametrize("rate", ["2", "2=", "2=a", "2=-1", "=1", "a=1", "٢=1", "2=0.000000001"])
    def test_have_a_form(self, panel: Panel, rate: str) -> None:
        refused(panel, "accounts", "set-prices", 1, "--rate", rate, code=2)
        assert panel.store.account_info(1).rates == {}

    def test_that_cannot_be_are_refused_together(self, panel: Panel) -> None:
        refused(panel, "accounts", "set-prices", 1, "--rate", "2=0.8", "--discount", "100.01")
        info = panel.store.account_info(1)
        assert (info.discount, info.rates) == (0, {})
        assert refused(panel, "accounts", "set-prices", 1, code=2) == "Say what to set."


class TestKeys:
    def test_are_printed_alone_when_they_are_made(self, panel: Panel) -> None:
        key = done(panel, "keys", "create", 1, "--label", "a shop", "--dialect", "panel")
        assert panel.post("balance", key=key.strip()).status == 200
        assert key.count("\n") == 1

    def test_that_cannot_be_written_are_told_of(self, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(key: str, **_: Any) -> None:
            if re.fullmatch(PATTERN, key):
                raise OSError(28, "No space left on device")

        monkeypatch.setattr("flask_smmapi.cli.output.click.echo", full)
        result = run(panel, "keys", "create", 1)
        [_, made] = panel.store.keys(1)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Revoke it and create another one: its KEY_ID is {made.key_id}." in result.stderr

    def test_that_nobody_reads_are_told_of(self, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flask_smmapi.cli.output.sys", SimpleNamespace(stdout=None))
        assert "(stdout is closed), and cannot be shown again" in refused(panel, "keys", "create", 1)

    def test_are_listed_without_what_opens_the_account(self, panel: Panel) -> None:
        key = done(panel, "keys", "create", 1, "--label", "a shop").strip()
        cells = done(panel, "keys", "list", 1).splitlines()[1].split("\t")
        assert cells[1:5] == [key[:4], "a shop", "-", "active"]
        assert cells[6] == "-"
        [_, listed] = json.loads(done(panel, "keys", "list", 1, "--json"))
        assert listed["key_id"] == cells[0]
        assert listed["last_used"] is None
        assert key not in json.dumps(listed)

    def test_are_rotated_after_a_question(self, panel: Panel) -> None:
        [info] = panel.store.keys(1)
        assert panel.post("balance").status == 200
        result = run(panel, "keys", "rotate", 1, info.key_id, answer="n\n")
        assert result.exit_code == 1
        assert f"Key {info.key_id} of account 1 begins with {panel.key[:4]} and was last used" in result.stderr
        assert panel.post("balance").status == 200
        new = done(panel, "keys", "rotate", 1, info.key_id, answer="y\n").strip()
        assert panel.post("balance")[:2] == INVALID
        assert panel.post("balance", key=new).status == 200

    def test_are_revoked_after_a_question(self, panel: Panel) -> None:
        [info] = panel.store.keys(1)
        assert run(panel, "keys", "revoke", 1, info.key_id, answer="n\n").exit_code == 1
        assert panel.post("balance").status == 200
        done(panel, "keys", "revoke", 1, info.key_id, "--yes")
        assert panel.post("balance")[:2] == INVALID
        assert done(panel, "keys", "list", 1).split("\t")[4] == "revoked"

    def test_that_are_revoked_stay_so(self, panel: Panel) -> None:
        [info] = panel.store.keys(1)
        done(panel, "keys", "revoke", 1, info.key_id, "--yes")
        done(panel, "keys", "revoke", 1, info.key_id)
        sentence = refused(panel, "keys", "rotate", 1, info.key_id)
        assert sentence == f"Account 1 has no key '{info.key_id}' that is in use."

    def test_that_are_not_there_are_told_of(self, panel: Panel) -> None:
        for verb in ("rotate", "revoke"):
            assert "has no key '000000000000'" in refused(panel, "keys", verb, 1, "0" * 12, "--yes")
            for key_id in ("x", panel.key):
                sentence = refused(panel, "keys", verb, 1, key_id, "--yes", code=2)
                assert sentence.endswith("that is no key id; flask smmapi keys list shows them.")
        assert panel.post("balance").status == 200


class TestStatement:
    @pytest.fixture
    def moved(self, panel: Panel) -> Panel:
        """Topped up, ordered, paid back, adjusted."""
        panel.store.top_up(1, Decimal("2.5"), "P-1")
        order = panel.place()
        assert panel.post("cancel", order=order.id).status == 200
        panel.store.adjust(1, Decimal("-0.5"), "=1+1")
        return panel

    def read(self, text: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(text)))

    def test_has_every_movement_and_the_balance_after_it(self, moved: Panel) -> None:
        lines = self.read(done(moved, "statement", 1))
        assert [(line["kind"], line["amount"], line["balance"]) for line in lines] == [
            ("credit", "100.00000000", "100.00000000"),
            ("credit", "2.50000000", "102.50000000"),
            ("debit", "-1.00000000", "101.50000000"),
            ("credit", "1.00000000", "102.50000000"),
            ("debit", "-0.50000000", "102.00000000"),
        ]
        [order] = moved.store.list(1)
        assert [line["reference"] for line in lines[1:4]] == ["payment:P-1", order.id, f"{order.id}:back:0"]

    def test_lets_no_spreadsheet_compute(self, moved: Panel) -> None:
        moved.store.credit(1, Decimal(1), '=HYPERLINK("x")')
        lines = self.read(done(moved, "statement", 1, "--limit", 2))
        assert lines[0]["note"] == "'=1+1"
        assert lines[1]["reference"] == '\'=HYPERLINK("x")'

    def test_goes_into_a_file(self, moved: Panel, tmp_path: Path) -> None:
        path = tmp_path / "statement.csv"
        assert done(moved, "statement", 1, "--output", path) == ""
        assert path.read_text("utf-8") == done(moved, "statement", 1)

    def test_says_why_it_cannot_be_written(self, moved: Panel, tmp_path: Path) -> None:
        path = tmp_path / "nowhere" / "statement.csv"
        assert refused(moved, "statement", 1, "--output", path).endswith("No such file or directory")

    def test_leaves_the_file_that_is_there_if_it_fails(
        self, moved: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "statement.csv"
        path.write_text("of last month")
        lines = [*moved.store.statement(1)]

        def fail(*_: Any, **__: Any) -> Iterator[Any]:
            yield from lines
            raise StoreUnavailable("It went away.")

        monkeypatch.setattr(moved.store, "statement", fail)
        assert refused(moved, "statement", 1, "--output", path) == "It went away."
        assert path.read_text() == "of last month"

    def test_is_json_for_scripts(self, moved: Panel) -> None:
        [line] = json.loads(done(moved, "statement", 1, "--json", "--limit", 1))
        assert (line["amount"], line["note"]) == ("-0.50000000", "=1+1")

    def test_is_a_table_in_a_terminal(self, moved: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(statement, "is_terminal", lambda: True)
        monkeypatch.setattr("flask_smmapi.cli.output.is_terminal", lambda file=None: True)
        heading, line = done(moved, "statement", 1, "--limit", 1).splitlines()
        assert heading.split() == ["WHEN", "REFERENCE", "KIND", "AMOUNT", "BALANCE", "NOTE"]
        assert line.endswith("debit  -0.50000000  102.00000000  =1+1")

    def test_of_nobody_is_refused(self, panel: Panel) -> None:
        assert refused(panel, "statement", 7) == "There is no account 7; flask smmapi accounts create 7 makes it."


class TestOnAPanelOfItsOwn:
    """What our store did there, no client would ever see: each command says where to go instead."""

    def test_accounts_are_where_the_key_lookup_is(self) -> None:
        panel = Panel(key_lookup=lambda key: None)
        where = "This app finds accounts by a key lookup of its own; change accounts and keys there."
        for command in (
            ("accounts", "list"),
            ("accounts", "show", 1),
            ("accounts", "create", 2),
            ("accounts", "change", 1, "--allow-any-ip"),
            ("accounts", "set-prices", 1, "--discount", 1),
            ("keys", "list", 1),
            ("keys", "create", 1),
        ):
            assert refused(panel, *command) == where

    def test_money_is_where_the_wallet_is(self) -> None:
        panel = Panel(wallet=MemoryStore())
        where = "This app's money is in a wallet of its own; look at it and move it there."
        for command in (
            ("accounts", "top-up", 1, "--amount", 1, "--payment", "P-1"),
            ("accounts", "adjust", 1, "--amount", 1, "--reason", "a gift"),
            ("statement", 1),
            ("audit",),
        ):
            assert refused(panel, *command) == where

    def test_money_is_moved_where_the_accounts_are_known(self) -> None:
        panel = Panel(key_lookup=lambda key: None)
        for command in (
            ("accounts", "top-up", 1, "--amount", 1, "--payment", "P-1"),
            ("accounts", "adjust", 1, "--amount", 1, "--reason", "a gift"),
        ):
            assert refused(panel, *command).endswith("with smmapi.store.credit and smmapi.store.debit.")

    def test_accounts_are_shown_with_the_money_of_the_wallet(self) -> None:
        wallet = MemoryStore()
        wallet.credit(1, Decimal(7), "gift")
        assert json.loads(done(Panel(wallet=wallet), "accounts", "show", 1, "--json"))["balance"] == "7.00000000"

    def test_prices_are_where_the_catalog_is(self) -> None:
        panel = Panel(catalog=lambda account: [])
        where = "This app's price list comes from a catalog of its own; change it there."
        assert refused(panel, "accounts", "set-prices", 1, "--discount", 1) == where

    def test_no_store_is_there_to_be_asked(self) -> None:
        own = MemoryStore()
        app = Flask("panel")
        SmmApi(app, key_lookup=own.key_lookup, catalog=own.catalog, wallet=own, orders=own)
        result = app.test_cli_runner().invoke(args=["smmapi", "init-db"])
        assert result.exit_code == 1
        assert result.stderr == "Error: Every part of this app is its own; there is no store of ours to ask.\n"

    def test_orders_are_where_the_order_store_is(self) -> None:
        where = "This app's orders are in an order store of its own; compare them with the money there."
        assert refused(Panel(orders=MemoryStore()), "audit") == where
