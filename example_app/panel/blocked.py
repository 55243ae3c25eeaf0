"""Who was refused after too many failed attempts, as this process has heard it from the extension's signal."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any, NamedTuple

from flask import Blueprint, Flask, current_app, render_template
from flask.typing import ResponseReturnValue

from flask_smmapi import signals
from flask_smmapi.placement import now

from .sign_in import only_the_owner

pages = Blueprint("blocked", __name__, url_prefix="/owner/blocked")
pages.before_request(only_the_owner)

NEWEST = 100
"""Refusals that are kept in mind."""

WRONG_KEY = "aaaaaaaa.bbbbbbbb-cccccccc"
"""Of the right format, but nobody's: for the example that gets its caller blocked."""


class Refusal(NamedTuple):
    """:param retry_after: in seconds."""

    when: datetime
    address: str | None
    retry_after: int


class Blocked:
    """The newest refusals of this process."""

    def __init__(self) -> None:
        self.refusals: deque[Refusal] = deque(maxlen=NEWEST)

    def note(self, app: Flask, *, address: str | None, retry_after: int, **_: Any) -> None:
        self.refusals.append(Refusal(now(), address, retry_after))


def listen(app: Flask) -> None:
    """From now on. The signal holds its receivers weakly, so the app has to keep ours."""
    blocked = app.extensions["blocked"] = Blocked()
    signals.caller_blocked.connect(blocked.note, app)


@pages.get("")
def show() -> ResponseReturnValue:
    refusals = list(current_app.extensions["blocked"].refusals)[::-1]
    return render_template("panel/blocked.html", refusals=refusals, newest=NEWEST, wrong_key=WRONG_KEY)
