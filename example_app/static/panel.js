// The pages work without this file: it copies to the clipboard, and says when the server does not answer.
"use strict";

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.firstChild.textContent = "Copied";
    });
  }
}

const trouble = document.getElementById("trouble");
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.body.addEventListener(name, () => { trouble.hidden = false; });
}
document.body.addEventListener("htmx:afterOnLoad", () => { trouble.hidden = true; });
