// The last hour, asked for every ten seconds while somebody looks, and after each sweep.
import type { Backend, Timeline } from "../backend";

const EVERY = 10_000;

export class LastHour {
  data = $state.raw<Timeline>({ samples: [], sweeps: [] });
  #askedAt = -EVERY;

  constructor(readonly backend: Backend) {}

  /** The site was looked at; `now` where the picture must not wait. */
  hear(now = false): void {
    if (document.hidden) return;
    if (!now && performance.now() - this.#askedAt < EVERY) return;
    this.#askedAt = performance.now();
    void this.#ask();
  }

  async #ask(): Promise<void> {
    try {
      this.data = await this.backend.timeline();
    } catch {
      // The picture of the last hour is no news of its own: what fails is told by the connection.
    }
  }
}
