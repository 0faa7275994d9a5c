// Small things only a browser can do. No keystroke ever reaches the server.
//
//   data-hotkey="/"      the key focuses the field, or clicks the control
//   data-copy="text"     a click copies the text and says so in the page's status line
//   data-toggle="id"     a click opens or closes what the id names (aria-expanded)
//
// Shortcuts stay quiet while someone types, in dialogs, and when turned off:
// localStorage.hotkeys = "off".
(() => {
  const say = (text) => {
    const line = document.getElementById("browser-status");
    if (line) line.textContent = text;
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (localStorage.getItem("hotkeys") === "off") return;
    const from = event.target;
    if (from instanceof Element && from.closest("input,textarea,select,[contenteditable=true],[role=dialog]")) return;
    const target = document.querySelector(`[data-hotkey="${CSS.escape(event.key)}"]`);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input,textarea,select")) target.focus();
    else target.click();
  });

  document.addEventListener("click", async (event) => {
    const origin = event.target instanceof Element ? event.target : null;
    const copier = origin && origin.closest("[data-copy]");
    if (copier) {
      try {
        await navigator.clipboard.writeText(copier.dataset.copy);
        say(`Copied ${copier.dataset.copy}`);
      } catch {
        say("Copying is not allowed here");
      }
    }
    const toggle = origin && origin.closest("[data-toggle]");
    if (toggle) toggle.setAttribute("aria-expanded", String(toggle.getAttribute("aria-expanded") !== "true"));
    // A page chosen from the menu closes it.
    const chosen = origin && origin.closest(".side a");
    if (chosen) document.querySelectorAll(".menu-toggle").forEach((b) => b.setAttribute("aria-expanded", "false"));
  });
})();
