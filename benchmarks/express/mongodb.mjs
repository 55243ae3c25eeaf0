// The usual panel in Express: express-rate-limit, and mongoose models.

import express from "express";
import { rateLimit } from "express-rate-limit";
import mongoose from "mongoose";

const { Decimal128, ObjectId } = mongoose.Schema.Types;
const options = { autoIndex: false, autoCreate: false };
const User = mongoose.model("User", new mongoose.Schema({
  key: String, balance: Decimal128, currency: { type: String, default: "USD" },
}, options), "users");
const Service = mongoose.model("Service", new mongoose.Schema({
  service: Number, name: String, type: { type: String }, category: String, rate: Decimal128,
  min: Number, max: Number, refill: Boolean, cancel: Boolean,
}, options), "services");
const Order = mongoose.model("Order", new mongoose.Schema({
  user: { type: ObjectId, ref: "User", required: true }, service: Number, link: { type: String, required: true },
  quantity: { type: Number, min: 1 }, charge: Decimal128, currency: String,
  status: { type: String, default: "Awaiting" }, start_count: { type: Number, default: 0 }, remains: Number,
  created: { type: Date, default: Date.now },
}, options), "orders");

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(rateLimit({
  windowMs: 15 * 60 * 1000,
  limit: 100_000, // high, since it counts a request until its answer is taken, and the bench hangs up on some
  skipSuccessfulRequests: true,
  requestWasSuccessful: (request, response) => response.statusCode !== 401,
}));

app.post("/api/v2", async (request, response) => {
  const form = request.body;
  const user = await User.findOne({ key: String(form.key) });
  if (!user) return response.status(401).json({ error: "Invalid API key" });
  if (form.action === "add") return add(user, form, response);
  if (form.action === "status") return status(user, form, response);
  if (form.action === "services") return response.json((await Service.find()).map(row));
  if (form.action === "balance") return response.json({ balance: text(user.balance), currency: user.currency });
  return response.status(400).json({ error: "Incorrect request" });
});

async function add(user, form, response) {
  const service = await Service.findOne({ service: Number(form.service) });
  if (!service) return response.status(400).json({ error: "Incorrect service ID" });
  const quantity = Number(form.quantity);
  if (!form.link) return response.status(400).json({ error: "Incorrect link" });
  if (!Number.isInteger(quantity) || quantity < service.min || quantity > service.max) {
    return response.status(400).json({ error: "Incorrect quantity" });
  }
  const charge = ((Number(service.rate.toString()) * quantity) / 1000).toFixed(8);
  const debited = await User.updateOne(
    { _id: user._id, balance: { $gte: charge } },
    { $inc: { balance: `-${charge}` } },
  );
  if (!debited.modifiedCount) return response.status(400).json({ error: "Not enough funds on balance" });
  const order = await Order.create({
    user: user._id, service: service.service, link: form.link, quantity, charge, currency: user.currency,
    remains: quantity,
  });
  return response.json({ order: order.id });
}

async function status(user, form, response) {
  const asked = (form.orders || form.order || "").split(",");
  if (!asked.every((id) => mongoose.isValidObjectId(id))) {
    return response.status(400).json({ error: "Incorrect order ID" });
  }
  const found = await Order.find({ user: user._id, _id: { $in: asked } });
  const orders = new Map(found.map((order) => [order.id, order]));
  return response.json(Object.fromEntries(asked.map((id) => [id, statusOf(orders.get(id))])));
}

function statusOf(order) {
  if (!order) return { error: "Incorrect order ID" };
  return {
    charge: text(order.charge), start_count: String(order.start_count), status: order.status,
    remains: String(order.remains), currency: order.currency,
  };
}

function row(service) {
  const { name, type, category, refill, cancel } = service;
  return {
    service: service.service, name, type, category, rate: text(service.rate),
    min: String(service.min), max: String(service.max), refill, cancel,
  };
}

function text(amount) {
  return Number(amount.toString()).toFixed(8);
}

await mongoose.connect(process.env.BENCH_MONGODB_URI);
app.listen(Number(process.argv[2]), "127.0.0.1");
