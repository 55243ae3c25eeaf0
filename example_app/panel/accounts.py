"""The owner's view of accounts: who has what, payments that came in, and adjustments."""

from __future__ import annotations

import secrets

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_smmapi.owner import AccountInfo

from .people import in_short, money, to_amount
from .reseller import numbers_of
from .sign_in import USERS, currency_of, find_account, only_the_owner, read_id, smmapi, write_id

pages = Blueprint("accounts", __name__, url_prefix="/owner/accounts")
pages.before_request(only_the_owner)
pages.add_app_template_filter(currency_of)

PAGE = 50
"""Accounts of a page."""

NEWEST = 20
"""Movements that are shown of an account."""


@pages.get("")
def lists() -> ResponseReturnValue:
    after = request.args.get("after")
    found = smmapi().store.accounts(None if after is None else read_id(after), limit=PAGE + 1)
    names = {user.account: user.name for user in USERS.values()}
    return render_template(
        "panel/accounts.html", accounts=found[:PAGE], names=names, more=len(found) > PAGE, after=after
    )


@pages.get("/account")
def show() -> ResponseReturnValue:
    info = asked_account()
    lines = list(smmapi().store.statement(info.id, limit=NEWEST))[::-1]
    return render_template(
        "panel/account.html",
        info=info,
        lines=lines,
        numbers=numbers_of(info.id, lines),
        token=secrets.token_hex(16),
    )


def asked_account() -> AccountInfo:
    return find_account(read_id(request.values.get("account", "")))


@pages.post("/top-up")
def top_up() -> ResponseReturnValue:
    info = asked_account()
    payment = request.form.get("payment", "").strip()
    try:
        amount = to_amount(request.form.get("amount", ""))
        if smmapi().store.top_up(info.id, amount, payment):
            flash(f"Payment {payment} was booked: {money(amount)} {currency_of(info)}.")
        else:
            flash(f"Payment {payment} was booked before; nothing changed.")
    except ValueError as wrong:
        flash(in_short(wrong), "error")
    return back_to(info)


@pages.post("/adjust")
def adjust() -> ResponseReturnValue:
    """The form's token makes a double click one adjustment."""
    info = asked_account()
    token = request.form.get("token", "")
    try:
        amount = to_amount(request.form.get("amount", ""))
        if smmapi().store.adjust(info.id, amount, request.form.get("reason", ""), reference=token):
            flash(f"The adjustment by {money(amount)} {currency_of(info)} is booked, once.")
        else:
            flash("The account has less than that; nothing changed.", "error")
    except ValueError as wrong:
        flash(in_short(wrong), "error")
    return back_to(info)


def back_to(info: AccountInfo) -> ResponseReturnValue:
    return redirect(url_for("accounts.show", account=write_id(info.id)))
