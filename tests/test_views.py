"""The edge: what is read of a request, and that every answer is JSON, whatever a client sends and whatever fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from io import BytesIO
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes, urlencode, urlsplit

import pytest
from flask import Flask, request
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import Forbidden

from flask_smmapi import Account, StoreUnavailable
from flask_smmapi.actions import ACTIONS
from flask_smmapi.hooks import DIALECT_NAMES
from flask_smmapi.stores.memory import MemoryStore

from .panel import DEFAULT, LINK, WRONG_KEY, Answer, Panel, serve

URLS = ("/api/v2", "/api/v2/")
FORM, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"
MIB = 1024 * 1024
SECRET = "mongodb://owner:hunter2@db.internal"
STRICT = {"SMMAPI_FAILED_ATTEMPTS": "1 per 15 minutes"}
INCORRECT = (400, {"error": "Incorrect request"})
TOO_LARGE = (413, {"error": "Request too large"})
FAILED = (500, {"error": "Internal server error"})
UNAVAILABLE = (503, {"error": "Service unavailable"})
MALFORMED_KEY = (401, {"error": "Invalid API key format"})
BALANCE = (200, {"balance": "100.00000000", "currency": "USD"})

Encode: TypeAlias = "Callable[[Mapping[str, str]], tuple[bytes, str]]"


def as_form(params: Mapping[str, str]) -> tuple[bytes, str]:
    return urlencode(params).encode(), FORM


def as_multipart(params: Mapping[str, str]) -> tuple[bytes, str]:
    return multipart(*(field(name, text) for name, text in params.items())), MULTIPART


def as_json(params: Mapping[str, str]) -> tuple[bytes, str]:
    return json.dumps(params).encode(), JSON


each_kind = pytest.mark.parametrize("encode", [as_form, as_multipart, as_json])


def part(disposition: str | bytes, content: str | bytes) -> bytes:
    """One part of a multipart body."""
    header, body = (text if isinstance(text, bytes) else text.encode() for text in (disposition, content))
    return b"--x\r\nContent-Disposition: " + header + b"\r\n\r\n" + body + b"\r\n"


def field(name: str, text: str) -> bytes:
    return part(f'form-data; name="{name}"', text)


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x--\r\n"


def send(panel: Panel, body: bytes, content_type: str | None, **more: Any) -> tuple[int, Any]:
    """Status and JSON of the answer to exactly these bytes."""
    return panel.send(input_stream=BytesIO(body), content_type=content_type, **more)[:2]


def asking(panel: Panel, **params: str) -> dict[str, str]:
    """The parameters that ask for the balance."""
    return {"key": panel.key, "action": "balance", **params}


def filled(panel: Panel, encode: Encode, size: int) -> tuple[bytes, str]:
    """A request for the balance whose body has *size* bytes."""
    empty, _ = encode(asking(panel, filler=""))
    body, content_type = encode(asking(panel, filler="x" * (size - len(empty))))
    assert len(body) == size
    return body, content_type


# Methods


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"])
def test_any_other_method_is_405_and_hears_which_is_allowed(panel: Panel, method: str, url: str) -> None:
    response = panel.app.test_client().open(url, method=method, data=asking(panel), query_string=asking(panel))
    assert (response.status_code, response.mimetype) == (405, JSON)
    assert response.headers["Allow"] == "POST"
    assert response.data == (b"" if method == "HEAD" else b'{"error":"Method not allowed"}')


# Bodies that are read


@pytest.mark.parametrize(
    ("encode", "content_type"),
    [
        (as_form, FORM),
        (as_form, f"{FORM}; charset=UTF-8"),
        (as_multipart, MULTIPART),
        (as_multipart, 'Multipart/Form-Data; charset=utf-8; boundary="x"'),
        (as_json, JSON),
        (as_json, f"{JSON}; charset=utf-8"),
        (as_json, "Application/JSON;charset=UTF-8"),
    ],
)
def test_a_text_arrives_as_it_was_sent(panel: Panel, encode: Encode, content_type: str) -> None:
    text = 'שלום 👋 100% a+b=c & "d"; e\\f %zz é'
    order = {"action": "add", "service": "3", "link": LINK, "comments": text}
    body, _ = encode({"key": panel.key, **order})
    assert send(panel, body, content_type)[0] == 200
    [placed] = panel.store.list(panel.account.id)
    assert placed.params["comments"] == text


@each_kind
def test_of_a_parameter_in_the_url_nothing_is_read(panel: Panel, encode: Encode) -> None:
    """It would end in access logs."""
    assert send(panel, *encode({"action": "balance"}), query_string=asking(panel)) == MALFORMED_KEY
    assert send(panel, *encode(asking(panel)), query_string={"key": WRONG_KEY, "action": "services"}) == BALANCE


@pytest.mark.parametrize("name", ["key", "action"])
def test_of_a_parameter_given_twice_the_first_counts(panel: Panel, name: str) -> None:
    pairs = [*asking(panel).items(), (name, "another")]
    assert send(panel, urlencode(pairs).encode(), FORM) == BALANCE
    assert send(panel, multipart(*(field(*pair) for pair in pairs)), MULTIPART) == BALANCE


def test_a_file_is_no_parameter(panel: Panel) -> None:
    file = part('form-data; name="action"; filename="action.txt"', b"\xff\xfe")
    fields = [field(name, text) for name, text in asking(panel).items()]
    assert send(panel, multipart(file, *fields), MULTIPART) == BALANCE


@each_kind
def test_a_replacement_character_is_as_good_as_any_other(panel: Panel, encode: Encode) -> None:
    """Clients copy texts that somebody else has spoilt; it is valid UTF-8."""
    assert send(panel, *encode(asking(panel, comments="caf\ufffd"))) == BALANCE


# Bodies that cannot be read. None of them has a key: if it were read, it would be 401


BAD_BODIES = [
    pytest.param(b"", JSON, id="JSON: nothing"),
    pytest.param(b'{"action": "balance"', JSON, id="JSON: cut short"),
    pytest.param(b"action=balance", JSON, id="JSON: a form"),
    pytest.param(b'["balance"]', JSON, id="JSON: an array"),
    pytest.param(b'"balance"', JSON, id="JSON: a text"),
    pytest.param(b"null", JSON, id="JSON: null"),
    pytest.param(b'{"link": NaN}', JSON, id="JSON: NaN"),
    pytest.param(b'{"link": {}}', JSON, id="JSON: an object in it"),
    pytest.param(b'{"link": ["x"]}', JSON, id="JSON: an array where none may be"),
    pytest.param(b'{"key": -Infinity}', JSON, id="JSON: -Infinity"),
    pytest.param(b'{"link": "\xff"}', JSON, id="JSON: no UTF-8"),
    pytest.param('{"link": "é"}'.encode("latin-1"), f"{JSON}; charset=latin-1", id="JSON: Latin-1"),
    pytest.param('{"link": "x"}'.encode("utf-16"), f"{JSON}; charset=utf-16", id="JSON: UTF-16"),
    pytest.param(rb'{"link": "\ud83d"}', JSON, id="JSON: half of a surrogate pair"),
    pytest.param(b'{"comments": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, id="JSON: deep arrays"),
    pytest.param(b'{"link":' * 100_000 + b"1" + b"}" * 100_000, JSON, id="JSON: deep objects"),
    pytest.param(b"&".join([b"link=x"] * 1_001), FORM, id="form: too many fields"),
    pytest.param(multipart(*[field("link", "x")] * 1_001), MULTIPART, id="multipart: too many fields"),
    pytest.param(b"link=\xff", FORM, id="form: no UTF-8 in a value"),
    pytest.param(b"\xff=x", FORM, id="form: no UTF-8 in a name"),
    pytest.param(b"link=%ff", FORM, id="form: no UTF-8 in a value, percent-encoded"),
    pytest.param(b"%ff=x", FORM, id="form: no UTF-8 in a name, percent-encoded"),
    pytest.param(b"link=%C3", FORM, id="form: half a character"),
    pytest.param(b"link=%ED%A0%BD", FORM, id="form: half of a surrogate pair"),
    pytest.param(b"", MULTIPART, id="multipart: nothing"),
    pytest.param(field("link", LINK), MULTIPART, id="multipart: cut short"),
    pytest.param(b'--x\r\nContent-Disposition: form-data; name="link"', MULTIPART, id="multipart: cut in a header"),
    pytest.param(multipart(), "multipart/form-data", id="multipart: no boundary"),
    pytest.param(multipart(), "multipart/form-data; boundary=y", id="multipart: another boundary"),
    pytest.param(multipart(), "multipart/form-data; boundary=é", id="multipart: impossible boundary"),
    pytest.param(multipart(part('form-data; name="link"', b"\xff")), MULTIPART, id="multipart: no UTF-8 in a value"),
    pytest.param(
        multipart(field("link", "x"), part('form-data; name="link"', b"\xff")),
        MULTIPART,
        id="multipart: no UTF-8 in a value that does not count",
    ),
    pytest.param(multipart(part(b'form-data; name="\xff"', "x")), MULTIPART, id="multipart: no UTF-8 in a name"),
    pytest.param(multipart(part("form-data", "x")), MULTIPART, id="multipart: a part without a name"),
    pytest.param(b"--x\r\nContent-Type: text/plain\r\n\r\nx\r\n--x--\r\n", MULTIPART, id="multipart: no disposition"),
    pytest.param(b"action=balance", "text/plain", id="content type: text/plain"),
    pytest.param(b'{"action": "balance"}', "application/octet-stream", id="content type: octet-stream"),
    pytest.param(b"", "text/plain", id="content type: text/plain, nothing"),
    pytest.param(b"action=balance", None, id="content type: none"),
]


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@pytest.mark.parametrize(("body", "content_type"), BAD_BODIES)
def test_what_cannot_be_read_is_an_incorrect_request_and_no_failed_attempt(
    body: bytes, content_type: str, dialect: str
) -> None:
    """In either dialect: that of the panels, too, has its 200 for requests alone that could be read."""
    panel = Panel(config={**STRICT, "SMMAPI_DIALECT": dialect})
    assert [send(panel, body, content_type) for _ in range(2)] == [INCORRECT] * 2
    assert panel.post("balance", key=WRONG_KEY).json == {"error": "Invalid API key"}


@each_kind
@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_body_shorter_than_its_content_length_is_an_incorrect_request(encode: Encode, dialect: str) -> None:
    panel = Panel(config={"SMMAPI_DIALECT": dialect})
    body, content_type = encode(asking(panel))
    assert send(panel, body, content_type, environ_overrides={"CONTENT_LENGTH": str(len(body) + 1)}) == INCORRECT


# Sizes


@each_kind
def test_a_body_of_a_mebibyte_is_read_and_a_byte_more_is_too_large(panel: Panel, encode: Encode) -> None:
    assert send(panel, *filled(panel, encode, MIB)) == BALANCE
    assert send(panel, *filled(panel, encode, MIB + 1)) == TOO_LARGE


def send_in_chunks(url: str, *lines: bytes, content_type: str = FORM) -> tuple[int, Any]:
    """Status and JSON of the answer to a body without a length, as it is on the wire."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        connection.putrequest("POST", parts.path)
        connection.putheader("Content-Type", content_type)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(b"".join(line + b"\r\n" for line in lines))
        with connection.getresponse() as response:
            assert response.headers["Content-Type"] == JSON
            return response.status, json.load(response)


