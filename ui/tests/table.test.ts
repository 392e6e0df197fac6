// The grid "Users": its words for others, its rows, and the keyboard.
import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { body, button, count, dialog, grid, hover, names, openWindow, row, rows, settle } from "./window";

describe("what others find it by", () => {
  it("has the counters' numbers alone, the rows' names and states, and the search", async () => {
    const { fake } = await openWindow({ users: 12 });
    const counts = fake.population.counts(fake.now, fake.policy);
    for (const [id, key] of [
      ["signed-in", "signed_in"],
      ["active", "active"],
      ["idle", "idle"],
      ["overdue", "overdue"],
      ["stale", "stale"],
      ["sessions", "sessions"],
    ] as const) {
      expect(count(id)).toBe(String(counts[key]));
    }
    expect(rows()).toHaveLength(12);
    expect(new Set(rows().map((r) => r.dataset["state"]))).toEqual(
      new Set(["active", "idle", "overdue", "stale"]),
    );
    expect(grid().getAttribute("aria-rowcount")).toBe("13");
    screen.getByRole("searchbox", { name: "Search users" });
    const [name] = names();
    button(`Log out ${name}`);
  });

  it("tells the site that the first rows are painted, once", async () => {
    const { fake } = await openWindow({ users: 12 });
    fake.advance(2);
    await settle();
    expect(fake.asked.filter((a) => a.what === "painted")).toHaveLength(1);
  });
});

describe("100,000 users", () => {
  it("keeps few rows in the document, wherever it is scrolled", async () => {
    const { user } = await openWindow({ users: 100_000 });
    expect(rows().length).toBeGreaterThan(10);
    expect(grid().querySelectorAll("[role=row]").length).toBeLessThanOrEqual(60);
    rows()[0]?.focus();
    await user.keyboard("{End}");
    await settle();
    expect(document.activeElement?.getAttribute("aria-rowindex")).toBe("100001");
    expect(rows().length).toBeGreaterThan(10);
    expect(grid().querySelectorAll("[role=row]").length).toBeLessThanOrEqual(60);
  });
});

describe("a refresh", () => {
  it("keeps the selection, the panel and the scroll position", async () => {
    const { fake, user } = await openWindow({ users: 400 });
    body().scrollTop = 340;
    body().dispatchEvent(new Event("scroll"));
    await settle();
    const name = names()[10] ?? "";
    await user.click(row(name));
    await settle();
    hover(body(), "pointerleave");
    screen.getByRole("complementary", { name: `User ${name}` });
    for (let n = 0; n < 5; n++) {
      fake.advance(2);
      await settle();
    }
    expect(body().scrollTop).toBe(340);
    screen.getByRole("complementary", { name: `User ${name}` });
    if (names().includes(name)) expect(row(name).getAttribute("aria-selected")).toBe("true");
  });

  it("does not reorder under the pointer, and says how much waits", async () => {
    const { fake, user } = await openWindow({ users: 30 });
    const before = names();
    hover(body(), "pointerenter");
    const last = fake.population.people.find((p) => p.username === before[9]);
    if (last) last.seen = fake.now + 1;
    fake.moved();
    await settle();
    expect(names()).toEqual(before);
    await user.click(button("1 change"));
    await settle();
    expect(names()[0]).toBe(before[9]);
  });

  it("keeps the keyboard with its person where the order changes", async () => {
    const { fake, user } = await openWindow({ users: 30 });
    const name = names()[4] ?? "";
    rows()[3]?.focus();
    await user.keyboard("{ArrowDown}");
    expect((document.activeElement as HTMLElement).dataset["username"]).toBe(name);
    const one = fake.population.people.find((p) => p.username === name);
    if (one) one.seen = fake.now + 1;
    fake.moved();
    await settle();
    expect(names()[0]).toBe(name);
    expect((document.activeElement as HTMLElement).dataset["username"]).toBe(name);
  });

  it("keeps the focus on a person's button, and on nobody else's where they leave", async () => {
    const { fake } = await openWindow({ users: 30 });
    const name = names()[4] ?? "";
    button(`Log out ${name}`).focus();
    const at = fake.population.people.findIndex((p) => p.username === name);
    const one = fake.population.people[at];
    if (one) one.seen = fake.now + 1;
    fake.moved();
    await settle();
    expect(names()[0]).toBe(name);
    expect(document.activeElement).toBe(button(`Log out ${name}`));
    fake.population.people.splice(at, 1);
    fake.moved();
    await settle();
    expect(names()).not.toContain(name);
    expect(document.activeElement?.getAttribute("aria-rowindex")).toBe("2");
  });

  it("ticks times between two looks without asking", async () => {
    const { fake } = await openWindow({ users: 12 });
    const before = fake.asked.filter((a) => a.what === "users").length;
    const cell = () => rows()[0]?.querySelector(".seen")?.textContent ?? "";
    const first = cell();
    await settle(3000);
    expect(cell()).not.toBe(first);
    expect(fake.asked.filter((a) => a.what === "users")).toHaveLength(before);
  });
});

