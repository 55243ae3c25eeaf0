"""The log: one line for each request, with nothing of a body in it, and never a key, whatever goes wrong."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask, Response, abort, request

from flask_smmapi import Account, StoreUnavailable, signals
from flask_smmapi.actions import ACTIONS
from flask_smmapi.stores.memory import MemoryStore

from .panel import BARE, DEFAULT, LINK, WRONG_KEY, Panel, at_once

LOGGER = "flask_smmapi"
ADD = {"service": DEFAULT, "link": LINK, "quantity": 1000}
STRICT = {"SMMAPI_FAILED_ATTEMPTS": "1 per 15 minutes"}
LENIENT = {"SMMAPI_FAILED_ATTEMPTS": "9999 per minute", "SMMAPI_FAILED_ATTEMPTS_PER_IP": "9999 per minute"}
TOO_LONG = b"x" * (1024 * 1024 + 1)
LINE = re.compile(r"action=(\S*) account=(\S*) status=(\d{3}) milliseconds=(\d+\.\d{1,3}) order=(\S*)")


class Journal:
    """What was written for requests so far."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def records(self) -> list[logging.LogRecord]:
        return [record for record in self._caplog.records if hasattr(record, "smmapi")]

    @property
    def values(self) -> list[tuple[Any, Any, int, Any]]:
        """Of each line: action, account, status and order."""
        return [tuple(record.smmapi[name] for name in ("action", "account", "status", "order")) for record in self]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.records)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self]

    @property
    def only(self) -> tuple[Any, Any, int, Any]:
        """The values of the only line."""
        [values] = self.values
        return values


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> Iterator[Journal]:
    with caplog.at_level(logging.INFO, logger=LOGGER):
        yield Journal(caplog)


# What is in a line


ASK: dict[str, Callable[[Panel], dict[str, Any]]] = {
    "services": lambda panel: {},
    "add": lambda panel: ADD,
    "status": lambda panel: {"order": panel.place().id},
    "cancel": lambda panel: {"order": panel.place().id},
    "refill": lambda panel: {"order": panel.complete(panel.place()).id},
    "refill_status": lambda panel: {
        "refill": panel.smmapi.refill(panel.account, panel.complete(panel.place()).id).id,
    },
    "balance": lambda panel: {},
}
"""What each action needs, to be answered well."""


@pytest.mark.parametrize("dialect", ["standard", "panel"])
@pytest.mark.parametrize("action", ACTIONS)
def test_each_request_has_one_line_of_five_facts(action: str, dialect: str, journal: Journal) -> None:
    panel = Panel(dialect=dialect)
    assert panel.post(action, **ASK[action](panel)).status == 200
    of_one = action not in ("services", "balance")
    placed = panel.store.list(panel.account.id)[0].id if of_one else None
    [record] = journal
    assert (record.name, record.levelname) == (LOGGER, "INFO")
    milliseconds = record.smmapi["milliseconds"]
    assert record.smmapi == {
        "action": action,
        "account": 1,
        "status": 200,
        "milliseconds": milliseconds,
        "order": placed,
    }
    assert isinstance(milliseconds, float)
    assert milliseconds >= 0
    text = f"action={action} account=1 status=200 milliseconds={milliseconds} order={placed or '-'}"
    assert record.getMessage() == text
    assert LINE.fullmatch(text)


def test_the_order_is_that_which_the_client_was_told_also_when_it_repeats(panel: Panel, journal: Journal) -> None:
    order, again = (panel.post("add", **ADD, request_id="cart-4711").json["order"] for _ in range(2))
    assert order == again
    assert journal.values == 2 * [("add", 1, 200, order)]


def test_a_client_of_numbers_has_its_order_by_id_in_the_line(journal: Journal) -> None:
    """As the desk and the ledger have it, so that a log can be followed there."""
    panel = Panel(dialect="panel")
    assert panel.post("add", **ADD).json == {"order": 1}
    assert journal.only[3] == panel.store.list(1)[0].id


def test_the_one_order_of_a_request_is_named_if_there_is_one(panel: Panel, journal: Journal) -> None:
    order = panel.place()
    for action in ("status", "cancel", "refill"):  # a canceled order has no refill
        panel.post(action, order=order.number)
    panel.post("status", orders=order.id)
    panel.post("status", order="4711")
    assert [values[3] for values in journal.values] == [order.id, order.id, None, None, None]