@each_kind
@pytest.mark.parametrize(("excess", "answer"), [(0, BALANCE), (1, TOO_LARGE), (1000, TOO_LARGE)])
def test_a_body_without_a_length_is_no_way_around_the_limit(encode: Encode, excess: int, answer: Any) -> None:
    """Nor is it cut there: half a list of comments would be an order that nobody placed."""
    panel = Panel(config={"SMMAPI_MAX_CONTENT_LENGTH": 2000})
    body, content_type = filled(panel, encode, 2000 + excess)
    chunks = [b"400", body[:0x400], f"{len(body) - 0x400:x}".encode(), body[0x400:], b"0", b""]
    with serve(panel.app) as url:
        assert send_in_chunks(url, *chunks, content_type=content_type) == answer


@pytest.mark.parametrize(("length", "read"), [(2001, 2001), (2002, 2002), (8000, 8000), (8001, 0)])
@pytest.mark.parametrize("told", [True, False])
def test_what_is_a_little_too_large_is_read_to_its_end(length: int, read: int, told: bool) -> None:
    """Else the server hangs up, and the client may not hear why. A body without a length is read until it is enough."""
    panel = Panel(config={"SMMAPI_MAX_CONTENT_LENGTH": 2000})
    body = BytesIO(b"a" * length)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    size = {"CONTENT_LENGTH": str(length)} if told else chunked
    answer = panel.send(input_stream=body, content_type=FORM, environ_overrides=size)
    assert answer[:2] == TOO_LARGE
    assert body.tell() == (read if told else length)


