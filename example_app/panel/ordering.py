"""New orders: one by a form whose fields follow the service's type, or many by lines of text."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_smmapi import Account, Order, Service, SmmError
from flask_smmapi.errors import IdempotencyKeyReused
from flask_smmapi.params import split_lines
from flask_smmapi.service_types import FIELDS, SERVICE_TYPES, Lines, Whole

from .calls import curl, example_order
from .people import money
from .sign_in import currency_of, current_account, current_info, only_resellers, smmapi

pages = Blueprint("ordering", __name__, url_prefix="/orders")
pages.before_request(only_resellers)

MAX_CHOICES = 300
"""Services that are offered in one list; of more, one is searched for."""

MAX_LINES = 200
"""Of a mass order."""


class Field(NamedTuple):
    """One field of the form.

    :param kind: ``line``, ``number``, ``lines`` or ``choice``.
    :param choices: of a choice: what is sent, and what it means.
    """

    name: str
    label: str
    hint: str
    kind: str
    required: bool
    choices: Mapping[str, str] = MappingProxyType({})


LABELS: Mapping[str, tuple[str, str]] = {
    "link": ("Link", "The page or profile that it is for"),
    "quantity": ("Quantity", ""),
    "runs": ("Runs", "How often the quantity is delivered; empty for once"),
    "interval": ("Interval", "Minutes between two runs"),
    "comments": ("Comments", "One a line"),
    "usernames": ("Usernames", "One a line"),
    "hashtags": ("Hashtags", "One a line"),
    "groups": ("Groups", "One a line"),
    "keywords": ("Keywords", "One a line"),
    "hashtag": ("Hashtag", ""),
    "username": ("Username", ""),
    "media": ("Media", "The link of the post whose likers are meant"),
    "answer_number": ("Answer number", "Which answer of the poll; 1 for the first"),
    "min": ("Least per post", ""),
    "max": ("Most per post", "This is what is charged for each post"),
    "delay": ("Delay", "Minutes after a new post; 0 for none"),
    "posts": ("Posts", "How many new posts; empty for no end"),
    "old_posts": ("Old posts", "How many of those that are there already"),
    "expiry": ("Expiry", "A day as 31/12/2030; empty for none"),
    "country": ("Country", "Such as US"),
    "device": ("Device", ""),
    "type_of_traffic": ("Type of traffic", ""),
    "google_keyword": ("Keyword of the search", "For traffic from a search"),
    "referring_url": ("Referring URL", "For traffic from a referrer"),
}

CHOICES: Mapping[str, Mapping[str, str]] = {
    "device": {"1": "Desktop", "2": "Mobile", "3": "Mixed"},
    "type_of_traffic": {"1": "From a search", "2": "From a referrer", "3": "Direct"},
}
"""What the document gives for two fields, of which the protocol takes any text."""


def fields_of(service: Service) -> list[Field]:
    """The fields of the service's type, the required ones first."""
    row = SERVICE_TYPES[service.type]
    optional = [name for name in row.optional if service.dripfeed or name not in ("runs", "interval")]
    return [_field(name, name in row.required) for name in (*row.required, *optional)]


def _field(name: str, required: bool) -> Field:
    if name in CHOICES:
        return Field(name, *LABELS[name], "choice", required, CHOICES[name])
    kind = FIELDS.get(name)  # none for the link
    widget = "lines" if kind is Lines else "number" if kind is not None and issubclass(kind, Whole) else "line"
    return Field(name, *LABELS[name], widget, required)


def sent(service: Service) -> dict[str, str]:
    """The service and its parameters, as the form has them."""
    fields = {field.name: request.form.get(field.name, "") for field in fields_of(service)}
    return {"service": str(service.id), **fields}


def new_token() -> str:
    """Names one filled form: what is sent twice with it is placed once."""
    return f"form-{secrets.token_hex(16)}"


def read_token() -> str:
    """The form's own, as we have written it, else a new one."""
    token = request.form.get("token", "")
    return token if token.startswith("form-") and len(token) == len(new_token()) and token.isascii() else new_token()


def chosen(account: Account, number: str | None) -> Service | None:
    is_number = number is not None and number.isascii() and number.isdecimal() and len(number) <= 18
    return smmapi().services(account).get(int(number or 0)) if is_number else None


@pages.get("/new")
def form() -> ResponseReturnValue:
    return show_form(chosen(current_account(), request.args.get("service")), {}, new_token())


def show_form(service: Service | None, values: Mapping[str, str], token: str, error: str = "") -> str:
    info, account = current_info(), current_account()
    services = smmapi().services(account)
    return render_template(
        "panel/new_order.html",
        service=service,
        services=list(services) if len(services) <= MAX_CHOICES else None,
        fields=fields_of(service) if service else [],
        per=SERVICE_TYPES[service.type].per if service else None,
        values=values,
        token=token,
        error=error,
        info=info,
        currency=currency_of(info),
        call=call_of(service, values) if service else None,
    )


