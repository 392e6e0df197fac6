// The fake site itself: its people, its clock in the holder's hand, what it tells unasked.
import { sweepNow } from "./fake-deeds";
import { fakeFound, fakeJournal, fakeRefusals, fakeTokensFound, fakeUnreadables } from "./fake-papers";
import { Population, type Somebody } from "./population";
import {
  type Connection,
  type Counts,
  type Doubt,
  type Entry,
  Failure,
  type Hearing,
  type Health,
  type NoticeEvent,
  type Outcome,
  type PolicyView,
  type SiteEvent,
  type SiteView,
  type SweepSummary,
  type Timeline,
  type UnreadableView,
  type UserView,
} from "./types";

export interface FakeOptions {
  users?: number;
  seed?: number;
  /** Seconds since 1970. */
  now?: number;
  armed?: boolean;
  demo?: boolean;
  /** Milliseconds that every answer takes. */
  slow?: number;
  /** API tokens of each user. None given: the site has no token tables. */
  tokens?: number;
  revokeTokens?: boolean;
  /** The user as whom root acts. */
  impersonated?: string;
  /** How force logouts end. */
  outcome?: Outcome;
  /** No site open and none configured. */
  firstRun?: boolean;
  /** The site cannot be opened. */
  broken?: string;
  journalFault?: string;
  healthDown?: boolean;
  /** Where sessions live. `unset`: a cache that nobody has configured. */
  engine?: "db" | "cached_db" | "signed_cookies" | "unset";
  /** Deeds are looked after for a minute, and end as `outcome` says. */
  followed?: boolean;
  /** Whoever was signed out signs in again a minute later. */
  returns?: boolean;
  accountSwitch?: boolean;
  /** The operator's own username. */
  own?: string;
  /** Sessions have addresses, devices and times of their own, and some do not count. */
  devices?: boolean;
  unreadable?: number;
  /** What else the operator should know of the site. */
  warnings?: string[];
  doubts?: Doubt[];
}

export class FakeSite {
  now: number;
  revision = 1;
  link: Connection["link"] = "live";
  population: Population;
  policy: PolicyView;
  entries: Entry[];
  armed: boolean;
  automatic = true;
  nextSweep: number;
  notices = { idle: true, idle_from: 600, sweeps: true, connection: true };
  last: SweepSummary | null = null;
  health: Health;
  outcome: Outcome;
  readonly hearing = new Set<Hearing>();
  lastLook: number;
  samples: Timeline = { samples: [], sweeps: [] };
  open: boolean;
  unreadables: UnreadableView[];
  #ends: { at: number; tell: () => void }[] = [];

  constructor(readonly options: FakeOptions = {}) {
    this.now = options.now ?? 1_784_296_983;
    this.lastLook = this.now;
    this.population = new Population(options.users ?? 12, options.seed ?? 7, this.now);
    this.armed = options.armed ?? true;
    this.outcome = options.outcome ?? "signed_out";
    this.open = !options.firstRun;
    this.nextSweep = this.now + 192;
    this.policy = {
      idle_after: 300,
      sign_out_after: 2100,
      sweep_every: 300,
      max_share: 0.5,
      exempt_staff: false,
      exempt_superusers: true,
      exempt_usernames: ["reception-kiosk-02"],
    };
    this.health = options.healthDown
      ? { ok: false, ms: null, since: this.stamp(this.now - 420), detail: "connection refused" }
      : { ok: true, ms: 84, since: this.stamp(this.now - 9000), detail: "200 OK" };
    this.entries = fakeJournal(this.population, this.now);
    this.unreadables = fakeUnreadables(options.unreadable ?? 0, this.now);
    const counts = this.population.counts(this.now, this.policy);
    for (let at = this.now - 3600; at <= this.now; at += 30) {
      const wave = 1 + 0.12 * Math.sin(at / 900) + 0.03 * Math.sin(at / 137);
      this.samples.samples.push({
        at,
        active: Math.round(counts.active * wave),
        idle: Math.round(counts.idle * (1 + 0.1 * Math.cos(at / 1100))),
        overdue: Math.round(counts.overdue * (0.5 + ((at / 300) % 1) * 0.5)),
      });
      if (at % 300 < 30 && counts.signed_in > 0)
        this.samples.sweeps.push({ at, people: Math.ceil(counts.overdue / 4) });
    }
    if (counts.signed_in > 0) {
      this.last = {
        at: this.stamp(this.now - 108),
        people: 4,
        sessions: 7,
        marked: 1,
        skipped: 2,
        verified: true,
        held: null,
      };
    }
  }

  get engine() {
    return this.options.engine ?? "db";
  }

  stamp(at: number): string {
    return new Date(at * 1000).toISOString();
  }

  tell(event: SiteEvent): void {
    for (const one of this.hearing) one.event(event);
  }

  notice(notice: NoticeEvent): void {
    for (const one of this.hearing) one.notice(notice);
  }

  show(id: string): void {
    for (const one of this.hearing) one.show({ id });
  }