def test_who_hangs_up_in_a_body_that_is_too_large_is_answered_that(panel: Panel) -> None:
    class Gone(BytesIO):
        def read(self, *args: Any) -> bytes:
            raise OSError

    size = {"CONTENT_LENGTH": str(2 * MIB)}
    assert panel.send(input_stream=Gone(), content_type=FORM, environ_overrides=size)[:2] == TOO_LARGE


def test_a_broken_chunk_is_an_incorrect_request(panel: Panel) -> None:
    with serve(panel.app) as url:
        assert send_in_chunks(url, b"3", b"a=b", b"nonsense") == INCORRECT


@each_kind
def test_the_hosts_limits_are_for_its_own_pages(encode: Encode) -> None:
    panel = Panel(config={"MAX_CONTENT_LENGTH": 10, "MAX_FORM_MEMORY_SIZE": 10, "MAX_FORM_PARTS": 1})
    assert send(panel, *encode(asking(panel))) == BALANCE


@pytest.mark.parametrize("encode", [as_form, as_multipart])
@pytest.mark.parametrize(("fields", "answer"), [(1000, BALANCE), (1001, INCORRECT)])
def test_a_form_may_have_a_thousand_fields(panel: Panel, encode: Encode, fields: int, answer: Any) -> None:
    params = {**asking(panel), **{f"field{n}": "" for n in range(fields - 2)}}
    assert send(panel, *encode(params)) == answer


