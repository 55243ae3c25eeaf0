"""A reseller's own affairs: the overview with his first API call, his statement, his keys, the price list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_smmapi import Service
from flask_smmapi.hooks import DIALECT_NAMES, AccountId
from flask_smmapi.owner import StatementLine

from .calls import PLACEHOLDER, example_order
from .people import in_short, orders_in
from .sign_in import currency_of, current_account, current_info, only_resellers, smmapi

pages = Blueprint("reseller", __name__)
pages.before_request(only_resellers)

PAGE = 50
"""Rows of a page."""

MAX_LABEL = 60

MAX_CATEGORIES = 8
"""That are offered to be looked through."""


@pages.get("/overview")
def overview() -> ResponseReturnValue:
    info = current_info()
    return render_template(
        "panel/overview.html",
        info=info,
        currency=currency_of(info),
        dialect=info.dialect or current_app.config["SMMAPI_DIALECT"],
        orders=smmapi().store.list(info.id, limit=5),
        key=PLACEHOLDER,
        example=example_order(current_account()),
    )


@pages.get("/statement")
def statement() -> ResponseReturnValue:
    info, page = current_info(), page_number()
    newest = list(smmapi().store.statement(info.id, limit=page * PAGE + 1))
    lines: list[StatementLine] = newest[::-1][(page - 1) * PAGE :]
    return render_template(
        "panel/statement.html",
        info=info,
        currency=currency_of(info),
        lines=lines[:PAGE],
        numbers=numbers_of(info.id, lines),
        page=page,
        more=len(lines) > PAGE,
    )


def numbers_of(account: AccountId, lines: Iterable[StatementLine]) -> dict[str, int]:
    """The numbers of the orders that a statement names by their ids."""
    return {order.id: order.number for order in smmapi().store.find(account, orders_in(lines))}


def page_number() -> int:
    """The page that is asked for; the first one if it makes no sense."""
    text = request.args.get("page", "1")
    return max(int(text), 1) if re.fullmatch("[0-9]{1,6}", text) else 1


@pages.get("/keys")
def keys() -> ResponseReturnValue:
    return show_keys()


def show_keys(new: str | None = None) -> str:
    """:param new: a key that is shown this once."""
    found = smmapi().store.keys(current_info().id)
    return render_template(
        "panel/keys.html",
        keys=sorted(found, key=lambda key: (key.active, key.created), reverse=True),
        dialects=DIALECT_NAMES,
        max_label=MAX_LABEL,
        new=new,
        key=new,
        example=example_order(current_account()),
    )


@pages.post("/keys")
def create_key() -> ResponseReturnValue:
    """The page itself has the new key, so it is nowhere else: not in a URL, not in the session."""
    label, dialect = request.form.get("label", "").strip(), request.form.get("dialect") or None
    if len(label) > MAX_LABEL:
        flash(f"The label must be of at most {MAX_LABEL} characters.", "error")
        return redirect(url_for("reseller.keys"))
    try:
        return show_keys(smmapi().store.create_key(current_info().id, label, dialect))
    except ValueError as wrong:
        flash(in_short(wrong), "error")
        return redirect(url_for("reseller.keys"))


@pages.post("/keys/<key_id>/rotate")
def rotate_key(key_id: str) -> ResponseReturnValue:
    try:
        return show_keys(smmapi().store.rotate_key(current_info().id, key_id))
    except ValueError:
        flash("You have no such key in use.", "error")
        return redirect(url_for("reseller.keys"))


@pages.post("/keys/<key_id>/revoke")
def revoke_key(key_id: str) -> ResponseReturnValue:
    try:
        smmapi().store.revoke_key_by_id(current_info().id, key_id)
        flash("The key was revoked. It is refused from now on.")
    except ValueError:
        flash("You have no such key.", "error")
    return redirect(url_for("reseller.keys"))


@pages.get("/services")
def services() -> ResponseReturnValue:
    account, wanted, page = current_account(), request.args.get("q", "").strip(), page_number()
    found = search(smmapi().services(account), wanted)
    shown = list(islice(found, (page - 1) * PAGE, page * PAGE + 1))
    return render_template(
        "panel/services.html",
        services=shown[:PAGE],
        q=wanted,
        page=page,
        more=len(shown) > PAGE,
        currency=currency_of(current_info()),
        categories=largest_categories(smmapi().services(account)),
    )


def largest_categories(services: Iterable[Service]) -> list[tuple[str, int]]:
    """Those with the most services, and how many each has."""
    return Counter(service.category for service in services).most_common(MAX_CATEGORIES)


def search(services: Iterable[Service], wanted: str) -> Iterable[Service]:
    """Those with the number *wanted*, or with each word of it in the name, the category or the type."""
    words = wanted.casefold().split()
    for service in services:
        text = f"{service.name} {service.category} {service.type}".casefold()
        if str(service.id) == wanted or all(word in text for word in words):
            yield service
