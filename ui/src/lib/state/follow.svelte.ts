// Deeds that the engine still looks after: gone now, looked for again for a minute. Each begins with a report or an
// event, and ends with the event that has its name. Nothing here decides how it ended.
import { SvelteMap } from "svelte/reactivity";
import type { AccountReport, LogoutReport, SiteEvent } from "../backend";
import { sessions } from "../format";
import { type Deed, type Ending, isGood } from "../words";

/** The engine's last look, in seconds after the deed. */
export const WATCHED = 60;
/** How long a good end stays in sight. */
const STAYS = 10_000;
/** Ends that are remembered for answers that come later. */
const KEPT = 200;

export interface Followed {
  deed: string;
  what: Deed;
  /** The user's id; empty for a session of nobody known. */
  id: string;
  username: string;
  /** By the window's monotonic clock, in milliseconds. */
  since: number;
  /** How it ended; null while it is looked for. */
  end: Ending | null;
}

export class Follow {
  readonly #all = new SvelteMap<string, Followed>();
  #ends = new Map<string, Ending>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** Those that are looked for, and ends that are still to be read; the oldest first. */
  list = $derived.by(() => [...this.#all.values()].sort((a, b) => a.since - b.since));

  /** Looks after a report's deed. The report itself, or its end where that came before it. */
  begin<R extends LogoutReport | AccountReport>(report: R, what: Deed): R {
    const { deed, user } = report;
    if (!report.following || deed === undefined) return report;
    const end = this.#ends.get(deed);
    if (end) return { ...report, ...end };
    if (!this.#all.has(deed)) {
      this.#put({ deed, what, id: user.id, username: user.username, since: performance.now(), end: null });
    }
    return report;
  }

  /** Hears of a deed; what it gives back is its end, where this is it. */
  hear(event: SiteEvent): { deed: string; end: Ending } | null {
    if (event.kind === "signed_in_again") {
      const { deed, id, username } = event;
      const detail = `with ${sessions(event.sessions)}`;
      const end: Ending = { outcome: "signed_in_again", detail, verified: false, following: false };
      this.forget(deed);
      this.#put({ deed, what: "logout", id, username, since: performance.now(), end });
      return { deed, end };
    }
    if (event.kind !== "logged_out" && event.kind !== "account_switched") return null;
    const { deed, id, username, outcome, detail } = event;
    const known = this.#all.get(deed);
    if (event.following) {
      if (known || deed === "") return null;
      const what = event.kind === "logged_out" ? "logout" : event.enabled ? "allow" : "suspend";
      this.#put({ deed, what, id, username, since: performance.now(), end: null });
      return null;
    }
    const end: Ending = { outcome, detail, verified: isGood(outcome), following: false };
    this.#ends.set(deed, end);
    for (const old of this.#ends.keys()) if (this.#ends.size > KEPT) this.#ends.delete(old);
    if (known) this.#put({ ...known, end });
    return { deed, end };
  }

  #put(entry: Followed): void {
    this.#all.set(entry.deed, entry);
    if (entry.end?.verified)
      this.#timers.set(
        entry.deed,
        setTimeout(() => this.forget(entry.deed), STAYS),
      );
  }

  /** What is looked for now about this person: the newest. */
  about(id: string): Followed | undefined {
    return id === "" ? undefined : this.list.findLast((one) => one.id === id);
  }

  forget(deed: string): void {
    clearTimeout(this.#timers.get(deed));
    this.#timers.delete(deed);
    this.#all.delete(deed);
  }

  /** Another site: what is looked for there is told by its journal. */
  reset(): void {
    for (const { deed } of this.list) this.forget(deed);
  }
}
