"""The usual panel in FastAPI on MongoDB: pydantic checks the form; PyMongo's own async client."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal

from bson.decimal128 import Decimal128
from bson.errors import InvalidId
from bson.objectid import ObjectId
from fastapi import FastAPI, Form
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient


class ApiRequest(BaseModel):
    key: str
    action: Literal["add", "status", "services", "balance"]
    service: int | None = None
    link: str | None = Field(None, min_length=1)
    quantity: int | None = Field(None, ge=1)
    order: str | None = None
    orders: str | None = None


app = FastAPI()
client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["BENCH_MONGODB_URI"])
database = client.get_default_database()


@app.post("/api/v2")
async def api(form: Annotated[ApiRequest, Form()]) -> JSONResponse:
    user = await database.users.find_one({"key": form.key})
    if user is None:
        return JSONResponse({"error": "Invalid API key"}, 401)
    if form.action == "add":
        return await add(user, form)
    if form.action == "status":
        return await status(user, (form.orders or form.order or "").split(","))
    if form.action == "services":
        return JSONResponse([row_of(service) async for service in database.services.find()])
    return JSONResponse({"balance": text(user["balance"]), "currency": user["currency"]})


async def add(user: dict[str, Any], form: ApiRequest) -> JSONResponse:
    service = await database.services.find_one({"service": form.service})
    if service is None:
        return JSONResponse({"error": "Incorrect service ID"}, 400)
    if form.link is None:
        return JSONResponse({"error": "Incorrect link"}, 400)
    if form.quantity is None or not service["min"] <= form.quantity <= service["max"]:
        return JSONResponse({"error": "Incorrect quantity"}, 400)
    charge: Decimal = service["rate"].to_decimal() * form.quantity / 1000
    enough = {"_id": user["_id"], "balance": {"$gte": Decimal128(charge)}}
    debited = await database.users.update_one(enough, {"$inc": {"balance": Decimal128(-charge)}})
    if not debited.modified_count:
        return JSONResponse({"error": "Not enough funds on balance"}, 400)
    order = {
        "user": user["_id"],
        "service": service["service"],
        "link": form.link,
        "quantity": form.quantity,
        "charge": Decimal128(charge),
        "currency": user["currency"],
        "status": "Awaiting",
        "start_count": 0,
        "remains": form.quantity,
        "created": datetime.now(timezone.utc),
    }
    inserted = await database.orders.insert_one(order)
    return JSONResponse({"order": str(inserted.inserted_id)})


async def status(user: dict[str, Any], asked: list[str]) -> JSONResponse:
    try:
        ids = [ObjectId(id_) for id_ in asked]
    except InvalidId:
        return JSONResponse({"error": "Incorrect order ID"}, 400)
    cursor = database.orders.find({"user": user["_id"], "_id": {"$in": ids}})
    found = {str(order["_id"]): order async for order in cursor}
    return JSONResponse(
        {id_: status_of(found[id_]) if id_ in found else {"error": "Incorrect order ID"} for id_ in asked}
    )


def status_of(order: dict[str, Any]) -> dict[str, str]:
    return {
        "charge": text(order["charge"]),
        "start_count": str(order["start_count"]),
        "status": order["status"],
        "remains": str(order["remains"]),
        "currency": order["currency"],
    }


def row_of(service: dict[str, Any]) -> dict[str, Any]:
    del service["_id"]
    service["rate"] = text(service["rate"])
    return {**service, "min": str(service["min"]), "max": str(service["max"])}


def text(amount: Decimal128) -> str:
    return f"{amount.to_decimal():.8f}"
