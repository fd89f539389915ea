// Says so when a part of the page did not come (the network changed, the server was just stopped): where one module is
// missing, none of them runs. A script of the old kind, as those run before any module is asked for.

addEventListener(
  "error",
  ({ target }) => {
    if (!(target instanceof HTMLScriptElement)) return;
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", tell);
    else tell();
  },
  true, // such an error does not bubble
);

function tell() {
  /** @param {string} id @param {string} text */
  const say = (id, text) => {
    const element = document.getElementById(id);
    if (element) element.textContent = text;
  };
  say("status-text", "Not loaded");
  say("notice-title", "The page did not load");
  say("notice-detail", "A part of it did not come from the server. Is the server running, and the network up? Then try again.");
  document.getElementById("notice")?.removeAttribute("hidden");
  document.getElementById("notice-close")?.setAttribute("hidden", "");
  document.getElementById("notice-retry")?.addEventListener("click", () => location.reload());
}
