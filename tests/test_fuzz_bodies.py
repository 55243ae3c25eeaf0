"""Bodies as nobody should send them: whatever comes, the answer is JSON with a documented text, and the money is right.

Each of the seeds is sent as it is, with the answer that it must have; and the fuzz makes more of them: it cuts, mixes,
doubles and bends them. After each request the books are compared: what is gone from the balance is what the orders
cost, each computed anew from what is stored of it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_smmapi import Order, OrderStatus
from flask_smmapi.actions import ACTIONS
from flask_smmapi.hooks import DIALECT_NAMES
from flask_smmapi.money import to_units
from flask_smmapi.service_types import FIELDS, SERVICE_TYPES

from .fuzzing import UNLIMITED, check_failure, effort, tried
from .panel import LINK, SERVICES, Panel
from .test_views import FORM, INCORRECT, JSON, MULTIPART, as_form, as_json, as_multipart, field, multipart, part

MILLION_DIGITS = "9" * 1_000_000
KEY = b"KEY"
"""Stands for the key in a seed."""

TYPES = {row.id: row.type for row in SERVICES}
COUNTED = {"Custom Comments": "comments", "Mentions Custom List": "usernames", "Comment Replies": "comments"}
PACKAGES = ("Package", "Custom Comments Package")


FULL = 60
"""Orders after which the books are closed: each is computed anew after each request."""


class Books:
    """A panel that blocks nobody, and what its account must have; a new one takes its place when it is full."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.begin()

    def begin(self) -> None:
        self.panel = Panel(dialect=self.dialect, config={**UNLIMITED, "SMMAPI_DIALECT": self.dialect})
        self.panel.complete(self.panel.place())
        self.panel.place()

    def begin_if_full(self) -> None:
        if len(self.panel.store.list(1, limit=FULL)) == FULL:
            self.begin()

    def send(self, body: bytes, content_type: str | None, **more: Any) -> tuple[int, Any]:
        """The status and the JSON of the answer, whose text and whose books are checked."""
        self.begin_if_full()
        sent = body.replace(KEY, self.panel.key.encode())
        got = self.panel.send(input_stream=BytesIO(sent), content_type=content_type or None, **more)
        check_failure(got.status, got.json)
        self.check()
        return got.status, got.json

    def check(self) -> None:
        orders = self.panel.store.list(1, limit=1000)
        assert all(order.charge == order.cost or order.status is OrderStatus.CANCELED for order in orders)
        spent = sum(charge(order) for order in orders if order.status is not OrderStatus.CANCELED)
        assert to_units(self.panel.balance) == 100 * 10**8 - spent


def charge(order: Order) -> int:
    """What an order costs, in whole units, as its parameters say; each service is 1.00."""
    type_, params = TYPES[order.service], order.params
    if type_ in PACKAGES:
        return 10**8
    if type_ in COUNTED:
        count = len(params[COUNTED[type_]].split("\n"))
    else:
        count = int(params["max" if type_ == "Subscriptions" else "quantity"])
    times = int(params.get("posts" if type_ == "Subscriptions" else "runs", 1)) or 1
    return ceil(Fraction(count * times * 10**8, 1000))


def order(**changes: Any) -> dict[str, Any]:
    return {"key": "KEY", "action": "add", "service": 1, "link": LINK, "quantity": 1000, **changes}


def raw_json(**changes: str) -> bytes:
    """An order as JSON, whose *changes* are JSON already."""
    members = {name: json.dumps(value) for name, value in order().items()} | changes
    return ("{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}").encode()


def form(**changes: str | bytes) -> bytes:
    """An order as a form, whose *changes* are percent-encoded already."""
    fields = {name: str(value).encode() for name, value in order().items()}
    fields |= {name: text if isinstance(text, bytes) else text.encode() for name, text in changes.items()}
    return b"&".join(name.encode() + b"=" + text for name, text in fields.items())


def parts(**changes: str) -> bytes:
    return multipart(*(field(name, str(value)) for name, value in order(**changes).items()))


def wrong(name: str) -> tuple[int, Any]:
    return 400, {"error": f"Incorrect {name}"}


ORDERED = (200, {"order": "its id"})
NOTHING_ASKED = (400, {"error": "Incorrect request"})
"""Of a body that could be read, which the panel dialect answers with 200; INCORRECT is for one that could not."""
NO_ORDER = (400, {"error": "Incorrect order ID"})
EMPTY_KEY = (401, {"error": "Invalid API key format"})
DEEP = "[" * 50_000 + "]" * 50_000
MANY = ",".join(map(str, range(1, 102)))
TOO_MANY = (400, {"error": "Maximum 100 orders per request"})

