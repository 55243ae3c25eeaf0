"""The API as OpenAPI 3.1, by apispec from the schemas that check the orders, with the reference's examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from .hooks import DIALECT_NAMES
from .params import ABSENT
from .reference import ACTIONS_IN_WORDS, ONE_OF_THESE, PARAMETERS, Action, add_params, failures, play
from .service_types import (
    MAX_LINES,
    MAX_LINK,
    SERVICE_TYPES,
    Count,
    Date,
    Lines,
    Link,
    Text,
    Whole,
    build_schemas,
)
from .statuses import HIDDEN, ORDER_STATUSES, RefillStatus

Json: TypeAlias = "dict[str, Any]"

KEY = "abcd1234.efgh5678-ijkl9012"
"""The key of the examples: that of api-documentation.md, Authentication."""

BODIES = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data")

_DIGITS: Json = {"type": ["string", "integer"], "pattern": "^[0-9]{1,12}$"}
_FORMS: dict[type[fields.Field[Any]], Json] = {
    Whole: {**_DIGITS, "minimum": 0},
    Count: {**_DIGITS, "minimum": 1},
    Text: {"type": ["string", "integer"], "minLength": 1},
    Lines: {
        "type": ["string", "array", "integer"],
        "minLength": 1,
        "minItems": 1,
        "maxItems": MAX_LINES,
        "items": {"type": ["string", "integer"]},
    },
    Date: {"type": "string", "pattern": "^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$"},
    Link: {"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_LINK},
}
"""What a value may look like: numbers may be text, and lists text with a line an entry, or arrays."""

_ID: Json = {
    "type": ["string", "integer"],
    "pattern": "[^\\s,]",
    "not": {"enum": sorted(ABSENT - {""})},
    "minimum": 0,
}
_IDS: Json = {**_ID, "type": ["string", "integer", "array"], "minItems": 1, "items": _ID}
_ASKED: dict[str, Json] = {
    "service": {"type": ["string", "integer"], "pattern": "^[0-9]{1,18}$", "minimum": 0},
    "request_id": {"type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[ -~]*$"},
    **dict.fromkeys(("order", "refill"), _ID),
    **dict.fromkeys(("orders", "refills"), _IDS),
}

_UNKNOWN: Json = {"type": ["string", "number", "boolean", "null"]}
"""What a parameter may be that nobody reads: only the lists that are known may nest."""


def build(url: str, title: str, dialect: str, max_ids: int) -> Json:
    """The document.

    :param url: of the API, from the server's root.
    :param title: of the API.
    :param dialect: the app's own, which speaks where no account is known.
    :param max_ids: the ids that one request may name.
    """
    plugin = MarshmallowPlugin()
    spec = APISpec(title, version="2", openapi_version="3.1.0", plugins=[plugin])
    components = {**dict(_orders(plugin)), **dict(_requests()), **_ANSWERS}
    for name, schema in components.items():
        spec.components.schema(name, schema)
    spec.path(url, operations={"post": _operation(dialect, max_ids)})
    document: Json = spec.to_dict()
    return document


def _form(converter: Any, field: fields.Field[Any], **_: Any) -> Json:
    """What apispec cannot know of a field of ours."""
    words = PARAMETERS[str(field.name)]
    return {**_FORMS[type(field)], "description": words.text, "examples": [words.example]}


def _operation(dialect: str, max_ids: int) -> Json:
    return {
        "operationId": "call",
        "summary": "Every action",
        "description": "One address for all: the parameter action says what is asked for.",
        "requestBody": {
            "required": True,
            "content": {media: {"schema": _ref("Request"), "examples": _asked(dialect)} for media in BODIES},
        },
        "responses": dict(_responses(dialect, max_ids)),
    }


# Requests


def _orders(plugin: MarshmallowPlugin) -> Iterator[tuple[str, Json]]:
    """What each type of service takes."""
    converter: Any = plugin.converter
    converter.add_attribute_function(_form)
    for type_, schema in build_schemas().items():
        converted = converter.schema2jsonschema(schema)
        own = _action("add", ACTIONS_IN_WORDS["add"])
        yield (
            _name("add", type_),
            {
                "title": f"add: {type_}",
                "type": "object",
                "properties": {**own["properties"], **converted["properties"]},
                "required": [*own["required"], *SERVICE_TYPES[type_].required],
                "additionalProperties": _UNKNOWN,
            },
        )


def _requests() -> Iterator[tuple[str, Json]]:
    """One an action; that of ``add`` is any of those of the types, since only the price list tells the service's."""
    for name, words in ACTIONS_IN_WORDS.items():
        if name == "add":
            yield _name(name), {"title": "add", "anyOf": [_ref(_name("add", type_)) for type_ in SERVICE_TYPES]}
        else:
            yield _name(name), _action(name, words)
    names = {name: _ref(_name(name)) for name in ACTIONS_IN_WORDS}
    mapping = {name: ref["$ref"] for name, ref in names.items()}
    discriminator = {"propertyName": "action", "mapping": mapping}
    yield "Request", {"oneOf": list(names.values()), "discriminator": discriminator}


def _action(name: str, words: Action) -> Json:
    own = {asked.name: {**_ASKED[asked.name], "description": asked.text} for asked in words.params}
    schema: Json = {
        "title": name,
        "description": words.text,
        "type": "object",
        "properties": {"key": {"type": "string", "description": "Your API key."}, "action": {"const": name}, **own},
        "required": ["key", "action", *(asked.name for asked in words.params if asked.needed == "required")],
        "additionalProperties": _UNKNOWN,
    }
    one_of_them = [{"required": [asked.name]} for asked in words.params if asked.needed == ONE_OF_THESE]
    return {**schema, "anyOf": one_of_them} if one_of_them else schema


