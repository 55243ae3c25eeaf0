"""``flask smmapi services …``: the price list to a file and from one, exactly, and the whole of it or nothing."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from flask_smmapi import Service, ServiceList
from flask_smmapi.dialects import DIALECTS
from flask_smmapi.money import from_units
from flask_smmapi.price_lists import (
    COLUMNS,
    FORMATS,
    BrokenList,
    compare,
    decode,
    format_of,
    marked_up,
    read_rows,
    to_services,
    write,
)
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore

from .panel import SERVICES, Panel, service


def read(text: str, format: str | None = None) -> list[Service]:
    return to_services(read_rows(text, format or format_of(text)))


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(BrokenList) as broken:
        read(text)
    return broken.value.problems


def supplied(**changes: Any) -> dict[str, Any]:
    """A row as suppliers send it, but for *changes*."""
    row = {"service": 1, "name": "Likes", "type": "Default", "category": "Tests", "rate": "0.90"}
    return {**row, "min": "50", "max": "10000", "refill": True, "cancel": False, **changes}


def supplied_text(*rows: dict[str, Any]) -> str:
    return json.dumps(rows)


def csv_text(*rows: str) -> str:
    return "\n".join(("service,name,type,category,rate,min,max,refill,cancel", *rows))


class TestReadingASuppliersAnswer:
    @pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
    def test_takes_either_dialect_of_ours(self, dialect: Any) -> None:
        ours = [replace(row, dripfeed=False) if dialect.name == "standard" else row for row in SERVICES]
        assert read(dialect.services(ServiceList(SERVICES)).decode()) == ours

    @pytest.mark.parametrize(
        ("column", "written", "value"),
        [
            ("service", "7", 7),
            ("rate", 2, Decimal(2)),
            ("rate", "1e-7", Decimal("0.0000001")),
            ("min", 50, 50),
            ("max", "10000", 10_000),
            ("refill", 1, True),
            ("cancel", "false", False),
            ("dripfeed", True, True),
            ("dripfeed", None, False),
            ("desc", "★", "★"),
            ("desc", "", None),
            ("average_time", None, None),
            ("average_time", "2 hours", "2 hours"),
        ],
    )
    def test_takes_what_suppliers_write(self, column: str, written: Any, value: Any) -> None:
        [row] = read(supplied_text(supplied(**{column: written})))
        assert getattr(row, "id" if column == "service" else column) == value

    def test_leaves_out_what_it_does_not_know(self) -> None:
        assert len(read(supplied_text(supplied(rating=5, countries=["DE"])))) == 1

    def test_makes_no_float_of_a_number(self) -> None:
        text = supplied_text(supplied(rate=0)).replace('"rate": 0', '"rate": 12345678901.00000001')
        assert read(text)[0].rate == Decimal("12345678901.00000001")

    def test_names_every_broken_row_at_once(self) -> None:
        rows = [supplied(), supplied(service=2, type="Likes", min="many"), supplied(service=3, rate="-1", name=None)]
        assert problems(supplied_text(*rows)) == (
            "Row 2: type is 'Likes'; there is no such type.",
            "Row 2: min is 'many'; it must be a whole number of 1 to 18 digits.",
            "Row 3: name is missing.",
            "Row 3: rate is '-1'; it must be a number, 0 or more, with at most eight places.",
            f"The types are: {', '.join(sorted({row.type for row in SERVICES}, key=[*map(_type, SERVICES)].index))}.",
        )

    def test_names_what_is_no_row(self) -> None:
        assert problems(json.dumps([1, supplied(max=None)])) == (
            "Row 1: it must be an object.",
            "Row 2: max is missing.",
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"rate": "0.000000001"},
            {"rate": "1_000"},
            {"rate": "٣"},
            {"rate": "0,90"},
            {"rate": "NaN"},
            {"rate": "1e999"},
            {"rate": "99999999999999"},
            {"rate": True},
            {"service": True},
            {"service": "1" * 19},
            {"service": -1},
            {"min": 10.5},
            {"min": "20000"},
            {"name": 5},
            {"name": "\ud800"},
            {"type": ["Default"]},
            {"refill": "perhaps"},
            {"refill": []},
            {"type": "Package", "dripfeed": True},
        ],
    )
    def test_refuses_what_cannot_be(self, changes: dict[str, Any]) -> None:
        found = problems(supplied_text(supplied(service=5), supplied(**changes)))
        assert found[0].startswith("Row 2: ")

    def test_refuses_a_service_that_is_there_twice(self) -> None:
        assert problems(supplied_text(supplied(), supplied(name="Other"))) == ("Row 2: service 1 is in row 1 already.",)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ('{"error": "Invalid API key"}', "This is a supplier's refusal, not a price list: Invalid API key"),
            ("{}", "This is no price list"),
            ('[{"service": 1},\n]', "Line 2: this is no JSON"),
            ("[" * 100_000, "This is no JSON of a price list."),
            ("[" + "9" * 5000 + "]", "This is no JSON of a price list."),
        ],
    )
    def test_refuses_what_is_no_list(self, text: str, sentence: str) -> None:
        assert problems(text)[0].startswith(sentence)


def _type(row: Service) -> str:
    return row.type


class TestReadingACsv:
    def test_names_lines_as_an_editor_counts_them(self) -> None:
        broken = csv_text('1,"two\nlines",Default,Tests,1,1,10,1,0', "", "2,x,Default,Tests,dear,1,10,1,0", "3,x")
        assert problems(broken) == (
            "Line 5: rate is 'dear'; it must be a number, 0 or more, with at most eight places.",
            "Line 6: it has 2 cells; the first line has 9.",
        )

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_takes_what_spreadsheets_write(self, delimiter: str) -> None:
        text = csv_text(" 7 ,Likes,Default,Tests, 0.5 ,1,10,TRUE,FALSE").replace(",", delimiter).replace("\n", "\r\n")
        [row] = read(decode(b"\xef\xbb\xbf" + text.encode()))
        assert row == Service(7, "Likes", "Default", "Tests", Decimal("0.5"), 1, 10, refill=True)

    def test_takes_columns_in_any_order(self) -> None:
        text = "name,service,rate,min,max,category,type\nLikes,1,1,1,10,Tests,Default"
        assert read(text) == [Service(1, "Likes", "Default", "Tests", Decimal(1), 1, 10)]

    def test_names_what_is_wrong_with_the_heading(self) -> None:
        found = problems("service,name,type,rate,min,max,averagetime,name\n")
        assert found[:3] == (
            "Line 1: the column category is missing.",
            "Line 1: there is no column 'averagetime'.",
            "Line 1: the column name is there twice.",
        )

    @pytest.mark.parametrize(
        ("text", "sentence"), [("", "Line 1: the column service is missing."), (csv_text('1,"x'), "Line 2: this is no")]
    )
    def test_refuses_what_is_none(self, text: str, sentence: str) -> None:
        assert problems(text)[0].startswith(sentence)

    def test_refuses_another_encoding(self) -> None:
        with pytest.raises(BrokenList, match="Line 2: this is no UTF-8"):
            decode(csv_text("1,Größe").encode("latin-1"))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)  # what UTF-8 can hold
rows = st.builds(
    service,
    st.integers(0, 10**18 - 1),
    name=texts | st.sampled_from(["=1+1", "'=1", "''@x", "-", "'", "\t=", "\r\n", 'a"b', "a,b;c"]),
    category=texts,
    rate=st.integers(0, 10**15).map(from_units),
    desc=st.none() | texts.filter(bool),
    average_time=st.none() | texts.filter(bool),
    dripfeed=st.booleans(),
)


class TestWriting:
    @pytest.mark.parametrize("format", FORMATS)
    @given(services=st.lists(rows, min_size=1, max_size=3, unique_by=lambda row: row.id))
    def test_what_was_written_is_read_again(self, format: str, services: list[Service]) -> None:
        text = write(services, format)
        assert format_of(text) == format
        assert read(decode(text.encode())) == services

    @given(row=rows)
    def test_no_cell_of_a_csv_is_a_formula(self, row: Service) -> None:
        _, cells = csv.reader(io.StringIO(write([row], "csv"), newline=""))
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]

    def test_of_json_is_a_suppliers_answer(self) -> None:
        assert json.loads(write(SERVICES, "json")) == json.loads(DIALECTS["panel"].services(ServiceList(SERVICES)))


class TestMarkup:
    @pytest.mark.parametrize(
        ("rate", "percent", "dearer"),
        [
            ("0.90", "0", "0.90"),
            ("0.90", "10", "0.99"),
            ("0.00000001", "10", "0.00000002"),  # up, never down
            ("1", "33.33333333", "1.33333334"),
            ("0", "50", "0"),
            ("12345678901.00000001", "100", "24691357802.00000002"),
        ],
    )
    def test_is_exact_and_rounds_up(self, rate: str, percent: str, dearer: str) -> None:
        [row] = marked_up([service(1, rate=Decimal(rate))], Decimal(percent))
        assert row.rate == Decimal(dearer)

    def test_names_each_rate_that_becomes_too_large(self) -> None:
        with pytest.raises(BrokenList, match="Service 1 has the rate") as broken:
            marked_up([service(n, rate=Decimal("90000000000")) for n in (1, 2)], Decimal(100))
        assert len(broken.value.problems) == 2


class TestComparing:
    def compare(self, old: Iterable[Service], new: Iterable[Service]) -> dict[str, list[int]]:
        changes = compare(ServiceList(old), ServiceList(new))
        pairs = {
            kind: [change.after.id for change in getattr(changes, kind)] for kind in ("dearer", "cheaper", "changed")
        }
        return {
            "new": [row.id for row in changes.new],
            "gone": [row.id for row in changes.gone],
            **pairs,
            "same": [changes.same],
        }

    def test_puts_each_service_in_one_place(self) -> None:
        old = [service(n) for n in range(1, 7)]
        new = [
            service(1),
            service(2, rate=Decimal("1.1")),
            service(3, rate=Decimal("0.9"), name="Other"),
            service(4, min=2),
            service(5, "Package", rate=Decimal(9)),  # a price of one, no longer of 1,000
            service(7),
        ]
        assert self.compare(old, new) == {
            "new": [7],
            "gone": [6],
            "dearer": [2],
            "cheaper": [3],
            "changed": [4, 5],
            "same": [1],
        }

    def test_sees_another_order(self) -> None:
        old, new = ServiceList([service(1), service(2)]), ServiceList([service(2), service(3), service(1)])
        assert compare(old, new).reordered
        assert not compare(old, ServiceList([service(3), service(1), service(2)])).reordered

    def test_of_the_same_is_nothing(self) -> None:
        assert not compare(ServiceList(SERVICES), ServiceList(SERVICES))
        assert not compare(ServiceList([service(1, desc="")]), ServiceList([service(1)]))  # a CSV knows no difference


@pytest.fixture(params=["memory", "mongo"])
def panel(request: pytest.FixtureRequest) -> Panel:
    """A panel on either store of ours."""
    return Panel(store=MongoStore(request.getfixturevalue("mongo_uri")) if request.param == "mongo" else MemoryStore())


def run(panel: Panel, *args: Any, answer: str | bytes | None = None) -> Result:
    return panel.app.test_cli_runner().invoke(args=["smmapi", "services", *map(str, args)], input=answer)


def listed(panel: Panel) -> list[Service]:
    return list(panel.smmapi.services(panel.account))


class TestFromTheShell:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """One service of the panel's is dearer in it, one is new, and all others are gone."""
        path = tmp_path / "prices.csv"
        path.write_text(write([service(1, rate=Decimal("1.5")), service(900)], "csv"), "utf-8")
        return path

    @pytest.mark.parametrize("format", FORMATS)
    def test_what_is_exported_is_imported_again(self, panel: Panel, tmp_path: Path, format: str) -> None:
        path = tmp_path / "prices"
        assert run(panel, "export", "--format", format, "--output", path).exit_code == 0
        assert path.read_bytes() == run(panel, "export", "--format", format).stdout_bytes
        panel.store.set_services([service(1)])
        result = run(panel, "import", path, "--yes")
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "21 services were imported.")
        assert listed(panel) == list(SERVICES)
        assert run(panel, "import", path).stdout.splitlines()[-2:] == ["21 as before", "Nothing was imported."]

    def test_a_dry_run_shows_what_would_change_and_changes_nothing(self, panel: Panel, file: Path) -> None:
        result = run(panel, "import", file, "--dry-run")
        assert result.exit_code == 0
        assert result.stdout == (
            "1 new\n"
            "  900 Service 900: 1.00000000\n"
            "20 gone\n"
            "  2 Service 2: 1.00000000\n"
            "  3 Service 3: 1.00000000\n"
            "  4 Service 4: 1.00000000\n"
            "  5 Service 5: 1.00000000\n"
            "  6 Service 6: 1.00000000\n"
            "  … and 15 more\n"
            "1 dearer\n"
            "  1 Service 1: rate 1.00000000 -> 1.50000000\n"
            "0 cheaper\n"
            "0 otherwise changed\n"
            "0 as before\n"
            "Nothing was imported.\n"
        )
        assert listed(panel) == list(SERVICES)

    @pytest.mark.parametrize(("answer", "imported"), [("y\n", True), ("n\n", False), ("", False)])
    def test_it_asks(self, panel: Panel, file: Path, answer: str, imported: bool) -> None:
        result = run(panel, "import", file, answer=answer)
        assert result.exit_code == (0 if imported else 1)
        assert "1 dearer\n" in result.stdout
        assert ([row.id for row in listed(panel)] == [1, 900]) is imported

    def test_a_markup_raises_every_rate(self, panel: Panel, file: Path) -> None:
        assert run(panel, "import", file, "--markup", "12.5", "--yes").exit_code == 0
        assert [row.rate for row in listed(panel)] == [Decimal("1.6875"), Decimal("1.125")]

    @pytest.mark.parametrize("markup", ["-5", "ten", "0.000000001", "1e9999"])
    def test_a_markup_that_is_none_is_a_usage_error(self, panel: Panel, file: Path, markup: str) -> None:
        assert run(panel, "import", file, f"--markup={markup}", "--yes").exit_code == 2

    def test_json_says_it_all(self, panel: Panel, file: Path) -> None:
        result = run(panel, "import", file, "--dry-run", "--json")
        answer = json.loads(result.stdout)
        assert answer["imported"] is False
        assert answer["counts"] == {"new": 1, "gone": 20, "dearer": 1, "cheaper": 0, "changed": 0, "same": 0}
        assert answer["new"] == [{"service": 900, "name": "Service 900", "rate": "1.00000000"}]
        assert answer["dearer"][0]["changes"] == {"rate": ["1.00000000", "1.50000000"]}
        assert len(answer["gone"]) == 20
        asked = run(panel, "import", file, "--json", answer="y\n")
        assert json.loads(asked.stdout)["imported"] is True
        assert "20 gone" in asked.stderr

    def test_a_broken_list_is_not_imported(self, panel: Panel, tmp_path: Path) -> None:
        path = tmp_path / "supplier.json"
        path.write_text(supplied_text(supplied(), supplied(service=2, rate="\x1b"), supplied(service=3, max=None)))
        result = run(panel, "import", path, "--yes")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Row 2: rate is '\\x1b'; it must be a number, 0 or more, with at most eight places.\n"
            "Row 3: max is missing.\n"
            "Error: The price list is broken; nothing was imported.\n"
        )
        assert listed(panel) == list(SERVICES)

    def test_an_empty_list_is_not_imported(self, panel: Panel) -> None:
        """It is a supplier's mishap; it would close the panel."""
        for empty in ("[]", ",".join(COLUMNS)):
            result = run(panel, "import", "-", "--yes", answer=empty)
            assert (result.exit_code, result.stderr) == (1, "Error: The price list is empty; nothing was imported.\n")
        assert listed(panel) == list(SERVICES)

    def test_the_format_can_be_said(self, panel: Panel, file: Path) -> None:
        result = run(panel, "import", file, "--format", "json", "--yes")
        assert (result.exit_code, "this is no JSON" in result.stderr) == (1, True)

    def test_stdin_cannot_be_asked_as_well(self, panel: Panel) -> None:
        assert run(panel, "import", "-", answer=supplied_text(supplied())).exit_code == 2
        assert run(panel, "import", "-", "--yes", answer=supplied_text(supplied())).exit_code == 0
        assert [row.id for row in listed(panel)] == [1]

    def test_a_file_that_is_not_there_is_a_usage_error(self, panel: Panel, tmp_path: Path) -> None:
        assert run(panel, "import", tmp_path / "none.csv").exit_code == 2

    def test_ten_thousand_rows_are_one_list(self, panel: Panel, tmp_path: Path) -> None:
        path = tmp_path / "supplier.json"
        path.write_text(supplied_text(*(supplied(service=n) for n in range(10_000))))
        assert run(panel, "import", path, "--yes", "--markup", "10").exit_code == 0
        assert len(listed(panel)) == 10_000
        assert run(panel, "export").stdout.count("\n") == 10_001

    def test_a_bar_is_drawn_for_a_person_alone(self, panel: Panel, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert run(panel, "import", file, "--dry-run").stderr == ""
        monkeypatch.setattr("flask_smmapi.cli.services.is_terminal", lambda stream=None: stream is sys.stderr)
        result = run(panel, "import", file, "--dry-run")
        assert "Reading" in result.stderr
        assert "Reading" not in result.stdout


@pytest.mark.parametrize("command", [("export",), ("import", "-", "--yes")])
def test_a_catalog_of_the_hosts_own_is_not_ours_to_change(command: tuple[str, ...]) -> None:
    """What would be imported into our store would be seen by nobody."""
    result = run(Panel(catalog=lambda account: SERVICES), *command, answer=supplied_text(supplied()))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "This app's price list comes from a catalog of its own" in result.stderr
