// What the fake site has on paper: facts found, checks of the connection test, an old journal.
import type { Population } from "./population";
import type { FakeOptions } from "./fake-site";
import type { Check, Entry, Found, Stated, TakenView, UnreadableView } from "./types";

export const fakeFound: Found[] = [
  {
    what: "session table",
    value: "django_session",
    because: "has session_key, session_data and expire_date",
  },
  { what: "user table", value: "accounts_customuser", because: "django_admin_log.user_id refers to it" },
  { what: "name column", value: "username", because: "unique text beside password" },
  { what: "activity column", value: "last_activity", because: "a nullable time whose name says activity" },
  { what: "flag column", value: "isCurrentlyActive", because: "a boolean whose name says here now" },
  { what: "staff column", value: "is_staff", because: "Django's own name" },
  { what: "e-mail column", value: null, because: "no column of the user table looks like one" },
];

export const fakeTokensFound: Found[] = ["authtoken_token", "knox_authtoken"].map((value) => ({
  what: "API tokens",
  value,
  because: "a known package's table",
}));

export const fakeRefusals: Record<NonNullable<FakeOptions["engine"]>, string | null> = {
  db: null,
  cached_db: null,
  signed_cookies: "the sessions of this site live in the browser; there is nothing on the server to delete",
  unset:
    'cached_db asks its cache before the table, and no cache is configured; set cache = "redis://host:6379/1" under [site.sessions] in config.toml',
};

export function fakeUnreadables(many: number, now: number): UnreadableView[] {
  const whys = [
    "the data is cut off",
    "a pickle that makes an object: shop.cart.Cart",
    "base64 that does not decode",
  ];
  return Array.from({ length: many }, (_, n) => ({
    fingerprint: Math.imul(n + 3, 2654435761)
      .toString(16)
      .replace("-", "")
      .padStart(12, "5b")
      .slice(0, 12),
    last_saved: null,
    expires: new Date((now + 86_400 * (n + 2)) * 1000).toISOString(),
    kind: n % 3 === 1 ? ("opaque" as const) : ("corrupt" as const),
    why: whys[n % 3] ?? "",
    ip: null,
    device: null,
  }));
}

export const fakeTaken: TakenView = {
  name: "shop",
  manage: "/srv/shop/manage.py",
  python: "/srv/shop/.venv/bin/python",
  django: "5.2.1",
  rows: [
    { what: "database", value: "postgres://shop@db.internal/shop", from: "DATABASES['default']" },
    { what: "password", value: "known, kept in the keychain", from: "DATABASES['default']['PASSWORD']" },
    { what: "session engine", value: "django.contrib.sessions.backends.cached_db", from: "SESSION_ENGINE" },
    { what: "cache", value: "redis://cache.internal:6379/1", from: "CACHES['sessions']" },
    { what: "user table", value: "accounts_customuser", from: "AUTH_USER_MODEL" },
    { what: "time zone", value: "UTC", from: "USE_TZ" },
    { what: "session age", value: "14d", from: "SESSION_COOKIE_AGE" },
    { what: "SECRET_KEY", value: "known, kept in the keychain", from: "SECRET_KEY" },
  ],
  notes: ["KEY_FUNCTION is the site's own; Curfew takes its form from a session that it finds in the cache."],
};

export function fakeChecks(url: string, secretKey: string | null, stated: Stated): Check[] {
  const host = /@?([^/@]+)\//.exec(url.split("://")[1] ?? "")?.[1] ?? "the host";
  if (!/^(postgres|sqlite|mysql):\/\//.test(url)) {
    const fix = "Write postgres://user:password@host:port/db or sqlite:///absolute/path.sqlite3.";
    return [
      { name: "Address", ok: false, detail: `${url || "Nothing"} is not the address of a database.`, fix },
    ];
  }
  const checks: Check[] = [
    { name: "Reached", ok: true, detail: `${host} answered in 4 ms`, fix: null },
    { name: "Encrypted", ok: true, detail: "TLS 1.3, certificate verified", fix: null },
  ];
  if (url.includes("denied")) {
    const fix = "Check the user and the password, and that pg_hba.conf lets this machine in.";
    return [
      ...checks,
      { name: "Signed in", ok: false, detail: "Password authentication failed for user curfew.", fix },
    ];
  }
  if (url.includes("tenants") && stated.schema === null) {
    const detail =
      'More than one schema holds a site: acme, public. Name one with --schema acme, or with schema = "acme" in config.toml.';
    return [
      ...checks,
      { name: "tables", ok: false, detail, fix: "state what the site uses: the schema with --schema" },
    ];
  }
  const engine: Check =
    stated.session_engine === null
      ? {
          name: "session engine",
          ok: false,
          detail: "SESSION_ENGINE is not known; a cached copy may still let a user in",
          fix: "give --session-engine ENGINE",
        }
      : { name: "session engine", ok: true, detail: stated.session_engine, fix: null };
  return [
    ...checks,
    { name: "Signed in", ok: true, detail: "as curfew, PostgreSQL 15.8", fix: null },
    { name: "Clock", ok: true, detail: "0.2 s ahead of this machine", fix: null },
    { name: "tables", ok: true, detail: "django_session, accounts_customuser", fix: null },
    engine,
    { name: "Activity evidence", ok: true, detail: "last_activity, last_login", fix: null },
    { name: "Rights", ok: true, detail: "may delete sessions, may clear isCurrentlyActive", fix: null },
    secretKey
      ? { name: "Signatures", ok: true, detail: "100 of 100 sessions verify with this SECRET_KEY", fix: null }
      : {
          name: "Signatures",
          ok: false,
          detail: "Not checked: the SECRET_KEY is not known.",
          fix: "Give the site's SECRET_KEY to tell real sessions from forged or outdated ones. Curfew works without.",
        },
  ];
}

export function fakeJournal(population: Population, now: number): Entry[] {
  const entries: Entry[] = [];
  const hash = (n: number) =>
    Math.imul(n + 11, 2654435761)
      .toString(16)
      .padStart(8, "0")
      .slice(-8)
      .repeat(8);
  const add = (entry: Omit<Entry, "seq" | "prev" | "hash">) => {
    const seq = entries.length + 1;
    entries.unshift({ ...entry, seq, prev: hash(seq - 1), hash: hash(seq) });
  };
  if (population.people.length === 0) return [];
  for (let n = 12; n >= 1; n--) {
    const at = now - n * 300 - 108;
    const logout = n % 5 === 2;
    const count = logout ? 1 : n % 4;
    const users = population.people.slice(n, n + count).map((p, i) => ({
      id: p.id,
      username: p.username,
      idle_seconds: 2100 + i * 321,
      sessions: p.sessions.map((s) => s.fingerprint),
    }));
    const base = {
      operator: logout ? "mira@ops-laptop" : "curfew@sweeper-1",
      site: "Harbor shop",
      deed: logout ? ("logout" as const) : ("sweep" as const),
      id: `old${n}`,
      users,
      reason: logout ? "laptop stolen, ticket 4711" : null,
    };
    add({ ...base, at: new Date(at * 1000).toISOString(), phase: "intent" });
    if (n === 9) continue;
    add({
      ...base,
      at: new Date((at + 3) * 1000).toISOString(),
      phase: "outcome",
      outcome:
        n === 7 ? "not verified: the cache did not answer" : logout ? "signed out, verified" : "verified",
      users_marked: count,
      sessions_deleted: users.reduce((sum, u) => sum + u.sessions.length, 0),
      verified: n !== 7,
    });
  }
  return entries;
}
