// A browser's User-Agent in the few words that tell devices apart: "Firefox 132 on Windows". Pure.
// What it says is the browser's own claim; the whole of it stays at hand beside these words.

/** Newer names first: each browser also calls itself by those it wants to pass for. */
const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdgi?A?\w*\/(\d+)/, "Edge"],
  [/\b(?:OPR|Opera)\/(\d+)/, "Opera"],
  [/\bVivaldi\/(\d+)/, "Vivaldi"],
  [/\bYaBrowser\/(\d+)/, "Yandex Browser"],
  [/\bSamsungBrowser\/(\d+)/, "Samsung Internet"],
  [/\bUCBrowser\/(\d+)/, "UC Browser"],
  [/\bDuckDuckGo\/(\d+)/, "DuckDuckGo"],
  [/\b(?:Firefox|FxiOS)\/(\d+)/, "Firefox"],
  [/\b(?:HeadlessChrome)\/(\d+)/, "Headless Chrome"],
  [/\b(?:Chrome|CriOS|Chromium)\/(\d+)/, "Chrome"],
  [/\bVersion\/(\d+)[\d.]*(?: Mobile\/\w+)? Safari\//, "Safari"],
  [/\bMSIE (\d+)/, "Internet Explorer"],
  [/\bTrident\/.*\brv:(\d+)/, "Internet Explorer"],
];

const systems: readonly (readonly [RegExp, string])[] = [
  [/\biPad\b/, "iPad"],
  [/\biPhone\b|\biPod\b/, "iPhone"],
  [/\bAndroid\b/, "Android"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bFreeBSD\b/, "FreeBSD"],
  [/\bLinux\b|\bX11\b/, "Linux"],
];

/** "Firefox 132 on Windows", "Safari 17 on iPhone", "curl 8.4.0"; the beginning of what nobody knows. */
export function device(agent: string): string {
  const text = agent.trim();
  if (text === "") return "Unknown device";
  const system = systems.find(([mark]) => mark.test(text))?.[1];
  for (const [mark, name] of browsers) {
    const version = mark.exec(text)?.[1];
    if (version !== undefined) return `${name} ${version}${system ? ` on ${system}` : ""}`;
  }
  const tool = /^([A-Za-z][\w .-]{0,30})\/(\d[\w.]*)/.exec(text);
  if (tool && tool[1] !== "Mozilla") return `${tool[1]} ${tool[2]}`;
  if (system) return `A browser on ${system}`;
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
