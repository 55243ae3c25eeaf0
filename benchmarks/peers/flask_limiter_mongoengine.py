"""The usual panel in Flask: Flask-Limiter's decorator, and mongoengine documents with querysets and ``save()``."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from bson.errors import InvalidId
from bson.objectid import ObjectId
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from mongoengine import (
    BooleanField,
    DateTimeField,
    Decimal128Field,
    Document,
    IntField,
    ReferenceField,
    StringField,
    connect,
)


class User(Document):
    meta = {"collection": "users", "auto_create_index": False}
    key = StringField(required=True, unique=True)
    balance = Decimal128Field(default=Decimal(0))
    currency = StringField(default="USD")


class Service(Document):
    meta = {"collection": "services", "auto_create_index": False}
    service = IntField(required=True, unique=True)
    name = StringField()
    type = StringField()
    category = StringField()
    rate = Decimal128Field()
    min = IntField()
    max = IntField()
    refill = BooleanField()
    cancel = BooleanField()


class Order(Document):
    meta = {"collection": "orders", "auto_create_index": False}
    user = ReferenceField(User, required=True)
    service = IntField()
    link = StringField(required=True)
    quantity = IntField(min_value=1)
    charge = Decimal128Field()
    currency = StringField()
    status = StringField(default="Awaiting")
    start_count = IntField(default=0)
    remains = IntField()
    created = DateTimeField(default=lambda: datetime.now(timezone.utc))


def create_app() -> Flask:
    app = Flask("usual")
    connect(host=os.environ["BENCH_MONGODB_URI"], uuidRepresentation="standard")
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")

    @app.post("/api/v2")
    @limiter.limit("10 per 15 minutes", deduct_when=lambda response: response.status_code == 401)
    def api() -> ResponseReturnValue:
        user = User.objects(key=request.form.get("key", "")).first()
        if user is None:
            return jsonify(error="Invalid API key"), 401
        action = request.form.get("action")
        if action == "add":
            return add(user)
        if action == "status":
            return status(user)
        if action == "services":
            return jsonify([row_of(service) for service in Service.objects])
        if action == "balance":
            return jsonify(balance=f"{user.balance:.8f}", currency=user.currency)
        return jsonify(error="Incorrect request"), 400

    return app


def add(user: Any) -> ResponseReturnValue:
    service = Service.objects(service=request.form.get("service", type=int)).first()
    if service is None:
        return jsonify(error="Incorrect service ID"), 400
    link, quantity = request.form.get("link"), request.form.get("quantity", type=int)
    if not link:
        return jsonify(error="Incorrect link"), 400
    if not quantity or not service.min <= quantity <= service.max:
        return jsonify(error="Incorrect quantity"), 400
    charge = service.rate * quantity / 1000
    if not User.objects(id=user.id, balance__gte=charge).update_one(dec__balance=charge):
        return jsonify(error="Not enough funds on balance"), 400
    order = Order(
        user=user,
        service=service.service,
        link=link,
        quantity=quantity,
        charge=charge,
        currency=user.currency,
        remains=quantity,
    ).save()
    return jsonify(order=str(order.id))


def status(user: Any) -> ResponseReturnValue:
    asked = (request.form.get("orders") or request.form.get("order", "")).split(",")
    try:
        ids = [ObjectId(id_) for id_ in asked]
    except InvalidId:
        return jsonify(error="Incorrect order ID"), 400
    found = {str(order.id): order for order in Order.objects(user=user, id__in=ids)}
    return jsonify({id_: status_of(found[id_]) if id_ in found else {"error": "Incorrect order ID"} for id_ in asked})


def status_of(order: Any) -> dict[str, str]:
    return {
        "charge": f"{order.charge:.8f}",
        "start_count": str(order.start_count),
        "status": order.status,
        "remains": str(order.remains),
        "currency": order.currency,
    }


def row_of(service: Any) -> dict[str, Any]:
    return {
        "service": service.service,
        "name": service.name,
        "type": service.type,
        "category": service.category,
        "rate": f"{service.rate:.8f}",
        "min": str(service.min),
        "max": str(service.max),
        "refill": service.refill,
        "cancel": service.cancel,
    }
