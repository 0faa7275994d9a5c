// Small things only a browser can do. No keystroke ever reaches the server.
//
//   data-hotkey="/"      the key focuses the field, or clicks the control
//   data-copy="text"     a click copies the text and says so in the page's status line
//   data-toggle="id"     a click opens or closes what the id names (aria-expanded)
//   data-age="3"         on <time>: its age in seconds when it came; the text is kept up to date
//
// It also leads the focus: into a page reached by a link, and back from a dialog.
//
// Shortcuts stay quiet while someone types, in dialogs, and when turned off:
// localStorage.hotkeys = "off".
(() => {
  const say = (text) => {
    const line = document.getElementById("browser-status");
    if (line) line.textContent = text;
  };

  // A dialog that closes gives the focus back to what had it before; a page that was reached by a
  // link gets it at its main part, so that the keyboard and a screen reader go on from there.
  let outside = null;
  document.addEventListener("focusin", (event) => {
    if (event.target instanceof Element && !event.target.closest("[role=dialog]")) outside = event.target;
  });
  const lost = () => document.activeElement === null || document.activeElement === document.body;
  new MutationObserver((changes) => {
    const closed = changes.some((change) => [...change.removedNodes].some(
      (node) => node instanceof Element && (node.matches("[role=dialog]") || node.querySelector("[role=dialog]"))));
    if (closed && !document.querySelector("[role=dialog]")) {
      requestAnimationFrame(() => {
        if (lost() && outside && outside.isConnected) outside.focus();
      });
    }
  }).observe(document, { childList: true, subtree: true });

  // The address changes before the page does: wait for the new page's main part.
  let path = location.pathname;
  const arrived = () => {
    if (location.pathname === path) return;
    path = location.pathname;
    const before = document.getElementById("main");
    let frames = 60;
    const look = () => {
      const main = document.getElementById("main");
      frames -= 1;
      if ((!main || main === before) && frames > 0) requestAnimationFrame(look);
      else if (main && (lost() || !main.contains(document.activeElement))) main.focus({ preventScroll: true });
    };
    requestAnimationFrame(look);
  };
  for (const name of ["pushState", "replaceState"]) {
    const original = history[name];
    history[name] = function (...args) {
      original.apply(this, args);
      setTimeout(arrived, 0);
    };
  }
  addEventListener("popstate", () => setTimeout(arrived, 0));

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

  // The server says how old something is once; from then on the browser counts. The text belongs
  // to this script alone: the element comes without any.
  const ages = new WeakMap();
  const ago = (seconds) => {
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
      if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ago`;
    }
    return `${seconds} s ago`;
  };
  const count = () => {
    for (const it of document.querySelectorAll("time[data-age]")) {
      const said = `${it.dateTime} ${it.dataset.age}`;
      if (ages.get(it)?.said !== said) ages.set(it, { said, at: Date.now() - 1000 * Number(it.dataset.age) });
      const text = ago(Math.max(0, Math.round((Date.now() - ages.get(it).at) / 1000)));
      if (it.textContent !== text) it.textContent = text;
    }
  };
  setInterval(count, 1000);
  new MutationObserver(count).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["datetime", "data-age"],
  });
})();