# A host that looks into each request before we do


each_reader = pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda: request.form.get("csrf_token"), id="form"),
        pytest.param(lambda: request.data, id="data"),
        pytest.param(lambda: request.get_data(), id="get_data"),
        pytest.param(lambda: request.get_json(force=True, silent=True), id="get_json"),
    ],
)


def host_that(read: Callable[[], Any]) -> Panel:
    app = Flask("host")

    @app.before_request
    def look() -> None:
        read()

    return Panel(app=app)


@each_reader
@each_kind
@pytest.mark.parametrize("size", [1000, 600_000])
def test_a_host_may_have_read_the_body(read: Callable[[], Any], encode: Encode, size: int) -> None:
    panel = host_that(read)
    assert send(panel, *filled(panel, encode, size)) == BALANCE


@each_reader
@each_kind
def test_a_host_that_has_read_a_body_has_not_raised_its_limit(read: Callable[[], Any], encode: Encode) -> None:
    panel = host_that(read)
    assert send(panel, *filled(panel, encode, MIB + 1)) == TOO_LARGE


@each_reader
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"{", JSON, id="JSON: cut short"),
        pytest.param(b"link=\xff", FORM, id="form: no UTF-8"),
        pytest.param(b"link=%ff", FORM, id="form: no UTF-8, percent-encoded"),
        pytest.param(field("link", LINK), MULTIPART, id="multipart: cut short"),
        pytest.param(multipart(part('form-data; name="link"', b"\xff")), MULTIPART, id="multipart: no UTF-8"),
        pytest.param(b"action=balance", "text/plain", id="content type"),
    ],
)
def test_a_host_that_has_read_a_body_has_not_mended_it(read: Callable[[], Any], body: bytes, content_type: str) -> None:
    assert send(host_that(read), body, content_type) == INCORRECT


# Keys


@pytest.mark.parametrize(
    "key",
    [
        "abcd1234.efgh5678-ijkl901",
        "abcd1234.efgh5678-ijkl90123",
        "abcd1234-efgh5678-ijkl9012",
        "abcd1234.efgh5678.ijkl9012",
        "abcd1234xefgh5678-ijkl9012",
        "abcd1234.efgh5678-ijkl9012\n",
        " abcd1234.efgh5678-ijkl9012",
        "abcd_234.efgh5678-ijkl9012",
        "abcd123٤.efgh5678-ijkl9012",
        "äbcd1234.efgh5678-ijkl9012",
        "None",
    ],
)
def test_a_key_has_exactly_the_documented_form(panel: Panel, key: str) -> None:
    for encode in (as_form, as_json):
        assert send(panel, *encode({"key": key, "action": "balance"})) == MALFORMED_KEY


@pytest.mark.parametrize("key", [12345678, True, None])
def test_what_is_no_string_is_no_key_whatever_the_pattern(key: Any) -> None:
    panel = Panel(config={"SMMAPI_KEY_PATTERN": None})
    panel.store.add_key(panel.account.id, json.dumps(key))
    assert panel.send(json={"key": key, "action": "balance"})[:2] == MALFORMED_KEY


