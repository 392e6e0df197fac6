// Which backend the window speaks to: Tauri in the window; in a plain browser, and only in a build
// made for it, the fake twin. A released window never shows invented people.
import { inTauri, tauri } from "./tauri";
import type { Backend } from "./types";

export async function backend(): Promise<Backend | null> {
  if (inTauri()) return tauri;
  if (import.meta.env.DEV || import.meta.env.MODE === "fake") {
    const { fakeOfAddress } = await import("./fake-address");
    return fakeOfAddress(new URLSearchParams(location.search));
  }
  return null;
}

export * from "./types";
