// @ts-check
/**
 * Light or dark: the system's choice until the person makes one. A classic script, so that it runs
 * before the first paint.
 */

(() => {
  const STORE = "voiceserver.theme";
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const stored = localStorage.getItem(STORE);
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

  document.addEventListener("DOMContentLoaded", () => {
    const button = /** @type {HTMLButtonElement} */ (document.getElementById("theme"));
    const label = () => {
      button.setAttribute(
        "aria-label",
        isDark() ? "Switch to light colours" : "Switch to dark colours",
      );
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      localStorage.setItem(STORE, root.dataset.theme);
      label();
    });
    prefersDark.addEventListener("change", label);
    label();
  });
})();