def test_requests_at_once_have_a_line_each_with_their_own_order(panel: Panel, journal: Journal) -> None:
    orders = at_once(8, lambda _: panel.post("add", **ADD).json["order"])
    assert sorted(journal.values) == sorted(("add", 1, 200, order) for order in orders)


def test_what_python_places_is_no_request(panel: Panel, journal: Journal) -> None:
    panel.place()
    panel.app.test_client().get("/")
    panel.app.test_client().get("/api/v2/nothing")
    assert journal.records == []


# Failures


def test_a_request_that_the_client_could_mend(panel: Panel, journal: Journal) -> None:
    assert panel.post("add", **{**ADD, "quantity": 0}).status == 400
    assert panel.post("cancel", order=panel.place(BARE).id).status == 400
    assert panel.post("status").status == 400
    assert panel.post().status == 400
    assert journal.values == [
        ("add", 1, 400, None),
        ("cancel", 1, 400, None),
        ("status", 1, 400, None),
        (None, 1, 400, None),
    ]
    assert journal.texts[3].startswith("action=- account=1 status=400 ")


def test_an_order_that_could_not_be_paid_is_not_named(journal: Journal) -> None:
    panel = Panel(balance="0")
    assert panel.post("add", **ADD).json == {"error": "Not enough funds on balance"}
    assert journal.only == ("add", 1, 400, None)


def test_a_body_that_cannot_be_read(panel: Panel, journal: Journal) -> None:
    assert panel.send(data=b"{", content_type="application/json").status == 400
    assert panel.send(data=b"\xff", content_type="text/plain").status == 400
    assert journal.values == 2 * [(None, None, 400, None)]


@pytest.mark.parametrize("key", [WRONG_KEY, "malformed", None])
def test_a_refused_key_names_no_account(panel: Panel, key: str | None, journal: Journal) -> None:
    assert panel.post("balance", key=key).status == 401
    assert journal.only == ("balance", None, 401, None)
    assert journal.texts[0].startswith("action=balance account=- status=401 ")


def test_a_blocked_caller_names_no_account_though_its_key_is_good(journal: Journal) -> None:
    panel = Panel(config=STRICT)
    panel.post("balance", key=WRONG_KEY)
    assert panel.post("add", **ADD).status == 429
    assert journal.values == [("balance", None, 401, None), ("add", None, 429, None)]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_another_method(panel: Panel, method: str, journal: Journal) -> None:
    body = panel.app.test_client().open("/api/v2", method=method, query_string={"action": "balance"})
    assert body.status_code == 405
    assert journal.only == (None, None, 405, None)


def test_a_body_that_is_too_large(panel: Panel, journal: Journal) -> None:
    """It is refused before the view."""
    assert panel.send(data=TOO_LONG).status == 413
    assert journal.only == (None, None, 413, None)


@pytest.mark.parametrize(("failure", "status"), [(RuntimeError(), 500), (StoreUnavailable(), 503)])
def test_a_hook_that_fails(failure: Exception, status: int, monkeypatch: pytest.MonkeyPatch, journal: Journal) -> None:
    panel = Panel()

    def fail(*args: Any) -> Any:
        raise failure

    monkeypatch.setattr(panel.store, "debit", fail)
    assert panel.post("add", **ADD).status == status
    assert journal.only == ("add", 1, status, None)


def test_a_key_lookup_that_fails_names_no_account(journal: Journal) -> None:
    def lookup(key: str) -> Account:
        raise StoreUnavailable

    assert Panel(key_lookup=lookup).post("balance").status == 503
    assert journal.only == ("balance", None, 503, None)


def test_the_status_is_that_of_the_answer_in_each_dialect(journal: Journal) -> None:
    panel = Panel(config={"SMMAPI_DIALECT": "panel"})
    assert panel.post("add", **{**ADD, "quantity": 0}).status == 200
    assert panel.post("balance", key=WRONG_KEY).status == 200
    assert panel.send(data=b"{", content_type="application/json").status == 400
    assert journal.values == [("add", 1, 200, None), ("balance", None, 200, None), (None, None, 400, None)]


# Requests that the host has decided about


def hosted(**functions: Callable[..., Any]) -> Panel:
    """A panel in an app that has these functions around each request, such as ``before_request``."""
    app = Flask("host")
    for name, function in functions.items():
        getattr(app, name)(function)
    return Panel(app=app)


