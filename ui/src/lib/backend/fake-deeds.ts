// What is done on the fake site: logouts, sweeps, and the lines of its journal about them.
import type { FakeSite } from "./fake-site";
import { tokensOf } from "./fake-tokens";
import type { Somebody } from "./population";
import {
  type Entry,
  Failure,
  type LogoutReport,
  type Outcome,
  type ReasonCode,
  type SweepReport,
} from "./types";

const words: Record<Outcome, string> = {
  signed_out: "signed out, verified",
  nothing_to_do: "nothing to do: no session left",
  unverified: "not verified: the cache did not answer",
  partial: "partly done: one session came back twice",
  not_possible: "not possible: this session engine leaves nothing on the server to delete",
};

const codes: Record<Outcome, ReasonCode> = {
  signed_out: "signed_out",
  nothing_to_do: "nothing_to_do",
  unverified: "failed",
  partial: "came_back",
  not_possible: "not_possible",
};

/** Whoever has neither a session nor the flag is not here. */
export function leave(site: FakeSite, one: Somebody): void {
  if (one.sessions.length > 0) return;
  one.flagged = false;
  const { people, away } = site.population;
  if (people.includes(one)) away.push(one);
  site.population.people = people.filter((p) => p !== one);
}

/** A session comes back: its person is here again. */
function back(site: FakeSite, one: Somebody, sessions: Somebody["sessions"]): void {
  one.sessions = [...one.sessions, ...sessions];
  const { people, away } = site.population;
  if (!people.includes(one)) people.push(one);
  site.population.away = away.filter((p) => p !== one);
}

export function logOut(
  site: FakeSite,
  one: Somebody,
  fingerprint: string | null,
  tokens: boolean,
): LogoutReport {
  const gone = one.sessions.filter((s) => fingerprint === null || s.fingerprint === fingerprint);
  if (fingerprint !== null && gone.length === 0) {
    throw new Failure("no_session", `${one.username} has no session ${fingerprint}.`);
  }
  const outcome = gone.length === 0 ? "nothing_to_do" : site.outcome;
  const following = (site.options.followed ?? false) && gone.length > 0;
  const verified = !following && (outcome === "signed_out" || outcome === "nothing_to_do");
  if (verified || following) one.sessions = one.sessions.filter((s) => !gone.includes(s));
  const left = one.sessions.length;
  if (verified || following) leave(site, one);
  const done = outcome === "not_possible" ? 0 : gone.length;
  const deed = `d${(site.entries[0]?.seq ?? 0) + 1}-${one.id}`;
  const told = { kind: "logged_out" as const, id: one.id, deed, username: one.username, sessions: done };
  if (following) {
    site.later(() => {
      if (outcome !== "signed_out") back(site, one, gone);
      site.tell({ ...told, outcome, following: false, detail: words[outcome] });
      site.moved();
    });
  }
  if (verified && site.options.returns) {
    site.later(() => {
      back(site, one, gone);
      site.tell({ kind: "signed_in_again", id: one.id, deed, username: one.username, sessions: gone.length });
      site.moved();
    });
  }
  const report = {
    user: site.row(one),
    sessions_deleted: done,
    outcome: following ? ("unverified" as const) : outcome,
    verified,
    flag_cleared: left === 0,
    following,
    deed,
    detail: following ? `Not verified yet: ${done} deleted, looking again.` : words[outcome],
    tokens: fingerprint === null ? tokensOf(site, one, tokens || (site.options.revokeTokens ?? false)) : null,
    reason_code: following ? ("can_come_back" as const) : codes[outcome],
    doubts: [],
  };
  site.tell({ ...told, outcome: report.outcome, following, detail: report.detail });
  return report;
}

export function write(
  site: FakeSite,
  deed: Entry["deed"],
  users: Entry["users"],
  reason: string | null,
  outcome: string,
  deleted: number,
  marked: number,
): void {
  const seq = (site.entries[0]?.seq ?? 0) + 1;
  const base = {
    operator: "mira@ops-laptop",
    site: site.view().name,
    deed,
    id: `d${seq}`,
    users,
    reason,
    prev: "",
    hash: "",
  };
  site.entries.unshift({ ...base, seq, at: site.stamp(site.now), phase: "intent" });
  const after = { outcome, users_marked: marked, sessions_deleted: deleted, verified: true };
  site.entries.unshift({
    ...base,
    seq: seq + 1,
    at: site.stamp(site.now + 1),
    phase: "outcome",
    ...after,
  });
}

export function plan(site: FakeSite, dry: boolean): SweepReport {
  const due = site.population.people.filter((p) =>
    ["overdue", "stale"].includes(site.population.state(p, site.now, site.policy)),
  );
  const taken = due.filter((p) => !site.exempt(p));
  const overdue = taken.filter((p) => p.sessions.length > 0);
  const here = site.population.counts(site.now, site.policy).signed_in;
  const many = overdue.length > 20 && overdue.length > here * (site.policy.max_share ?? 1);
  return {
    site: site.view().name,
    dry_run: dry,
    at: site.stamp(site.now),
    cutoff: site.stamp(site.now - site.policy.sign_out_after),
    users: taken.map((p) => ({
      id: p.id,
      username: p.username,
      idle_seconds: p.seen === null ? null : Math.round(site.now - p.seen),
      reason: p.sessions.length > 0 ? "overdue" : "stale",
      sessions: p.sessions.length,
    })),
    users_marked: taken.filter((p) => p.flagged).length,
    sessions_deleted: dry ? 0 : taken.reduce((n, p) => n + p.sessions.length, 0),
    skipped: due
      .filter((p) => site.exempt(p))
      .map((p) => ({ username: p.username, why: `exempt: ${site.exempt(p)}`, code: "exempt" as const })),
    verified: true,
    doubts: [],
    held: many ? `${overdue.length} of ${here} people signed in would be signed out, more than half.` : null,
    held_code: many ? "too_many" : null,
  };
}

export function sweepNow(site: FakeSite, force: boolean): SweepReport {
  const due = plan(site, false);
  if (due.held && !force) throw new Failure("too_many", due.held);
  const gone = new Set(due.users.map((u) => u.id));
  site.population.away.push(...site.population.people.filter((p) => gone.has(p.id)));
  site.population.people = site.population.people.filter((p) => !gone.has(p.id));
  site.samples.sweeps.push({ at: site.now, people: due.users.length });
  site.last = {
    at: site.stamp(site.now),
    people: due.users.length,
    sessions: due.sessions_deleted,
    marked: due.users_marked,
    skipped: due.skipped.length,
    verified: true,
    held: null,
  };
  write(
    site,
    "sweep",
    due.users.map((u) => ({ ...u, sessions: [] })),
    null,
    "verified",
    due.sessions_deleted,
    due.users_marked,
  );
  site.tell({ kind: "swept", summary: site.last });
  site.moved();
  return due;
}