def test_a_key_with_a_nul_is_nobodys_and_no_database_sees_it() -> None:
    panel = Panel(config={"SMMAPI_KEY_PATTERN": None})
    panel.store.add_key(panel.account.id, "a\0b")
    assert panel.post("balance", key="a\0b")[:2] == (401, {"error": "Invalid API key"})


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[0-9a-f]{32}", ["0123456789abcdef" * 2], ["0" * 31, "0" * 33, "A" * 32, WRONG_KEY, ""]),
        ("[0-9]+|test", ["7", "test"], ["7x", "tests", WRONG_KEY, ""]),
        (None, ["7", "old key", "ключ"], [""]),
    ],
)
def test_a_panel_with_old_keys_sets_their_form(pattern: str | None, good: list[str], bad: list[str]) -> None:
    panel = Panel(config={"SMMAPI_KEY_PATTERN": pattern})
    for key in (*good, *bad):
        panel.store.add_key(panel.account.id, key)
    assert [panel.post("balance", key=key)[:2] for key in good] == [BALANCE] * len(good)
    assert [panel.post("balance", key=key)[:2] for key in bad] == [MALFORMED_KEY] * len(bad)


def test_an_allowed_address_cannot_be_claimed(panel: Panel) -> None:
    key = panel.store.add_account(Account(id=2, allowed_ips=("198.51.100.7",)))
    claims = {"X-Forwarded-For": "198.51.100.7", "X-Real-IP": "198.51.100.7", "Forwarded": "for=198.51.100.7"}
    assert panel.post("balance", key=key, headers=claims)[:2] == (401, {"error": "Invalid API key"})


# Hooks that fail


HOOKS: list[tuple[str, str, dict[str, Any]]] = [
    ("key_lookup", "balance", {}),
    ("catalog", "services", {}),
    ("catalog", "add", {"service": DEFAULT, "link": LINK, "quantity": 10}),
    ("find_by_key", "add", {"service": DEFAULT, "link": LINK, "quantity": 10, "request_id": "cart-4711"}),
    ("add", "add", {"service": DEFAULT, "link": LINK, "quantity": 10}),
    ("debit", "add", {"service": DEFAULT, "link": LINK, "quantity": 10}),
    ("balance", "balance", {}),
    ("find", "status", {"orders": "1,2"}),
    ("find", "cancel", {"orders": "1,2"}),
    ("replace", "cancel", {"orders": "1,2"}),
    ("credit", "cancel", {"order": 2}),
    ("find_refills", "refill", {"refill": 1}),
    ("add_refill", "refill", {"orders": "1,2"}),
    ("find_refills", "refill_status", {"refills": "1,2"}),
]


each_failure = pytest.mark.parametrize(
    ("failure", "answer"), [(RuntimeError(SECRET), FAILED), (StoreUnavailable(SECRET), UNAVAILABLE)]
)


def broken(verb: str, failure: Exception, **config: Any) -> Panel:
    """A panel with a completed order, 1, and a new one, 2; from now on a verb of its store fails."""
    failures: list[Exception] = []
    store = MemoryStore()
    real = getattr(store, verb)

    def call(*args: Any) -> Any:
        if failures:
            raise failures[0]
        return real(*args)

    setattr(store, verb, call)
    panel = Panel(store=store, config=config)
    panel.complete(panel.place())
    panel.place()
    failures.append(failure)
    return panel


@each_failure
@pytest.mark.parametrize(("verb", "action", "params"), HOOKS)
def test_a_hook_that_fails_is_no_news_for_the_client_and_no_money_moves(
    verb: str, action: str, params: dict[str, Any], failure: Exception, answer: Any
) -> None:
    panel = broken(verb, failure)
    before = panel.store.movements(panel.account.id)
    got = panel.post(action, **params)
    assert got[:2] == answer
    assert SECRET not in str(got)
    assert [movement for movement in panel.store.movements(panel.account.id) if movement.units] == before


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (StoreUnavailable(), UNAVAILABLE),
        (ConnectionRefusedError(SECRET), UNAVAILABLE),
        (TimeoutError(SECRET), UNAVAILABLE),
        (OSError(SECRET), FAILED),
        (ValueError(SECRET), FAILED),
        (RecursionError(SECRET), FAILED),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, SECRET), FAILED),
        (Forbidden(SECRET), FAILED),
        (StopIteration(SECRET), FAILED),
    ],
)
def test_a_store_that_cannot_be_reached_is_503_and_all_else_500(failure: Exception, answer: Any) -> None:
    got = broken("key_lookup", failure).post("balance")
    assert got[:2] == answer
    assert got.headers.get("Retry-After", "").isdigit() == (answer == UNAVAILABLE)


