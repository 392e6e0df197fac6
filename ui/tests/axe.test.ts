// axe-core over each view and dialog. Colours are measured in a real window, not here.
import { screen } from "@testing-library/svelte";
import axe from "axe-core";
import { describe, expect, it, vi } from "vitest";
import { button, names, openWindow, row, settle } from "./window";
import { media } from "./setup";

async function faults(): Promise<string[]> {
  vi.useRealTimers();
  const found = await axe.run(document, { rules: { "color-contrast": { enabled: false } } });
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`);
}

describe("axe finds nothing", () => {
  it("among the people, with a panel open", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.click(row(names()[3] ?? ""));
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("with nobody signed in", async () => {
    await openWindow({ users: 0 });
    expect(await faults()).toEqual([]);
  });

  it("offline and view-only", async () => {
    const { fake } = await openWindow({ users: 40, armed: false });
    fake.setLink("offline");
    await settle();
    expect(await faults()).toEqual([]);
  });

  it.each(["Sweeps", "Journal", "Settings"])("in %s", async (view) => {
    const { user } = await openWindow({ users: 40 });
    await user.click(button(view));
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("while connecting a site", async () => {
    const { user } = await openWindow({ firstRun: true });
    await user.click(button("Connect a site…"));
    await settle();
    await user.type(screen.getByLabelText("Address of the database"), "postgres://a@b/c{Enter}");
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("in the logout's dialog, before and after", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.click(button(`Log out ${names()[0]}`));
    await settle();
    expect(await faults()).toEqual([]);
    button("Log out", screen.getByRole("alertdialog")).click();
    await new Promise((done) => setTimeout(done, 50));
    expect(screen.getByRole("alertdialog").textContent).toContain("verified");
    expect(await faults()).toEqual([]);
  });

  it("in the preview", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.click(button("Preview sweep"));
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("in the narrow window's sheet", async () => {
    media.narrow = true;
    const { user } = await openWindow({ users: 40 });
    const name = names()[3] ?? "";
    await user.click(row(name));
    await settle();
    screen.getByRole("dialog", { name: `User ${name}` });
    expect(await faults()).toEqual([]);
  });

  it("in the account's dialog, before and after, and in the panel of a suspended person", async () => {
    const { user } = await openWindow({ users: 40, accountSwitch: true, devices: true });
    await user.click(row(names()[3] ?? ""));
    await settle();
    await user.click(button("Suspend…"));
    await settle();
    expect(await faults()).toEqual([]);
    button("Suspend", screen.getByRole("alertdialog")).click();
    await new Promise((done) => setTimeout(done, 50));
    expect(screen.getByRole("alertdialog").textContent).toContain("suspended, verified");
    expect(await faults()).toEqual([]);
    button("Close", screen.getByRole("alertdialog")).click();
    await new Promise((done) => setTimeout(done, 700));
    screen.getByText("Suspended");
    expect(await faults()).toEqual([]);
  });

  it("where sessions live in the browser", async () => {
    await openWindow({ users: 12, engine: "signed_cookies" });
    expect(await faults()).toEqual([]);
  });

  it("while logouts are followed", async () => {
    const { user } = await openWindow({ users: 40, followed: true });
    await user.click(button(`Log out ${names()[0]}`));
    await settle();
    await user.click(button("Log out", screen.getByRole("alertdialog")));
    await settle();
    await user.click(button("Close", screen.getByRole("alertdialog")));
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("in the list of what cannot be read", async () => {
    const { user } = await openWindow({ users: 12, unreadable: 3 });
    await user.click(button("3 sessions cannot be read"));
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("where nobody signed in matches the search", async () => {
    const { user } = await openWindow({ users: 12 });
    await user.type(screen.getByRole("searchbox"), "nobody.at.all");
    await settle();
    expect(await faults()).toEqual([]);
  });

  it("while taking a site from its project", async () => {
    const { user } = await openWindow({ firstRun: true });
    await user.click(button("Connect a site…"));
    await settle();
    await user.click(screen.getByRole("tab", { name: "From a Django project" }));
    await user.type(screen.getByLabelText("The project's manage.py"), "/srv/shop/manage.py{Enter}");
    await settle();
    expect(await faults()).toEqual([]);
  });
});
