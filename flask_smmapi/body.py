"""The body of a request to its parameters: a form, multipart, or a JSON object, each read strictly.

Flask's own ``request.form`` empties itself, or replaces bytes, where a body is no UTF-8, and takes part of a multipart
that was cut short: an order must not be made of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from .errors import UnreadableBody

MAX_FIELDS = 1_000
"""Fields of a form; more is an incorrect request."""

_MAX_JSON_DIGITS = 20


def parse_body(data: bytes, content_type: str, options: Mapping[str, str]) -> dict[str, Any]:
    """What *data* says, as it was sent; of two fields of a form with one name, the first.

    :param content_type: without its *options*, in lower case.
    :raises UnreadableBody: if it is no UTF-8, broken, or of a content type that we do not read.
    """
    try:
        if content_type == "multipart/form-data":
            return _parse_multipart(data, options.get("boundary", ""))
        if content_type == "application/json" or content_type.endswith("+json"):
            return _parse_json(data)
        if content_type == "application/x-www-form-urlencoded":
            return _first(parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except (ValueError, RecursionError):  # no UTF-8, no JSON, too deep, broken multipart, too many fields
        raise UnreadableBody from None
    if data or content_type:
        raise UnreadableBody
    return {}


def _parse_json(data: bytes) -> dict[str, Any]:
    # Fractions stay as they were written: none is ever wanted, and no float may come near an amount.
    body = json.loads(data.decode(), parse_float=str, parse_int=_parse_int, parse_constant=_refuse_constant)
    if not isinstance(body, dict):
        raise UnreadableBody
    if not isinstance(body.get("key"), str):
        body["key"] = None  # a key that is no string is no key
    return body


def _parse_int(digits: str) -> int | str:
    """The number; as it was written if it has more digits than any that we take, since Python refuses thousands."""
    return int(digits) if len(digits) <= _MAX_JSON_DIGITS else digits


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


class _Parser(MultiPartParser):
    def get_part_charset(self, headers: Headers) -> str:
        return "latin-1"  # keeps every byte; Werkzeug's own choice would replace those that are no UTF-8


def _in_memory(*args: Any, **kwargs: Any) -> BytesIO:
    """Where the parser puts a file; the body is no longer than we allow."""
    return BytesIO()


def _parse_multipart(data: bytes, boundary: str) -> dict[str, Any]:
    try:
        parser = _Parser(stream_factory=_in_memory, max_form_memory_size=len(data), max_form_parts=MAX_FIELDS)
        form, _ = parser.parse(BytesIO(data), boundary.encode("ascii"), len(data))
    except RequestEntityTooLarge:
        raise UnreadableBody from None
    if not boundary or not data or None in form:  # None: a part without a name
        raise UnreadableBody
    return _first([(name, text.encode("latin-1").decode()) for name, text in form.items(multi=True)])


def _first(pairs: list[tuple[str, str]]) -> dict[str, str]:
    return dict(reversed(pairs))
