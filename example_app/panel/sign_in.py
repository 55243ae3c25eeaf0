"""Who is it? The demo has no passwords: whoever opens it chooses a role. A real panel brings its own sign-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from flask import Blueprint, abort, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from flask_smmapi import Account, SmmApi
from flask_smmapi.hooks import AccountId
from flask_smmapi.owner import AccountInfo

pages = Blueprint("sign_in", __name__)


class User(NamedTuple):
    """Somebody who may sign in.

    :param account: whose he is; None for the owner.
    """

    name: str
    account: int | None
    about: str


USERS = {
    "standard": User("Reseller", 1, "Buys by form and by API; has money and three orders. Begin here."),
    "owner": User("Owner", None, "Runs the panel: works on orders, books payments, imports the price list."),
    "panel": User("Reseller, panel dialect", 2, "The same, but the API answers his software as most panels do."),
    "poor": User("Reseller without money", 4, "Hears what the panel says to somebody who cannot pay."),
}


def smmapi() -> SmmApi:
    """The extension, in the app that serves the request."""
    api: SmmApi = current_app.extensions["demo"].smmapi
    return api


def current_user() -> User | None:
    return USERS.get(session.get("user", ""))


def current_info() -> AccountInfo:
    """The account of the reseller who is signed in, as the store has it now."""
    user = current_user()
    if user is None or user.account is None:
        abort(403)
    return find_account(user.account)


def current_account() -> Account:
    """The same, as the extension's verbs take it."""
    return as_account(current_info())


def as_account(info: AccountInfo) -> Account:
    return Account(info.id, currency=info.currency, allowed_ips=info.allowed_ips, dialect=info.dialect)


def find_account(id_: AccountId) -> AccountInfo:
    info: AccountInfo | None = smmapi().store.account_info(id_)
    return info or abort(404)


def all_accounts() -> Iterator[AccountInfo]:
    """Every account, in pages."""
    page = smmapi().store.accounts()
    while page:
        yield from page
        page = smmapi().store.accounts(page[-1].id)


def write_id(id_: AccountId) -> str:
    """An account's id in a URL or a form, where 1 and "1" must stay two accounts."""
    return json.dumps(id_)


def read_id(text: str) -> AccountId:
    """The account's id that :func:`write_id` wrote; nothing else is one."""
    try:
        id_ = json.loads(text)
        if isinstance(id_, str):
            id_.encode()  # half of a surrogate pair is in no database
            return id_
    except (ValueError, RecursionError):
        abort(404)
    if type(id_) is int and abs(id_) < 2**63:
        return id_
    abort(404)


def currency_of(info: AccountInfo) -> str:
    return info.currency or str(current_app.config["SMMAPI_CURRENCY"])


def only_resellers() -> ResponseReturnValue | None:
    """For ``before_request`` of a reseller's pages."""
    return _only(owner=False)


def only_the_owner() -> ResponseReturnValue | None:
    """For ``before_request`` of the owner's pages."""
    return _only(owner=True)


def _only(owner: bool) -> ResponseReturnValue | None:
    user = current_user()
    if user is None:
        home = url_for("sign_in.home")
        return ("", {"HX-Redirect": home}) if "HX-Request" in request.headers else redirect(home)
    if (user.account is None) is not owner:
        whom = "the owner" if owner else "resellers"
        abort(403, f"This page is for {whom}; you are signed in as: {user.name}.")
    return None


@pages.get("/")
def home() -> ResponseReturnValue:
    user = current_user()
    if user is not None:
        return redirect(url_for("reseller.overview" if user.account else "work.lists"))
    return render_template("panel/home.html", users=USERS)


@pages.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    name = request.form.get("user", "")
    if name not in USERS:
        abort(400, "There is no such user.")
    session.clear()  # nothing of whoever sat here before, nor a token that somebody planted
    session["user"] = name
    return redirect(url_for("sign_in.home"))


@pages.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    session.clear()
    return redirect(url_for("sign_in.home"))
