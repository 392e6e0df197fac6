// One force logout from the question to its outcome. The words of the outcome are the engine's.
import { type Backend, Failure, type LogoutReport, type UserView } from "../backend";

export interface Target {
  users: UserView[];
  /** One session alone, of the only user. */
  fingerprint: string | null;
}

export class Logout {
  target = $state.raw<Target | null>(null);
  stage = $state<"asking" | "working" | "done" | "failed">("asking");
  reason = $state("");
  reports = $state.raw<LogoutReport[]>([]);
  failure = $state.raw<Failure | null>(null);

  constructor(
    readonly backend: Backend,
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

  ask(users: UserView[], fingerprint: string | null = null): void {
    if (this.target !== null || users.length === 0) return;
    this.target = { users, fingerprint };
    this.stage = "asking";
    this.reason = "";
    this.reports = [];
    this.failure = null;
  }

  async go(): Promise<void> {
    const target = this.target;
    if (target === null || this.stage !== "asking") return;
    this.stage = "working";
    const ids = target.users.map((u) => u.id);
    try {
      this.reports = await this.backend.logout(ids, target.fingerprint, this.reason.trim() || null);
      this.stage = "done";
      this.ended(target.users);
    } catch (reason) {
      this.failure = Failure.of(reason);
      this.stage = "failed";
    }
  }

  /** Closes the dialog, which stays while the outcome is not known. */
  close(): void {
    if (this.stage !== "working") this.target = null;
  }
}
