"""The price list from a supplier's file: read, marked up, compared with what is there, looked at, and then imported.

What was looked at travels in the form, signed: it is imported as it is, by whichever worker gets it, or not at all.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeSerializer

from flask_smmapi import Account, Service, ServiceList
from flask_smmapi.price_lists import (
    BrokenList,
    compare,
    decode,
    format_of,
    marked_up,
    read_rows,
    to_services,
    write,
)

from .people import to_amount
from .sign_in import only_the_owner, smmapi

pages = Blueprint("price_list", __name__, url_prefix="/owner/price-list")
pages.before_request(only_the_owner)

MAX_BYTES = 8 * 1024 * 1024
"""Of an uploaded file."""

SHOWN = 50
"""Rows that are shown of each kind of change, and problems of a broken file."""


@pages.get("")
def form() -> ResponseReturnValue:
    return render_template("panel/price_list.html", count=len(price_list()))


def price_list() -> ServiceList:
    """The list as it is for an account that has no prices of its own."""
    return smmapi().services(Account(id=""))


@pages.get("/current.csv")
def download() -> ResponseReturnValue:
    """The list as a file, to be changed and imported again."""
    headers = {"Content-Disposition": 'attachment; filename="price-list.csv"'}
    return Response(write(price_list(), "csv"), mimetype="text/csv", headers=headers)


@pages.post("/preview")
def preview() -> ResponseReturnValue:
    file, markup = request.files.get("file"), request.form.get("markup", "").strip()
    try:
        percent = to_amount(markup or "0")
        if not -100 <= percent <= 100_000:
            raise ValueError("The markup must be a percentage of -100 to 100,000.")
        data = file.read(MAX_BYTES + 1) if file else b""
        if len(data) > MAX_BYTES:
            raise ValueError(f"The file is larger than {MAX_BYTES // 1024**2} MiB.")
        services = read(data, percent)
    except BrokenList as broken:
        return show_problems(broken.problems)
    except ValueError as wrong:
        return show_problems((str(wrong),))
    old, new = price_list(), ServiceList(services)
    return render_template(
        "panel/price_list_preview.html",
        changes=compare(old, new),
        count=len(new),
        shown=SHOWN,
        signed=serializer().dumps([fingerprint(old), write(new, "json")]),
    )


def read(data: bytes, percent: Decimal) -> list[Service]:
    """The services in a file, at rates that are *percent* higher.

    :raises BrokenList: with all that is wrong.
    """
    text = decode(data)
    services = marked_up(to_services(read_rows(text, format_of(text))), percent)
    if not services:
        raise BrokenList(["The price list is empty."])
    return services


def show_problems(problems: tuple[str, ...]) -> ResponseReturnValue:
    page = render_template("panel/price_list.html", count=len(price_list()), problems=problems, shown=SHOWN)
    return page, 422


@pages.post("/import")
def import_() -> ResponseReturnValue:
    try:
        compared_with, text = serializer().loads(request.form.get("signed", ""))
    except BadSignature:
        abort(400, "This is no preview of ours.")
    if compared_with != fingerprint(price_list()):
        flash("The price list has changed since that preview. Nothing was imported; upload the file again.", "error")
        return redirect(url_for("price_list.form"))
    services = to_services(read_rows(text, "json"))
    smmapi().store.set_services(services)
    flash(f"{len(services)} services were imported.")
    return redirect(url_for("price_list.form"))


def serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key or abort(500), salt="price list")


def fingerprint(services: ServiceList) -> str:
    return hashlib.sha256(write(services, "json").encode()).hexdigest()
