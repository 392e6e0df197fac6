// What is known of the open site but for its people: settings, counts, the line to it, its health.
// It asks again when an event says so; ages and countdowns tick here in between.
import { type Backend, type Connection, type Counts, Failure, type Health, type Link } from "../backend";
import type { NoticeRules, PolicyView, SiteEntry, SiteEvent, SiteView, Stated } from "../backend";
import { parse } from "../format";
import type { Clock } from "./clock.svelte";

/** Looks come every 1 to 4 s: until the next one is late, the picture is that of now. */
export const USUAL = 5;
/** A live line with no look for this long is called stale, whatever the engine says of it. */
const STALE_AFTER = 8;

export class Site {
  view = $state.raw<SiteView | null>(null);
  entries = $state.raw<SiteEntry[]>([]);
  /** "asking" until the first answer; "none" on a first run. */
  stage = $state<"asking" | "none" | "opening" | "open" | "failed">("asking");
  failure = $state.raw<Failure | null>(null);
  counts = $state.raw<Counts | null>(null);
  health = $state.raw<Health | null>(null);
  #connection = $state.raw<Connection | null>(null);
  #lookedAt = $state<number | null>(null);
  #retryAt = $state<number | null>(null);
  #sweepAt = $state<number | null>(null);

  constructor(
    readonly backend: Backend,
    readonly clock: Clock,
  ) {}

  armed = $derived(this.view?.armed ?? false);
  error = $derived(this.#connection?.error?.message ?? null);
  /** Seconds since the last look that succeeded. */
  age = $derived.by(() => {
    if (this.#lookedAt === null) return null;
    const about = (this.clock.slowTick - this.#lookedAt) / 1000;
    // While looks come as usual nobody counts the seconds since. The slow time may tick a hair before it is that late.
    return about < USUAL - 1 ? Math.max(0, about) : (this.clock.tick - this.#lookedAt) / 1000;
  });
  link: Link = $derived.by(() => {
    const said = this.#connection?.link ?? "stale";
    return said === "live" && (this.age ?? 0) > STALE_AFTER ? "stale" : said;
  });
  retryIn = $derived.by(() =>
    this.#retryAt === null ? null : Math.max(0, (this.#retryAt - this.clock.tick) / 1000),
  );
  nextSweepIn = $derived.by(() =>
    this.#sweepAt === null ? null : Math.max(0, (this.#sweepAt - this.clock.tick) / 1000),
  );

  /** Why no change can be made now; null where it can. */
  get refusal(): string | null {
    if (!this.view) return "No site is open";
    if (!this.armed) return "View-only: allow changes first";
    if (this.link === "offline") return "The site cannot be reached";
    return null;
  }

  /** Why nobody can be signed out now; null where it can be done. What the session engine rules out comes first:
      no switch of the window changes that. */
  get noLogout(): string | null {
    return this.view?.sign_out_refused ?? this.refusal;
  }

  /** The same in a few words, for places under the banner that says all of it. */
  get noLogoutShort(): string | null {
    return (this.view?.sign_out_refused ?? null) === null ? this.refusal : "No session can be ended here";
  }

  /** Nobody stated the session engine, and the site's data do not show it. */
  get engineAssumed(): boolean {
    return this.view?.doubts.some((doubt) => doubt.code === "engine_unknown") ?? false;
  }

  /** Sessions live in the browsers: nothing on the server can be seen or ended. */
  get inBrowser(): boolean {
    return this.view?.session_engine.endsWith("signed_cookies") ?? false;
  }

  /** Whether this is the operator's own account on the site. */
  isOwn(username: string): boolean {
    return this.view?.own_username === username;
  }

  async load(): Promise<void> {
    try {
      this.entries = await this.backend.sites();
      const view = await this.backend.site();
      if (view) this.take(view);
      else this.stage = this.entries.length === 0 ? "none" : "opening";
    } catch (reason) {
      this.failure = Failure.of(reason);
      if (!this.view) this.stage = "failed";
    }
  }

  take(view: SiteView): void {
    this.view = view;
    this.counts = view.counts;
    this.health = view.health;
    this.failure = null;
    this.stage = "open";
    const stamp = parse(view.db_time);
    if (stamp !== null) this.clock.set(stamp);
    this.#takeConnection(view.connection);
    const next = view.sweep.next_in_seconds;
    this.#sweepAt = next === null ? null : performance.now() + next * 1000;
  }

  #takeConnection(connection: Connection): void {
    const now = performance.now();
    this.#connection = connection;
    this.#lookedAt = connection.age_seconds === null ? null : now - connection.age_seconds * 1000;
    this.#retryAt = connection.retry_seconds === null ? null : now + connection.retry_seconds * 1000;
    this.clock.frozen = connection.link === "offline";
    this.clock.beat();
  }

  hear(event: SiteEvent): void {
    if (event.kind === "looked") {
      this.counts = event.counts;
      this.#lookedAt = performance.now();
      if (this.#connection?.link !== "live" && this.#connection) {
        this.#takeConnection({
          ...this.#connection,
          link: "live",
          error: null,
          age_seconds: 0,
          retry_seconds: null,
        });
      }
      this.clock.beat();
    } else if (event.kind === "connection") {
      const back = this.#connection?.link !== "live" && event.connection.link === "live";
      this.#takeConnection(event.connection);
      if (back) void this.load();
    } else if (event.kind === "health") {
      this.health = event.health;
    } else if (event.kind === "settings" || event.kind === "swept") {
      void this.load();
    }
  }

  async #set(asked: Promise<SiteView>): Promise<void> {
    this.take(await asked);
  }

  setArmed = (on: boolean) => this.#set(this.backend.setArmed(on));
  setAutomatic = (on: boolean) => this.#set(this.backend.setAutomatic(on));
  setPolicy = (policy: PolicyView) => this.#set(this.backend.setPolicy(policy));
  setNotices = (rules: NoticeRules) => this.#set(this.backend.setNotices(rules));

  async open(name: string): Promise<void> {
    this.stage = "opening";
    this.view = null;
    try {
      this.take(await this.backend.openSite(name));
      this.entries = await this.backend.sites();
    } catch (reason) {
      this.failure = Failure.of(reason);
      this.stage = "failed";
    }
  }

  async add(name: string, url: string, secretKey: string | null, stated: Stated): Promise<void> {
    this.added(await this.backend.addSite(name, url, secretKey, stated));
  }

  /** A new site is open. */
  added(view: SiteView): void {
    this.take(view);
    void this.backend.sites().then((entries) => (this.entries = entries));
  }
}
