// All stores of one window, wired to one backend: made once, found by every part through its context.
import { getContext, setContext } from "svelte";
import type { Backend, SiteEvent } from "../backend";
import { Clock } from "./clock.svelte";
import { Cover } from "./cover.svelte";
import { Logout } from "./logout.svelte";
import { People } from "./people.svelte";
import { Selection } from "./selection.svelte";
import { Site } from "./site.svelte";

export class Stores {
  readonly clock = new Clock();
  readonly site: Site;
  readonly people: People;
  readonly selection = new Selection();
  readonly logout: Logout;
  readonly cover: Cover;

  constructor(readonly backend: Backend) {
    this.site = new Site(backend, this.clock);
    this.people = new People(backend);
    this.logout = new Logout(backend, (users) => {
      for (const user of users) this.selection.marked.delete(user.id);
    });
    this.cover = new Cover(this.logout);
  }

  /** Starts hearing and asking; what it gives back stops both. */
  start(): () => void {
    let stopped = false;
    let stopHearing: (() => void) | undefined;
    const stopClock = this.clock.start();
    const seen = () => {
      if (!document.hidden) this.people.refresh();
    };
    document.addEventListener("visibilitychange", seen);
    void this.backend
      .listen({ event: (e) => this.#hear(e), notice: () => {}, show: () => {} })
      .then((stop) => {
        if (stopped) stop();
        else stopHearing = stop;
        return this.site.load();
      })
      .then(() => this.people.refresh());
    return () => {
      stopped = true;
      stopClock();
      stopHearing?.();
      document.removeEventListener("visibilitychange", seen);
      this.people.stop();
    };
  }

  #hear(event: SiteEvent): void {
    this.site.hear(event);
    if (event.kind === "looked") this.people.hear(event.revision);
  }
}

const key = Symbol("stores");
export const provide = (stores: Stores) => setContext(key, stores);
export const stores = () => getContext<Stores>(key);
