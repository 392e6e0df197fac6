// Notices inside the window, and what the tray asks for.
import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { button, dialog, openWindow, settle } from "./window";

const region = () => screen.getByRole("region", { name: "Notices" });

describe("a notice that no daemon took", () => {
  it("is said politely, as text alone, and goes by itself", async () => {
    const { fake } = await openWindow({ users: 12 });
    fake.notice({ title: "1 person is idle", body: "<b>ana</b> 12 min", people: [] });
    await settle();
    expect(region().getAttribute("aria-live")).toBe("polite");
    expect(region().textContent).toContain("<b>ana</b> 12 min");
    expect(region().querySelector("b")).toBeNull();
    await settle(12_000);
    expect(region().textContent).not.toContain("12 min");
  });

  it("shows the person, or logs them out with the dialog", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    const [one] = fake.population.people.filter((p) => p.sessions.length > 0);
    if (!one) throw new Error("the fake has changed");
    const notice = {
      title: "1 person is idle",
      body: "",
      people: [{ id: one.id, username: one.username, idle_seconds: 720 }],
    };
    fake.notice(notice);
    await settle();
    await user.click(button("Show", region()));
    await settle();
    screen.getByRole("complementary", { name: `User ${one.username}` });
    fake.notice(notice);
    await settle();
    await user.click(button("Log out…", region()));
    await settle();
    expect(dialog().textContent).toContain(one.username);
  });

  it("brings a person into sight from the tray, from any view", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(button("Settings"));
    await settle();
    const [one] = fake.population.people;
    fake.show(one?.id ?? "");
    await settle();
    screen.getByRole("complementary", { name: `User ${one?.username}` });
  });
});
