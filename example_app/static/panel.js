// The pages work without this file: it copies to the clipboard, and says when the server does not answer.
"use strict";

if (navigator.clipboard) {
  document.documentElement.classList.add("can-copy"); // the buttons are hidden without it
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.firstChild.textContent = "Copied";
  });
}

const trouble = document.getElementById("trouble");
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.body.addEventListener(name, () => { trouble.hidden = false; });
}
document.body.addEventListener("htmx:afterOnLoad", () => { trouble.hidden = true; });
