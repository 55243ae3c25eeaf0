import json
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from typing import Any

API_URL = "https://panel.example/api/v2"
API_KEY = "YOUR_API_KEY"


class ApiError(Exception):
    def __init__(self, text: str, response: Any) -> None:
        super().__init__(text)
        self.status = response.status  # of HTTP: 429 and 503 say in retry_after how many seconds to wait
        self.retry_after = response.headers["Retry-After"]


def call(action: str, **params: str) -> Any:
    form = urllib.parse.urlencode({"key": API_KEY, "action": action, **params})
    try:
        response = urllib.request.urlopen(API_URL, form.encode(), timeout=30)
    except urllib.error.HTTPError as failure:
        response = failure  # it has a body, too
    with response:
        body = response.read()
    try:
        answer = json.loads(body)
    except ValueError:  # a proxy's page, perhaps
        answer = {"error": f"HTTP {response.status} without JSON"}
    if response.status != 200 or "error" in answer:  # a refusal may come with status 200
        raise ApiError(answer.get("error", f"HTTP {response.status}"), response)
    return answer


# --- balance
balance = call("balance")
print("balance", Decimal(balance["balance"]), balance["currency"])  # an amount is never a float

# --- services
for service in call("services"):
    print(service["service"], service["name"], Decimal(service["rate"]))

# --- add
# In doubt, as after a timeout or a status of 500 and more, send it again: one request_id places one order.
new = {"service": "123", "link": "https://example.com/post", "quantity": "1000"}
added = call("add", request_id="shop-order-1001", **new)
print("order", added["order"])

# --- status
# Many at once; each has an answer of its own.
orders = ["507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012", "507f1f77bcf86cd799439013"]
for order, row in call("status", orders=",".join(orders)).items():
    print(order, row["error"] if "error" in row else row["status"])

# --- cancel
try:
    call("cancel", order="507f1f77bcf86cd799439011")
    print("canceled")
except ApiError as refusal:
    print("not canceled:", refusal)

# --- refill
asked = call("refill", order="507f1f77bcf86cd799439012")
print("refill", asked["refill"])  # its id, to ask for its status with

# --- refill_status
refill = call("refill_status", refill="507f191e810c19729de860ea")
print("refill_status", refill["status"])
