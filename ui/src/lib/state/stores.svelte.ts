// All stores of one window, wired to one backend: made once, found by every part through its context.
import { getContext, setContext } from "svelte";
import type { Backend, SiteEvent } from "../backend";
import { Account } from "./account.svelte";
import { Clock } from "./clock.svelte";
import { Cover } from "./cover.svelte";
import { Journal } from "./journal.svelte";
import { Follow } from "./follow.svelte";
import { Logout } from "./logout.svelte";
import { Lookup } from "./lookup.svelte";
import { Notices } from "./notices.svelte";
import { People } from "./people.svelte";
import { Person } from "./person.svelte";
import { Selection } from "./selection.svelte";
import { Site } from "./site.svelte";
import { Sweep } from "./sweep.svelte";
import { LastHour } from "./timeline.svelte";
import { Unreadable } from "./unreadable.svelte";

/** While no site is open, and every so often after that: settings that no event told of. */
const ASK_AGAIN = { closed: 1_500, open: 30_000 };

export class Stores {
  readonly clock = new Clock();
  readonly selection = new Selection();
  readonly notices = new Notices();
  readonly site: Site;
  readonly people: People;
  readonly person: Person;
  readonly logout: Logout;
  readonly follow = new Follow();
  readonly account: Account;
  readonly unreadable: Unreadable;
  readonly lookup: Lookup;
  readonly sweep: Sweep;
  readonly journal: Journal;
  readonly timeline: LastHour;
  readonly cover: Cover;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(readonly backend: Backend) {
    this.site = new Site(backend, this.clock);
    this.people = new People(backend);
    this.person = new Person(backend);
    this.sweep = new Sweep(backend);
    this.journal = new Journal(backend);
    this.timeline = new LastHour(backend);
    const isOwn = (username: string) => this.site.isOwn(username);
    this.logout = new Logout(backend, this.follow, isOwn, (users) => {
      for (const user of users) this.selection.marked.delete(user.id);
    });
    this.unreadable = new Unreadable(backend);
    this.lookup = new Lookup(backend, (user) => this.show(user.id));
    this.account = new Account(backend, this.follow, isOwn, () => {
      this.person.hear();
      void this.journal.load();
    });
    this.cover = new Cover(this);
  }

  /** Starts hearing and asking; what it gives back stops both. */
  start(): () => void {
    let stopHearing: (() => void) | undefined;
    const stopClock = this.clock.start();
    const seen = () => {
      if (document.hidden) return;
      this.people.refresh();
      this.person.hear();
      this.timeline.hear();
    };
    document.addEventListener("visibilitychange", seen);
    const hearing = {
      event: (event: SiteEvent) => this.#hear(event),
      notice: this.notices.add.bind(this.notices),
      show: ({ id }: { id: string }) => this.show(id),
    };
    void this.backend.listen(hearing).then((stop) => {
      if (this.#stopped) stop();
      else stopHearing = stop;
      return this.#ask();
    });
    return () => {
      this.#stopped = true;
      clearTimeout(this.#timer);
      stopClock();
      stopHearing?.();
      document.removeEventListener("visibilitychange", seen);
      this.people.stop();
      this.person.stop();
    };
  }

  async #ask(): Promise<void> {
    const before = this.site.stage;
    if (before !== "open" || !document.hidden) await this.site.load();
    if (before !== "open" && this.site.stage === "open") this.opened();
    if (this.#stopped) return;
    this.#timer = setTimeout(
      () => void this.#ask(),
      ASK_AGAIN[this.site.stage === "open" ? "open" : "closed"],
    );
  }

  /** A site has been opened, maybe another than before: nothing of the old one stays. */
  opened(): void {
    this.selection.reset();
    this.follow.reset();
    this.person.show(null);
    this.people.reset();
    this.timeline.hear(true);
  }

  async openSite(name: string): Promise<void> {
    await this.site.open(name);
    if (this.site.stage === "open") this.opened();
  }

  /** Brings one person into sight, wherever the window is. */
  show(id: string): void {
    this.cover.view = "people";
    if (id !== "") this.selection.arrive(id);
  }

  /** Does something that may be refused; a refusal becomes a notice under `title`. */
  async attempt(title: string, doing: Promise<unknown>): Promise<boolean> {
    try {
      await doing;
      return true;
    } catch (reason) {
      this.notices.fail(title, reason);
      return false;
    }
  }

  #hear(event: SiteEvent): void {
    if (this.site.stage !== "open") return;
    this.site.hear(event);
    if (event.kind === "looked") {
      this.people.hear(event.revision);
      this.person.hear();
      this.timeline.hear();
    } else if (event.kind === "swept") {
      this.timeline.hear(true);
      void this.journal.load();
    } else if (
      event.kind === "logged_out" ||
      event.kind === "signed_in_again" ||
      event.kind === "account_switched"
    ) {
      const settled = this.follow.hear(event);
      if (settled) {
        this.logout.settle(settled.deed, settled.end);
        this.account.settle(settled.deed, settled.end);
      }
      this.person.hear();
      void this.unreadable.load();
      void this.journal.load();
    }
  }
}

const key = Symbol("stores");
export const provide = (stores: Stores) => setContext(key, stores);
export const stores = () => getContext<Stores>(key);
