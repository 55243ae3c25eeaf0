"""The installed wheel serves an order, knows its types, has its examples, and imports no database unasked."""

import importlib.resources
import sys
from decimal import Decimal

from flask import Flask

from flask_smmapi import Account, Service, SmmApi
from flask_smmapi.snippets import read_snippets
from flask_smmapi.stores.memory import MemoryStore

service = Service(1, "Likes", "Default", "Tests", Decimal("1.00"), min=1, max=10_000, cancel=True)
store = MemoryStore([service])
key = store.add_account(Account(id=1), balance=Decimal(100))
app = Flask(__name__)
SmmApi(app, store=store)
client = app.test_client()


def post(**params: str) -> object:
    return client.post("/api/v2", data={"key": key, **params}).get_json()


order = post(action="add", service="1", link="https://example.com/post", quantity="1000")
assert post(action="balance") == {"balance": "99.00000000", "currency": "USD"}
assert post(action="cancel", order=order["order"]) == {"cancel": 1}
assert post(action="balance") == {"balance": "100.00000000", "currency": "USD"}
assert importlib.resources.files("flask_smmapi").joinpath("py.typed").is_file()
assert [len(sections) for sections in read_snippets().values()] == [8, 8, 8, 8]
for url, status in {"/docs": 200, "/docs/docs.css": 200, "/docs/docs.js": 200, "/openapi.json": 404}.items():
    with client.get(f"/api/v2{url}") as response:  # the last one needs apispec
        assert response.status_code == status
assert "pymongo" not in sys.modules
print("The wheel works.")
