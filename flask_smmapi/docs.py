"""The pages for resellers: the API reference, ``GET /api/v2/docs``, and ``openapi.json``.

A blueprint of its own, since a page is no request of the API: its failures are the host's, like those of its other
pages. A template ``smmapi/docs.html`` in the app's own folder takes the place of ours; it may extend
``smmapi/docs_base.html`` and fill the blocks of that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app, render_template, request, send_from_directory, url_for
from flask.blueprints import BlueprintSetupState

from . import reference
from .dialects import DIALECTS
from .errors import SmmError
from .hooks import DIALECT_NAMES
from .keys import PATTERN
from .reference import Action, Played
from .service_types import FIELDS, MAX_LINES, SERVICE_TYPES, Count, Date, Lines, Text, Whole
from .snippets import ADDRESS, CLIENT, KEY, read_snippets
from .state import current_state
from .statuses import ORDER_STATUSES

TITLE = "Order API"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing of another host, nothing inline, and nowhere to send a key but here."""

_ASSETS = Path(__file__).parent / "static"

_KINDS = {
    Whole: "whole number, 0 or more",
    Count: "whole number, 1 or more",
    Text: "text",
    Lines: f"1 to {MAX_LINES:,} lines, or an array in JSON",
    Date: "day/month/year",
}


def make_blueprint() -> Blueprint:
    """A blueprint that serves the pages of each app it is registered with, if that app wants them."""
    blueprint = Blueprint("smmapi_docs", __name__, template_folder="templates")
    blueprint.record(_add_urls)
    blueprint.after_request(_secure)
    return blueprint


def _add_urls(setup: BlueprintSetupState) -> None:
    app = setup.app
    path = app.config.get("SMMAPI_DOCS_PATH") if "smmapi" in app.extensions else None
    if path is None:
        return
    url = app.config["SMMAPI_URL_PREFIX"].rstrip("/") + path
    host = "<host>" if app.url_map.host_matching else None
    setup.add_url_rule(url, "page", page, strict_slashes=False, host=host)
    setup.add_url_rule(f"{url}/<path:name>", "asset", asset, host=host)
    if find_spec("apispec"):
        setup.add_url_rule(url.rpartition("/")[0] + "/openapi.json", "openapi", openapi, host=host)


def _secure(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response


def page(**_: Any) -> str:
    """The API reference."""
    return render_template(
        "smmapi/docs.html",
        title=TITLE,
        url=_url(".api", external=True),
        path=_url(".api"),
        style=_url("_docs.asset", name="docs.css"),
        script=_url("_docs.asset", name="docs.js"),
        openapi=_url("_docs.openapi") if find_spec("apispec") else None,
        key_format="XXXXXXXX.XXXXXXXX-XXXXXXXX" if current_app.config["SMMAPI_KEY_PATTERN"] == PATTERN else None,
        dialects=DIALECT_NAMES,
        dialect=current_state().dialect.name,
        languages={language.lower(): language for language in read_snippets()},
        client=_snippets(CLIENT),
        first=_snippets("balance"),
        actions=list(_actions()),
        types=list(_types()),
        parameters=list(_parameters()),
        failures=list(_failures()),
        statuses=[(ORDER_STATUSES[status], text) for status, text in reference.STATUS_WORDS.items()],
        refill_statuses=reference.REFILL_WORDS.items(),
        limits=current_app.config,
    )


def asset(name: str, **_: Any) -> Response:
    """The page's style sheet and its script."""
    return send_from_directory(_ASSETS, name)


def openapi(**_: Any) -> Response:
    """The API as OpenAPI 3.1."""
    document = _openapi(_url(".api"), current_state().dialect.name, current_state().context.max_ids)
    return current_app.response_class(document, mimetype="application/json")


@lru_cache(maxsize=8)
def _openapi(url: str, dialect: str, max_ids: int) -> bytes:
    from .openapi import build  # apispec may not be there

    return json.dumps(build(url, TITLE, dialect, max_ids)).encode()


def _url(endpoint: str, *, external: bool = False, **values: str) -> str:
    """A URL of ours, wherever our blueprints are nested, for the same variables of a parent's prefix."""
    ours = str(request.blueprint).removesuffix("_docs")
    return url_for(ours + endpoint, _external=external, **{**(request.view_args or {}), **values})


class _Printed(NamedTuple):
    """An example as text: what is sent, the HTTP status of the answer, and the answer."""

    form: str
    params: str
    status: int
    answer: str


class _Shown(NamedTuple):
    """An action, as the page shows it.

    :param played: its examples, by dialect.
    :param code: by language.
    """

    name: str
    words: Action
    played: dict[str, list[_Printed]]
    code: dict[str, str]


def _actions() -> Iterator[_Shown]:
    for name, words in reference.ACTIONS_IN_WORDS.items():
        played = {
            dialect: [_printed(example) for example in reference.play(name, dialect)] for dialect in DIALECT_NAMES
        }
        yield _Shown(name, words, played, _snippets(name))


def _printed(example: Played) -> _Printed:
    return _Printed(example.form, _request(example.params), example.status, _pretty(example.answer))


def _request(params: Mapping[str, str]) -> str:
    return _pretty({"key": KEY, **params})


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _snippets(section: str) -> dict[str, str]:
    address = _url(".api", external=True)
    return {language.lower(): cut[section].replace(ADDRESS, address) for language, cut in read_snippets().items()}


def _types() -> Iterator[tuple[str, Any, str]]:
    for name, row in SERVICE_TYPES.items():
        yield name, row, _request({"action": "add", **reference.add_params(name)})


def _parameters() -> Iterator[tuple[str, str, reference.Parameter]]:
    for name, words in reference.PARAMETERS.items():
        yield name, _KINDS[FIELDS[name]] if name in FIELDS else "address or name", words


def _failures() -> Iterator[tuple[SmmError, int, str]]:
    """Each failure, its HTTP status in the panel dialect, and when it comes."""
    for failure, when in reference.failures(current_state().context.max_ids):
        yield failure, DIALECTS["panel"].error(failure)[1], when
