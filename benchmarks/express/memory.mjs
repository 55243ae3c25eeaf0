// The usual panel in Express: express-rate-limit, and maps in the place of the database.

import { randomBytes } from "node:crypto";
import express from "express";
import { rateLimit } from "express-rate-limit";

const users = new Map();
for (let id = 1; id <= 100; id++) {
  users.set(`${String(id).padStart(8, "0")}.Benchmrk-Benchmrk`, { id, balance: 1e9 });
}
const services = new Map();
for (let service = 1; service <= Number(process.env.BENCH_SERVICES ?? 100); service++) {
  services.set(service, {
    service, name: `Likes of the kind ${service}`, type: "Default", category: `Category ${service % 50}`,
    rate: 1, min: 1, max: 10000, refill: true, cancel: true,
  });
}
const orders = new Map();

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(rateLimit({
  windowMs: 15 * 60 * 1000,
  limit: 100_000, // high, since it counts a request until its answer is taken, and the bench hangs up on some
  skipSuccessfulRequests: true,
  requestWasSuccessful: (request, response) => response.statusCode !== 401,
}));

app.post("/api/v2", (request, response) => {
  const form = request.body;
  const user = users.get(form.key);
  if (!user) return response.status(401).json({ error: "Invalid API key" });
  if (form.action === "add") return add(user, form, response);
  if (form.action === "status") {
    const ids = (form.orders || form.order || "").split(",");
    return response.json(Object.fromEntries(ids.map((id) => [id, status(orders.get(id), user)])));
  }
  if (form.action === "services") return response.json([...services.values()].map(row));
  if (form.action === "balance") return response.json({ balance: user.balance.toFixed(8), currency: "USD" });
  return response.status(400).json({ error: "Incorrect request" });
});

function add(user, form, response) {
  const service = services.get(Number(form.service));
  if (!service) return response.status(400).json({ error: "Incorrect service ID" });
  const quantity = Number(form.quantity);
  if (!form.link) return response.status(400).json({ error: "Incorrect link" });
  if (!Number.isInteger(quantity) || quantity < service.min || quantity > service.max) {
    return response.status(400).json({ error: "Incorrect quantity" });
  }
  const charge = (service.rate * quantity) / 1000;
  if (user.balance < charge) return response.status(400).json({ error: "Not enough funds on balance" });
  user.balance -= charge;
  const id = randomBytes(12).toString("hex");
  orders.set(id, { user: user.id, link: form.link, quantity, charge });
  return response.json({ order: id });
}

function status(order, user) {
  if (!order || order.user !== user.id) return { error: "Incorrect order ID" };
  return {
    charge: order.charge.toFixed(8), start_count: "0", status: "Awaiting",
    remains: String(order.quantity), currency: "USD",
  };
}

function row(service) {
  return { ...service, rate: service.rate.toFixed(8), min: String(service.min), max: String(service.max) };
}

app.listen(Number(process.argv[2]), "127.0.0.1");
