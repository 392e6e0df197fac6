// What the operator states of a site that is being connected: as --session-engine and --schema of the command line.
import type { Stated } from "../backend";

/** Django's own session engines, by the last part of their dotted names. */
export const DJANGOS = ["db", "cached_db", "cache", "file", "signed_cookies"] as const;

export class Statement {
  /** Empty: Curfew finds it out. "another": `path` names it. */
  engine = $state<"" | "another" | (typeof DJANGOS)[number]>("");
  path = $state("");
  schema = $state("");

  constructor(readonly url: () => string) {}

  /** SQLite has no schemas, and a MySQL address names its database. */
  get hasSchemas(): boolean {
    return !/^(sqlite|mysql|mariadb):/i.test(this.url().trim());
  }

  /** An engine that is to be named is not named yet. */
  get unfinished(): boolean {
    return this.engine === "another" && this.path.trim() === "";
  }

  get stated(): Stated {
    const schema = this.hasSchemas ? this.schema.trim() : "";
    const engine =
      this.engine === "another"
        ? this.path.trim()
        : this.engine && `django.contrib.sessions.backends.${this.engine}`;
    return { schema: schema || null, session_engine: engine || null };
  }
}
