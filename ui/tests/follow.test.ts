// A logout that is looked after for a minute: never called done before it is, and told plainly where it was not.
import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../src/lib/backend";
import { button, dialog, names, openWindow, row, settle } from "./window";

const follows = () => document.querySelector(".follows")?.textContent ?? "";

async function loggedOut(options = {}) {
  const opened = await openWindow({ users: 40, followed: true, engine: "cached_db", ...options });
  const name = names()[2] ?? "";
  await opened.user.click(button(`Log out ${name}`));
  await settle();
  await opened.user.click(button("Log out", dialog()));
  await settle();
  return { ...opened, name };
}

describe("a logout that is followed", () => {
  it("claims nothing early, and turns to its end in the dialog", async () => {
    const { fake } = await loggedOut();
    expect(dialog().textContent).toContain("gone now, looking again for a minute");
    expect(dialog().textContent).not.toMatch(/signed out|, verified/);
    fake.advance(30, false);
    await settle();
    expect(dialog().textContent).toContain("looking again");
    fake.advance(31, false);
    await settle();
    expect(dialog().textContent).toContain("signed out, verified");
    expect(dialog().textContent).not.toContain("looking again");
  });

  it("goes on beside the people once the dialog is closed, and goes away when it ended well", async () => {
    const { fake, user, name } = await loggedOut();
    expect(follows()).toBe("");
    await user.click(button("Close", dialog()));
    await settle();
    expect(follows()).toContain("Looking again for a minute");
    expect(follows()).toContain(name);
    expect(follows()).toContain("gone now");
    expect(follows()).not.toContain("verified");
    fake.advance(61, false);
    await settle();
    expect(follows()).toContain("signed out, verified");
    await settle(10_000);
    expect(follows()).toBe("");
  });

  it.each<[Outcome, string]>([
    ["partial", "one session came back twice"],
    ["unverified", "the cache did not answer"],
  ])("tells what came of it where it ended as %s, and stays until it is put away", async (outcome, words) => {
    const { fake, user, name } = await loggedOut({ outcome });
    await user.click(button("Close", dialog()));
    await settle();
    fake.advance(61, false);
    await settle();
    expect(follows()).toContain(words);
    expect(follows()).not.toContain("signed out, verified");
    expect(fake.population.people.map((p) => p.username)).toContain(name);
    await settle(30_000);
    expect(follows()).toContain(words);
    await user.click(button(`Put away: ${name}`));
    await settle();
    expect(follows()).toBe("");
  });

  it("is told in the panel too, and marked in the row of whoever is still here", async () => {
    const { fake, user } = await openWindow({ users: 40, followed: true, engine: "cached_db" });
    const one = fake.population.people.find((p) => p.sessions.length > 1 && names().includes(p.username));
    if (!one) throw new Error("the fake has changed");
    await user.click(row(one.username));
    await settle();
    const panel = screen.getByRole("complementary");
    await user.click(button(`Log out session ${one.sessions[0]?.fingerprint}`, panel));
    await settle();
    await user.click(button("Log out", dialog()));
    await settle();
    await user.click(button("Close", dialog()));
    await settle(1500);
    expect(panel.textContent).toContain("Gone now, looking again for a minute");
    expect(row(one.username).textContent).toContain("Looking again");
    fake.advance(61, false);
    await settle();
    expect(panel.textContent).toContain("Signed out, verified");
    expect(row(one.username).textContent).not.toContain("Looking again");
  });

  it("is one line each for several at once, and not more than people read", async () => {
    const { fake, user } = await openWindow({ users: 40, followed: true, engine: "cached_db" });
    await user.click(row(names()[0] ?? ""));
    await user.keyboard("{Shift>}{ArrowDown}{ArrowDown}{ArrowDown}{ArrowDown}{ArrowDown}{/Shift}");
    await settle();
    await user.click(button("Log out 6 users…"));
    await settle();
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent?.match(/gone now, looking again/g)).toHaveLength(6);
    await user.click(button("Close", dialog()));
    await settle();
    expect(document.querySelectorAll(".follows li")).toHaveLength(4);
    expect(follows()).toContain("and 2 more");
    fake.advance(61, false);
    await settle();
    expect(follows()).not.toContain("Looking again");
  });

  it("tells of whoever signs in again after a good end, in the dialog and beside the people", async () => {
    const { fake, user, name } = await loggedOut({ followed: false, returns: true });
    expect(dialog().textContent).toContain("signed out, verified");
    fake.advance(61, false);
    await settle();
    expect(dialog().textContent).toContain("signed in again with");
    expect(dialog().textContent).not.toContain("verified");
    await user.click(button("Close", dialog()));
    await settle(30_000);
    expect(follows()).toContain(name);
    expect(follows()).toContain("signed in again");
    expect(follows()).toContain(" session");
    await user.click(button(`Put away: ${name}`));
    await settle();
    expect(follows()).toBe("");
  });

  it("takes an end that comes before the answer", async () => {
    const { fake, user } = await openWindow({ users: 40, followed: true, engine: "cached_db" });
    const logout = fake.logout;
    fake.logout = async (...asked) => {
      const reports = await logout(...asked);
      fake.advance(61, false);
      return reports;
    };
    await user.click(button(`Log out ${names()[2]}`));
    await settle();
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain("signed out, verified");
  });
});
