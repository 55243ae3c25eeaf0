"""The blueprint: ``POST /api/v2``. The only reader of ``request``.

The checks come in the protocol's order: method, size, body; throttle; key format; key lookup; action; parameters.
"""

from __future__ import annotations

import ipaddress
import json
import logging
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from flask import Blueprint, Flask, Request, Response, current_app, g, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, default_exceptions
from werkzeug.http import parse_accept_header

from .actions import ACTIONS, Answers, Context, RefillAnswers
from .body import parse_body
from .catalog import ServiceList
from .deadline import request_deadline
from .dialects import DIALECTS, Standard
from .errors import (
    IncorrectRequest,
    InternalServerError,
    InvalidKey,
    InvalidKeyFormat,
    MethodNotAllowed,
    RequestTooLarge,
    ServiceUnavailable,
    SmmError,
    TooManyFailedAttempts,
    UnreadableBody,
)
from .hooks import UNAVAILABLE, Account, Order, OrderState, as_network
from .journal import Entry
from .params import ABSENT, Params, clean
from .state import State, current_state, state_of

log = logging.getLogger("flask_smmapi")

T = TypeVar("T")

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
"""Every method that the view answers itself: a blueprint's error handlers never see the 405 of its own URL."""

_READ_OFF = 4
"""How many times the limit a body may have to be read to its end, though it is refused."""

_DOCUMENTED: dict[int, type[SmmError]] = {
    failure.status: failure
    for failure in (IncorrectRequest, MethodNotAllowed, RequestTooLarge, InternalServerError, ServiceUnavailable)
}
"""The failures whose text the protocol knows, by their status, whoever raises them."""


def api(**_: Any) -> Response:
    """Answer one request. Variables in the prefix of a parent blueprint are the host's affair."""
    sent, state, entry = _behind(request), current_state(), g.smmapi_entry
    dialect = state.dialect  # until the account is known
    try:
        if sent.method != "POST":
            raise MethodNotAllowed
        with request_deadline():
            params = _read_params(sent)
            entry.action = params.get("action")
            account = _authenticate(state, sent, params.get("key"))
            entry.account = account.id
            dialect = DIALECTS[account.dialect or dialect.name]
            result = _perform(state.context, account, params)
            entry.order = _order_of(result)
            body = getattr(dialect, params["action"])(result)
            response = _price_list(result, dialect, sent) if isinstance(result, ServiceList) else _json(body, 200)
    except Exception as failure:  # the edge: whatever a hook raises, the client gets JSON
        response = _failed(failure, dialect)
    return response


def make_blueprint() -> Blueprint:
    """A blueprint that serves each app it is registered with by that app's own state and settings."""
    blueprint = Blueprint("smmapi", __name__)
    blueprint.url_value_preprocessor(_begin)
    # Flask asks an app's handler of a status before a blueprint's handler of a class, so we have both.
    failures: tuple[int | type[Exception], ...] = (*default_exceptions, Exception)
    for failure in failures:
        blueprint.register_error_handler(failure, _failed_before)
    blueprint.after_request(_write_line)
    blueprint.record(_add_urls)
    return blueprint


def _add_urls(setup: BlueprintSetupState) -> None:
    """Both forms of the URL answer, since a redirect turns a PHP client's POST into a GET.

    A parent blueprint may be registered with an app that has no SmmApi; there we have no URL.
    """
    app = setup.app
    if "smmapi" not in app.extensions:
        return
    prefix = app.config["SMMAPI_URL_PREFIX"].rstrip("/")
    host = "<host>" if app.url_map.host_matching else None  # without one it would answer on none
    for url in (f"{prefix}/api/v2", f"{prefix}/api/v2/"):
        setup.add_url_rule(url, "api", api, methods=METHODS, provide_automatic_options=False, host=host)


