"""What a client sent, made plain: parameters as text, whatever body they came in.

Absent values fall out, numbers become their digits, arrays become lists with a line (or a comma) an entry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from .errors import UnreadableBody

Params: TypeAlias = "dict[str, str]"

ABSENT = frozenset({"", "undefined", "null", "None"})
"""What JavaScript and PHP clients send for a value that they do not have."""

SEPARATORS = {
    **dict.fromkeys(("orders", "refills"), ","),
    **dict.fromkeys(("comments", "usernames", "hashtags", "groups", "keywords"), "\n"),
}
"""The list parameters: those that may be a JSON array, and what separates their entries in a text."""

_IDS = frozenset({"service", "order", "orders", "refill", "refills"})

_BOOLEANS = {False: ("0", "1"), True: ("false", "true")}
"""What a boolean counts as: in general what PHP's http_build_query writes; where an id is due, what is none."""

_LINE_END = re.compile(r"\r\n|\n|\\n")  # the last one is a backslash and an n, which some clients send


def clean(raw: Mapping[str, Any]) -> Params:
    """The parameters of *raw* that are present, each as text.

    :raises UnreadableBody: if a value nests where it may not, or is no valid Unicode.
    """
    params: Params = {}
    for name, value in raw.items():
        text = _join(name, value) if isinstance(value, (list, tuple)) else _text(name, value)
        if text not in ABSENT:
            params[name] = text
    return params


def split_lines(text: str) -> list[str]:
    """The lines of *text* that are not blank, without blanks at their ends."""
    return [stripped for line in _LINE_END.split(text) if (stripped := line.strip())]


def split_ids(text: str) -> list[str]:
    """The entries of a comma list that are not blank, as the caller wrote them."""
    return [stripped for entry in text.split(",") if (stripped := entry.strip())]


def _join(name: str, values: list[Any] | tuple[Any, ...]) -> str:
    if name not in SEPARATORS:
        raise UnreadableBody
    return SEPARATORS[name].join(_text(name, value) for value in values)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _BOOLEANS[name in _IDS][value]
    if not isinstance(value, (str, int)):
        raise UnreadableBody
    text = str(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape and no database can keep
        raise UnreadableBody from None
    return text
