// A site taken from its Django project: asked, shown, and only then saved. What was asked last stays with the engine,
// secrets and all; the window gets the words of it.
import { type Backend, Failure, type SiteView, type TakenView } from "../backend";

export class Project {
  manage = $state("");
  python = $state("");
  name = $state("");
  taken = $state.raw<TakenView | null>(null);
  busy = $state<"" | "asking" | "adding">("");
  /** Where it failed decides where it is said. */
  failure = $state.raw<{ at: "asking" | "adding"; why: Failure } | null>(null);
  #asked = $state("");

  constructor(readonly backend: Backend) {}

  get #question(): string {
    return `${this.manage.trim()}\n${this.python.trim()}`;
  }

  /** What was taken is of the project that is named now. */
  get fits(): boolean {
    return this.taken !== null && this.#asked === this.#question;
  }

  async ask(): Promise<void> {
    if (this.busy !== "" || this.manage.trim() === "") return;
    await this.#run("asking", async () => {
      const asked = this.#question;
      this.taken = null;
      this.taken = await this.backend.askProject(this.manage.trim(), this.python.trim() || null);
      this.name = this.taken.name;
      this.#asked = asked;
    });
  }

  async add(opened: (view: SiteView) => void): Promise<void> {
    if (this.busy !== "" || !this.fits || this.name.trim() === "") return;
    await this.#run("adding", async () => opened(await this.backend.addProject(this.name.trim())));
  }

  async #run(at: "asking" | "adding", doing: () => Promise<void>): Promise<void> {
    this.busy = at;
    this.failure = null;
    try {
      await doing();
    } catch (reason) {
      this.failure = { at, why: Failure.of(reason) };
    }
    this.busy = "";
  }
}
