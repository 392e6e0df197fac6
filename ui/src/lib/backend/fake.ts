// The fake twin of the engine, for tests and for a plain browser: one site, invented people, a clock
// that whoever holds it moves (`advance`), and a switch for every state the window must draw.
import { Population, type Somebody } from "./population";
import { fakeChecks, fakeFound, fakeJournal } from "./fake-papers";
import {
  type Backend,
  type Connection,
  type Entry,
  Failure,
  type Hearing,
  type Health,
  type LogoutReport,
  type NoticeEvent,
  type Outcome,
  type PolicyView,
  type Question,
  type SiteEvent,
  type SiteView,
  type SweepReport,
  type SweepSummary,
  type Timeline,
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
  /** How force logouts end. */
  outcome?: Outcome;
  /** No site open and none configured. */
  firstRun?: boolean;
  /** The site cannot be opened. */
  broken?: string;
  journalFault?: string;
  healthDown?: boolean;
}

const rank = { active: 0, idle: 1, overdue: 2, stale: 4, unknown: 3 } as const;

export class Fake implements Backend {
  now: number;
  revision = 1;
  link: Connection["link"] = "live";
  /** Every question that came, for tests to count. */
  asked: { what: string; question?: Question }[] = [];
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
  #hearing = new Set<Hearing>();
  #lastLook: number;
  #samples: Timeline = { samples: [], sweeps: [] };
  #sorted: { key: string; rows: UserView[] } | null = null;
  #open: boolean;

  constructor(readonly options: FakeOptions = {}) {
    this.now = options.now ?? 1_784_296_983;
    this.#lastLook = this.now;
    this.population = new Population(options.users ?? 12, options.seed ?? 7, this.now);
    this.armed = options.armed ?? true;
    this.outcome = options.outcome ?? "signed_out";
    this.#open = !options.firstRun;
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
      ? { ok: false, ms: null, since: this.#stamp(this.now - 420), detail: "connection refused" }
      : { ok: true, ms: 84, since: this.#stamp(this.now - 9000), detail: "200 OK" };
    this.entries = fakeJournal(this.population, this.now);
    const counts = this.population.counts(this.now, this.policy);
    for (let at = this.now - 3600; at <= this.now; at += 30) {
      const wave = 1 + 0.12 * Math.sin(at / 900) + 0.03 * Math.sin(at / 137);
      this.#samples.samples.push({
        at,
        active: Math.round(counts.active * wave),
        idle: Math.round(counts.idle * (1 + 0.1 * Math.cos(at / 1100))),
        overdue: Math.round(counts.overdue * (0.5 + ((at / 300) % 1) * 0.5)),
      });
      if (at % 300 < 30 && counts.signed_in > 0)
        this.#samples.sweeps.push({ at, people: Math.ceil(counts.overdue / 4) });
    }
    if (counts.signed_in > 0) {
      this.last = {
        at: this.#stamp(this.now - 108),
        people: 4,
        sessions: 7,
        marked: 1,
        skipped: 2,
        verified: true,
        held: null,
      };
    }
  }

