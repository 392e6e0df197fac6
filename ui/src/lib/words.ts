// Sentences about what was done, in the words that the whole of Curfew uses. Pure.
import type { Doing } from "./state/journal.svelte";
import type {
  AccountOutcome,
  Entry,
  LogoutReport,
  Outcome,
  State,
  SweepReport,
  SweepSummary,
} from "./backend";
import { clock, people, sessions } from "./format";
import { visible } from "./visible";

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

/** What a deed of the journal is called. */
export const deedWord: Record<Entry["deed"], string> = {
  sweep: "Sweep",
  logout: "Logout",
  suspend: "Suspended",
  allow: "Allowed again",
};

/** A sentence without the beginning that stands elsewhere already. */
function without(text: string, starts: string[]): string {
  for (const start of starts) if (text.startsWith(start)) text = text.slice(start.length);
  return text;
}

/** How a deed of the journal ended, in one line. */
export function doingLine(doing: Doing): string {
  const { outcome, entry } = doing;
  if (!outcome) return "no outcome written";
  // The outcome of a deed about one person is a sentence of its own.
  if (entry.deed !== "sweep" && outcome.outcome) {
    // Of an account, the deed's own name says this already.
    const name = entry.users[0]?.username ?? "";
    const said = without(outcome.outcome.replace(/\.$/, ""), [`Suspended ${name}: `, `Suspended ${name}, `]);
    return visible(said);
  }
  const parts: string[] = [];
  const deleted = outcome.sessions_deleted ?? 0;
  if (entry.users.length === 0 && deleted === 0) parts.push("nobody to sign out");
  else if (deleted > 0) parts.push(sessions(deleted));
  if (outcome.outcome) parts.push(outcome.outcome);
  else if (outcome.verified !== null && outcome.verified !== undefined) {
    parts.push(outcome.verified ? "verified" : "not verified");
  }
  return visible(parts.join(", "));
}

/** A deed about one person. */
export type Deed = Exclude<Entry["deed"], "sweep">;

/** How a deed stands: what of a report tells of it. */
export type Ending = Pick<LogoutReport, "detail" | "verified" | "following"> & {
  outcome: Known;
};

/** How a deed can end; and what is seen of its user within a minute after that. */
export type Known = Outcome | AccountOutcome | "signed_in_again";

const outcomes: Record<Known, string> = {
  signed_out: "signed out, verified",
  suspended: "suspended, verified",
  allowed: "allowed again, verified",
  nothing_to_do: "nothing to do",
  unverified: "not verified",
  partial: "partly done",
  not_possible: "not possible",
  signed_in_again: "signed in again",
};

/** Said of nothing but what was seen to be so. */
export const isGood = (outcome: Known): boolean =>
  outcome === "signed_out" || outcome === "suspended" || outcome === "allowed" || outcome === "nothing_to_do";

/** An outcome as a dot beside its words. What is still looked for is neither good nor bad. */
export function outcomeDot({ outcome, following }: Ending): State {
  if (following) return "unknown";
  return isGood(outcome) ? "active" : outcome === "not_possible" ? "overdue" : "idle";
}

/** An outcome by its own name, and of the engine's sentence what the name and the title do not say already. */
export function outcomeWords(ending: Ending, username: string): { head: string; more: string | null } {
  const { outcome, verified, following } = ending;
  const gone = outcome === "signed_out" || outcome === "unverified";
  const name = following
    ? `${gone ? "gone now" : outcomes[outcome].replace(/, verified$/, "")}, looking again for a minute`
    : isGood(outcome) && !verified
      ? outcomes[outcome].replace(/verified$/, "not verified")
      : outcomes[outcome];
  const said = [
    `Signed out ${username}: `,
    `Suspended ${username}: `,
    `Suspended ${username}, `,
    "Gone now, not verified: ",
    "Not verified: ",
    "Not verified yet: ",
    "Done in part: ",
  ];
  let more = without(ending.detail.trim().replace(/\.$/, ""), said);
  if (verified) more = more.replace(/, verified$/, "");
  // Several sentences end as sentences do.
  if (more.includes(". ")) more += ".";
  return { head: name, more: more === "" ? null : visible(more) };
}

/** How many sessions a sweep deleted, or a preview would. */
export function sessionsOf(report: SweepReport): number {
  if (!report.dry_run) return report.sessions_deleted;
  return report.users.reduce((sum, user) => sum + user.sessions, 0);
}
