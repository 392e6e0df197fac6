import { describe, expect, it } from "vitest";
import { changesBetween } from "../src/lib/state/order";

const of = (text: string) => text.split("");

describe("how many changes lie between two orders", () => {
  it.each([
    ["abc", "abc", 0],
    ["abc", "xab", 1],
    ["abc", "abcx", 1],
    ["abc", "ac", 1],
    ["abcd", "dabc", 1],
    ["abcd", "badc", 2],
    ["abc", "xyz", 3],
    ["", "ab", 2],
  ])("%s to %s: %d", (before, after, changes) => expect(changesBetween(of(before), of(after))).toBe(changes));
});
