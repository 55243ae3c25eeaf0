"""``flask smmapi …``: what holds for every command. The topics have files of their own."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from flask_smmapi import StoreUnavailable, cli
from flask_smmapi.cli.arguments import account_id, account_text, age
from flask_smmapi.cli.output import plain, print_table, written
from flask_smmapi.errors import NotEnoughFunds, ServiceUnavailable
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore

from .panel import Panel


def leaves(group: click.Group, path: str = "smmapi") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(leaves(cli.group))
DOCS = (Path(__file__).parent.parent / "docs" / "operations.md").read_text("utf-8")


class TestHelp:
    @pytest.mark.parametrize("path", COMMANDS)
    def test_has_an_example_that_the_command_takes(
        self, path: str, panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("supplier.json").write_text("[]")
        result = panel.app.test_cli_runner().invoke(args=[*path.split(), "--help"])
        assert result.exit_code == 0
        _, found, example = result.stdout.partition("Example:\n    flask ")
        assert found
        line = example.partition("\n")[0]
        assert line.startswith(path)
        arguments = shlex.split(line.removeprefix(path))
        COMMANDS[path].make_context(path, arguments).close()  # raises a usage error if it cannot be

    @pytest.mark.parametrize("line", re.findall(r"^(?:KEY=\$\()?flask (smmapi .+?)\)?(?: +#.*)?$", DOCS, re.MULTILINE))
    def test_lines_of_the_docs_are_taken(self, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("supplier.json", "prices.csv"):
            Path(name).write_text("[]")
        path = next(path for path in COMMANDS if line.startswith(path))
        COMMANDS[path].make_context(path, shlex.split(line.removeprefix(path))).close()

    @pytest.mark.parametrize("path", COMMANDS)
    def test_says_what_each_option_is_for(self, path: str) -> None:
        options = [param for param in COMMANDS[path].params if isinstance(param, click.Option)]
        assert [option.name for option in options if not option.help and option.name != "format"] == []

    @pytest.mark.parametrize("group", ["accounts", "keys", "orders", "refills"])
    def test_says_how_an_account_is_named(self, group: str, panel: Panel) -> None:
        help = panel.app.test_cli_runner().invoke(args=["smmapi", group, "--help"]).stdout
        assert "str:42 for a text of digits" in " ".join(help.split())


READING = {
    "smmapi reconcile",
    "smmapi audit",
    "smmapi doctor",
    "smmapi accounts list",
    "smmapi accounts show",
    "smmapi keys list",
    "smmapi statement",
    "smmapi orders list",
    "smmapi orders show",
    "smmapi orders waiting",
    "smmapi orders stuck",
    "smmapi refills waiting",
    "smmapi refills stuck",
    "smmapi services import",
}
FINAL = {
    "smmapi keys rotate",
    "smmapi keys revoke",
    "smmapi orders complete",
    "smmapi orders partial",
    "smmapi orders cancel",
    "smmapi orders fail",
    "smmapi refills complete",
    "smmapi refills reject",
    "smmapi services import",
}


def having(option: str) -> set[str]:
    return {path for path, command in COMMANDS.items() if any(option in param.opts for param in command.params)}


def test_every_command_that_reads_has_json() -> None:
    assert having("--json") == READING


def test_every_command_that_cannot_be_undone_has_yes() -> None:
    assert having("--yes") == FINAL


class TestIds:
    @pytest.mark.parametrize(
        ("written", "id"),
        [
            ("42", 42),
            ("0", 0),
            ("-7", -7),
            ("seven", "seven"),
            ("str:42", "42"),
            ("str:str:42", "str:42"),
            ("007", "007"),  # as a number it would be another account
            ("42a", "42a"),
            ("٤٢", "٤٢"),
            (str(2**63 - 1), 2**63 - 1),
        ],
    )
    def test_of_an_account_are_digits_or_text(self, written: str, id: int | str) -> None:
        read = account_id(written)
        assert (read, type(read)) == (id, type(id))
        assert account_id(account_text(read)) == id

    @pytest.mark.parametrize("written", [str(2**63), "9" * 5000])
    def test_that_no_database_has_are_refused(self, written: str) -> None:
        with pytest.raises(click.BadParameter, match="too large"):
            account_id(written)


class TestLengthsOfTime:
    @pytest.mark.parametrize(
        ("written", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("36h", 129_600), ("2d", 172_800)]
    )
    def test_have_a_unit(self, written: str, seconds: int) -> None:
        assert age(written) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("written", ["", "-1", "1w", "1.5h", "h", "36501d", "9" * 30])
    def test_that_are_none_are_refused(self, written: str) -> None:
        with pytest.raises(click.BadParameter, match="no length of time"):
            age(written)


class TestTables:
    ROWS = (("1", "short"), ("1000", "漢字"), (None, "x\ty\x1b[2J\n"))

    def test_are_lines_with_tabs_in_a_pipe(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(["id", "name"], self.ROWS)
        assert capsys.readouterr().out == "1\tshort\n1000\t漢字\n-\tx\\ty\\x1b[2J\\n\n"

    def test_are_aligned_under_a_heading_in_a_terminal(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flask_smmapi.cli.output.is_terminal", lambda file=None: True)
        print_table(["name", "n"], [("漢字", 1), ("word", 2), ("e\u0301", None)])
        assert capsys.readouterr().out == "NAME  N\n漢字  1\nword  2\ne\u0301     -\n"

    def test_have_nothing_that_moves_a_cursor(self) -> None:
        assert plain("a\r\x9b\u202eb") == r"a\r\x9b\u202eb"


class TestFailures:
    @pytest.mark.parametrize(
        ("failure", "sentence"),
        [
            (ServiceUnavailable(), "Others changed it at the same time, again and again; try once more."),
            (NotEnoughFunds(), "Not enough funds on balance"),
            (ConnectionError("The database is away."), "The database is away."),
            (RuntimeError("Set this, and do that."), "Set this, and do that."),
            (OSError(errno.ENOSPC, "No space left on device"), "This could not be written: No space left on device."),
        ],
    )
    def test_are_a_sentence_on_stderr_and_exit_with_1(
        self, failure: Exception, sentence: str, panel: Panel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def list(self: Any, account: Any, **page: Any) -> None:
            raise failure

        monkeypatch.setattr(MemoryStore, "list", list)
        result = panel.app.test_cli_runner().invoke(args=["smmapi", "orders", "list", "1"])
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")

    def test_of_the_reader_of_a_pipe_are_none_of_the_stores(
        self, panel: Panel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``… | head -1`` closes it; the exception is a ConnectionError."""

        def echo(*args: Any, **kwargs: Any) -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        panel.place()
        monkeypatch.setattr("click.echo", echo)
        result = panel.app.test_cli_runner().invoke(args=["smmapi", "orders", "list", "1"])
        assert (result.exit_code, result.stderr) == (1, "")

    def test_that_are_mistakes_keep_their_stack(self, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MemoryStore, "list", lambda self, account, **page: 1 / 0)
        result = panel.app.test_cli_runner().invoke(args=["smmapi", "orders", "list", "1"])
        assert isinstance(result.exception, ZeroDivisionError)

    @pytest.mark.parametrize("args", [["orders", "list"], ["orders", "show", "1", "x"], ["orders", "nothing"]])
    def test_of_usage_exit_with_2(self, args: list[str], panel: Panel) -> None:
        assert panel.app.test_cli_runner().invoke(args=["smmapi", *args]).exit_code == 2