SEEDS: dict[str, tuple[bytes, str, Any]] = {
    "an order, form": (form(), FORM, ORDERED),
    "an order, JSON": (raw_json(), JSON, ORDERED),
    "an order, multipart": (parts(), MULTIPART, ORDERED),
    "NUL in a link, form": (form(link=b"https://example.com/%00"), FORM, wrong("link")),
    "NUL in a link, JSON": (raw_json(link=r'"https://example.com/\u0000"'), JSON, wrong("link")),
    "NUL in a link, multipart": (parts(link="https://example.com/\0"), MULTIPART, wrong("link")),
    "NUL in an id": (form(action="cancel", order=b"1%00"), FORM, NO_ORDER),
    "NUL in the action": (form(action=b"add%00"), FORM, NOTHING_ASKED),
    "NUL in the key": (form(key=b"KEY%00"), FORM, EMPTY_KEY),
    "NUL in a name": (form() + b"&quantity%00=1", FORM, ORDERED),
    "a lone surrogate, JSON": (raw_json(link=r'"https://example.com/\ud800"'), JSON, INCORRECT),
    "a lone surrogate in a name, JSON": (raw_json(**{r"\udfff": "1"}), JSON, ORDERED),
    "a lone surrogate, form": (form(link=b"https://example.com/%ED%A0%80"), FORM, INCORRECT),
    "a pair of surrogates, JSON": (raw_json(link=r'"https://example.com/\ud83d\udc4b"'), JSON, ORDERED),
    "a million digits, JSON": (raw_json(quantity=MILLION_DIGITS), JSON, wrong("quantity")),
    "a million digits, form": (form(quantity=MILLION_DIGITS), FORM, wrong("quantity")),
    "a million digits for a service": (raw_json(service=MILLION_DIGITS), JSON, wrong("service ID")),
    "a million digits after the point": (raw_json(quantity=f"1.{MILLION_DIGITS}"), JSON, wrong("quantity")),
    "a million digits for an id": (form(action="cancel", order=MILLION_DIGITS), FORM, NO_ORDER),
    "an exponent of a million digits": (raw_json(quantity=f"1e{MILLION_DIGITS}"), JSON, wrong("quantity")),
    "a million digits below nothing": (raw_json(quantity=f"-{MILLION_DIGITS}"), JSON, wrong("quantity")),
    "1e9, JSON": (raw_json(quantity="1e9"), JSON, wrong("quantity")),
    "1e9, form": (form(quantity="1e9"), FORM, wrong("quantity")),
    "1000.0": (raw_json(quantity="1000.0"), JSON, wrong("quantity")),
    "Arabic digits, JSON": (raw_json(quantity='"١٢٣"'), JSON, wrong("quantity")),
    "Arabic digits for a service": (raw_json(service='"١"'), JSON, wrong("service ID")),
    "Arabic digits for an id": (raw_json(action='"cancel"', order='"٢"'), JSON, NO_ORDER),
    "superscript digits": (raw_json(quantity='"¹²³"'), JSON, wrong("quantity")),
    "full-width digits": (raw_json(quantity='"１２３"'), JSON, wrong("quantity")),
    "an underscore": (raw_json(quantity='"1_000"'), JSON, wrong("quantity")),
    "a plus sign": (form(quantity=b"%2B1000"), FORM, wrong("quantity")),
    "deep JSON": (raw_json(comments=DEEP), JSON, INCORRECT),
    "deep JSON in an unknown parameter": (raw_json(other=DEEP), JSON, INCORRECT),
    "deep JSON that never ends": (b'{"key":' + b"[" * 900_000, JSON, INCORRECT),
    "a quantity twice, JSON": (raw_json(quantity='1,"quantity":2'), JSON, ORDERED),
    "a quantity twice, the last wrong": (raw_json(quantity='1,"quantity":0'), JSON, wrong("quantity")),
    "the key twice, the last wrong": (raw_json(key='"KEY","key":"x"'), JSON, EMPTY_KEY),
    "the action twice, JSON": (raw_json(action='"add","action":"x"'), JSON, NOTHING_ASKED),
    "NaN": (raw_json(quantity="NaN"), JSON, INCORRECT),
    "Infinity": (raw_json(quantity="Infinity"), JSON, INCORRECT),
    "NaN as text": (raw_json(quantity='"NaN"'), JSON, wrong("quantity")),
    "an array for a link": (raw_json(link=f'["{LINK}"]'), JSON, INCORRECT),
    "an array for a quantity": (raw_json(quantity="[1000]"), JSON, INCORRECT),
    "an array for the key": (raw_json(key='["KEY"]'), JSON, EMPTY_KEY),
    "an array for the action": (raw_json(action='["add"]'), JSON, INCORRECT),
    "an object for the key": (raw_json(key='{"$gt":""}'), JSON, EMPTY_KEY),
    "true for a quantity": (raw_json(quantity="true"), JSON, ORDERED),
    "true for a service": (raw_json(service="true"), JSON, wrong("service ID")),
    "101 orders, form": (form(action="status", orders=MANY), FORM, TOO_MANY),
    "101 orders, JSON": (raw_json(action='"status"', orders=f"[{MANY}]"), JSON, TOO_MANY),
    "half a million orders": (form(action="status", orders="1," * 500_000), FORM, TOO_MANY),
    "half a million commas": (form(action="status", orders="," * 500_000), FORM, NOTHING_ASKED),
    "half a million lines": (form(service="3", comments=b"%0A" * 100_000), FORM, wrong("comments")),
    "5,001 comments": (form(service="3", comments=b"a%0A" * 5_001), FORM, wrong("comments")),
    "JSON as a form": (raw_json(), FORM, EMPTY_KEY),
    "a form as JSON": (form(), JSON, INCORRECT),
    "a form as multipart": (form(), MULTIPART, INCORRECT),
    "multipart as a form": (parts(), FORM, EMPTY_KEY),
    "a form as text": (form(), "text/plain", INCORRECT),
    "a form as XML": (form(), "application/xml", INCORRECT),
    "JSON and a form": (raw_json() + b"&" + form(), JSON, INCORRECT),
    "two JSON bodies": (raw_json() * 2, JSON, INCORRECT),
    "JSON behind a byte order mark": (b"\xef\xbb\xbf" + raw_json(), JSON, INCORRECT),
    "JSON in UTF-16": (raw_json().decode().encode("utf-16"), JSON, INCORRECT),
    "JSON, compressed": (gzip.compress(raw_json(), mtime=0), JSON, INCORRECT),
    "JSON, cut short": (raw_json()[:-1], JSON, INCORRECT),
    "multipart, cut short": (parts()[:-6], MULTIPART, INCORRECT),
    "multipart, cut in a part": (parts()[:-60], MULTIPART, INCORRECT),
    "a form, percent sign at its end": (form() + b"%", FORM, wrong("quantity")),
    "multipart with a file": (
        multipart(
            part('form-data; name="quantity"; filename="q.txt"', b"9"),
            *(field(name, str(value)) for name, value in order().items()),
        ),
        MULTIPART,
        ORDERED,
    ),
    "multipart with files alone": (
        multipart(
            *(part(f'form-data; name="{name}"; filename="x"', str(value)) for name, value in order().items()),
        ),
        MULTIPART,
        EMPTY_KEY,
    ),
    "multipart in multipart": (
        multipart(part('form-data; name="key"\r\nContent-Type: multipart/mixed; boundary=y', "--y\r\n\r\n--y--")),
        MULTIPART,
        EMPTY_KEY,
    ),
    "nothing at all": (b"", "", EMPTY_KEY),
    "blanks": (b" " * 1000, JSON, INCORRECT),
}


