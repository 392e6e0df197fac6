// A fake site out of a browser's address: ?users=10000&state=offline, ?engine=signed_cookies&switch&own=NAME,
// ?followed&outcome=partial&devices&unreadable=3. It lives in real time.
import { Fake } from "./fake";
import type { FakeOptions } from "./fake-site";
import type { Outcome } from "./types";

export function fakeOfAddress(asked: URLSearchParams): Fake {
  const state = asked.get("state") ?? "live";
  const options: FakeOptions = {
    users: Number(asked.get("users") ?? 1307),
    seed: Number(asked.get("seed") ?? 7),
    armed: state !== "view-only",
    demo: asked.has("demo"),
    outcome: (asked.get("outcome") ?? "signed_out") as Outcome,
    firstRun: state === "first-run",
    healthDown: asked.has("down"),
    engine: (asked.get("engine") ?? "db") as NonNullable<FakeOptions["engine"]>,
    followed: asked.has("followed"),
    accountSwitch: asked.has("switch"),
    devices: asked.has("devices"),
    unreadable: Number(asked.get("unreadable") ?? 0),
  };
  if (state === "slow") options.slow = 2500;
  else if (asked.has("delay")) options.slow = Number(asked.get("delay"));
  if (state === "error") {
    options.broken =
      "postgres://db.internal/shop: the password was refused. Check the user and the password of this site.";
  }
  if (asked.has("broken-journal")) options.journalFault = "Line 12 was changed: its hash does not fit.";
  if (!asked.has("still")) options.now = Math.floor(Date.now() / 1000);
  const own = asked.get("own");
  if (own !== null) options.own = own;
  const fake = new Fake(options);
  if (state === "offline" || state === "stale") setTimeout(() => fake.setLink(state), 300);
  if (!asked.has("still")) setInterval(() => fake.advance(2), 2000);
  if (asked.has("notice")) {
    const [one, two] = fake.population.people;
    setTimeout(() => {
      if (!one || !two) return;
      const people = [one, two].map((p) => ({ id: p.id, username: p.username, idle_seconds: 720 }));
      fake.notice({
        title: "2 people are idle",
        body: `${one.username} 12 min, ${two.username} 12 min`,
        people,
      });
    }, 500);
  }
  return fake;
}
