"""What people see of the panel: its price list, and its errors. The order API answers for itself."""

from __future__ import annotations

from flask import Flask, current_app, jsonify, render_template_string, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from .database import Database
from .models import Service

PRICES = """<!doctype html>
<title>Prices</title>
<table>
{% for service in services %}<tr><td>{{ service.id }}<td>{{ service.name }}<td>{{ service.rate }}
{% endfor %}</table>
"""

ERROR = """<!doctype html>
<title>{{ name }}</title>
<h1>{{ name }}</h1>
<p><a href="/">To the prices</a>
"""


def add_pages(app: Flask) -> None:
    app.add_url_rule("/", view_func=show_prices)
    app.register_error_handler(HTTPException, show_error)


def show_prices() -> str:
    """The price list, before discounts."""
    database: Database = current_app.extensions["panel"]
    with database.transaction(writing=False) as session:
        services = session.scalars(select(Service).where(Service.enabled).order_by(Service.id)).all()
        return render_template_string(PRICES, services=services)


def show_error(error: HTTPException) -> ResponseReturnValue:
    """JSON for those who prefer it, a page for everybody else."""
    code = error.code or 500
    if request.accept_mimetypes.best == "application/json":
        return jsonify(message=error.name), code
    return render_template_string(ERROR, name=error.name), code