def test_a_catalog_that_answers_none_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert Panel(catalog=lambda account: None).post("services")[:2] == FAILED
    assert "The catalog must answer the account's services, an empty list if there are none; not None." in caplog.text


@pytest.mark.parametrize("nobody", [None, False])
def test_a_key_lookup_answers_none_or_false_for_nobodys_key(nobody: Any) -> None:
    panel = Panel(key_lookup=lambda key: nobody, config=STRICT)
    assert [panel.post("balance").status for _ in range(2)] == [401, 429]


@pytest.mark.parametrize(("part", "action"), [("key_lookup", "balance"), ("catalog", "services"), ("catalog", "add")])
@pytest.mark.parametrize("nonsense", [True, 5, "text"])
def test_a_hook_that_answers_nonsense_is_500(part: str, action: str, nonsense: Any) -> None:
    given: dict[str, Any] = {part: lambda _: nonsense}
    panel = Panel(**given)
    assert panel.post(action, service=DEFAULT, link=LINK, quantity=10)[:2] == FAILED


@pytest.mark.parametrize(
    "mode", ["DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS", "TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS"]
)
@each_failure
def test_no_mode_of_the_app_shows_a_client_the_exception(mode: str, failure: Exception, answer: Any) -> None:
    panel = broken("balance", failure, **{mode: True})
    assert panel.post("balance")[:2] == answer
    assert send(panel, b"{", JSON) == INCORRECT
    assert send(panel, *filled(panel, as_json, MIB + 1)) == TOO_LARGE


@pytest.mark.parametrize("failure", [KeyError, StoreUnavailable])
def test_the_log_has_the_stack_but_not_the_key(failure: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    def lookup_in_the_hosts_table(key: str) -> None:
        raise failure(key)

    panel = Panel(key_lookup=lookup_in_the_hosts_table)
    panel.post("balance")
    [record] = caplog.records
    assert (record.name, record.levelno) == ("flask_smmapi", logging.ERROR)
    assert "in lookup_in_the_hosts_table" in caplog.text
    assert failure.__name__ in caplog.text
    assert panel.key not in caplog.text


def test_no_error_handler_of_the_host_answers_for_us() -> None:
    app = Flask("host")
    for failure in (Exception, 400, 401, 403, 404, 405, 413, 429, 500, 503):
        app.register_error_handler(failure, lambda _: ("the host's page", 418))
    failures: Iterator[Exception] = iter([RuntimeError(), StoreUnavailable(), Forbidden()])

    def lookup(key: str) -> None:
        if key != WRONG_KEY:
            raise next(failures)

    panel = Panel(app=app, key_lookup=lookup, config=STRICT)
    ask: Callable[..., Answer] = partial(panel.post, "balance")
    got = [panel.send(method="GET"), panel.send(data=b"x"), panel.send(data=b"x" * (MIB + 1)), ask(), ask(), ask()]
    got += [ask(key=WRONG_KEY), ask(key=WRONG_KEY)]
    assert [answer.status for answer in got] == [405, 400, 413, 500, 503, 500, 401, 429]
    assert all(answer.json.keys() == {"error"} for answer in got)


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (Forbidden(SECRET), (403, {"error": "Forbidden"})),
        (RuntimeError(SECRET), FAILED),
        (ConnectionError(SECRET), UNAVAILABLE),
    ],
)
def test_what_a_before_request_function_of_the_host_raises_is_json_too(failure: Exception, answer: Any) -> None:
    app = Flask("host")

    @app.before_request
    def gate() -> None:
        raise failure

    assert Panel(app=app).post("balance")[:2] == answer


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@pytest.mark.parametrize("missing", [1, 2, 10])
@pytest.mark.parametrize("terminated", [True, False], ids=["a server that ends the stream", "one that does not"])
def test_a_body_shorter_than_it_says_is_no_order(missing: int, terminated: bool, dialect: str) -> None:
    """A quantity that lost its last digits would be another order. Some servers tell WSGI nothing of it."""
    panel = Panel(dialect=dialect, config={"SMMAPI_DIALECT": dialect})
    body = f"key={panel.key}&action=add&service=123&link=https://example.com/post&quantity=1000".encode()
    got = panel.send(
        input_stream=BytesIO(body[:-missing]),
        content_type="application/x-www-form-urlencoded",
        environ_overrides={"CONTENT_LENGTH": str(len(body)), "wsgi.input_terminated": terminated},
    )
    assert (got.status, got.json) == (400, {"error": "Incorrect request"})
    assert panel.balance == 100


