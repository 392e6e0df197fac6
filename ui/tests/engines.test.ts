// What a site's session engine gives and takes: devices and addresses, what cannot be read, what cannot be ended.
import { screen, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { body, button, dialog, names, openWindow, row, settle } from "./window";

const disabled = (name: string | RegExp, inside?: HTMLElement) =>
  (button(name, inside) as HTMLButtonElement).disabled;

describe("a session with columns of its own", () => {
  it("says with what and from where it is used, the whole User-Agent beside it, and since when", async () => {
    const { fake, user } = await openWindow({ users: 40, devices: true });
    const one = fake.population.people.find((p) => p.sessions.length > 1 && names().includes(p.username));
    if (!one) throw new Error("the fake has changed");
    await user.click(row(one.username));
    await settle();
    const cards = [...screen.getByRole("complementary").querySelectorAll<HTMLElement>("[data-fingerprint]")];
    const all = cards.map((c) => c.textContent).join("\n");
    expect(all).toMatch(/Firefox 132 on Windows|Safari 18 on iPhone|curl 8.4.0/);
    expect(all).toMatch(/203\.0\.113\.24|2001:db8|198\.51\.100\.7/);
    expect(all).toMatch(/, User-Agent (Mozilla|curl)/);
    expect(all).toContain("used ");
    expect(cards[1]?.textContent).toMatch(/password was changed|signature does not verify|may not sign in/);
    expect(cards[1]?.classList.contains("gone")).toBe(true);
  });
});

describe("sessions in the browser", () => {
  it("are said to be out of reach, logouts are off with the reason, and Suspend is not", async () => {
    const { user } = await openWindow({ users: 12, engine: "signed_cookies", accountSwitch: true });
    const banner = screen.getByRole("region", { name: "Session engine" });
    expect(banner.textContent).toContain(
      "Curfew cannot see or end the sessions of this site: they live in the browser.",
    );
    expect(banner.textContent).toContain("Suspend is the only lever");
    const name = names()[0] ?? "";
    expect(disabled(`Log out ${name}`)).toBe(true);
    expect(button(`Log out ${name}`).title).toContain("live in the browser");
    expect(disabled("Sweep now")).toBe(true);
    await user.click(row(name));
    await settle();
    const panel = screen.getByRole("complementary");
    expect(panel.textContent).toContain("No session can be ended here");
    expect(disabled("Suspend…", panel)).toBe(false);
    await user.click(button("Suspend…", panel));
    await settle();
    expect(dialog().textContent).toContain("each session in a browser ends at its next request");
  });

  it("say how to have the switch where it is off", async () => {
    await openWindow({ users: 0, engine: "signed_cookies" });
    expect(screen.getByRole("region", { name: "Session engine" }).textContent).toContain(
      "account_switch = true",
    );
  });

  it("keep the keyboard from asking", async () => {
    const { user } = await openWindow({ users: 12, engine: "signed_cookies" });
    body().querySelector<HTMLElement>("[data-username]")?.focus();
    await user.keyboard("{Delete}");
    await settle();
    expect(screen.queryByRole("alertdialog")).toBeNull();
  });
});

describe("a cache that is not configured", () => {
  it("is told in one line with what to configure, and nobody can be signed out until it is", async () => {
    await openWindow({ users: 12, engine: "unset" });
    const banner = screen.getByRole("region", { name: "Session engine" });
    expect(banner.textContent).toContain('set cache = "redis://host:6379/1" under [site.sessions]');
    const out = button(`Log out ${names()[0]}`);
    expect((out as HTMLButtonElement).disabled).toBe(true);
    expect(out.title).toContain("no cache is configured");
  });
});

describe("sessions that cannot be read", () => {
  it("are listed with why, and ended one by one", async () => {
    const { fake, user } = await openWindow({ users: 12, unreadable: 3 });
    await user.click(button("3 sessions cannot be read"));
    await settle();
    const list = screen.getByRole("dialog", { name: "3 sessions cannot be read" });
    expect(within(list).getAllByRole("row")).toHaveLength(4);
    expect(list.textContent).toContain("the data is cut off");
    expect(list.textContent).toContain("in 2 d");
    const print = fake.unreadables[0]?.fingerprint ?? "";
    await user.click(button(`Log out session ${print}`, list));
    await settle();
    expect(dialog().textContent).toContain("Log out a session that cannot be read?");
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain("signed out, verified");
    await user.click(button("Close", dialog()));
    await settle();
    expect(fake.unreadables).toHaveLength(2);
    const left = screen.getByRole("dialog", { name: "2 sessions cannot be read" });
    expect(left.querySelectorAll("[data-fingerprint]")).toHaveLength(2);
    expect(left.contains(document.activeElement)).toBe(true);
    await user.click(button("Close", left));
    await settle();
    button("2 sessions cannot be read");
  });

  it("cannot be ended view-only", async () => {
    const { fake, user } = await openWindow({ users: 12, unreadable: 1, armed: false });
    await user.click(button("1 session cannot be read"));
    await settle();
    expect(disabled(`Log out session ${fake.unreadables[0]?.fingerprint}`)).toBe(true);
  });
});

describe("settings", () => {
  it("show the own username, the account switch and how each is set", async () => {
    const { user } = await openWindow({ users: 12, accountSwitch: true, own: "mira", unreadable: 2 });
    await user.click(button("Settings"));
    await settle();
    const accounts = screen.getByRole("region", { name: "Accounts" });
    expect(accounts.textContent).toContain("mira");
    expect(accounts.textContent).toContain("account_switch = false");
    await user.click(button("Show them"));
    await settle();
    screen.getByRole("dialog", { name: "2 sessions cannot be read" });
  });

  it("say what to write where neither is set", async () => {
    const { user } = await openWindow({ users: 12, engine: "unset" });
    await user.click(button("Settings"));
    await settle();
    const accounts = screen.getByRole("region", { name: "Accounts" });
    expect(accounts.textContent).toContain("not named");
    expect(accounts.textContent).toContain("account_switch = true");
    expect(document.body.textContent).toContain("no: cached_db asks its cache");
  });
});