def crash() -> None:
    raise RuntimeError


def is_down() -> None:
    raise StoreUnavailable


@pytest.mark.parametrize(
    ("gate", "status"), [(lambda: abort(403), 403), (lambda: abort(404), 404), (crash, 500), (is_down, 503)]
)
def test_a_request_that_the_host_aborts_has_its_line(gate: Callable[[], Any], status: int, journal: Journal) -> None:
    assert hosted(before_request=gate).post("balance").status == status
    assert journal.only == (None, None, status, None)


def test_a_request_that_the_host_answers_itself_has_its_line(journal: Journal) -> None:
    panel = hosted(before_request=lambda: ({"error": "closed for today"}, 503))
    assert panel.post("balance").status == 503
    assert journal.only == (None, None, 503, None)


def test_what_the_host_makes_of_an_answer_afterwards_is_its_own_affair(journal: Journal) -> None:
    def hide(response: Response) -> Response:
        response.status_code = 503
        return response

    panel = hosted(after_request=hide)
    assert panel.post("balance").status == 503
    assert journal.only == ("balance", 1, 200, None)


def test_a_request_that_fails_after_our_answer_has_one_line_still(journal: Journal) -> None:
    def fail(response: Response) -> Response:
        raise RuntimeError

    panel = hosted(after_request=fail)
    panel.app.test_client().post("/api/v2", data={"key": panel.key, "action": "balance"})
    assert journal.only == ("balance", 1, 200, None)


# What a client cannot write into the log


FORGED = "balance account=1 status=200 milliseconds=0.1 order=-\nINFO:flask_smmapi:action=add"


@pytest.mark.parametrize(
    "action", [FORGED, "balance\n", "balance\r", "Balance", "__class__", "add,add", "x" * 5000, "\u2028", "=", "-"]
)
def test_an_unknown_action_is_not_written(panel: Panel, action: str, journal: Journal) -> None:
    assert panel.post(action).status == 400
    assert journal.only == (None, 1, 400, None)
    assert journal.texts[0].startswith("action=- account=1 status=400 ")
    assert LINE.fullmatch(journal.texts[0])


def test_nor_is_that_of_a_refused_request(panel: Panel, journal: Journal) -> None:
    panel.post(FORGED, key=WRONG_KEY)
    panel.post(panel.key, key=WRONG_KEY)
    assert journal.values == 2 * [(None, None, 401, None)]


@pytest.mark.parametrize(
    ("id_", "word"),
    [
        ("a b", "a?b"),
        ("1\nINFO:flask_smmapi:action=add", "1?INFO:flask_smmapi:action=add"),
        ("1\r\n\t\x0b\x0c\x1c\x85\u2028\u2029", "1?????????"),
        ("\x1b[2K\x00", "?[2K?"),
        ("no-break\u00a0space", "no-break?space"),
        ("\ud800", "?"),
        ("שלום", "שלום"),
        ("user:1=2", "user:1=2"),
        ("", ""),
        (-7, "-7"),
    ],
)
def test_an_account_is_one_word_of_one_line_and_a_handler_has_it_as_it_is(
    id_: Any, word: str, journal: Journal
) -> None:
    panel = Panel()
    key = panel.store.add_account(Account(id_))
    assert panel.post("services", key=key).status == 200
    assert journal.only == ("services", id_, 200, None)
    [text] = journal.texts
    assert text.splitlines() == [text]
    assert [part.partition("=")[0] for part in text.split(" ")] == [
        *("action", "account", "status", "milliseconds", "order")
    ]
    assert text.split(" ")[1] == f"account={word}"


def test_nothing_of_a_body_is_written(panel: Panel, caplog: pytest.LogCaptureFixture) -> None:
    secrets = ("https://example.com/secret-link", "secret-comment", "secret-cart-4711", "secret-name", "secret-agent")
    link, comments, request_id, name, agent = secrets
    caplog.set_level(logging.DEBUG)
    for service in (3, 999):
        params = {"service": service, "link": link, "comments": comments, "request_id": request_id, name: name}
        panel.post("add", **params, headers={"User-Agent": agent})
        panel.post("add", **params, key=WRONG_KEY)
    assert len(Journal(caplog).records) == 4
    for secret in secrets:
        assert secret not in everything(caplog)


