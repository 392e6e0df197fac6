// The states that are drawn on purpose: view-only, offline, stale, empty, first run, a site that will not open.
import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { button, count, grid, names, openWindow, rows, settle } from "./window";

const disabled = (name: string | RegExp) => (button(name) as HTMLButtonElement).disabled;

describe("view-only", () => {
  it("lets nobody out, says why, and keeps the preview", async () => {
    const { fake, user } = await openWindow({ users: 12, armed: false });
    const name = names()[0] ?? "";
    expect(disabled(`Log out ${name}`)).toBe(true);
    expect(button(`Log out ${name}`).title).toBe("View-only: allow changes first");
    expect(disabled("Sweep now")).toBe(true);
    expect(disabled("Preview sweep")).toBe(false);
    expect(screen.getAllByText("View-only: allow changes first").length).toBeGreaterThan(0);
    rows()[0]?.focus();
    await user.keyboard("{Delete}");
    await settle();
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(fake.asked.map((a) => a.what)).not.toContain("logout");
    expect(screen.getByTestId("next-sweep").textContent).toBe("paused");
  });

  it("ends with the switch", async () => {
    const { fake, user } = await openWindow({ users: 12, armed: false });
    const allow = screen.getByRole("switch", { name: "Allow changes" });
    expect(allow.getAttribute("aria-checked")).toBe("false");
    await user.click(allow);
    await settle();
    expect(fake.armed).toBe(true);
    expect(screen.getByRole("switch", { name: "Allow changes" }).getAttribute("aria-checked")).toBe("true");
    expect(disabled(`Log out ${names()[0]}`)).toBe(false);
  });

  it("stays on where the engine refuses, with a notice", async () => {
    const { fake, user } = await openWindow({ users: 12, armed: false });
    fake.setArmed = () => Promise.reject(new Error("The journal cannot be written."));
    await user.click(screen.getByRole("switch", { name: "Allow changes" }));
    await settle();
    expect(screen.getByRole("switch", { name: "Allow changes" }).getAttribute("aria-checked")).toBe("false");
    expect(screen.getByRole("region", { name: "Notices" }).textContent).toContain(
      "The journal cannot be written.",
    );
  });
});

describe("warnings", () => {
  it("fold where there are many, and are put away one by one", async () => {
    const warnings = ["one", "two", "three", "four", "four"];
    const { user } = await openWindow({ users: 12, warnings });
    const shown = () =>
      [...screen.getByRole("list", { name: "Warnings" }).children].map((one) => one.textContent?.trim());
    expect(shown()).toEqual(["one", "two"]);
    await user.click(button(/^[34] more warnings$/));
    expect(shown().slice(0, 5)).toEqual(warnings);
    await user.click(button("Show fewer warnings"));
    expect(shown()).toEqual(["one", "two"]);
    await user.click(screen.getAllByRole("button", { name: "Put this warning away" })[0] as HTMLElement);
    expect(shown()).toEqual(["two", "three"]);
  });
});

describe("the line to the site", () => {
  const line = () => screen.getByTestId("connection");

  it("is live with its age, and a status", async () => {
    await openWindow({ users: 12 });
    expect(line().dataset["state"]).toBe("live");
    expect(line().getAttribute("role")).toBe("status");
    await settle(2000);
    expect(line().textContent).toMatch(/Live · now/);
    await settle(2000);
    expect(line().textContent).toMatch(/Live · now/);
    await settle(2000);
    expect(line().textContent).toMatch(/Live · [67] s ago/);
  });

  it("greys, counts up and says what is wrong while offline; and comes back by itself", async () => {
    const { fake } = await openWindow({ users: 12 });
    fake.setLink("offline");
    await settle(5000);
    expect(line().dataset["state"]).toBe("offline");
    expect(line().textContent).toMatch(/Offline · last look [45] s ago/);
    expect(screen.getByRole("alert").textContent).toContain("connection refused");
    expect(screen.getByRole("alert").textContent).toMatch(/Next try in [2-4] s/);
    expect(grid().parentElement?.classList.contains("old")).toBe(true);
    expect(disabled(`Log out ${names()[0]}`)).toBe(true);
    const seen = rows()[0]?.querySelector(".seen")?.textContent;
    await settle(5000);
    expect(rows()[0]?.querySelector(".seen")?.textContent).toBe(seen);
    expect(line().textContent).toMatch(/(9|1[01]) s ago/);
    fake.setLink("live");
    await settle();
    expect(line().dataset["state"]).toBe("live");
    expect(screen.queryByRole("alert")).toBeNull();
    expect(disabled(`Log out ${names()[0]}`)).toBe(false);
  });

  it("is called stale where no look has come for long, even if nobody says so", async () => {
    await openWindow({ users: 12 });
    await settle(12_000);
    expect(line().dataset["state"]).toBe("stale");
  });

  it("tells whether the site's own address answers", async () => {
    const { fake } = await openWindow({ users: 12 });
    screen.getByText("Site answers · 84 ms");
    fake.tell({
      kind: "health",
      health: {
        ok: false,
        ms: null,
        since: new Date(2026, 6, 17, 14, 2).toISOString(),
        detail: "connection refused",
      },
    });
    await settle();
    screen.getByText("Site does not answer since 14:02");
  });
});

