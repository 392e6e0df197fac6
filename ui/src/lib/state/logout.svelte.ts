// One force logout from the question to its outcome. The words of the outcome are the engine's; what it says before
// its last look is never shown as the end.
import { type Backend, Failure, type LogoutReport, type UserView } from "../backend";
import type { Ending, Known } from "../words";
import type { Follow } from "./follow.svelte";

export interface Target {
  /** Nobody for a session that cannot be read. */
  users: UserView[];
  /** One session alone, of the only user or of nobody known. */
  fingerprint: string | null;
}

/** A report, and what was heard of its user since. */
export type Reported = Omit<LogoutReport, "outcome"> & { outcome: Known };

export class Logout {
  target = $state.raw<Target | null>(null);
  stage = $state<"asking" | "working" | "done" | "failed">("asking");
  reason = $state("");
  /** Revoke the API tokens, too. */
  tokens = $state(false);
  reports = $state.raw<Reported[]>([]);
  failure = $state.raw<Failure | null>(null);
  /** The engine says that one of them is the operator's own account, where the window did not know. */
  own = $state(false);

  constructor(
    readonly backend: Backend,
    readonly follow: Follow,
    readonly isOwn: (username: string) => boolean,
    /** Called with everyone whose logout ended, however it ended. */
    readonly ended: (users: UserView[]) => void = () => {},
  ) {}

  sessions = $derived(
    this.target === null
      ? 0
      : this.target.fingerprint
        ? 1
        : this.target.users.reduce((n, u) => n + u.sessions, 0),
  );

  /** Whether the operator's own account is among them: the dialog warns of it. */
  get meansOwn(): boolean {
    return this.own || (this.target?.users.some((u) => this.isOwn(u.username)) ?? false);
  }

  ask(users: UserView[], fingerprint: string | null = null): void {
    if (users.length > 0) this.#open({ users, fingerprint });
  }

  /** A session of nobody known. */
  askUnreadable(fingerprint: string): void {
    this.#open({ users: [], fingerprint });
  }

  #open(target: Target): void {
    if (this.target !== null) return;
    this.target = target;
    this.stage = "asking";
    this.reason = "";
    this.tokens = false;
    this.reports = [];
    this.failure = null;
    this.own = false;
  }

  async go(): Promise<void> {
    const target = this.target;
    if (target === null || this.stage !== "asking") return;
    this.stage = "working";
    this.failure = null;
    try {
      const reports = await this.#do(target, this.reason.trim() || null);
      this.reports = reports.map((report) => this.follow.begin(report, "logout"));
      this.stage = "done";
      this.ended(target.users);
    } catch (reason) {
      const failure = Failure.of(reason);
      // Asked once more, with the warning that was missing.
      if (failure.code === "own_account" && !this.meansOwn) {
        this.own = true;
        this.stage = "asking";
        return;
      }
      this.failure = failure;
      this.stage = "failed";
    }
  }

  async #do({ users, fingerprint }: Target, reason: string | null): Promise<LogoutReport[]> {
    if (users.length === 0 && fingerprint !== null) {
      return [await this.backend.logoutUnreadable(fingerprint, reason)];
    }
    const ids = users.map((u) => u.id);
    return this.backend.logout(ids, fingerprint, reason, this.meansOwn, this.tokens && fingerprint === null);
  }

  /** A deed came to its end, maybe one of these; or its user signed in again. */
  settle(deed: string, end: Ending): void {
    const news = (r: Reported) => r.following || end.outcome === "signed_in_again";
    this.reports = this.reports.map((r) => (r.deed === deed && news(r) ? { ...r, ...end } : r));
  }

  /** Closes the dialog, which stays while the outcome is not known. */
  close(): void {
    if (this.stage !== "working") this.target = null;
  }
}