def _begin(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Begin the request's entry in the log, and do what must come before any ``before_request`` function of the host.

    A URL value preprocessor of a blueprint does, and runs for the blueprint's own requests alone.
    """
    context = _behind(g)
    context.smmapi_entry, context.smmapi_key = Entry(), None
    app, sent = _behind(current_app), _behind(request)
    _step_aside(app)
    if sent.method == "POST":
        _read_ahead(sent, state_of(app).max_content_length)


def _write_line(response: Response) -> Response:
    """Log what was answered, whoever has answered. A host's function that fails after us is not another request."""
    entry: Entry | None = g.pop("smmapi_entry", None)
    if entry is not None:
        entry.write(response.status_code)
    return response


def _step_aside(app: Flask) -> None:
    """Keep the host's default limits and CSRF protection off our view: they know no API keys.

    At each request, since both may be set up after us.
    """
    for limiter in app.extensions.get("limiter", ()):
        limiter.exempt(api)
    exempt = getattr(app.extensions.get("csrf"), "exempt", None)
    if exempt is not None:
        exempt(api)


def _perform(context: Context, account: Account, params: Params) -> Any:
    """The result of the action that is asked for; the dialect's method of the same name puts it into JSON."""
    name = params.get("action", "")
    if name not in ACTIONS:
        raise IncorrectRequest
    return ACTIONS[name](context, account, params)


def _order_of(result: Any) -> str | None:
    """The one order that a result is about."""
    answers = result.answers if isinstance(result, RefillAnswers) else result
    record = answers.items[0][1] if isinstance(answers, Answers) and not answers.many else answers
    return record.id if isinstance(record, Order | OrderState) else getattr(record, "order", None)


def _authenticate(state: State, sent: Request, key: str | None) -> Account:
    g.smmapi_key = key
    notify, address = state.context.notify, sent.remote_addr
    caller = address, sent.headers.get("User-Agent", "")
    try:
        state.throttle.check(*caller)
        try:
            return _account(state, key, address)
        except (InvalidKeyFormat, InvalidKey) as refused:
            state.throttle.fail(*caller)
            notify("key_refused", address=address, text=str(refused))
            raise
    except TooManyFailedAttempts as blocked:
        notify("caller_blocked", address=address, retry_after=blocked.retry_after)
        raise


def _account(state: State, key: str | None, address: str | None) -> Account:
    if key is None or (state.key_pattern and not state.key_pattern.fullmatch(key)):
        raise InvalidKeyFormat
    if "\0" in key:  # nobody's, and an SQL database raises for it
        raise InvalidKey
    account: object = state.key_lookup(key)
    if account is None or account is False:  # None is what a lookup answers, False what many a host's does
        raise InvalidKey
    if not isinstance(account, Account):
        raise TypeError(f"The key lookup must answer an Account or None, not {type(account).__name__}.")
    if not _is_allowed(address, account.allowed_ips):
        raise InvalidKey
    return account


def _is_allowed(address: str | None, allowed: tuple[str, ...]) -> bool:
    if not allowed:
        return True
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip  # how a server that listens on [::] sees an IPv4 caller
    return any(ip in as_network(entry) for entry in allowed)


def _read_ahead(sent: Request, limit: int) -> None:
    """Keep the body as it came, before a ``before_request`` function of the host can read it: a stream is read once.

    :param limit: bytes that it may have.
    """
    sent.max_form_memory_size = limit
    sent.max_content_length = limit + 1  # a body without a length is cut there, and is seen to be too large
    try:
        data = sent.get_data()
    except RequestEntityTooLarge:
        _read_off(sent, sent.content_length or 0, limit)
        raise RequestTooLarge from None
    except HTTPException:  # cut short
        raise UnreadableBody from None
    if len(data) > limit:
        if sent.content_length is None:
            _read_off(sent, _READ_OFF * limit, limit)
        raise RequestTooLarge
    if sent.content_length not in (None, len(data)):  # cut short, and the server has not said so
        raise UnreadableBody


def _read_off(sent: Request, left: int, limit: int) -> None:
    """Read what is left of a body that is too large, and throw it away, unless it is far too large.

    A server hangs up on a client whose body it was not asked for; he may lose the answer, and also what he asks next on
    a connection that he keeps.
    """
    if left > _READ_OFF * limit:
        return
    stream = sent.environ["wsgi.input"]
    with suppress(Exception):  # whatever a server raises of a client who is gone
        while left > 0 and (data := stream.read(min(left, 65_536))):
            left -= len(data)


def _read_params(sent: Request) -> Params:
    """The parameters of the request's body, and the idempotency key of its header."""
    params = clean(parse_body(sent.get_data(), sent.mimetype, sent.mimetype_params))
    header = sent.headers.get("Idempotency-Key", "")
    if header not in ABSENT:
        params["request_id"] = header
    return params


def _failed(failure: Exception, dialect: Standard) -> Response:
    """The answer to *failure*, logged if it is not the client's."""
    if isinstance(failure, UNAVAILABLE):
        log.exception("A store could not be reached.")
        failure = ServiceUnavailable()
    elif not isinstance(failure, SmmError):
        log.exception("A request failed.")
        failure = InternalServerError()
    body, status = dialect.error(failure)
    response = _json(body, status)
    response.headers.update(failure.headers)
    return response


def _failed_before(failure: Exception) -> Response:
    """The answer to what was raised outside the view: by us, or by a function of the host that runs for us too."""
    if not isinstance(failure, HTTPException):
        if not isinstance(failure, SmmError):  # which a function of the host has raised, with the key perhaps
            with suppress(SmmError, HTTPException):
                g.smmapi_key = _read_params(_behind(request)).get("key")
        return _failed(failure, current_state().dialect)
    status = failure.code or 500
    text = _DOCUMENTED[status].text if status in _DOCUMENTED else failure.name
    response = _json(json.dumps({"error": text}).encode(), status)
    response.headers.extend(header for header in failure.get_headers() if header[0] != "Content-Type")
    return response


def _price_list(services: ServiceList, dialect: Standard, sent: Request) -> Response:
    """The answer with that list and its version; under gzip for whoever takes that."""
    takes_gzip = _takes_gzip(sent.headers.get("Accept-Encoding", ""))
    packed = services.packed(dialect.name) if takes_gzip else None
    response = _json(packed or services.json[dialect.name], 200)
    response.headers["ETag"] = f'W/"{services.version(dialect.name)}"'
    response.headers["Vary"] = "Accept-Encoding"
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


@lru_cache(maxsize=64)  # a client sends the same each time
def _takes_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding).quality("gzip") > 0


def _json(body: bytes, status: int) -> Response:
    return current_app.response_class(body, status, content_type="application/json")


def _behind(proxy: T) -> T:
    """The object behind one of Flask's proxies, for whoever asks it several things: each look through one costs."""
    behind: T = proxy._get_current_object()  # type: ignore[attr-defined] # Flask declares the object, not its proxy
    return behind
