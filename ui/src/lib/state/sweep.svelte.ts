// The inactivity sweep from the window's side: a preview, a run, and the guard that asks first.
import { type Backend, Failure, type SweepReport } from "../backend";

export class Sweep {
  /** The dialog: "asking" the engine, the "plan", a "running" sweep, its "done" report, or "failed". */
  stage = $state<"closed" | "asking" | "plan" | "running" | "done" | "failed">("closed");
  report = $state.raw<SweepReport | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** A sweep started from the card, with no dialog. */
  busy = $state(false);

  constructor(readonly backend: Backend) {}

  /** The plan is held by a guard that no consent passes. */
  get barred(): boolean {
    const code = this.report?.held_code ?? null;
    return code !== null && code !== "too_many";
  }

  async preview(): Promise<void> {
    this.stage = "asking";
    this.report = null;
    this.failure = null;
    await this.#plan();
  }

  async #plan(): Promise<void> {
    try {
      this.report = await this.backend.previewSweep();
      this.stage = "plan";
    } catch (reason) {
      this.failure = Failure.of(reason);
      this.stage = "failed";
    }
  }

  /** Sweeps at once. Where the guard finds it too many people, the dialog asks, with the plan. */
  async now(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.failure = null;
    try {
      const report = await this.backend.sweep(false);
      if (report.held) await this.preview();
    } catch (reason) {
      this.failure = Failure.of(reason);
      if (this.failure.code === "too_many" || this.failure.code === "key_doubtful") await this.preview();
    } finally {
      this.busy = false;
    }
  }

  /** Does what the dialog shows. Consent passes the guard that it showed, and no other. */
  async go(): Promise<void> {
    if (this.stage !== "plan") return;
    const force = this.report?.held !== null;
    this.stage = "running";
    try {
      this.report = await this.backend.sweep(force);
      this.stage = "done";
    } catch (reason) {
      this.failure = Failure.of(reason);
      this.stage = "failed";
    }
  }

  close(): void {
    if (this.stage === "running") return;
    this.stage = "closed";
    this.failure = null;
  }
}