describe("the keyboard", () => {
  it("goes, opens, marks, logs out and closes", async () => {
    const { user } = await openWindow({ users: 40 });
    const all = names();
    await user.keyboard("/");
    await settle();
    expect(document.activeElement).toBe(screen.getByRole("searchbox"));
    await user.keyboard("{ArrowDown}");
    await settle();
    const at = () => (document.activeElement as HTMLElement).dataset["username"];
    expect(at()).toBe(all[0]);
    await user.keyboard("{ArrowDown}{ArrowDown}");
    await settle();
    expect(at()).toBe(all[2]);
    await user.keyboard("{PageDown}");
    await settle();
    expect(document.activeElement?.getAttribute("aria-rowindex")).toBe("18");
    await user.keyboard("{Home}{Enter}");
    await settle();
    screen.getByRole("complementary", { name: `User ${all[0]}` });
    await user.keyboard(" {ArrowDown} ");
    await settle();
    button("Log out 2 users…");
    await user.keyboard("{Delete}");
    await settle();
    expect(dialog().textContent).toContain("Log out 2 users?");
    await user.keyboard("{Escape}");
    await settle();
    expect(screen.queryByRole("alertdialog")).toBeNull();
    expect(at()).toBe(all[1]);
    await user.keyboard("{Escape}");
    await settle();
    expect(screen.queryByRole("button", { name: /users…/ })).toBeNull();
    await user.keyboard("{Escape}");
    await settle();
    expect(screen.queryByRole("complementary")).toBeNull();
  });

  it("is reached by one Tab stop a row, not by all", async () => {
    await openWindow({ users: 40 });
    expect(rows().filter((r) => r.tabIndex === 0)).toHaveLength(1);
    expect(grid().querySelectorAll('.row button[tabindex="0"]').length).toBe(1);
  });

  it("selects a range with Shift", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.click(rows()[1] as HTMLElement);
    await user.keyboard("{Shift>}{ArrowDown}{ArrowDown}{/Shift}");
    await settle();
    button("Log out 3 users…");
  });
});

describe("sorting and filtering", () => {
  it("sorts by a column, and back", async () => {
    const { user } = await openWindow({ users: 40 });
    const head = () => screen.getByRole("columnheader", { name: "User" });
    await user.click(button("User", grid()));
    await settle();
    expect(head().getAttribute("aria-sort")).toBe("ascending");
    const up = names();
    expect(up).toEqual([...up].sort((a, b) => ((a ?? "") < (b ?? "") ? -1 : 1)));
    await user.click(button("User", grid()));
    await settle();
    expect(head().getAttribute("aria-sort")).toBe("descending");
    expect(names()[0]).not.toBe(up[0]);
  });

  it("filters by a counter, and shows everyone again", async () => {
    const { user } = await openWindow({ users: 40 });
    const overdue = screen.getByTestId("count-overdue").closest("button") as HTMLElement;
    await user.click(overdue);
    await settle();
    expect(overdue.getAttribute("aria-pressed")).toBe("true");
    expect(rows().length).toBe(Number(count("overdue")));
    expect(rows().every((r) => r.dataset["state"] === "overdue")).toBe(true);
    await user.click(button("Show everyone"));
    await settle();
    expect(grid().getAttribute("aria-rowcount")).toBe("41");
  });

  it("searches, and says so when nobody fits", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.type(screen.getByRole("searchbox"), "王小明");
    await settle();
    expect(names()).toEqual(["王小明"]);
    await user.type(screen.getByRole("searchbox"), "zzz");
    await settle();
    expect(grid().textContent).toContain("Nobody matches");
  });
});
