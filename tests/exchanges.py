"""Requests that show the protocol, action by action and form by form, and the panel that they are sent to.

docs/conformance.md is made of them, and test_dialects.py plays each in both dialects.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from flask_smmapi import Account, Order, OrderStatus, Refill, RefillStatus
from flask_smmapi.money import price

from . import panel
from .panel import BARE, DRIPFEED, LINK, Panel

KEY = "abcd1234.efgh5678-ijkl9012"
WRONG = "abcd1234.efgh5678-ijkl9013"

NEW_ID = "65f0c0ffee65f0c0ffee65f0"
"""Stands for each id that the server mints while it answers."""

SPECIAL: dict[int, dict[str, Any]] = {
    1: {"name": "Instagram Followers", "rate": Decimal("0.001"), "min": 100, "desc": "Real people"},
    DRIPFEED: {"name": "Views, drip-feed", "average_time": "2 hours 10 minutes"},
    123: {"name": "YouTube Likes", "min": 10},
}
SERVICES = [replace(row, **SPECIAL.get(row.id, {})) for row in panel.SERVICES]
"""One of each type, and what is special about some."""


class Placed(NamedTuple):
    """An order that is there before the request is sent.

    :param changes: fields that differ from those of an order of 1,000 pieces for 1.00.
    """

    name: str
    changes: Mapping[str, Any]


def _ended(hours: int) -> datetime:
    return datetime.now(timezone.utc) - timedelta(hours=hours)


def _orders() -> list[Placed]:
    """The first has the number 1 and the ObjectId that ends with 01, and so on."""
    completed = {"status": OrderStatus.COMPLETED, "remains": 0, "start_count": 100, "ended": _ended(48)}
    paid = {"due_back": Decimal("0.157"), "paid_back": Decimal("0.157")}
    all_paid = {"due_back": Decimal(1), "paid_back": Decimal(1)}
    runs = {"link": LINK, "quantity": "100", "runs": "10", "interval": "60"}
    posts = {"username": "somebody", "min": "100", "max": "100", "delay": "0", "posts": "10", "expiry": "31/12/2030"}
    return [
        Placed("awaiting", {"status": OrderStatus.AWAITING}),
        Placed("pending", {"status": OrderStatus.PENDING}),
        Placed("processing", {"status": OrderStatus.PROCESSING, "start_count": 250}),
        Placed("in_progress", {"status": OrderStatus.IN_PROGRESS, "start_count": 250, "remains": 400}),
        Placed("completed", completed),
        Placed("refilled", completed),
        Placed("partial", {**completed, **paid, "status": OrderStatus.PARTIAL, "remains": 157}),
        Placed("canceled", {**completed, **all_paid, "status": OrderStatus.CANCELED, "remains": 1000}),
        Placed("fail", {**completed, **all_paid, "status": OrderStatus.FAIL, "remains": 1000}),
        Placed("error", {**completed, **all_paid, "status": OrderStatus.ERROR, "remains": 1000}),
        Placed(
            "dripfeed", {"status": OrderStatus.IN_PROGRESS, "service": DRIPFEED, "params": runs, "children": (1, 2)}
        ),
        Placed("subscription", {"status": OrderStatus.IN_PROGRESS, "service": 13, "params": posts, "children": (4,)}),
        Placed("bare", {**completed, "service": BARE, "cancelable": False, "refillable": False}),
        Placed("fresh", {**completed, "ended": _ended(1)}),
    ]


NAMES = [order.name for order in _orders()]


def object_id(number: int) -> str:
    """The ObjectId of the order, or the refill, of that number."""
    return f"507f1f77bcf86cd7994390{number:02d}"


def open_panel(dialect: str, **config: Any) -> Panel:
    """A panel whose account speaks *dialect*, with an order in each status, and a completed refill."""
    opened = Panel(config={"SMMAPI_DIALECT": dialect, **config})
    opened.store.set_services(SERVICES)
    opened.store.add_key(opened.account.id, KEY)
    for number, (_, changes) in enumerate(_orders(), 1):
        opened.store.add(_order(opened.account, object_id(number), changes))
    number, of = len(NAMES) + 1, object_id(NAMES.index("refilled") + 1)
    refill = Refill(object_id(number), opened.account.id, of, 1, _ended(30), RefillStatus.COMPLETED)
    assert opened.store.add_refill(refill).number == number
    return opened


def _order(account: Account, id_: str, changes: Mapping[str, Any]) -> Order:
    order = Order(
        id=id_,
        account=account.id,
        service=123,
        params={"link": LINK, "quantity": "1000"},
        rate=Decimal(1),
        per=1000,
        count=1000,
        charge=price(Decimal(1), 1000, 1000),
        currency="USD",
        cancelable=True,
        refillable=True,
        fingerprint="",
        created=_ended(72),
        remains=1000,
    )
    return replace(order, **changes)


class Exchange(NamedTuple):
    """One request.

    :param form: what is special about it.
    :param params: without key and action. ``{name}`` stands for the id of the order of that name, as the dialect shows
        it, ``{other_name}`` for its id of the other form, ``{refill}`` for the refill's.
    """

    form: str
    params: Mapping[str, str]


def _add(form: str, service: int | str, **params: Any) -> Exchange:
    return Exchange(form, {"service": str(service), **{name: str(value) for name, value in params.items()}})


EXCHANGES: dict[str, list[Exchange]] = {
    "services": [Exchange("the price list", {})],
    "add": [
        _add("Default", 123, link=LINK, quantity=1000),
        _add("Default, drip-feed", 18, link=LINK, quantity=100, runs=3, interval=60),
        _add(
            "Default, the values of a drip-feed that are absent",
            123,
            link=LINK,
            quantity=10,
            runs="undefined",
            interval="",
        ),
        _add("Package", 2, link=LINK),
        _add("Custom Comments", 3, link=LINK, comments="good\nbetter\r\nbest"),
        _add("Custom Comments, line ends as some clients send them", 3, link=LINK, comments="good\\nbetter\\nbest"),
        _add("Custom Comments, a quantity is ignored", 3, link=LINK, comments="good\nbetter", quantity=1000),
        _add("Mentions with Hashtags", 4, link=LINK, quantity=100, usernames="one\ntwo", hashtags="cats\ndogs"),
        _add("Mentions Custom List", 5, link=LINK, usernames="one\ntwo"),
        _add("Mentions Hashtag", 6, link=LINK, quantity=100, hashtag="cats"),
        _add("Mentions User Followers", 7, link=LINK, quantity=100, username="somebody"),
        _add("Mentions Media Likers", 8, link=LINK, quantity=100, media="https://example.com/media"),
        _add("Comment Likes", 9, link=LINK, quantity=100, username="somebody"),
        _add("Poll", 10, link=LINK, quantity=100, answer_number=2),
        _add("Comment Replies", 11, link=LINK, username="somebody", comments="good\nbetter"),
        _add("Invites from Groups", 12, link=LINK, quantity=100, groups="https://example.com/group"),
        _add("Subscriptions", 13, username="somebody", min=100, max=200, delay=0, posts=5, expiry="31/12/2030"),
        _add(
            "Web Traffic", 14, link=LINK, quantity=100, country="US", device=1, type_of_traffic=1, google_keyword="cats"
        ),
        _add("SEO", 15, link=LINK, quantity=100, keywords="cats\ndogs"),
        _add("Mentions", 16, link=LINK, quantity=100, usernames="one\ntwo"),
        _add("Custom Comments Package", 17, link=LINK, comments="good\nbetter"),
        _add("an unknown service", 999, link=LINK, quantity=1000),
        _add("a required parameter is missing", 123, quantity=1000),
        _add("a parameter is malformed", 123, link=LINK, quantity="1,000"),
        _add("too little", 123, link=LINK, quantity=9),
        _add("too much", 123, link=LINK, quantity=10_001),
        _add("drip-feed where there is none", 123, link=LINK, quantity=10, runs=2, interval=60),
        _add("runs without an interval", 18, link=LINK, quantity=10, runs=2),
        _add("more than the balance", 13, username="somebody", min=1, max=10_000, delay=0, posts=1000),
        _add("an idempotency key that cannot be one", 123, link=LINK, quantity=10, request_id="short"),
    ],
    "status": [
        *(
            Exchange(f"one order, {name.upper()}", {"order": f"{{{name}}}"})
            for name in NAMES[:10]
            if name != "refilled"
        ),
        Exchange("one order, a drip-feed after two runs", {"order": "{dripfeed}"}),
        Exchange("one order, a subscription after one post", {"order": "{subscription}"}),
        Exchange("one order, unknown", {"order": "{unknown}"}),
        Exchange("one order, by its other id", {"order": "{other_awaiting}"}),
        Exchange("many orders", {"orders": "{partial},{unknown},{completed}"}),
        Exchange("many orders, one id", {"orders": "{awaiting}"}),
        Exchange("many orders, a comma list in `order`", {"order": "{awaiting},{pending}"}),
        Exchange("many orders, each by an id of its own form", {"orders": "1,507f1f77bcf86cd799439002,no id"}),
        Exchange("no id", {}),
        Exchange("too many", {"orders": ",".join(str(number) for number in range(1, 102))}),
    ],
    "cancel": [
        Exchange("one order", {"order": "{awaiting}"}),
        Exchange("one order, canceled before", {"order": "{canceled}"}),
        Exchange("one order, too late", {"order": "{processing}"}),
        Exchange("one order, unknown", {"order": "{unknown}"}),
        Exchange("many orders", {"orders": "{unknown},{pending},{completed}"}),
        Exchange("many orders, one id", {"orders": "{awaiting}"}),
        Exchange("many orders, a comma list in `order`", {"order": "{awaiting},{pending}"}),
    ],
    "refill": [
        Exchange("the document's form", {"refill": "{completed}"}),
        Exchange("one order", {"order": "{completed}"}),
        Exchange("one order, without refill", {"order": "{bare}"}),
        Exchange("one order, not completed", {"order": "{processing}"}),
        Exchange("one order, too early", {"order": "{fresh}"}),
        Exchange("one order, unknown", {"order": "{unknown}"}),
        Exchange("many orders", {"orders": "{completed},{fresh},{unknown}"}),
        Exchange("many orders, one id", {"orders": "{partial}"}),
    ],
    "refill_status": [
        Exchange("one refill", {"refill": "{refill}"}),
        Exchange("one refill, by its order's ObjectId", {"refill": object_id(NAMES.index("refilled") + 1)}),
        Exchange("one refill, unknown", {"refill": "{unknown}"}),
        Exchange("many refills", {"refills": "{refill},{unknown}"}),
        Exchange("no id", {}),
    ],
    "balance": [Exchange("what the account has", {})],
    "anything": [Exchange("an action that there is not", {})],
}
"""By action."""


class Raw(NamedTuple):
    """A request as it stands, whichever dialect is spoken.

    :param times: how often it is sent; the last answer counts.
    """

    form: str
    body: bytes
    content_type: str = "application/x-www-form-urlencoded"
    method: str = "POST"
    times: int = 1


TIGHT = {"SMMAPI_MAX_CONTENT_LENGTH": 500, "SMMAPI_FAILED_ATTEMPTS": "1 per hour"}
"""The settings of the panel that they are sent to."""

_JSON = "application/json"
_BOUNDARY = "multipart/form-data; boundary=x"

RAW = [
    Raw("JSON with a charset", json.dumps({"key": KEY, "action": "balance"}).encode(), f"{_JSON}; charset=utf-8"),
    Raw(
        "JSON with numbers where a form has text, an array, and null",
        json.dumps({"key": KEY, "action": "cancel", "orders": [1, "2", 99], "order": None}).encode(),
        _JSON,
    ),
    Raw(
        "JSON with a boolean, which counts as 1 or 0",
        json.dumps(
            {
                "key": KEY,
                "action": "add",
                "service": 13,
                "username": 1,
                "min": 10,
                "max": 10,
                "delay": 0,
                "posts": False,
            }
        ).encode(),
        _JSON,
    ),
    Raw(
        "JSON with a zero for what is not wanted",
        json.dumps(
            {"key": KEY, "action": "add", "service": 123, "link": LINK, "quantity": 10, "runs": 0, "interval": 0}
        ).encode(),
        _JSON,
    ),
    Raw("a key of the wrong format", b"key=short&action=balance"),
    Raw("nobody's key", f"key={WRONG}&action=balance".encode()),
    Raw("no body at all", b"", ""),
    Raw("a failed attempt too many", f"key={WRONG}&action=balance".encode(), times=2),
    Raw("broken JSON", f'{{"key": "{KEY}", "action": '.encode(), _JSON),
    Raw("JSON, but no object", f'["{KEY}", "balance"]'.encode(), _JSON),
    Raw("JSON that nests where it may not", json.dumps({"key": KEY, "action": ["balance"]}).encode(), _JSON),
    Raw("bytes that are no UTF-8", f"key={KEY}&action=balance&link=%ff".encode()),
    Raw("broken multipart", f'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\n{KEY}'.encode(), _BOUNDARY),
    Raw("a content type that is not read", f"key={KEY}&action=balance".encode(), "text/plain"),
    Raw("too large", f"key={KEY}&action=balance&link={'x' * 500}".encode()),
    Raw("another method", b"", "", "GET"),
]


def ids(dialect: str) -> dict[str, str]:
    """What stands for ``{name}`` in a request of that dialect."""
    every = {name: number for number, name in enumerate([*NAMES, "refill"], 1)} | {"unknown": 99}
    shown, other = (object_id, str) if dialect == "standard" else (str, object_id)
    return {
        **{name: shown(number) for name, number in every.items()},
        **{f"other_{name}": other(number) for name, number in every.items()},
    }


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    body: str


def params_of(action: str, exchange: Exchange, dialect: str) -> dict[str, str]:
    """The parameters but for the key, as a client of that dialect sends them."""
    return {"action": action, **{name: text.format(**ids(dialect)) for name, text in exchange.params.items()}}


def as_form(params: Mapping[str, str]) -> tuple[bytes, str]:
    return urllib.parse.urlencode(params).encode(), "application/x-www-form-urlencoded"


def as_json(params: Mapping[str, str]) -> tuple[bytes, str]:
    return json.dumps(params).encode(), "application/json"


def as_multipart(params: Mapping[str, str]) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in params.items()
    )
    return f"{''.join(parts)}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


BODIES = (as_form, as_multipart, as_json)


def send(url: str, body: bytes | None, content_type: str, method: str = "POST") -> Reply:
    """The answer over HTTP; whatever id the server has minted for it is :data:`NEW_ID`."""
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            status, answer = response.status, response.read().decode()
    except urllib.error.HTTPError as failure:
        with failure:
            status, answer = failure.code, failure.read().decode()
    return Reply(status, re.sub(r'(?<=")(?!507f)[0-9a-f]{24}(?=")', NEW_ID, answer))