# Whatever a client sends


@pytest.fixture(scope="module")
def open_panel() -> Panel:
    """A panel that blocks nobody, with a completed order, 1, and a new one, 2."""
    names = ("SMMAPI_FAILED_ATTEMPTS", "SMMAPI_FAILED_ATTEMPTS_PER_IP")
    panel = Panel(config=dict.fromkeys(names, "1000000 per second"))
    panel.complete(panel.place())
    panel.place()
    return panel


NAMES = "action service link quantity comments min max order orders refill refills request_id runs interval expiry"
header_texts = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=50)
headers = st.dictionaries(
    st.sampled_from(["User-Agent", "Idempotency-Key", "X-Forwarded-For", "Accept", "Cookie", "Transfer-Encoding"]),
    header_texts,
)
content_types = st.sampled_from([FORM, MULTIPART, JSON, "multipart/form-data", "text/plain", ""]) | header_texts
unicode = st.characters(exclude_categories=["Cs"])  # the default's set, for which Hypothesis would try every character
names = st.sampled_from(NAMES.split()) | st.text(unicode, max_size=10)
texts = st.text(unicode) | st.sampled_from(["1", "2,1", LINK, "99"])
values = st.none() | st.booleans() | st.integers() | st.floats() | texts
nested = st.recursive(values, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=5)
actions = st.sampled_from([*ACTIONS])
raw = st.binary(max_size=30) | values.map(lambda value: str(value).encode("utf-8", "surrogatepass"))
fields = st.lists(st.tuples(names.map(str.encode) | raw, raw), max_size=8)
dispositions = st.sampled_from(
    [b'form-data; name="%s"', b'form-data; name="%s"; filename="%s"', b"form-data; name=%s", b"form-data; x=%s", b"%s"]
)
bounded = settings(max_examples=150, deadline=None, derandomize=True)


def check(panel: Panel, body: bytes, content_type: str, headers: Mapping[str, str]) -> None:
    """The answer is JSON, which Panel.send asserts, and nobody's fault but the client's."""
    status, answer = send(panel, body, content_type or None, headers=headers)
    assert status in (200, 400, 401), answer
    assert isinstance(answer, (dict, list))


@bounded
@given(body=st.binary(max_size=200), content_type=content_types, headers=headers)
def test_random_bytes(open_panel: Panel, body: bytes, content_type: str, headers: dict[str, str]) -> None:
    check(open_panel, body, content_type, headers)


@bounded
@given(params=st.dictionaries(names, nested, max_size=8), action=actions, headers=headers)
def test_random_json(open_panel: Panel, params: dict[str, Any], action: str, headers: dict[str, str]) -> None:
    check(open_panel, json.dumps(params).encode(), JSON, headers)
    check(open_panel, json.dumps({"key": open_panel.key, "action": action, **params}).encode(), JSON, headers)


@bounded
@given(pairs=fields, action=actions, headers=headers)
def test_random_forms(
    open_panel: Panel, pairs: list[tuple[bytes, bytes]], action: str, headers: dict[str, str]
) -> None:
    known = [(b"key", open_panel.key.encode()), (b"action", action.encode())]
    for quote in (bytes, lambda text: quote_from_bytes(text).encode()):
        body = b"&".join(quote(name) + b"=" + quote(text) for name, text in [*known, *pairs])
        check(open_panel, body, FORM, headers)


@bounded
@given(pairs=fields, forms=st.lists(dispositions, min_size=8, max_size=8), end=st.sampled_from([b"", b"--x--", b"--x"]))
def test_random_multipart(open_panel: Panel, pairs: list[tuple[bytes, bytes]], forms: list[bytes], end: bytes) -> None:
    known = [field("key", open_panel.key), field("action", "balance")]
    parts = [part(form.replace(b"%s", name), text) for form, (name, text) in zip(forms, pairs, strict=False)]
    check(open_panel, b"".join([*known, *parts, end]), MULTIPART, {})
