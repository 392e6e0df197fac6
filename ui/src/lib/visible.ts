// Text from a site, made safe to read: what shows nothing, or turns the text around it, is shown by its number.
// Pure. The command line and the notices have the same rule, in crates/engine/src/text.rs; the cases of
// crates/engine/tests/visible.json hold both to it.

// Control characters, Unicode's default-ignorable characters, separators and interlinear annotations.
const hidden =
  // eslint-disable-next-line no-control-regex, no-misleading-character-class
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
const word = /[\p{Alphabetic}\p{N} ]/u;

/** The text with each hidden character as `<U+202E>`; empty where there is none. */
export function visible(text: string | null | undefined): string {
  if (!text) return "";
  return text.replace(hidden, (sign, at: number) => {
    if (sign === "\ufe0f") {
      // An emoji may be followed by the sign that gives it its colour.
      const before = Array.from(text.slice(0, at)).at(-1);
      if (before !== undefined && !word.test(before)) return sign;
    }
    return `<U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}
