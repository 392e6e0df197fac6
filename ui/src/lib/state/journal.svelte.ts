// The journal as the window shows it: intents and outcomes of one deed put together, newest first.
import { type Backend, type Entry, Failure, type JournalView } from "../backend";

const STEP = 200;

/** One sweep or logout: what was meant, and how it ended where that was written. */
export interface Doing {
  id: string;
  intent: Entry | null;
  outcome: Entry | null;
  /** Whichever says most: the outcome, else the intent. */
  entry: Entry;
}

export function doings(entries: readonly Entry[]): Doing[] {
  const found = new Map<string, Doing>();
  for (const entry of entries) {
    const key = `${entry.site}\n${entry.id}`;
    const doing = found.get(key) ?? { id: key, intent: null, outcome: null, entry };
    if (entry.phase === "intent") doing.intent = entry;
    else if (doing.outcome === null) {
      // The newest comes first: a logout that was followed has an earlier one too, and that is not how it ended.
      doing.outcome = entry;
      doing.entry = entry;
    }
    found.set(key, doing);
  }
  return [...found.values()];
}

export class Journal {
  view = $state.raw<JournalView | null>(null);
  failure = $state.raw<Failure | null>(null);
  #limit = STEP;

  constructor(readonly backend: Backend) {}

  all = $derived.by(() => doings(this.view?.entries ?? []));
  /** Whether there may be older lines than the ones at hand. */
  more = $derived.by(() => (this.view?.entries.length ?? 0) >= this.#limit);

  async load(): Promise<void> {
    try {
      this.view = await this.backend.journal(this.#limit);
      this.failure = null;
    } catch (reason) {
      this.failure = Failure.of(reason);
    }
  }

  older(): Promise<void> {
    this.#limit += STEP;
    return this.load();
  }
}
