// Someone who is not signed in, found by their exact name: the roster holds only who is here, the site's table everyone.
import { type Backend, Failure, type UserView } from "../backend";

export class Lookup {
  /** The name that is being looked up, or was last. */
  name = $state("");
  busy = $state(false);
  failure = $state.raw<Failure | null>(null);

  constructor(
    readonly backend: Backend,
    readonly found: (user: UserView) => void,
  ) {}

  async go(name: string): Promise<void> {
    if (this.busy) return;
    this.name = name;
    this.busy = true;
    this.failure = null;
    try {
      this.found(await this.backend.lookup(name));
    } catch (reason) {
      this.failure = Failure.of(reason);
    } finally {
      this.busy = false;
    }
  }

  /** What came of the last question, if it was about this name. */
  answer(name: string): string | null {
    if (name !== this.name || this.failure === null) return null;
    return this.failure.code === "no_user"
      ? `The site has no user of exactly this name.`
      : this.failure.message;
  }
}
