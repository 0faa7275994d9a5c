// The token of a link for a new password stands behind the # of the address, where no server sees
// it. It is taken out of the address before anything else runs, kept in this script alone, and put
// into the form when that is sent.
(() => {
  if (!/^\/reset-password\/?$/.test(location.pathname)) return;
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname);
  document.addEventListener("submit", (event) => {
    const field = event.target instanceof HTMLFormElement && event.target.elements.namedItem("token");
    if (field && token) field.value = token;
  }, true);
})();
