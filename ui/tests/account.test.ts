// Suspend and Allow again: asked with all that it does, told as it ended, found again later.
import { screen, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { button, dialog, names, openWindow, row, settle } from "./window";

const panel = (name: string) => screen.getByRole("complementary", { name: `User ${name}` });

async function suspended(options = {}) {
  const opened = await openWindow({ users: 40, accountSwitch: true, ...options });
  const name = names()[2] ?? "";
  await opened.user.click(row(name));
  await settle();
  await opened.user.click(button("Suspend…", panel(name)));
  await settle();
  return { ...opened, name };
}

describe("suspending", () => {
  it("is offered only where the operator switched it on", async () => {
    const { user } = await openWindow({ users: 12 });
    await user.click(row(names()[0] ?? ""));
    await settle();
    expect(screen.queryByRole("button", { name: "Suspend…" })).toBeNull();
  });

  it("says both things it does, and that only a person undoes it, before it does them", async () => {
    const { fake, user, name } = await suspended();
    expect(dialog().textContent).toContain(`Suspend ${name}?`);
    expect(dialog().textContent).toContain("is_active = false");
    expect(dialog().textContent).toMatch(/all sessions end \(\d now\)/);
    expect(dialog().textContent).toContain("until a person allows it again");
    expect(fake.find(fake.population.people[0]?.id ?? "").enabled).toBe(true);
    await user.click(button("Cancel", dialog()));
    await settle();
    expect(fake.asked.map((a) => a.what)).not.toContain("suspend");
    expect(document.activeElement?.textContent).toBe("Suspend…");
  });

  it("tells how it ended, and shows the state of a suspended person", async () => {
    const { fake, user, name } = await suspended();
    await user.type(within(dialog()).getByLabelText("Reason, for the journal"), "ticket 12");
    await user.click(button("Suspend", dialog()));
    await settle();
    expect(dialog().textContent).toContain("suspended, verified");
    expect(dialog().textContent).toContain("Only a person can undo it");
    expect(fake.entries[0]?.reason).toBe("ticket 12");
    await user.click(button("Close", dialog()));
    await settle(1500);
    expect(names()).not.toContain(name);
    within(panel(name)).getByText("Suspended");
    expect(document.activeElement?.textContent).toBe("Allow again…");
  });

  it("is undone by a person", async () => {
    const { fake, user, name } = await suspended();
    await user.click(button("Suspend", dialog()));
    await settle();
    await user.click(button("Close", dialog()));
    await settle(1500);
    await user.click(button("Allow again…", panel(name)));
    await settle();
    expect(dialog().textContent).toContain("ended first");
    await user.click(button("Allow again", dialog()));
    await settle();
    expect(dialog().textContent).toContain("allowed again, verified");
    await user.click(button("Close", dialog()));
    await settle(1500);
    expect(within(panel(name)).queryByText("Suspended")).toBeNull();
    button("Suspend…", panel(name));
    expect(fake.entries[0]?.deed).toBe("allow");
  });

  it("says what went wrong where nothing was done", async () => {
    const { fake, user } = await suspended();
    fake.armed = false;
    await user.click(button("Suspend", dialog()));
    await settle();
    expect(dialog().textContent).toContain("This site is view-only.");
    button("Close", dialog());
  });

  it("cannot be done view-only, and says why", async () => {
    const { user } = await openWindow({ users: 12, accountSwitch: true, armed: false });
    const name = names()[0] ?? "";
    await user.click(row(name));
    await settle();
    expect((button("Suspend…", panel(name)) as HTMLButtonElement).disabled).toBe(true);
    expect(panel(name).textContent).toContain("View-only: allow changes first");
  });
});

describe("whoever is not signed in", () => {
  it("is looked up by the exact name, and opened", async () => {
    const { fake, user } = await openWindow({ users: 40 });
    const away = fake.population.away[0]?.username ?? "";
    await user.type(screen.getByRole("searchbox"), away);
    await settle();
    expect(names()).toEqual([]);
    await user.click(button(`Not signed in: look up ${away}`));
    await settle();
    expect(panel(away).textContent).toContain("Not signed in");
    expect(document.activeElement).toBe(within(panel(away)).getByRole("heading", { name: away }));
  });

  it("is said not to be there where the site has no such user", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.type(screen.getByRole("searchbox"), "nobody.at.all");
    await user.keyboard("{Enter}");
    await settle();
    // Enter leads to what can be done, and again does it.
    await user.keyboard("{Enter}");
    await settle();
    expect(screen.getByText(/has no user of exactly this name/)).toBeTruthy();
    expect(screen.queryByRole("complementary")).toBeNull();
  });

  it("is offered beside others who only look alike", async () => {
    const { fake, user } = await openWindow({ users: 40 });
    const away = fake.population.away[0];
    if (!away) throw new Error("the fake has changed");
    away.username = names()[0]?.slice(0, 4) ?? "";
    await user.type(screen.getByRole("searchbox"), away.username);
    await settle();
    expect(names().length).toBeGreaterThan(0);
    await user.click(button(`Look up ${away.username}`));
    await settle();
    panel(away.username);
  });

  it("is opened from the journal, with the focus on whose panel it is", async () => {
    const { fake, user, name } = await suspended();
    await user.click(button("Suspend", dialog()));
    await settle();
    await user.click(button("Close", dialog()));
    await settle();
    await user.click(button("Close", panel(name)));
    await user.click(button("Journal"));
    await settle();
    const table = screen.getByRole("table", { name: "Journal" });
    await user.click(within(table).getAllByRole("button", { name })[0] as HTMLElement);
    await settle();
    expect(fake.find(fake.entries[0]?.users[0]?.id ?? "").enabled).toBe(false);
    within(panel(name)).getByText("Suspended");
    expect(document.activeElement).toBe(within(panel(name)).getByRole("heading", { name }));
  });
});

describe("the operator's own account", () => {
  const own = async (options = {}) => {
    const opened = await openWindow({ users: 12, accountSwitch: true, ...options });
    const name = names()[1] ?? "";
    opened.fake.options.own = name;
    await opened.fake.setArmed(true);
    await settle();
    return { ...opened, name };
  };

  it("is marked, and warned of before its logout", async () => {
    const { fake, user, name } = await own();
    expect(row(name).textContent).toContain("You");
    await user.click(button(`Log out ${name}`));
    await settle();
    expect(within(dialog()).getByRole("alert").textContent).toContain("This is your own account");
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain("signed out, verified");
    expect(fake.asked.filter((a) => a.what === "logout")).toHaveLength(1);
  });

  it("is warned of before its suspension", async () => {
    const { user, name } = await own();
    await user.click(row(name));
    await settle();
    within(panel(name)).getByText("You");
    await user.click(button("Suspend…", panel(name)));
    await settle();
    expect(dialog().textContent).toContain("This is your own account. You could not sign in to undo it.");
  });

  it("is asked about again where only the engine knew that it is", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    const name = names()[1] ?? "";
    fake.options.own = name;
    await user.click(button(`Log out ${name}`));
    await settle();
    expect(within(dialog()).queryByRole("alert")).toBeNull();
    await user.click(button("Log out", dialog()));
    await settle();
    expect(within(dialog()).getByRole("alert").textContent).toContain("This is your own account");
    expect(fake.find(fake.population.people[1]?.id ?? "").sessions.length).toBeGreaterThan(0);
    await user.click(button("Log out", dialog()));
    await settle();
    expect(dialog().textContent).toContain("signed out, verified");
  });
});
