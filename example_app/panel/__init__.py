"""The demo's pages, for resellers and for the owner: plain HTML from the server, nicer with htmx.

Each file has the pages of one matter, as a blueprint. They use what any host may use: ``smmapi`` and its store, desk,
signals and tables. All that concerns every page is here: protection against forged forms, headers, error pages.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, render_template, request
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException

from flask_smmapi import SmmError

from . import accounts, blocked, calls, figures, ordering, orders, people, price_list, reseller, sign_in, work

BLUEPRINTS = (
    sign_in.pages,
    reseller.pages,
    ordering.pages,
    orders.pages,
    work.pages,
    accounts.pages,
    price_list.pages,
    figures.pages,
    blocked.pages,
)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request's body. The token of a form is looked for in it before a page could set a limit of its own."""


def add_panel(app: Flask) -> None:
    """Add the pages to the demo, whose accounts and orders are there already."""
    if app.config["MAX_CONTENT_LENGTH"] is None:
        app.config["MAX_CONTENT_LENGTH"] = MAX_BODY  # the API has a limit of its own
    app.config.setdefault("PANEL_POLL", "3s")
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)  # a form may stay open as long as its session
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)  # which wants a referrer, and our pages let none be sent
    CSRFProtect(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    people.add_filters(app)
    blocked.listen(app)
    app.context_processor(what_each_page_needs)
    app.after_request(set_headers)
    app.register_error_handler(HTTPException, show_error)
    app.register_error_handler(SmmError, show_failure)
    for unavailable in (ConnectionError, TimeoutError):
        app.register_error_handler(unavailable, show_unavailable)


def what_each_page_needs() -> dict[str, Any]:
    return {
        "user": sign_in.current_user(),
        "api_url": calls.api_url(),
        "docs_url": calls.docs_url(),
        "curl": calls.curl,
    }


def set_headers(response: Response) -> Response:
    """Everywhere but in what the extension answers, which has its own.

    No page is kept: whoever sits there next must not find it with the back button.
    """
    if request.blueprint in ("smmapi", "smmapi_docs"):
        return response
    response.headers.update(HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def show_error(error: HTTPException) -> Any:
    if error.response is not None:  # which somebody has made for this error
        return error
    headers = [header for header in error.get_headers() if header[0] != "Content-Type"]  # such as Allow
    return render_template("panel/error.html", name=error.name, text=error.description), error.code, headers


def show_failure(failure: SmmError) -> Any:
    return render_template("panel/error.html", name="That could not be done", text=str(failure)), failure.status


def show_unavailable(failure: Exception) -> Any:
    text = "The store cannot be reached just now. Nothing is lost: send it again in a moment."
    return render_template("panel/error.html", name="Not available", text=text), 503
