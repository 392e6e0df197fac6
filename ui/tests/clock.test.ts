// The database's time as it ticks in the window, for ages in seconds and for those in minutes.
import { describe, expect, it } from "vitest";
import { Clock } from "../src/lib/state/clock.svelte";
import { settle } from "./window";

describe("the clock", () => {
  const began = Date.parse("2026-11-27T12:00:00Z");

  it("ticks each second, and its slow time at every fifth", async () => {
    const clock = new Clock();
    const stop = clock.start();
    clock.set(began);
    const slow = new Set<number>();
    for (let second = 1; second <= 20; second++) {
      await settle(1000);
      expect(clock.now).toBe(began + second * 1000);
      expect(clock.now - clock.slow).toBeLessThan(5000);
      slow.add(clock.slow);
    }
    expect(slow.size).toBe(5);
    stop();
  });

  it("stands still while frozen, and follows a clock that was set back", async () => {
    const clock = new Clock();
    const stop = clock.start();
    clock.set(began);
    await settle(3000);
    clock.frozen = true;
    await settle(30_000);
    expect([clock.now, clock.slow]).toEqual([began + 3000, began + 3000]);
    clock.frozen = false;
    clock.set(began - 3_600_000);
    expect([clock.now, clock.slow]).toEqual([began - 3_600_000, began - 3_600_000]);
    stop();
  });
});
