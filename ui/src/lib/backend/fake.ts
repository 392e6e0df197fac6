// The fake twin of the engine, for tests and for a plain browser: every question of the backend, answered
// by one invented site, with a switch for each state the window must draw.
import { endUnreadable, needConsent, turn } from "./fake-account";
import { logOut, plan, sweepNow, write } from "./fake-deeds";
import { fakeChecks, fakeTaken } from "./fake-papers";
import { sessionsOf, sorted } from "./fake-rows";
import { FakeSite } from "./fake-site";
import { tokensOf } from "./fake-tokens";
import {
  type Backend,
  Failure,
  type Hearing,
  type PolicyView,
  type Question,
  type SiteView,
  type Stated,
  type UserView,
} from "./types";

export class Fake extends FakeSite implements Backend {
  starts = false;
  /** Every question that came, for tests to count. */
  asked: { what: string; question?: Question }[] = [];
  /** The site that was added last, as it was asked for. */
  added: { name: string; url: string; stated: Stated } | null = null;
  #sorted: { key: string; rows: UserView[] } | null = null;

  async #ask<T>(what: string, give: () => T, question?: Question): Promise<T> {
    this.asked.push(question ? { what, question } : { what });
    if (this.options.slow) await new Promise((done) => setTimeout(done, this.options.slow));
    return give();
  }

  changes(): void {
    if (!this.armed) throw new Failure("view_only", "This site is view-only. Allow changes first.");
    if (this.link === "offline")
      throw new Failure("unreachable", "The database did not answer: db.internal:5432.");
  }

  sites = () =>
    this.#ask("sites", () =>
      this.options.firstRun && !this.open
        ? []
        : [
            {
              name: this.view().name,
              address: this.view().address,
              demo: this.options.demo ?? false,
              open: this.open,
            },
            { name: "Staging", address: "staging.internal/shop", demo: false, open: false },
          ],
    );
  openSite = () => this.#ask("openSite", () => this.view());
  addSite = (name: string, url: string, _secretKey: string | null, stated: Stated) =>
    this.#ask("addSite", () => {
      if (!url.includes("://"))
        throw new Failure("config", `${url} is not an address: postgres://user@host/db`);
      this.added = { name, url, stated };
      this.open = true;
      this.armed = false;
      return this.view();
    });
  testSite = (url: string, secretKey: string | null, stated: Stated) =>
    this.#ask("testSite", () => fakeChecks(url, secretKey, stated));
  askProject = (manage: string, python: string | null) =>
    this.#ask("askProject", () => {
      if (!manage.includes("manage.py"))
        throw new Failure("config", `${manage} has no manage.py; give the path of the project's manage.py`);
      return { ...fakeTaken, manage, python: python ?? fakeTaken.python };
    });
  addProject = (name: string) =>
    this.#ask("addProject", () => {
      if (name === "Staging")
        throw new Failure(
          "config",
          'a site named "Staging" is configured already; give this one another name',
        );
      this.open = true;
      this.armed = false;
      return this.view();
    });
  site = () =>
    this.#ask("site", () => {
      if (this.options.broken) throw new Failure("unreachable", this.options.broken);
      return this.open ? this.view() : null;
    });

  users = (question: Question) =>
    this.#ask(
      "users",
      () => {
        const { filter, search, sort, descending, offset, limit } = question;
        const key = JSON.stringify([filter, search, sort, descending, this.revision]);
        if (this.#sorted?.key !== key) this.#sorted = { key, rows: sorted(this, question) };
        const rows = this.#sorted.rows.slice(offset, offset + limit);
        return { revision: this.revision, total: this.#sorted.rows.length, offset, rows };
      },
      question,
    );

  user = (id: string) =>
    this.#ask("user", () => {
      const one = this.find(id);
      const at = (t: number | null) => (t === null ? null : this.stamp(t));
      const journal = this.entries.filter((e) => e.users.some((u) => u.id === id)).slice(0, 10);
      if (!this.population.people.includes(one)) {
        return {
          user: this.gone(one),
          evidence: [],
          sessions: [],
          tokens: tokensOf(this, one, false),
          journal,
        };
      }
      return {
        user: this.row(one),
        evidence: [
          {
            source: "last_activity" as const,
            label: "last_activity",
            at: at(one.evidence === "last_activity" || one.seen === null ? one.seen : one.seen - 90),
            decides: one.evidence === "last_activity",
          },
          {
            source: "session_save" as const,
            label: "session save",
            at: at(one.evidence === "session_save" ? one.seen : (one.sessions[0]?.saved ?? 0) - 30),
            decides: one.evidence === "session_save",
          },
          {
            source: "last_login" as const,
            label: "last_login",
            at: at(one.evidence === "last_login" ? one.seen : one.login),
            decides: one.evidence === "last_login",
          },
        ],
        sessions: sessionsOf(this, one),
        tokens: tokensOf(this, one, false),
        journal,
      };
    });

  logout = (
    ids: string[],
    fingerprint: string | null,
    reason: string | null,
    consent: boolean,
    tokens: boolean,
  ) =>
    this.#ask("logout", () => {
      this.changes();
      for (const id of ids) needConsent(this, this.find(id), consent);
      const reports = ids.map((id) => logOut(this, this.find(id), fingerprint, tokens));
      const users = reports.map((r) => ({ id: r.user.id, username: r.user.username, sessions: [] }));
      const deleted = reports.reduce((n, r) => n + r.sessions_deleted, 0);
      write(this, "logout", users, reason, reports[0]?.detail ?? "", deleted, 0);
      this.moved();
      return reports;
    });
  unreadable = () =>
    this.#ask("unreadable", () => ({ total: this.unreadables.length, sessions: this.unreadables }));
  logoutUnreadable = (fingerprint: string) =>
    this.#ask("logoutUnreadable", () => {
      this.changes();
      return endUnreadable(this, fingerprint);
    });
  suspend = (id: string, reason: string | null, consent: boolean) =>
    this.#ask("suspend", () => {
      this.changes();
      needConsent(this, this.find(id), consent);
      return turn(this, this.find(id), false, reason);
    });
  allowAgain = (id: string, reason: string | null) =>
    this.#ask("allowAgain", () => {
      this.changes();
      return turn(this, this.find(id), true, reason);
    });
  lookup = (name: string) =>
    this.#ask("lookup", () => {
      const { people, away } = this.population;
      const one = [...people, ...away].find((p) => p.username === name);
      if (!one)
        throw new Failure("no_user", `no user "${name}" on Harbor shop; give a username as the site has it`);
      return people.includes(one) ? this.row(one) : this.gone(one);
    });

  previewSweep = () => this.#ask("previewSweep", () => plan(this, true));
  sweep = (force: boolean) =>
    this.#ask("sweep", () => {
      this.changes();
      return sweepNow(this, force);
    });

  #setting(set: () => void): SiteView {
    set();
    this.tell({ kind: "settings" });
    return this.view();
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
  timeline = () => this.#ask("timeline", () => structuredClone(this.samples));
  autostart = () => this.#ask("autostart", () => this.starts);
  setAutostart = (on: boolean) => this.#ask("setAutostart", () => (this.starts = on));
  painted = () => this.#ask("painted", () => undefined);

  listen = async (hearing: Hearing) => {
    this.hearing.add(hearing);
    return () => void this.hearing.delete(hearing);
  };
}
