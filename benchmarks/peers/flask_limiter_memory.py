"""The usual panel in Flask: Flask-Limiter's decorator, jsonify, and dictionaries in the place of the database."""

from __future__ import annotations

import secrets
import threading
from typing import Any

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from benchmarks.data import ACCOUNTS, BALANCE, key_of, services, wire


def create_app() -> Flask:
    app = Flask("usual")
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
    users = {key_of(number): {"id": number, "balance": BALANCE} for number in range(1, ACCOUNTS + 1)}
    price_list = {row["service"]: row for row in services()}
    orders: dict[str, dict[str, Any]] = {}
    lock = threading.Lock()

    @app.post("/api/v2")
    @limiter.limit("10 per 15 minutes", deduct_when=lambda response: response.status_code == 401)
    def api() -> ResponseReturnValue:
        user: dict[str, Any] | None = users.get(request.form.get("key", ""))
        if user is None:
            return jsonify(error="Invalid API key"), 401
        action = request.form.get("action")
        if action == "add":
            return add(user)
        if action == "status":
            ids = (request.form.get("orders") or request.form.get("order", "")).split(",")
            return jsonify({order: status_of(orders.get(order), user) for order in ids})
        if action == "services":
            return jsonify([wire(row) for row in price_list.values()])
        if action == "balance":
            return jsonify(balance=f"{user['balance']:.8f}", currency="USD")
        return jsonify(error="Incorrect request"), 400

    def add(user: dict[str, Any]) -> ResponseReturnValue:
        service = price_list.get(request.form.get("service", type=int) or 0)
        if service is None:
            return jsonify(error="Incorrect service ID"), 400
        link, quantity = request.form.get("link"), request.form.get("quantity", type=int)
        if not link:
            return jsonify(error="Incorrect link"), 400
        if not quantity or not service["min"] <= quantity <= service["max"]:
            return jsonify(error="Incorrect quantity"), 400
        charge = service["rate"] * quantity / 1000
        with lock:
            if user["balance"] < charge:
                return jsonify(error="Not enough funds on balance"), 400
            user["balance"] -= charge
        order = secrets.token_hex(12)
        orders[order] = {"user": user["id"], "link": link, "quantity": quantity, "charge": charge}
        return jsonify(order=order)

    return app


def status_of(order: dict[str, Any] | None, user: dict[str, Any]) -> dict[str, str]:
    if order is None or order["user"] != user["id"]:
        return {"error": "Incorrect order ID"}
    return {
        "charge": f"{order['charge']:.8f}",
        "start_count": "0",
        "status": "Awaiting",
        "remains": str(order["quantity"]),
        "currency": "USD",
    }