def _name(action: str, type_: str = "") -> str:
    """The schema of a request: ``RefillStatusRequest``; of an ``add`` of one type ``AddPackageRequest``."""
    return f"{action} {type_} request".replace("_", " ").title().replace(" ", "")


def _asked(dialect: str) -> Json:
    """The requests of the examples, and an order of each type."""
    played = {_key(example.params["action"], example.form): example for example in _played(dialect)}
    asked = {key: _request(f"{x.params['action']}: {x.form}", x.params) for key, x in played.items()}
    for type_ in SERVICE_TYPES:
        asked[_key("type", type_)] = _request(f"add: {type_}", {"action": "add", **add_params(type_)})
    return asked


def _request(summary: str, params: dict[str, str]) -> Json:
    return {"summary": summary, "value": {"key": KEY, **params}}


def _played(dialect: str) -> Iterator[Any]:
    return (example for action in ACTIONS_IN_WORDS for example in play(action, dialect))


def _key(*words: str) -> str:
    return "_".join(words).lower().replace(" ", "_")


# Answers


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _either(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_COUNT: Json = {"type": "string", "pattern": "^[0-9]+$"}
_AMOUNT: Json = {"type": "string", "pattern": "^-?[0-9]+\\.[0-9]{8}$", "description": "Exact, with eight places."}
_NAMED: Json = {"type": ["string", "integer"], "description": "An ObjectId, or a number in the panel dialect."}
_ONE: Json = {"const": 1}


def _rows(id_: str, answer: str, known: Json) -> Json:
    return {"type": "array", "items": _object(**{id_: _NAMED, answer: _either(known, _ref("Error"))})}


_WORDS = sorted({word for status, row in ORDER_STATUSES.items() if status not in HIDDEN for word in row[:2]})
_REFILL = {"type": "string", "enum": [status.value for status in RefillStatus]}

_ANSWERS: dict[str, Json] = {
    "Error": _object(error={**_TEXT, "description": "Clients may match on it: it does not change."}),
    "Services": {"type": "array", "items": _ref("Service")},
    "Service": {
        **_object(
            service={"type": "integer"},
            name=_TEXT,
            type={"type": "string", "enum": list(SERVICE_TYPES)},
            category=_TEXT,
            rate={**_AMOUNT, "description": "Of 1,000 pieces; of one, if the type is a package."},
            min=_COUNT,
            max=_COUNT,
            refill=_FLAG,
            cancel=_FLAG,
        ),
        "description": "dripfeed, desc and average_time in the panel dialect only.",
    },
    "Ordered": _object(order=_NAMED),
    "OrderState": _object(
        charge=_AMOUNT,
        start_count=_COUNT,
        status={"type": "string", "enum": _WORDS},
        remains={"type": "string", "pattern": "^[0-9]+$"},
        currency=_TEXT,
    ),
    "OrderStates": {"type": "object", "additionalProperties": _either(_ref("OrderState"), _ref("Error"))},
    "Canceled": _either(_object(cancel=_ONE), _rows("order", "cancel", _ONE)),
    "Refilled": _either(_object(refill=_NAMED), _rows("order", "refill", _NAMED)),
    "RefillState": _either(_object(status=_REFILL), _rows("refill", "status", _REFILL)),
    "Money": _object(balance=_AMOUNT, currency=_TEXT),
}


def _responses(dialect: str, max_ids: int) -> Iterator[tuple[str, Json]]:
    """By HTTP status, with the answers to the examples, and every text of a failure."""
    examples: dict[int, Json] = defaultdict(dict)
    for name in sorted(DIALECT_NAMES, key=lambda name: name != dialect):
        for example in _played(name):
            key = _key(example.params["action"], example.form)
            own = key if name == dialect else f"{key}_in_{name}"
            examples[example.status][own] = {"summary": f"{example.form}, dialect {name}", "value": example.answer}
    headers: dict[int, set[str]] = defaultdict(set)
    for failure, when in failures(max_ids):
        text = str(failure)
        examples[failure.status][_key("error", *text.split())] = {"summary": when, "value": {"error": text}}
        headers[failure.status] |= failure.headers.keys()
    for status in sorted(examples):
        schema = _either(*_answers()) if status == 200 else _ref("Error")
        yield (
            str(status),
            {
                "description": _DESCRIPTIONS.get(status, "A failure."),
                "headers": {name: _HEADERS[name] for name in sorted(headers[status])},
                "content": {"application/json": {"schema": schema, "examples": examples[status]}},
            },
        )


def _answers() -> Iterable[Json]:
    return (_ref(name) for name in _ANSWERS if name not in ("Service",))


_DESCRIPTIONS = {
    200: "The answer. In the panel dialect also a failure that the client can mend: look for error in the body.",
    400: "The request will not do.",
    401: "The key will not do. Each is a failed attempt.",
    405: "POST alone is answered.",
    413: "The body is too large.",
    429: "Too many failed attempts.",
    500: "Something failed at our side.",
    503: "Something cannot be reached at our side.",
}
_HEADERS: dict[str, Json] = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Allow": {"description": "POST.", "schema": {"const": "POST"}},
}
