"""The least that does the work: one Flask view over dictionaries, with no limiter, no validation and no hooks."""

from __future__ import annotations

import json
import secrets
import threading
from decimal import Decimal
from typing import Any

from flask import Flask, Response, request

from benchmarks.data import ACCOUNTS, BALANCE, key_of, services, wire


def create_app() -> Flask:
    app = Flask("bare")
    account_of = {key_of(account): account for account in range(1, ACCOUNTS + 1)}
    balances = dict.fromkeys(account_of.values(), BALANCE)
    price_list = {row["service"]: row for row in services()}
    orders: dict[str, dict[str, Any]] = {}
    lock = threading.Lock()

    @app.post("/api/v2")
    def api() -> Response:
        form = request.form
        account = account_of.get(form["key"])
        if account is None:
            return answer({"error": "Invalid API key"}, 401)
        action = form["action"]
        if action == "add":
            quantity = int(form["quantity"])
            charge = price_list[int(form["service"])]["rate"] * quantity / 1000
            with lock:
                if balances[account] < charge:
                    return answer({"error": "Not enough funds on balance"}, 400)
                balances[account] -= charge
                order = secrets.token_hex(12)
                orders[order] = {
                    "account": account,
                    "service": form["service"],
                    "link": form["link"],
                    "charge": charge,
                    "quantity": quantity,
                }
            return answer({"order": order})
        if action == "status":
            asked = form.get("orders") or form["order"]
            return answer({order: status_of(orders.get(order), account) for order in asked.split(",")})
        if action == "services":
            return answer([wire(row) for row in price_list.values()])
        if action == "balance":
            return answer({"balance": f"{balances[account]:.8f}", "currency": "USD"})
        return answer({"error": "Incorrect request"}, 400)

    return app


def status_of(order: dict[str, Any] | None, account: int) -> dict[str, str]:
    if order is None or order["account"] != account:
        return {"error": "Incorrect order ID"}
    charge: Decimal = order["charge"]
    return {
        "charge": f"{charge:.8f}",
        "start_count": "0",
        "status": "Awaiting",
        "remains": str(order["quantity"]),
        "currency": "USD",
    }


def answer(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
