// On a server of yours alone: in a web page, everybody could read the key.
const API_URL = "https://panel.example/api/v2";
const API_KEY = "YOUR_API_KEY";

class ApiError extends Error {
  constructor(text, status, retryAfter) {
    super(text);
    this.status = status; // of HTTP: 429 and 503 say in retryAfter how many seconds to wait
    this.retryAfter = retryAfter;
  }
}

async function call(action, params = {}) {
  const form = new URLSearchParams({ key: API_KEY, action, ...params });
  const response = await fetch(API_URL, { method: "POST", body: form, signal: AbortSignal.timeout(30_000) });
  const { status, headers } = response;
  const body = await response.text();
  let answer;
  try {
    answer = JSON.parse(body);
  } catch {
    answer = { error: `HTTP ${status} without JSON` }; // a proxy's page, perhaps
  }
  if (status !== 200 || answer.error) { // a refusal may come with status 200
    throw new ApiError(answer.error ?? `HTTP ${status}`, status, headers.get("Retry-After"));
  }
  return answer;
}

// --- balance
const balance = await call("balance");
console.log("balance", balance.balance, balance.currency); // an amount is a string: never make it a number

// --- services
for (const service of await call("services")) {
  console.log(service.service, service.name, service.rate);
}

// --- add
// In doubt, as after a timeout or a status of 500 and more, send it again: one request_id places one order.
const order = { service: 123, link: "https://example.com/post", quantity: 1000 };
const added = await call("add", { ...order, request_id: "shop-order-1001" });
console.log("order", added.order);

// --- status
// Many at once; each has an answer of its own.
const orders = ["507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012", "507f1f77bcf86cd799439013"];
for (const [id, row] of Object.entries(await call("status", { orders: orders.join(",") }))) {
  console.log(id, row.error ?? row.status);
}

// --- cancel
try {
  await call("cancel", { order: "507f1f77bcf86cd799439011" });
  console.log("canceled");
} catch (refusal) {
  if (!(refusal instanceof ApiError)) throw refusal;
  console.log("not canceled:", refusal.message);
}

// --- refill
const asked = await call("refill", { order: "507f1f77bcf86cd799439012" });
console.log("refill", asked.refill); // its id, to ask for its status with

// --- refill_status
const refill = await call("refill_status", { refill: "507f191e810c19729de860ea" });
console.log("refill_status", refill.status);
