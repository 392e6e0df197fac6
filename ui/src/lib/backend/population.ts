// The people of the fake site: a seed gives the same people and the same lives every time.
// No clock of its own: whoever holds it moves time forward.
import type { Counts, Evidence, PolicyView, State } from "./types";

export interface FakeSession {
  fingerprint: string;
  saved: number;
  expires: number;
}

export interface Somebody {
  id: string;
  username: string;
  name: string | null;
  email: string | null;
  /** Seconds since 1970, as all times here. */
  seen: number | null;
  login: number | null;
  evidence: Evidence | null;
  flagged: boolean;
  staff: boolean;
  superuser: boolean;
  /** Whether the account may sign in. */
  enabled: boolean;
  sessions: FakeSession[];
}

/** Numbers from 0 to 1, the same for the same seed. */
export function dice(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const first = "ana joy marta bob petr hanna shreya davi tone lea omar nils aiko ines pavel ruth".split(" ");
const last = "lindqvist okafor silva tran novak weber rao costa berg moreau haddad holm sato vidal".split(
  " ",
);
const odd = [
  "王小明",
  "ليلى",
  "נועה",
  "Ñandú",
  "Łukasz",
  "さくら",
  "maria-magdalena.von-und-zu-hohenfels-wiesengrund",
];

export class Population {
  people: Somebody[] = [];
  /** Whoever left, and may come back. */
  away: Somebody[] = [];
  #roll: () => number;
  #busy = 0;

  constructor(size: number, seed: number, now: number) {
    this.#roll = dice(seed);
    for (let n = 0; n < size; n++) this.people.push(this.#make(n, now));
    for (let n = size; n < size * 1.1; n++) this.away.push(this.#make(n, now));
    this.#busy = size;
  }

  #fingerprint(): string {
    let hex = "";
    while (hex.length < 12) hex += Math.floor(this.#roll() * 16).toString(16);
    return hex;
  }

  session(saved: number): FakeSession {
    return { fingerprint: this.#fingerprint(), saved, expires: saved + 1_209_600 };
  }

  #make(n: number, now: number): Somebody {
    const roll = this.#roll;
    const given = first[Math.floor(roll() * first.length)] ?? "ana";
    const family = last[Math.floor(roll() * last.length)] ?? "berg";
    const strange = n % 16 === 5 ? odd[(n >> 4) % odd.length] : undefined;
    const username =
      n < odd.length * 16 && strange
        ? strange
        : `${given}.${family}${n < 14 ? "" : String(n).padStart(2, "0")}`;
    const kind = roll();
    const ago =
      kind < 0.38
        ? roll() * 280
        : kind < 0.82
          ? 300 + roll() * 1750
          : kind < 0.95
            ? 2100 + roll() ** 3 * 40_000
            : 90_000;
    const stale = kind > 0.97;
    const unknown = kind > 0.955 && kind <= 0.97 && n > 20;
    const seen = unknown ? null : Math.floor(now - ago);
    const sessions: FakeSession[] = [];
    const many = stale ? 0 : roll() < 0.7 ? 1 : roll() < 0.8 ? 2 : 3;
    for (let s = 0; s < many; s++) sessions.push(this.session(Math.floor(now - ago - s * 9_000)));
    return {
      id: String(1000 + n),
      username,
      name:
        n % 9 === 4
          ? null
          : `${given[0]?.toUpperCase()}${given.slice(1)} ${family[0]?.toUpperCase()}${family.slice(1)}`,
      email: n % 23 === 7 ? null : `${given}.${family}${n}@harbor.example`,
      seen,
      login: Math.floor(now - ago - 3_600 - roll() * 20_000),
      evidence: unknown
        ? null
        : roll() < 0.8
          ? "last_activity"
          : roll() < 0.5
            ? "last_login"
            : "session_save",
      flagged: stale || roll() < 0.9,
      staff: n % 11 === 0,
      superuser: n % 97 === 9,
      enabled: true,
      sessions,
    };
  }

  /** Lives on until `now`. Answers who became idle on the way. */
  live(now: number, seconds: number, idleAfter: number): Somebody[] {
    const idle: Somebody[] = [];
    const roll = this.#roll;
    for (const one of this.people) {
      if (one.seen === null) continue;
      const ago = now - one.seen;
      if (ago < idleAfter && roll() < 0.04 * seconds) one.seen = Math.floor(now - roll() * seconds);
      else if (ago >= idleAfter && ago - seconds < idleAfter) idle.push(one);
      else if (ago > idleAfter && one.sessions.length > 0 && roll() < 0.0004 * seconds)
        one.seen = Math.floor(now);
    }
    if (this.#busy > 0 && roll() < 0.25 * seconds) {
      const back = this.away.find((p) => p.enabled);
      if (back) {
        this.away.splice(this.away.indexOf(back), 1);
        back.seen = Math.floor(now);
        back.login = back.seen;
        back.flagged = true;
        back.sessions = [this.session(back.seen)];
        this.people.push(back);
      }
    }
    if (this.people.length > this.#busy && roll() < 0.2 * seconds) {
      const [gone] = this.people.splice(Math.floor(roll() * this.people.length), 1);
      if (gone) this.away.push(gone);
    }
    return idle;
  }

  state(one: Somebody, now: number, policy: PolicyView): State {
    if (one.sessions.length === 0) return "stale";
    if (one.seen === null) return "unknown";
    const ago = now - one.seen;
    return ago >= policy.sign_out_after ? "overdue" : ago >= policy.idle_after ? "idle" : "active";
  }

  counts(now: number, policy: PolicyView): Counts {
    const counts: Counts = {
      signed_in: 0,
      active: 0,
      idle: 0,
      overdue: 0,
      stale: 0,
      unknown: 0,
      sessions: 0,
      anonymous_sessions: Math.floor(this.people.length / 7),
      unreadable_sessions: 0,
      rejected_sessions: 0,
    };
    for (const one of this.people) {
      const state = this.state(one, now, policy);
      counts[state] += 1;
      if (state !== "stale") counts.signed_in += 1;
      counts.sessions += one.sessions.length;
    }
    return counts;
  }
}
