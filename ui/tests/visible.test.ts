import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { visible } from "../src/lib/visible";

// Tests run in ui/.
const file = "../crates/engine/tests/visible.json";
const cases = JSON.parse(readFileSync(file, "utf8")) as [string, string][];

describe("hidden characters", () => {
  test.each(cases)("%j is shown as %j", (text, expected) => {
    expect(visible(text)).toBe(expected);
  });

  test("what is missing is empty", () => {
    expect(visible(null)).toBe("");
    expect(visible(undefined)).toBe("");
  });
});
