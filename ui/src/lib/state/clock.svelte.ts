// The database's time as the window believes it: the newest answer of the engine, carried on by this
// machine's monotonic clock. The machine's own date is never asked.

const SLOW = 5_000;

export class Clock {
  /** Milliseconds since 1970 by the database, moving once a second; 0 before the first answer. */
  now = $state(0);
  /** The same a few seconds late: for ages that are said in minutes and more, which need not be worked out each second. */
  slow = $state(0);
  /** A monotonic count of milliseconds that ticks with `now`, for ages. */
  tick = $state(performance.now());
  /** While the site is out of reach its people's times stand still. */
  frozen = $state(false);
  #ahead: number | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  start(): () => void {
    this.#timer = setInterval(() => this.beat(), 1000);
    return () => clearInterval(this.#timer);
  }

  beat(): void {
    this.tick = performance.now();
    if (this.#ahead === null) return;
    if (!this.frozen) this.now = this.tick + this.#ahead;
    // While both stand still they are the same.
    if (this.frozen || Math.abs(this.now - this.slow) >= SLOW) this.slow = this.now;
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
