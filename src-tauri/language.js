// In the locale C.UTF-8, which servers and containers have, WebKitGTK calls the language "C". That is no language
// tag: every Intl constructor throws on it, and one of them in a library's first line leaves the window empty.
(() => {
  try {
    Intl.getCanonicalLocales(navigator.languages.concat(navigator.language));
  } catch {
    Object.defineProperty(Navigator.prototype, "language", { get: () => "en-US" });
    Object.defineProperty(Navigator.prototype, "languages", { get: () => ["en-US"] });
  }
})();
