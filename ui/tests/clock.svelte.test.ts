// The database's time as it ticks in the window, for ages in seconds and for those in minutes.
import { flushSync } from "svelte";
import { describe, expect, it } from "vitest";
import { Clock } from "../src/lib/state/clock.svelte";
import { settle } from "./window";

const began = Date.parse("2026-11-27T12:00:00Z");

/** Somebody shows what this reads; the function ends it. */
function show(read: () => unknown): () => void {
  const stop = $effect.root(() => {
    $effect(() => void read());
  });
  flushSync();
  return stop;
}

/** Different values of it in so many seconds. */
async function values(read: () => number, seconds: number): Promise<number> {
  const seen = new Set<number>();
  for (let second = 0; second < seconds; second++) {
    await settle(1000);
    seen.add(read());
  }
  return seen.size;
}

describe("the clock", () => {
  it("beats each second while seconds are shown, and every fifth otherwise", async () => {
    const clock = new Clock();
    const stop = clock.start();
    clock.set(began);
    const slow = show(() => clock.slow);
    expect(await values(() => clock.now, 20)).toBeLessThan(6);
    const seconds = show(() => clock.now);
    expect(await values(() => clock.now, 20)).toBe(20);
    expect(await values(() => clock.slow, 20)).toBeLessThan(6);
    seconds();
    await settle(2000);
    expect(await values(() => clock.tick, 20)).toBeLessThan(6);
    slow();
    stop();
  });

  it("is right at once for whoever begins to show it", async () => {
    const clock = new Clock();
    const stop = clock.start();
    clock.set(began);
    await settle(4000);
    const seconds = show(() => clock.now);
    await settle(0);
    expect(clock.now).toBe(began + 4000);
    seconds();
    stop();
  });

  it("needs no timer of its own while the engine's events come", async () => {
    const clock = new Clock();
    const stop = clock.start();
    clock.set(began);
    for (let event = 1; event <= 10; event++) {
      await settle(2000);
      expect(clock.now).toBe(began + (event - 1) * 2000);
      clock.beat();
      expect(clock.now - clock.slow).toBeLessThan(5000);
    }
    stop();
  });

  it("stands still while frozen, and follows a clock that was set back", async () => {
    const clock = new Clock();
    const stop = clock.start();
    const seconds = show(() => clock.now);
    clock.set(began);
    await settle(3000);
    clock.frozen = true;
    await settle(30_000);
    expect([clock.now, clock.slow]).toEqual([began + 3000, began + 3000]);
    clock.frozen = false;
    clock.set(began - 3_600_000);
    expect([clock.now, clock.slow]).toEqual([began - 3_600_000, began - 3_600_000]);
    seconds();
    stop();
  });
});
