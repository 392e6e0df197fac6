// The fake site's rows in the order asked for.
import type { FakeSite } from "./fake-site";
import type { Somebody } from "./population";
import type { Question, SessionView, UserView } from "./types";

const agents = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
  "curl/8.4.0",
];
const kinds = ["Firefox 132 on Windows", "Safari 18 on iPhone", "curl 8.4.0"];
const addresses = ["203.0.113.24", "2001:db8:85a3:8d3:1319:8a2e:370:7348", "198.51.100.7"];
const whyNot = [
  "the password was changed since",
  "the signature does not verify",
  "the account may not sign in",
];

/** One person's sessions; with `devices` the second does not count. */
export function sessionsOf(site: FakeSite, one: Somebody): SessionView[] {
  const { devices } = site.options;
  return one.sessions.map((s, n) => {
    const usable = !devices || n !== 1;
    return {
      fingerprint: s.fingerprint,
      last_saved: site.stamp(s.saved),
      expires: site.stamp(s.expires),
      expiry: n === 1 ? "browser_close" : "age",
      readable: true,
      signature: usable ? "verified" : "invalid",
      usable,
      why: usable ? null : (whyNot[Number(one.id) % 3] ?? null),
      ip: devices ? (addresses[(Number(one.id) + n) % 3] ?? null) : null,
      device: devices ? (kinds[(Number(one.id) + n) % 3] ?? null) : null,
      user_agent: devices ? (agents[(Number(one.id) + n) % 3] ?? null) : null,
      seen: devices ? site.stamp(s.saved + 30) : null,
      impersonator: site.options.impersonated === one.username ? "root" : null,
      acts_as: site.options.impersonated === one.username ? one.username : null,
    };
  });
}

const rank = { active: 0, idle: 1, overdue: 2, stale: 4, unknown: 3 } as const;

export function sorted(site: FakeSite, { filter, search, sort, descending }: Question): UserView[] {
  const needle = search.trim().toLocaleLowerCase();
  const rows = site.population.people
    .map((p) => site.row(p))
    .filter(
      (r) => filter === "everyone" || (filter === "signed_in" ? r.state !== "stale" : r.state === filter),
    )
    .filter((r) => [r.username, r.name, r.email, r.id].some((t) => t?.toLocaleLowerCase().includes(needle)));
  const of = (r: UserView): string | number => {
    if (sort === "username") return r.username;
    if (sort === "email") return r.email ?? "\uffff";
    if (sort === "sessions") return r.sessions;
    if (sort === "state") return rank[r.state];
    if (sort === "role") return r.superuser ? 0 : r.staff ? 1 : 2;
    if (sort === "evidence") return r.evidence ?? "\uffff";
    return r.state === "stale" ? 1e9 : (r.idle_seconds ?? 1e8);
  };
  const way = descending ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    return x < y ? -way : x > y ? way : Number(a.id) - Number(b.id);
  });
}
