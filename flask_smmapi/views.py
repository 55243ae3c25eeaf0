"""The blueprint: ``POST /api/v2``. The only reader of ``request``.

The checks come in the protocol's order: method, size, body; throttle; key format; key lookup; action; parameters.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import traceback
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from .actions import ACTIONS
from .errors import (
    IncorrectRequest,
    InternalServerError,
    InvalidKey,
    InvalidKeyFormat,
    MethodNotAllowed,
    RequestTooLarge,
    ServiceUnavailable,
    SmmError,
)
from .hooks import UNAVAILABLE, Account
from .params import ABSENT, Params, clean
from .state import State, current_state

log = logging.getLogger("flask_smmapi")

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
"""Every method that the view answers itself: a blueprint's error handlers never see the 405 of its own URL."""

_MAX_FORM_FIELDS = 1_000
_MAX_JSON_DIGITS = 20


def api() -> Response:
    """Answer one request."""
    state = current_state()
    params: Params = {}
    try:
        if request.method != "POST":
            raise MethodNotAllowed
        params.update(_read_params(state))
        account = _authenticate(state, params.get("key"))
        return _json(_perform(state, account, params), 200)
    except SmmError as failure:
        return _failed(state, failure)
    except UNAVAILABLE:
        _log_failure("A store could not be reached", params.get("key"))
        return _failed(state, ServiceUnavailable())
    except Exception:  # the edge: whatever a hook raises is logged, and the client hears that something did
        _log_failure("A request failed", params.get("key"))
        return _failed(state, InternalServerError())


def make_blueprint() -> Blueprint:
    """A blueprint for one app; both forms of the URL answer, since a redirect turns a PHP client's POST into a GET."""
    blueprint = Blueprint("smmapi", __name__)
    for rule in ("/api/v2", "/api/v2/"):
        blueprint.add_url_rule(rule, "api", api, methods=METHODS, provide_automatic_options=False)
    return blueprint


def _perform(state: State, account: Account, params: Params) -> bytes:
    """Run the action that is asked for, and put its result into JSON by the dialect's method of the same name."""
    name = params.get("action", "")
    if name not in ACTIONS:
        raise IncorrectRequest
    result = ACTIONS[name](state.context, account, params)
    body: bytes = getattr(state.dialect, name)(result)
    return body


def _authenticate(state: State, key: str | None) -> Account:
    caller = (request.remote_addr, request.headers.get("User-Agent", ""))
    state.throttle.check(*caller)
    try:
        return _account(state, key)
    except (InvalidKeyFormat, InvalidKey):
        state.throttle.fail(*caller)
        raise


def _account(state: State, key: str | None) -> Account:
    if key is None or (state.key_pattern and not state.key_pattern.fullmatch(key)):
        raise InvalidKeyFormat
    account = state.key_lookup(key)
    if account is None or not _is_allowed(request.remote_addr, account.allowed_ips):
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
    return any(ip in ipaddress.ip_network(entry, strict=False) for entry in allowed)


def _read_params(state: State) -> Params:
    """The parameters of the request's body, and the idempotency key of its header."""
    request.max_content_length = request.max_form_memory_size = state.max_content_length
    try:
        params = clean(_read_body())
    except RequestEntityTooLarge:
        raise RequestTooLarge from None
    except (ValueError, RecursionError, HTTPException):  # no UTF-8, no JSON, too deep, broken multipart, cut short
        raise IncorrectRequest from None
    header = request.headers.get("Idempotency-Key", "")
    if header not in ABSENT:
        params["request_id"] = header
    return params


def _read_body() -> dict[str, Any]:
    if "form" in vars(request):  # a before_request function of the host has read it, and the stream is empty
        return _checked(request.form)
    if request.mimetype == "multipart/form-data":
        return _read_multipart()
    data = request.get_data(cache=False)
    if request.is_json:
        return _read_json(data)
    if request.mimetype == "application/x-www-form-urlencoded":
        pairs = parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS)
        return dict(reversed(pairs))  # of two with one name, the first counts
    if data or request.mimetype:
        raise IncorrectRequest
    return {}


def _read_json(data: bytes) -> dict[str, Any]:
    # Fractions stay as they were written: none is ever wanted, and no float may come near an amount.
    body = json.loads(data.decode(), parse_float=str, parse_int=_read_int, parse_constant=_refuse_constant)
    if not isinstance(body, dict):
        raise IncorrectRequest
    if not isinstance(body.get("key"), str):
        body["key"] = None  # a key that is no string is no key
    return body


def _read_int(digits: str) -> int | str:
    """The number; as it was written if it has more digits than any that we take, since Python refuses thousands."""
    return int(digits) if len(digits) <= _MAX_JSON_DIGITS else digits


def _read_multipart() -> dict[str, Any]:
    parser = request.make_form_data_parser()
    parser.silent = False
    _, form, files = parser.parse(request.stream, request.mimetype, request.content_length, request.mimetype_params)
    for file in files.values():
        file.close()
    return _checked(form)


def _checked(form: MultiDict[str, str]) -> dict[str, str]:
    if any("\ufffd" in text for pair in form.items(multi=True) for text in pair):
        raise IncorrectRequest  # what Werkzeug puts in the place of bytes that are no UTF-8
    return form.to_dict()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _failed(state: State, failure: SmmError) -> Response:
    body, status = state.dialect.error(failure)
    response = _json(body, status)
    response.headers.update(failure.headers)
    return response


def _json(body: bytes, status: int) -> Response:
    return Response(body, status, mimetype="application/json")


def _log_failure(what: str, key: str | None) -> None:
    """Log the exception at hand with its stack; without the key, which a hook may have put into its message."""
    stack = traceback.format_exc()
    if key is not None and key in stack:
        log.error("%s:\n%s", what, re.sub(re.escape(key), "[key]", stack))
    else:
        log.exception("%s.", what)
