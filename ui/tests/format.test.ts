import { describe, expect, it } from "vitest";
import {
  ago,
  agoWords,
  ahead,
  countdown,
  fingerprint,
  length,
  lengthText,
  place,
  span,
} from "../src/lib/format";

describe("lengths of time, as the table shows them", () => {
  it.each([
    [0, "0 s"],
    [12, "12 s"],
    [59.9, "59 s"],
    [60, "1 min"],
    [41 * 60 + 59, "41 min"],
    [3600, "1 h 00"],
    [3600 + 7 * 60, "1 h 07"],
    [86_399, "23 h 59"],
    [-5, "0 s"],
  ])("%d s is %s", (seconds, text) => expect(span(seconds)).toBe(text));

  it.each([
    [86_400, "yesterday"],
    [2 * 86_400, "2 d"],
    [40 * 86_400, "40 d"],
  ])("%d s ago is %s", (seconds, text) => expect(ago(seconds)).toBe(text));

  it("says ago where it fits", () => {
    expect(agoWords(41 * 60)).toBe("41 min ago");
    expect(agoWords(3 * 3600 + 100)).toBe("3 h ago");
    expect(agoWords(90_000)).toBe("yesterday");
  });
  it("counts down to the second", () => {
    expect(countdown(192)).toBe("3:12");
    expect(countdown(3729)).toBe("1:02:09");
    expect(countdown(-3)).toBe("0:00");
  });
  it("looks ahead", () => {
    expect(ahead(13.5 * 86_400)).toBe("in 13 d");
    expect(ahead(-1)).toBe("now");
  });
});

describe("lengths of time, as people write them", () => {
  it.each([
    ["5m", 300],
    ["5 min", 300],
    ["90s", 90],
    ["1h 30m", 5400],
    ["14d", 1_209_600],
  ])("%s", (text, seconds) => expect(length(text)).toBe(seconds));
  it.each(["", "5", "m", "5 x", "5m!", "-5m"])("refuses %j", (text) => expect(length(text)).toBeNull());
  it.each([1, 90, 300, 5400, 100_000, 1_209_600])("reads back what it wrote: %d", (seconds) =>
    expect(length(lengthText(seconds))).toBe(seconds),
  );
});

describe("places and prints", () => {
  it("names a database in a word, and never its password", () => {
    expect(place("postgres://curfew:secret@db.internal:5433/shop")).toBe("db.internal:5433");
    expect(place("db.internal:5433/shop")).toBe("db.internal:5433");
    expect(place("sqlite:///var/lib/site.sqlite3")).toBe("site.sqlite3");
    expect(place("/var/lib/site.sqlite3")).toBe("site.sqlite3");
    expect(place("C:\\sites\\site.sqlite3")).toBe("site.sqlite3");
    expect(place("")).toBe("");
  });
  it("groups a fingerprint by four", () => expect(fingerprint("9f3c1ab077de")).toBe("9f3c 1ab0 77de"));
});
