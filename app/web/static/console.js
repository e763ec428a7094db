"use strict";
/* What needs a script: copying a command, holding the live journal still, and keeping it from growing for ever. */
(() => {
  const MOST_ROWS = 500;

  for (const button of document.querySelectorAll("button.copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }

  const pause = document.getElementById("pause-label");
  if (!pause) return;
  pause.hidden = false;
  const live = document.getElementById("live-on");
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "live" && (!live.checked || document.hidden)) event.preventDefault();
  });
  document.body.addEventListener("htmx:oobAfterSwap", () => {
    const rows = document.getElementById("rows").rows;
    while (rows.length > MOST_ROWS) rows[rows.length - 1].remove();
  });
})();
