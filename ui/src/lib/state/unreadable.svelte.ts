// The sessions that cannot be read: asked for when somebody opens their list, and again when one of them went.
import { type Backend, Failure, type Unreadables } from "../backend";

export class Unreadable {
  open = $state(false);
  list = $state.raw<Unreadables | null>(null);
  failure = $state.raw<Failure | null>(null);

  /** Moves when the focus is wanted back in the list, after a dialog over it. */
  recalled = $state(0);

  constructor(readonly backend: Backend) {}

  show(): void {
    this.open = true;
    this.list = null;
    void this.load();
  }

  async load(): Promise<void> {
    if (!this.open) return;
    try {
      this.list = await this.backend.unreadable();
      this.failure = null;
    } catch (reason) {
      this.failure = Failure.of(reason);
    }
  }
}
