// A force logout from the button to the outcome, word by word.
import { screen, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../src/lib/backend";
import { button, count, dialog, names, openWindow, row, settle } from "./window";

const asked = (fake: { asked: { what: string }[] }) => fake.asked.filter((a) => a.what === "logout").length;

describe("API tokens", () => {
  const box = () => within(dialog()).queryByRole("checkbox", { name: /^Revoke API tokens/ });

  it("are told of, and stay where nobody asked", async () => {
    const { fake, user } = await openWindow({ users: 12, tokens: 3 });
    const name = names()[0] ?? "";
    await user.click(button(`Log out ${name}`));
    await settle();
    expect((box() as HTMLInputElement).checked).toBe(false);
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain("signed out, verified");
    expect(dialog().textContent).toContain(`${name} also has 3 API tokens, not revoked`);
    expect(fake.asked.find((a) => a.what === "logout")).toBeDefined();
  });

  it("are revoked on request", async () => {
    const { user } = await openWindow({ users: 12, tokens: 3 });
    const name = names()[0] ?? "";
    await user.click(button(`Log out ${name}`));
    await settle();
    await user.click(box() as HTMLElement);
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain(`3 API tokens of ${name} revoked.`);
  });

  it("are always revoked where the site's settings say so", async () => {
    const { user } = await openWindow({ users: 12, tokens: 2, revokeTokens: true });
    const name = names()[0] ?? "";
    await user.click(button(`Log out ${name}`));
    await settle();
    expect((box() as HTMLInputElement).disabled).toBe(true);
    expect((box() as HTMLInputElement).checked).toBe(true);
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain(`2 API tokens of ${name} revoked.`);
  });

  it("are no question on a site without token tables", async () => {
    const { user } = await openWindow({ users: 12 });
    await user.click(button(`Log out ${names()[0]}`));
    await settle();
    expect(box()).toBeNull();
  });
});

describe("logging one person out", () => {
  it("asks once with who and how many, then stays to say how it ended", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    const name = names()[0] ?? "";
    const signedIn = Number(count("signed-in"));
    const one = fake.population.people.find((p) => p.username === name);
    await user.click(button(`Log out ${name}`));
    await settle();
    expect(dialog().textContent).toContain(`Log out ${name}?`);
    expect(dialog().textContent).toContain(
      one?.sessions.length === 1 ? "1 session" : `${one?.sessions.length} sessions`,
    );
    expect(dialog().textContent).toMatch(/last seen \d+ (s|min) ago/);
    expect(asked(fake)).toBe(0);
    await user.type(within(dialog()).getByLabelText("Reason, for the journal"), "laptop stolen");
    await user.click(button("Log out", dialog()));
    await settle();
    expect(asked(fake)).toBe(1);
    expect(fake.entries[0]?.reason).toBe("laptop stolen");
    expect(dialog().textContent).toContain("signed out, verified");
    await user.click(button("Close", dialog()));
    await settle();
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(names()).not.toContain(name);
    expect(Number(count("signed-in"))).toBe(signedIn - 1);
  });

  it("does nothing on Cancel", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(button(`Log out ${names()[0]}`));
    await settle();
    await user.click(button("Cancel", dialog()));
    await settle();
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(asked(fake)).toBe(0);
  });

  it("cannot be closed or asked twice while it is under way", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    const name = names()[0] ?? "";
    await user.click(button(`Log out ${name}`));
    await settle();
    fake.options.slow = 3000;
    await user.click(button("Log out", dialog()));
    await settle(100);
    expect((button("Log out", dialog()) as HTMLButtonElement).disabled).toBe(true);
    expect(dialog().textContent).toContain("looking again");
    await user.keyboard("{Escape}");
    await settle(100);
    dialog();
    await settle(4000);
    expect(dialog().textContent).toContain("signed out, verified");
    expect(asked(fake)).toBe(1);
  });

  it.each<[Outcome, string]>([
    ["unverified", "not verified: the cache did not answer"],
    ["partial", "partly done: one session came back twice"],
    ["not_possible", "not possible: this session engine leaves nothing on the server to delete"],
  ])("never calls %s a success", async (outcome, words) => {
    const { user } = await openWindow({ users: 12, outcome });
    await user.click(button(`Log out ${names()[0]}`));
    await settle();
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain(words);
    expect(dialog().textContent).not.toContain("signed out, verified");
  });

  it("says what went wrong where nothing was done", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(button(`Log out ${names()[0]}`));
    await settle();
    fake.armed = false;
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain("This site is view-only.");
    button("Close", dialog());
  });

  it("submits with Enter from the reason, so that the keyboard alone suffices", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    const name = names()[0] ?? "";
    row(name).focus();
    await user.keyboard("{Delete}");
    await settle();
    await user.keyboard("ticket 4711{Enter}");
    await settle();
    expect(fake.entries[0]?.reason).toBe("ticket 4711");
    expect(document.activeElement?.textContent).toBe("Close");
  });
});

describe("logging one session out", () => {
  it("is one row with one button, and leaves the others", async () => {
    const { fake, user } = await openWindow({ users: 40 });
    const one = fake.population.people.find((p) => p.sessions.length === 2 && names().includes(p.username));
    if (!one) throw new Error("the fake has changed");
    const [first, second] = one.sessions.map((s) => s.fingerprint);
    await user.click(row(one.username));
    await settle();
    const panel = screen.getByRole("complementary", { name: `User ${one.username}` });
    expect(
      [...panel.querySelectorAll("[data-fingerprint]")].map((r) => r.getAttribute("data-fingerprint")),
    ).toEqual([first, second]);
    button("Log out of 2 sessions…", panel);
    await user.click(button(`Log out session ${first}`, panel));
    await settle();
    await user.click(button("Log out", dialog()));
    await settle(1500);
    expect(one.sessions.map((s) => s.fingerprint)).toEqual([second]);
    await user.click(button("Close", dialog()));
    await settle(1500);
    const left = screen.getByRole("complementary").querySelectorAll("[data-fingerprint]");
    expect([...left].map((r) => r.getAttribute("data-fingerprint"))).toEqual([second]);
  });
});

describe("logging several out", () => {
  it("says how many on the button, and reports each", async () => {
    const { user, fake } = await openWindow({ users: 40 });
    const [a, b] = names() as [string, string];
    await user.click(row(a));
    await settle();
    await user.keyboard("{Control>}");
    await user.click(row(b));
    await user.keyboard("{/Control}");
    await settle();
    await user.click(button("Log out 2 users…"));
    await settle();
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain(a);
    expect(dialog().textContent).toContain(b);
    expect(dialog().textContent?.match(/signed out, verified/g)).toHaveLength(2);
    expect(fake.asked.filter((q) => q.what === "logout")).toHaveLength(1);
  });
});
