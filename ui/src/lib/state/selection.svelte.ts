// Who the keyboard stands on, whose panel is open, and who is marked. People are held by id, so that
// a refresh moves none of it.
import { SvelteMap } from "svelte/reactivity";
import type { UserView } from "../backend";

export class Selection {
  /** The row the keyboard stands on; -1 before it came. */
  cursor = $state(-1);
  cursorId = $state<string | null>(null);
  /** Whose panel is open. */
  open = $state<string | null>(null);
  readonly marked = new SvelteMap<string, UserView>();
  /** Where a range of marks starts. */
  anchor = -1;
  /** Moves when the focus is wanted back in the table, after a dialog. */
  recalled = $state(0);
  /** The focus is wanted in the panel, until it has it. */
  arrived = $state(false);

  stand(index: number, row: UserView | undefined): void {
    this.cursor = index;
    this.cursorId = row?.id ?? null;
  }

  toggle(row: UserView): void {
    if (!this.marked.delete(row.id)) this.marked.set(row.id, row);
  }

  mark(rows: UserView[]): void {
    for (const row of rows) this.marked.set(row.id, row);
  }

  /** Marks cleared, or where there are none the panel closed. False where there was neither. */
  escape(): boolean {
    if (this.marked.size > 0) this.marked.clear();
    else if (this.open !== null) this.open = null;
    else return false;
    return true;
  }

  recall(): void {
    this.recalled += 1;
  }

  /** Opens someone from outside the table; the focus follows into the panel. */
  arrive(id: string): void {
    this.open = id;
    this.arrived = true;
  }

  /** Closes the panel, and gives the focus back to the table. */
  close(): void {
    this.open = null;
    this.recall();
  }

  reset(): void {
    this.cursor = -1;
    this.cursorId = null;
    this.anchor = -1;
    this.open = null;
    this.marked.clear();
  }
}
