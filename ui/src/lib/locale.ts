// A machine in the POSIX locale ("C") gives the window a language that Intl refuses, and a library that asks
// for it while it loads would leave the window blank. Imported before everything else.
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { configurable: true, get: () => "en" });
  Object.defineProperty(navigator, "languages", { configurable: true, get: () => ["en"] });
}
