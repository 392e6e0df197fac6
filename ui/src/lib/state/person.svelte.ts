// The one person whose panel is open: asked for when opened, and again when the engine's picture moves.
import { type Backend, Failure, type UserDetail } from "../backend";

const PACE = 500;

export class Person {
  detail = $state.raw<UserDetail | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** Signed in or flagged when the panel was opened or since. */
  wasHere = $state(false);
  #id: string | null = null;
  #busy = false;
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly backend: Backend) {}

  show(id: string | null): void {
    if (id === this.#id) return;
    this.#id = id;
    this.failure = null;
    this.wasHere = false;
    if (id === null) this.detail = null;
    else void this.#ask();
  }

  /** The picture moved: asks again, at most twice a second, and not for a window nobody sees. */
  hear(): void {
    if (this.#id === null || document.hidden || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, PACE);
  }

  async #ask(): Promise<void> {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    const id = this.#id;
    if (id === null) return;
    this.#busy = true;
    try {
      const detail = await this.backend.user(id);
      if (id === this.#id) {
        this.detail = detail;
        this.failure = null;
        if (detail.user.sessions > 0 || detail.user.flagged) this.wasHere = true;
      }
    } catch (reason) {
      if (id === this.#id) {
        this.failure = Failure.of(reason);
        // What was known of someone who has left stays readable, without sessions to act on.
        if (this.detail?.user.id !== id) this.detail = null;
        else if (this.failure.code === "no_user") this.detail = { ...this.detail, sessions: [] };
      }
    } finally {
      this.#busy = false;
      if (this.#again || id !== this.#id) {
        this.#again = false;
        void this.#ask();
      }
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
