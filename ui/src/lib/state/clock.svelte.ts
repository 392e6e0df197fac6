// The database's time as the window believes it: the newest answer of the engine, carried on by this
// machine's monotonic clock. The machine's own date is never asked.
import { createSubscriber } from "svelte/reactivity";

/** Between beats while somebody shows seconds, and while nobody does, in milliseconds. */
const SECOND = 1_000;
const SLOW = 5_000;

/** It beats each second only while `now` or `tick` is shown: waking a window in which nothing moves is most of what it costs. */
export class Clock {
  #now = $state(0);
  #tick = $state(performance.now());
  /** `now`, a few seconds late: for ages that are said in minutes and more. */
  slow = $state(0);
  /** `tick`, a few seconds late. */
  slowTick = $state(performance.now());
  /** While the site is out of reach its people's times stand still. */
  frozen = $state(false);
  #ahead: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #seconds = false;
  #show = createSubscriber(() => {
    this.#seconds = true;
    // What was shown by the slow time a moment ago is not to wait for it.
    this.#arm(0);
    return () => (this.#seconds = false);
  });

  /** Milliseconds since 1970 by the database; 0 before the first answer. */
  get now(): number {
    this.#show();
    return this.#now;
  }

  /** A monotonic count of milliseconds that ticks with `now`, for ages. */
  get tick(): number {
    this.#show();
    return this.#tick;
  }

  start(): () => void {
    this.#running = true;
    this.#arm();
    return () => {
      this.#running = false;
      clearTimeout(this.#timer);
    };
  }

  /** At each of the engine's events, too: while those come, a window that shows no seconds needs no timer. */
  beat(): void {
    this.#tick = performance.now();
    if (this.#ahead !== null && !this.frozen) this.#now = this.#tick + this.#ahead;
    const apart = Math.max(this.#tick - this.slowTick, Math.abs(this.#now - this.slow));
    // While the database's time stands still both are the same.
    if (apart >= SLOW || this.frozen) {
      this.slow = this.#now;
      this.slowTick = this.#tick;
    }
    this.#arm();
  }

  #arm(wait = this.#seconds ? SECOND : SLOW): void {
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => this.beat(), wait);
  }

  /** The engine says what time it is there. */
  set(stamp: number): void {
    const ahead = stamp - performance.now();
    // An answer may be a look old: the clock never runs backwards for that, only for a real jump.
    if (this.#ahead === null || Math.abs(ahead - this.#ahead) > 10_000 || ahead > this.#ahead)
      this.#ahead = ahead;
    this.beat();
  }
}
