"""Every ``SMMAPI_*`` key of the host's config: its default, what it must be, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NamedTuple

from flask import Config
from limits import parse_many

from . import keys
from .dialects import DIALECTS


class Setting(NamedTuple):
    """One key.

    :param wanted: what the value must be, in words that end the sentence "it must be …".
    :param effect: what it does, in a sentence for the docs; may have Markdown's backticks.
    :param example: another value than the default, as one writes it in Python.
    """

    default: Any
    is_valid: Callable[[Any], bool]
    wanted: str
    effect: str
    example: str


def _is_prefix(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or bool(re.fullmatch(r"/[^<>?#\s]*", value)))


def _is_path(value: Any) -> bool:
    return value is None or (_is_prefix(value) and len(value) > 1)


def _is_dialect(value: Any) -> bool:
    return isinstance(value, str) and value in DIALECTS


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_uri(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.startswith(("mongodb://", "mongodb+srv://")))


def _is_pattern(value: Any) -> bool:
    try:
        return value is None or (_is_name(value) and value[0] != "/" and bool(re.compile(value)))
    except re.error:
        return False


def _is_whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _is_limit(value: Any) -> bool:
    try:
        return isinstance(value, str) and all(limit.amount > 0 for limit in parse_many(value))
    except ValueError:
        return False


_LIMITS = "limits in Flask-Limiter's notation, such as '10 per 15 minutes'"

PREFIX = "SMMAPI_"

SETTINGS: dict[str, Setting] = {
    "SMMAPI_URL_PREFIX": Setting(
        "",
        _is_prefix,
        "empty, or a path such as '/shop'",
        "Comes before `/api/v2` in the URL, and after the prefix of a parent blueprint.",
        '"/shop"',
    ),
    "SMMAPI_DOCS_PATH": Setting(
        "/api/v2/docs",
        _is_path,
        "a path such as '/api/v2/docs', or None",
        "Where resellers find the API reference, after the prefix, and OpenAPI beside it; `None` for nowhere.",
        '"/reference"',
    ),
    "SMMAPI_DIALECT": Setting(
        "standard",
        _is_dialect,
        f"one of: {', '.join(DIALECTS)}",
        "The dialect of accounts that name none, and of what fails before the account is known.",
        '"panel"',
    ),
    "SMMAPI_MONGODB_URI": Setting(
        None,
        _is_uri,
        "a URI such as 'mongodb://127.0.0.1:27017/panel', or None",
        "The server, if your app has no mongoengine connection.",
        '"mongodb://127.0.0.1:27017/panel"',
    ),
    "SMMAPI_MONGODB_ALIAS": Setting(
        "default",
        _is_name,
        "the alias of a mongoengine connection, such as 'default'",
        "The mongoengine connection to use.",
        '"panel"',
    ),
    "SMMAPI_CURRENCY": Setting(
        "USD",
        _is_name,
        "the code of a currency, such as 'USD'",
        "The currency of accounts that name none.",
        '"EUR"',
    ),
    "SMMAPI_KEY_PATTERN": Setting(
        keys.PATTERN,
        _is_pattern,
        "a regular expression for the whole key, without delimiters, or None",
        "A regular expression that a key must match as a whole; `None` accepts any.",
        '"[0-9a-f]{32}"',
    ),
    "SMMAPI_MAX_CONTENT_LENGTH": Setting(
        1024 * 1024,
        _is_whole(1),
        "a whole number of bytes, at least 1",
        "The bytes that a body may have; more is answered with 413.",
        "65536",
    ),
    "SMMAPI_MAX_IDS": Setting(
        100,
        _is_whole(1),
        "a whole number, at least 1",
        "The ids that one request may name.",
        "500",
    ),
    "SMMAPI_REFILL_INTERVAL": Setting(
        24 * 60 * 60,
        _is_whole(0),
        "a whole number of seconds, 0 or more",
        "The seconds from an order's end or its last refill to the next refill.",
        "3600",
    ),
    "SMMAPI_FAILED_ATTEMPTS": Setting(
        "10 per 15 minutes",
        _is_limit,
        _LIMITS,
        "The failed attempts that an (IP, User-Agent) may make, in Flask-Limiter's notation.",
        '"5 per hour"',
    ),
    "SMMAPI_FAILED_ATTEMPTS_PER_IP": Setting(
        "100 per 15 minutes",
        _is_limit,
        _LIMITS,
        "The failed attempts that an IP may make, since a User-Agent can be varied.",
        '"10 per 15 minutes"',
    ),
}


def complete(config: Config) -> None:
    """Set the defaults, visibly, and check every value.

    :raises RuntimeError: naming the first key that is no setting, or whose value will not do, and what would.
    """
    _refuse_unknown(config)
    for name, setting in SETTINGS.items():
        value = config.setdefault(name, setting.default)
        if not setting.is_valid(value):
            raise RuntimeError(f"{name} is {value!r}; it must be {setting.wanted}.")


def _refuse_unknown(config: Config) -> None:
    """A misspelt key would be a default that nobody wanted."""
    known = [name.removeprefix(PREFIX) for name in SETTINGS]
    for name in config:
        if isinstance(name, str) and name.startswith(PREFIX) and name not in SETTINGS:
            near = get_close_matches(name.removeprefix(PREFIX), known, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else f"the settings are: {', '.join(SETTINGS)}."
            raise RuntimeError(f"{name} is no setting; {hint}")
