"""The usual panel in FastAPI: pydantic checks the form; dictionaries in the place of the database."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from benchmarks.data import ACCOUNTS, BALANCE, key_of, services, wire


class ApiRequest(BaseModel):
    key: str
    action: Literal["add", "status", "services", "balance"]
    service: int | None = None
    link: str | None = Field(None, min_length=1)
    quantity: int | None = Field(None, ge=1)
    order: str | None = None
    orders: str | None = None


app = FastAPI()
users: dict[str, dict[str, Any]] = {
    key_of(number): {"id": number, "balance": BALANCE} for number in range(1, ACCOUNTS + 1)
}
price_list = {row["service"]: row for row in services()}
orders: dict[str, dict[str, Any]] = {}


@app.post("/api/v2")
async def api(form: Annotated[ApiRequest, Form()]) -> JSONResponse:
    user = users.get(form.key)
    if user is None:
        return JSONResponse({"error": "Invalid API key"}, 401)
    if form.action == "add":
        return add(user, form)
    if form.action == "status":
        ids = (form.orders or form.order or "").split(",")
        return JSONResponse({order: status_of(orders.get(order), user) for order in ids})
    if form.action == "services":
        return JSONResponse([wire(row) for row in price_list.values()])
    return JSONResponse({"balance": f"{user['balance']:.8f}", "currency": "USD"})


def add(user: dict[str, Any], form: ApiRequest) -> JSONResponse:
    service = price_list.get(form.service or 0)
    if service is None:
        return JSONResponse({"error": "Incorrect service ID"}, 400)
    if form.link is None:
        return JSONResponse({"error": "Incorrect link"}, 400)
    if form.quantity is None or not service["min"] <= form.quantity <= service["max"]:
        return JSONResponse({"error": "Incorrect quantity"}, 400)
    charge = service["rate"] * form.quantity / 1000
    if user["balance"] < charge:
        return JSONResponse({"error": "Not enough funds on balance"}, 400)
    user["balance"] -= charge
    order = secrets.token_hex(12)
    orders[order] = {"user": user["id"], "link": form.link, "quantity": form.quantity, "charge": charge}
    return JSONResponse({"order": order})


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
