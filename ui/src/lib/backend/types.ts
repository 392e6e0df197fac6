// The words that the window and the engine share, and the questions the window may ask.
// Types come from the generated bindings; nothing else in the window imports those.
// Every question either answers or throws a Failure.
import type {
  AccountReport,
  Check,
  Code,
  Event,
  JournalView,
  LogoutReport,
  NoticeEvent,
  NoticeRules,
  Page,
  PolicyView,
  Query,
  ShowUser,
  SiteEntry,
  SiteView,
  Stated,
  SweepReport,
  TakenView,
  Timeline,
  Unreadables,
  UserDetail,
  UserView,
} from "../bindings";

export type {
  AccountOutcome,
  AccountReport,
  Check,
  Code,
  Connection,
  Counts,
  Doubt,
  Entry,
  EntryUser,
  Event as SiteEvent,
  Evidence,
  EvidenceView,
  Filter,
  Found,
  Health,
  JournalView,
  Link,
  LogoutReport,
  NoticeEvent,
  NoticeRules,
  Outcome,
  Page,
  Person,
  PolicyView,
  ReasonCode,
  Sample,
  SessionView,
  ShowUser,
  SiteEntry,
  SiteView,
  Skipped,
  Sort,
  State,
  Stated,
  SweepMark,
  SweepReport,
  SweepStatus,
  SweepSummary,
  SweepUser,
  TakenView,
  Timeline,
  TokensView,
  Unreadables,
  UnreadableView,
  UserDetail,
  UserView,
} from "../bindings";

/** A page asked for, with nothing left out. */
export type Question = Required<Query>;

/** What the engine refuses or fails at: its code, and its one line for people. */
export class Failure extends Error {
  override readonly name = "Failure";
  constructor(
    /** "failed" where the call itself did not reach the engine. */
    readonly code: Code | "failed",
    message: string,
  ) {
    super(message);
  }

  static of(reason: unknown): Failure {
    if (reason instanceof Failure) return reason;
    return new Failure("failed", reason instanceof Error ? reason.message : String(reason));
  }
}

/** What the window hears without asking. */
export interface Hearing {
  event(event: Event): void;
  notice(notice: NoticeEvent): void;
  show(who: ShowUser): void;
}

export interface Backend {
  sites(): Promise<SiteEntry[]>;
  openSite(name: string): Promise<SiteView>;
  /** Saves the site to the configuration and opens it, view-only. */
  addSite(name: string, url: string, secretKey: string | null, stated: Stated): Promise<SiteView>;
  testSite(url: string, secretKey: string | null, stated: Stated): Promise<Check[]>;
  /** Asks a Django project, through its own Python, what the site needs to know. Saves nothing. */
  askProject(manage: string, python: string | null): Promise<TakenView>;
  /** Saves what was asked last, under this name, and opens it, view-only. */
  addProject(name: string): Promise<SiteView>;
  /** Null while nothing is open yet. */
  site(): Promise<SiteView | null>;
  users(question: Question): Promise<Page>;
  user(id: string): Promise<UserDetail>;
  /** One report a user, in the order asked. A report that says `following` is not the end: an event of the same
      deed is. `consent`: the operator's own account too. */
  logout(
    ids: string[],
    fingerprint: string | null,
    reason: string | null,
    consent: boolean,
    /** Revoke their API tokens, too. */
    tokens: boolean,
  ): Promise<LogoutReport[]>;
  /** The sessions that cannot be read. */
  unreadable(): Promise<Unreadables>;
  /** Ends one of them, by its fingerprint. */
  logoutUnreadable(fingerprint: string, reason: string | null): Promise<LogoutReport>;
  /** The account off and all sessions ended; undone by `allowAgain` alone. */
  suspend(id: string, reason: string | null, consent: boolean): Promise<AccountReport>;
  /** Any session left ended, then the account on. */
  allowAgain(id: string, reason: string | null): Promise<AccountReport>;
  /** One person by their exact name, signed in or not. */
  lookup(name: string): Promise<UserView>;
  previewSweep(): Promise<SweepReport>;
  sweep(force: boolean): Promise<SweepReport>;
  setAutomatic(on: boolean): Promise<SiteView>;
  setArmed(on: boolean): Promise<SiteView>;
  setPolicy(policy: PolicyView): Promise<SiteView>;
  setNotices(rules: NoticeRules): Promise<SiteView>;
  journal(limit: number): Promise<JournalView>;
  timeline(): Promise<Timeline>;
  /** Whether the window starts with the desktop session. */
  autostart(): Promise<boolean>;
  setAutostart(on: boolean): Promise<boolean>;
  /** The first rows are on the screen. */
  painted(): Promise<void>;
  /** Resolves once nothing can be missed any more; what it resolves to stops the hearing. */
  listen(hearing: Hearing): Promise<() => void>;
}
