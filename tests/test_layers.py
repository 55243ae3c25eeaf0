"""Imports inside the package point one way, each module knows no more than it may, and the front door is documented."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path
from typing import TypeAlias

import pytest

import flask_smmapi

Sources: TypeAlias = Mapping[str, str]
"""Each module's source, by its path inside the package."""

PACKAGE = "flask_smmapi"
ROOT = Path(flask_smmapi.__file__).parent
SOURCES: Sources = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.rglob("*.py")}

LAYERS = (
    "flask_smmapi",
    "testing",
    "extension",
    "config",
    "cli",
    "docs",
    "openapi",
    "reference",
    "snippets",
    "views",
    "body",
    "state",
    "journal",
    "throttle",
    "price_lists",
    "dialects",
    "signals",
    "desk",
    "actions",
    "stores.mongo",
    "stores.memory",
    "stores",
    "placement",
    "deadline",
    "owner",
    "catalog",
    "parts",
    "hooks",
    "service_types",
    "params",
    "statuses",
    "ids",
    "keys",
    "money",
    "errors",
)
"""From the top to the bottom: a module imports those below its own row alone. A package in one row is one layer."""

PACKAGES = {"testing", "cli", "stores.mongo"}
"""Rows that are packages: their modules import each other."""

FLASK_SIDE = {"extension", "config", "cli", "docs", "views", "state", "journal", "throttle"}
MAY_IMPORT: dict[str, set[str]] = {
    "flask": FLASK_SIDE | {"testing"},
    "flask_limiter": FLASK_SIDE,
    "limits": FLASK_SIDE,
    "werkzeug": FLASK_SIDE | {"body"},
    "blinker": {"signals"},
    "click": {"cli"},
    "apispec": {"openapi"},
    "marshmallow": {"actions", "openapi", "service_types"},
    "mongoengine": {"stores.mongo"},
    "pymongo": {"stores.mongo"},
    "bson": {"stores.mongo"},
    "pytest": {"testing"},
    "typing_extensions": {"hooks"},
}
"""Which rows may import what is neither ours nor of the standard library."""


def dotted(path: str) -> str:
    """``stores/mongo/__init__.py`` is ``flask_smmapi.stores.mongo``."""
    parts = Path(path).with_suffix("").parts
    return ".".join((PACKAGE, *(part for part in parts if part != "__init__")))


def row(module: str) -> str | None:
    """The row of the table that *module* belongs to: its own, or that of a package around it; None if it has none."""
    name = module.removeprefix(f"{PACKAGE}.")
    while name and name not in LAYERS:
        name = name.rpartition(".")[0]
    return name or None


