// The account switch of one person, from the question to what came of it. The words of the outcome are the engine's.
import { type AccountReport, type Backend, Failure, type UserView } from "../backend";
import type { Ending } from "../words";
import type { Follow } from "./follow.svelte";

export interface Turn {
  user: UserView;
  /** What it does: takes the account away, or gives it back. */
  to: "suspend" | "allow";
}

export class Account {
  turn = $state.raw<Turn | null>(null);
  stage = $state<"asking" | "working" | "done" | "failed">("asking");
  reason = $state("");
  report = $state.raw<AccountReport | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** The engine says that this is the operator's own account, where the window did not know. */
  own = $state(false);

  constructor(
    readonly backend: Backend,
    readonly follow: Follow,
    readonly isOwn: (username: string) => boolean,
    /** Called with whoever it was about, however it ended. */
    readonly ended: (user: UserView) => void = () => {},
  ) {}

  /** Whether this is the operator's own account: the dialog warns of it. */
  get meansOwn(): boolean {
    return this.own || (this.turn !== null && this.isOwn(this.turn.user.username));
  }

  ask(user: UserView, to: Turn["to"]): void {
    if (this.turn !== null) return;
    this.turn = { user, to };
    this.stage = "asking";
    this.reason = "";
    this.report = null;
    this.failure = null;
    this.own = false;
  }

  async go(): Promise<void> {
    const turn = this.turn;
    if (turn === null || this.stage !== "asking") return;
    this.stage = "working";
    const reason = this.reason.trim() || null;
    try {
      const id = turn.user.id;
      const report =
        turn.to === "suspend"
          ? await this.backend.suspend(id, reason, this.meansOwn)
          : await this.backend.allowAgain(id, reason);
      this.report = this.follow.begin(report, turn.to);
      this.stage = "done";
    } catch (caught) {
      const failure = Failure.of(caught);
      // Asked once more, with the warning that was missing.
      if (failure.code === "own_account" && !this.meansOwn) {
        this.own = true;
        this.stage = "asking";
        return;
      }
      this.failure = failure;
      this.stage = "failed";
    }
    this.ended(turn.user);
  }

  /** A deed came to its end, maybe this one. */
  settle(deed: string, end: Ending): void {
    if (this.report?.deed === deed && this.report.following)
      this.report = { ...this.report, ...(end as Partial<AccountReport>) };
  }

  /** Closes the dialog, which stays while the outcome is not known. */
  close(): void {
    if (this.stage !== "working") this.turn = null;
  }
}
