// Sentences about what was done, in the words that the whole of Curfew uses. Pure.
import type { Doing } from "./state/journal.svelte";
import type { LogoutReport, Outcome, SweepReport, SweepSummary } from "./backend";
import { clock, people, sessions } from "./format";

/** "14:05 signed out 4 people, 7 sessions, verified". */
export function sweepLine(last: SweepSummary): string {
  const at = clock(last.at, false);
  if (last.held) return `${at} held: ${last.held}`;
  if (last.people === 0 && last.marked === 0) return `${at} nobody to sign out`;
  const parts: string[] = [];
  if (last.people > 0) parts.push(`signed out ${people(last.people)}`, sessions(last.sessions));
  else parts.push(`cleared the flag of ${people(last.marked)}`);
  parts.push(last.verified ? "verified" : "not verified");
  return `${at} ${parts.join(", ")}`;
}

/** How a deed of the journal ended, in one line. */
export function doingLine(doing: Doing): string {
  const { outcome, entry } = doing;
  if (!outcome) return "no outcome written";
  // A logout's outcome is a sentence of its own.
  if (entry.deed === "logout" && outcome.outcome) return outcome.outcome.replace(/\.$/, "");
  const parts: string[] = [];
  const deleted = outcome.sessions_deleted ?? 0;
  if (entry.users.length === 0 && deleted === 0) parts.push("nobody to sign out");
  else if (deleted > 0) parts.push(sessions(deleted));
  if (outcome.outcome) parts.push(outcome.outcome);
  else if (outcome.verified !== null && outcome.verified !== undefined) {
    parts.push(outcome.verified ? "verified" : "not verified");
  }
  return parts.join(", ");
}

const outcomes: Record<Outcome, string> = {
  signed_out: "signed out, verified",
  nothing_to_do: "nothing to do",
  unverified: "not verified",
  partial: "partly done",
  not_possible: "not possible",
};

/** An outcome by its own name, and of the engine's sentence what the name and the title do not say already. */
export function outcomeWords(report: LogoutReport): { head: string; more: string | null } {
  const name =
    report.outcome === "signed_out" && !report.verified
      ? "signed out, not verified"
      : outcomes[report.outcome];
  const said = [`Signed out ${report.user.username}: `, "Not verified: ", "Done in part: "];
  let more = report.detail.trim().replace(/\.$/, "");
  for (const start of said) if (more.startsWith(start)) more = more.slice(start.length);
  if (report.verified) more = more.replace(/, verified$/, "");
  return { head: name, more: more === "" ? null : more };
}

/** How many sessions a sweep deleted, or a preview would. */
export function sessionsOf(report: SweepReport): number {
  if (!report.dry_run) return report.sessions_deleted;
  return report.users.reduce((sum, user) => sum + user.sessions, 0);
}
