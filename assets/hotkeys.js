// Small things only a browser can do. No keystroke ever reaches the server.
//
//   data-hotkey="/"      the key focuses the field, or clicks the control
//   data-copy="text"     a click copies the text and says so in the page's status line
//   data-toggle="id"     a click opens or closes what the id names (aria-expanded)
//   data-age="3"         on <time>: its age in seconds when it came; the text is kept up to date
//   data-row="id"        a row of a list that j and k walk through; in it data-row-key="c" is what
//                        a key clicks while the row has the focus
//   data-next-row="id"   on a list: the row that gets the focus when this changes ("-" for none)
//   data-unsaved         something typed is not saved: leaving the page asks first
//   data-hotkeys-switch  a click turns the shortcuts off and on
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

  // Rows: a key walks to the next one, or means something inside the one that has the focus.
  const walked = {};
  const inRow = (key) => {
    const at = document.activeElement && document.activeElement.closest("[data-row]");
    if (key === "j" || key === "k") {
      const rows = [...document.querySelectorAll("[data-row]")];
      if (!rows.length) return null;
      const next = at ? rows.indexOf(at) + (key === "j" ? 1 : -1) : 0;
      rows[Math.min(Math.max(next, 0), rows.length - 1)].focus();
      return walked;
    }
    // Enter on a link or a button in the row is that one's own.
    if (!at || (key === "Enter" && at !== document.activeElement)) return null;
    return at.querySelector(`[data-row-key="${CSS.escape(key)}"]`);
  };

  // What was done from a row leads on to the next one, as soon as the dialog is gone.
  const goOn = (key, frames = 120) => {
    if (document.querySelector("[role=dialog]")) {
      if (frames > 0) requestAnimationFrame(() => goOn(key, frames - 1));
      return;
    }
    const to = document.querySelector(`[data-row="${CSS.escape(key)}"]`) || document.getElementById("main");
    outside = to;
    // After the dialog itself has given the focus back to where it was opened from.
    setTimeout(() => to && to.focus({ preventScroll: to.id === "main" }), 50);
  };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const key = target.dataset.nextRow.split(" ")[0];
      if (key) goOn(key);
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-next-row"] });

  // What was typed and not saved is not left without asking.
  const isUnsaved = () => document.querySelector('[data-unsaved="true"]') !== null;
  addEventListener("beforeunload", (event) => {
    if (isUnsaved()) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[href]");
    if (!link || link.target || link.pathname === location.pathname || !isUnsaved()) return;
    if (!confirm("What you typed is not saved. Leave the page?")) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  // Whoever uses speech or a screen reader may want no shortcuts.
  const areOff = () => localStorage.getItem("hotkeys") === "off";
  const showSwitch = () => {
    for (const it of document.querySelectorAll("[data-hotkeys-switch]")) {
      const wanted = String(!areOff());
      if (it.getAttribute("aria-pressed") !== wanted) it.setAttribute("aria-pressed", wanted);
    }
  };
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element && event.target.closest("[data-hotkeys-switch]"))) return;
    localStorage.setItem("hotkeys", areOff() ? "on" : "off");
    showSwitch();
    say(areOff() ? "Shortcuts are off" : "Shortcuts are on");
  });
  new MutationObserver(showSwitch).observe(document, { childList: true, subtree: true });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (areOff()) return;
    const from = event.target;
    if (from instanceof Element && from.closest("input,textarea,select,[contenteditable=true],[role=dialog]")) return;
    const target = inRow(event.key) || document.querySelector(`[data-hotkey="${CSS.escape(event.key)}"]`);
    if (!target) return;
    if (target === walked) return void event.preventDefault();
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