@cache
def import_nodes(source: str) -> list[ast.Import | ast.ImportFrom]:
    """The imports anywhere in *source*, as they are written; of a module that many tests look at they are kept."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(path: str, sources: Sources) -> Iterator[str]:
    """Every module that the one at *path* imports anywhere in it: in functions and under ``TYPE_CHECKING`` too."""
    modules = {dotted(other) for other in sources}
    package = dotted(path) if path.endswith("__init__.py") else dotted(path).rpartition(".")[0]
    for node in import_nodes(sources[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = resolve_name("." * node.level + (node.module or ""), package)
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else base for name in names)


def edges(sources: Sources) -> list[tuple[str, str]]:
    return [(dotted(path), imported) for path in sources for imported in imports(path, sources)]


def is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


def upward(sources: Sources) -> list[tuple[str, str]]:
    """The imports inside the package that do not point down."""
    inside = [(module, imported) for module, imported in edges(sources) if is_ours(imported)]
    return [(module, imported) for module, imported in inside if not _points_down(row(module), row(imported))]


def _points_down(above: str | None, below: str | None) -> bool:
    if above is None or below is None:
        return False
    return LAYERS.index(above) < LAYERS.index(below) or (above == below and above in PACKAGES)


def foreign(sources: Sources) -> list[tuple[str, str]]:
    """The imports from outside that the importing module may not have."""
    outside = [(module, imported.partition(".")[0]) for module, imported in edges(sources) if not is_ours(imported)]
    return [
        (module, imported)
        for module, imported in outside
        if imported not in sys.stdlib_module_names and row(module) not in MAY_IMPORT.get(imported, ())
    ]


def find_cycle(sources: Sources) -> list[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for module, imported in edges(sources):
        sorter.add(module, imported)
    try:
        sorter.prepare()
    except CycleError as failure:
        cycle: list[str] = failure.args[1]
        return cycle
    return []


def test_every_module_has_its_row() -> None:
    """A new module gets one where its imports point down."""
    assert [path for path in SOURCES if row(dotted(path)) is None] == []


def test_imports_point_down() -> None:
    assert upward(SOURCES) == []


def test_there_is_no_cycle() -> None:
    assert find_cycle(SOURCES) == []


def test_each_module_imports_from_outside_what_it_may() -> None:
    assert foreign(SOURCES) == []


WRONG_IMPORTS = [
    ("money.py", "from .actions import add", "actions"),
    ("money.py", "from . import actions", "actions"),
    ("money.py", "from . import SmmApi", ""),
    ("money.py", "from .money_too import x", "money_too"),
    ("hooks.py", "from flask_smmapi.catalog import ServiceList", "catalog"),
    ("hooks.py", "import flask_smmapi.catalog as catalog", "catalog"),
    ("errors.py", "def late():\n    from .ids import new_id", "ids"),
    ("errors.py", "if TYPE_CHECKING:\n    from .hooks import Order", "hooks"),
    ("placement.py", "try:\n    from .stores import memory\nexcept ImportError:\n    pass", "stores.memory"),
    ("stores/memory.py", "from .. import views", "views"),
    ("stores/memory.py", "from ..extension import SmmApi", "extension"),
    ("stores/mongo/__init__.py", "from ...dialects import Standard", "dialects"),
]


@pytest.mark.parametrize(("path", "source", "imported"), WRONG_IMPORTS)
def test_a_wrong_import_is_seen(path: str, source: str, imported: str) -> None:
    found = upward({**SOURCES, path: source})
    assert found == [(dotted(path), f"{PACKAGE}.{imported}".rstrip("."))]


@pytest.mark.parametrize(
    ("path", "source", "imported"),
    [
        ("actions.py", "import flask", "flask"),
        ("dialects.py", "def late():\n    from flask.json import dumps", "flask"),
        ("placement.py", "from flask_limiter.util import get_remote_address", "flask_limiter"),
        ("hooks.py", "import werkzeug.exceptions", "werkzeug"),
        ("stores/memory.py", "if TYPE_CHECKING:\n    from mongoengine import Document", "mongoengine"),
        ("extension.py", "import os, pymongo.errors", "pymongo"),
        ("views.py", "import requests", "requests"),
    ],
)
def test_a_wrong_import_from_outside_is_seen(path: str, source: str, imported: str) -> None:
    assert foreign({**SOURCES, path: source}) == [(dotted(path), imported)]


def test_a_cycle_is_seen() -> None:
    one = {"stores/mongo/one.py": "def late():\n    from .two import x"}
    other = {"stores/mongo/two.py": "from . import one"}
    assert find_cycle({**SOURCES, **one, **other})
    assert not find_cycle({**SOURCES, **one, "stores/mongo/two.py": ""})


def loaded_by(code: str) -> set[str]:
    """The modules in a fresh interpreter after *code*."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import flask_smmapi",
        "from flask_smmapi.stores.memory import MemoryStore\n"
        "import flask, flask_smmapi\n"
        "flask_smmapi.SmmApi(flask.Flask('panel'), store=MemoryStore())",
    ],
)
def test_no_backend_is_loaded_that_is_not_used(code: str) -> None:
    loaded = loaded_by(code)
    assert "flask_smmapi.hooks" in loaded
    assert loaded.isdisjoint({"mongoengine", "pymongo", "bson", "redis", "pytest", "flask_smmapi.stores.mongo"})


def test_the_public_names_are_those_of_the_front_door() -> None:
    names = {name for name, value in vars(flask_smmapi).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert names == set(flask_smmapi.__all__)


@pytest.mark.parametrize("name", flask_smmapi.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """A dataclass without a docstring gets its own signature for one, and an Enum may inherit its base's."""
    public = getattr(flask_smmapi, name)
    assert public.__doc__
    assert not public.__doc__.startswith((f"{name}(", "An enumeration."))


@pytest.mark.parametrize("public", [getattr(flask_smmapi, name) for name in flask_smmapi.__all__])
def test_every_verb_of_a_public_name_is_documented(public: type) -> None:
    verbs = {name: verb for name, verb in vars(public).items() if name[0] != "_" and inspect.isfunction(verb)}
    assert [name for name, verb in verbs.items() if not verb.__doc__] == []
