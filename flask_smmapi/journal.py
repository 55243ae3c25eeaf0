"""One line in the log for each request: on the logger ``flask_smmapi``, at the level INFO.

It has no key and nothing of a body: an action is written only if there is one of that name.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from .actions import ACTIONS
from .hooks import AccountId

log = logging.getLogger("flask_smmapi")


@dataclass
class Entry:
    """What is known of a request so far; made when it begins.

    :param account: the id of the account, once it is known.
    :param order: the id of the order that was placed.
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