@pytest.fixture(scope="module", params=DIALECT_NAMES)
def books(request: pytest.FixtureRequest) -> Books:
    return Books(request.param)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_seed_has_its_answer(books: Books, seed: str) -> None:
    body, content_type, answer = SEEDS[seed]
    got = books.send(body, content_type)
    if answer is ORDERED:
        assert (got[0], list(got[1])) == (200, ["order"])
    else:
        status, expected = answer
        could_be_read = answer is not INCORRECT
        assert got == (200 if books.dialect == "panel" and could_be_read else status, expected)


# More of them


seeds = st.sampled_from([seed[:2] for seed in SEEDS.values() if len(seed[0]) < 5_000])
names = st.sampled_from(
    ["key", "action", "service", "link", "order", "orders", "refill", "refills", "request_id", *FIELDS]
)
plain = st.sampled_from(["1", "2", "1000", "1,2", "a\nb", LINK, "someone", "1/1/2030", "cart-0001", "0", ""])
odd = st.sampled_from(
    ["\0", "9" * 400, "1e9", "١٢٣", "NaN", "-1", "0x10", "1.5", " 1", "1 ", "null", "$ne", "{}", "a" * 3_000, "\\n" * 9]
)
values = plain | plain | odd | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
literals = st.sampled_from(
    [
        "NaN",
        "-Infinity",
        "1e400",
        "9" * 5_000,
        "[]",
        "{}",
        "[[1]]",
        '{"$ne":null}',
        "true",
        "null",
        r'"\ud800"',
        '"\\u0000"',
    ]
)
bytes_of_interest = st.sampled_from(
    [
        b"\0",
        b"\xff",
        b"%",
        b"%00",
        b"%ff",
        b"&",
        b"=",
        b'"',
        b"\\",
        b"[",
        b"{",
        b"\r\n",
        b"--x",
        b"--x--\r\n",
        b",",
        b"9",
    ]
)
content_types = st.sampled_from(
    [
        FORM,
        JSON,
        MULTIPART,
        "",
        "text/plain",
        "application/problem+json",
        f"{JSON}; charset=utf-16",
        "multipart/form-data",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, str]:
    """A body for some action, with whatever values, in whatever kind."""
    type_ = draw(st.sampled_from([*SERVICE_TYPES]))
    action = draw(st.sampled_from(["add", "add", *ACTIONS]))
    params = {"key": "KEY", "action": action}
    if action == "add":
        row = SERVICE_TYPES[type_]
        params["service"] = str(next(number for number, name in TYPES.items() if name == type_))
        params |= {name: draw(values) for name in row.required} | {"link": LINK}
    params |= draw(st.dictionaries(names, values, max_size=4))
    encode = draw(st.sampled_from([as_form, as_multipart, as_json]))
    return encode(params)


@st.composite
def json_literals(draw: st.DrawFn) -> tuple[bytes, str]:
    changes = draw(st.dictionaries(names, literals | values.map(json.dumps), min_size=1, max_size=3))
    return raw_json(**changes), JSON


Change = Callable[[bytes], bytes]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Something that happens to a body on its way."""
    at, other = draw(st.integers(0, 5_000)), draw(bytes_of_interest)
    kind = draw(st.sampled_from(["cut", "insert", "replace", "double", "drop"]))
    return {
        "cut": lambda body: body[: at % (len(body) + 1)],
        "insert": lambda body: body[: at % (len(body) + 1)] + other + body[at % (len(body) + 1) :],
        "replace": lambda body: body[: at % (len(body) + 1)] + other + body[at % (len(body) + 1) + len(other) :],
        "double": lambda body: body + body[at % (len(body) + 1) :],
        "drop": lambda body: body[at % (len(body) + 1) :],
    }[kind]


@effort(usual=300, percent=55)
@given(
    request=seeds | requests() | requests() | json_literals(),
    bends=st.lists(changes(), max_size=3),
    as_type=st.none() | st.none() | content_types,
    lie=st.sampled_from([0, 0, 0, 0, 1, -1, 10]),
    headers=st.dictionaries(
        st.sampled_from(["Idempotency-Key", "Content-Encoding", "Transfer-Encoding", "User-Agent", "Accept", "Expect"]),
        st.sampled_from(["gzip", "chunked", "cart-0001", "application/xml", "100-continue", "é", ""]),
        max_size=2,
    ),
)
def test_no_body_is_answered_otherwise_than_documented(
    fuzzed: Iterator[Books],
    request: tuple[bytes, str],
    bends: list[Change],
    as_type: str | None,
    lie: int,
    headers: dict[str, str],
) -> None:
    tried["bodies"] += 1
    body, content_type = request
    for bend in bends:
        body = bend(body)
    books = next(fuzzed)
    more = {}
    if lie:  # about its length
        more["environ_overrides"] = {"CONTENT_LENGTH": str(max(0, len(body) + lie))}
    books.send(body, content_type if as_type is None else as_type, headers=headers, **more)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Books]:
    """A panel of either dialect, in turn."""

    def turns() -> Iterator[Books]:
        panels = [Books(dialect) for dialect in DIALECT_NAMES]
        while True:
            yield from panels

    return turns()
