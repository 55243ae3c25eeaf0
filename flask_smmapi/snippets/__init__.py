"""Examples for resellers in the languages that they write, one file each, for the page that shows the API.

The files are whole programs, so that the tests can run them as they are against a served app.
:func:`read_snippets` cuts them at their marks, such as ``# --- add``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

FILES = {"curl": "curl.sh", "PHP": "php.php", "Python": "python.py", "JavaScript": "javascript.mjs"}
"""Each language's file, in the order that a page shows them; the keys are the names to show."""

CLIENT = "client"
"""The section before the first mark: the address, the key, and what all others call."""

ADDRESS, KEY = "https://panel.example/api/v2", "YOUR_API_KEY"
"""What stands in each file, once and between quotes, for the panel's own address and for a reseller's key."""

ORDER_IDS = ("507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012", "507f1f77bcf86cd799439013")
"""What stands for a reseller's orders: of all three the status is asked, the first is canceled, the second refilled."""

REFILL_ID = "507f191e810c19729de860ea"
"""What stands for a reseller's refill."""

_MARK = re.compile(r"^(?:#|//) --- (\w+)$", re.MULTILINE)


@cache
def read_snippets() -> Mapping[str, Mapping[str, str]]:
    """The sections of each language: the client, and one for each action by its name, in the order of the file.

    A section has neither its mark nor blank lines around it.
    """
    return MappingProxyType({language: MappingProxyType(_cut(_read(name))) for language, name in FILES.items()})


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")


def _cut(text: str) -> dict[str, str]:
    first, *rest = _MARK.split(text)
    sections = zip((CLIENT, *rest[::2]), (first, *rest[1::2]), strict=True)
    return {name: section.strip() + "\n" for name, section in sections}