  #stamp(at: number): string {
    return new Date(at * 1000).toISOString();
  }

  tell(event: SiteEvent): void {
    for (const one of this.#hearing) one.event(event);
  }

  notice(notice: NoticeEvent): void {
    for (const one of this.#hearing) one.notice(notice);
  }

  show(id: string): void {
    for (const one of this.#hearing) one.show({ id });
  }

  /** Time goes on; the site is looked at, where it can be reached. */
  advance(seconds: number, lives = true): void {
    this.now += seconds;
    if (this.link !== "live") return this.tell({ kind: "connection", connection: this.#connection() });
    this.#lastLook = this.now;
    const idle = lives ? this.population.live(this.now, seconds, this.policy.idle_after) : [];
    this.moved();
    const last = this.#samples.samples.at(-1);
    const counts = this.population.counts(this.now, this.policy);
    if (this.now - (last?.at ?? 0) >= 30) this.#samples.samples.push({ at: this.now, ...counts });
    if (idle.length > 0) {
      const people = idle
        .slice(0, 20)
        .map((p) => ({ id: p.id, username: p.username, idle_seconds: this.policy.idle_after }));
      this.tell({ kind: "went_idle", people, more: Math.max(0, idle.length - 20) });
    }
    if (this.automatic && this.now >= this.nextSweep) {
      this.nextSweep = this.now + this.policy.sweep_every;
      if (this.armed) this.#sweepNow(false);
    }
  }

  /** Something is different now: a new revision, and the window hears of it. */
  moved(): void {
    this.revision += 1;
    this.#sorted = null;
    this.tell({
      kind: "looked",
      revision: this.revision,
      counts: this.population.counts(this.now, this.policy),
    });
  }

  setLink(link: Connection["link"]): void {
    this.link = link;
    if (link === "live") this.#lastLook = this.now;
    this.tell({ kind: "connection", connection: this.#connection() });
  }

  #connection(): Connection {
    const offline = this.link === "offline";
    const message =
      "The database did not answer: db.internal:5432, connection refused. Check that it runs and can be reached from here.";
    return {
      link: this.link,
      age_seconds: this.now - this.#lastLook + 0.4,
      look_ms: 12,
      error: offline ? { code: "unreachable", message } : null,
      retry_seconds: offline ? 8 : null,
      skew_seconds: 0.2,
    };
  }

  #view(): SiteView {
    const unsure = this.population.people.some((p) => p.seen === null);
    return {
      name: this.options.demo ? "Demo site" : "Harbor shop",
      address: this.options.demo ? "sqlite:///demo.sqlite3" : "postgres://db.internal/shop",
      database: this.options.demo ? "sqlite" : "postgres",
      demo: this.options.demo ?? false,
      session_engine: "django.contrib.sessions.backends.db",
      operator: "mira@ops-laptop",
      armed: this.armed,
      secret_key_known: true,
      db_time: this.#stamp(this.now),
      revision: this.revision,
      counts: this.population.counts(this.now, this.policy),
      connection: this.#connection(),
      health: this.health,
      sweep: {
        automatic: this.automatic,
        running: false,
        next_in_seconds: this.automatic ? Math.max(0, Math.round(this.nextSweep - this.now)) : null,
        last: this.last,
      },
      policy: this.policy,
      notices: this.notices,
      found: fakeFound,
      warnings: unsure
        ? ["Some people have nothing that says when they were last here. A sweep leaves them alone."]
        : [],
    };
  }

  row(one: Somebody): UserView {
    return {
      id: one.id,
      username: one.username,
      email: one.email,
      name: one.name,
      state: this.population.state(one, this.now, this.policy),
      last_activity: one.seen === null ? null : this.#stamp(one.seen),
      last_seen: one.seen === null ? null : this.#stamp(one.seen),
      evidence: one.evidence,
      idle_seconds: one.seen === null ? null : Math.max(0, Math.round(this.now - one.seen)),
      sessions: one.sessions.length,
      flagged: one.flagged,
      staff: one.staff,
      superuser: one.superuser,
      enabled: true,
      exempt: this.#exempt(one),
      fault: null,
    };
  }

  #exempt(one: Somebody): string | null {
    if (this.policy.exempt_usernames.includes(one.username)) return "named in the policy";
    if (this.policy.exempt_staff && one.staff) return "staff";
    if (this.policy.exempt_superusers && one.superuser) return "superuser";
    return null;
  }

  #find(id: string): Somebody {
    const one = this.population.people.find((p) => p.id === id);
    if (!one) throw new Failure("no_user", `No user with id ${id} is signed in.`);
    return one;
  }

  async #ask<T>(what: string, give: () => T, question?: Question): Promise<T> {
    this.asked.push(question ? { what, question } : { what });
    if (this.options.slow) await new Promise((done) => setTimeout(done, this.options.slow));
    return give();
  }

  #changes(): void {
    if (!this.armed) throw new Failure("view_only", "This site is view-only. Allow changes first.");
    if (this.link === "offline")
      throw new Failure("unreachable", "The database did not answer: db.internal:5432.");
  }

  sites = () =>
    this.#ask("sites", () =>
      this.options.firstRun && !this.#open
        ? []
        : [
            {
              name: this.#view().name,
              address: this.#view().address,
              demo: this.options.demo ?? false,
              open: this.#open,
            },
            { name: "Staging", address: "postgres://staging.internal/shop", demo: false, open: false },
          ],
    );
  openSite = () => this.#ask("openSite", () => this.#view());
  addSite = (_name: string, url: string) =>
    this.#ask("addSite", () => {
      if (!url.includes("://"))
        throw new Failure("config", `${url} is not an address: postgres://user@host/db`);
      this.#open = true;
      this.armed = false;
      return this.#view();
    });
  testSite = (url: string, secretKey: string | null) =>
    this.#ask("testSite", () => fakeChecks(url, secretKey));
  site = () =>
    this.#ask("site", () => {
      if (this.options.broken) throw new Failure("unreachable", this.options.broken);
      return this.#open ? this.#view() : null;
    });

  users = (question: Question) =>
    this.#ask(
      "users",
      () => {
        const { filter, search, sort, descending, offset, limit } = question;
        const key = JSON.stringify([filter, search, sort, descending, this.revision]);
        if (this.#sorted?.key !== key) this.#sorted = { key, rows: this.#sort(question) };
        const rows = this.#sorted.rows.slice(offset, offset + limit);
        return { revision: this.revision, total: this.#sorted.rows.length, offset, rows };
      },
      question,
    );

  #sort({ filter, search, sort, descending }: Question): UserView[] {
    const needle = search.trim().toLocaleLowerCase();
    const rows = this.population.people
      .map((p) => this.row(p))
      .filter(
        (r) => filter === "everyone" || (filter === "signed_in" ? r.state !== "stale" : r.state === filter),
      )
      .filter((r) =>
        [r.username, r.name, r.email, r.id].some((t) => t?.toLocaleLowerCase().includes(needle)),
      );
    const of = (r: UserView): string | number => {
      if (sort === "username") return r.username;
      if (sort === "email") return r.email ?? "\uffff";
      if (sort === "sessions") return r.sessions;
      if (sort === "state") return rank[r.state];
      if (sort === "role") return r.superuser ? 0 : r.staff ? 1 : 2;
      if (sort === "evidence") return r.evidence ?? "\uffff";
      return r.state === "stale" ? 1e9 : (r.idle_seconds ?? 1e8);
    };
    const way = descending ? -1 : 1;
    return rows.sort((a, b) => {
      const [x, y] = [of(a), of(b)];
      return x < y ? -way : x > y ? way : Number(a.id) - Number(b.id);
    });
  }

  user = (id: string) =>
    this.#ask("user", () => {
      const one = this.#find(id);
      const at = (t: number | null) => (t === null ? null : this.#stamp(t));
      return {
        user: this.row(one),
        evidence: [
          {
            source: "last_activity" as const,
            label: "last_activity",
            at: at(one.seen),
            decides: one.evidence === "last_activity",
          },
          {
            source: "session_save" as const,
            label: "session save",
            at: at(one.sessions[0]?.saved ?? null),
            decides: one.evidence === "session_save",
          },
          {
            source: "last_login" as const,
            label: "last_login",
            at: at(one.login),
            decides: one.evidence === "last_login",
          },
        ],
        sessions: one.sessions.map((s, n) => ({
          fingerprint: s.fingerprint,
          last_saved: this.#stamp(s.saved),
          expires: this.#stamp(s.expires),
          expiry: n === 1 ? ("browser_close" as const) : ("age" as const),
          readable: true,
          signature: "verified" as const,
          usable: true,
          why: null,
        })),
        journal: this.entries.filter((e) => e.users.some((u) => u.id === id)).slice(0, 10),
      };
    });

  logout = (ids: string[], fingerprint: string | null, reason: string | null) =>
    this.#ask("logout", () => {
      this.#changes();
      const reports = ids.map((id) => this.#logOut(this.#find(id), fingerprint));
      const users = reports.map((r) => ({ id: r.user.id, username: r.user.username, sessions: [] }));
      const deleted = reports.reduce((n, r) => n + r.sessions_deleted, 0);
      this.#write("logout", users, reason, reports[0]?.detail ?? "", deleted, 0);
      for (const r of reports) {
        this.tell({
          kind: "logged_out",
          username: r.user.username,
          sessions: r.sessions_deleted,
          outcome: r.outcome,
          detail: r.detail,
        });
      }
      this.moved();
      return reports;
    });

  #logOut(one: Somebody, fingerprint: string | null): LogoutReport {
    const gone = one.sessions.filter((s) => fingerprint === null || s.fingerprint === fingerprint);
    if (fingerprint !== null && gone.length === 0) {
      throw new Failure("no_session", `${one.username} has no session ${fingerprint}.`);
    }
    const outcome = gone.length === 0 ? "nothing_to_do" : this.outcome;
    const verified = outcome === "signed_out" || outcome === "nothing_to_do";
    if (verified) one.sessions = one.sessions.filter((s) => !gone.includes(s));
    const left = one.sessions.length;
    if (verified && left === 0) {
      one.flagged = false;
      this.population.people = this.population.people.filter((p) => p !== one);
      this.population.away.push(one);
    }
    const words: Record<Outcome, string> = {
      signed_out: "signed out, verified",
      nothing_to_do: "nothing to do: no session left",
      unverified: "not verified: the cache did not answer",
      partial: "partly done: one session came back twice",
      not_possible: "not possible: this session engine leaves nothing on the server to delete",
    };
    const done = outcome === "not_possible" ? 0 : gone.length;
    return {
      user: this.row(one),
      sessions_deleted: done,
      outcome,
      verified,
      flag_cleared: left === 0,
      detail: words[outcome],
    };
  }

  #write(
    deed: Entry["deed"],
    users: Entry["users"],
    reason: string | null,
    outcome: string,
    deleted: number,
    marked: number,
  ): void {
    const seq = (this.entries[0]?.seq ?? 0) + 1;
    const base = {
      operator: "mira@ops-laptop",
      site: this.#view().name,
      deed,
      id: `d${seq}`,
      users,
      reason,
      prev: "",
      hash: "",
    };
    this.entries.unshift({ ...base, seq, at: this.#stamp(this.now), phase: "intent" });
    const after = { outcome, users_marked: marked, sessions_deleted: deleted, verified: true };
    this.entries.unshift({
      ...base,
      seq: seq + 1,
      at: this.#stamp(this.now + 1),
      phase: "outcome",
      ...after,
    });
  }

  #plan(dry: boolean): SweepReport {
    const due = this.population.people.filter((p) =>
      ["overdue", "stale"].includes(this.population.state(p, this.now, this.policy)),
    );
    const taken = due.filter((p) => !this.#exempt(p));
    const overdue = taken.filter((p) => p.sessions.length > 0);
    const here = this.population.counts(this.now, this.policy).signed_in;
    const many = overdue.length > 20 && overdue.length > here * (this.policy.max_share ?? 1);
    return {
      site: this.#view().name,
      dry_run: dry,
      at: this.#stamp(this.now),
      cutoff: this.#stamp(this.now - this.policy.sign_out_after),
      users: taken.map((p) => ({
        id: p.id,
        username: p.username,
        idle_seconds: p.seen === null ? null : Math.round(this.now - p.seen),
        reason: p.sessions.length > 0 ? "overdue" : "stale",
        sessions: p.sessions.length,
      })),
      users_marked: taken.filter((p) => p.flagged).length,
      sessions_deleted: taken.reduce((n, p) => n + p.sessions.length, 0),
      skipped: due
        .filter((p) => this.#exempt(p))
        .map((p) => ({ username: p.username, why: `exempt: ${this.#exempt(p)}` })),
      verified: true,
      held: many
        ? `${overdue.length} of ${here} people signed in would be signed out, more than half.`
        : null,
    };
  }

  #sweepNow(force: boolean): SweepReport {
    const plan = this.#plan(false);
    if (plan.held && !force) throw new Failure("too_many", plan.held);
    const gone = new Set(plan.users.map((u) => u.id));
    this.population.away.push(...this.population.people.filter((p) => gone.has(p.id)));
    this.population.people = this.population.people.filter((p) => !gone.has(p.id));
    this.#samples.sweeps.push({ at: this.now, people: plan.users.length });
    this.last = {
      at: this.#stamp(this.now),
      people: plan.users.length,
      sessions: plan.sessions_deleted,
      marked: plan.users_marked,
      skipped: plan.skipped.length,
      verified: true,
      held: null,
    };
    this.#write(
      "sweep",
      plan.users.map((u) => ({ ...u, sessions: [] })),
      null,
      "verified",
      plan.sessions_deleted,
      plan.users_marked,
    );
    this.tell({ kind: "swept", summary: this.last });
    this.moved();
    return plan;
  }

  previewSweep = () => this.#ask("previewSweep", () => this.#plan(true));
  sweep = (force: boolean) =>
    this.#ask("sweep", () => {
      this.#changes();
      return this.#sweepNow(force);
    });

  #setting(set: () => void): SiteView {
    set();
    this.tell({ kind: "settings" });
    return this.#view();
  }

  setAutomatic = (on: boolean) => this.#ask("setAutomatic", () => this.#setting(() => (this.automatic = on)));
  setArmed = (on: boolean) => this.#ask("setArmed", () => this.#setting(() => (this.armed = on)));
  setPolicy = (policy: PolicyView) =>
    this.#ask("setPolicy", () => {
      const view = this.#setting(() => (this.policy = policy));
      this.moved();
      return view;
    });
  setNotices = (rules: SiteView["notices"]) =>
    this.#ask("setNotices", () => this.#setting(() => (this.notices = rules)));
  journal = (limit: number) =>
    this.#ask("journal", () => {
      const fault = this.options.journalFault ?? null;
      return { entries: this.entries.slice(0, limit), intact: fault === null, fault };
    });
  timeline = () => this.#ask("timeline", () => structuredClone(this.#samples));
  painted = () => this.#ask("painted", () => undefined);

  listen = async (hearing: Hearing) => {
    this.#hearing.add(hearing);
    return () => void this.#hearing.delete(hearing);
  };
}