class TestFiles:
    """What ``written`` gives, for the commands that have ``--output``."""

    def test_are_whole_or_as_they_were(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.csv"
        path.write_text("the old list")
        path.chmod(0o640)

        def write_half() -> None:
            with written(str(path)) as file:
                file.write("half of")
                raise StoreUnavailable("It went away.")

        with pytest.raises(StoreUnavailable):
            write_half()
        assert path.read_text() == "the old list"
        with written(str(path)) as file:
            file.write("the new list\n")
            file.flush()
            assert path.read_text() == "the old list"
        assert path.read_text() == "the new list\n"
        assert (path.stat().st_mode & 0o777, [*tmp_path.iterdir()]) == (0o640, [path])

    def test_that_are_named_by_a_link_are_written_where_it_leads(self, tmp_path: Path) -> None:
        path, link = tmp_path / "prices.csv", tmp_path / "link"
        link.symlink_to(path)
        with written(str(link)) as file:
            file.write("a list")
        assert (path.read_text(), link.is_symlink()) == ("a list", True)

    def test_that_are_none_are_written_to_and_not_replaced(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        with written(str(pipe)) as file:
            file.write("a list")
        assert (os.read(reader, 100), pipe.is_fifo()) == (b"a list", True)
        os.close(reader)

    def test_that_cannot_be_written_are_told_of(self, tmp_path: Path) -> None:
        with pytest.raises(click.FileError, match="No such file or directory"), written(str(tmp_path / "no" / "list")):
            pass
        with pytest.raises(click.FileError, match="No space left on device"), written("/dev/full") as file:
            file.write("a list")


def test_the_store_in_memory_says_that_nothing_stays(panel: Panel) -> None:
    done = panel.app.test_cli_runner().invoke(args=["smmapi", "accounts", "pause", "1"])
    assert done.stderr == "This app's store is in memory: what has changed is gone when this command ends.\n"
    read = panel.app.test_cli_runner().invoke(args=["smmapi", "accounts", "list"])
    assert (read.exit_code, read.stderr) == (0, "")


class TestUpkeepInJson:
    @pytest.fixture
    def panel(self, mongo_uri: str) -> Panel:
        return Panel(store=MongoStore(mongo_uri))

    def run(self, panel: Panel, *command: str) -> tuple[int, Any]:
        result = panel.app.test_cli_runner().invoke(args=["smmapi", *command, "--json"])
        return result.exit_code, json.loads(result.stdout)

    def test_reconcile(self, panel: Panel) -> None:
        assert self.run(panel, "reconcile") == (0, {"abandoned": 0, "paid_back": 0, "failed": 0})

    def test_audit(self, panel: Panel) -> None:
        assert self.run(panel, "audit") == (0, {"differences": []})
        entry = {"_id": "1/x", "account": 1, "reference": "x", "seq": 9, "kind": "credit", "units": 1, "balance": 1}
        panel.store._connection["ledger"].insert_one(entry)
        code, answer = self.run(panel, "audit")
        assert code == 1
        assert {"where", "what"} == set(answer["differences"][0])
