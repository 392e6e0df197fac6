// The table's columns, in order: what they are called, and what the engine sorts them by.
import type { Evidence, Sort } from "../backend";

export interface Column {
  id: Sort;
  label: string;
  /** Figures stand at the end of their cell. */
  figure?: boolean;
}

export const columns: Column[] = [
  { id: "state", label: "" },
  { id: "username", label: "User" },
  { id: "email", label: "E-mail" },
  { id: "last_seen", label: "Last seen", figure: true },
  { id: "idle", label: "Idle", figure: true },
  { id: "sessions", label: "Sessions", figure: true },
  { id: "role", label: "Role" },
  { id: "evidence", label: "Evidence" },
];

export const evidenceWord: Record<Evidence, string> = {
  last_activity: "activity",
  last_login: "login",
  session_save: "save",
  observed_change: "seen changing",
};

/** What the first press on a column's head sorts by: figures that matter when large start large. */
export const firstDescending: ReadonlySet<Sort> = new Set<Sort>(["sessions"]);
