// A client on Node's own fetch. It sends a form, or JSON, as its first argument says, and looks into the body whatever
// the HTTP status. What it does not have it hands on as it is: undefined, null. Below it, what lets a test drive it.

import { createInterface } from "node:readline";

const ENCODINGS = {
  form: {
    body: (params) => new URLSearchParams(params), // fetch adds the content type
    headers: {},
  },
  json: {
    body: (params) => JSON.stringify(params),
    headers: { "content-type": "application/json; charset=utf-8" },
  },
};

class Api {
  constructor(url, key, encoding) {
    Object.assign(this, { url, key, encoding });
  }

  order({ service, link, quantity, comments, runs, interval, ...more }) {
    return this.ask("add", { service, link, quantity, comments, runs, interval, ...more });
  }

  status(order) {
    return this.ask("status", { order });
  }

  multiStatus(orders) {
    return this.ask("status", { orders }); // a form writes an array as a comma list
  }

  services() {
    return this.ask("services");
  }

  refill(order) {
    return this.ask("refill", { order });
  }

  multiRefill(orders) {
    return this.ask("refill", { orders });
  }

  refillStatus(refill) {
    return this.ask("refill_status", { refill });
  }

  multiRefillStatus(refills) {
    return this.ask("refill_status", { refills });
  }

  cancel(orders) {
    return this.ask("cancel", { orders });
  }

  balance() {
    return this.ask("balance");
  }

  async ask(action, params = {}) {
    const { body, headers } = this.encoding;
    const sent = body({ key: this.key, action, ...params });
    this.sent = sent.toString();
    const response = await fetch(this.url, { method: "POST", headers, body: sent });
    return response.json();
  }
}

// A line is [url, key, method, arguments]; the method "sent" gives the body of the call before.
const encoding = ENCODINGS[process.argv[2]];
let api;
for await (const line of createInterface({ input: process.stdin })) {
  const [url, key, method, parameters] = JSON.parse(line);
  if (method === "sent") {
    console.log(JSON.stringify(api.sent));
    continue;
  }
  api = new Api(url, key, encoding);
  console.log(JSON.stringify(await api[method](...parameters)));
}
