"""The bench runs: its smallest part, in this process. What it measures is no test's affair."""

from __future__ import annotations

from benchmarks import in_process
from benchmarks.report import Line, table


def test_the_tables_have_their_rows() -> None:
    lines = in_process.against_bare_flask(rounds=1, repeats=1, services=20)
    by_ids, slope = in_process.by_ids(rounds=1, repeats=2)
    rows = [row.split(" | ") for row in table([*lines, *by_ids]).splitlines()]
    assert [(row[0], row[1]) for row in rows[2:]] == [
        ("| 1", "balance, µs"),
        ("| 1", "add, µs"),
        ("| 1", "status of 100, µs"),
        ("| 1", "services, 20 entries, µs"),
        ("| 1", "services, 20 entries, with gzip, µs"),
        ("| 1", "services, 20 entries, with gzip, answers that are packed"),
        ("| 5", "status, each further order, µs"),
        ("| 5", "status of 10, µs"),
    ]
    assert {len(row) for row in rows} == {7}
    assert list(slope["status by ids"]) == ["1", "10", "100"]


def test_a_target_is_for_the_ratio_of_the_medians() -> None:
    line = Line(1, "add", "µs", [90, 100, 500], "peer", [40, 50, 60], at_most=2)
    assert (line.value, line.reached) == (2, True)
    assert line.cells() == ["1", "add, µs", "100 (90–500)", "peer 50 (40–60)", "2.00", "≤ 2", "yes"]
    slower = Line(2, "add", "a second", [100], "peer", [100], at_least=1.3)
    assert slower.reached is False
    assert Line(6, "a worker", "MB", [40], at_most=40).reached is True
    assert Line(6, "callers", "MB", [40]).reached is None
