"use strict";

// "Try it": sends an action that only reads, with the key that was typed in. The key is in the input field alone.

const form = document.getElementById("try-form");
const field = (name) => document.getElementById(`try-${name}`);
const asksForIds = () => field("action").selectedOptions[0].dataset.ids;

function showIds() {
  field("ids-row").hidden = !asksForIds();
  field("ids").required = Boolean(asksForIds());
}

async function send(event) {
  event.preventDefault();
  const body = new URLSearchParams({ key: field("key").value.trim(), action: field("action").value });
  if (asksForIds()) body.set(asksForIds(), field("ids").value);
  const answer = field("answer");
  field("status").textContent = "Sending …";
  answer.parentElement.hidden = true;
  try {
    const response = await fetch(form.dataset.url, { method: "POST", body, credentials: "omit", cache: "no-store" });
    const text = await response.text();
    field("status").textContent = `HTTP ${response.status}`;
    answer.textContent = pretty(text);
    answer.parentElement.hidden = false;
  } catch {
    field("status").textContent = "The server could not be reached.";
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

field("action").addEventListener("change", showIds);
form.addEventListener("submit", send);
showIds();
form.hidden = false;
field("needs").hidden = true;

// A button that copies, beside each piece of code.
for (const label of document.querySelectorAll("[class^='code-'] > .label")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${label.nextElementSibling.getAttribute("aria-label")}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(label.nextElementSibling.textContent);
    button.textContent = "Copied";
  });
  if (navigator.clipboard) label.append(button);
}
