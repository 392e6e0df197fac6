// What the fake site does beside logouts and sweeps: accounts switched, sessions of nobody known ended.
import { leave, write } from "./fake-deeds";
import type { FakeSite } from "./fake-site";
import { tokensOf } from "./fake-tokens";
import type { Somebody } from "./population";
import { type AccountReport, Failure, type LogoutReport } from "./types";

/** The operator's own account is touched by consent alone. */
export function needConsent(site: FakeSite, one: Somebody, consent: boolean): void {
  if (one.username === site.options.own && !consent)
    throw new Failure("own_account", `${one.username} is your own account on this site.`);
}

export function turn(site: FakeSite, one: Somebody, enabled: boolean, reason: string | null): AccountReport {
  if (!site.options.accountSwitch)
    throw new Failure(
      "switch_off",
      "Curfew may not switch accounts here; set account_switch = true in config.toml",
    );
  const outcome = one.enabled === enabled ? "nothing_to_do" : enabled ? "allowed" : "suspended";
  const sessions = one.sessions.length;
  one.enabled = enabled;
  one.sessions = [];
  leave(site, one);
  const following = (site.options.followed ?? false) && sessions > 0;
  const done = sessions === 1 ? "1 session" : `${sessions} sessions`;
  const detail = enabled
    ? `${one.username} may sign in again, no old session is left, verified.`
    : `Suspended ${one.username}, ${done} ended: the account is switched off, verified.`;
  const deed = `a${(site.entries[0]?.seq ?? 0) + 1}`;
  const told = {
    kind: "account_switched" as const,
    id: one.id,
    deed,
    username: one.username,
    enabled,
    sessions,
  };
  const report: AccountReport = {
    user: { ...site.row(one), state: "unknown" },
    enabled,
    sessions_deleted: sessions,
    outcome,
    verified: !following,
    flag_cleared: false,
    following,
    deed,
    detail: following ? `The account is off, ${done} deleted.` : detail,
    tokens: enabled ? null : tokensOf(site, one, site.options.revokeTokens ?? false),
  };
  if (following) site.later(() => site.tell({ ...told, outcome, following: false, detail }));
  const users = [{ id: one.id, username: one.username, sessions: [] }];
  write(site, enabled ? "allow" : "suspend", users, reason, report.detail, sessions, 0);
  site.tell({ ...told, outcome, following, detail: report.detail });
  site.moved();
  return report;
}

export function endUnreadable(site: FakeSite, fingerprint: string): LogoutReport {
  if (!site.unreadables.some((s) => s.fingerprint === fingerprint))
    throw new Failure("no_session", `No unreadable session ${fingerprint}.`);
  site.unreadables = site.unreadables.filter((s) => s.fingerprint !== fingerprint);
  const [anybody] = site.population.people;
  if (!anybody) throw new Failure("failed", "the fake has nobody");
  const user = { ...site.row(anybody), id: "", username: "(unreadable)", sessions: 0 };
  write(
    site,
    "logout",
    [{ id: "", username: "(unreadable)", sessions: [fingerprint] }],
    null,
    "ended, verified",
    1,
    0,
  );
  site.moved();
  return {
    user,
    sessions_deleted: 1,
    outcome: "signed_out",
    verified: true,
    flag_cleared: false,
    following: false,
    deed: `u${fingerprint}`,
    detail: "Ended the session, verified.",
    tokens: null,
    reason_code: "signed_out",
    doubts: [],
  };
}