def call_of(service: Service, values: Mapping[str, str]) -> str:
    """The same order as a call of the API; what is not filled in yet is there as its name."""
    filled = {field.name: values.get(field.name, "").strip().replace("\r\n", "\n") for field in fields_of(service)}
    needed = {field.name: field.name.upper() for field in fields_of(service) if field.required}
    params = {name: value or needed.get(name, "") for name, value in filled.items()}
    sent = {name: value for name, value in params.items() if value}
    return curl({"action": "add", "service": str(service.id), **sent})


@pages.post("/new")
def place() -> ResponseReturnValue:
    account, token = current_account(), read_token()
    service = chosen(account, request.form.get("service"))
    if service is None:
        return show_form(None, {}, token, "Incorrect service ID"), 422
    values = sent(service)
    try:
        order = smmapi().place(account, values, idempotency_key=token)
    except IdempotencyKeyReused:  # somebody went back to a form that was sent, and has changed it
        text = "This form has placed an order already. Send it once more to place another one."
        return show_form(service, values, new_token(), text), 422
    except SmmError as failure:
        return show_form(service, values, token, str(failure)), 422
    flash(f"Order {order.number} was placed for {money(order.charge)} {order.currency}.")
    return redirect(url_for("orders.lists"))


@pages.post("/quote")
def quote() -> ResponseReturnValue:
    """A fragment: the charge of what has been typed so far, or what is wrong with it."""
    info, account = current_info(), current_account()
    service = chosen(account, request.form.get("service"))
    if service is None:
        return render_template("panel/quote.html", error="Incorrect service ID")
    values = sent(service)
    call = call_of(service, values)
    missing = [field.label for field in fields_of(service) if field.required and not values[field.name].strip()]
    if missing:
        return render_template("panel/quote.html", missing=missing, call=call)
    try:
        charge = smmapi().quote(account, values)
    except SmmError as failure:
        return render_template("panel/quote.html", error=str(failure), call=call)
    return render_template("panel/quote.html", charge=charge, info=info, currency=currency_of(info), call=call)


# Many at once


class Outcome(NamedTuple):
    """What became of a line.

    :param text: why there is no order.
    :param unknown: whether there may be one in spite of that.
    """

    line: str
    order: Order | None = None
    text: str = ""
    unknown: bool = False


@pages.get("/mass")
def mass_form() -> ResponseReturnValue:
    return show_mass("", new_token())


def show_mass(text: str, token: str, outcomes: list[Outcome] | None = None, error: str = "") -> str:
    return render_template(
        "panel/mass_order.html",
        text=text,
        token=token,
        outcomes=outcomes or [],
        error=error,
        max_lines=MAX_LINES,
        example=" | ".join(example_order(current_account()).values()),
    )


@pages.post("/mass")
def place_many() -> ResponseReturnValue:
    text, token, account = request.form.get("lines", ""), read_token(), current_account()
    lines = split_lines(text)
    if not 1 <= len(lines) <= MAX_LINES:
        error = f"Give 1 to {MAX_LINES} lines; these are {len(lines)}. Nothing was placed."
        return show_mass(text, token, error=error), 422
    times: Counter[str] = Counter()
    outcomes = []
    for line in lines:
        times[line] += 1  # a line that is there twice is two orders
        outcomes.append(place_line(account, line, line_token(token, line, times[line])))
    if any(outcome.unknown for outcome in outcomes):  # the same again, with the same token, finds out
        return show_mass(text, token, outcomes)
    failed = [outcome.line for outcome in outcomes if outcome.order is None]
    return show_mass("\n".join(failed), new_token(), outcomes)


def line_token(token: str, line: str, n: int) -> str:
    """Of the line's text, so that lines which were mended or moved are neither lost nor placed twice."""
    return f"{token}-{hashlib.sha256(line.encode(errors='replace')).hexdigest()[:24]}-{n}"


def place_line(account: Account, line: str, token: str) -> Outcome:
    service, bar, rest = line.partition("|")
    link, other_bar, quantity = rest.rpartition("|")
    if not bar or not other_bar:
        return Outcome(line, text="Write it as: service | link | quantity")
    params = {"service": service.strip(), "link": link.strip(), "quantity": quantity.strip()}
    try:
        return Outcome(line, smmapi().place(account, params, idempotency_key=token))
    except SmmError as failure:
        return Outcome(line, text=str(failure), unknown=failure.status >= 500)
    except (ConnectionError, TimeoutError):
        return Outcome(line, text="The store cannot be reached just now", unknown=True)
