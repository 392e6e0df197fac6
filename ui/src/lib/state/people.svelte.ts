// The table's rows: pages asked for by offset, kept while they are fresh, never the whole list.
// While the pointer rests on the table, rows keep their places: contents move, order waits.
import { SvelteMap } from "svelte/reactivity";
import {
  type Backend,
  Failure,
  type Filter,
  type Page,
  type Question,
  type Sort,
  type UserView,
} from "../backend";
import { changesBetween } from "./order";

export const PAGE = 50;
/** Pages kept on either side of those in sight. */
const AROUND = 20;
/** Rows that are asked for before they come into sight, where somebody scrolls towards them. */
const AHEAD = 2 * PAGE;
/** At most four questions a second. */
const PACE = 250;

/** What a counter shows when it is pressed. "sessions" is everyone signed in, most sessions first. */
export type Lens = Exclude<Filter, "everyone"> | "sessions";

export class People {
  lens = $state<Lens | null>(null);
  search = $state("");
  sort = $state<Sort>("idle");
  descending = $state(false);
  total = $state(0);
  /** Null before the first answer to this question. */
  loaded = $state(false);
  failure = $state.raw<Failure | null>(null);
  /** Places whose person would change if the newest order were taken. */
  changes = $state(0);
  /** Moves whenever the list starts anew, so that the table goes to its top. */
  question = $state(0);
  #pages = new SvelteMap<number, Page>();
  #waiting = new Map<number, Page>();
  #fresh = new Map<number, number>();
  #revision = 0;
  #first = 0;
  #last = PAGE - 1;
  /** Where the rows in sight are going. */
  #ahead: [number, number] | null = null;
  #held = false;
  #busy = false;
  #again = false;
  #askedAt = -PACE;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(readonly backend: Backend) {}

  row(index: number): UserView | undefined {
    return this.#pages.get(Math.floor(index / PAGE))?.rows[index % PAGE];
  }

  get filter(): Filter {
    return this.lens === null ? "everyone" : this.lens === "sessions" ? "signed_in" : this.lens;
  }

