// For the few pages that the server writes whole: the theme that the other pages keep, before
// anything is drawn; the recovery codes into the clipboard.
(() => {
  const chosen = localStorage.getItem("theme") || "system";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const show = () => document.documentElement.classList.toggle(
    "dark", chosen === "dark" || (chosen === "system" && dark.matches));
  dark.addEventListener("change", show);
  show();
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-copy]");
    if (!button) return;
    navigator.clipboard.writeText(button.dataset.copy).then(
      () => { document.getElementById("copied").textContent = "Copied."; },
      () => { document.getElementById("copied").textContent = "Your browser does not allow copying."; });
  });
})();
