"""One line in the log for each request: on the logger ``flask_smmapi``, at the level INFO.

It has no key and nothing of a body: an action is written only if there is one of that name. Nor has any other line of
that logger a key, though a hook, or a receiver of a signal, may have put one into its exception.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from dataclasses import dataclass, field

from flask import g, has_request_context

from . import keys
from .actions import ACTIONS
from .hooks import AccountId

log = logging.getLogger("flask_smmapi")


@dataclass
class Entry:
    """What is known of a request so far; made when it begins.

    :param account: the id of the account, once it is known.
    :param order: the id of the order that it is about, if it is about one.
    """

    action: str | None = None
    account: AccountId | None = None
    order: str | None = None
    _begun: float = field(default_factory=time.perf_counter, repr=False)

    def write(self, status: int) -> None:
        """Write the line. Its values are attributes of the log record, too, under ``smmapi``.

        :param status: of the HTTP answer.
        """
        if not log.isEnabledFor(logging.INFO):
            return
        values = {
            "action": self.action if self.action in ACTIONS else None,
            "account": self.account,
            "status": status,
            "milliseconds": round((time.perf_counter() - self._begun) * 1000, 3),
            "order": self.order,
        }
        line = " ".join(f"{name}={_plain(value)}" for name, value in values.items())
        log.info("%s", line, extra={"smmapi": values})


def _plain(value: object) -> str:
    """*value* in one word: nothing that a host may have for an id makes a line of its own."""
    return "-" if value is None else "".join(char if char.isprintable() and char != " " else "?" for char in str(value))


_KEY = re.compile(keys.PATTERN)


def _without_keys(record: logging.LogRecord) -> bool:
    """Take the request's key, and all that looks like one, out of a stack; one that has none stays as it is."""
    if record.exc_info and has_request_context():
        stack = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        clean = _KEY.sub("[key]", _replace(stack, g.get("smmapi_key")))
        if clean != stack:
            record.exc_info, record.exc_text = None, clean
    return True


def _replace(stack: str, key: str | None) -> str:
    if key is None or len(key) < 8:  # so short a text is all over a stack
        return stack
    return stack.replace(key, "[key]").replace(repr(key)[1:-1], "[key]")


log.addFilter(_without_keys)
