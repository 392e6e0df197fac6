// Which dialogs lie over the window: while one does, nothing below it is under the pointer.
import type { Logout } from "./logout.svelte";

export class Cover {
  help = $state(false);
  preview = $state(false);
  /** The user's panel as a sheet, on narrow windows. */
  sheet = $state(false);

  constructor(readonly logout: Logout) {}

  get any(): boolean {
    return this.help || this.preview || this.sheet || this.logout.target !== null;
  }
}