  #question(page: number): Question {
    const { filter, search, sort, descending } = this;
    return { filter, search, sort, descending, offset: page * PAGE, limit: PAGE };
  }

  setLens(lens: Lens | null): void {
    const wasSessions = this.lens === "sessions";
    this.lens = lens;
    if (lens === "sessions") [this.sort, this.descending] = ["sessions", true];
    else if (wasSessions) [this.sort, this.descending] = ["idle", false];
    this.#anew();
  }

  setSearch(text: string): void {
    if (text === this.search) return;
    this.search = text;
    this.#anew();
  }

  setSort(sort: Sort, descending: boolean): void {
    this.sort = sort;
    this.descending = descending;
    this.#anew();
  }

  /** Another question: what is shown stays until its answer comes. */
  #anew(): void {
    this.question += 1;
    this.#fresh.clear();
    this.#waiting.clear();
    this.changes = 0;
    this.#first = 0;
    this.#last = PAGE - 1;
    this.#ahead = null;
    this.#askedAt = -PACE;
    this.refresh();
  }

  /** Another site: nothing that is known holds. */
  reset(): void {
    this.#pages.clear();
    this.total = 0;
    this.loaded = false;
    this.#anew();
  }

  /** The table shows rows `first..=last` now. */
  want(first: number, last: number): void {
    if (first === this.#first && last === this.#last) return;
    // Whoever scrolls moves the rows under the pointer already: the newest order comes along.
    if (this.#waiting.size > 0) this.apply();
    const by = first - this.#first;
    // A jump leads nowhere further.
    if (by === 0 || Math.abs(by) >= PAGE) this.#ahead = null;
    else
      this.#ahead = by > 0 ? [last + 1, Math.min(last + AHEAD, this.total - 1)] : [first - AHEAD, first - 1];
    this.#first = first;
    this.#last = last;
    if (this.#missing().length > 0 || this.#coming().length > 0) this.refresh();
  }

  /** The engine's picture moved. */
  hear(revision: number): void {
    if (revision === this.#revision) return;
    // The engine counts from the start again where it has opened the site anew.
    if (revision < this.#revision) this.#fresh.clear();
    this.#revision = revision;
    this.refresh();
  }

  #missing(first = this.#first, last = this.#last): number[] {
    const pages: number[] = [];
    const from = Math.floor(Math.max(0, first) / PAGE);
    const to = Math.floor(Math.max(0, last) / PAGE);
    for (let n = from; n <= to; n++) if ((this.#fresh.get(n) ?? -1) < this.#revision) pages.push(n);
    return pages;
  }

  /** What comes into sight next: rows that are there before they are shown come one by one, and are never empty. */
  #coming(): number[] {
    if (this.#ahead === null || this.#ahead[1] < Math.max(0, this.#ahead[0])) return [];
    return this.#missing(...this.#ahead);
  }

  /** Asks for the rows in sight, unless nobody can see them; soon, not at once, where it just asked. */
  refresh(): void {
    if (this.#stopped || document.hidden) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#askedAt + PACE - performance.now());
    if (wait === 0) void this.#ask();
    else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#ask();
      }, wait);
    }
  }

  async #ask(): Promise<void> {
    this.#busy = true;
    this.#again = false;
    this.#askedAt = performance.now();
    const asked = this.question;
    const pages = new Set([...this.#missing(), ...this.#coming()]);
    // Whoever stands still is asked for alone.
    this.#ahead = null;
    try {
      const answers = await Promise.all(
        [...pages].map(async (n) => [n, await this.backend.users(this.#question(n))] as const),
      );
      if (asked === this.question) {
        this.#take(answers);
        this.failure = null;
      }
    } catch (reason) {
      if (asked === this.question) this.failure = Failure.of(reason);
    } finally {
      this.#busy = false;
      if (this.#again || asked !== this.question) this.refresh();
    }
  }

  #take(answers: (readonly [number, Page])[]): void {
    const anew = !this.loaded || this.#fresh.size === 0;
    for (const [n, page] of answers) {
      this.#fresh.set(n, page.revision);
      this.#revision = Math.max(this.#revision, page.revision);
    }
    if (anew) {
      this.#pages.clear();
      this.#waiting.clear();
    }
    for (const [n, page] of answers) {
      if (this.#held && !anew && this.#inSight(n) && this.#pages.has(n)) this.#waiting.set(n, page);
      else this.#pages.set(n, page);
    }
    this.loaded = true;
    if (this.#waiting.size > 0) this.#inPlace();
    else this.#settle(answers.at(-1)?.[1].total);
  }

  #inSight(page: number): boolean {
    return page >= Math.floor(this.#first / PAGE) && page <= Math.floor(this.#last / PAGE);
  }

  #settle(total: number | undefined): void {
    this.changes = 0;
    if (total === undefined) return;
    this.total = total;
    // Pages of an older look that are out of sight are asked for again when they come into it.
    const keep = new Set([...this.#fresh].filter(([, r]) => r >= this.#revision).map(([n]) => n));
    const from = Math.floor(this.#first / PAGE);
    const to = Math.floor(this.#last / PAGE);
    const within = (n: number, many: number) => n >= from - many && n <= to + many;
    for (const n of [...this.#pages.keys()]) {
      if (within(n, keep.has(n) ? AROUND : 1)) continue;
      this.#pages.delete(n);
      this.#fresh.delete(n);
    }
  }

  /** New contents for the people in sight, where they are; and how many places would change. */
  #inPlace(): void {
    const news = new Map<string, UserView>();
    for (const page of this.#waiting.values()) for (const row of page.rows) news.set(row.id, row);
    const before: string[] = [];
    const after: string[] = [];
    for (const [n, page] of this.#waiting) {
      const shown = this.#pages.get(n);
      if (!shown) continue;
      before.push(...shown.rows.map((row) => row.id));
      after.push(...page.rows.map((row) => row.id));
      this.#pages.set(n, { ...shown, rows: shown.rows.map((row) => news.get(row.id) ?? row) });
    }
    this.changes = changesBetween(before, after);
    if (this.changes === 0) this.apply();
  }

  /** Takes the order that waits. */
  apply(): void {
    let total: number | undefined;
    for (const [n, page] of this.#waiting) {
      this.#pages.set(n, page);
      total = page.total;
    }
    this.#waiting.clear();
    this.#settle(total);
  }

  /** While held, rows keep their places. */
  hold(on: boolean): void {
    this.#held = on;
    if (!on && this.#waiting.size > 0) this.apply();
  }

  /** Everyone from one place to another, asked for where they are not at hand. */
  async between(a: number, b: number): Promise<UserView[]> {
    const [from, to] = a < b ? [a, b] : [b, a];
    const rows: UserView[] = [];
    for (let i = from; i <= to; i++) {
      const row = this.row(i);
      if (!row) {
        const page = await this.backend.users({ ...this.#question(0), offset: from, limit: to - from + 1 });
        return page.rows;
      }
      rows.push(row);
    }
    return rows;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