describe("before there are people", () => {
  it("says that nobody is signed in", async () => {
    await openWindow({ users: 0 });
    expect(grid().textContent).toContain("Nobody is signed in.");
    expect(count("signed-in")).toBe("0");
  });

  it("does not say that nobody is signed in where that cannot be known", async () => {
    const detail = "Who is signed in cannot be known: Django would reject all 42 sessions here.";
    const { user } = await openWindow({
      users: 0,
      doubts: [{ code: "engine_unknown", count: 0, detail }],
    });
    expect(grid().textContent).not.toContain("Nobody is signed in");
    expect(grid().textContent).toContain("No session is in sight");
    expect(screen.getByRole("list", { name: "Warnings" }).textContent).toContain(detail);
    await user.click(button("Settings"));
    await settle();
    expect(document.body.textContent).toContain("django.contrib.sessions.backends.db (assumed)");
  });

  it("offers a site on the first run, tests it step by step, and opens it view-only", async () => {
    const { user } = await openWindow({ users: 12, firstRun: true });
    await user.click(button("Connect a site…"));
    await settle();
    const url = screen.getByLabelText("Address of the database");
    await user.type(url, "postgres://denied@db.internal/shop{Enter}");
    await settle();
    const steps = screen.getByRole("list", { name: "Steps of the test" });
    expect(steps.textContent).toContain("Password authentication failed");
    expect(steps.textContent).toContain("Check the user and the password");
    await user.clear(url);
    await user.type(url, "postgres://curfew@db.internal/shop");
    expect(disabled("Connect, view-only")).toBe(true);
    await user.click(button("Test"));
    await settle();
    expect(screen.getByRole("list", { name: "Steps of the test" }).textContent).toContain("Rights");
    await user.click(button("Connect, view-only"));
    await settle(2000);
    expect(rows().length).toBe(12);
    expect(screen.getByRole("switch", { name: "Allow changes" }).getAttribute("aria-checked")).toBe("false");
  });

  it("shows the fields that a failed check asks for, and adds the site with them", async () => {
    const { fake, user } = await openWindow({ users: 12, firstRun: true });
    await user.click(button("Connect a site…"));
    await settle();
    const more = button("Session engine and schema");
    expect(more.getAttribute("aria-expanded")).toBe("false");
    const url = screen.getByLabelText("Address of the database");
    await user.type(url, "postgres://curfew@db.internal/tenants{Enter}");
    await settle();
    expect(screen.getByRole("list", { name: "Steps of the test" }).textContent).toContain("--schema acme");
    expect(more.getAttribute("aria-expanded")).toBe("true");
    await user.type(screen.getByLabelText("Schema"), "acme");
    const engine = screen.getByLabelText("Session engine");
    expect([...engine.querySelectorAll("option")].map((one) => one.textContent)).toEqual([
      "Find out",
      "db",
      "cached_db",
      "cache",
      "file",
      "signed_cookies",
      "Another…",
    ]);
    await user.selectOptions(engine, "Another…");
    expect(disabled("Test")).toBe(true);
    await user.type(screen.getByLabelText("SESSION_ENGINE, its dotted name"), "shop.sessions");
    await user.click(button("Test"));
    await settle();
    expect(screen.getByRole("list", { name: "Steps of the test" }).textContent).toContain("shop.sessions");
    // Another engine is another site to test.
    await user.selectOptions(engine, "cached_db");
    expect(disabled("Connect, view-only")).toBe(true);
    await user.click(button("Test"));
    await settle();
    await user.click(button("Connect, view-only"));
    await settle(2000);
    expect(fake.added).toEqual({
      name: "db.internal.acme",
      url: "postgres://curfew@db.internal/tenants",
      stated: { schema: "acme", session_engine: "django.contrib.sessions.backends.cached_db" },
    });
  });

  it("asks for a schema only where the database has any", async () => {
    const { fake, user } = await openWindow({ users: 12, firstRun: true });
    await user.click(button("Connect a site…"));
    await settle();
    await user.click(button("Session engine and schema"));
    await user.type(screen.getByLabelText("Schema"), "acme");
    await user.type(screen.getByLabelText("Address of the database"), "sqlite:///srv/shop.sqlite3{Enter}");
    await settle();
    expect(screen.queryByLabelText("Schema")).toBeNull();
    await user.click(button("Connect, view-only"));
    await settle(2000);
    expect(fake.added?.stated).toEqual({ schema: null, session_engine: null });
  });

  it("says why a site could not be opened, and tries again by itself", async () => {
    const { fake } = await openWindow({ users: 12, broken: "the password was refused" });
    expect(screen.getByRole("alert").textContent).toContain("the password was refused");
    delete fake.options.broken;
    await settle(3000);
    expect(rows()).toHaveLength(12);
  });

  it("marks a demo as a demo", async () => {
    await openWindow({ users: 12, demo: true });
    screen.getByText("Demo");
  });
});
