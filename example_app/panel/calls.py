"""Calls of the API to copy: what the pages do, as lines for a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from flask import current_app, url_for

from flask_smmapi import Account, Service

from .sign_in import smmapi

PLACEHOLDER = "YOUR-KEY"

_PLAIN = re.compile(r"[A-Za-z0-9_./:,@-]*")


def api_url() -> str:
    return url_for("smmapi.api", _external=True)


def docs_url() -> str | None:
    """The reference's address, unless it is switched off."""
    return url_for("smmapi_docs.page") if "smmapi_docs.page" in current_app.view_functions else None


def curl(params: Mapping[str, str], key: str = PLACEHOLDER) -> str:
    """The line that sends *params* with *key*; whatever is in them, the shell and curl leave it as it is."""
    words = ["curl", api_url()]
    for name, value in {"key": key, **params}.items():
        words += ["-d" if _PLAIN.fullmatch(value) else "--data-urlencode", f"{name}={value}"]
    return shlex.join(words)


def example_order(account: Account) -> dict[str, str]:
    """An order that the account's price list allows; nothing if it has no service of the usual type."""
    service = next((row for row in smmapi().services(account) if row.type == "Default"), None)
    if service is None:
        return {}
    return {"service": str(service.id), "link": "https://example.com/post", "quantity": str(usual_quantity(service))}


def usual_quantity(service: Service) -> int:
    """A thousand, or what is nearest to it."""
    return min(max(1000, service.min), service.max)
