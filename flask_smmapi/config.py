"""Every ``SMMAPI_*`` key of the host's config: its default, and what it must be. README.md says what each does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Config
from limits import parse_many

from . import keys
from .dialects import DIALECTS


class Setting(NamedTuple):
    """One key.

    :param wanted: what the value must be, in words that end the sentence "it must be …".
    """

    default: Any
    is_valid: Callable[[Any], bool]
    wanted: str


def _is_prefix(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or bool(re.fullmatch(r"/[^<>?#\s]*", value)))


def _is_dialect(value: Any) -> bool:
    return isinstance(value, str) and value in DIALECTS


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_uri(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.startswith(("mongodb://", "mongodb+srv://")))


def _is_pattern(value: Any) -> bool:
    try:
        return value is None or (isinstance(value, str) and bool(re.compile(value)))
    except re.error:
        return False


def _is_whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _is_limit(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(parse_many(value))
    except ValueError:
        return False


_LIMITS = "limits in Flask-Limiter's notation, such as '10 per 15 minutes'"

SETTINGS: dict[str, Setting] = {
    "SMMAPI_URL_PREFIX": Setting("", _is_prefix, "empty, or a path such as '/shop'"),
    "SMMAPI_DIALECT": Setting("standard", _is_dialect, f"one of: {', '.join(DIALECTS)}"),
    "SMMAPI_MONGODB_URI": Setting(None, _is_uri, "a URI such as 'mongodb://127.0.0.1:27017/panel', or None"),
    "SMMAPI_MONGODB_ALIAS": Setting("default", _is_name, "the alias of a mongoengine connection, such as 'default'"),
    "SMMAPI_CURRENCY": Setting("USD", _is_name, "the code of a currency, such as 'USD'"),
    "SMMAPI_KEY_PATTERN": Setting(keys.PATTERN, _is_pattern, "a regular expression for the whole key, or None"),
    "SMMAPI_MAX_CONTENT_LENGTH": Setting(1024 * 1024, _is_whole(1), "a whole number of bytes, at least 1"),
    "SMMAPI_MAX_IDS": Setting(100, _is_whole(1), "a whole number, at least 1"),
    "SMMAPI_REFILL_INTERVAL": Setting(24 * 60 * 60, _is_whole(0), "a whole number of seconds, 0 or more"),
    "SMMAPI_FAILED_ATTEMPTS": Setting("10 per 15 minutes", _is_limit, _LIMITS),
    "SMMAPI_FAILED_ATTEMPTS_PER_IP": Setting("100 per 15 minutes", _is_limit, _LIMITS),
}


def complete(config: Config) -> None:
    """Set the defaults, visibly, and check every value.

    :raises RuntimeError: naming the first key whose value will not do, and what would.
    """
    for name, (default, is_valid, wanted) in SETTINGS.items():
        value = config.setdefault(name, default)
        if not is_valid(value):
            raise RuntimeError(f"{name} is {value!r}; it must be {wanted}.")