# Who reads it


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_a_host_that_wants_warnings_alone_has_no_lines(
    panel: Panel, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level, logger=LOGGER):
        assert panel.post("add", **ADD).status == 200
        assert panel.post("add").status == 400
        assert panel.post("balance", key=WRONG_KEY).status == 401
        assert panel.send(method="GET").status == 405
        assert panel.send(data=TOO_LONG).status == 413
    assert caplog.records == []


def test_a_handler_of_the_host_has_the_values_to_write_them_as_it_likes(panel: Panel, journal: Journal) -> None:
    written: list[str] = []

    class AsJson(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.dumps(record.smmapi))  # type: ignore[attr-defined]

    handler, logger = AsJson(), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        order = panel.post("add", **ADD).json["order"]
        panel.post("balance", key=WRONG_KEY)
    finally:
        logger.removeHandler(handler)
    assert [{**json.loads(line), "milliseconds": 0} for line in written] == [
        {"action": "add", "account": 1, "status": 200, "milliseconds": 0, "order": order},
        {"action": "balance", "account": None, "status": 401, "milliseconds": 0, "order": None},
    ]


def test_a_handler_of_the_host_that_fails_breaks_no_request(
    panel: Panel, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do the handlers that come with Python; this one has not asked for it."""

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                raise OSError("no space left on device")
            except OSError:
                self.handleError(record)

    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler, logger = Full(), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        assert panel.post("add", **ADD).status == 200
    finally:
        logger.removeHandler(handler)
    assert len(journal.records) == 1


# No key is ever in the log


OLD_KEY = "0123456789abcdef0123456789abcdef"
MALFORMED_KEY = "Qm7xZ2Lk.Qm7xZ2Lk-Qm7xZ2L"


def everything(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, in every form that a handler could write it in."""
    parts = [caplog.text]
    for record in caplog.records:
        parts += [record.getMessage(), repr(vars(record)), str(record.args), record.exc_text or ""]
        if record.exc_info:
            parts += traceback.format_exception(*record.exc_info)
    return "\n".join(parts)


@contextmanager
def no_key_is_logged(caplog: pytest.LogCaptureFixture, *keys: str) -> Iterator[None]:
    """Whoever logs anything meanwhile, at any level, has none of the *keys* in it, and something was logged."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    yield
    logged = everything(caplog)
    assert Journal(caplog).records
    for key in keys:
        assert key not in logged
        assert repr(key)[1:-1] not in logged


def keyring(panel: Panel) -> dict[str, str]:
    """A key of each kind."""
    revoked = panel.store.add_account(Account(2))
    panel.store.revoke_key(revoked)
    return {
        "good": panel.key,
        "another's": panel.store.add_account(Account(3)),
        "wrong": WRONG_KEY,
        "malformed": MALFORMED_KEY,
        "revoked": revoked,
        "inactive": panel.store.add_account(Account(4), active=False),
        "old": OLD_KEY,
    }


KINDS = ("good", "another's", "wrong", "malformed", "revoked", "inactive", "old")


def as_form(params: Mapping[str, str]) -> dict[str, Any]:
    return {"data": urlencode(params), "content_type": "application/x-www-form-urlencoded"}


def as_json(params: Mapping[str, str]) -> dict[str, Any]:
    return {"json": dict(params)}


def as_multipart(params: Mapping[str, str]) -> dict[str, Any]:
    return {"data": dict(params), "content_type": "multipart/form-data"}


def filled(panel: Panel, **params: str) -> dict[str, str]:
    """An order, but for *params*."""
    return {"key": panel.key, "action": "add", **{name: str(value) for name, value in ADD.items()}, **params}


def in_headers(panel: Panel, key: str) -> dict[str, Any]:
    names = ("Idempotency-Key", "Authorization", "X-API-Key", "User-Agent", "Cookie", "Referer", "X-Forwarded-For")
    return {"headers": dict.fromkeys(names, key), **as_form(filled(panel))}


Place = Callable[[Panel, str], dict[str, Any]]

PLACES: dict[str, Place] = {
    "key, in a form": lambda panel, key: as_form(filled(panel, key=key)),
    "key, in JSON": lambda panel, key: as_json(filled(panel, key=key)),
    "key, in multipart": lambda panel, key: as_multipart(filled(panel, key=key)),
    "key, twice": lambda panel, key: {**as_form({}), "data": urlencode([("key", key), *filled(panel).items()])},
    "the query string": lambda panel, key: {"query_string": {"key": key}, **as_form(filled(panel))},
    "the query string alone": lambda panel, key: {"query_string": {"key": key, "action": "balance"}},
    "the query string of a GET": lambda panel, key: {"query_string": {"key": key}, "method": "GET"},
    "headers": in_headers,
    "a broken header": lambda panel, key: {"headers": {"Authorization": f"Bearer {key}"}, "content_type": key},
    "action": lambda panel, key: as_form(filled(panel, action=key)),
    "both key and action": lambda panel, key: as_form(filled(panel, action=key, key=key)),
    "link": lambda panel, key: as_form(filled(panel, link=key)),
    "inside a link": lambda panel, key: as_form(filled(panel, link=f"{LINK}?key={key}")),
    "request_id": lambda panel, key: as_form(filled(panel, request_id=key)),
    "service": lambda panel, key: as_form(filled(panel, service=key)),
    "quantity": lambda panel, key: as_form(filled(panel, quantity=key)),
    "order": lambda panel, key: as_form(filled(panel, action="status", order=key)),
    "orders": lambda panel, key: as_form(filled(panel, action="cancel", orders=f"{key},{key}")),
    "a parameter's name": lambda panel, key: as_form(filled(panel, **{key: key})),
    "JSON that nests": lambda panel, key: {"json": {**filled(panel), "key": {"key": key}}},
    "JSON that is broken": lambda panel, key: {"data": f'{{"key": "{key}"', "content_type": "application/json"},
    "no UTF-8": lambda panel, key: {**as_form({}), "data": f"key={key}&action=%ff"},
    "a body of an unknown type": lambda panel, key: {"data": key, "content_type": "text/plain"},
    "a body that is too large": lambda panel, key: {**as_form({}), "data": b"key=" + key.encode() + TOO_LONG},
}
"""Wherever a client may put a key, knowingly or not: a request with it there."""


@pytest.mark.parametrize("dialect", ["standard", "panel"])
@pytest.mark.parametrize("place", PLACES)
def test_no_key_is_logged_wherever_a_client_puts_it(place: str, dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    panel = Panel(config={**LENIENT, "SMMAPI_DIALECT": dialect})
    keys = keyring(panel)
    assert keys.keys() == {*KINDS}
    with no_key_is_logged(caplog, *keys.values()):
        for key in keys.values():
            panel.send(**PLACES[place](panel, key))
    assert len(Journal(caplog).records) == len(keys)


def test_no_key_is_logged_of_a_panel_with_old_keys(caplog: pytest.LogCaptureFixture) -> None:
    panel = Panel(config={**LENIENT, "SMMAPI_KEY_PATTERN": "[0-9a-f]{32}"})
    other = OLD_KEY[::-1]
    panel.store.add_key(panel.account.id, OLD_KEY)
    panel.key = OLD_KEY
    with no_key_is_logged(caplog, OLD_KEY, other):
        for make in PLACES.values():
            panel.send(**make(panel, OLD_KEY))
            panel.send(**make(panel, other))
    assert {values[2] for values in Journal(caplog).values} == {200, 400, 401, 405, 413}


def test_no_key_is_logged_of_a_caller_that_is_blocked(caplog: pytest.LogCaptureFixture) -> None:
    panel = Panel(config=STRICT)
    keys = keyring(panel)
    with no_key_is_logged(caplog, *keys.values()):
        for key in [WRONG_KEY, *keys.values()]:
            panel.post("balance", key=key)
    assert [values[2] for values in Journal(caplog).values] == [401] + 7 * [429]


def test_no_key_is_logged_by_the_driver_of_our_own_storage(mongo_store: Any, caplog: pytest.LogCaptureFixture) -> None:
    """At this level it logs every command: the store asks by the digest alone."""
    panel = Panel(store=mongo_store, config=LENIENT)
    keys = keyring(panel)
    with no_key_is_logged(caplog, *keys.values()):
        for key in keys.values():
            panel.post("add", **ADD, key=key)
    assert any(record.name.startswith("pymongo") for record in caplog.records)
    assert {values[2] for values in Journal(caplog).values} == {200, 400, 401}


VERBS = ("key_lookup", "catalog", "find_by_key", "add", "debit", "replace")
"""What an add calls, one after the other."""


def failing(verbs: tuple[str, ...], message: Callable[..., str], failure: type[Exception] = RuntimeError) -> Panel:
    """A panel with a store whose *verbs* fail with a message made of what they were given."""
    store = MemoryStore()
    panel = Panel(store=store, config=LENIENT)

    def broken(*args: Any) -> Any:
        try:
            raise LookupError(message(*args))
        except LookupError as cause:
            raise failure(message(*args)) from cause

    for verb in verbs:
        setattr(store, verb, broken)
    if "key_lookup" in verbs or "catalog" in verbs:  # these were taken from the store when the app was made
        given = {name: broken for name in ("key_lookup", "catalog") if name in verbs}
        key, panel = panel.key, Panel(store=store, config=LENIENT, **given)
        panel.key = key
    return panel


MESSAGES: dict[str, Callable[..., str]] = {
    "the key": lambda *args: request.form["key"],
    "the key in quotes": lambda *args: f"no such user: {request.form['key']!r}",
    "the whole form": lambda *args: repr(request.form),
    "the body": lambda *args: request.get_data(as_text=True),
    "what it was given": lambda *args: repr(args),
}


@pytest.mark.parametrize("failure", [RuntimeError, StoreUnavailable, KeyError])
@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("verb", VERBS)
def test_no_key_is_logged_of_a_hook_that_raises_with_it(
    verb: str, message: str, failure: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    panel = failing((verb,), MESSAGES[message], failure)
    with no_key_is_logged(caplog, panel.key):
        assert panel.post("add", **ADD, request_id="cart-4711").status in (500, 503)
    assert "no such user" in caplog.text or message != "the key in quotes"


def test_no_key_is_logged_of_two_hooks_that_raise_with_it(caplog: pytest.LogCaptureFixture) -> None:
    panel = failing(("debit", "void"), MESSAGES["the key"])
    with no_key_is_logged(caplog, panel.key):
        assert panel.post("add", **ADD).status == 500
    assert "could not be abandoned" in caplog.text


@pytest.mark.parametrize("place", ["link", "inside a link", "request_id", "headers", "action", "a parameter's name"])
@pytest.mark.parametrize("kind", ["good", "another's"])
def test_no_key_in_another_place_is_logged_of_a_hook_that_raises_with_it(
    place: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    panel = failing(("find_by_key", "add"), lambda *args: f"{args!r} {request.form!r} {request.headers!r}")
    key = keyring(panel)[kind]
    with no_key_is_logged(caplog, panel.key, key):
        panel.send(**PLACES[place](panel, key))


@pytest.mark.parametrize("name", ["order_placed", "order_status_changed", "key_refused"])
def test_no_key_is_logged_of_a_receiver_that_raises_with_it(name: str, caplog: pytest.LogCaptureFixture) -> None:
    panel = Panel()
    order = panel.place()

    def notify(sender: Flask, **facts: Any) -> None:
        raise RuntimeError(request.form["key"])

    with getattr(signals, name).connected_to(notify, panel.app), no_key_is_logged(caplog, panel.key, WRONG_KEY):
        panel.post("add", **ADD)
        panel.post("cancel", order=order.id)
        panel.post("balance", key=WRONG_KEY)
    assert f"A receiver of the signal {name} failed." in caplog.text


@pytest.mark.parametrize("failure", [RuntimeError, StoreUnavailable])
def test_no_key_is_logged_of_a_before_request_function_that_raises_with_it(
    failure: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def gate() -> None:
        raise failure(f"no session for {request.form['key']}")

    panel = hosted(before_request=gate)
    with no_key_is_logged(caplog, panel.key):
        assert panel.post("balance").status in (500, 503)
    assert "no session for" in caplog.text


@pytest.mark.parametrize("key", ['it\'s "quoted"', "back\\slash\\n", "two\nlines", "שלום-key-👋"])
def test_no_key_of_any_form_is_logged(key: str, caplog: pytest.LogCaptureFixture) -> None:
    """A panel may take whatever keys it has."""

    def lookup(presented: str) -> Account:
        raise KeyError(presented) from ValueError(f"{presented} {presented!r} {[presented]}")

    panel = Panel(key_lookup=lookup, config={"SMMAPI_KEY_PATTERN": None})
    with no_key_is_logged(caplog, key):
        assert panel.post("balance", key=key).status == 500
