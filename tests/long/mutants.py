"""Changes money and placement in one place at a time, and sees whether a quick test notices.

mutmut makes the changes, in a copy of the project. It changes what is in functions, not the constants of a module. A
change that no test notices is a survivor: it is either killed by a new test, or explained in :data:`EXPLAINED`.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from . import Seen

ROOT = Path(__file__).parents[2]
MODULES = ("money", "placement")
TESTS = ("money", "placement", "signals", "add", "properties", "idempotency", "desk")
COPIED = ("flask_smmapi", "tests", "example_app", "docs", "pyproject.toml", "setup.cfg", "README.md", "Makefile")
NOTICED = ("killed", "timeout")
"""What mutmut says of a change after which a test fails, or comes to no end."""

SETTINGS = f"""

[tool.mutmut]
source_paths = ["flask_smmapi"]
only_mutate = {[f"flask_smmapi/{module}.py" for module in MODULES]}
also_copy = ["example_app", "docs", "README.md", "Makefile"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-k", "not mongo and not postgres"]
pytest_add_cli_args_test_selection = {[f"tests/test_{name}.py" for name in TESTS]}
"""
"""The tests that use the memory store; the same claims are tested on servers by ``make test``."""


class Change(NamedTuple):
    """One change of the code. It has no number: numbers shift when the code does."""

    function: str
    before: str
    after: str


EXPLAINED: dict[Change, str] = {
    Change(
        "Placement.place",
        "order = self._pay(stored) if stored.id == draft.id else self._resume(stored, draft.fingerprint)",
        "order = self._pay(stored) if (stored.id == draft.id) and False else self._resume(stored, draft.fingerprint)",
    ): "the draft is UNPAID and has its own fingerprint, so resuming it is paying it: the same",
}
"""Why a change that no test notices is none that a test could or should notice."""


def run() -> Seen:
    """Make every change; give the score and the survivors."""
    if importlib.util.find_spec("mutmut") is None:
        return Seen("Not run.", ['mutmut is not installed: `pip install ".[long]"`.'])
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        copy_to(project)
        ended = mutmut(project, "run")
        statuses = {}
        for found in re.finditer(
            r"(?m)^\s*(flask_smmapi\.\S+): (.+)$", mutmut(project, "results", "--all", "true").stdout
        ):
            statuses[found[1]] = found[2]
        if ended.returncode or not statuses:
            return Seen("Not run to its end.", [f"mutmut failed: {(ended.stdout + ended.stderr)[-500:].strip()}"])
        survivors = {key: read_change(key, mutmut(project, "show", key).stdout) for key in left(statuses)}
    return Seen(f"{scores(statuses)}\n\n{table(list(survivors.values()))}", wrong(statuses, survivors))


def copy_to(project: Path) -> None:
    """The project with mutmut's settings, in a folder that it may write into."""
    ignored = shutil.ignore_patterns("__pycache__", "images")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=ignored)
        else:
            shutil.copy(source, project / name)
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)


def mutmut(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, encoding="utf-8", check=False)


def left(statuses: dict[str, str]) -> list[str]:
    return [key for key, status in statuses.items() if status not in NOTICED]


def read_change(key: str, shown: str) -> Change:
    """What mutmut's name of a change and its diff say."""
    function = key.rpartition("__mutmut_")[0].split(".")[-1].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    lines = {sign: [] for sign in "-+"}
    for line in shown.splitlines():
        if line[:1] in lines and not line.startswith(("---", "+++")):
            lines[line[0]].append(line[1:].strip())
    return Change(function, " ".join(lines["-"]), " ".join(lines["+"]))


def scores(statuses: dict[str, str]) -> str:
    """A table with a row for each module."""
    rows = ["| module | changes | noticed | share |", "|---|---|---|---|"]
    for module in MODULES:
        counts = Counter(
            status in NOTICED for key, status in statuses.items() if key.startswith(f"flask_smmapi.{module}.")
        )
        share = 100 * counts[True] / counts.total()
        rows.append(f"| `{module}` | {counts.total()} | {counts[True]} | {share:.1f} % |")
    return "\n".join(rows)


def table(survivors: list[Change]) -> str:
    """What no test notices, and why."""
    if not survivors:
        return "Every change was noticed."
    rows = ["| in | instead of | no test notices | because |", "|---|---|---|---|"]
    for change in sorted(survivors):
        cells = (f"`{cell}`".replace("|", "\\|") for cell in change)
        rows.append(f"| {' | '.join(cells)} | {EXPLAINED.get(change, '**unexplained**')} |")
    return "\n".join(rows)


def wrong(statuses: dict[str, str], survivors: dict[str, Change]) -> list[str]:
    """Survivors without an explanation, and explanations without a survivor."""
    sentences = [
        f"{statuses[key]}, and not explained: in {change.function} `{change.after}` for `{change.before}`."
        for key, change in survivors.items()
        if change not in EXPLAINED
    ]
    gone = EXPLAINED.keys() - set(survivors.values())
    return sentences + [f"Explained, but noticed by a test: in {change.function} `{change.after}`." for change in gone]
