// Runs before anything is painted, so that nothing flashes in the other colours.
(() => {
  try {
    const kept = localStorage.getItem("rillcast.theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch { /* Storage may be forbidden; the system's colours are shown then. */ }
})();
