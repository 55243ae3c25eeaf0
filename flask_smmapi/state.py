"""What one app needs at each request, built once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app

from .actions import Context
from .desk import Desk
from .dialects import Standard
from .hooks import KeyLookup
from .throttle import Throttle


@dataclass(frozen=True)
class State:
    """One app's side of the extension.

    :param store: what plays the parts that the host did not give, and may do more; None if there is none.
    :param key_pattern: what a key must look like as a whole; None for anything.
    :param max_content_length: bytes that a body may have.
    """

    store: Any
    context: Context
    desk: Desk
    key_lookup: KeyLookup
    throttle: Throttle
    dialect: Standard
    key_pattern: re.Pattern[str] | None
    max_content_length: int


def state_of(app: Flask) -> State:
    """The state of *app*.

    :raises RuntimeError: if the extension was not registered there.
    """
    try:
        state: State = app.extensions["smmapi"]
    except KeyError:
        raise RuntimeError("SmmApi is not registered with this app; call SmmApi(app) or init_app(app) first.") from None
    return state


def current_state() -> State:
    """The state of the app at work."""
    return state_of(current_app)
