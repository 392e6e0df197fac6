// Settings: the site's facts with their evidence, notices, and the start with the desktop.
import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { button, openWindow, settle } from "./window";

describe("settings", () => {
  it("shows what was found, and why", async () => {
    // Two tables of tokens: several findings of a kind are shown one by one.
    const { user } = await openWindow({ users: 12, tokens: 3 });
    await user.click(button("Settings"));
    await settle();
    const found = screen.getByRole("table", { name: "Found in the database" });
    expect(found.textContent).toContain("authtoken_token");
    expect(found.textContent).toContain("knox_authtoken");
    expect(found.textContent).toContain("accounts_customuser");
    expect(found.textContent).toContain("django_admin_log.user_id refers to it");
  });

  it("sets notices one by one, and their idle time", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(button("Settings"));
    await settle();
    await user.click(screen.getByRole("switch", { name: "Sweeps and what they did" }));
    await settle();
    expect(fake.notices).toEqual({ idle: true, idle_from: 600, sweeps: false, connection: true });
    const from = screen.getByLabelText("Idle for at least");
    await user.clear(from);
    await user.type(from, "20m");
    await user.tab();
    await settle();
    expect(fake.notices.idle_from).toBe(1200);
    expect((from as HTMLInputElement).value).toBe("20 min");
  });

  it("starts with the desktop when asked to", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(button("Settings"));
    await settle();
    await user.click(screen.getByRole("switch", { name: "Start with the desktop" }));
    await settle();
    expect(fake.starts).toBe(true);
  });
});