  /** Time goes on; the site is looked at, where it can be reached. */
  advance(seconds: number, lives = true): void {
    this.now += seconds;
    for (const end of this.#ends.splice(0)) {
      if (end.at > this.now) this.#ends.push(end);
      else end.tell();
    }
    if (this.link !== "live") return this.tell({ kind: "connection", connection: this.connection() });
    this.lastLook = this.now;
    const idle = lives ? this.population.live(this.now, seconds, this.policy.idle_after) : [];
    this.moved();
    const last = this.samples.samples.at(-1);
    const counts = this.population.counts(this.now, this.policy);
    if (this.now - (last?.at ?? 0) >= 30) this.samples.samples.push({ at: this.now, ...counts });
    if (idle.length > 0) {
      const people = idle
        .slice(0, 20)
        .map((p) => ({ id: p.id, username: p.username, idle_seconds: this.policy.idle_after }));
      this.tell({ kind: "went_idle", people, more: Math.max(0, idle.length - 20) });
    }
    if (this.automatic && this.now >= this.nextSweep) {
      this.nextSweep = this.now + this.policy.sweep_every;
      if (this.armed) sweepNow(this, false);
    }
  }

  /** Something is different now: a new revision, and the window hears of it. */
  moved(): void {
    this.revision += 1;
    this.tell({ kind: "looked", revision: this.revision, counts: this.counts() });
  }

  counts(): Counts {
    const unreadable_sessions = this.unreadables.length;
    return { ...this.population.counts(this.now, this.policy), unreadable_sessions };
  }

  /** Tells something when a minute has passed. */
  later(tell: () => void): void {
    this.#ends.push({ at: this.now + 60, tell });
  }

  setLink(link: Connection["link"]): void {
    this.link = link;
    if (link === "live") this.lastLook = this.now;
    this.tell({ kind: "connection", connection: this.connection() });
  }

  connection(): Connection {
    const offline = this.link === "offline";
    const message =
      "The database did not answer: db.internal:5432, connection refused. Check that it runs and can be reached from here.";
    return {
      link: this.link,
      age_seconds: this.now - this.lastLook + 0.4,
      look_ms: 12,
      error: offline ? { code: "unreachable", message } : null,
      retry_seconds: offline ? 8 : null,
      skew_seconds: 0.2,
    };
  }

  view(): SiteView {
    const unsure = this.population.people.some((p) => p.seen === null);
    return {
      name: this.options.demo ? "Demo site" : "Harbor shop",
      address: this.options.demo ? "/home/mira/.local/state/curfew/demo.sqlite3" : "db.internal/shop",
      database: this.options.demo ? "sqlite" : "postgres",
      demo: this.options.demo ?? false,
      session_engine: `django.contrib.sessions.backends.${this.engine === "unset" ? "cached_db" : this.engine}`,
      sign_out_refused: fakeRefusals[this.engine],
      account_switch: this.options.accountSwitch ?? false,
      token_tables: this.options.tokens === undefined ? [] : ["authtoken_token"],
      revoke_tokens: this.options.revokeTokens ?? false,
      own_username: this.options.own ?? null,
      operator: "mira@ops-laptop",
      armed: this.armed,
      secret_key_known: true,
      db_time: this.stamp(this.now),
      revision: this.revision,
      counts: this.counts(),
      connection: this.connection(),
      health: this.health,
      sweep: {
        automatic: this.automatic,
        running: false,
        next_in_seconds: this.automatic ? Math.max(0, Math.round(this.nextSweep - this.now)) : null,
        last: this.last,
      },
      policy: this.policy,
      notices: this.notices,
      found: this.options.tokens === undefined ? fakeFound : [...fakeFound, ...fakeTokensFound],
      doubts: this.options.doubts ?? [],
      warnings: [
        ...(this.options.doubts ?? []).map((doubt) => doubt.detail),
        ...(this.options.warnings ?? []),
        ...(unsure
          ? ["Some people have nothing that says when they were last here. A sweep leaves them alone."]
          : []),
      ],
    };
  }

  row(one: Somebody): UserView {
    return {
      id: one.id,
      username: one.username,
      email: one.email,
      name: one.name,
      state: this.population.state(one, this.now, this.policy),
      last_activity: one.seen === null ? null : this.stamp(one.seen),
      last_seen: one.seen === null ? null : this.stamp(one.seen),
      evidence: one.evidence,
      idle_seconds: one.seen === null ? null : Math.max(0, Math.round(this.now - one.seen)),
      sessions: one.sessions.length,
      flagged: one.flagged,
      staff: one.staff,
      superuser: one.superuser,
      enabled: one.enabled,
      impersonators: this.options.impersonated === one.username ? ["root"] : [],
      acts_as: [],
      exempt: this.exempt(one),
      fault: null,
    };
  }

  /** Someone who is not here, as the site's table has them. */
  gone(one: Somebody): UserView {
    return { ...this.row(one), state: "unknown", sessions: 0, flagged: false };
  }

  exempt(one: Somebody): string | null {
    if (one.username === this.options.own) return "your own account";
    if (this.policy.exempt_usernames.includes(one.username)) return "named in the policy";
    if (this.policy.exempt_staff && one.staff) return "staff";
    if (this.policy.exempt_superusers && one.superuser) return "superuser";
    return null;
  }

  find(id: string): Somebody {
    const { people, away } = this.population;
    const one = people.find((p) => p.id === id) ?? away.find((p) => p.id === id);
    if (!one) throw new Failure("no_user", `no user "id:${id}" on Harbor shop`);
    return one;
  }
}
