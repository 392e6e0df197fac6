// Which view is shown, and which dialogs lie over the window: while one does, nothing below it is
// under the pointer.
import { MediaQuery } from "svelte/reactivity";
import type { Account } from "./account.svelte";
import type { Logout } from "./logout.svelte";
import type { Selection } from "./selection.svelte";
import type { Sweep } from "./sweep.svelte";
import type { Unreadable } from "./unreadable.svelte";

export type View = "people" | "sweeps" | "journal" | "settings" | "connect";

export class Cover {
  view = $state<View>("people");
  help = $state(false);
  /** Too narrow for a third column: the panel becomes a sheet over the table. */
  readonly narrow = new MediaQuery("(width < 1100px)");

  constructor(
    readonly over: {
      readonly logout: Logout;
      readonly account: Account;
      readonly unreadable: Unreadable;
      readonly sweep: Sweep;
      readonly selection: Selection;
    },
  ) {}

  get sheet(): boolean {
    return this.narrow.current && this.view === "people" && this.over.selection.open !== null;
  }

  get dialog(): boolean {
    const { logout, account, unreadable, sweep } = this.over;
    return (
      this.help ||
      unreadable.open ||
      sweep.stage !== "closed" ||
      logout.target !== null ||
      account.turn !== null
    );
  }

  get any(): boolean {
    return this.dialog || this.sheet;
  }
}
